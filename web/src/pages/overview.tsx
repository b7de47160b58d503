// How it goes: the figures of a period beside those of the one before, what needs attention, and who and what
// the money went to.
import { useMemo } from "preact/hooks";
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { type Period, periodOf, periodQuery, zone } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { current, link, setQuery } from "../base/router.ts";
import type { Attention, Budget, Overview, OverviewPoint, Page as ListPage, Usage, UsageRow } from "../base/types.ts";
import { AttentionCard } from "../parts/attention.tsx";
import { Card } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { Figure, Figures } from "../parts/figure.tsx";
import { Page } from "../parts/page.tsx";
import { PeriodPicker } from "../parts/period_picker.tsx";
import { Money, Said } from "../parts/said.tsx";
import { LinkButton } from "../parts/button.tsx";
import { BudgetLine, nearestEnd } from "./budget_parts.tsx";
import { comparison, METRICS, type Metric } from "./overview_metrics.ts";

const STANDARD = "24h";
const AGAIN_MS = 30_000; // figures of a running gateway

const STEP_SECONDS: Record<string, number> = { "15m": 900, hour: 3600, day: 86_400, week: 604_800, month: 30 * 86_400 };

export function OverviewPage() {
    const { query } = current.value;
    const period = periodOf(query, STANDARD);
    const metric = METRICS.find((each) => each.name === query.get("show")) ?? METRICS[0]!;
    const asked = { since: period.since, until: period.until, timezone: zone() };
    const overview = useResource(JSON.stringify(asked), (signal) => api.get<Overview>("/overview", asked, signal), AGAIN_MS);
    const attention = useResource("attention", (signal) => api.get<Attention>("/attention", {}, signal), AGAIN_MS);
    return (
        <Page title="Overview" tools={<PeriodPicker period={period} standard={STANDARD} />}>
            <Loaded of={overview}>
                {(value) => (value.period.sums.calls === 0 && value.before.sums.calls === 0 ? <NoCalls /> : <Figured value={value} metric={metric} />)}
            </Loaded>
            <AttentionCard of={attention} />
            <div class="columns">
                <Top by="team" title="Teams by spend" period={period} />
                <Top by="model" title="Models by spend" period={period} />
            </div>
            <Budgets />
        </Page>
    );
}

function Figured({ value, metric }: { value: Overview; metric: Metric }) {
    return (
        <div class="card">
            <Figures label="Figures of the period; each can be shown in the chart below">
                {METRICS.map((each) => {
                    const now = each.value(value.period);
                    const { text, bad } = comparison(each, value.period, value.before);
                    return (
                        <Figure
                            key={each.name}
                            name={each.title}
                            value={each.text(now)}
                            exact={each.exact(now)}
                            beside={<span class={bad ? "bad" : ""} title={each.note?.(value.period)}>{text || each.note?.(value.period)}</span>}
                            pressed={each === metric}
                            onClick={() => setQuery({ show: each === METRICS[0] ? null : each.name }, "replace")}
                        />
                    );
                })}
            </Figures>
            <Course points={value.series} metric={metric} step={value.step} />
        </div>
    );
}

// The first step may be cut at its beginning: in the chart it begins where it would begin whole.
function timesOf(points: OverviewPoint[], step: number): number[] {
    const times = points.map((point) => new Date(point.since).getTime() / 1000);
    const [first, second] = times;
    if (first !== undefined && second !== undefined && second - first < step) times[0] = second - step;
    return times;
}

function Course({ points, metric, step }: { points: OverviewPoint[]; metric: Metric; step: string }) {
    const seconds = STEP_SECONDS[step] ?? 3600;
    const drawn = useMemo(() => ({ times: timesOf(points, seconds), series: metric.series(points) }), [points, metric]);
    return (
        <Chart
            label={`${metric.title} over time`}
            {...drawn}
            {...(metric.axis ? { axis: metric.axis } : {})}
            {...(metric.increments ? { increments: metric.increments } : {})}
            kind={metric.kind}
            value={(value) => metric.text(value)}
            exact={metric.kind === "bars" ? (metric.name === "spend" ? format.money : format.countExact) : (value) => metric.text(value)}
            step={seconds}
            height={240}
        />
    );
}

