// Calls that were turned away, and those that an observed rule would have turned away, in groups.
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { current, link, pathOf, setQuery } from "../base/router.ts";
import { visible } from "../base/text.ts";
import type { Key, Page as ListPage, Team } from "../base/types.ts";
import { Badge, Status } from "../parts/badge.tsx";
import { LinkButton } from "../parts/button.tsx";
import { Facts } from "../parts/card.tsx";
import { Drawer } from "../parts/drawer.tsx";
import { Empty, Loaded } from "../parts/feedback.tsx";
import { FilterBar, FilterChips, SelectFilter } from "../parts/filters.tsx";
import { Icon } from "../parts/icon.tsx";
import { Count, Moment, Said } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { type Bounce, reasonWords, ruleHref, story } from "./reach_story.ts";

const AGAIN_MS = 15_000;
const STANDARD = "24h";
const SINCES = [
    { value: "1h", title: "Last hour" },
    { value: "7d", title: "Last 7 days" },
    { value: "30d", title: "Last 30 days" },
];
const BYS = [
    { value: "network", title: "Added up by network" },
    { value: "team", title: "Added up by team" },
    { value: "reason", title: "Added up by reason" },
    { value: "key", title: "Added up by key" },
];
const CHIPS = { network: "network", team: "team", reason: "reason", bykey: "key" };

// The select of the time has the standard as its "all".
function SinceFilter() {
    const chosen = current.value.query.get("since") ?? "";
    return (
        <select class="input little" aria-label="Since when" value={chosen} onChange={(event) => setQuery({ since: event.currentTarget.value })}>
            <option value="">Last 24 hours</option>
            {SINCES.map((each) => <option key={each.value} value={each.value}>{each.title}</option>)}
        </select>
    );
}

function ByFilter() {
    const chosen = current.value.query.get("by") ?? "";
    return (
        <select class="input little" aria-label="Added up by" value={chosen} onChange={(event) => setQuery({ by: event.currentTarget.value })}>
            <option value="">Each group</option>
            {BYS.map((each) => <option key={each.value} value={each.value}>{each.title}</option>)}
        </select>
    );
}

function Reason({ bounce }: { bounce: Bounce }) {
    if (!bounce.reason) return <span class="faint">different</span>;
    return (
        <span class="row" title={reasonWords(bounce)}>
            <code class="cut">{visible(bounce.reason)}</code>
            {bounce.observed && <Badge tone="accent" title="The calls passed: a rule in observe mode would have refused them">observed</Badge>}
        </span>
    );
}

function Who({ bounce }: { bounce: Bounce }) {
    if (bounce.team) return <Said text={bounce.team} cut />;
    if (bounce.key) return <code>{bounce.key}</code>;
    return bounce.claimed_key ? <span class="muted">“<Said text={bounce.claimed_key} />…”</span> : <span class="faint">strangers</span>;
}

// Who used to get through and does not is worse than who never did.
function Good({ bounce }: { bounce: Bounce }) {
    return bounce.last_good_at ? <Moment at={bounce.last_good_at} ago /> : <span class="faint">never</span>;
}

const COLUMNS: Column<Bounce>[] = [
    { key: "network", title: "Network", render: (bounce) => (bounce.network ? <><Said text={bounce.network} />{bounce.others && <span class="muted"> (others)</span>}</> : <span class="faint">different</span>), sort: (bounce) => bounce.network ?? "" },
    { key: "reason", title: "Reason", render: (bounce) => <Reason bounce={bounce} />, sort: (bounce) => bounce.reason ?? "" },
    { key: "who", title: "Who", wide: true, render: (bounce) => <Who bounce={bounce} />, sort: (bounce) => bounce.team ?? bounce.key ?? "" },
    { key: "calls", title: "Calls", number: true, render: (bounce) => <Count value={bounce.calls} unit="calls" />, sort: (bounce) => bounce.calls },
    { key: "last", title: "Last", number: true, wide: true, render: (bounce) => <Moment at={bounce.last_seen_at} ago />, sort: (bounce) => bounce.last_seen_at },
    { key: "good", title: "Last good call", number: true, wide: true, render: (bounce) => <Good bounce={bounce} />, sort: (bounce) => bounce.last_good_at ?? "" },
];

// What a row of sums leads to: the groups that are in it.
function hrefOf(bounce: Bounce, by: string | null, query: URLSearchParams): string | null {
    const here = Object.fromEntries(query);
    if (bounce.id) return link("/reach", { ...here, bounce: bounce.id });
    if (!by) return null;
    const value = { network: bounce.network, team: bounce.team, reason: bounce.reason, key: bounce.key }[by];
    return value ? link("/reach", { ...here, by: null, [by === "key" ? "bykey" : by]: value }) : null;
}

