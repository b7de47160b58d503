// The calls that were: what the ledger has, the newest first, narrowed by anything.
import { useEffect, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { periodOf } from "../base/period.ts";
import { useResource } from "../base/resource.ts";
import { current, link, setQuery } from "../base/router.ts";
import type { Exchange, Page as ListPage, Team } from "../base/types.ts";
import { Button, LinkButton } from "../parts/button.tsx";
import { Empty, Loaded, Problem } from "../parts/feedback.tsx";
import { FilterBar, FilterChips } from "../parts/filters.tsx";
import { Page } from "../parts/page.tsx";
import { PeriodPicker } from "../parts/period_picker.tsx";
import { Table } from "../parts/table.tsx";
import { CALL_COLUMNS, callFilters, CallFilters, callHref } from "./call_parts.tsx";
import { CallDrawer } from "./call_drawer.tsx";

const STANDARD = "24h";
const PAGE_ROWS = 200;
const ROWS_MAX = 5000; // somebody who wants more wants an export

export function CallsPage() {
    const { query } = current.value;
    const period = periodOf(query, STANDARD);
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const asked = { ...callFilters(query), since: period.since, until: period.until, limit: PAGE_ROWS };
    const question = JSON.stringify(asked);
    const first = useResource(question, (signal) => api.get<ListPage<Exchange>>("/exchanges", asked, signal));
    const opened = query.get("call");
    const close = () => setQuery({ call: null });
    return (
        <Page title="Calls" tools={<><LinkButton icon="live" href={link("/live", callFilters(query))}>Live</LinkButton><PeriodPicker period={period} standard={STANDARD} /></>}>
            <FilterBar>
                <CallFilters teams={(teams.value ?? []).map((team) => team.name)} />
                <FilterChips names={{ key: "key" }} />
            </FilterBar>
            <div class="card">
                <Loaded of={first}>{(page) => <List key={question} first={page} asked={asked} opened={opened} />}</Loaded>
            </div>
            {opened && <CallDrawer key={opened} id={opened} onClose={close} />}
        </Page>
    );
}

function List({ first, asked, opened }: { first: ListPage<Exchange>; asked: Record<string, string | number | null>; opened: string | null }) {
    const [more, setMore] = useState<ListPage<Exchange>>({ data: [], next_cursor: first.next_cursor });
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Error | null>(null);
    useEffect(() => setMore({ data: [], next_cursor: first.next_cursor }), [first]);
    const rows = more.data.length ? [...first.data, ...more.data] : first.data;
    const load = async () => {
        setBusy(true);
        try {
            const page = await api.get<ListPage<Exchange>>("/exchanges", { ...asked, cursor: more.next_cursor });
            setMore({ data: [...more.data, ...page.data], next_cursor: page.next_cursor });
            setProblem(null);
        } catch (failure) {
            setProblem(failure as Error);
        } finally {
            setBusy(false);
        }
    };
    if (rows.length === 0) {
        return (
            <Empty icon="search" title="No call fits" command="turnpike log --since 24h --status 4xx">
                Take a longer time, or fewer filters. The same list in a shell:
            </Empty>
        );
    }
    return (
        <>
            <Table caption="Calls, the newest first" rows={rows} columns={CALL_COLUMNS} keyOf={(call) => call.id} href={(call) => callHref(call.id)} opened={opened} dense />
            {problem && <Problem problem={problem} />}
            <div class="list-end">
                <span class="muted" role="status">{rows.length.toLocaleString("en-US")} {more.next_cursor ? "shown, there are more" : "calls: all there are"}</span>
                {more.next_cursor && rows.length < ROWS_MAX && <Button little onClick={() => void load()} disabled={busy}>Show {PAGE_ROWS} more</Button>}
            </div>
        </>
    );
}
