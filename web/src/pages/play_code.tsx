// The call of the form, as an application would make it with a key of its own.
import { useState } from "preact/hooks";
import { rememberedBaseUrl } from "../base/base_url.ts";
import { Card } from "../parts/card.tsx";
import { Code } from "../parts/code.tsx";
import { Choice } from "../parts/tabs.tsx";
import { bodyOf, codeOf, formProblem, type PlayForm } from "./play_body.ts";

const LANGUAGES = [
    { name: "curl", title: "curl" },
    { name: "python", title: "Python" },
    { name: "node", title: "Node" },
];

// An image in the body would be all that one sees of the code.
function readable(form: PlayForm): PlayForm {
    return form.image.startsWith("data:") ? { ...form, image: "data:image/png;base64,…" } : form;
}

export function PlayCode({ form, model }: { form: PlayForm; model: string }) {
    const [language, setLanguage] = useState("curl");
    const shown = { ...readable(form), prompt: form.prompt || "Hello!" };
    const problem = formProblem(shown);
    return (
        <Card title="As code" padded>
            <Choice label="Language" options={LANGUAGES} chosen={language} onChoose={setLanguage} />
            {problem ? <p class="muted">{problem}</p> : <Code text={codeOf(language, form.endpoint, bodyOf(shown, model), rememberedBaseUrl())} label={`The call in ${language}`} />}
        </Card>
    );
}
