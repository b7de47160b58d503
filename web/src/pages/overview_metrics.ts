// What the overview can show: each a figure with the time before it, and a chart.
import * as format from "../base/format.ts";
import type { OverviewPoint, UsageSums } from "../base/types.ts";
import type { Series, SeriesTone } from "../parts/tones.ts";

export interface Metric {
    name: string; // in the URL
    title: string;
    value: (point: OverviewPoint) => number | null;
    text: (value: number | null) => string;
    exact: (value: number | null) => string;
    upIsBad?: boolean;
    note?: (point: OverviewPoint) => string; // beside the figure, where it says more than the comparison
    kind: "bars" | "lines";
    axis?: (value: number) => string;
    increments?: number[];
    series: (points: OverviewPoint[]) => Series[];
}

const tokens = (sums: UsageSums) => sums.input_tokens + sums.output_tokens;
const errors = (sums: UsageSums) => sums.refused + sums.failed + sums.interrupted;
const share = (part: number, whole: number) => (whole ? part / whole : null);

function line(name: string, tone: SeriesTone, points: OverviewPoint[], value: (point: OverviewPoint) => number | null): Series {
    return { name, tone, values: points.map(value) };
}

function percentiles(points: OverviewPoint[], which: "duration" | "first_token"): Series[] {
    return [
        line("Half of the calls (p50)", "s2", points, (point) => point[which].p50_ms),
        line("95 of 100 (p95)", "s1", points, (point) => point[which].p95_ms),
        line("99 of 100 (p99)", "s3", points, (point) => point[which].p99_ms),
    ];
}

export const METRICS: Metric[] = [
    {
        name: "calls",
        title: "Calls",
        value: (point) => point.sums.calls,
        text: format.count,
        axis: format.countAxis,
        exact: (value) => `${format.countExact(value)} calls`,
        kind: "bars",
        series: (points) => [
            line("Served", "s1", points, (point) => point.sums.served),
            line("Cancelled by the caller", "other", points, (point) => point.sums.cancelled),
            line("Refused", "warn", points, (point) => point.sums.refused),
            line("Failed", "bad", points, (point) => point.sums.failed + point.sums.interrupted),
        ],
    },
    {
        name: "errors",
        title: "Not served",
        value: (point) => share(errors(point.sums), point.sums.calls),
        text: format.percentOf,
        exact: (value) => (value === null ? "no calls" : `${(value * 100).toFixed(3)} % of the calls were refused or failed`),
        upIsBad: true,
        note: (point) => `${format.count(point.sums.refused)} refused, ${format.count(point.sums.failed + point.sums.interrupted)} failed`,
        axis: format.countAxis,
        kind: "bars",
        series: (points) => [
            line("Refused", "warn", points, (point) => point.sums.refused),
            line("Failed", "bad", points, (point) => point.sums.failed),
            line("Interrupted", "s7", points, (point) => point.sums.interrupted),
        ],
    },
    {
        name: "spend",
        title: "Spend",
        value: (point) => (point.sums.cost_usd === null ? null : Number(point.sums.cost_usd)),
        text: format.money,
        exact: format.moneyExact,
        axis: format.moneyAxis,
        kind: "bars",
        series: (points) => [line("Spend", "s1", points, (point) => Number(point.sums.cost_usd ?? 0))],
    },
    {
        name: "tokens",
        title: "Tokens",
        value: (point) => tokens(point.sums),
        text: format.count,
        axis: format.countAxis,
        exact: (value) => `${format.countExact(value)} tokens, in and out`,
        kind: "bars",
        series: (points) => [
            line("In", "s1", points, (point) => Math.max(0, point.sums.input_tokens - point.sums.cached_input_tokens)),
            line("In, from a prompt cache", "s2", points, (point) => point.sums.cached_input_tokens),
            line("Out", "s3", points, (point) => point.sums.output_tokens),
        ],
    },
    {
        name: "cache",
        title: "From caches",
        value: (point) => point.cache_share,
        text: format.percentOf,
        exact: (value) => (value === null ? "no tokens were read" : `${(value * 100).toFixed(2)} % of the tokens read came from providers' prompt caches`),
        kind: "lines",
        series: (points) => [line("Share of the tokens read", "s2", points, (point) => point.cache_share)],
    },
    {
        name: "duration",
        title: "Duration, p95",
        value: (point) => point.duration.p95_ms,
        text: format.duration,
        exact: (value) => (value === null ? "no call was served" : `95 of 100 served calls took at most ${value.toLocaleString("en-US")} ms`),
        upIsBad: true,
        kind: "lines",
        increments: format.DURATION_INCREMENTS,
        series: (points) => percentiles(points, "duration"),
    },
    {
        name: "first-token",
        title: "First token, p95",
        value: (point) => point.first_token.p95_ms,
        text: format.duration,
        exact: (value) => (value === null ? "no stream was served" : `of 95 of 100 streams the first piece came within ${value.toLocaleString("en-US")} ms`),
        upIsBad: true,
        kind: "lines",
        increments: format.DURATION_INCREMENTS,
        series: (points) => percentiles(points, "first_token"),
    },
];

// How a figure compares with the time before it, and whether that is a reason to look.
export function comparison(metric: Metric, now: OverviewPoint, before: OverviewPoint): { text: string; bad: boolean } {
    const [value, earlier] = [metric.value(now), metric.value(before)];
    if (value === null || earlier === null) return { text: "", bad: false };
    const text = format.change(value, earlier);
    const worse = Boolean(metric.upIsBad) && earlier > 0 && value > earlier * 1.25;
    return { text: text === "" ? "" : text === "new" ? "none before" : `${text} on before`, bad: worse };
}
