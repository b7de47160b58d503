// Every view has a URL, filters included: what one sees can be sent to somebody else, and the back button
// works. Paths are behind /console; `current` is the signal that pages are drawn from.
import { signal } from "@preact/signals";

export const BASE = "/console";

export interface Place {
    path: string; // behind /console: "/teams/payments"
    query: URLSearchParams;
}

export interface Match<Name> {
    name: Name;
    parameters: Record<string, string>;
}

// "/teams/:team" against "/teams/payments": { team: "payments" }, or null.
export function matchPattern(pattern: string, path: string): Record<string, string> | null {
    const wanted = pattern.split("/").filter(Boolean);
    const given = path.split("/").filter(Boolean);
    if (wanted.length !== given.length) return null;
    const parameters: Record<string, string> = {};
    for (let i = 0; i < wanted.length; i++) {
        const segment = wanted[i] ?? "";
        if (segment.startsWith(":")) {
            const value = decoded(given[i] ?? "");
            if (value === null) return null;
            parameters[segment.slice(1)] = value;
        } else if (segment !== given[i]) return null;
    }
    return parameters;
}

function decoded(segment: string): string | null {
    try {
        return decodeURIComponent(segment);
    } catch {
        return null; // somebody typed a percent sign by hand
    }
}

export function placeOf(url: URL): Place | null {
    if (url.pathname !== BASE && !url.pathname.startsWith(`${BASE}/`)) return null;
    return { path: url.pathname.slice(BASE.length) || "/", query: url.searchParams };
}

export type QueryChange = Record<string, string | null | undefined>;

// The query with some values set, and those that are null, undefined or "" taken out.
export function changedQuery(query: URLSearchParams, change: QueryChange): URLSearchParams {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(change)) {
        if (value) next.set(name, value);
        else next.delete(name);
    }
    return next;
}

// link("/usage", { by: "team" }) is "/console/usage?by=team".
export function link(path: string, query: QueryChange = {}): string {
    const words = changedQuery(new URLSearchParams(), query).toString();
    return `${BASE}${path}${words && `?${words}`}`;
}

// A path of segments that may hold anything: pathOf("teams", "a/b") is "/teams/a%2Fb".
export function pathOf(...segments: string[]): string {
    return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

const inBrowser = typeof window !== "undefined";

export const current = signal<Place>(
    (inBrowser && placeOf(new URL(window.location.href))) || { path: "/", query: new URLSearchParams() },
);

export function navigate(url: string, how: "push" | "replace" = "push") {
    const place = placeOf(new URL(url, window.location.href));
    if (!place) {
        window.location.assign(url);
        return;
    }
    const samePage = place.path === current.value.path;
    if (how === "push") window.history.pushState(null, "", url);
    else window.history.replaceState(null, "", url);
    current.value = place;
    if (!samePage) window.scrollTo(0, 0);
}

// Changes filters of this view. What is typed letter by letter replaces; what is chosen is a step back.
export function setQuery(change: QueryChange, how: "push" | "replace" = "push") {
    const query = changedQuery(current.value.query, change);
    if (query.toString() === current.value.query.toString()) return;
    navigate(`${BASE}${current.value.path}${query.size ? `?${query}` : ""}`, how);
}

// Links of the console are followed without loading it anew; those with a modifier key, a target or a
// download are the browser's.
export function followLinks() {
    document.addEventListener("click", (event) => {
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        const anchor = event.target instanceof Element ? event.target.closest("a") : null;
        if (!anchor || anchor.target || anchor.hasAttribute("download")) return;
        const url = new URL(anchor.href, window.location.href);
        if (url.origin !== window.location.origin || !placeOf(url)) return;
        event.preventDefault();
        navigate(url.pathname + url.search);
    });
    window.addEventListener("popstate", () => {
        const place = placeOf(new URL(window.location.href));
        if (place) current.value = place;
    });
}
