// One team: what it may, spends and has left, and its keys.
import { useMemo, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { periodOf, zone } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { current, link, pathOf } from "../base/router.ts";
import { shellWord } from "../base/snippets.ts";
import { mayKeepKeys, mayOperate, seesAll } from "../base/session.ts";
import type { Budget, Key, Limit, Live, Page as ListPage, Team, Usage, UsageRow } from "../base/types.ts";
import { Button, LinkButton } from "../parts/button.tsx";
import { Card, Facts } from "../parts/card.tsx";
import { Chart } from "../parts/chart.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { Menu, MenuItem } from "../parts/menu.tsx";
import { Page } from "../parts/page.tsx";
import { Moment, Said } from "../parts/said.tsx";
import { NewBudget } from "./budget_forms.tsx";
import { BudgetLine, nearestEnd } from "./budget_parts.tsx";
import { KeyDrawer } from "./key_drawer.tsx";
import { NewKey } from "./key_forms.tsx";
import { KeyList } from "./keys.tsx";
import { NewLimit } from "./limit_forms.tsx";
import { LimitTable } from "./limits.tsx";
import { modelsWords } from "./model_lists.ts";
import { DeleteTeam, EditTeam } from "./team_forms.tsx";
import { stackOf } from "./usage_stack.ts";

interface Known {
    team: Team;
    keys: Key[];
    budgets: Budget[];
    limits: Limit[];
    usage: Usage;
    live: Live | null;
}

async function readKnown(name: string, signal: AbortSignal): Promise<Known> {
    const [team, keys, budgets, limits, usage, live] = await Promise.all([
        api.get<Team>(pathOf("teams", name), {}, signal),
        api.all<Key>("/keys", { team: name }, signal),
        api.get<ListPage<Budget>>("/budgets", { team: name, limit: 1000 }, signal),
        api.get<ListPage<Limit>>("/limits", { team: name, limit: 1000 }, signal),
        api.get<Usage>("/usage", { team: name, by: "key,day", since: "30d", timezone: zone() }, signal),
        seesAll.value ? api.get<Live>("/live", {}, signal) : null,
    ]);
    return { team, keys, budgets: budgets.data, limits: limits.data, usage, live };
}

type Opened = "key" | "budget" | "limit" | "edit" | "delete" | null;

export function TeamPage({ parameters }: { parameters: Record<string, string> }) {
    const name = parameters["team"] ?? "";
    const known = useResource(name, (signal) => readKnown(name, signal));
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    const key = current.value.query.get("key");
    const team = known.value?.team;
    return (
        <Page title={team?.title || name} above={{ title: "Teams and keys", href: link("/teams") }} tools={team && <Tools open={setOpened} name={name} />}>
            <Loaded of={known}>{(value) => <Inside known={value} opened={key} open={setOpened} />}</Loaded>
            {key && <KeyDrawer key={key} id={key} teams={[name]} />}
            {opened === "key" && <NewKey team={name} teams={[name]} onClose={close} />}
            {opened === "budget" && <NewBudget team={name} teams={[name]} onClose={close} />}
            {opened === "limit" && <NewLimit team={name} teams={[name]} onClose={close} />}
            {opened === "edit" && <EditTeam name={name} onClose={close} />}
            {opened === "delete" && team && <DeleteTeam of={team} onClose={close} />}
        </Page>
    );
}

function Tools({ open, name }: { open: (what: Opened) => void; name: string }) {
    return (
        <>
            <LinkButton icon="live" href={link("/calls", { team: name })}>Its calls</LinkButton>
            {mayOperate.value && (
                <Menu label="Change">
                    {(close) => {
                        const choose = (what: Opened) => () => { close(); open(what); };
                        return (
                            <>
                                <MenuItem icon="edit" onClick={choose("edit")}>The team</MenuItem>
                                <MenuItem icon="budget" onClick={choose("budget")}>New budget</MenuItem>
                                <MenuItem icon="limit" onClick={choose("limit")}>New limit</MenuItem>
                                <hr class="menu-rule" />
                                <MenuItem icon="bin" danger onClick={choose("delete")}>Delete the team</MenuItem>
                            </>
                        );
                    }}
                </Menu>
            )}
            {mayKeepKeys.value && <Button kind="primary" icon="plus" onClick={() => open("key")}>New key</Button>}
        </>
    );
}

function Inside({ known, opened, open }: { known: Known; opened: string | null; open: (what: Opened) => void }) {
    const { team, budgets } = known;
    return (
        <>
            <div class="columns-wide">
                <Spending known={known} />
                <div class="stack">
                    <Card title="Budgets" tools={mayOperate.value && <Button little icon="plus" onClick={() => open("budget")}>Budget</Button>}>
                        {budgets.length === 0 ? (
                            <Empty icon="budget" title="No budget" command={`turnpike budget create --team ${shellWord(team.name)} --amount 500`}>What the team spends is capped by nothing of its own.</Empty>
                        ) : (
                            <ul class="budget-grid">{nearestEnd(budgets).map((budget) => <li key={budget.id}><BudgetLine budget={budget} live={known.live?.budgets.find((each) => each.id === budget.id)} /></li>)}</ul>
                        )}
                    </Card>
                    <Card title="The team" padded>
                        <Facts
                            rows={[
                                ["Name", <Said text={team.name} key="name" />],
                                ["Contact", <Said text={team.contact} none="none" key="contact" />],
                                ["Models", <Said text={modelsWords(team.models)} key="models" />],
                                team.deny_models.length > 0 && ["But never", <Said text={team.deny_models.join(", ")} key="never" />],
                                ["Made", <Moment at={team.created_at} key="made" />],
                            ]}
                        />
                    </Card>
                </div>
            </div>
            <h2>Keys</h2>
            <KeyList keys={known.keys} teams={[team.name]} opened={opened} ofTeam={team.name} />
            {known.limits.length > 0 && <><h2>Limits</h2><LimitTable limits={known.limits} live={known.live} /></>}
        </>
    );
}

function Spending({ known: { usage, team } }: { known: Known }) {
    const counts = !Number(usage.total.cost_usd ?? 0);
    const { times, series } = useMemo(
        () => stackOf(usage.rows, "key", (row) => (counts ? row.calls : Number(row.cost_usd ?? 0)), periodOf(new URLSearchParams(), "30d"), (row: UsageRow) => row.key_name || String(row["key"] ?? "")),
        [usage],
    );
    return (
        <Card title={counts ? "Calls by key, last 30 days" : "Spend by key, last 30 days"} tools={<span class="row"><strong class="number">{counts ? format.count(usage.total.calls) : format.money(usage.total.cost_usd)}</strong><LinkButton little kind="quiet" href={link("/usage", { team: team.name, by: "key", period: "30d" })}>More</LinkButton></span>}>
            {usage.rows.length === 0 ? (
                <Empty icon="usage" title="No calls in 30 days">As soon as one of its keys is used, it shows here.</Empty>
            ) : (
                <Chart label="Spend by key and day" times={times} series={series} kind="bars" value={counts ? format.count : format.money} axis={counts ? format.countAxis : format.moneyAxis} step={86_400} height={260} />
            )}
        </Card>
    );
}
