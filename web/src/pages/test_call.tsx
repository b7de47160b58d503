// One small call to a model, to see whether it answers: it goes the way of any call, and is recorded as one.
import { useRef, useState } from "preact/hooks";
import { Button } from "../parts/button.tsx";
import { Card } from "../parts/card.tsx";
import { play, type PlayRequest, type PlayResult } from "./play_call.ts";
import { Result } from "./play_result.tsx";
import { mayOperate } from "../base/session.ts";

function requestOf(model: string, mode: string): PlayRequest {
    if (mode === "embedding") return { endpoint: "/embeddings", team: null, body: { model, input: "Does it work?" } };
    return { endpoint: "/chat/completions", team: null, body: { model, stream: true, messages: [{ role: "user", content: "Say in one short sentence that you work." }] } };
}

export function TestCall({ model, mode }: { model: string; mode: string }) {
    const [result, setResult] = useState<PlayResult | null>(null);
    const control = useRef<AbortController | null>(null);
    if (!mayOperate.value) return null;
    const run = () => {
        control.current?.abort();
        control.current = new AbortController();
        void play(requestOf(model, mode), control.current.signal, setResult);
    };
    return (
        <Card title="Does it answer?" tools={<Button icon="play" disabled={result?.state === "running"} onClick={run}>Test call</Button>} padded>
            {result ? <Result result={result} label="The answer to the test call" /> : <p class="muted">A short call that goes the way of any other: it may cost a little, and stands in the records.</p>}
        </Card>
    );
}
