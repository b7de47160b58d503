// Calls as rows, for those that were and for those that come.
import * as format from "../base/format.ts";
import { current, link } from "../base/router.ts";
import type { Exchange } from "../base/types.ts";
import { Outcome, Status } from "../parts/badge.tsx";
import { SearchFilter, SelectFilter } from "../parts/filters.tsx";
import { Duration, Money, Said } from "../parts/said.tsx";
import type { Column } from "../parts/table.tsx";

export const CALL_FILTERS = ["team", "key", "model", "status", "outcome"] as const;

export function callFilters(query: URLSearchParams): Record<string, string | null> {
    return Object.fromEntries(CALL_FILTERS.map((name) => [name, query.get(name)]));
}

const STATUSES = ["2xx", "4xx", "5xx", "400", "401", "403", "404", "429", "500", "502", "503", "504"];
const OUTCOMES = ["served", "refused", "failed", "cancelled", "interrupted"];

export function CallFilters({ teams }: { teams: string[] }) {
    return (
        <>
            <SearchFilter name="model" label="Model, * for any run" />
            <SelectFilter name="team" label="Team" options={teams} />
            <SelectFilter name="status" label="Status" options={STATUSES} />
            <SelectFilter name="outcome" label="Outcome" options={OUTCOMES} />
        </>
    );
}

// The drawer of a call, over the view that one is at.
export function callHref(id: string): string {
    return link(current.value.path, { ...Object.fromEntries(current.value.query), call: id });
}

function tokens(call: Exchange): string {
    if (call.input_tokens === null && call.output_tokens === null) return "–";
    return `${format.count(call.input_tokens ?? 0)} → ${format.count(call.output_tokens ?? 0)}`;
}

export const CALL_COLUMNS: Column<Exchange>[] = [
    { key: "time", title: "Time", width: "112px", render: (call) => <time class="number" dateTime={call.started_at} title={format.momentExact(call.started_at)}>{format.moment(call.started_at)}</time> },
    { key: "status", title: "Status", width: "70px", render: (call) => <Status status={call.status} /> },
    { key: "model", title: "Model", width: "22%", render: (call) => <Said text={call.model} cut /> },
    { key: "who", title: "Team, key", wide: true, width: "22%", render: (call) => <span class="cut"><Said text={call.team} none="" />{call.team && call.key_name && <span class="faint"> · </span>}<Said text={call.key_name} none={call.team ? "" : "nobody known"} /></span> },
    { key: "outcome", title: "Outcome", wide: true, width: "15%", render: (call) => <OutcomeCell call={call} /> },
    { key: "duration", title: "Took", number: true, wide: true, width: "84px", render: (call) => <Duration ms={call.duration_ms} /> },
    { key: "tokens", title: "Tokens", number: true, wide: true, width: "120px", render: (call) => <span class="number" title={`${format.countExact(call.input_tokens)} in, ${format.countExact(call.output_tokens)} out`}>{tokens(call)}</span> },
    { key: "cost", title: "Cost", number: true, wide: true, width: "88px", render: (call) => <CostCell call={call} /> },
];

function OutcomeCell({ call }: { call: Exchange }) {
    const why = call.refusal ?? call.error;
    if (call.outcome === "served" && !why) return <span class="muted">{call.attempts > 1 ? `served, ${call.attempts} attempts` : "served"}</span>;
    return <span class="row" title={why ?? call.outcome}><Outcome outcome={call.outcome} /><span class="cut muted"><Said text={why} none="" /></span></span>;
}

function CostCell({ call }: { call: Exchange }) {
    if (call.cost_state === "none") return <span class="faint">–</span>;
    if (call.cost_state === "unpriced") return <span class="warn">no price</span>;
    return <Money amount={call.cost_usd} />;
}
