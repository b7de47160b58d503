// The story of one call: what the caller was told, what it went through, whom it was tried at, what rules said, and
// its cost line by line.
import { api, ApiError } from "../base/api.ts";
import * as format from "../base/format.ts";
import { useResource } from "../base/resource.ts";
import { link, pathOf } from "../base/router.ts";
import type { CostLine, Exchange, ExchangeAttempt, ExchangeCost, ExchangeDetail, ExchangeError, ExchangeStep, ObservedVerdict } from "../base/types.ts";
import { Badge, Outcome, Status } from "../parts/badge.tsx";
import { CopyButton } from "../parts/button.tsx";
import { Facts } from "../parts/card.tsx";
import { Drawer } from "../parts/drawer.tsx";
import { Loaded } from "../parts/feedback.tsx";
import { Count, Duration, Moment, Money, Said, Tags } from "../parts/said.tsx";

const TRIES = 6; // what is seen live is in the store some tenths of a second later
const TRY_AGAIN_MS = 400;

async function readDetail(id: string, signal: AbortSignal): Promise<ExchangeDetail> {
    for (let turn = 1; ; turn++) {
        try {
            return await api.get<ExchangeDetail>(`${pathOf("exchanges", id)}/detail`, {}, signal);
        } catch (problem) {
            if (!(problem instanceof ApiError) || problem.code !== "not_found" || turn === TRIES) throw problem;
            await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
        }
    }
}

export function CallDrawer({ id, onClose }: { id: string; onClose: () => void }) {
    const detail = useResource(id, (signal) => readDetail(id, signal));
    const call = detail.value?.call;
    return (
        <Drawer
            title={call ? <span class="row-wrap"><Status status={call.status} /><Said text={call.model ?? call.path} /></span> : "Call"}
            subtitle={<span class="row"><code class="cut">{id}</code><CopyButton text={id} label="Copy the request id" /></span>}
            onClose={onClose}
        >
            <Loaded of={detail}>{(value) => <Inside detail={value} />}</Loaded>
        </Drawer>
    );
}

function Inside({ detail }: { detail: ExchangeDetail }) {
    const { call } = detail;
    return (
        <>
            <Outline call={call} />
            {detail.error && <Told error={detail.error} />}
            {detail.steps.length > 0 && <Steps steps={detail.steps} total={call.duration_ms} />}
            {detail.attempts.length > 0 && <Attempts rows={detail.attempts} made={call.attempts} />}
            <Verdicts call={call} observed={detail.observed} />
            <Cost cost={detail.cost} call={call} />
            {detail.parts.length > 0 && <Parts rows={detail.parts} />}
            <Caller call={call} />
        </>
    );
}

function Outline({ call }: { call: Exchange }) {
    return (
        <Facts
            rows={[
                ["Outcome", <span class="row-wrap" key="outcome"><Outcome outcome={call.outcome} />{call.streamed && <Badge>stream</Badge>}{call.attempts > 1 && <Badge tone="warn">{call.attempts} attempts</Badge>}</span>],
                ["Began", <Moment at={call.started_at} key="began" />],
                ["Took", <Duration ms={call.duration_ms} key="took" />],
                ["Answered by", call.provider ? <span key="by"><Said text={call.provider} />{call.target_model && call.target_model !== call.model && <> as <Said text={call.target_model} /></>}</span> : <span class="faint">nobody</span>],
            ]}
        />
    );
}

// What the caller saw.
function Told({ error }: { error: ExchangeError }) {
    return (
        <section>
            <h3>What the caller was told</h3>
            <div class="told">
                <div class="row-wrap">
                    <Status status={error.status} />
                    {error.code && <code><Said text={error.code} /></code>}
                    <span class="muted small push">{error.from === "provider" ? "the provider's own answer, passed on" : "by Turnpike"}</span>
                </div>
                {error.message && <p><Said text={error.message} /></p>}
                {error.rule && <p class="muted small">Rule: <code><Said text={error.rule} /></code></p>}
            </div>
        </section>
    );
}

