import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { client, collect, CONTENT } from "./common.mjs";

const openai = client();

test("create", async () => {
  const answer = await openai.responses.create({ model: "fast", input: "hello" });
  assert.equal(answer.output_text, CONTENT);
});

test("stream", async () => {
  const events = await collect(await openai.responses.create({ model: "fast", input: "hello", stream: true }));
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
});

test("the strict accumulator takes a text stream", async () => {
  const stream = openai.responses.stream({ model: "fast", input: "hello" });
  let text = "";
  stream.on("response.output_text.delta", (event) => (text += event.delta));
  const final = await stream.finalResponse();
  assert.equal(text, CONTENT);
  assert.equal(final.output_text, CONTENT);
});

test("the strict accumulator takes a tool call", async () => {
  const tools = [
    { type: "function", name: "f", strict: true, parameters: { type: "object", properties: { a: { type: "integer" } } } },
  ];
  const final = await openai.responses.stream({ model: "fast", input: "hello", tools }).finalResponse();
  assert.equal(final.output[0].name, "f");
  assert.deepEqual(JSON.parse(final.output[0].arguments), { a: 42 });
});

test("structured output", async () => {
  const answer = await openai.responses.parse({
    model: "fast",
    input: "hello",
    text: { format: zodTextFormat(z.object({ ok: z.boolean() }), "shape") },
  });
  assert.deepEqual(answer.output_parsed, { ok: true });
});

test("stored responses: retrieve, list the input, cancel, delete", async () => {
  const made = await openai.responses.create({ model: "fast", input: "remember", background: true });
  assert.equal((await openai.responses.retrieve(made.id)).id, made.id);
  assert.equal((await openai.responses.inputItems.list(made.id)).data[0].content[0].text, "remember");
  assert.equal((await openai.responses.cancel(made.id)).status, "cancelled");
  await openai.responses.delete(made.id);
  await assert.rejects(openai.responses.retrieve(made.id), OpenAI.NotFoundError);
});
