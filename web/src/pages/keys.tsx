// All keys, to be searched and sifted.
import { current, setQuery } from "../base/router.ts";
import { shellWord } from "../base/snippets.ts";
import type { Key } from "../base/types.ts";
import { KeyState } from "../parts/badge.tsx";
import { Empty } from "../parts/feedback.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filters.tsx";
import { Moment, Said, Tags } from "../parts/said.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { keyHref } from "./key_parts.tsx";

const DAY_MS = 86_400_000;
const IDLE_DAYS = 90; // as `turnpike key list --unused 90d`

function lastUse(key: Key): number {
    return Math.max(...[key.last_used_at, key.rotated_at, key.created_at].map((each) => (each ? new Date(each).getTime() : 0)));
}

function fits(key: Key, query: URLSearchParams, now: number): boolean {
    const search = query.get("search")?.toLowerCase().replace(/^tpk_/, "");
    const team = query.get("team");
    const state = query.get("state") ?? "live";
    if (team && key.team !== (team === "(none)" ? null : team)) return false;
    if (state === "idle" ? key.state !== "live" || now - lastUse(key) < IDLE_DAYS * DAY_MS : state !== "all" && key.state !== state) return false;
    if (!search) return true;
    const words = [key.name, key.id, key.team ?? "", ...Object.entries(key.tags).map(([name, value]) => `${name}=${value}`)];
    return words.some((each) => each.toLowerCase().includes(search));
}

const COLUMNS: Column<Key>[] = [
    { key: "name", title: "Key", width: "22%", render: (key) => <Said text={key.name} cut />, sort: (key) => key.name },
    { key: "id", title: "Id", wide: true, width: "130px", render: (key) => <code class="muted">{key.id}</code> },
    { key: "team", title: "Team", width: "13%", render: (key) => <Said text={key.team} cut />, sort: (key) => key.team ?? "" },
    { key: "tags", title: "Tags", wide: true, width: "26%", render: (key) => <Tags tags={key.tags} /> },
    { key: "state", title: "State", wide: true, width: "92px", render: (key) => <KeyState state={key.state} />, sort: (key) => key.state },
    { key: "used", title: "Last used", number: true, width: "110px", render: (key) => <Moment at={key.last_used_at} ago />, sort: (key) => key.last_used_at ?? "" },
    { key: "ends", title: "Ends", number: true, wide: true, width: "110px", render: (key) => <Moment at={key.expires_at} ago none="–" />, sort: (key) => key.expires_at ?? "9" },
    { key: "made", title: "Made", number: true, wide: true, width: "120px", render: (key) => <Moment at={key.created_at} ago />, sort: (key) => key.created_at },
];

export function KeyList({ keys, teams, opened, ofTeam }: { keys: Key[]; teams: string[]; opened: string | null; ofTeam?: string }) {
    const now = Date.now();
    const { query } = current.value;
    const shown = keys.filter((key) => fits(key, query, now));
    return (
        <div class="stack">
            <FilterBar>
                <SearchFilter label="Name, id, tag" />
                {!ofTeam && <SelectFilter name="team" label="Team" options={[...teams, { value: "(none)", title: "no team" }]} />}
                <select class="input little" aria-label="State" value={query.get("state") ?? "live"} onChange={(event) => setState(event.currentTarget.value)}>
                    <option value="live">Live</option>
                    <option value="idle">Live, unused for {IDLE_DAYS} days</option>
                    <option value="expired">Expired</option>
                    <option value="revoked">Revoked</option>
                    <option value="all">All</option>
                </select>
                <span class="muted small push" role="status">{shown.length} of {keys.length}</span>
            </FilterBar>
            <div class="card">
                {shown.length > 0 ? (
                    <Table caption="Keys" rows={shown} columns={ofTeam ? COLUMNS.filter((column) => column.key !== "team") : COLUMNS} keyOf={(key) => key.id} href={(key) => keyHref(key.id)} opened={opened} />
                ) : (
                    <Empty icon="key" title={keys.length ? "No key fits the filters" : "There are no keys yet"} command={keys.length ? undefined : `turnpike key create --name checkout --team ${shellWord(ofTeam ?? "NAME")}`}>
                        {keys.length ? undefined : "An application calls with a key; each of its calls is recorded, limited and paid for under it. Give each application its own."}
                    </Empty>
                )}
            </div>
        </div>
    );
}

function setState(state: string) {
    setQuery({ state: state === "live" ? null : state });
}
