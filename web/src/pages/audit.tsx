// Who changed what, when, from what to what; and whether the records themselves are in order.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { periodOf } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { current, link, setQuery } from "../base/router.ts";
import { visible } from "../base/text.ts";
import type { Page as ListPage } from "../base/types.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Button } from "../parts/button.tsx";
import { Facts } from "../parts/card.tsx";
import { Code } from "../parts/code.tsx";
import { Drawer } from "../parts/drawer.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { FilterBar, FilterChips, SelectFilter } from "../parts/filters.tsx";
import { Page } from "../parts/page.tsx";
import { PeriodPicker } from "../parts/period_picker.tsx";
import { Moment, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { type Change, differences, objectName, summary } from "./audit_diff.ts";
import { Ledger } from "./ledger.tsx";

const STANDARD = "30d";
const PAGE = 200;
const KINDS = ["team", "key", "budget", "limit", "network_rule", "organisation", "admin_key"];
const TONES: Record<string, Tone> = { create: "good", delete: "bad", revoke: "bad", raise: "warn", rotate: "accent" };

const COLUMNS: Column<Change>[] = [
    { key: "time", title: "When", render: (change) => <Moment at={change.time} /> },
    { key: "who", title: "Who", render: (change) => <Said text={change.who} /> },
    { key: "did", title: "Did", render: (change) => <Badge tone={TONES[change.action] ?? "plain"}>{change.action}</Badge> },
    { key: "what", title: "What", render: (change) => <Said text={objectName(change)} /> },
    { key: "changed", title: "Changed", wide: true, render: (change) => <span class="muted changed"><Said text={summary(change)} none="" cut /></span> },
];

export function AuditPage() {
    const { query } = current.value;
    const tab = query.get("tab") ?? "changes";
    return (
        <Page title="Audit" tools={tab === "changes" && <PeriodPicker period={periodOf(query, STANDARD)} standard={STANDARD} />}>
            <Tabs label="Audit" chosen={tab} tabs={[{ name: "changes", title: "Changes" }, { name: "ledger", title: "The ledger" }]} />
            {tab === "ledger" ? <Ledger /> : <Changes />}
        </Page>
    );
}

function Changes() {
    const { query } = current.value;
    const period = periodOf(query, STANDARD);
    const [pages, setPages] = useState(1);
    const asked = { since: period.since, until: period.until, kind: query.get("kind"), who: query.get("who"), object: query.get("object") };
    const changes = useResource(JSON.stringify({ asked, pages }), (signal) => readPages(asked, pages, signal));
    const opened = query.get("change");
    const here = Object.fromEntries(query);
    const whos = [...new Set(changes.value?.data.map((change) => change.who) ?? [])].sort();
    const found = changes.value?.data.find((change) => String(change.number) === opened);
    return (
        <>
            <FilterBar>
                <SelectFilter name="kind" label="Kind" options={KINDS.map((kind) => ({ value: kind, title: kind.replace("_", " ") }))} />
                <SelectFilter name="who" label="Who" options={whos} />
                <FilterChips names={{ object: "object" }} />
            </FilterBar>
            <Loaded of={changes}>
                {({ data, next_cursor: more }) =>
                    data.length === 0 ? (
                        <div class="card"><Empty icon="audit" title="Nothing was changed in this time">Every change of a team, key, budget, limit or rule stands here, whoever made it and wherever: the console, the command line, a file or the API.</Empty></div>
                    ) : (
                        <div class="card">
                            <Table caption="Changes, the newest first" rows={data} columns={COLUMNS} keyOf={(change) => String(change.number)} href={(change) => link("/audit", { ...here, change: String(change.number) })} opened={opened} />
                            {more && <div class="card-note"><Button little onClick={() => setPages(pages + 1)}>Older ones</Button></div>}
                        </div>
                    )
                }
            </Loaded>
            {found && <ChangeDrawer key={found.number} change={found} />}
        </>
    );
}

async function readPages(asked: Record<string, string | null>, pages: number, signal: AbortSignal): Promise<ListPage<Change>> {
    const data: Change[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < pages && (page === 0 || cursor); page++) {
        const answer: ListPage<Change> = await api.get<ListPage<Change>>("/audit", { ...asked, limit: PAGE, cursor }, signal);
        data.push(...answer.data);
        cursor = answer.next_cursor;
    }
    return { data, next_cursor: cursor };
}

function ChangeDrawer({ change }: { change: Change }) {
    return (
        <Drawer title={<Said text={objectName(change)} />} subtitle={<span>Change {change.number}</span>} onClose={() => setQuery({ change: null })}>
            <Facts
                rows={[
                    ["When", <Moment key="when" at={change.time} />],
                    ["Who", <span key="who"><Said text={change.who} /> <span class="muted">via <Said text={change.via} /></span></span>],
                    ["Did", <Badge key="did" tone={TONES[change.action] ?? "plain"}>{change.action}</Badge>],
                    ["Object", <a key="object" href={link("/audit", { object: change.object, period: "90d" })} title="All changes of it"><code>{visible(change.object ?? "organisation")}</code></a>],
                ]}
            />
            <Diff change={change} />
            <details>
                <summary>The whole object</summary>
                <div class="stack-tight">
                    {change.before && <Code text={JSON.stringify(change.before, null, 2)} label="Before" />}
                    {change.after && <Code text={JSON.stringify(change.after, null, 2)} label="After" />}
                </div>
            </details>
        </Drawer>
    );
}

function Diff({ change }: { change: Change }) {
    const rows = differences(change);
    if (rows.length === 0) return <p class="muted">{change.action === "rotate" ? "It got a new secret; nothing else changed." : "Nothing that is shown changed."}</p>;
    return (
        <section>
            <h3>{change.before && change.after ? "What changed" : change.after ? "What was made" : "What was there"}</h3>
            <table class="table dense diff">
                <caption class="unseen">Members before and after</caption>
                <thead><tr><th scope="col">Member</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
                <tbody>
                    {rows.map((row) => (
                        <tr key={row.member}>
                            <th scope="row">{row.member}</th>
                            <td>{row.before === null ? <span class="faint">–</span> : <del><Said text={row.before} /></del>}</td>
                            <td>{row.after === null ? <span class="faint">–</span> : <ins><Said text={row.after} /></ins>}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </section>
    );
}
