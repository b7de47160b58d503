// What a rule would have done to the calls of the last week, before it is saved.
import { send } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { counted } from "../base/text.ts";
import type { Mode } from "../base/types.ts";
import { Loaded } from "../parts/feedback.tsx";
import { Icon } from "../parts/icon.tsx";
import { Count, Moment, Said } from "../parts/said.tsx";

// A rule as it is to become; with the id of one that there is, in its place.
export interface Proposal {
    id?: string;
    team?: string;
    key?: string;
    allow?: string;
    deny?: string;
    mode: Mode;
}

interface EffectRow {
    key: string | null;
    key_name: string | null;
    team: string | null;
    network: string | null;
    calls: number;
    last_at: string;
    example: string;
}

interface RuleEffect {
    since: string;
    calls_left_out: number;
    calls: number;
    unknown: number;
    newly_refused: number;
    newly_allowed: number;
    refused: EffectRow[];
    allowed: EffectRow[];
}

const SINCE = "7d";
const SHOWN = 12;

export function RulePreview({ proposal }: { proposal: Proposal }) {
    const effect = useResource(JSON.stringify(proposal), (signal) => ask(proposal, signal));
    return <Loaded of={effect} what="Asking the calls of the last 7 days">{(value) => <Effect effect={value} mode={proposal.mode} />}</Loaded>;
}

// It changes nothing, so what other pages show need not be read again.
async function ask({ id, ...rule }: Proposal, signal: AbortSignal): Promise<RuleEffect> {
    const answer = await send("POST", "/network_rules/preview", { query: { since: SINCE, rule: id }, body: id ? { mode: rule.mode } : rule, signal });
    return (await answer.json()) as RuleEffect;
}

function Effect({ effect, mode }: { effect: RuleEffect; mode: Mode }) {
    const { newly_refused: refused, newly_allowed: allowed } = effect;
    return (
        <div class="stack-tight" role="status">
            <div class={`note${refused ? " warn" : ""}`}>
                <Icon name={refused ? "warn" : "check"} />
                <span>
                    Of {counted(effect.calls, "call")} since <Moment at={effect.since} /> it would {mode === "observe" ? "have noted" : "have refused"} <strong>{counted(refused, "call")}</strong> that passed
                    {allowed > 0 && <>, and let through {counted(allowed, "call")} that were refused</>}.
                    {effect.unknown > 0 && <> Of {counted(effect.unknown, "call")} the record does not tell.</>}
                    {effect.calls_left_out > 0 && <> Older calls were too many to look at.</>}
                </span>
            </div>
            {refused > 0 && <Rows title="Would be refused" rows={effect.refused} />}
            {allowed > 0 && <Rows title="Would be let through" rows={effect.allowed} />}
        </div>
    );
}

function Rows({ title, rows }: { title: string; rows: EffectRow[] }) {
    return (
        <div class="table-frame" tabIndex={0} role="region" aria-label={title}>
            <table class="table dense">
                <caption class="unseen">{title}</caption>
                <thead><tr><th scope="col">{title}</th><th scope="col">From</th><th scope="col" class="number">Calls</th><th scope="col" class="number wide-only">Last</th></tr></thead>
                <tbody>
                    {rows.slice(0, SHOWN).map((row) => (
                        <tr key={row.example}>
                            <td><Said text={row.key_name ?? row.key} none="a token" /> <span class="muted"><Said text={row.team} none="" /></span></td>
                            <td><Said text={row.network} /></td>
                            <td class="number"><Count value={row.calls} /></td>
                            <td class="number wide-only"><Moment at={row.last_at} ago /></td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
