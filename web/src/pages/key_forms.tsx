// Making, changing, rotating and revoking a key.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { listOf, tagsOf, tagsText } from "../base/lists.ts";
import { pathOf } from "../base/router.ts";
import { me } from "../base/session.ts";
import { visible } from "../base/text.ts";
import { say } from "../base/toasts.ts";
import type { Key, KeyWithSecret } from "../base/types.ts";
import { Dialog } from "../parts/dialog.tsx";
import { EditDialog, FormEnd } from "../parts/edit.tsx";
import { Form, FormProblem, type FormState, SelectField, TextField, useForm } from "../parts/form.tsx";
import { KeySecret } from "./key_secret.tsx";
import { MODELS_HINT, modelsOf, modelsText } from "./model_lists.ts";

const LIFETIMES = [
    { value: "", title: "Never" },
    { value: "30d", title: "In 30 days" },
    { value: "90d", title: "In 90 days" },
    { value: "180d", title: "In 180 days" },
    { value: "365d", title: "In a year" },
];

// A moment as one types it: a day, a duration from now, or nothing for never.
const ENDS_HINT = "A day (2027-01-31), a time from now (90d), or empty: never.";

type KeyValues = { name: string; team: string; tags: string; models: string; deny_models: string };

const EMPTY = { name: "", team: "", tags: "", models: "", deny_models: "", expires_at: "90d" };

function bodyOf(values: KeyValues): Record<string, unknown> {
    return { name: values.name.trim(), team: values.team.trim() || null, tags: tagsOf(values.tags), models: modelsOf(values.models), deny_models: listOf(values.deny_models) };
}

function KeyFields<V extends KeyValues>({ form, teams }: { form: FormState<V>; teams: string[] }) {
    const lead = me.value?.role === "team_lead";
    return (
        <>
            <TextField form={form} name="name" label="Name" hint="What it is for, such as checkout or nightly-eval. Records of calls keep it." first />
            <TextField form={form} name="team" label="Team" suggestions={teams} disabled={lead} hint="Who answers for it: its budgets and limits hold for the key." />
            <TextField form={form} name="tags" label="Tags" placeholder="env=prod, feature=search" hint="Go into each record; budgets and limits may count by them." />
            <div class="form-row">
                <TextField form={form} name="models" label="Models" placeholder="all" hint={MODELS_HINT} />
                <TextField form={form} name="deny_models" label="But never" placeholder="none" hint="Stronger than any allowance." />
            </div>
        </>
    );
}

export function NewKey({ team, teams, onClose }: { team?: string | undefined; teams: string[]; onClose: () => void }) {
    const [made, setMade] = useState<KeyWithSecret | null>(null);
    const form = useForm({ ...EMPTY, team: team ?? me.value?.team ?? "" }, async (values) => {
        setMade(await api.post<KeyWithSecret>("/keys", { ...bodyOf(values), expires_at: values.expires_at || null }));
    });
    if (made) return <KeySecret made={made} onClose={onClose} />;
    return (
        <Dialog title="New key" onClose={onClose}>
            <Form form={form}>
                <KeyFields form={form} teams={teams} />
                <SelectField form={form} name="expires_at" label="Ends" options={LIFETIMES} hint="A key that ends by itself is one that nobody has to remember." />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the key" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

export function EditKey({ id, teams, onClose }: { id: string; teams: string[]; onClose: () => void }) {
    return (
        <EditDialog<Key, KeyValues & { expires_at: string }>
            title="Change the key"
            path={pathOf("keys", id)}
            valuesOf={(key) => ({ name: key.name, team: key.team ?? "", tags: tagsText(key.tags), models: modelsText(key.models), deny_models: key.deny_models.join(", "), expires_at: key.expires_at ?? "" })}
            bodyOf={(values) => ({ ...bodyOf(values), expires_at: values.expires_at.trim() || null })}
            done="The key is changed; every worker knows within a second."
            onClose={onClose}
        >
            {(form) => (
                <>
                    <KeyFields form={form} teams={teams} />
                    <TextField form={form} name="expires_at" label="Ends" placeholder="never" hint={ENDS_HINT} />
                </>
            )}
        </EditDialog>
    );
}

const GRACES = [
    { value: "0", title: "Not at all: it is known to somebody else" },
    { value: "1h", title: "1 hour" },
    { value: "24h", title: "24 hours" },
    { value: "7d", title: "7 days" },
    { value: "30d", title: "30 days" },
];

export function RotateKey({ of, onClose }: { of: Key; onClose: () => void }) {
    const [made, setMade] = useState<KeyWithSecret | null>(null);
    const form = useForm({ grace: "24h" }, async (values) => setMade(await api.post<KeyWithSecret>(`${pathOf("keys", of.id)}/rotate`, { grace: values.grace })));
    if (made) return <KeySecret made={made} rotated onClose={onClose} />;
    return (
        <Dialog title={`Rotate ${visible(of.name)}`} onClose={onClose}>
            <Form form={form}>
                <p class="muted">The key gets a new secret. Its id, limits, budgets and records stay.</p>
                <SelectField form={form} name="grace" label="The old secret stays good for" options={GRACES} hint="Time to bring the new one to every place that uses the old." />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Rotate" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

export function RevokeKey({ of, onClose }: { of: Key; onClose: () => void }) {
    const form = useForm({ reason: "" }, async (values) => {
        await api.remove(pathOf("keys", of.id), { reason: values.reason.trim() });
        say(`${of.name} is revoked.`);
        onClose();
    });
    return (
        <Dialog title={`Revoke ${visible(of.name)}`} onClose={onClose}>
            <Form form={form}>
                <p>Every call with it is refused from now on, in every worker within a second. It cannot be taken back.</p>
                <TextField form={form} name="reason" label="Why" placeholder="found in a repository" hint="Kept with the key and in the audit. May be left empty." first />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Revoke for good" busy={form.busy} danger />
            </Form>
        </Dialog>
    );
}
