// Texts that callers or providers wrote. They are shown as they are, but for characters that would hide
// something from the reader or turn its direction: those are shown by their number.

export interface Piece {
    text: string;
    hidden: boolean; // `text` is the number of a character, such as U+202E
}

// C0 and C1 controls but for tab and line feed, soft hyphen, Arabic letter mark, zero-width characters, the
// marks, embeddings, overrides and isolates of direction, invisible operators, the byte order mark, tags.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function numberOf(character: string): string {
    return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// The text in pieces: what can be shown as it is, and what cannot.
export function piecesOf(text: string): Piece[] {
    const pieces: Piece[] = [];
    let end = 0;
    for (const match of text.matchAll(HIDDEN)) {
        if (match.index > end) pieces.push({ text: text.slice(end, match.index), hidden: false });
        pieces.push({ text: numberOf(match[0]), hidden: true });
        end = match.index + match[0].length;
    }
    if (end < text.length) pieces.push({ text: text.slice(end), hidden: false });
    return pieces;
}

// The same as one text, for places that take no elements: titles, labels, options.
export function visible(text: string): string {
    return piecesOf(text)
        .map((piece) => (piece.hidden ? `⟨${piece.text}⟩` : piece.text))
        .join("");
}

// "1 key", "3 keys".
export function counted(count: number, one: string, many = `${one}s`): string {
    return `${count === 1 ? "1" : count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

const BROWSERS: [RegExp, string][] = [
    [/\bEdg\/(\d+)/, "Edge"],
    [/\bFirefox\/(\d+)/, "Firefox"],
    [/\b(?:Headless)?Chrome\/(\d+)/, "Chrome"],
    [/\bVersion\/(\d+)[^ ]* (?:Mobile\/\S+ )?Safari\//, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
    [/\bWindows\b/, "Windows"],
    [/\b(?:iPhone|iPad)\b/, "iOS"],
    [/\bMac OS X\b/, "macOS"],
    [/\bAndroid\b/, "Android"],
    [/\bLinux\b/, "Linux"],
];

// "Firefox 148 on Linux"; what is none of these stays as it says itself.
export function browserName(agent: string | null): string | null {
    if (!agent) return null;
    for (const [pattern, name] of BROWSERS) {
        const version = pattern.exec(agent)?.[1];
        if (!version) continue;
        const system = SYSTEMS.find(([each]) => each.test(agent))?.[1];
        return `${name} ${version}${system ? ` on ${system}` : ""}`;
    }
    return agent;
}
