import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, codeOf, EMPTY_FORM, formProblem, pythonOf, TOOLS_EXAMPLE } from "../src/pages/play_body.ts";
import { eventsOf, pieceOf } from "../src/pages/play_call.ts";

const FORM = { ...EMPTY_FORM, prompt: "It's a test" };

test("what is not said is left out", () => {
    assert.deepEqual(bodyOf({ ...FORM, stream: false }, "m"), { model: "m", messages: [{ role: "user", content: "It's a test" }] });
    assert.deepEqual(bodyOf({ ...FORM, endpoint: "/embeddings" }, "m"), { model: "m", input: "It's a test" });
});

test("a stream asks for its usage, numbers are numbers", () => {
    const body = bodyOf({ ...FORM, temperature: "0.2", maxTokens: "50", system: "Be brief." }, "m");
    assert.equal(body["temperature"], 0.2);
    assert.equal(body["max_completion_tokens"], 50);
    assert.deepEqual(body["stream_options"], { include_usage: true });
    assert.deepEqual((body["messages"] as { role: string }[]).map((message) => message.role), ["system", "user"]);
});

test("images and tools in both dialects", () => {
    const chat = bodyOf({ ...FORM, image: "https://a.example/x.png", tools: TOOLS_EXAMPLE }, "m");
    assert.match(JSON.stringify(chat), /image_url.*a\.example/);
    const responses = bodyOf({ ...FORM, endpoint: "/responses", image: "https://a.example/x.png", tools: TOOLS_EXAMPLE }, "m");
    assert.match(JSON.stringify(responses), /input_image/);
    assert.deepEqual((responses["tools"] as { name: string }[])[0]?.name, "get_weather");
});

test("what is wrong is told before anything is sent", () => {
    assert.match(formProblem(EMPTY_FORM) ?? "", /Write something/);
    assert.match(formProblem({ ...FORM, temperature: "warm" }) ?? "", /Temperature is no number: warm/);
    assert.match(formProblem({ ...FORM, tools: "{" }) ?? "", /no JSON/);
    assert.match(formProblem({ ...FORM, tools: "{}" }) ?? "", /no list/);
    assert.equal(formProblem({ ...FORM, tools: TOOLS_EXAMPLE }), null);
});

test("code that can be pasted", () => {
    const body = bodyOf({ ...FORM, stream: false }, "m");
    assert.match(codeOf("curl", "/chat/completions", body, "http://h:1/v1"), /'\{.*It'\\''s a test.*\}'$/);
    assert.match(codeOf("python", "/chat/completions", body, "http://h:1/v1"), /model="m",/);
    assert.match(codeOf("node", "/embeddings", { model: "m", input: "x" }, "http://h:1/v1"), /client\.embeddings\.create/);
    assert.equal(pythonOf({ a: true, b: null, c: [] }), '{\n    "a": True,\n    "b": None,\n    "c": [],\n}');
});

test("events in pieces, and what they say", () => {
    const { events, rest } = eventsOf('data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n: a comment\ndata: {"cho');
    assert.equal(events.length, 1);
    assert.equal(rest, 'data: {"cho');
    assert.equal(pieceOf(events[0]).text, "Hi");
    assert.equal(pieceOf({ type: "response.output_text.delta", delta: "x" }).text, "x");
    assert.equal(pieceOf({ error: { message: "No." } }).error, "No.");
    assert.match(pieceOf({ data: [{ embedding: [0.1, 0.2] }] }).text ?? "", /2 numbers/);
    assert.deepEqual(pieceOf(null), {});
});
