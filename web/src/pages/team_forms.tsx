// Making, changing and deleting a team.
import { api } from "../base/api.ts";
import { listOf } from "../base/lists.ts";
import { link, navigate, pathOf } from "../base/router.ts";
import { visible } from "../base/text.ts";
import { say } from "../base/toasts.ts";
import type { Team } from "../base/types.ts";
import { Dialog } from "../parts/dialog.tsx";
import { EditDialog, FormEnd } from "../parts/edit.tsx";
import { CheckField, Form, FormProblem, type FormState, TextField, useForm } from "../parts/form.tsx";
import { MODELS_HINT, modelsOf, modelsText } from "./model_lists.ts";

type TeamValues = { title: string; contact: string; models: string; deny_models: string };

function bodyOf(values: TeamValues): Record<string, unknown> {
    return { title: values.title.trim() || null, contact: values.contact.trim() || null, models: modelsOf(values.models), deny_models: listOf(values.deny_models) };
}

function TeamFields<V extends TeamValues>({ form }: { form: FormState<V> }) {
    return (
        <>
            <TextField form={form} name="title" label="What people call it" placeholder="Search and ranking" />
            <TextField form={form} name="contact" label="Whom to ask" placeholder="search@example.com" hint="Stands in refusals, so that people know where to go." />
            <div class="form-row">
                <TextField form={form} name="models" label="Models" placeholder="all" hint={MODELS_HINT} />
                <TextField form={form} name="deny_models" label="But never" placeholder="none" hint="Stronger than any allowance." />
            </div>
        </>
    );
}

export function NewTeam({ onClose }: { onClose: () => void }) {
    const form = useForm({ name: "", title: "", contact: "", models: "", deny_models: "" }, async (values) => {
        const team = await api.post<Team>("/teams", { name: values.name.trim(), ...bodyOf(values) });
        say(`The team ${team.name} is made.`);
        onClose();
        navigate(link(pathOf("teams", team.name)));
    });
    return (
        <Dialog title="New team" onClose={onClose}>
            <Form form={form}>
                <TextField form={form} name="name" label="Name" placeholder="search" hint="Short; it stands in every record and cannot be changed." first />
                <TeamFields form={form} />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the team" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

export function EditTeam({ name, onClose }: { name: string; onClose: () => void }) {
    return (
        <EditDialog<Team, TeamValues>
            title={`Team ${visible(name)}`}
            path={pathOf("teams", name)}
            valuesOf={(team) => ({ title: team.title ?? "", contact: team.contact ?? "", models: modelsText(team.models), deny_models: team.deny_models.join(", ") })}
            bodyOf={bodyOf}
            done="The team is changed."
            onClose={onClose}
        >
            {(form) => <TeamFields form={form} />}
        </EditDialog>
    );
}

export function DeleteTeam({ of, onClose }: { of: Team; onClose: () => void }) {
    const form = useForm({ revoke: false, reason: "" }, async (values) => {
        await api.remove(pathOf("teams", of.name), { revoke_keys: values.revoke || null, reason: values.revoke ? values.reason.trim() : null });
        say(`The team ${of.name} is deleted.`);
        onClose();
        navigate(link("/teams"));
    });
    return (
        <Dialog title={`Delete team ${visible(of.name)}`} onClose={onClose}>
            <Form form={form}>
                <p>Its budgets and limits go with it. Its records stay.</p>
                {of.keys > 0 && <CheckField form={form} name="revoke" label={of.keys === 1 ? "Revoke its live key too" : `Revoke its ${of.keys} live keys too`} hint="Without that, a team with live keys is not deleted. Revoking cannot be taken back." />}
                {form.values.revoke && <TextField form={form} name="reason" label="Why" hint="Kept with the keys." />}
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Delete" busy={form.busy} danger />
            </Form>
        </Dialog>
    );
}
