// Keys of administrators: for the console, the admin API and programs. Only owners see them.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { pathOf } from "../base/router.ts";
import { visible } from "../base/text.ts";
import { say } from "../base/toasts.ts";
import type { AdminKey, Team } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { Button, CopyButton } from "../parts/button.tsx";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { FormEnd } from "../parts/edit.tsx";
import { Loaded } from "../parts/feedback.tsx";
import { Form, FormProblem, SelectField, TextField, useForm } from "../parts/form.tsx";
import { Icon } from "../parts/icon.tsx";
import { Moment, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { roleText } from "./sessions.tsx";

const ROLES = [
    { value: "owner", title: "Owner: everything" },
    { value: "operator", title: "Operator: everything but admin keys" },
    { value: "finance", title: "Finance: looks at everything, changes nothing" },
    { value: "team_lead", title: "Team lead: its team and the team's keys" },
];

const LIFETIMES = [
    { value: "", title: "Never" },
    { value: "30d", title: "In 30 days" },
    { value: "90d", title: "In 90 days" },
    { value: "365d", title: "In a year" },
];

type Made = AdminKey & { key: string };

function stateOf(key: AdminKey) {
    if (key.revoked_at) return <Badge tone="bad" dot>revoked</Badge>;
    if (key.expires_at && new Date(key.expires_at) <= new Date()) return <Badge dot>expired</Badge>;
    return <Badge tone="good" dot>live</Badge>;
}

function columnsOf(revoke: (key: AdminKey) => void): Column<AdminKey>[] {
    return [
        { key: "name", title: "Whose", width: "22%", render: (key) => <strong class="cut"><Said text={key.name} cut /></strong>, sort: (key) => key.name },
        { key: "id", title: "Id", wide: true, width: "130px", render: (key) => <code class="muted">{key.id}</code> },
        { key: "role", title: "Role", render: roleText, sort: (key) => key.role },
        { key: "state", title: "State", width: "96px", render: stateOf },
        { key: "used", title: "Last used", number: true, wide: true, width: "120px", render: (key) => <Moment at={key.used_at} ago />, sort: (key) => key.used_at ?? "" },
        { key: "ends", title: "Ends", number: true, wide: true, width: "120px", render: (key) => <Moment at={key.expires_at} ago none="–" />, sort: (key) => key.expires_at ?? "9" },
        { key: "revoke", title: "", number: true, width: "96px", render: (key) => !key.revoked_at && <Button little kind="danger" onClick={() => revoke(key)}>Revoke</Button> },
    ];
}

export function AdminKeys() {
    const keys = useResource("admin keys", (signal) => api.all<AdminKey>("/admin_keys", {}, signal));
    const [making, setMaking] = useState(false);
    const [revoking, setRevoking] = useState<AdminKey | null>(null);
    return (
        <>
            <div class="row-wrap">
                <p class="muted">Each person and each program has its own: the audit names it.</p>
                <span class="push"><Button kind="primary" icon="plus" onClick={() => setMaking(true)}>New admin key</Button></span>
            </div>
            <div class="card">
                <Loaded of={keys}>{(rows) => <Table caption="Admin keys" rows={rows} columns={columnsOf(setRevoking)} keyOf={(key) => key.id} />}</Loaded>
            </div>
            {making && <NewAdminKey onClose={() => setMaking(false)} />}
            {revoking && (
                <Confirm
                    title={`Revoke the admin key of ${visible(revoking.name)}`}
                    action="Revoke for good"
                    onClose={() => setRevoking(null)}
                    onConfirm={async () => {
                        await api.remove(pathOf("admin_keys", revoking.id));
                        say("The admin key is revoked.");
                    }}
                >
                    <p>It is refused from its next request on, and the sessions that it began end. It cannot be taken back.</p>
                </Confirm>
            )}
        </>
    );
}

function NewAdminKey({ onClose }: { onClose: () => void }) {
    const [made, setMade] = useState<Made | null>(null);
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const form = useForm({ name: "", role: "operator", team: "", expires_at: "90d" }, async (values) => {
        setMade(await api.post<Made>("/admin_keys", { name: values.name.trim(), role: values.role, ...(values.role === "team_lead" ? { team: values.team.trim() } : {}), expires_at: values.expires_at || null }));
    });
    if (made) return <AdminKeySecret made={made} onClose={onClose} />;
    return (
        <Dialog title="New admin key" onClose={onClose}>
            <Form form={form}>
                <TextField form={form} name="name" label="Whose" placeholder="alice" first />
                <SelectField form={form} name="role" label="Role" options={ROLES} />
                {form.values.role === "team_lead" && <TextField form={form} name="team" label="Team" suggestions={(teams.value ?? []).map((team) => team.name)} />}
                <SelectField form={form} name="expires_at" label="Ends" options={LIFETIMES} />
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the admin key" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

function AdminKeySecret({ made, onClose }: { made: Made; onClose: () => void }) {
    return (
        <Dialog title={`Admin key of ${visible(made.name)}`} holds onClose={onClose}>
            <div class="stack">
                <div class="note warn"><Icon name="warn" />This is shown once. Only a hash of it is kept, so nobody can show it again.</div>
                <div class="command secret"><code data-secret>{made.key}</code><CopyButton text={made.key} kind="primary" label="Copy the admin key">Copy</CopyButton></div>
                <p class="muted">It signs in to the console, and goes to the admin API as <code>Authorization: Bearer tpa_…</code></p>
                <div class="form-end"><Button kind="primary" onClick={onClose}>I have kept it</Button></div>
            </div>
        </Dialog>
    );
}
