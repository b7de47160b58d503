// What a change changed, member by member.

export interface Change {
    number: number;
    time: string;
    who: string;
    via: string;
    action: string;
    kind: string;
    object: string | null;
    before: Record<string, unknown> | null;
    after: Record<string, unknown> | null;
}

export interface Difference {
    member: string;
    before: string | null; // null: it was not there
    after: string | null;
}

// Members that change by themselves, or with every look.
const PASSING = new Set(["last_used_at", "spent", "left", "period_start", "resets_at", "keys", "used_at"]);

export function shown(value: unknown): string | null {
    if (value === null || value === undefined || value === "") return null;
    if (typeof value === "string") return value;
    if (Array.isArray(value)) return value.length === 0 ? null : value.map((each) => shown(each) ?? "").join(", ");
    if (typeof value === "object") {
        const entries = Object.entries(value as Record<string, unknown>);
        return entries.length === 0 ? null : entries.map(([name, each]) => `${name}=${shown(each) ?? ""}`).join(", ");
    }
    return String(value);
}

export function differences(change: Pick<Change, "before" | "after">): Difference[] {
    const names = [...new Set([...Object.keys(change.before ?? {}), ...Object.keys(change.after ?? {})])];
    return names
        .filter((name) => !PASSING.has(name))
        .map((member) => ({ member, before: shown(change.before?.[member]), after: shown(change.after?.[member]) }))
        .filter((difference) => difference.before !== difference.after);
}

// "budget growth", "key ci-fixer": what people call the object.
export function objectName(change: Change): string {
    const object = change.after ?? change.before ?? {};
    const name = shown(object["name"]) ?? shown(object["key_name"]) ?? shown(object["team"]) ?? change.object;
    return `${change.kind.replace("_", " ")}${name ? ` ${name}` : ""}`;
}

// "amount: 1500.00 → 525.00", for the row of a list; of a new object what it is.
export function summary(change: Change): string {
    const found = differences(change).filter((each) => each.member !== "id" && each.member !== "created_at" && each.member !== "name");
    const words = found.map((each) => (change.before && change.after ? `${each.member}: ${each.before ?? "none"} → ${each.after ?? "none"}` : `${each.member}: ${each.after ?? each.before ?? ""}`));
    return words.join("; ");
}