const STEP_TONES: Record<string, string> = { decide: "s5", send: "s3", wait: "s2", relay: "s1", refuse: "warn" };

// Each step as a bar in its time.
function Steps({ steps, total }: { steps: ExchangeStep[]; total: number }) {
    const whole = Math.max(total, ...steps.map((step) => step.until_ms), 0.001);
    const share = (ms: number) => `${(100 * ms) / whole}%`;
    return (
        <section>
            <h3>Steps</h3>
            <ol class="steps">
                {steps.map((step, place) => (
                    <li key={place}>
                        <div class="row">
                            <span class="cut"><Said text={step.text} /></span>
                            <span class="push number nowrap muted" title={`from ${step.from_ms} ms to ${step.until_ms} ms`}>{format.duration(step.until_ms - step.from_ms)}</span>
                        </div>
                        <div class="step-track"><span class={`swatch ${STEP_TONES[step.name] ?? "other"}`} style={{ left: share(step.from_ms), width: share(step.until_ms - step.from_ms) }} /></div>
                    </li>
                ))}
            </ol>
        </section>
    );
}

const words = (code: string) => code.replaceAll("_", " ");

function Attempts({ rows, made }: { rows: ExchangeAttempt[]; made: number }) {
    return (
        <section>
            <h3>Attempts</h3>
            <ol class="attempts">
                {rows.map((row, place) => (
                    <li key={place}>
                        <div class="row">
                            <span class="cut"><Said text={row.provider} none="not known" />{row.model && <span class="muted"> as <Said text={row.model} /></span>}</span>
                            <span class="push row">{row.status ? <Status status={row.status} /> : <Badge tone="bad">no answer</Badge>}<Duration ms={row.ms} /></span>
                        </div>
                        {(row.left || row.error) && <p class="small warn">{row.left ? `given up: ${words(row.left)}` : ""}{row.left && row.error ? ", " : ""}{row.error ? <Said text={words(row.error)} /> : ""}</p>}
                        {row.resent && <p class="small muted">Sent again: the connection had just closed.</p>}
                        {row.cost_usd && <p class="small muted">It cost <Money amount={row.cost_usd} /> beside the call.</p>}
                    </li>
                ))}
            </ol>
            {made > rows.length && <p class="small muted">{made} were made; there was no room to keep all.</p>}
        </section>
    );
}

function Verdicts({ call, observed }: { call: Exchange; observed: ObservedVerdict[] }) {
    if (!call.rule && observed.length === 0 && call.output_clamp === null) return null;
    return (
        <section>
            <h3>What rules said</h3>
            <ul class="stack-tight">
                {call.rule && <li><Badge tone="warn">refused</Badge> by <code><Said text={call.rule} /></code></li>}
                {call.output_clamp !== null && <li><Badge tone="accent">limited</Badge> to <Count value={call.output_clamp} /> tokens of output</li>}
                {observed.map((verdict, place) => (
                    <li key={place}>
                        <Badge tone="accent">observed</Badge> {verdict.output_limit === null ? "would have refused" : `would have let ${format.countExact(verdict.output_limit)} tokens of output through`}: {verdict.reason}
                        {verdict.id && <> <code><Said text={verdict.id} /></code></>}
                    </li>
                ))}
            </ul>
        </section>
    );
}

function Cost({ cost, call }: { cost: ExchangeCost; call: Exchange }) {
    if (cost.state === "none" && call.input_tokens === null) return null;
    return (
        <section>
            <div class="row section-head">
                <h3>Usage and cost</h3>
                <span class="push row">{cost.state && cost.state !== "priced" && <Badge tone={cost.state === "unpriced" ? "warn" : "plain"}>{cost.state}</Badge>}<strong><Money amount={cost.recorded_usd} /></strong></span>
            </div>
            {cost.lines.length > 0 ? <CostLines rows={cost.lines} /> : <Tokens call={call} />}
            {cost.reason && <p class="small warn"><Said text={cost.reason} /></p>}
            {cost.not_priced_again && <p class="small muted"><Said text={cost.not_priced_again} /></p>}
            <p class="small muted">
                {cost.recorded_rule && <>By <Said text={cost.recorded_rule} /> of the price list <Said text={cost.recorded_catalog} />. </>}
                {call.cost_reserved_usd && <>Held before it was sent: <Money amount={call.cost_reserved_usd} />. </>}
                {call.usage_source !== "none" && <>Tokens {call.usage_source}.</>}
            </p>
        </section>
    );
}

