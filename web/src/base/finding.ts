// What the finder (Ctrl K) goes through, and how well a thing fits what was typed.
export interface Found {
    kind: string; // "page", "team", "key", "model", "call"
    title: string;
    beside: string; // what else is known of it, searched too
    href: string;
}

// 0: does not fit; more: fits better. All words must be there; at the beginning of the name is best.
export function fitness(found: Found, typed: string): number {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    const title = found.title.toLowerCase();
    const beside = found.beside.toLowerCase();
    let sum = 1;
    for (const word of words) {
        if (title.startsWith(word)) sum += 8;
        else if (new RegExp(`[\\s_.:/-]${word.replace(/[^\w]/g, "\\$&")}`).test(title)) sum += 5;
        else if (title.includes(word)) sum += 3;
        else if (beside.includes(word)) sum += 1;
        else return 0;
    }
    // Of two that fit alike the shorter is meant.
    return sum + 1 / (1 + title.length);
}

export function find(all: readonly Found[], typed: string, most: number): Found[] {
    const fitting = all.map((found) => ({ found, fit: fitness(found, typed) })).filter((each) => each.fit > 0);
    if (typed.trim()) fitting.sort((a, b) => b.fit - a.fit);
    return fitting.slice(0, most).map((each) => each.found);
}
