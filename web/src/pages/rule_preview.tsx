// What a rule would have done to the calls of the last week, before it is saved.
import { send } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { counted } from "../base/text.ts";
import type { Mode } from "../base/types.ts";
import { Badge } from "../parts/badge.tsx";
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

interface Group {
    network: string;
    team: string | null;
    key: string | null;
    key_name: string | null;
    calls: number;
    newly: "refused" | "allowed";
    last_seen_at: string;
    last_user_agent: string | null;
    last_good_at: string | null;
}

interface Preview {
    since: string;
    until: string;
    calls: number;
    refused_now: number;
    newly_refused: number;
    newly_allowed: number;
    unknown: number;
    groups: Group[];
    complete: boolean;
}

const SINCE = "7d";
const SHOWN = 12;

export function RulePreview({ proposal }: { proposal: Proposal }) {
    // What a rule that observes would refuse is what one would like to know before it bites, too.
    const asked = { rules: [{ ...proposal, mode: "enforce" }], since: SINCE };
    const preview = useResource(JSON.stringify({ asked, mode: proposal.mode }), (signal) => ask(asked, signal));
    return <Loaded of={preview} what="Asking the calls of the last 7 days">{(value) => <Effect preview={value} mode={proposal.mode} />}</Loaded>;
}

// It changes nothing, so that what other pages show need not be read again.
async function ask(body: unknown, signal: AbortSignal): Promise<Preview> {
    return (await (await send("POST", "/network_rules/preview", { body, signal })).json()) as Preview;
}

function Effect({ preview, mode }: { preview: Preview; mode: Mode }) {
    const { newly_refused: refused, newly_allowed: allowed } = preview;
    return (
        <div class="stack-tight" role="status">
            <div class={`note${refused ? " warn" : ""}`}>
                <Icon name={refused ? "warn" : "check"} />
                <span>
                    Of {counted(preview.calls, "call")} in the last 7 days it would {mode === "observe" ? "have found" : "have refused"} <strong>{counted(refused, "call")}</strong> that passed
                    {allowed > 0 && <>, and let through {counted(allowed, "call")} that were refused</>}.
                    {preview.unknown > 0 && <> Of {counted(preview.unknown, "call")} nobody knows any more where they came from.</>}
                </span>
            </div>
            {preview.groups.length > 0 && (
                <div class="table-frame">
                    <table class="table dense">
                        <caption class="unseen">Whom it concerns</caption>
                        <thead><tr><th scope="col">From</th><th scope="col">Who</th><th scope="col" class="number">Calls</th><th scope="col" class="number wide-only">Last</th></tr></thead>
                        <tbody>
                            {preview.groups.slice(0, SHOWN).map((group) => (
                                <tr key={`${group.network} ${group.key} ${group.newly}`}>
                                    <td><Said text={group.network} /> {group.newly === "allowed" && <Badge tone="good">let through</Badge>}</td>
                                    <td><Said text={group.key_name ?? group.key} /> <span class="muted"><Said text={group.team} none="" /></span></td>
                                    <td class="number"><Count value={group.calls} /></td>
                                    <td class="number wide-only"><Moment at={group.last_seen_at} ago /></td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
        </div>
    );
}
