// Whom a new budget or limit is for: chosen where nothing is given, said where it is.
import type { Key } from "../base/types.ts";
import { visible } from "../base/text.ts";
import { type FormState, SelectField, TextField } from "../parts/form.tsx";

export type ScopeValues = { scope: string; team: string; key: string; tag: string; model: string };

export function scopeValues(team?: string, key?: Key): ScopeValues {
    return { scope: key ? "key" : "team", team: team ?? "", key: key?.id ?? "", tag: "", model: "" };
}

export function scopeBody(values: ScopeValues): Record<string, unknown> {
    if (values.scope === "organisation") return { organisation: true };
    const name = values.scope as "team" | "key" | "tag" | "model";
    return { [name]: values[name].trim() };
}

const SCOPES = [
    { value: "team", title: "A team" },
    { value: "key", title: "A key" },
    { value: "tag", title: "Keys with a tag" },
    { value: "organisation", title: "Everybody together" },
];

export function ScopeFields<V extends ScopeValues>({ form, teams, fixed, models = false }: { form: FormState<V>; teams: string[]; fixed?: string | undefined; models?: boolean }) {
    if (fixed) return <p>For the {form.values.scope} <strong>{visible(fixed)}</strong>.</p>;
    const options = models ? [...SCOPES, { value: "model", title: "A model" }] : SCOPES;
    const { scope } = form.values;
    return (
        <div class="form-row">
            <SelectField form={form} name="scope" label="For" options={options} />
            {scope === "team" && <TextField form={form} name="team" label="Team" suggestions={teams} />}
            {scope === "key" && <TextField form={form} name="key" label="Key" hint="Its id, or its name" />}
            {scope === "tag" && <TextField form={form} name="tag" label="Tag" placeholder="env=prod" />}
            {scope === "model" && <TextField form={form} name="model" label="Model" placeholder="gpt-*" />}
        </div>
    );
}
