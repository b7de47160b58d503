// Any model, tried by hand; two of them side by side; what each took and cost; and the same as code.
import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { current, setQuery } from "../base/router.ts";
import { mayKeepKeys, me, seesAll } from "../base/session.ts";
import type { Team } from "../base/types.ts";
import { Button } from "../parts/button.tsx";
import { Card } from "../parts/card.tsx";
import { Empty } from "../parts/feedback.tsx";
import { Page } from "../parts/page.tsx";
import { play, type PlayResult } from "./play_call.ts";
import { bodyOf, EMPTY_FORM, formProblem, type PlayForm } from "./play_body.ts";
import { PlayCode } from "./play_code.tsx";
import { PlayFields } from "./play_fields.tsx";
import { Result } from "./play_result.tsx";
import { grouped, type Target } from "./targets.ts";

function useModels(): string[] {
    const targets = useResource(seesAll.value ? "targets" : null, (signal) => api.get<{ items: Target[] }>("/targets", {}, signal));
    return grouped(targets.value?.items ?? [], (target) => target.model).map(([name]) => name).filter((name) => !name.includes("*"));
}

export function PlaygroundPage() {
    const { query } = current.value;
    const models = useModels();
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const [form, setForm] = useState<PlayForm>(EMPTY_FORM);
    const [problem, setProblem] = useState<string | null>(null);
    const [results, setResults] = useState<Record<string, PlayResult>>({});
    const control = useRef<AbortController | null>(null);
    useEffect(() => () => control.current?.abort(), []);

    const first = query.get("model") ?? models[0] ?? "";
    const second = query.get("beside");
    const chosen = second === null ? [first] : [first, second];
    const running = Object.values(results).some((result) => result.state === "running");

    const run = () => {
        const wrong = first ? formProblem(form) : "Choose a model.";
        setProblem(wrong);
        if (wrong) return;
        control.current?.abort();
        control.current = new AbortController();
        const { signal } = control.current;
        setResults({});
        chosen.forEach((model, place) => void play({ endpoint: form.endpoint, team: query.get("team") ?? me.value?.team ?? null, body: bodyOf(form, model) }, signal, (result) => setResults((before) => ({ ...before, [place]: result }))));
    };
    if (!mayKeepKeys.value) return <Page title="Playground"><div class="card"><Empty icon="play" title="Your role only looks">Calls cost money: owners, operators and team leads may make them here.</Empty></div></Page>;
    return (
        <Page title="Playground">
            <div class="play">
                <Card title="Ask" padded>
                    <form class="form" onSubmit={(event) => { event.preventDefault(); run(); }} noValidate>
                        <ModelChoice models={models} first={first} second={second} />
                        <PlayFields form={form} set={(change) => { setForm((before) => ({ ...before, ...change })); setProblem(null); }} teams={teams.value?.map((team) => team.name) ?? []} />
                        {problem && <p class="bad" role="alert">{problem}</p>}
                        <div class="form-end">
                            {running && <Button icon="pause" onClick={() => control.current?.abort()}>Stop</Button>}
                            <Button submit kind="primary" icon="play" disabled={running}>Run</Button>
                        </div>
                    </form>
                </Card>
                <div class="stack">
                    <div class={chosen.length > 1 ? "columns" : "stack"}>
                        {chosen.map((model, place) => {
                            const result = results[place];
                            return (
                                <Card key={place} title={model || "No model"} padded>
                                    {result ? <Result result={result} label={`The answer of ${model}`} /> : <p class="muted">The answer stands here as it is written, with its times, tokens and cost.</p>}
                                </Card>
                            );
                        })}
                    </div>
                    <PlayCode form={form} model={first} />
                </div>
            </div>
        </Page>
    );
}

function ModelChoice({ models, first, second }: { models: string[]; first: string; second: string | null }) {
    const choose = (name: string) => (event: { currentTarget: { value: string } }) => setQuery({ [name]: event.currentTarget.value }, "replace");
    const options = (chosen: string) => [...new Set([chosen, ...models])].filter(Boolean).map((model) => <option key={model} value={model}>{model}</option>);
    return (
        <div class="stack-tight">
            <label class="field"><span class="field-name">Model</span>
                {models.length > 0 ? <select class="input" aria-label="Model" value={first} onChange={choose("model")}>{options(first)}</select> : <input class="input" aria-label="Model" value={first} placeholder="gpt-5-mini" spellcheck={false} onInput={choose("model")} />}
            </label>
            {models.length < 2 ? null : second === null ? (
                <div><Button little icon="plus" onClick={() => setQuery({ model: first, beside: models.find((model) => model !== first) ?? first })}>Another beside it</Button></div>
            ) : (
                <div class="row">
                    <label class="field wide"><span class="field-name">Beside it</span><select class="input" aria-label="Beside it" value={second} onChange={choose("beside")}>{options(second)}</select></label>
                    <Button kind="quiet" icon="close" label="Only one model" onClick={() => setQuery({ beside: null })} />
                </div>
            )}
        </div>
    );
}
