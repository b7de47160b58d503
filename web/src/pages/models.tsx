// The models that callers may ask for, and the providers that they go to: how each is doing, what it costs.
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { current, link, pathOf } from "../base/router.ts";
import { visible } from "../base/text.ts";
import type { Usage, UsageRow } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { FilterBar, SearchFilter } from "../parts/filters.tsx";
import { Page } from "../parts/page.tsx";
import { Count, Duration, Money, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { grouped, healthOf, type Price, priceOf, type Target, worst } from "./targets.ts";

const AGAIN_MS = 5_000; // breakers open and close
const PERIOD = "24h";

interface Known {
    targets: Target[];
    models: UsageRow[];
    providers: UsageRow[];
    prices: Price[];
}

async function readKnown(signal: AbortSignal): Promise<Known> {
    const [targets, models, providers, prices] = await Promise.all([
        api.get<{ items: Target[] }>("/targets", {}, signal),
        api.get<Usage>("/usage", { by: "model", since: PERIOD }, signal),
        api.get<Usage>("/usage", { by: "provider", since: PERIOD }, signal),
        api.all<Price>("/prices", {}, signal),
    ]);
    return { targets: targets.items, models: models.rows, providers: providers.rows, prices };
}

export function ModelsPage() {
    const tab = current.value.query.get("tab") ?? "models";
    const known = useResource("models", readKnown, AGAIN_MS);
    const value = known.value;
    return (
        <Page title="Models">
            <Tabs
                label="Models"
                chosen={tab}
                tabs={[
                    { name: "models", title: "Models", count: value ? grouped(value.targets, (target) => target.model).length : undefined },
                    { name: "providers", title: "Providers", count: value ? grouped(value.targets, (target) => target.provider).length : undefined },
                ]}
            />
            <Loaded of={known}>{(all) => (tab === "providers" ? <Providers known={all} /> : <Models known={all} />)}</Loaded>
        </Page>
    );
}

export function HealthBadge({ health }: { health: { tone: "plain" | "good" | "warn" | "bad" | "accent"; word: string; why: string } }) {
    return <Badge tone={health.tone} dot title={health.why}>{health.word}</Badge>;
}

interface ModelRow {
    name: string;
    targets: Target[];
    usage: UsageRow | undefined;
    price: Price | null;
}

function pricePart(price: Price | null, unit: string) {
    return price?.prices[unit] ? <Money amount={price.prices[unit]} /> : <span class="faint">–</span>;
}

const MODEL_COLUMNS: Column<ModelRow>[] = [
    { key: "name", title: "Model", render: (row) => <Said text={row.name} />, sort: (row) => row.name },
    { key: "health", title: "How it is", render: (row) => <HealthBadge health={worst(row.targets)} />, sort: (row) => worst(row.targets).word },
    { key: "targets", title: "Goes to", wide: true, render: (row) => <span class="muted">{row.targets.map((target) => visible(target.provider)).join(", then ")}</span> },
    { key: "calls", title: "Calls, 24 h", number: true, render: (row) => <Count value={row.usage?.calls ?? 0} unit="calls" />, sort: (row) => row.usage?.calls ?? 0 },
    { key: "cost", title: "Cost, 24 h", number: true, render: (row) => (row.usage?.unpriced ? <Badge tone="warn" title="Its calls have no price">unpriced</Badge> : <Money amount={row.usage?.cost_usd ?? "0"} />), sort: (row) => Number(row.usage?.cost_usd ?? 0) },
    { key: "latency", title: "Latency now", number: true, wide: true, render: (row) => <Duration ms={row.targets[0]?.calls ? row.targets[0].latency_ms : null} />, sort: (row) => row.targets[0]?.latency_ms ?? 0 },
    { key: "in", title: "In, per 1M", number: true, wide: true, render: (row) => pricePart(row.price, "input"), sort: (row) => Number(row.price?.prices["input"] ?? 0) },
    { key: "out", title: "Out, per 1M", number: true, wide: true, render: (row) => pricePart(row.price, "output"), sort: (row) => Number(row.price?.prices["output"] ?? 0) },
];

function Models({ known }: { known: Known }) {
    const wanted = (current.value.query.get("search") ?? "").toLowerCase();
    const rows: ModelRow[] = grouped(known.targets, (target) => target.model)
        .map(([name, targets]) => ({ name, targets, usage: known.models.find((row) => row["model"] === name), price: targets[0] ? priceOf(known.prices, targets[0]) : null }))
        .filter((row) => row.name.toLowerCase().includes(wanted));
    const asked = known.models.filter((row) => row["model"] && !known.targets.some((target) => target.model === row["model"] || target.model.includes("*")));
    return (
        <>
            <FilterBar><SearchFilter label="Search models" /></FilterBar>
            {rows.length === 0 ? (
                <div class="card"><Empty icon="models" title={wanted ? "No model is called so" : "There are no models"} command="turnpike init > turnpike.yaml">Models are in the configuration: a name that callers ask for, and where its calls go.</Empty></div>
            ) : (
                <div class="card"><Table caption="Models" rows={rows} columns={MODEL_COLUMNS} keyOf={(row) => row.name} href={(row) => link(pathOf("models", row.name))} /></div>
            )}
            {asked.length > 0 && (
                <p class="muted small">
                    Also asked for in the last 24 hours, and not there: {asked.slice(0, 8).map((row, place) => <span key={String(row["model"])}>{place > 0 && ", "}<Said text={String(row["model"])} /> ({format.count(row.calls)})</span>)}
                </p>
            )}
        </>
    );
}

interface ProviderRow {
    name: string;
    targets: Target[];
    usage: UsageRow | undefined;
}

const sum = (targets: Target[], of: (target: Target) => number) => targets.reduce((total, target) => total + of(target), 0);

const PROVIDER_COLUMNS: Column<ProviderRow>[] = [
    { key: "name", title: "Provider", render: (row) => <strong><Said text={row.name} /></strong>, sort: (row) => row.name },
    { key: "health", title: "How it is", render: (row) => <HealthBadge health={worst(row.targets)} /> },
    { key: "models", title: "Models", render: (row) => <span class="row-wrap">{row.targets.map((target) => <a key={`${target.model} ${target.target_model}`} href={link(pathOf("models", target.model))} title={healthOf(target).why}><Said text={target.model} /></a>)}</span> },
    { key: "flight", title: "In flight", number: true, wide: true, render: (row) => <Count value={sum(row.targets, (target) => target.in_flight)} /> },
    { key: "failures", title: "Failed since start", number: true, wide: true, render: (row) => <span title={`${sum(row.targets, (target) => target.failures)} of ${sum(row.targets, (target) => target.calls)} attempts`}>{format.percent(sum(row.targets, (target) => target.failures), sum(row.targets, (target) => target.calls))}</span> },
    { key: "calls", title: "Calls, 24 h", number: true, render: (row) => <Count value={row.usage?.calls ?? 0} unit="calls" />, sort: (row) => row.usage?.calls ?? 0 },
    { key: "cost", title: "Cost, 24 h", number: true, render: (row) => <Money amount={row.usage?.cost_usd ?? "0"} />, sort: (row) => Number(row.usage?.cost_usd ?? 0) },
];

function Providers({ known }: { known: Known }) {
    const rows: ProviderRow[] = grouped(known.targets, (target) => target.provider).map(([name, targets]) => ({ name, targets, usage: known.providers.find((row) => row["provider"] === name) }));
    return <div class="card"><Table caption="Providers" rows={rows} columns={PROVIDER_COLUMNS} keyOf={(row) => row.name} /></div>;
}
