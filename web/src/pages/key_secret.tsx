// A new secret, shown this once, with what an application does with it.
import { useState } from "preact/hooks";
import { rememberBaseUrl, rememberedBaseUrl } from "../base/base_url.ts";
import { snippetsOf } from "../base/snippets.ts";
import { visible } from "../base/text.ts";
import type { KeyWithSecret } from "../base/types.ts";
import { Button, CopyButton } from "../parts/button.tsx";
import { Code } from "../parts/code.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Moment } from "../parts/said.tsx";
import { Choice } from "../parts/tabs.tsx";
import { Icon } from "../parts/icon.tsx";

export function KeySecret({ made, rotated = false, onClose }: { made: KeyWithSecret; rotated?: boolean; onClose: () => void }) {
    const [baseUrl, setBaseUrl] = useState(rememberedBaseUrl);
    const model = made.models?.find((each) => !each.includes("*")) ?? "demo";
    const snippets = snippetsOf({ key: made.key, name: made.name, baseUrl, model });
    const [chosen, setChosen] = useState("python");
    const snippet = snippets.find((each) => each.name === chosen) ?? snippets[0]!;
    return (
        <Dialog title={rotated ? `New secret of ${visible(made.name)}` : `Key ${visible(made.name)} is made`} wide holds onClose={onClose}>
            <div class="stack">
                <div class="note warn"><Icon name="warn" />This is shown once. Only a hash of it is kept, so nobody can show it again.</div>
                <div class="command secret"><code data-secret>{made.key}</code><span class="push"><CopyButton text={made.key} kind="primary" label="Copy the key">Copy</CopyButton></span></div>
                {rotated && made.previous_secret_until && <p class="muted">The secret before is good until <Moment at={made.previous_secret_until} />.</p>}
                <div class="stack-tight">
                    <label class="field">
                        <span class="field-name">Base URL of the gateway, as applications reach it</span>
                        <input class="input mono" value={baseUrl} spellcheck={false} onInput={(event) => { setBaseUrl(event.currentTarget.value); rememberBaseUrl(event.currentTarget.value); }} />
                    </label>
                    <Choice label="How to use it" options={snippets} chosen={snippet.name} onChoose={setChosen} />
                    <Code text={snippet.text} label={`${snippet.title} with this key`} />
                </div>
                <div class="form-end"><Button kind="primary" onClick={onClose}>I have kept it</Button></div>
            </div>
        </Dialog>
    );
}
