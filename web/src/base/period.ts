// The time that a page looks at, from its URL: ?period=7d, or ?since=2026-11-01&until=2026-11-15 (days of
// the viewer's calendar, the last one included).

export type Step = "hour" | "day" | "week" | "month";

export interface Period {
    name: string; // "7d", "month", "custom"
    title: string; // "Last 7 days"
    since: string; // as the API takes it
    until: string | null;
    from: Date;
    to: Date;
    step: Step; // in which a chart of it is drawn
}

const DAY_MS = 86_400_000;

interface Preset {
    name: string;
    title: string;
    ms?: number;
    step: Step;
}

export const PRESETS: Preset[] = [
    { name: "1h", title: "Last hour", ms: DAY_MS / 24, step: "hour" },
    { name: "24h", title: "Last 24 hours", ms: DAY_MS, step: "hour" },
    { name: "7d", title: "Last 7 days", ms: 7 * DAY_MS, step: "day" },
    { name: "30d", title: "Last 30 days", ms: 30 * DAY_MS, step: "day" },
    { name: "90d", title: "Last 90 days", ms: 90 * DAY_MS, step: "day" },
    { name: "month", title: "This month", step: "day" },
    { name: "last-month", title: "Last month", step: "day" },
];

const DAY = /^\d{4}-\d{2}-\d{2}$/;

// Midnight of the viewer's calendar.
function startOf(day: string): Date {
    return new Date(`${day}T00:00:00`);
}

export function dayText(at: Date): string {
    const pad = (value: number) => String(value).padStart(2, "0");
    return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

function stepOf(ms: number): Step {
    if (ms <= 3 * DAY_MS) return "hour";
    return ms <= 180 * DAY_MS ? "day" : "month";
}

function between(name: string, title: string, from: Date, to: Date, now: Date): Period {
    const open = to.getTime() >= now.getTime();
    return { name, title, since: from.toISOString(), until: open ? null : to.toISOString(), from, to: open ? now : to, step: stepOf(to.getTime() - from.getTime()) };
}

function customPeriod(query: URLSearchParams, now: Date): Period | null {
    const since = query.get("since") ?? "";
    const until = query.get("until") ?? "";
    if (!DAY.test(since) || (until && !DAY.test(until))) return null;
    const from = startOf(since);
    const end = until ? startOf(until) : now;
    if (until) end.setDate(end.getDate() + 1);
    if (!(from.getTime() < end.getTime())) return null;
    return between("custom", until ? `${since} to ${until}` : `Since ${since}`, from, end, now);
}

export function periodOf(query: URLSearchParams, standard = "7d", now = new Date()): Period {
    const custom = customPeriod(query, now);
    if (custom) return custom;
    const wanted = query.get("period") ?? standard;
    const preset = PRESETS.find((each) => each.name === wanted) ?? PRESETS.find((each) => each.name === standard) ?? PRESETS[0]!;
    if (preset.ms) return { ...preset, since: preset.name, until: null, from: new Date(now.getTime() - preset.ms), to: now };
    const back = preset.name === "month" ? 0 : 1;
    const from = new Date(now.getFullYear(), now.getMonth() - back, 1);
    return between(preset.name, preset.title, from, new Date(now.getFullYear(), now.getMonth() - back + 1, 1), now);
}

// The words for a URL that keeps the period of this one.
export function periodQuery(query: URLSearchParams): Record<string, string | null> {
    return { period: query.get("period"), since: query.get("since"), until: query.get("until") };
}

// Whose days the gateway adds up by.
export function zone(): string {
    return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
