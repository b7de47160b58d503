// Teams, and under each its keys. Keys of no team come last.
import { useState } from "preact/hooks";
import * as format from "../base/format.ts";
import { capOf } from "../base/projection.ts";
import { link, pathOf } from "../base/router.ts";
import { mayOperate } from "../base/session.ts";
import type { Key, Team } from "../base/types.ts";
import { counted } from "../base/text.ts";
import { Button } from "../parts/button.tsx";
import { KeyState } from "../parts/badge.tsx";
import { Empty } from "../parts/feedback.tsx";
import { Icon } from "../parts/icon.tsx";
import { Moment, Said, Tags } from "../parts/said.tsx";
import { walk } from "../parts/table.tsx";
import { BudgetBar, nearestEnd, periodText } from "./budget_parts.tsx";
import { keyHref } from "./key_parts.tsx";
import { modelsWords } from "./model_lists.ts";
import { EditOrganisation } from "./organisation_form.tsx";
import type { Household } from "./teams.tsx";

const OPEN_AT_FIRST = 3; // so few teams are shown with their keys

export function TeamTree({ house, opened }: { house: Household; opened: string | null }) {
    const [folded, setFolded] = useState<Record<string, boolean>>({});
    const homeless = house.keys.filter((key) => key.team === null && key.state === "live");
    if (house.teams.length === 0 && homeless.length === 0) {
        return (
            <div class="card">
                <Empty icon="teams" title="There are no teams yet" command="turnpike team create search --contact search@example.com --model 'gpt-*'">
                    A team answers for its keys, and its budgets and limits hold for all of them. Make one for each group of people or applications whose spending is to be told apart.
                </Empty>
            </div>
        );
    }
    const isFolded = (name: string) => folded[name] ?? house.teams.length > OPEN_AT_FIRST;
    const toggle = (name: string) => setFolded({ ...folded, [name]: !isFolded(name) });
    return (
        <div class="card table-frame" tabIndex={0} role="region" aria-label="Teams with their keys">
            <table class="table tree" onKeyDown={walk}>
                <caption class="unseen">Teams with their keys</caption>
                <thead>
                    <tr><th scope="col">Team, key</th><th scope="col" class="wide-only">Contact, tags</th><th scope="col" class="budget-cell">Budget</th><th scope="col" class="number wide-only">Keys, last used</th></tr>
                </thead>
                <tbody>
                    {house.organisation && <EverybodyRow house={house} />}
                    {house.teams.map((team) => (
                        <TeamRows key={team.name} team={team} house={house} folded={isFolded(team.name)} toggle={() => toggle(team.name)} opened={opened} />
                    ))}
                    {homeless.length > 0 && <tr class="tree-team"><td colSpan={4} class="muted">Keys of no team</td></tr>}
                    {homeless.map((key) => <KeyRow key={key.id} of={key} house={house} opened={opened} />)}
                </tbody>
            </table>
        </div>
    );
}

// The root of the tree: what holds for all teams.
function EverybodyRow({ house }: { house: Household }) {
    const [editing, setEditing] = useState(false);
    const all = house.organisation;
    return (
        <tr class="tree-team tree-root">
            <td>
                <div class="row">
                    <span class="cut"><Said text={all?.name} none="Everybody" cut /></span>
                    {all && (all.models !== null || all.deny_models.length > 0) && <span class="faint cut wide-only">models {modelsWords(all.models)}{all.deny_models.length ? `, but never ${all.deny_models.join(", ")}` : ""}</span>}
                    {mayOperate.value && <Button kind="quiet" little icon="edit" label="Change what holds for everybody" onClick={() => setEditing(true)} />}
                </div>
                {editing && <EditOrganisation onClose={() => setEditing(false)} />}
            </td>
            <td class="wide-only muted"><Said text={all?.contact} none="" cut /></td>
            <td class="budget-cell"><BudgetOf house={house} /></td>
            <td class="number wide-only muted">{counted(house.keys.filter((key) => key.state === "live").length, "key")}</td>
        </tr>
    );
}

function TeamRows({ team, house, folded, toggle, opened }: { team: Team; house: Household; folded: boolean; toggle: () => void; opened: string | null }) {
    const keys = house.keys.filter((key) => key.team === team.name && key.state === "live");
    return (
        <>
            <tr class="tree-team">
                <td>
                    <div class="row">
                        <button type="button" class={`fold${folded ? "" : " open"}`} aria-expanded={!folded} aria-label={`Keys of ${team.name}`} onClick={toggle} disabled={keys.length === 0}><Icon name="right" /></button>
                        <a class="cell-link cut" href={link(pathOf("teams", team.name))}><Said text={team.title || team.name} cut /></a>
                        {team.title && <span class="faint cut wide-only"><Said text={team.name} cut /></span>}
                    </div>
                </td>
                <td class="wide-only muted"><Said text={team.contact} none="" cut /></td>
                <td class="budget-cell"><BudgetOf house={house} team={team.name} /></td>
                <td class="number wide-only">{counted(team.keys, "key")}</td>
            </tr>
            {!folded && keys.map((key) => <KeyRow key={key.id} of={key} house={house} opened={opened} />)}
        </>
    );
}

function KeyRow({ of, house, opened }: { of: Key; house: Household; opened: string | null }) {
    return (
        <tr class="tree-key" aria-selected={of.id === opened}>
            <td><a class="cell-link row" href={keyHref(of.id)}><Icon name="key" /><Said text={of.name} cut /></a></td>
            <td class="wide-only"><span class="row"><KeyState state={of.state} /><Tags tags={of.tags} none="" /></span></td>
            <td class="budget-cell"><BudgetOf house={house} keyId={of.id} /></td>
            <td class="number muted wide-only"><Moment at={of.last_used_at} ago none="never used" /></td>
        </tr>
    );
}

// The budget that ends first.
function BudgetOf({ house, team, keyId }: { house: Household; team?: string; keyId?: string }) {
    const [budget] = nearestEnd(house.budgets.filter((each) => (team ? each.team === team : keyId ? each.key === keyId : each.organisation)));
    if (!budget) return <span class="faint">{keyId ? "" : "none"}</span>;
    return (
        <div class="stack-tight">
            <BudgetBar budget={budget} live={house.live?.budgets.find((each) => each.id === budget.id)} />
            <span class="small muted number nowrap">{format.money(budget.spent)} of {format.money(capOf(budget))} {periodText(budget)}</span>
        </div>
    );
}
