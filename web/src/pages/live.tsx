// Calls as they happen.
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../base/api.ts";
import { Feed, type Second } from "../base/feed.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { current, link, setQuery } from "../base/router.ts";
import type { Team } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
import { Button, LinkButton } from "../parts/button.tsx";
import { Empty } from "../parts/feedback.tsx";
import { FilterBar, FilterChips } from "../parts/filters.tsx";
import { Page } from "../parts/page.tsx";
import { Table } from "../parts/table.tsx";
import { CALL_COLUMNS, callFilters, CallFilters, callHref } from "./call_parts.tsx";
import { CallDrawer } from "./call_drawer.tsx";

const STATES = {
    connecting: { tone: "plain", text: "connecting" },
    open: { tone: "good", text: "live" },
    lost: { tone: "warn", text: "connecting again" },
    ended: { tone: "bad", text: "ended" },
} as const;

export function LivePage() {
    const { query } = current.value;
    const filters = callFilters(query);
    const question = JSON.stringify(filters);
    const feed = useMemo(() => new Feed(), []);
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    useEffect(() => {
        feed.open(filters);
        return () => feed.close();
    }, [question]);
    const opened = query.get("call");
    return (
        <Page title="Live" tools={<Tools feed={feed} again={() => feed.open(filters)} />}>
            <FilterBar>
                <CallFilters teams={(teams.value ?? []).map((team) => team.name)} />
                <FilterChips names={{ key: "key" }} />
            </FilterBar>
            <Pulse feed={feed} />
            <Rows feed={feed} opened={opened} />
            {opened && <CallDrawer key={opened} id={opened} onClose={() => setQuery({ call: null })} />}
        </Page>
    );
}

function Tools({ feed, again }: { feed: Feed; again: () => void }) {
    const state = STATES[feed.state.value];
    const paused = feed.paused.value;
    return (
        <>
            <span role="status"><Badge tone={paused ? "warn" : state.tone} dot>{paused ? "paused" : state.text}</Badge></span>
            {feed.state.value === "ended" && <Button icon="rotate" onClick={again}>Connect again</Button>}
            <Button icon={paused ? "play" : "pause"} pressed={paused} onClick={() => (feed.paused.value = !paused)}>
                {paused ? `Go on${feed.waiting.value ? ` (${feed.waiting.value} waiting)` : ""}` : "Pause"}
            </Button>
            <LinkButton icon="calls" href={link("/calls", callFilters(current.value.query))}>Those before</LinkButton>
        </>
    );
}

const RATE_SECONDS = 5;
const sumOf = (second: Second) => second.served + second.refused + second.failed + second.other;

// The last minute, a bar for each second; the same in words for those who do not see it.
function Pulse({ feed }: { feed: Feed }) {
    const seconds = feed.seconds.value;
    const most = Math.max(1, ...seconds.map(sumOf));
    const total = (value: (second: Second) => number) => seconds.reduce((sum, second) => sum + value(second), 0);
    const calls = total(sumOf);
    const lately = seconds.slice(-1 - RATE_SECONDS, -1).reduce((sum, second) => sum + sumOf(second), 0) / RATE_SECONDS; // without the second that runs
    const height = (part: number) => ({ height: `${(100 * part) / most}%` });
    return (
        <div class="card pulse">
            <div class="pulse-words number">
                <span><strong>{format.count(calls)}</strong> <span class="muted">calls in a minute</span></span>
                <span><strong>{lately < 10 ? lately.toFixed(1) : format.count(lately)}</strong> <span class="muted">a second</span></span>
                <span class={total((second) => second.refused) ? "warn" : "muted"}>{format.count(total((second) => second.refused))} refused</span>
                <span class={total((second) => second.failed) ? "bad" : "muted"}>{format.count(total((second) => second.failed))} failed</span>
                {feed.unsent.value > 0 && <span class="muted push" title="At most 100 calls a second are shown; the others are counted here and are in the list of calls">{format.count(feed.unsent.value)} more than are shown</span>}
            </div>
            <div class="pulse-bars" aria-hidden="true">
                {seconds.map((second) => (
                    <span key={second.at} class="pulse-bar">
                        <span class="swatch bad" style={height(second.failed)} />
                        <span class="swatch warn" style={height(second.refused)} />
                        <span class="swatch other" style={height(second.other)} />
                        <span class="swatch s1" style={height(second.served)} />
                    </span>
                ))}
            </div>
        </div>
    );
}

function Rows({ feed, opened }: { feed: Feed; opened: string | null }) {
    const rows = feed.rows.value;
    return (
        <div class="card">
            {rows.length > 0 ? (
                <Table caption="Calls as they finish, the newest first" rows={rows} columns={CALL_COLUMNS} keyOf={(call) => call.id} href={(call) => callHref(call.id)} opened={opened} dense />
            ) : (
                <Empty icon="live" title="Waiting for the next call" command="turnpike log --follow">
                    Each call shows here as it ends, also those that are refused. Nothing is slowed by watching.
                </Empty>
            )}
        </div>
    );
}
