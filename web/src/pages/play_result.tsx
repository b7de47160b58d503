// What came of a call of the playground: the answer as it is written, its times, tokens and cost.
import { link } from "../base/router.ts";
import { visible } from "../base/text.ts";
import { Badge, Status } from "../parts/badge.tsx";
import { Count, Duration, Money } from "../parts/said.tsx";
import { Icon } from "../parts/icon.tsx";
import type { PlayResult } from "./play_call.ts";

export function Result({ result, label }: { result: PlayResult; label: string }) {
    return (
        <div class="stack-tight" aria-live="polite" aria-busy={result.state === "running"} aria-label={label} role="region">
            {result.error && <div class="problem" role="alert"><Icon name="bad" /><p>{visible(result.error)}</p></div>}
            {result.reasoning && <details class="muted small"><summary>Reasoning</summary><p class="answer">{visible(result.reasoning)}</p></details>}
            {(result.text || result.state === "running") && <p class="answer" data-answer>{visible(result.text)}{result.state === "running" && <span class="caret" aria-hidden="true" />}</p>}
            {result.tools.map((tool, place) => (
                <div class="code" key={place}><pre tabIndex={0} role="region" aria-label={`Tool call ${place + 1}`}><code>{visible(tool.name)}({visible(tool.arguments)})</code></pre></div>
            ))}
            {result.state === "stopped" && <p class="muted">Stopped.</p>}
            {result.state !== "running" && <Figures result={result} />}
        </div>
    );
}

function Figures({ result }: { result: PlayResult }) {
    const { exchange } = result;
    return (
        <div class="row-wrap small muted play-figures">
            <Status status={result.status} />
            {result.firstMs !== null && <span>first token <Duration ms={result.firstMs} /></span>}
            <span>in all <Duration ms={result.totalMs} /></span>
            {exchange ? (
                <>
                    <span><Count value={exchange.input_tokens} unit="tokens" /> in, <Count value={exchange.output_tokens} unit="tokens" /> out</span>
                    {exchange.cost_state === "unpriced" ? <Badge tone="warn">no price</Badge> : <span><Money amount={exchange.cost_usd} /></span>}
                    <span>by {visible(exchange.provider ?? "nobody")}</span>
                    <a href={link("/calls", { call: exchange.id })}>the record</a>
                </>
            ) : (
                result.requestId && <code>{result.requestId}</code>
            )}
        </div>
    );
}
