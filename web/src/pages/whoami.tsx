// What the gateway sees of a caller. Only the caller can ask: the page says how, and makes the answer readable.
import { useState } from "preact/hooks";
import { visible } from "../base/text.ts";
import { Badge } from "../parts/badge.tsx";
import { Card, Facts } from "../parts/card.tsx";
import { Code } from "../parts/code.tsx";
import { Said } from "../parts/said.tsx";

const COMMAND = `curl -s "$OPENAI_BASE_URL/../turnpike/v1/whoami" -H "Authorization: Bearer $OPENAI_API_KEY"`;

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function parsed(text: string): { value: Json } | { problem: string } | null {
    if (!text.trim()) return null;
    try {
        return { value: JSON.parse(text) as Json };
    } catch {
        return { problem: "This is no JSON: paste the whole answer, from its first { to its last }." };
    }
}

export function Whoami() {
    const [text, setText] = useState("");
    const answer = parsed(text);
    return (
        <div class="columns">
            <Card title="Ask as the caller" padded>
                <div class="stack">
                    <p class="muted">Who is refused does not know what the gateway sees of them: another address behind a proxy, an older key, another listener. Let them run this where the program runs:</p>
                    <Code text={COMMAND} label="Ask the gateway who I am" />
                    <label class="field">
                        <span class="field-name">The answer</span>
                        <textarea class="input mono" rows={8} value={text} spellcheck={false} placeholder={'{"listener": "main", "source": "10.20.3.4", …}'} onInput={(event) => setText(event.currentTarget.value)} />
                    </label>
                    {answer && "problem" in answer && <p class="bad" role="alert">{answer.problem}</p>}
                </div>
            </Card>
            <Card title="What the gateway sees" padded>
                {answer && "value" in answer ? <Seen value={answer.value} /> : <p class="muted">Paste the answer, and its parts stand here: the true source, the network it is in, who is known, and what each rule says.</p>}
            </Card>
        </div>
    );
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

// An error that a caller pasted has the same facts, in its `turnpike` member.
function Seen({ value }: { value: Json }) {
    if (!isObject(value)) return <p class="bad">The answer is no object.</p>;
    const error = isObject(value["error"]) ? value["error"] : null;
    const about = error && isObject(error["turnpike"]) ? error["turnpike"] : value;
    return (
        <div class="stack">
            {error && <p class="bad"><Badge tone="bad">{visible(String(error["code"] ?? "refused"))}</Badge> <Said text={String(error["message"] ?? "")} /></p>}
            <Members of={about} />
        </div>
    );
}

const TITLES: Record<string, string> = { source: "True source", forwarder: "Brought by", network: "Network", listener: "Listener", key: "Key", team: "Team", rules: "Rules", allowed: "Gets through" };

function Members({ of }: { of: { [name: string]: Json } }) {
    return <Facts rows={Object.entries(of).map(([name, value]) => [TITLES[name] ?? name.replaceAll("_", " "), <Value key={name} value={value} />] as const)} />;
}

function Value({ value }: { value: Json }) {
    if (value === null || value === "") return <span class="faint">–</span>;
    if (typeof value === "boolean") return <Badge tone={value ? "good" : "plain"}>{value ? "yes" : "no"}</Badge>;
    if (Array.isArray(value)) return value.length === 0 ? <span class="faint">none</span> : <ul class="stack-tight">{value.map((each, place) => <li key={place}><Value value={each} /></li>)}</ul>;
    if (isObject(value)) return <Members of={value} />;
    return <Said text={String(value)} />;
}
