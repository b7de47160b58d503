// A call of the playground: what is sent, what comes back piece by piece, how long each took and what it cost.
import { api, ApiError, apiUrl } from "../base/api.ts";
import type { Exchange } from "../base/types.ts";

export type Endpoint = "/chat/completions" | "/responses" | "/embeddings";

export interface PlayResult {
    state: "running" | "done" | "failed" | "stopped";
    text: string;
    reasoning: string;
    tools: { name: string; arguments: string }[];
    raw: string; // the body as it came, as far as it is kept
    status: number;
    error: string | null;
    requestId: string;
    startedAt: number; // of performance.now()
    firstMs: number | null; // to the first thing that the model wrote
    totalMs: number | null;
    exchange: Exchange | null; // what the ledger has of it
}

const RAW_MAX = 200_000; // characters that are kept for looking at

export const nothing: PlayResult = { state: "running", text: "", reasoning: "", tools: [], raw: "", status: 0, error: null, requestId: "", startedAt: 0, firstMs: null, totalMs: null, exchange: null };

interface ToolDelta {
    index?: number;
    function?: { name?: string; arguments?: string };
}

interface Piece {
    text?: string;
    reasoning?: string;
    tools?: ToolDelta[];
    error?: string;
}

type Message = { content?: string | null; reasoning_content?: string | null; reasoning?: string | null; tool_calls?: ToolDelta[] };

// What one event of a stream, or a whole answer, adds; of chat, responses and embeddings alike.
export function pieceOf(json: unknown): Piece {
    if (typeof json !== "object" || json === null) return {};
    const value = json as Record<string, unknown>;
    const error = value["error"] as { message?: string } | null | undefined;
    if (error) return { error: error.message ?? "The call failed." };
    const choices = value["choices"] as { delta?: Message; message?: Message }[] | undefined;
    if (choices) {
        const said = choices[0]?.delta ?? choices[0]?.message ?? {};
        return { text: said.content ?? "", reasoning: said.reasoning_content ?? said.reasoning ?? "", tools: said.tool_calls ?? [] };
    }
    if (value["type"] === "response.output_text.delta") return { text: String(value["delta"] ?? "") };
    const data = value["data"] as { embedding?: number[] | string }[] | undefined;
    if (Array.isArray(data)) return { text: data.map((each) => (Array.isArray(each.embedding) ? `[${each.embedding.slice(0, 8).map((x) => x.toFixed(4)).join(", ")}, …] (${each.embedding.length} numbers)` : "an embedding")).join("\n") };
    return {};
}

function withPiece(before: PlayResult, piece: Piece): PlayResult {
    const tools = [...before.tools];
    for (const delta of piece.tools ?? []) {
        const place = delta.index ?? 0;
        const had = tools[place] ?? { name: "", arguments: "" };
        tools[place] = { name: had.name + (delta.function?.name ?? ""), arguments: had.arguments + (delta.function?.arguments ?? "") };
    }
    const wrote = Boolean(piece.text || piece.reasoning || piece.tools?.length);
    return {
        ...before,
        text: before.text + (piece.text ?? ""),
        reasoning: before.reasoning + (piece.reasoning ?? ""),
        tools,
        error: piece.error ?? before.error,
        firstMs: before.firstMs ?? (wrote ? performance.now() - before.startedAt : null),
    };
}

// Lines "data: …" of a stream of events; the rest of a line that is not whole yet is given back.
export function eventsOf(text: string): { events: unknown[]; rest: string } {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    const events: unknown[] = [];
    for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]" || data === "") continue;
        try {
            events.push(JSON.parse(data));
        } catch {
            // An event in no known form is shown in the raw answer.
        }
    }
    return { events, rest };
}

async function readStream(response: Response, result: PlayResult, show: (result: PlayResult) => void): Promise<PlayResult> {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let pending = "";
    for (;;) {
        const { done, value } = await reader.read();
        if (done) return result;
        const { events, rest } = eventsOf(pending + value);
        pending = rest;
        result = { ...events.reduce<PlayResult>((before, event) => withPiece(before, pieceOf(event)), result), raw: (result.raw + value).slice(0, RAW_MAX) };
        show(result);
    }
}

async function readWhole(response: Response, result: PlayResult): Promise<PlayResult> {
    const raw = await response.text();
    const shown = { ...result, raw: raw.slice(0, RAW_MAX) };
    try {
        return withPiece(shown, pieceOf(JSON.parse(raw)));
    } catch {
        return { ...shown, text: raw.slice(0, RAW_MAX) };
    }
}

const LOOKS = 12; // for the record, which is in the store some tenths of a second after the answer
const LOOK_AGAIN_MS = 250;

async function findExchange(id: string, signal: AbortSignal): Promise<Exchange | null> {
    for (let look = 0; id && look < LOOKS && !signal.aborted; look++) {
        try {
            return await api.get<Exchange>(`/exchanges/${encodeURIComponent(id)}`, {}, signal);
        } catch (problem) {
            if (!(problem instanceof ApiError) || problem.status !== 404) return null;
            await new Promise((wake) => setTimeout(wake, LOOK_AGAIN_MS));
        }
    }
    return null;
}

export interface PlayRequest {
    endpoint: Endpoint;
    team: string | null;
    body: Record<string, unknown>;
}

// Not as other requests to the API are sent: an error that comes back is the model's or the gateway's answer to
// the call, and is shown as one.
function ask(request: PlayRequest, signal: AbortSignal): Promise<Response> {
    return fetch(apiUrl("/playground", { endpoint: request.endpoint, team: request.team }), {
        method: "POST",
        headers: { "content-type": "application/json", "x-turnpike-console": "1" },
        credentials: "same-origin",
        cache: "no-store",
        body: JSON.stringify(request.body),
        signal,
    });
}

async function read(response: Response, result: PlayResult, show: (result: PlayResult) => void): Promise<PlayResult> {
    const streams = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    const read = streams ? await readStream(response, result, show) : await readWhole(response, result);
    const failed = read.error !== null || !response.ok;
    return { ...read, state: failed ? "failed" : "done", error: failed ? (read.error ?? `The answer has the status ${response.status}.`) : null };
}

// Shows the result again and again while it grows. Never throws: what went wrong is in it.
export async function play(request: PlayRequest, signal: AbortSignal, show: (result: PlayResult) => void): Promise<void> {
    let result: PlayResult = { ...nothing, startedAt: performance.now() };
    show(result);
    const keep = (grown: PlayResult) => show((result = grown));
    try {
        const response = await ask(request, signal);
        keep({ ...result, status: response.status, requestId: response.headers.get("x-turnpike-call-id") ?? "" });
        keep(await read(response, result, keep));
    } catch (problem) {
        const stopped = signal.aborted;
        keep({ ...result, state: stopped ? "stopped" : "failed", error: stopped ? null : "The gateway does not answer, or broke off." });
    }
    keep({ ...result, totalMs: performance.now() - result.startedAt });
    if (signal.aborted) return;
    const exchange = await findExchange(result.requestId, signal);
    if (exchange) keep({ ...result, exchange });
}
