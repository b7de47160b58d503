import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { api, ApiError, apiUrl, changes, signedOut } from "../src/base/api.ts";

interface Sent {
    url: string;
    method: string;
    headers: Record<string, string>;
    body: string | undefined;
}

const real = globalThis.fetch;
const sent: Sent[] = [];

// Answers one after the other; what was sent is in `sent`.
function answering(...answers: (Response | Error)[]) {
    sent.length = 0;
    globalThis.fetch = ((url: string, options: { method: string; headers: Record<string, string>; body?: string }) => {
        sent.push({ url, method: options.method, headers: options.headers, body: options.body });
        const answer = answers.shift();
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    }) as unknown as typeof fetch;
}

function problem(status: number, error: Record<string, unknown>): Response {
    return new Response(JSON.stringify({ error }), { status, headers: { "x-request-id": "req_header" } });
}

afterEach(() => {
    globalThis.fetch = real;
    signedOut.value = false;
});

async function failure(promise: Promise<unknown>): Promise<ApiError> {
    return promise.then(
        () => assert.fail("it did not fail"),
        (reason: unknown) => {
            assert.ok(reason instanceof ApiError, String(reason));
            return reason;
        },
    );
}

test("an address leaves out what is not asked for, and keeps what any text holds", () => {
    assert.equal(apiUrl("/keys", { team: "a&b=c", state: null, limit: 5, key: undefined, model: "" }), "/admin/v1/keys?team=a%26b%3Dc&limit=5");
    assert.equal(apiUrl("/me"), "/admin/v1/me");
});

test("what changes something says that it comes from the console; what reads does not", async () => {
    answering(Response.json({}), Response.json({ id: "k" }, { status: 201 }), new Response(null, { status: 204 }));
    const before = changes.value;
    await api.get("/me");
    assert.equal(changes.value, before);
    await api.post("/keys", { name: "x" });
    await api.remove("/limits/lim_1", { reason: "old" });
    assert.equal(changes.value, before + 2);
    assert.deepEqual(sent.map(({ method, headers }) => [method, headers["x-turnpike-console"]]), [["GET", undefined], ["POST", "1"], ["DELETE", "1"]]);
    assert.equal(sent[1]?.body, '{"name":"x"}');
    assert.equal(sent[2]?.url, "/admin/v1/limits/lim_1?reason=old");
});

test("an object is changed only if it is still what was read", async () => {
    answering(new Response('{"name":"a"}', { headers: { etag: '"t1"' } }), problem(412, { code: "precondition_failed", message: "changed", field: null, request_id: "req_1" }));
    const read = await api.read<{ name: string }>("/teams/a");
    assert.deepEqual(read, { value: { name: "a" }, tag: '"t1"' });
    const before = changes.value;
    const refused = await failure(api.patch("/teams/a", { title: "A" }, read.tag));
    assert.equal(sent[1]?.headers["if-match"], '"t1"');
    assert.equal(refused.isConflict, true);
    assert.equal(changes.value, before, "nothing was changed");
});

test("an error is told in the words of the API, with its field and request id", async () => {
    answering(problem(400, { code: "invalid_value", message: "name takes at most 128 bytes", field: "name", request_id: "req_body" }));
    const said = await failure(api.post("/teams", {}));
    assert.deepEqual([said.status, said.code, said.message, said.field, said.requestId], [400, "invalid_value", "name takes at most 128 bytes", "name", "req_body"]);
});

test("who is not signed in is led to the sign-in, but not by a failed sign-in", async () => {
    answering(problem(401, { code: "invalid_admin_key", message: "no", field: "key", request_id: "r" }), problem(401, { code: "missing_admin_key", message: "no", field: null, request_id: "r" }));
    await failure(api.post("/sessions", { key: "tpa_x" }));
    assert.equal(signedOut.value, false);
    await failure(api.get("/teams"));
    assert.equal(signedOut.value, true);
});

test("no answer, and an answer that is not the gateway's, are told as that", async () => {
    answering(new TypeError("fetch failed"), new Response("<html>Bad Gateway</html>", { status: 502, headers: { "x-request-id": "req_9" } }));
    const away = await failure(api.get("/me"));
    assert.deepEqual([away.status, away.code], [0, "no_answer"]);
    const other = await failure(api.get("/me"));
    assert.deepEqual([other.status, other.code, other.requestId], [502, "unreadable", "req_9"]);
});

test("a list is read to its end, or to as many as are wanted", async () => {
    answering(Response.json({ data: [1, 2], next_cursor: "c" }), Response.json({ data: [3], next_cursor: null }));
    assert.deepEqual(await api.all("/keys", { team: "a" }), [1, 2, 3]);
    assert.deepEqual(sent.map(({ url }) => url), ["/admin/v1/keys?limit=1000&team=a", "/admin/v1/keys?limit=1000&team=a&cursor=c"]);
    answering(Response.json({ data: [1, 2], next_cursor: "c" }));
    assert.deepEqual(await api.all("/keys", {}, undefined, 2), [1, 2]);
});
