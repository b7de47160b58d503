import assert from "node:assert/strict";
import { test } from "node:test";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { client, collect, CONTENT, HELLO } from "./common.mjs";

const openai = client();
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("whole answer", async () => {
  const answer = await openai.chat.completions.create({ model: "fast", messages: HELLO });
  assert.equal(answer.choices[0].message.content, CONTENT);
  assert.equal(answer.usage.total_tokens, 18);
  assert.ok(answer._request_id);
});

test("stream without usage asked shows no usage", async () => {
  const chunks = await collect(await openai.chat.completions.create({ model: "fast", messages: HELLO, stream: true }));
  assert.equal(chunks.map((c) => c.choices[0].delta.content ?? "").join(""), CONTENT);
  assert.ok(chunks.every((c) => c.choices.length === 1));
  assert.ok(chunks.every((c) => c.usage === undefined || c.usage === null));
});

test("stream with usage asked", async () => {
  const chunks = await collect(
    await openai.chat.completions.create({ model: "fast", messages: HELLO, stream: true, stream_options: { include_usage: true } }),
  );
  assert.equal(chunks.at(-1).usage.completion_tokens, 7);
  assert.deepEqual(chunks.at(-1).choices, []);
});

test("the strict accumulator takes a text stream", async () => {
  const stream = openai.chat.completions.stream({ model: "fast", messages: HELLO });
  let text = "";
  stream.on("content", (delta) => (text += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(text, CONTENT);
  assert.equal(final.choices[0].message.content, CONTENT);
  assert.equal(final.choices[0].finish_reason, "stop");
});

test("the strict accumulator takes tool calls", async () => {
  const final = await openai.chat.completions
    .stream({ model: "fast", messages: HELLO, tools: [weather, { ...weather, function: { ...weather.function, name: "other" } }] })
    .finalChatCompletion();
  const calls = final.choices[0].message.tool_calls;
  assert.deepEqual(calls.map((c) => c.function.name), ["get_weather", "other"]);
  assert.deepEqual(JSON.parse(calls[1].function.arguments), { city: "sample" });
});

test("several choices interleave", async () => {
  const final = await openai.chat.completions.stream({ model: "fast", messages: HELLO, n: 2 }).finalChatCompletion();
  assert.deepEqual(final.choices.map((c) => c.message.content), [CONTENT, CONTENT]);
});

test("structured output", async () => {
  const shape = z.object({ name: z.string(), count: z.number().int() });
  const answer = await openai.chat.completions.parse({
    model: "fast",
    messages: HELLO,
    response_format: zodResponseFormat(shape, "shape"),
  });
  assert.deepEqual(answer.choices[0].message.parsed, { name: "sample", count: 42 });
});

test("a tool run from question to answer", async () => {
  let asked;
  const runner = openai.chat.completions.runTools({
    model: "fast",
    stream: true,
    messages: HELLO,
    tools: [
      {
        type: "function",
        function: { ...weather.function, parse: JSON.parse, function: (input) => ((asked = input), "sunny") },
      },
    ],
  });
  assert.equal(await runner.finalContent(), CONTENT);
  assert.deepEqual(asked, { city: "sample" });
});

test("breaking out of a stream ends it, and the connection's next call works", async () => {
  for (let round = 0; round < 5; round++) {
    const stream = await openai.chat.completions.create({ model: "fast", messages: HELLO, stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      break;
    }
  }
  const answer = await openai.chat.completions.create({ model: "fast", messages: HELLO });
  assert.equal(answer.choices[0].message.content, CONTENT);
});

test("legacy completions, whole and streamed", async () => {
  const answer = await openai.completions.create({ model: "fast", prompt: "x" });
  assert.equal(answer.choices[0].text, CONTENT);
  const chunks = await collect(await openai.completions.create({ model: "fast", prompt: "x", stream: true }));
  assert.equal(chunks.map((c) => c.choices[0].text).join(""), CONTENT);
});

test("raw response", async () => {
  const raw = await openai.chat.completions.create({ model: "fast", messages: HELLO }).asResponse();
  assert.equal(raw.status, 200);
  assert.ok(raw.headers.get("x-request-id"));
  const { data, request_id } = await openai.chat.completions.create({ model: "fast", messages: HELLO }).withResponse();
  assert.equal(data.choices[0].message.content, CONTENT);
  assert.ok(request_id);
});