function CostLines({ rows }: { rows: CostLine[] }) {
    return (
        <table class="table dense inset">
            <caption class="unseen">What was used, and what it costs</caption>
            <thead><tr><th scope="col">Of what</th><th scope="col" class="number">How much</th><th scope="col" class="number">Price</th><th scope="col" class="number">Cost</th></tr></thead>
            <tbody>
                {rows.map((row, place) => (
                    <tr key={place}>
                        <td>{words(row.class)}{Number(row.factor) !== 1 && <span class="muted"> × {Number(row.factor)}</span>}</td>
                        <td class="number"><Count value={row.quantity} /></td>
                        <td class="number muted">${Number(row.price)} per {format.countAxis(row.per)}</td>
                        <td class="number"><Money amount={row.cost} /></td>
                    </tr>
                ))}
            </tbody>
        </table>
    );
}

function Tokens({ call }: { call: Exchange }) {
    return (
        <Facts
            rows={[
                ["Tokens in", <Count value={call.input_tokens} key="in" />],
                Boolean(call.cached_input_tokens) && ["of them cached", <Count value={call.cached_input_tokens} key="cached" />],
                ["Tokens out", <Count value={call.output_tokens} key="out" />],
                Boolean(call.reasoning_tokens) && ["of them reasoning", <Count value={call.reasoning_tokens} key="reasoning" />],
            ]}
        />
    );
}

function Parts({ rows }: { rows: Exchange[] }) {
    return (
        <section>
            <h3>Lines of their own within it</h3>
            <ul class="stack-tight">
                {rows.map((row) => <li key={row.id} class="row"><Badge>{String(row["part"] ?? "part")}</Badge><Said text={row.provider} /> <span class="push"><Money amount={row.cost_usd} /></span></li>)}
            </ul>
        </section>
    );
}

function Caller({ call }: { call: Exchange }) {
    return (
        <section>
            <h3>The caller</h3>
            <Facts
                rows={[
                    ["Team", call.team ? <a href={link(pathOf("teams", call.team))}><Said text={call.team} /></a> : <span class="faint">none</span>],
                    ["Key", call.key_id ? <a href={link("/teams", { tab: "keys", key: call.key_id })}><Said text={call.key_name ?? call.key_id} /></a> : <span class="faint">{call.identified_by ? `by ${call.identified_by}` : "none that is known"}</span>],
                    ["From", <span key="from"><Said text={call.source} mono />{call.network && <> in <Said text={call.network} /></>}{call.forwarder && <>, brought by <Said text={call.forwarder} mono /></>}</span>],
                    ["Listener", <Said text={call.listener} key="listener" />],
                    ["Asked", <span class="mono" key="asked">{call.method} <Said text={call.path} /></span>],
                    ["User agent", <Said text={call.user_agent} key="agent" />],
                    call.caller_user && ["End user", <Said text={call.caller_user} key="user" />],
                    ["Key's tags", <Tags tags={call.tags} none="none" key="tags" />],
                    call.request_tags && ["Caller's tags", <Tags tags={call.request_tags} key="request-tags" />],
                    call.upstream_request_id && ["Provider's id", <Said text={call.upstream_request_id} mono key="upstream" />],
                    call.trace_id && ["Trace", <Said text={call.trace_id} mono key="trace" />],
                    ["Body", <span key="bytes">{format.bytes(call.bytes_received)} in, {format.bytes(call.bytes_sent)} out</span>],
                ]}
            />
        </section>
    );
}
