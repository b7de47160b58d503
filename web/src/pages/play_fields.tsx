// What is asked, and how.
import { useRef } from "preact/hooks";
import { current, setQuery } from "../base/router.ts";
import { seesAll } from "../base/session.ts";
import { sayFailure } from "../base/toasts.ts";
import { Button } from "../parts/button.tsx";
import type { Endpoint } from "./play_call.ts";
import { type PlayForm, TOOLS_EXAMPLE } from "./play_body.ts";

const ENDPOINTS: { value: Endpoint; title: string }[] = [
    { value: "/chat/completions", title: "Chat completions" },
    { value: "/responses", title: "Responses" },
    { value: "/embeddings", title: "Embeddings" },
];
const IMAGE_MAX = 4 << 20; // bytes: a body of that size is held in memory on its way

interface Fields {
    form: PlayForm;
    set: (change: Partial<PlayForm>) => void;
    teams: string[];
}

type Typed = { currentTarget: { value: string } };

export function PlayFields({ form, set, teams }: Fields) {
    const writes = form.endpoint !== "/embeddings";
    const typed = (name: keyof PlayForm) => (event: Typed) => set({ [name]: event.currentTarget.value });
    return (
        <>
            <div class="form-row">
                <label class="field"><span class="field-name">Endpoint</span>
                    <select class="input" aria-label="Endpoint" value={form.endpoint} onChange={(event) => set({ endpoint: event.currentTarget.value as Endpoint })}>
                        {ENDPOINTS.map((each) => <option key={each.value} value={each.value}>{each.title}</option>)}
                    </select>
                </label>
                <label class="field"><span class="field-name">As team</span>
                    <select class="input" aria-label="As team" value={current.value.query.get("team") ?? ""} onChange={(event) => setQuery({ team: event.currentTarget.value }, "replace")}>
                        {seesAll.value && <option value="">nobody</option>}
                        {teams.map((team) => <option key={team} value={team}>{team}</option>)}
                    </select>
                </label>
            </div>
            {writes && <label class="field"><span class="field-name">System</span><textarea class="input" rows={2} value={form.system} placeholder="You are a helpful assistant." onInput={typed("system")} /></label>}
            <label class="field"><span class="field-name">{writes ? "Message" : "Text"}</span><textarea class="input" rows={5} value={form.prompt} placeholder="What would you ask?" onInput={typed("prompt")} /></label>
            {writes && <Image form={form} set={set} />}
            {writes && <Parameters form={form} set={set} typed={typed} />}
        </>
    );
}

function Parameters({ form, set, typed }: { form: PlayForm; set: Fields["set"]; typed: (name: keyof PlayForm) => (event: Typed) => void }) {
    return (
        <>
            <div class="form-row">
                <label class="field"><span class="field-name">Temperature</span><input class="input" inputMode="decimal" value={form.temperature} placeholder="its own" onInput={typed("temperature")} /></label>
                <label class="field"><span class="field-name">Top p</span><input class="input" inputMode="decimal" value={form.topP} placeholder="its own" onInput={typed("topP")} /></label>
                <label class="field"><span class="field-name">Most tokens</span><input class="input" inputMode="numeric" value={form.maxTokens} placeholder="its own" onInput={typed("maxTokens")} /></label>
            </div>
            <div class="row-wrap checks">
                <label class="row"><input type="checkbox" checked={form.stream} onChange={(event) => set({ stream: event.currentTarget.checked })} />Stream</label>
                <label class="row"><input type="checkbox" checked={form.json} onChange={(event) => set({ json: event.currentTarget.checked })} />Answer in JSON</label>
                <label class="row"><input type="checkbox" checked={form.tools !== ""} onChange={(event) => set({ tools: event.currentTarget.checked ? TOOLS_EXAMPLE : "" })} />Tools</label>
            </div>
            {form.tools !== "" && <label class="field"><span class="field-name">Tools, as JSON</span><textarea class="input mono" rows={8} value={form.tools} spellcheck={false} onInput={typed("tools")} /></label>}
        </>
    );
}

function Image({ form, set }: { form: PlayForm; set: Fields["set"] }) {
    const input = useRef<HTMLInputElement>(null);
    const take = (file: File | undefined) => {
        if (!file) return;
        if (file.size > IMAGE_MAX) return sayFailure(new Error("The image is larger than 4 MiB: choose a smaller one, or give its address."));
        const reader = new FileReader();
        reader.onload = () => set({ image: String(reader.result) });
        reader.onerror = () => sayFailure(reader.error);
        reader.readAsDataURL(file);
    };
    const shown = form.image.startsWith("data:") ? `an image of ${Math.round((form.image.length * 3) / 4 / 1024)} KiB` : form.image;
    return (
        <div class="field">
            <label class="field-name" for="play-image">Image</label>
            <div class="row">
                <input id="play-image" class="input" value={shown} readOnly={form.image.startsWith("data:")} placeholder="https://… or a file" onInput={(event) => set({ image: event.currentTarget.value.trim() })} />
                <input ref={input} type="file" accept="image/*" hidden aria-hidden="true" tabIndex={-1} onChange={(event) => take(event.currentTarget.files?.[0])} />
                {form.image ? <Button kind="quiet" icon="close" label="Without the image" onClick={() => set({ image: "" })} /> : <Button onClick={() => input.current?.click()}>File</Button>}
            </div>
            {form.image.startsWith("data:image/") && <img class="play-image" src={form.image} alt="The image that is sent along" />}
        </div>
    );
}
