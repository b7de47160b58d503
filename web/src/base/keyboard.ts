// Keys that work everywhere: Ctrl K finds, / searches, ? explains, g and a letter goes to a page, Esc closes what is on top.
// Nothing is taken from somebody who is typing.

const escapes: (() => void)[] = [];

// The last that asked is closed first. Returns what takes it back.
export function onEscape(close: () => void): () => void {
    escapes.push(close);
    return () => {
        const place = escapes.lastIndexOf(close);
        if (place >= 0) escapes.splice(place, 1);
    };
}

function isTyping(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

export interface Shortcuts {
    help: () => void;
    find: () => void;
    pages: Record<string, () => void>; // by the letter after g
}

const SECOND_KEY_WITHIN_MS = 1500;

export function listen({ help, find, pages }: Shortcuts) {
    let goSince = 0;
    document.addEventListener("keydown", (event) => {
        if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && !document.querySelector("dialog[open]")) {
            event.preventDefault();
            return find();
        }
        if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
        if (document.querySelector("dialog[open]")) return; // the browser's own keys
        if (event.key === "Escape") {
            if (isTyping(event.target) && event.target instanceof HTMLElement && !event.target.closest(".drawer")) return event.target.blur();
            return escapes.at(-1)?.();
        }
        if (isTyping(event.target)) return;
        const page = Date.now() - goSince < SECOND_KEY_WITHIN_MS ? pages[event.key] : undefined;
        goSince = 0;
        if (page) page();
        else if (event.key === "g") goSince = Date.now();
        else if (event.key === "?") help();
        else if (event.key === "/") {
            const search = document.querySelector<HTMLInputElement>("[data-search]");
            if (!search) return;
            search.focus();
            search.select();
        } else return;
        event.preventDefault();
    });
}
