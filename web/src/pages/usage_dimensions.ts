// What usage can be added up by, and how one goes on from a row of it.
import type { UsageRow } from "../base/types.ts";

export interface Dimension {
    by: string; // as the API takes it
    title: string;
    filter: string | null; // the parameter that narrows to one of it
    next: string; // what one asks next, having narrowed to one
}

export const DIMENSIONS: Dimension[] = [
    { by: "team", title: "Team", filter: "team", next: "key" },
    { by: "key", title: "Key", filter: "key", next: "model" },
    { by: "model", title: "Model", filter: "model", next: "team" },
    { by: "provider", title: "Provider", filter: "provider", next: "model" },
    { by: "target_model", title: "Provider's model", filter: null, next: "team" },
    { by: "service", title: "Service", filter: null, next: "model" },
    { by: "tags", title: "All tags", filter: null, next: "key" },
];

// "tag:env" is one too: of the tags that keys have.
export function dimensionOf(by: string): Dimension {
    if (by.startsWith("tag:")) return { by, title: `Tag ${by.slice(4)}`, filter: "tag", next: "key" };
    return DIMENSIONS.find((each) => each.by === by) ?? DIMENSIONS[0]!;
}

export function nameOf(row: UsageRow, by: string): string {
    if (by === "key") return row.key_name || String(row["key"] ?? "");
    return String(row[by] ?? "");
}

// The filters that narrow to this row and ask the next question; null where nothing narrows to it.
export function narrowed(row: UsageRow, dimension: Dimension): Record<string, string> | null {
    const value = String(row[dimension.by] ?? "");
    if (!dimension.filter || !value) return null;
    if (dimension.filter === "model" && value.includes("*")) return null; // it would be a pattern
    const filter = dimension.filter === "tag" ? `${dimension.by.slice(4)}=${value}` : value;
    return { [dimension.filter]: filter, by: dimension.next };
}

// The same for the list of calls, which knows fewer filters.
export function callsQuery(filters: Record<string, string | null>): Record<string, string | null> | null {
    if (filters["provider"] || filters["tag"]) return null;
    return { team: filters["team"] ?? null, key: filters["key"] ?? null, model: filters["model"] ?? null };
}
