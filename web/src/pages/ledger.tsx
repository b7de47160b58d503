// Whether calls are recorded, and where their records are.
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { visible } from "../base/text.ts";
import { Badge } from "../parts/badge.tsx";
import { Bar } from "../parts/bar.tsx";
import { Card, Facts } from "../parts/card.tsx";
import { Command, Loaded } from "../parts/feedback.tsx";
import { Figure, Figures } from "../parts/figure.tsx";
import { Count, Moment, Said } from "../parts/said.tsx";

interface Status {
    version: string;
    started_at: string;
    workers: number;
    config: { generation: number; loaded_at: string; source: string | null; changes: { text: string }[] };
    ledger: { accepting: boolean; records_written: number; records_imported: number; records_waiting: number; calls_refused: number; journal_bytes: number; journal_limit: number };
    store: { working: boolean; failures: number };
    prices: { catalog: string };
    keys: { known: number; working: boolean; updated_at: string };
}

const AGAIN_MS = 2_000;

export function Ledger() {
    const status = useResource("status", (signal) => api.get<Status>("/status", {}, signal), AGAIN_MS);
    return <Loaded of={status}>{(value) => <State status={value} />}</Loaded>;
}

function Yes({ good, yes, no }: { good: boolean; yes: string; no: string }) {
    return <Badge tone={good ? "good" : "bad"} dot>{good ? yes : no}</Badge>;
}

function State({ status: { ledger, store, config, prices, keys, ...gateway } }: { status: Status }) {
    return (
        <>
            <Figures label="Records since the gateway started">
                <Figure name="Written to the journal" value={format.count(ledger.records_written)} exact={format.countExact(ledger.records_written)} beside="since the start" />
                <Figure name="In the store" value={format.count(ledger.records_imported)} exact={format.countExact(ledger.records_imported)} beside="since the start" />
                <Figure name="Waiting" value={format.count(ledger.records_waiting)} exact={format.countExact(ledger.records_waiting)} beside={ledger.records_waiting ? "on their way into the store" : "none"} />
                <Figure name="Refused for want of room" value={format.count(ledger.calls_refused)} exact={format.countExact(ledger.calls_refused)} beside={ledger.calls_refused ? <span class="bad">look at the disk</span> : "none"} />
            </Figures>
            <div class="columns">
                <Card title="The ledger" padded>
                    <Facts
                        rows={[
                            ["Records", <Yes key="records" good={ledger.accepting} yes="are taken" no="are not taken: calls are refused" />],
                            ["Store", <span key="store" class="row"><Yes good={store.working} yes="takes them" no="takes none; they wait in the journal" />{store.failures > 0 && <span class="muted"><Count value={store.failures} /> failures</span>}</span>],
                            ["Journal", <div key="journal" class="stack-tight"><span>{format.bytes(ledger.journal_bytes)} of {format.bytes(ledger.journal_limit)}</span><Bar spent={ledger.journal_bytes} of={ledger.journal_limit} label="Room of the journal" value={`${format.bytes(ledger.journal_bytes)} of ${format.bytes(ledger.journal_limit)}`} /></div>],
                            ["Prices", <code key="prices">{visible(prices.catalog)}</code>],
                            ["Keys", <span key="keys"><Count value={keys.known} /> known, looked at <Moment at={keys.updated_at} ago /></span>],
                        ]}
                    />
                </Card>
                <Card title="The gateway" padded>
                    <Facts
                        rows={[
                            ["Version", <code key="version">{visible(gateway.version)}</code>],
                            ["Up since", <Moment key="up" at={gateway.started_at} />],
                            ["Workers", String(gateway.workers)],
                            ["Configuration", <span key="config"><Said text={config.source} none="made at the start" /> <span class="muted">no. {config.generation}, loaded <Moment at={config.loaded_at} ago /></span></span>],
                            config.changes.length > 0 && ["Last reload", <ul key="changes">{config.changes.map(({ text }) => <li key={text}><Said text={text} /></li>)}</ul>],
                        ]}
                    />
                </Card>
            </div>
            <Card title="Ask for more" padded>
                <div class="stack-tight">
                    <p class="muted">A record is in the journal before the last byte of its answer leaves, and in the store some tenths of a second later. What each call cost can be priced again by the list:</p>
                    <Command line="turnpike ledger reprice --since 30d --dry-run" />
                </div>
            </Card>
        </>
    );
}
