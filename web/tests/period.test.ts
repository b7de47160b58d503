import assert from "node:assert/strict";
import { test } from "node:test";
import { periodOf } from "../src/base/period.ts";
import { capOf, project } from "../src/base/projection.ts";
import type { Budget, UsageRow } from "../src/base/types.ts";
import { stackOf } from "../src/pages/usage_stack.ts";
import { stacked } from "../src/parts/stack.ts";

const now = new Date("2026-11-30T12:00:00Z");
const at = (words: string) => periodOf(new URLSearchParams(words), "7d", now);

test("a period from the URL", () => {
    assert.equal(at("").since, "7d");
    assert.equal(at("period=nonsense").name, "7d");
    assert.deepEqual([at("period=24h").since, at("period=24h").step], ["24h", "hour"]);
    assert.equal(at("period=month").since, "2026-11-01T00:00:00.000Z");
    assert.equal(at("period=month").until, null); // it is not over
    assert.deepEqual([at("period=last-month").since, at("period=last-month").until], ["2026-10-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"]);
});

test("days chosen by hand include the last", () => {
    const chosen = at("since=2026-11-01&until=2026-11-15");
    assert.deepEqual([chosen.name, chosen.since, chosen.until], ["custom", "2026-11-01T00:00:00.000Z", "2026-11-16T00:00:00.000Z"]);
    assert.equal(at("since=2026-11-15&until=2026-11-01").name, "7d"); // the end before the beginning
    assert.equal(at("since=yesterday").name, "7d");
    assert.equal(at("since=2026-11-29&until=2026-12-24").until, null); // an end to come is now
});

const budget = (change: Partial<Budget>): Budget => ({
    id: "bud_1", name: null, amount: "300", currency: "USD", period: "month", rolling: null, timezone: "UTC", soft: false, mode: "enforce", alerts: [], webhook: null,
    raised_to: null, raised_until: null, period_start: "2026-11-01T00:00:00Z", resets_at: "2026-12-01T00:00:00Z", spent: "0", left: "300", created_at: "2026-11-01T00:00:00Z", ...change,
});

test("where a budget will be at its end", () => {
    assert.deepEqual(project(budget({}), now), { spentShare: 0, endsAt: null, atReset: null });
    // 29.5 of 30 days gone, 295 spent: 10 a day, so 300 at the end.
    const even = project(budget({ spent: "295" }), now);
    assert.equal(even.endsAt, null);
    assert.equal(Math.round(even.atReset ?? 0), 300);
    const fast = project(budget({ spent: "100" }), new Date("2026-11-06T00:00:00Z"));
    assert.equal(fast.endsAt?.toISOString(), "2026-11-16T00:00:00.000Z");
    assert.equal(project(budget({ spent: "301" }), now).endsAt, null); // it is used up already
    assert.equal(project(budget({ spent: "1" }), new Date("2026-11-01T01:00:00Z")).atReset, null); // too early to say
    assert.equal(project(budget({ period: "rolling", spent: "100" }), now).endsAt, null);
    assert.equal(capOf(budget({ raised_to: "900", raised_until: "2026-12-01T00:00:00Z" }), now), 900);
    assert.equal(capOf(budget({ raised_to: "900", raised_until: "2026-11-29T00:00:00Z" }), now), 300);
});

const row = (team: string, day: string, calls: number) => ({ team, day, start: `${day}T00:00:00.000000Z`, calls }) as unknown as UsageRow;

test("rows become series without gaps, the small ones together", () => {
    const period = { from: new Date("2026-11-27T08:00:00Z"), to: now, step: "day" as const };
    const { times, series } = stackOf([row("a", "2026-11-27", 1), row("b", "2026-11-27", 5), row("a", "2026-11-29", 2)], "team", (each) => each.calls, period, (each) => String(each["team"]));
    assert.deepEqual(times.map((time) => new Date(time * 1000).toISOString().slice(0, 10)), ["2026-11-27", "2026-11-28", "2026-11-29", "2026-11-30"]);
    assert.deepEqual(series.map(({ name, values }) => [name, values]), [["b", [5, 0, 0, 0]], ["a", [1, 0, 2, 0]]]);
    const many = stackOf(Array.from({ length: 12 }, (_, place) => row(`t${place}`, "2026-11-28", 100 - place)), "team", (each) => each.calls, period, (each) => String(each["team"]));
    assert.equal(many.series.length, 8);
    assert.equal(many.series[7]?.name, "All others (5)");
    assert.deepEqual(many.series[7]?.values, [0, 93 + 92 + 91 + 90 + 89, 0, 0]);
});

test("a stack is a running sum", () => {
    assert.deepEqual(stacked([[1, null, 3], [1, 1, 1]]), [[1, 0, 3], [2, 1, 4]]);
});
