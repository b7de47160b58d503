// Who may use what, how often, and for how much: teams with their keys, all keys, budgets and limits.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { current } from "../base/router.ts";
import { mayKeepKeys, mayOperate, seesAll } from "../base/session.ts";
import type { Budget, Key, Limit, Live, Organisation, Team } from "../base/types.ts";
import { Button } from "../parts/button.tsx";
import { Loaded } from "../parts/feedback.tsx";
import { Page } from "../parts/page.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { NewBudget } from "./budget_forms.tsx";
import { BudgetTable } from "./budgets.tsx";
import { KeyDrawer } from "./key_drawer.tsx";
import { NewKey } from "./key_forms.tsx";
import { KeyList } from "./keys.tsx";
import { NewLimit } from "./limit_forms.tsx";
import { LimitTable } from "./limits.tsx";
import { NewTeam } from "./team_forms.tsx";
import { TeamTree } from "./team_tree.tsx";

export interface Household {
    teams: Team[];
    keys: Key[];
    budgets: Budget[];
    limits: Limit[];
    live: Live | null; // null for a role that does not see it, as the organisation
    organisation: Organisation | null;
}

const AGAIN_MS = 30_000;

async function readHousehold(signal: AbortSignal): Promise<Household> {
    const [teams, keys, budgets, limits, live, organisation] = await Promise.all([
        api.all<Team>("/teams", {}, signal),
        api.all<Key>("/keys", {}, signal),
        api.all<Budget>("/budgets", {}, signal),
        api.all<Limit>("/limits", {}, signal),
        seesAll.value ? api.get<Live>("/live", {}, signal) : null,
        seesAll.value ? api.get<Organisation>("/organisation", {}, signal) : null,
    ]);
    return { teams, keys, budgets, limits, live, organisation };
}

type Opened = "team" | "key" | "budget" | "limit" | null;

export function TeamsPage() {
    const household = useResource("household", readHousehold, AGAIN_MS);
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    const tab = current.value.query.get("tab") ?? "teams";
    const key = current.value.query.get("key");
    const value = household.value;
    const names = value?.teams.map((team) => team.name) ?? [];
    return (
        <Page
            title="Teams and keys"
            tools={
                <>
                    {mayOperate.value && tab === "budgets" && <Button icon="plus" onClick={() => setOpened("budget")}>New budget</Button>}
                    {mayOperate.value && tab === "limits" && <Button icon="plus" onClick={() => setOpened("limit")}>New limit</Button>}
                    {mayOperate.value && tab === "teams" && <Button icon="plus" onClick={() => setOpened("team")}>New team</Button>}
                    {mayKeepKeys.value && <Button kind="primary" icon="plus" onClick={() => setOpened("key")}>New key</Button>}
                </>
            }
        >
            <Tabs
                label="Teams and keys"
                chosen={tab}
                tabs={[
                    { name: "teams", title: "Teams", count: value?.teams.length },
                    { name: "keys", title: "Keys", count: value?.keys.length },
                    { name: "budgets", title: "Budgets", count: value?.budgets.length },
                    { name: "limits", title: "Limits", count: value?.limits.length },
                ]}
            />
            <Loaded of={household}>
                {(house) => (
                    <>
                        {tab === "teams" && <TeamTree house={house} opened={key} />}
                        {tab === "keys" && <KeyList keys={house.keys} teams={names} opened={key} />}
                        {tab === "budgets" && <BudgetTable budgets={house.budgets} live={house.live} />}
                        {tab === "limits" && <LimitTable limits={house.limits} live={house.live} />}
                    </>
                )}
            </Loaded>
            {key && <KeyDrawer key={key} id={key} teams={names} />}
            {opened === "team" && <NewTeam onClose={close} />}
            {opened === "key" && <NewKey teams={names} onClose={close} />}
            {opened === "budget" && <NewBudget teams={names} onClose={close} />}
            {opened === "limit" && <NewLimit teams={names} onClose={close} />}
        </Page>
    );
}
