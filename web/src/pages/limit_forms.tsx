// Making and changing a limit.
import { api } from "../base/api.ts";
import { pathOf } from "../base/router.ts";
import { say } from "../base/toasts.ts";
import type { Key, Limit } from "../base/types.ts";
import { Dialog } from "../parts/dialog.tsx";
import { EditDialog, FormEnd } from "../parts/edit.tsx";
import { CheckField, Form, FormProblem, type FormState, SelectField, TextField, useForm } from "../parts/form.tsx";
import { scopeText } from "./budget_parts.tsx";
import { kindOf, KINDS } from "./limits.tsx";
import { scopeBody, ScopeFields, scopeValues } from "./scope_fields.tsx";

type Terms = { kind: string; amount: string; per: string; observe: boolean; name: string };

const PERS = [
    { value: "1s", title: "second" },
    { value: "1m", title: "minute" },
    { value: "1h", title: "hour" },
    { value: "1d", title: "day" },
];

// What is no number goes as it is, and the API says what is wrong with it.
function termsBody(values: Terms): Record<string, unknown> {
    const text = values.amount.replaceAll(/[\s,_]/g, "");
    return {
        [values.kind]: /^\d+$/.test(text) ? Number(text) : values.amount,
        ...(values.kind === "concurrent" ? {} : { per: values.per }),
        mode: values.observe ? "observe" : "enforce",
        name: values.name.trim() || null,
    };
}

const NAMES: Record<string, string> = { mode: "observe", ...Object.fromEntries(KINDS.map((kind) => [kind.name, "amount"])) };

function TermsFields<V extends Terms>({ form, kindFixed }: { form: FormState<V>; kindFixed?: boolean }) {
    const windows = PERS.some((per) => per.value === form.values.per) ? PERS : [...PERS, { value: form.values.per, title: form.values.per }];
    return (
        <>
            <div class="form-row">
                <TextField form={form} name="amount" label="At most" placeholder="600" first />
                {!kindFixed && <SelectField form={form} name="kind" label="Of what" options={KINDS.map((kind) => ({ value: kind.name, title: kind.title }))} />}
                {form.values.kind !== "concurrent" && <SelectField form={form} name="per" label="In any" options={windows} />}
            </div>
            <CheckField form={form} name="observe" label="Only watch" hint="It refuses nothing; what it would have refused is recorded with each call." />
            <TextField form={form} name="name" label="Name" placeholder="none" hint="Only needed to tell two limits of one scope and window apart." />
        </>
    );
}

export function NewLimit({ team, ofKey, teams, onClose }: { team?: string; ofKey?: Key; teams: string[]; onClose: () => void }) {
    const form = useForm(
        { ...scopeValues(team, ofKey), kind: "requests", amount: "", per: "1m", observe: false, name: "" },
        async (values) => {
            await api.post("/limits", { ...scopeBody(values), ...termsBody(values) });
            say("The limit holds within a second.");
            onClose();
        },
        NAMES,
    );
    return (
        <Dialog title="New limit" onClose={onClose}>
            <Form form={form}>
                <ScopeFields form={form} teams={teams} fixed={team ?? ofKey?.name} models />
                <TermsFields form={form} />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the limit" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

export function EditLimit({ of, onClose }: { of: Limit; onClose: () => void }) {
    return (
        <EditDialog<Limit, Terms>
            title={`Limit of ${scopeText(of)}`}
            path={pathOf("limits", of.id)}
            valuesOf={(limit) => ({ kind: kindOf(limit).name, amount: String(kindOf(limit).amount), per: limit.per ?? "1m", observe: limit.mode === "observe", name: limit.name ?? "" })}
            bodyOf={termsBody}
            names={NAMES}
            done="The limit is changed."
            onClose={onClose}
        >
            {(form) => <TermsFields form={form} kindFixed />}
        </EditDialog>
    );
}