export function Bounces() {
    const { query } = current.value;
    const by = query.get("by");
    const opened = query.get("bounce");
    const asked = { since: query.get("since") ?? STANDARD, by, network: query.get("network"), team: query.get("team"), reason: query.get("reason"), key: query.get("bykey") };
    const bounces = useResource(JSON.stringify(asked), (signal) => api.all<Bounce>("/bounces", asked, signal), AGAIN_MS);
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    return (
        <>
            <FilterBar>
                <SinceFilter />
                <ByFilter />
                <SelectFilter name="team" label="Team" options={teams.value?.map((team) => team.name) ?? []} />
                <FilterChips names={CHIPS} />
            </FilterBar>
            <Loaded of={bounces}>
                {(rows) =>
                    rows.length === 0 ? (
                        <div class="card">
                            <Empty icon="check" title="Nobody was turned away">
                                Whoever is refused, by a key, a network, a limit or a budget, is seen here within a second, with what helps.
                            </Empty>
                        </div>
                    ) : (
                        <div class="card">
                            <Table caption="Calls turned away" rows={rows} columns={COLUMNS} keyOf={(bounce) => bounce.id ?? `${bounce.network} ${bounce.team} ${bounce.reason} ${bounce.key} ${bounce.observed}`} href={(bounce) => hrefOf(bounce, by, query)} opened={opened} />
                            <p class="card-note">{format.countExact(rows.filter((row) => !row.observed).reduce((sum, row) => sum + row.calls, 0))} calls were refused, {format.countExact(rows.filter((row) => row.observed).reduce((sum, row) => sum + row.calls, 0))} passed that an observed rule would have refused.</p>
                        </div>
                    )
                }
            </Loaded>
            {opened && <BounceDrawer key={opened} id={opened} />}
        </>
    );
}

interface Known {
    bounce: Bounce;
    key: Key | null;
    team: Team | null;
}

// A key or team that was deleted since is told of without its name.
async function readKnown(id: string, signal: AbortSignal): Promise<Known> {
    const bounce = await api.get<Bounce>(pathOf("bounces", id), {}, signal);
    const [key, team] = await Promise.all([
        bounce.key ? api.get<Key>(pathOf("keys", bounce.key), {}, signal).catch(() => null) : null,
        bounce.team ? api.get<ListPage<Team>>("/teams", { limit: 1000 }, signal).then((page) => page.data.find((team) => team.name === bounce.team) ?? null) : null,
    ]);
    return { bounce, key, team };
}

function BounceDrawer({ id }: { id: string }) {
    const known = useResource(id, (signal) => readKnown(id, signal), AGAIN_MS);
    const bounce = known.value?.bounce;
    return (
        <Drawer title={bounce ? <Said text={bounce.network ?? bounce.reason} /> : id} subtitle={<code>{id}</code>} onClose={() => setQuery({ bounce: null })}>
            <Loaded of={known}>{(value) => <Told known={value} />}</Loaded>
        </Drawer>
    );
}

function Told({ known: { bounce, key, team } }: { known: Known }) {
    const rule = ruleHref(bounce, link);
    const filter = bounce.key ? { key: bounce.key } : bounce.team ? { team: bounce.team } : {};
    return (
        <>
            <section class="stack-tight">
                {story(bounce, key?.name ?? null).map((sentence) => <p key={sentence}>{sentence}</p>)}
            </section>
            {bounce.advice && <div class="note"><Icon name="info" /><span><strong>What helps.</strong> {bounce.advice}</span></div>}
            <div class="row-wrap">
                {bounce.key && <LinkButton icon="key" href={link(pathOf("teams", bounce.team ?? ""), { key: bounce.key })}>The key</LinkButton>}
                {rule && <LinkButton icon="limit" href={rule}>The rule</LinkButton>}
                <LinkButton icon="live" href={link("/calls", { ...filter, outcome: bounce.observed ? null : "refused" })}>The calls</LinkButton>
            </div>
            <section>
                <h3>What is known of them</h3>
                <Facts
                    rows={[
                        ["Reason", <span class="row-wrap" key="reason"><Reason bounce={bounce} /><Status status={bounce.last_status} /></span>],
                        bounce.rule && ["Rule", <Said key="rule" text={bounce.rule} />],
                        ["Key", key ? <span key="key"><Said text={key.name} /> <code>{bounce.key}</code> {key.state !== "live" && <Badge tone="bad">{key.state}</Badge>}</span> : bounce.claimed_key ? <Said key="key" text={bounce.claimed_key} mono /> : <span key="key" class="faint">none</span>],
                        ["Team", <Said key="team" text={bounce.team} />],
                        team?.contact && ["Whom to ask", <Said key="contact" text={team.contact} />],
                        ["Listener", <Said key="listener" text={bounce.listener} />],
                        ["First call", <span key="first"><Moment at={bounce.first_seen_at} /> <code class="faint">{bounce.first_request_id}</code></span>],
                        ["Last call", <span key="last"><Moment at={bounce.last_seen_at} /> <code class="faint">{bounce.last_request_id}</code></span>],
                        ["Last good call", <Moment key="good" at={bounce.last_good_at} />],
                        ["Last source", <Said key="source" text={bounce.last_source} mono />],
                        ["Last model", <Said key="model" text={bounce.last_model} />],
                        ["Last program", <Said key="agent" text={bounce.last_user_agent} />],
                    ]}
                />
            </section>
        </>
    );
}
