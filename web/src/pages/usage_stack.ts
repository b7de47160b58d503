// Rows of an answer of GET /usage, by one thing and a step of time, as series that stand on each other: the
// largest first, the many small ones together.
import type { Step } from "../base/period.ts";
import type { UsageRow } from "../base/types.ts";
import { type Series, toneAt } from "../parts/tones.ts";

const SERIES_MAX = 8; // as many as there are colours that can be told apart
const TIMES_MAX = 2400; // 100 days of hours: more bars than a wide screen has room for
export const OTHERS = "All others";

const STEP_SECONDS: Record<Step, number> = { hour: 3600, day: 86_400, week: 604_800, month: 2_678_400 };

// Where the next interval begins, by the viewer's calendar: a day of 23 hours too.
function nextStart(seconds: number, step: Step): number {
    if (step === "hour") return seconds + 3600;
    const at = new Date(seconds * 1000);
    if (step === "month") at.setMonth(at.getMonth() + 1, 1);
    else at.setDate(at.getDate() + (step === "week" ? 7 : 1));
    return at.getTime() / 1000;
}

// The start of the interval that a row belongs to: its label is by the calendar; its `start` is cut at the
// beginning of what was asked for.
function startOf(row: UsageRow, step: Step): number {
    const label = String(row[step] ?? "");
    if (step === "hour") return Math.floor(new Date(row.start ?? 0).getTime() / 3_600_000) * 3600;
    const day = step === "month" ? `${label}-01` : label;
    const at = new Date(`${day}T00:00:00`).getTime() / 1000;
    return Number.isFinite(at) ? at : new Date(row.start ?? 0).getTime() / 1000;
}

// Starts of all intervals of a time, by the viewer's calendar: one without calls is a 0 and not left out.
function timesOf(period: { from: Date; to: Date }, step: Step): number[] {
    const at = new Date(period.from);
    if (step === "hour") at.setMinutes(0, 0, 0);
    else at.setHours(0, 0, 0, 0);
    if (step === "week") at.setDate(at.getDate() - ((at.getDay() + 6) % 7));
    if (step === "month") at.setDate(1);
    const times: number[] = [];
    const end = period.to.getTime() / 1000;
    for (let start = at.getTime() / 1000; start < end && times.length < TIMES_MAX; start = nextStart(start, step)) times.push(start);
    return times;
}

export function stackOf(rows: UsageRow[], by: string, value: (row: UsageRow) => number, period: { from: Date; to: Date; step: Step }, nameOf: (row: UsageRow) => string): { times: number[]; series: Series[]; step: number } {
    const { step } = period;
    const cells = rows.map((row) => ({ id: String(row[by] ?? ""), name: nameOf(row), at: startOf(row, step), value: value(row) }));
    const times = timesOf(period, step);
    const places = new Map(times.map((time, place) => [time, place]));
    const groups = new Map<string, { name: string; total: number; values: number[] }>();
    for (const cell of cells) {
        const group = groups.get(cell.id) ?? { name: cell.name, total: 0, values: times.map(() => 0) };
        groups.set(cell.id, group);
        const place = places.get(cell.at);
        if (place !== undefined) group.values[place] = (group.values[place] ?? 0) + cell.value;
        group.total += cell.value;
    }
    const ranked = [...groups.values()].sort((a, b) => b.total - a.total);
    const shown = ranked.length > SERIES_MAX ? ranked.slice(0, SERIES_MAX - 1) : ranked;
    const rest = ranked.slice(shown.length);
    const series: Series[] = shown.map((group, place) => ({ name: group.name || "(none)", values: group.values, tone: toneAt(place) }));
    if (rest.length > 0) series.push({ name: `${OTHERS} (${rest.length})`, tone: "other", values: times.map((_, place) => rest.reduce((sum, group) => sum + (group.values[place] ?? 0), 0)) });
    return { times, series, step: STEP_SECONDS[step] };
}
