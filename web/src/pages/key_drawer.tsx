// One key: what it may, what holds for it, what it used, from where. And what can be done with it.
import { useMemo, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { periodOf, zone } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { link, pathOf, setQuery } from "../base/router.ts";
import { mayKeepKeys, mayOperate } from "../base/session.ts";
import type { Budget, Key, KeySource, Limit, Page, Usage } from "../base/types.ts";
import { KeyState } from "../parts/badge.tsx";
import { Button, CopyButton, LinkButton } from "../parts/button.tsx";
import { Facts } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Drawer } from "../parts/drawer.tsx";
import { Loaded } from "../parts/feedback.tsx";
import { Count, Moment, Money, Said, Tags } from "../parts/said.tsx";
import { NewBudget } from "./budget_forms.tsx";
import { BudgetLine } from "./budget_parts.tsx";
import { EditKey, RevokeKey, RotateKey } from "./key_forms.tsx";
import { NewLimit } from "./limit_forms.tsx";
import { limitWords } from "./limits.tsx";
import { modelsWords } from "./model_lists.ts";
import { stackOf } from "./usage_stack.ts";

interface Known {
    key: Key;
    budgets: Budget[];
    limits: Limit[];
    sources: KeySource[];
    usage: Usage;
}

async function readKnown(id: string, signal: AbortSignal): Promise<Known> {
    const [key, budgets, limits, sources, usage] = await Promise.all([
        api.get<Key>(pathOf("keys", id), {}, signal),
        api.get<Page<Budget>>("/budgets", { key: id, limit: 100 }, signal),
        api.get<Page<Limit>>("/limits", { key: id, limit: 100 }, signal),
        api.get<Page<KeySource>>(`${pathOf("keys", id)}/sources`, {}, signal),
        api.get<Usage>("/usage", { key: id, by: "day", since: "30d", timezone: zone() }, signal),
    ]);
    return { key, budgets: budgets.data, limits: limits.data, sources: sources.data, usage };
}

type Opened = "edit" | "rotate" | "revoke" | "budget" | "limit" | null;

export function KeyDrawer({ id, teams }: { id: string; teams: string[] }) {
    const known = useResource(id, (signal) => readKnown(id, signal));
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    const key = known.value?.key;
    return (
        <>
            <Drawer title={key ? <Said text={key.name} /> : id} subtitle={<span class="row"><code>tpk_{id}</code><CopyButton text={id} label="Copy the id" /></span>} onClose={() => setQuery({ key: null })}>
                <Loaded of={known}>{(value) => <Inside known={value} open={setOpened} />}</Loaded>
            </Drawer>
            {key && opened === "edit" && <EditKey id={id} teams={teams} onClose={close} />}
            {key && opened === "rotate" && <RotateKey of={key} onClose={close} />}
            {key && opened === "revoke" && <RevokeKey of={key} onClose={close} />}
            {key && opened === "budget" && <NewBudget ofKey={key} teams={teams} onClose={close} />}
            {key && opened === "limit" && <NewLimit ofKey={key} teams={teams} onClose={close} />}
        </>
    );
}

function Inside({ known, open }: { known: Known; open: (what: Opened) => void }) {
    const { key } = known;
    return (
        <>
            <div class="row-wrap">
                {mayKeepKeys.value && key.state === "live" && (
                    <>
                        <Button icon="rotate" onClick={() => open("rotate")}>Rotate</Button>
                        <Button icon="edit" onClick={() => open("edit")}>Change</Button>
                        <Button icon="bin" kind="danger" onClick={() => open("revoke")}>Revoke</Button>
                    </>
                )}
                <LinkButton icon="live" kind="quiet" href={link("/calls", { key: key.id })}>Its calls</LinkButton>
            </div>
            <Standing of={key} />
            <Spending known={known} />
            <Rules known={known} open={open} live={key.state === "live"} />
            <Sources rows={known.sources} />
        </>
    );
}

