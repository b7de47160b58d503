// One model: its targets, where a call would go now and why, a call to try it, and what it is used for.
import { useMemo } from "preact/hooks";
import { api } from "../base/api.ts";
import { periodOf, zone } from "../base/period.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { link } from "../base/router.ts";
import type { Usage } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { LinkButton } from "../parts/button.tsx";
import { Card } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { Page } from "../parts/page.tsx";
import { Count, Duration, Money, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { HealthBadge } from "./models.tsx";
import { RouteExplain } from "./route_explain.tsx";
import { healthOf, type Price, priceOf, type Target } from "./targets.ts";
import { TestCall } from "./test_call.tsx";
import { stackOf } from "./usage_stack.ts";

const AGAIN_MS = 5_000;

interface Known {
    targets: Target[];
    prices: Price[];
}

async function readKnown(model: string, signal: AbortSignal): Promise<Known> {
    const [targets, prices] = await Promise.all([api.get<{ items: Target[] }>("/targets", {}, signal), api.all<Price>("/prices", {}, signal)]);
    return { targets: targets.items.filter((target) => target.model === model), prices };
}

export function ModelPage({ parameters }: { parameters: Record<string, string> }) {
    const model = parameters["model"] ?? "";
    const known = useResource(model, (signal) => readKnown(model, signal), AGAIN_MS);
    return (
        <Page title={model} above={{ title: "Models", href: link("/models") }} tools={<><LinkButton icon="live" href={link("/calls", { model })}>Its calls</LinkButton><LinkButton icon="play" href={link("/playground", { model })}>Playground</LinkButton></>}>
            <Loaded of={known}>
                {(value) =>
                    value.targets.length === 0 ? (
                        <div class="card"><Empty icon="models" title="There is no such model">No model of the configuration is called so. <a href={link("/models")}>All models</a></Empty></div>
                    ) : (
                        <>
                            <Card title="Targets"><Table caption="Targets" rows={value.targets} columns={columnsOf(value.prices)} keyOf={(target) => `${target.provider} ${target.target_model}`} /></Card>
                            <RouteExplain model={model} />
                            <TestCall model={model} mode={priceOf(value.prices, value.targets[0]!)?.mode ?? "chat"} />
                            <UsedFor model={model} />
                        </>
                    )
                }
            </Loaded>
        </Page>
    );
}

function columnsOf(prices: Price[]): Column<Target>[] {
    return [
        { key: "provider", title: "Provider", render: (target) => <strong><Said text={target.provider} /></strong> },
        { key: "name", title: "Its name there", wide: true, render: (target) => <code><Said text={target.target_model} /></code> },
        { key: "health", title: "How it is", render: (target) => <HealthBadge health={healthOf(target)} /> },
        { key: "breaker", title: "Breaker", wide: true, render: (target) => <Badge tone={target.breaker === "closed" ? "plain" : "bad"}>{target.breaker.replace("_", " ")}</Badge> },
        { key: "flight", title: "In flight", number: true, wide: true, render: (target) => <Count value={target.in_flight} /> },
        { key: "latency", title: "Latency", number: true, render: (target) => <span title={`95 of 100 within ${format.duration(target.latency_p95_ms)}`}><Duration ms={target.calls ? target.latency_ms : null} /></span> },
        { key: "failed", title: "Failed", number: true, render: (target) => <span title={`${target.failures} of ${target.calls} attempts since the start`}>{format.percent(target.failures, target.calls)}</span> },
        { key: "price", title: "In / out per 1M", number: true, wide: true, render: (target) => <Prices price={priceOf(prices, target)} /> },
    ];
}

function Prices({ price }: { price: Price | null }) {
    if (!price) return <span class="faint" title="The price list does not have it; the configuration may have a price of its own">not in the list</span>;
    return <span><Money amount={price.prices["input"]} none="–" /> / <Money amount={price.prices["output"]} none="–" /></span>;
}

function UsedFor({ model }: { model: string }) {
    const asked = { model, by: "team,day", since: "30d", timezone: zone() };
    const usage = useResource(JSON.stringify(asked), (signal) => api.get<Usage>("/usage", asked, signal));
    return (
        <Card title="Spend by team, 30 days" tools={<LinkButton little kind="quiet" href={link("/usage", { by: "team", model, period: "30d" })}>Usage</LinkButton>}>
            <Loaded of={usage}>
                {(value) => {
                    if (value.rows.length === 0) return <Empty icon="usage" title="Nobody has used it in 30 days" />;
                    return <Spend usage={value} />;
                }}
            </Loaded>
        </Card>
    );
}

function Spend({ usage }: { usage: Usage }) {
    const costs = usage.rows.some((row) => Number(row.cost_usd ?? 0) > 0);
    const { times, series, step } = useMemo(
        () => stackOf(usage.rows, "team", (row) => (costs ? Number(row.cost_usd ?? 0) : row.calls), periodOf(new URLSearchParams(), "30d"), (row) => String(row["team"] ?? "") || "(no team)"),
        [usage],
    );
    return <Chart label={costs ? "Spend by team and day" : "Calls by team and day"} times={times} series={series} kind="bars" value={costs ? format.money : format.count} exact={costs ? format.money : format.countExact} step={step} height={200} />;
}
