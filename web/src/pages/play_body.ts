// What the form of the playground makes: the body that an application would send, and the same as code.
import type { Endpoint } from "./play_call.ts";

export interface PlayForm {
    endpoint: Endpoint;
    system: string;
    prompt: string;
    image: string; // a data: or https: URL; empty: none
    stream: boolean;
    temperature: string;
    topP: string;
    maxTokens: string;
    json: boolean; // the answer is to be a JSON object
    tools: string; // JSON; empty: none
}

export const EMPTY_FORM: PlayForm = { endpoint: "/chat/completions", system: "", prompt: "", image: "", stream: true, temperature: "", topP: "", maxTokens: "", json: false, tools: "" };

export const TOOLS_EXAMPLE = JSON.stringify([{ type: "function", function: { name: "get_weather", description: "The weather of a town now", parameters: { type: "object", properties: { town: { type: "string" } }, required: ["town"] } } }], null, 2);

// What is wrong with the form before anything is sent; null: nothing.
export function formProblem(form: PlayForm): string | null {
    if (!form.prompt.trim()) return "Write something to ask.";
    for (const [name, text] of [["Temperature", form.temperature], ["Top p", form.topP], ["Most tokens", form.maxTokens]] as const) {
        if (text.trim() && !Number.isFinite(Number(text))) return `${name} is no number: ${text}`;
    }
    if (form.tools.trim()) {
        try {
            if (!Array.isArray(JSON.parse(form.tools))) return "The tools are no list: write [ … ] around them.";
        } catch (problem) {
            return `The tools are no JSON: ${problem instanceof Error ? problem.message : String(problem)}`;
        }
    }
    return null;
}

const numberOf = (text: string) => (text.trim() ? Number(text) : undefined);

// Members that are not said are left out, so that the model's own defaults count.
function without<T extends Record<string, unknown>>(body: T): Record<string, unknown> {
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

function chatBody(form: PlayForm, model: string): Record<string, unknown> {
    const content = form.image ? [{ type: "text", text: form.prompt }, { type: "image_url", image_url: { url: form.image } }] : form.prompt;
    return without({
        model,
        messages: [...(form.system.trim() ? [{ role: "system", content: form.system }] : []), { role: "user", content }],
        stream: form.stream ? true : undefined,
        stream_options: form.stream ? { include_usage: true } : undefined,
        temperature: numberOf(form.temperature),
        top_p: numberOf(form.topP),
        max_completion_tokens: numberOf(form.maxTokens),
        response_format: form.json ? { type: "json_object" } : undefined,
        tools: form.tools.trim() ? (JSON.parse(form.tools) as unknown) : undefined,
    });
}

// Tools of the responses API are flat: without the inner "function".
function flatTools(text: string): unknown {
    return (JSON.parse(text) as { type?: string; function?: object }[]).map((tool) => (tool.function ? { type: tool.type ?? "function", ...tool.function } : tool));
}

function responsesBody(form: PlayForm, model: string): Record<string, unknown> {
    const input = form.image ? [{ role: "user", content: [{ type: "input_text", text: form.prompt }, { type: "input_image", image_url: form.image }] }] : form.prompt;
    return without({
        model,
        instructions: form.system.trim() ? form.system : undefined,
        input,
        stream: form.stream ? true : undefined,
        temperature: numberOf(form.temperature),
        top_p: numberOf(form.topP),
        max_output_tokens: numberOf(form.maxTokens),
        text: form.json ? { format: { type: "json_object" } } : undefined,
        tools: form.tools.trim() ? flatTools(form.tools) : undefined,
    });
}

export function bodyOf(form: PlayForm, model: string): Record<string, unknown> {
    if (form.endpoint === "/embeddings") return { model, input: form.prompt };
    return form.endpoint === "/responses" ? responsesBody(form, model) : chatBody(form, model);
}

// ---- as code ----

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

// JSON as Python's literals.
export function pythonOf(value: unknown, indent = ""): string {
    const inner = `${indent}    `;
    if (value === null || value === undefined) return "None";
    if (typeof value === "boolean") return value ? "True" : "False";
    if (Array.isArray(value)) return value.length === 0 ? "[]" : `[\n${value.map((each) => `${inner}${pythonOf(each, inner)},\n`).join("")}${indent}]`;
    if (typeof value === "object") {
        const entries = Object.entries(value);
        return entries.length === 0 ? "{}" : `{\n${entries.map(([name, each]) => `${inner}${JSON.stringify(name)}: ${pythonOf(each, inner)},\n`).join("")}${indent}}`;
    }
    return JSON.stringify(value);
}

const CALLS: Record<Endpoint, string> = { "/chat/completions": "chat.completions.create", "/responses": "responses.create", "/embeddings": "embeddings.create" };

export function codeOf(language: string, endpoint: Endpoint, body: Record<string, unknown>, baseUrl: string): string {
    const call = CALLS[endpoint];
    if (language === "curl") {
        return `curl ${quoted(`${baseUrl}${endpoint}`)} \\\n  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
    }
    if (language === "python") {
        const members = Object.entries(body).map(([name, value]) => `    ${name}=${pythonOf(value, "    ")},\n`).join("");
        const end = body["stream"] ? "for event in answer:\n    print(event)" : "print(answer)";
        return `from openai import OpenAI\n\nclient = OpenAI(base_url=${JSON.stringify(baseUrl)})  # the key is in OPENAI_API_KEY\nanswer = client.${call}(\n${members})\n${end}`;
    }
    const end = body["stream"] ? "for await (const event of answer) console.log(event);" : "console.log(answer);";
    return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${JSON.stringify(baseUrl)} }); // the key is in OPENAI_API_KEY\nconst answer = await client.${call}(${JSON.stringify(body, null, 4)});\n${end}`;
}
