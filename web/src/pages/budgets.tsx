// All budgets, the one nearest its end first.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { capOf, project } from "../base/projection.ts";
import { current, pathOf } from "../base/router.ts";
import { mayOperate } from "../base/session.ts";
import { say } from "../base/toasts.ts";
import type { Budget, Live } from "../base/types.ts";
import { Badge, ModeBadge } from "../parts/badge.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Empty } from "../parts/feedback.tsx";
import { Menu, MenuItem } from "../parts/menu.tsx";
import { Moment, Money } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { EditBudget, RaiseBudget } from "./budget_forms.tsx";
import { BudgetBar, nearestEnd, outlook, periodText, ruleTitle, scopeHref, scopeText } from "./budget_parts.tsx";

type Opened = { what: "edit" | "raise" | "delete"; budget: Budget } | null;

async function endRaise(budget: Budget) {
    await api.remove(`${pathOf("budgets", budget.id)}/raise`);
    say("The raise is ended; the budget's own amount counts.");
}

function columnsOf(live: Live | null, open: (opened: Opened) => void): Column<Budget>[] {
    const columns: Column<Budget>[] = [
        { key: "for", title: "For", render: (budget) => <a class="cell-link" href={scopeHref(budget)}>{ruleTitle(budget)}</a>, sort: (budget) => scopeText(budget) },
        { key: "amount", title: "Amount", number: true, render: (budget) => <AmountCell budget={budget} />, sort: (budget) => capOf(budget) },
        { key: "used", title: "Used", render: (budget) => <div class="used"><BudgetBar budget={budget} live={live?.budgets.find((each) => each.id === budget.id)} /><span class="number small">{format.percentOf(project(budget).spentShare)}</span></div>, sort: (budget) => -project(budget).spentShare },
        { key: "spent", title: "Spent", number: true, wide: true, render: (budget) => <Money amount={budget.spent} />, sort: (budget) => Number(budget.spent) },
        { key: "outlook", title: "Outlook", wide: true, render: (budget) => <span class={outlook(budget).bad ? "bad" : "muted"}>{outlook(budget).text}</span> },
        { key: "mode", title: "Mode", wide: true, render: (budget) => <span class="row"><ModeBadge mode={budget.mode} />{budget.soft && <Badge title="It only alerts; calls are not refused">soft</Badge>}</span> },
    ];
    if (mayOperate.value) columns.push({ key: "more", title: "", number: true, render: (budget) => <Actions budget={budget} open={open} /> });
    return columns;
}

function AmountCell({ budget }: { budget: Budget }) {
    const raised = capOf(budget) !== Number(budget.amount);
    return (
        <span class="nowrap">
            <Money amount={String(capOf(budget))} /> <span class="muted">{periodText(budget)}</span>
            {raised && <div class="small warn">raised until <Moment at={budget.raised_until} /></div>}
        </span>
    );
}

function Actions({ budget, open }: { budget: Budget; open: (opened: Opened) => void }) {
    const choose = (what: "edit" | "raise" | "delete", close: () => void) => () => {
        close();
        open({ what, budget });
    };
    return (
        <Menu label={null} name={`Actions for the budget of ${scopeText(budget)}`} icon="more" kind="quiet">
            {(close) => (
                <>
                    <MenuItem icon="edit" onClick={choose("edit", close)}>Change</MenuItem>
                    <MenuItem icon="up" onClick={choose("raise", close)}>Raise for a while</MenuItem>
                    {budget.raised_until && <MenuItem icon="down" onClick={() => { close(); void endRaise(budget); }}>End the raise</MenuItem>}
                    <MenuItem icon="bin" danger onClick={choose("delete", close)}>Delete</MenuItem>
                </>
            )}
        </Menu>
    );
}

export function BudgetTable({ budgets, live }: { budgets: Budget[]; live: Live | null }) {
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    if (budgets.length === 0) {
        return (
            <div class="card">
                <Empty icon="budget" title="There are no budgets" command="turnpike budget create --team search --amount 500 --alert 80 --observe">
                    A budget caps what a team, a key, a tag or everybody may spend in a period. With <code>--observe</code> it refuses nothing and shows what it would have.
                </Empty>
            </div>
        );
    }
    return (
        <>
            <div class="card"><Table caption="Budgets" rows={nearestEnd(budgets)} columns={columnsOf(live, setOpened)} keyOf={(budget) => budget.id} opened={current.value.query.get("budget")} /></div>
            {opened?.what === "edit" && <EditBudget of={opened.budget} onClose={close} />}
            {opened?.what === "raise" && <RaiseBudget of={opened.budget} onClose={close} />}
            {opened?.what === "delete" && (
                <Confirm title="Delete the budget" action="Delete" onClose={close} onConfirm={async () => { await api.remove(pathOf("budgets", opened.budget.id)); say("The budget is deleted."); }}>
                    <p>Nothing caps {scopeText(opened.budget)} by this budget any more. What was spent stays recorded.</p>
                </Confirm>
            )}
        </>
    );
}
