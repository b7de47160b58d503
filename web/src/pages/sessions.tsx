// Who is signed in to the console, and the admin keys that open it.
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { current, pathOf } from "../base/router.ts";
import { isOwner, me, signOut } from "../base/session.ts";
import { say, sayFailure } from "../base/toasts.ts";
import { browserName, visible } from "../base/text.ts";
import type { Page as ListPage, Session } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { Button } from "../parts/button.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { Page } from "../parts/page.tsx";
import { Moment, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { AdminKeys } from "./admin_keys.tsx";

export const ROLE_WORDS: Record<string, string> = { owner: "owner", operator: "operator", finance: "finance", team_lead: "team lead" };

export function roleText({ role, team }: { role: string; team: string | null }): string {
    return team ? `${ROLE_WORDS[role] ?? role} of ${visible(team)}` : (ROLE_WORDS[role] ?? role);
}

const METHODS: Record<string, string> = { key: "admin key", link: "link", sso: "single sign-on" };

async function end(session: Session) {
    if (session.id === me.value?.id) return signOut();
    await api.remove(pathOf("sessions", session.id));
    say(`The session of ${visible(session.name)} is ended.`);
}

const COLUMNS: Column<Session>[] = [
    { key: "who", title: "Who", width: "20%", render: (row) => <span class="row"><strong class="cut"><Said text={row.name} cut /></strong>{row.id === me.value?.id && <Badge tone="accent">this one</Badge>}</span>, sort: (row) => row.name },
    { key: "role", title: "Role", width: "16%", render: roleText, sort: (row) => row.role },
    { key: "method", title: "Came by", wide: true, width: "16%", render: (row) => METHODS[row.method] ?? row.method },
    { key: "source", title: "From", wide: true, width: "14%", render: (row) => <Said text={row.source} mono /> },
    { key: "agent", title: "Browser", wide: true, render: (row) => <span title={visible(row.agent ?? "")}><Said text={browserName(row.agent)} /></span> },
    { key: "used", title: "Last used", number: true, width: "110px", render: (row) => <Moment at={row.used_at} ago />, sort: (row) => row.used_at },
    { key: "end", title: "", number: true, width: "90px", render: (row) => <Button little kind="danger" onClick={() => void end(row).catch(sayFailure)}>{row.id === me.value?.id ? "Sign out" : "End"}</Button> },
];

function Sessions() {
    const sessions = useResource("sessions", (signal) => api.get<ListPage<Session>>("/sessions", {}, signal), 60_000);
    return (
        <>
            <p class="lead">A session ends after an hour without use. One that is ended here is refused from its next request on.</p>
            <div class="card">
                <Loaded of={sessions}>
                    {({ data }) =>
                        data.length > 0 ? (
                            <Table caption="Sessions" rows={data} columns={COLUMNS} keyOf={(row) => row.id} />
                        ) : (
                            <Empty icon="session" title="Nobody is signed in" command="turnpike console">You came with an admin key that needs no session. In a browser, this begins one:</Empty>
                        )
                    }
                </Loaded>
            </div>
        </>
    );
}

export function SessionsPage() {
    const tab = current.value.query.get("tab") ?? "sessions";
    return (
        <Page title={isOwner.value ? "Sessions and admin keys" : "Sessions"}>
            {isOwner.value && <Tabs label="Sessions and admin keys" chosen={tab} tabs={[{ name: "sessions", title: "Sessions" }, { name: "keys", title: "Admin keys" }]} />}
            {tab === "keys" && isOwner.value ? <AdminKeys /> : <Sessions />}
        </Page>
    );
}