function NoCalls() {
    return (
        <div class="card">
            <Empty
                icon="live"
                title="No calls in this time"
                action={<LinkButton kind="primary" href={link("/teams")}>Make a key</LinkButton>}
                command={"curl http://127.0.0.1:8080/v1/chat/completions -H 'Authorization: Bearer tpk_…' -H 'Content-Type: application/json' -d '{\"model\": \"demo\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}'"}
            >
                Every application that calls models through the gateway is seen here, a second later. It needs the gateway's base URL and a key.
            </Empty>
        </div>
    );
}

const TOP_ROWS = 6;

function Top({ by, title, period }: { by: "team" | "model"; title: string; period: Period }) {
    const asked = { by, since: period.since, until: period.until };
    const usage = useResource(JSON.stringify(asked), (signal) => api.get<Usage>("/usage", asked, signal), AGAIN_MS);
    const kept = periodQuery(current.value.query);
    const words = { ...kept, period: kept["period"] ?? (kept["since"] ? null : STANDARD) };
    return (
        <Card title={title} tools={<LinkButton little kind="quiet" href={link("/usage", { ...words, by })}>All</LinkButton>}>
            <Loaded of={usage}>
                {({ rows, total }) =>
                    rows.length === 0 ? (
                        <Empty icon="usage" title="Nothing yet" />
                    ) : (
                        <ul class="shares">
                            {rows.slice(0, TOP_ROWS).map((row) => <Share key={String(row[by])} row={row} by={by} total={Number(total.cost_usd ?? 0) || total.calls} counts={!Number(total.cost_usd ?? 0)} query={words} />)}
                        </ul>
                    )
                }
            </Loaded>
        </Card>
    );
}

// A name, its share as a bar under it, and the figure; by calls where nothing costs anything.
function Share({ row, by, total, counts, query }: { row: UsageRow; by: string; total: number; counts: boolean; query: Record<string, string | null> }) {
    const name = String(row[by] ?? "");
    const value = counts ? row.calls : Number(row.cost_usd ?? 0);
    return (
        <li>
            <a class="share" href={link("/usage", { ...query, by: by === "team" ? "key" : "team", [by]: name })}>
                <span class="share-bar" style={{ width: `${total ? (100 * value) / total : 0}%` }} aria-hidden="true" />
                <span class="share-name cut"><Said text={name} none={by === "team" ? "(no team)" : "(no model)"} cut /></span>
                <span class="muted number">{format.count(row.calls)} calls</span>
                <span class="share-value"><Money amount={row.cost_usd} /></span>
            </a>
        </li>
    );
}

const BUDGETS_SHOWN = 6;

function Budgets() {
    const budgets = useResource("budgets", (signal) => api.get<ListPage<Budget>>("/budgets", { limit: 1000 }, signal), AGAIN_MS);
    return (
        <Card title="Budgets nearest their end" tools={<LinkButton little kind="quiet" href={link("/teams", { tab: "budgets" })}>All</LinkButton>}>
            <Loaded of={budgets}>
                {({ data }) =>
                    data.length === 0 ? (
                        <Empty icon="budget" title="There are no budgets" command="turnpike budget create --team NAME --amount 500 --alert 80">
                            A budget caps what a team, a key, a tag or everybody may spend in a period. It can be watched before it bites.
                        </Empty>
                    ) : (
                        <ul class="budget-grid">{nearestEnd(data).slice(0, BUDGETS_SHOWN).map((budget) => <li key={budget.id}><BudgetLine budget={budget} /></li>)}</ul>
                    )
                }
            </Loaded>
        </Card>
    );
}
