// Where a call to a model would go now, and why not elsewhere. No call is made.
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { useState } from "preact/hooks";
import type { Team } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { Card } from "../parts/card.tsx";
import { Loaded } from "../parts/feedback.tsx";
import { Money, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { HealthBadge } from "./models.tsx";
import { healthOf, type Target } from "./targets.ts";

interface Explained extends Target {
    place: number;
    standing: "in" | "out" | string;
    reason: string;
    firsts_of_1000: number;
    weight: number;
    priority: number;
    cost: string | null;
}

interface Route {
    model: string;
    strategy: string;
    unavailable: boolean;
    retry_after_ms: number;
    repetitions_left: number;
    targets: Explained[];
}

const STRATEGIES: Record<string, string> = {
    priority: "in the order of the list",
    weighted: "at random by weight",
    least_latency: "the quickest",
    least_loaded: "the least busy",
    cheapest: "the cheapest for the call",
    affinity: "the same for the same beginning of a prompt",
};

const NEEDS = ["vision", "audio", "files", "tools", "structured_output", "reasoning", "logprobs", "choices"];

const COLUMNS: Column<Explained>[] = [
    { key: "place", title: "Place", render: (target) => (target.standing === "in" ? target.place : <span class="faint">–</span>) },
    { key: "target", title: "Target", render: (target) => <span><strong><Said text={target.provider} /></strong> <span class="muted wide-only"><Said text={target.target_model} /></span></span> },
    { key: "standing", title: "Would it be asked?", render: (target) => <span class="row-wrap"><Badge tone={target.standing === "in" ? "good" : "warn"}>{target.standing === "in" ? "yes" : "no"}</Badge><span class="muted">{target.reason}</span></span> },
    { key: "first", title: "First for", number: true, render: (target) => <span title="of the calls, as things stand">{(target.firsts_of_1000 / 10).toLocaleString("en-US", { maximumFractionDigits: 1 })}%</span> },
    { key: "health", title: "How it is", wide: true, render: (target) => <HealthBadge health={healthOf(target)} /> },
    { key: "cost", title: "Would cost", number: true, wide: true, render: (target) => <Money amount={target.cost} none="no price" /> },
];

export function RouteExplain({ model }: { model: string }) {
    const [call, setCall] = useState({ team: "", tags: "", tokens: "1000", needs: "" });
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const asked = { model, ...call, tokens: /^\d+$/.test(call.tokens) ? call.tokens : null };
    const route = useResource(JSON.stringify(asked), (signal) => api.get<Route>("/route", asked, signal));
    const set = (name: keyof typeof call) => (event: { currentTarget: { value: string } }) => setCall({ ...call, [name]: event.currentTarget.value });
    return (
        <Card title="Where would a call go now?" note={route.value && <>The targets are chosen <strong>{STRATEGIES[route.value.strategy] ?? route.value.strategy}</strong>. {route.value.unavailable && <span class="bad">None of them can take a call now.</span>}</>}>
            <div class="filters card-body">
                <label class="row"><span class="muted">Team</span>
                    <select class="input little" value={call.team} onChange={set("team")}>
                        <option value="">any</option>
                        {(teams.value ?? []).map((team) => <option key={team.name} value={team.name}>{team.name}</option>)}
                    </select>
                </label>
                <label class="row"><span class="muted">Prompt tokens</span><input class="input little tokens" inputMode="numeric" value={call.tokens} onInput={set("tokens")} /></label>
                <label class="row"><span class="muted">Needs</span>
                    <select class="input little" value={call.needs} onChange={set("needs")}>
                        <option value="">text only</option>
                        {NEEDS.map((need) => <option key={need} value={need}>{need.replace("_", " ")}</option>)}
                    </select>
                </label>
                <label class="row"><span class="muted">Tags</span><input class="input little" placeholder="env=prod" value={call.tags} onInput={set("tags")} spellcheck={false} /></label>
            </div>
            <Loaded of={route}>{(value) => <Table caption="Targets in the order in which a call would try them" rows={value.targets} columns={COLUMNS} keyOf={(target) => `${target.provider} ${target.target_model}`} />}</Loaded>
        </Card>
    );
}
