// Node's strict accumulator on responses that were made of a chat-only server's answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { client, CONTENT } from "./common.mjs";

const openai = client();
const model = process.env.SCRIPTED_MODEL;

test("text", async () => {
  const final = await openai.responses.stream({ model: "fast", input: "hello" }).finalResponse();
  assert.equal(final.output_text, CONTENT);
});

test("reasoning, text and two calls at a time", async () => {
  const tools = ["f", "g"].map((name) => ({
    type: "function", name, strict: false, parameters: { type: "object", properties: {} },
  }));
  const final = await openai.responses.stream({ model, input: "hello", tools }).finalResponse();
  assert.deepEqual(final.output.map((item) => item.type), ["reasoning", "message", "function_call", "function_call"]);
  assert.deepEqual(final.output.slice(2).map((item) => [item.name, item.arguments]), [["f", '{"x":1}'], ["g", "{}"]]);
});

test("structured output", async () => {
  const answer = await openai.responses.parse({
    model: "fast", input: "hello", text: { format: zodTextFormat(z.object({ ok: z.boolean() }), "shape") },
  });
  assert.deepEqual(answer.output_parsed, { ok: true });
});
