// The admin API, as docs/reference/admin-api.md has it. Every answer that is no success is thrown as
// ApiError with the words of the API; nothing is made up here but for what never reached the gateway.
import { signal } from "@preact/signals";
import type { Page } from "./types.ts";

export class ApiError extends Error {
    constructor(
        readonly status: number, // 0: no answer
        readonly code: string,
        message: string,
        readonly field: string | null,
        readonly requestId: string,
    ) {
        super(message);
    }

    // Somebody changed the object since it was read.
    get isConflict(): boolean {
        return this.status === 412;
    }
}

// Set at the first 401; the shell shows the sign-in for it, with the view one was at behind it.
export const signedOut = signal(false);

// Counts what was changed from here: whatever a page has read is then read again.
export const changes = signal(0);

export type Query = Record<string, string | number | boolean | null | undefined>;

export function apiUrl(path: string, query: Query = {}): string {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== "") words.set(name, String(value));
    }
    const text = words.toString();
    return `/admin/v1${path}${text && `?${text}`}`;
}

interface Ask {
    query?: Query;
    body?: unknown;
    tag?: string; // the ETag that was read: refused with 412 if it is no longer that
    signal?: AbortSignal;
}

export interface Answer<T> {
    value: T;
    tag: string | null;
}

async function problemOf(response: Response): Promise<ApiError> {
    const id = response.headers.get("x-request-id") ?? "";
    try {
        const { error } = (await response.json()) as { error: { code: string; message: string; field: string | null; request_id: string } };
        return new ApiError(response.status, error.code, error.message, error.field, error.request_id || id);
    } catch {
        return new ApiError(response.status, "unreadable", `The gateway answered with status ${response.status}, and not in its own words. Is there a proxy between?`, null, id);
    }
}

export async function send(method: string, path: string, ask: Ask = {}): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json" };
    // The cookie alone changes nothing: no page of another origin can set this header.
    if (method !== "GET") headers["x-turnpike-console"] = "1";
    if (ask.body !== undefined) headers["content-type"] = "application/json";
    if (ask.tag) headers["if-match"] = ask.tag;
    let response: Response;
    try {
        response = await fetch(apiUrl(path, ask.query), {
            method,
            headers,
            credentials: "same-origin",
            cache: "no-store",
            ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
            ...(ask.signal ? { signal: ask.signal } : {}),
        });
    } catch (problem) {
        if (ask.signal?.aborted) throw problem;
        throw new ApiError(0, "no_answer", "The gateway does not answer. It may be restarting, or the network is away.", null, "");
    }
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401 && path !== "/sessions") signedOut.value = true;
    throw problem;
}

async function ask<T>(method: string, path: string, rest: Ask): Promise<Answer<T>> {
    const response = await send(method, path, rest);
    const text = await response.text();
    if (method !== "GET") changes.value++;
    return { value: (text ? JSON.parse(text) : null) as T, tag: response.headers.get("etag") };
}

export const api = {
    get: async <T>(path: string, query: Query = {}, signal?: AbortSignal) => (await ask<T>("GET", path, { query, ...(signal ? { signal } : {}) })).value,
    // With its ETag, for a form that will change it.
    read: <T>(path: string) => ask<T>("GET", path, {}),
    post: async <T>(path: string, body: unknown = {}) => (await ask<T>("POST", path, { body })).value,
    patch: async <T>(path: string, body: unknown, tag?: string | null) => (await ask<T>("PATCH", path, { body, ...(tag ? { tag } : {}) })).value,
    remove: async <T>(path: string, query: Query = {}) => (await ask<T>("DELETE", path, { query })).value,

    // A list from its first page to its last, or to `most` rows: what the console shows at once is bounded.
    all: async <T>(path: string, query: Query = {}, signal?: AbortSignal, most = 10_000): Promise<T[]> => {
        const rows: T[] = [];
        let cursor: string | null = null;
        do {
            const page: Page<T> = await api.get<Page<T>>(path, { limit: Math.min(1000, most), ...query, cursor }, signal);
            rows.push(...page.data);
            cursor = page.next_cursor;
        } while (cursor && rows.length < most);
        return rows;
    },
};
