// Who used what, and what it cost: added up by anything, narrowed to anything, exported, and from each figure to
// the very calls.
import { useMemo } from "preact/hooks";
import { api, apiUrl } from "../base/api.ts";
import * as format from "../base/format.ts";
import { dayText, type Period, periodOf, periodQuery, zone } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { current, link, setQuery } from "../base/router.ts";
import type { Key, Usage, UsageRow, UsageSums } from "../base/types.ts";
import { Card } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { Figure, Figures } from "../parts/figure.tsx";
import { FilterBar, FilterChips } from "../parts/filters.tsx";
import { Button } from "../parts/button.tsx";
import { Menu, MenuItem } from "../parts/menu.tsx";
import { Page } from "../parts/page.tsx";
import { PeriodPicker } from "../parts/period_picker.tsx";
import { Count, Money, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { callsQuery, type Dimension, dimensionOf, DIMENSIONS, nameOf, narrowed } from "./usage_dimensions.ts";
import { stackOf } from "./usage_stack.ts";

const STANDARD = "30d";
const FILTERS = ["team", "key", "model", "provider", "tag"] as const;

interface Measure {
    name: string;
    title: string;
    value: (row: UsageSums) => number;
    text: (value: number) => string;
    axis: (value: number) => string;
    exact: (value: number) => string;
}

const MEASURES: Measure[] = [
    { name: "spend", title: "Spend", value: (row) => Number(row.cost_usd ?? 0), text: format.money, axis: format.moneyAxis, exact: format.money },
    { name: "calls", title: "Calls", value: (row) => row.calls, text: format.count, axis: format.countAxis, exact: format.countExact },
    { name: "tokens", title: "Tokens", value: (row) => row.input_tokens + row.output_tokens, text: format.count, axis: format.countAxis, exact: format.countExact },
];

type Asked = Record<string, string | null>;

export function UsagePage() {
    const { query } = current.value;
    const period = periodOf(query, STANDARD);
    const dimension = dimensionOf(query.get("by") ?? "team");
    const measure = MEASURES.find((each) => each.name === query.get("show")) ?? MEASURES[0]!;
    const filters: Asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
    const asked = { ...filters, since: period.since, until: period.until, timezone: zone() };
    const question = JSON.stringify([asked, dimension.by, period.step]);
    const sums = useResource(question, (signal) => api.get<Usage>("/usage", { ...asked, by: dimension.by }, signal));
    const course = useResource(question, (signal) => api.get<Usage>("/usage", { ...asked, by: `${dimension.by},${period.step}` }, signal));
    return (
        <Page title="Usage and cost" tools={<><Export asked={asked} dimension={dimension} period={period} /><PeriodPicker period={period} standard={STANDARD} /></>}>
            <Choices dimension={dimension} measure={measure} />
            <Loaded of={sums}>
                {({ total, rows }) => (
                    <>
                        <Totals total={total} />
                        {rows.length === 0 ? (
                            <div class="card">
                                <Empty icon="usage" title="No calls in this time" command="turnpike usage --since 30d --by team,model">
                                    Take a longer time, or fewer filters.
                                </Empty>
                            </div>
                        ) : (
                            <>
                                <Card title={`${measure.title} by ${dimension.title.toLowerCase()}`}>
                                    <Loaded of={course}>{(value) => <Course rows={value.rows} dimension={dimension} measure={measure} period={period} />}</Loaded>
                                </Card>
                                <div class="card"><Rows rows={rows} total={total} dimension={dimension} filters={filters} /></div>
                            </>
                        )}
                    </>
                )}
            </Loaded>
        </Page>
    );
}

// -- what is asked --------------------------------------------------------------------------------------------

// Names of tags that keys have: usage can be added up by each.
function useTagNames(): string[] {
    const keys = useResource("keys for their tags", (signal) => api.all<Key>("/keys", {}, signal));
    return useMemo(() => [...new Set((keys.value ?? []).flatMap((key) => Object.keys(key.tags)))].sort(), [keys.value]);
}

function Choices({ dimension, measure }: { dimension: Dimension; measure: Measure }) {
    const tags = useTagNames().map((name) => `tag:${name}`);
    if (dimension.by.startsWith("tag:") && !tags.includes(dimension.by)) tags.push(dimension.by);
    const { query } = current.value;
    return (
        <FilterBar>
            <label class="row">
                <span class="muted">By</span>
                <select class="input little" value={dimension.by} onChange={(event) => setQuery({ by: event.currentTarget.value })}>
                    {DIMENSIONS.map((each) => <option key={each.by} value={each.by}>{each.title}</option>)}
                    {tags.map((by) => <option key={by} value={by}>{dimensionOf(by).title}</option>)}
                </select>
            </label>
            <div class="buttons" role="group" aria-label="What is shown in the chart">
                {MEASURES.map((each) => <Button key={each.name} pressed={each === measure} onClick={() => setQuery({ show: each === MEASURES[0] ? null : each.name }, "replace")}>{each.title}</Button>)}
            </div>
            <FilterChips names={{ team: "team", key: "key", model: "model", provider: "provider", tag: "tag" }} />
            {FILTERS.some((name) => query.get(name)) && <Button kind="quiet" little onClick={() => setQuery(Object.fromEntries(FILTERS.map((name) => [name, null])))}>Clear</Button>}
        </FilterBar>
    );
}

function Export({ asked, dimension, period }: { asked: Asked; dimension: Dimension; period: Period }) {
    const days = `${dayText(period.from)}-${dayText(period.to)}`;
    // Moments by name, so that the file is what was seen when it was asked for.
    const fixed = { ...asked, since: period.from.toISOString(), until: period.until };
    return (
        <Menu label="Export" icon="export">
            {(close) => (
                <>
                    <MenuItem icon="table" href={apiUrl("/usage", { ...fixed, by: dimension.by, format: "csv" })} download={`usage-${days}.csv`} onClick={close}>This table as CSV</MenuItem>
                    <MenuItem icon="table" href={apiUrl("/usage", { ...fixed, by: `${dimension.by},${period.step}`, format: "csv" })} download={`usage-by-${period.step}-${days}.csv`} onClick={close}>By {period.step} as CSV</MenuItem>
                    <MenuItem icon="table" href={apiUrl("/usage", { ...fixed, format: "focus" })} download={`focus-${days}.csv`} onClick={close}>Charges as FOCUS 1.2</MenuItem>
                </>
            )}
        </Menu>
    );
}

// -- what is answered -------------------------------------------------------------------------------------------

function Totals({ total }: { total: UsageSums }) {
    return (
        <Figures label="Sums of all that is shown">
            <Figure name="Spend" value={format.money(total.cost_usd)} exact={format.moneyExact(total.cost_usd)} beside={total.estimated > 0 ? `${format.count(total.estimated)} calls estimated` : "of priced calls, exact"} />
            <Figure name="Calls" value={format.count(total.calls)} exact={format.countExact(total.calls)} beside={`${format.percent(total.served, total.calls)} served`} />
            <Figure name="Tokens in" value={format.count(total.input_tokens)} exact={format.countExact(total.input_tokens)} beside={`${format.percent(total.cached_input_tokens, total.input_tokens)} from caches`} />
            <Figure name="Tokens out" value={format.count(total.output_tokens)} exact={format.countExact(total.output_tokens)} beside={`${format.percent(total.reasoning_tokens, total.output_tokens)} reasoning`} />
            <Figure name="Without a price" value={format.count(total.unpriced)} exact={`${format.countExact(total.unpriced)} calls`} beside={total.unpriced > 0 ? <span class="warn">calls in no sum</span> : "all have one"} />
        </Figures>
    );
}

function Course({ rows, dimension, measure, period }: { rows: UsageRow[]; dimension: Dimension; measure: Measure; period: Period }) {
    const drawn = useMemo(() => stackOf(rows, dimension.by, measure.value, period, (row) => nameOf(row, dimension.by)), [rows, measure]);
    const narrow = (from: Date, to: Date) => setQuery({ period: null, since: dayText(from), until: dayText(new Date(to.getTime() - 1)) });
    return (
        <Chart
            label={`${measure.title} by ${dimension.title.toLowerCase()} and ${period.step}`}
            {...drawn}
            kind="bars"
            value={measure.text}
            axis={measure.axis}
            exact={measure.exact}
            height={280}
            {...(period.step === "day" ? { onRange: narrow } : {})}
        />
    );
}

function Rows({ rows, total, dimension, filters }: { rows: UsageRow[]; total: UsageSums; dimension: Dimension; filters: Asked }) {
    const kept = periodQuery(current.value.query);
    const within = { ...kept, period: kept["period"] ?? (kept["since"] ? null : STANDARD) };
    const href = (row: UsageRow) => {
        const further = narrowed(row, dimension);
        return further && link("/usage", { ...Object.fromEntries(current.value.query), ...further });
    };
    const calls = (row: UsageRow) => {
        const query = callsQuery({ ...filters, ...narrowed(row, dimension), by: null });
        return narrowed(row, dimension) && query ? link("/calls", { ...within, ...query }) : null;
    };
    const all = Number(total.cost_usd ?? 0);
    const columns: Column<UsageRow>[] = [
        { key: "name", title: dimension.title, width: "26%", render: (row) => <Said text={nameOf(row, dimension.by)} none="(none)" cut />, sort: (row) => nameOf(row, dimension.by) },
        { key: "spend", title: "Spend", number: true, render: (row) => <strong><Money amount={row.cost_usd} /></strong>, sort: (row) => Number(row.cost_usd ?? 0) },
        { key: "share", title: "Share", number: true, wide: true, render: (row) => <span class="muted">{format.percent(Number(row.cost_usd ?? 0), all)}</span> },
        { key: "calls", title: "Calls", number: true, render: (row) => <CallsCell value={row.calls} href={calls(row)} />, sort: (row) => row.calls },
        { key: "served", title: "Served", number: true, wide: true, render: (row) => <span title={`${format.countExact(row.refused)} refused, ${format.countExact(row.failed)} failed, ${format.countExact(row.cancelled)} cancelled`}>{format.percent(row.served, row.calls)}</span>, sort: (row) => row.served / Math.max(1, row.calls) },
        { key: "input", title: "Tokens in", number: true, wide: true, render: (row) => <Count value={row.input_tokens} />, sort: (row) => row.input_tokens },
        { key: "cached", title: "From caches", number: true, wide: true, render: (row) => <span class="muted" title={format.countExact(row.cached_input_tokens)}>{format.percent(row.cached_input_tokens, row.input_tokens)}</span>, sort: (row) => row.cached_input_tokens / Math.max(1, row.input_tokens) },
        { key: "output", title: "Tokens out", number: true, wide: true, render: (row) => <Count value={row.output_tokens} />, sort: (row) => row.output_tokens },
    ];
    return (
        <Table
            caption={`Usage by ${dimension.title.toLowerCase()}`}
            rows={rows}
            columns={columns}
            keyOf={(row) => `${String(row[dimension.by] ?? "")}`}
            href={href}
            foot={
                <tr>
                    <td>Total of {format.count(rows.length)}</td>
                    <td class="number"><Money amount={total.cost_usd} /></td>
                    <td class="number wide-only">100%</td>
                    <td class="number"><Count value={total.calls} /></td>
                    <td class="number wide-only">{format.percent(total.served, total.calls)}</td>
                    <td class="number wide-only"><Count value={total.input_tokens} /></td>
                    <td class="number wide-only">{format.percent(total.cached_input_tokens, total.input_tokens)}</td>
                    <td class="number wide-only"><Count value={total.output_tokens} /></td>
                </tr>
            }
        />
    );
}

// A figure that leads to the very calls.
function CallsCell({ value, href }: { value: number; href: string | null }) {
    if (!href) return <Count value={value} />;
    return <a href={href} title={`Show the ${format.countExact(value)} calls`} class="number">{format.count(value)}</a>;
}
