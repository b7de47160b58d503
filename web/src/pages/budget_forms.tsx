// Making, changing and raising a budget.
import { api } from "../base/api.ts";
import { pathOf } from "../base/router.ts";
import { zone } from "../base/period.ts";
import { visible } from "../base/text.ts";
import { say } from "../base/toasts.ts";
import type { Budget, Key } from "../base/types.ts";
import { Dialog } from "../parts/dialog.tsx";
import { EditDialog, FormEnd } from "../parts/edit.tsx";
import { CheckField, Form, FormProblem, type FormState, SelectField, TextField, useForm } from "../parts/form.tsx";
import { listOf } from "../base/lists.ts";
import { scopeText } from "./budget_parts.tsx";
import { scopeBody, ScopeFields, scopeValues } from "./scope_fields.tsx";

type Terms = { amount: string; period: string; rolling: string; timezone: string; alerts: string; observe: boolean; soft: boolean; name: string };

const PERIODS = [
    { value: "month", title: "A month" },
    { value: "week", title: "A week, from Monday" },
    { value: "day", title: "A day" },
    { value: "lifetime", title: "In all, for ever" },
    { value: "rolling", title: "The time just gone, always" },
];

function termsBody(values: Terms): Record<string, unknown> {
    return {
        amount: values.amount.trim(),
        period: values.period,
        ...(values.period === "rolling" ? { rolling: values.rolling.trim() } : {}),
        timezone: values.timezone.trim() || "UTC",
        // Digits become numbers; what is none goes as it is, and the API says what is wrong with it.
        alerts: listOf(values.alerts).map((each) => (/^\d+$/.test(each) ? Number(each) : each)),
        mode: values.observe ? "observe" : "enforce",
        soft: values.soft,
        name: values.name.trim() || null,
    };
}

function TermsFields<V extends Terms>({ form, first = false }: { form: FormState<V>; first?: boolean }) {
    return (
        <>
            <div class="form-row">
                <TextField form={form} name="amount" label="Amount" prefix="$" placeholder="500" first={first} />
                <SelectField form={form} name="period" label="Period" options={PERIODS} />
                {form.values.period === "rolling" && <TextField form={form} name="rolling" label="How long" placeholder="30d" />}
            </div>
            <div class="form-row">
                <TextField form={form} name="timezone" label="Whose calendar" placeholder="UTC" />
                <TextField form={form} name="alerts" label="Alerts at per cent" placeholder="80, 100" />
            </div>
            <CheckField form={form} name="observe" label="Only watch" hint="It refuses nothing; what it would have refused is recorded with each call." />
            <CheckField form={form} name="soft" label="Only alert" hint="Calls are never refused, and nothing is held for them." />
            <TextField form={form} name="name" label="Name" placeholder="none" hint="Only needed to tell two budgets of one team and period apart." />
        </>
    );
}

const NAMES = { mode: "observe", rolling: "rolling" };

export function NewBudget({ team, ofKey, teams, onClose }: { team?: string; ofKey?: Key; teams: string[]; onClose: () => void }) {
    const form = useForm(
        { ...scopeValues(team, ofKey), amount: "", period: "month", rolling: "30d", timezone: zone(), alerts: "80, 100", observe: false, soft: false, name: "" },
        async (values) => {
            await api.post("/budgets", { ...scopeBody(values), ...termsBody(values) });
            say("The budget holds within a second.");
            onClose();
        },
        NAMES,
    );
    return (
        <Dialog title="New budget" onClose={onClose}>
            <Form form={form}>
                <ScopeFields form={form} teams={teams} fixed={team ?? ofKey?.name} />
                <TermsFields form={form} first />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the budget" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

export function EditBudget({ of, onClose }: { of: Budget; onClose: () => void }) {
    return (
        <EditDialog<Budget, Terms>
            title={`Budget of ${scopeText(of)}`}
            path={pathOf("budgets", of.id)}
            valuesOf={(budget) => ({
                amount: budget.amount,
                period: budget.period,
                rolling: budget.rolling ?? "30d",
                timezone: budget.timezone,
                alerts: budget.alerts.join(", "),
                observe: budget.mode === "observe",
                soft: budget.soft,
                name: budget.name ?? "",
            })}
            bodyOf={termsBody}
            names={NAMES}
            done="The budget is changed; what was spent stays spent."
            onClose={onClose}
        >
            {(form) => <TermsFields form={form} first />}
        </EditDialog>
    );
}

const UNTILS = [
    { value: "1h", title: "1 hour" },
    { value: "12h", title: "12 hours" },
    { value: "24h", title: "A day" },
    { value: "3d", title: "3 days" },
    { value: "7d", title: "A week" },
];

export function RaiseBudget({ of, onClose }: { of: Budget; onClose: () => void }) {
    const form = useForm({ amount: "", until: "24h" }, async (values) => {
        await api.post(`${pathOf("budgets", of.id)}/raise`, { amount: values.amount.trim(), until: values.until });
        say("The budget is raised.");
        onClose();
    });
    return (
        <Dialog title={`Raise the budget of ${visible(scopeText(of))}`} onClose={onClose}>
            <Form form={form}>
                <p class="muted">For a while another amount counts, then {of.amount} again by itself.</p>
                <div class="form-row">
                    <TextField form={form} name="amount" label="Amount until then" prefix="$" placeholder={String(Number(of.amount) * 1.5)} first />
                    <SelectField form={form} name="until" label="For" options={UNTILS} />
                </div>
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Raise" busy={form.busy} />
            </Form>
        </Dialog>
    );
}
