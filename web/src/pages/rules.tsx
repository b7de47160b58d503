// Where keys of a team, or one key, may be used from. A rule is watched before it bites, and before either is
// saved one sees whom it would have stopped.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { current, link, pathOf } from "../base/router.ts";
import { mayOperate } from "../base/session.ts";
import { visible } from "../base/text.ts";
import { say } from "../base/toasts.ts";
import type { Mode, Team } from "../base/types.ts";
import { Badge, ModeBadge } from "../parts/badge.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { FilterBar, SelectFilter } from "../parts/filters.tsx";
import { Menu, MenuItem } from "../parts/menu.tsx";
import { Moment, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { SwitchRule } from "./rule_forms.tsx";

export interface NetworkRule {
    id: string;
    team?: string;
    key?: string;
    key_name?: string | null;
    allow?: string;
    deny?: string;
    mode: Mode;
    created_at: string;
}

// "the team documents may call from batch-cluster".
export function ruleWords(rule: Pick<NetworkRule, "team" | "key" | "key_name" | "allow" | "deny">): string {
    const who = rule.team ? `the team ${visible(rule.team)}` : `the key ${visible(rule.key_name ?? rule.key ?? "")}`;
    return rule.allow ? `${who} may call from ${visible(rule.allow)}` : `${who} may not call from ${visible(rule.deny ?? "")}`;
}

type Opened = { what: "switch" | "delete"; rule: NetworkRule } | null;

function columnsOf(open: (opened: Opened) => void): Column<NetworkRule>[] {
    const columns: Column<NetworkRule>[] = [
        { key: "whose", title: "For", render: (rule) => (rule.team ? <a class="cell-link" href={link(pathOf("teams", rule.team))}><Said text={rule.team} /></a> : <span>key <Said text={rule.key_name ?? rule.key} /></span>), sort: (rule) => rule.team ?? rule.key_name ?? "" },
        { key: "what", title: "Rule", render: (rule) => (rule.allow ? <Badge tone="good">allow</Badge> : <Badge tone="bad">deny</Badge>), sort: (rule) => (rule.allow ? "allow" : "deny") },
        { key: "network", title: "Network", render: (rule) => <Said text={rule.allow ?? rule.deny} />, sort: (rule) => rule.allow ?? rule.deny ?? "" },
        { key: "mode", title: "Mode", render: (rule) => <ModeBadge mode={rule.mode} />, sort: (rule) => rule.mode },
        { key: "made", title: "Made", wide: true, number: true, render: (rule) => <Moment at={rule.created_at} />, sort: (rule) => rule.created_at },
    ];
    if (mayOperate.value) columns.push({ key: "more", title: "", number: true, render: (rule) => <Actions rule={rule} open={open} /> });
    return columns;
}

function Actions({ rule, open }: { rule: NetworkRule; open: (opened: Opened) => void }) {
    const choose = (what: "switch" | "delete", close: () => void) => () => {
        close();
        open({ what, rule });
    };
    return (
        <Menu label={null} name={`Actions for the rule: ${ruleWords(rule)}`} icon="more" kind="quiet">
            {(close) => (
                <>
                    <MenuItem icon={rule.mode === "observe" ? "limit" : "search"} onClick={choose("switch", close)}>{rule.mode === "observe" ? "Enforce it" : "Only observe"}</MenuItem>
                    <MenuItem icon="bin" danger onClick={choose("delete", close)}>Delete</MenuItem>
                </>
            )}
        </Menu>
    );
}

export function Rules() {
    const { query } = current.value;
    const team = query.get("team");
    const rules = useResource("network-rules", (signal) => api.all<NetworkRule>("/network_rules", {}, signal));
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    return (
        <>
            <FilterBar><SelectFilter name="team" label="Team" options={teams.value?.map((each) => each.name) ?? []} /></FilterBar>
            <Loaded of={rules}>
                {(all) => {
                    const rows = team ? all.filter((rule) => rule.team === team) : all;
                    return rows.length === 0 ? <NoRules team={team} /> : (
                        <div class="card">
                            <Table caption="Network rules" rows={rows} columns={columnsOf(setOpened)} keyOf={(rule) => rule.id} />
                            <p class="card-note">The rule with the longest range that has the caller decides. A list that allows anything refuses the rest, unless its rules only observe.</p>
                        </div>
                    );
                }}
            </Loaded>
            {opened?.what === "switch" && <SwitchRule rule={opened.rule} onClose={close} />}
            {opened?.what === "delete" && (
                <Confirm title="Delete the rule" action="Delete" onClose={close} onConfirm={async () => { await api.remove(pathOf("network_rules", opened.rule.id)); say("The rule is deleted."); }}>
                    <p>No longer said: {ruleWords(opened.rule)}. If it was the last rule that allows something, calls may come from anywhere.</p>
                </Confirm>
            )}
        </>
    );
}

function NoRules({ team }: { team: string | null }) {
    return (
        <div class="card">
            <Empty icon="reach" title={team ? `No rules for ${visible(team)}` : "There are no network rules"} command={`turnpike network rule create --team ${team && /^[\w-]+$/.test(team) ? team : "search"} --allow 10.0.0.0/8`}>
                A rule says from where the keys of a team, or one key, may be used. A new one only observes: what it would refuse is listed under “Turned away”, and passes.
            </Empty>
        </div>
    );
}
