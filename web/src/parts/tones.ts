// Colours of series, by name; style/tokens.css has them for light and dark.
export type SeriesTone = "s1" | "s2" | "s3" | "s4" | "s5" | "s6" | "s7" | "s8" | "other" | "good" | "warn" | "bad";

export interface Series {
    name: string;
    values: (number | null)[];
    tone: SeriesTone;
}

const TONES: SeriesTone[] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];

export function toneAt(place: number): SeriesTone {
    return TONES[place] ?? "other";
}