function Standing({ of: key }: { of: Key }) {
    return (
        <Facts
            rows={[
                ["State", <KeyState state={key.state} key="state" />],
                key.revoked_at && ["Revoked", <><Moment at={key.revoked_at} />{key.revoked_reason && <>: <Said text={key.revoked_reason} /></>}</>],
                ["Team", key.team ? <a href={link(pathOf("teams", key.team))}><Said text={key.team} /></a> : "none"],
                ["Tags", <Tags tags={key.tags} none="none" key="tags" />],
                ["Models", <Said text={modelsWords(key.models)} key="models" />],
                key.deny_models.length > 0 && ["But never", <Said text={key.deny_models.join(", ")} key="never" />],
                ["Last used", <Moment at={key.last_used_at} ago key="used" />],
                ["Made", <Moment at={key.created_at} key="made" />],
                key.rotated_at && ["Rotated", <Moment at={key.rotated_at} key="rotated" />],
                key.state === "live" && key.previous_secret_until && ["Old secret until", <Moment at={key.previous_secret_until} key="previous" />],
                ["Ends", key.expires_at ? <><Moment at={key.expires_at} /> <span class="muted">({format.relative(key.expires_at)})</span></> : "never"],
            ]}
        />
    );
}

function Spending({ known: { usage } }: { known: Known }) {
    const costs = usage.rows.some((row) => Number(row.cost_usd ?? 0) > 0);
    const { times, series } = useMemo(
        () => stackOf(usage.rows, "", (row) => (costs ? Number(row.cost_usd ?? 0) : row.calls), periodOf(new URLSearchParams(), "30d"), () => (costs ? "Spend" : "Calls")),
        [usage],
    );
    return (
        <section>
            <h3>Last 30 days</h3>
            <p class="muted row-wrap"><span><Count value={usage.total.calls} /> calls</span><span><Count value={usage.total.input_tokens + usage.total.output_tokens} /> tokens</span><span><Money amount={usage.total.cost_usd} /></span></p>
            {usage.rows.length > 0 && (
                <Chart
                    label={costs ? "Spend of the key by day" : "Calls of the key by day"}
                    times={times}
                    series={series}
                    kind="bars"
                    value={costs ? format.money : format.count}
                    axis={costs ? format.moneyAxis : format.countAxis}
                    step={86_400}
                    height={130}
                />
            )}
        </section>
    );
}

function Rules({ known, open, live }: { known: Known; open: (what: Opened) => void; live: boolean }) {
    return (
        <section>
            <div class="row section-head">
                <h3>Budgets and limits of its own</h3>
                {mayOperate.value && live && <span class="push row"><Button little icon="plus" onClick={() => open("budget")}>Budget</Button><Button little icon="plus" onClick={() => open("limit")}>Limit</Button></span>}
            </div>
            {known.budgets.length + known.limits.length === 0 && <p class="muted">None. Those of its team, its tags and of everybody hold for it.</p>}
            <div class="stack">
                {known.budgets.map((budget) => <BudgetLine key={budget.id} budget={budget} />)}
                {known.limits.map((limit) => <p key={limit.id}>{limitWords(limit)}{limit.mode === "observe" ? " (observed)" : ""}</p>)}
            </div>
        </section>
    );
}

function Sources({ rows }: { rows: KeySource[] }) {
    return (
        <section>
            <h3>Where it was used from</h3>
            {rows.length === 0 ? (
                <p class="muted">Nowhere yet.</p>
            ) : (
                <table class="table dense">
                    <caption class="unseen">Networks that the key was used from</caption>
                    <thead><tr><th scope="col">Network</th><th scope="col" class="number">Calls</th><th scope="col" class="number">First</th><th scope="col" class="number">Last served</th></tr></thead>
                    <tbody>
                        {rows.map((row) => (
                            <tr key={row.network}>
                                <td><Said text={row.network} mono={/[.:]/.test(row.network)} /></td>
                                <td class="number"><Count value={row.calls} /></td>
                                <td class="number muted"><Moment at={row.first_seen_at} ago /></td>
                                <td class="number">{row.last_good_at ? <Moment at={row.last_good_at} ago /> : <span class="warn">none was</span>}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            )}
        </section>
    );
}
