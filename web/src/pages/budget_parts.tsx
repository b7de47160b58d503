// How budgets are shown, wherever they are: whom they are for, how full they are, when they will be empty.
import * as format from "../base/format.ts";
import { capOf, project } from "../base/projection.ts";
import { link, pathOf } from "../base/router.ts";
import { visible } from "../base/text.ts";
import type { Budget, LiveBudget, Scope } from "../base/types.ts";
import { Badge, ModeBadge } from "../parts/badge.tsx";
import { Bar } from "../parts/bar.tsx";

export function scopeText(scope: Scope): string {
    if (scope.team) return `team ${visible(scope.team)}`;
    if (scope.key) return `key ${visible(scope.key_name || scope.key)}`;
    if (scope.tag) return `tag ${visible(scope.tag)}`;
    if (scope.model) return `model ${visible(scope.model)}`;
    return "everybody";
}

// Whose budget or limit it is; with its name where that says something more.
export function ruleTitle(rule: Scope & { name: string | null }): string {
    const scope = scopeText(rule);
    const said = [rule.team, rule.key, rule.key_name, rule.tag, rule.model].includes(rule.name ?? "");
    return rule.name && !said ? `${scope} (${visible(rule.name)})` : scope;
}

export function scopeHref(scope: Scope): string {
    if (scope.team) return link(pathOf("teams", scope.team));
    if (scope.key) return link("/teams", { tab: "keys", key: scope.key });
    return link("/teams", { tab: "budgets" });
}

const PERIODS: Record<string, string> = { day: "a day", week: "a week", month: "a month", lifetime: "in all" };

export function periodText(budget: Budget): string {
    return budget.period === "rolling" ? `in any ${budget.rolling ?? ""}` : (PERIODS[budget.period] ?? budget.period);
}

export function nearestEnd(budgets: Budget[]): Budget[] {
    return [...budgets].sort((a, b) => project(b).spentShare - project(a).spentShare);
}

// What will become of it, in words.
export function outlook(budget: Budget, now = new Date()): { text: string; bad: boolean } {
    const { spentShare, endsAt, atReset } = project(budget, now);
    const reset = budget.resets_at && budget.period !== "rolling" ? `, anew ${format.moment(budget.resets_at, now)}` : "";
    if (spentShare >= 1) return { text: `used up${reset}`, bad: true };
    if (endsAt) return { text: `used up about ${format.moment(endsAt.toISOString(), now)} at this pace`, bad: true };
    if (atReset !== null) return { text: `about ${format.money(atReset)} by ${format.day(budget.resets_at, now)} at this pace`, bad: false };
    if (budget.period === "rolling") return { text: "gives back bit by bit", bad: false };
    return { text: reset ? `anew ${format.moment(budget.resets_at, now)}` : "", bad: false };
}

export function BudgetBar({ budget, live }: { budget: Budget; live?: LiveBudget | undefined }) {
    const cap = live ? Number(live.cap) : capOf(budget);
    const spent = Number(live?.spent ?? budget.spent);
    const words = `${format.money(spent)} of ${format.money(cap)} spent${live && Number(live.held) > 0 ? `, ${format.money(live.held)} held for calls under way` : ""}`;
    return <Bar spent={spent} held={Number(live?.held ?? 0)} of={cap} label={`Budget of ${scopeText(budget)}`} value={words} />;
}

// A budget in two lines and its bar.
export function BudgetLine({ budget, live }: { budget: Budget; live?: LiveBudget | undefined }) {
    const { text, bad } = outlook(budget);
    return (
        <div class="stack-tight budget-line">
            <div class="row">
                <a class="cut" href={scopeHref(budget)}>{ruleTitle(budget)}</a>
                {budget.mode === "observe" && <ModeBadge mode="observe" />}
                {budget.soft && <Badge title="It only alerts; calls are not refused">soft</Badge>}
                <span class="push number nowrap" title={`${format.moneyExact(budget.spent)} of ${format.moneyExact(String(capOf(budget)))}`}>
                    <strong>{format.money(budget.spent)}</strong> <span class="muted">of {format.money(capOf(budget))} {periodText(budget)}</span>
                </span>
            </div>
            <BudgetBar budget={budget} live={live} />
            <div class="bar-note">
                <span>{format.percentOf(project(budget).spentShare)}</span>
                <span class={bad ? "bad" : ""}>{text}</span>
            </div>
        </div>
    );
}
