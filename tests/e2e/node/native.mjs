// The SDK in front of a family with a dialect of its own (test_aimock_families.py): MODEL says which.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, collect } from "./common.mjs";

const SAID = "Hello from aimock — 你好.";
const model = process.env.MODEL;
const openai = client();
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const weather = { type: "function", function: { name: "get_weather", parameters } };
const ask = (content) => ({ model, max_tokens: 50, messages: [{ role: "user", content }] });

test("whole answer", async () => {
  const answer = await openai.chat.completions.create(ask("hello"));
  assert.equal(answer.choices[0].message.content, SAID);
  assert.ok(answer._request_id);
});

test("the strict accumulator takes a stream", async () => {
  const final = await openai.chat.completions.stream(ask("hello")).finalChatCompletion();
  assert.equal(final.choices[0].message.content, SAID);
  assert.equal(final.choices[0].finish_reason, "stop");
});

test("a loop of tools, run by the SDK", async () => {
  const asked = [];
  const runner = openai.chat.completions.runTools({
    ...ask("weather"),
    stream: true,
    tools: [{ type: "function", function: { name: "get_weather", parameters, parse: JSON.parse, function: (given) => (asked.push(given), "9 C") } }],
  }, { maxChatCompletions: 2 });
  await runner.done();
  // The mock goes by the last words of the user, so it calls again: the result of the first call was taken.
  assert.deepEqual(asked, [{ city: "Köln" }, { city: "Köln" }]);
});

test("tool calls in a stream", async () => {
  const final = await openai.chat.completions.stream({ ...ask("weather"), tools: [weather] }).finalChatCompletion();
  const [call] = final.choices[0].message.tool_calls;
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Köln" });
});

test("a response, whole and as a stream", async () => {
  const whole = await openai.responses.create({ model, max_output_tokens: 50, input: "hello" });
  assert.equal(whole.output_text, SAID);
  const events = await collect(await openai.responses.create({ model, max_output_tokens: 50, input: "hello", stream: true }));
  assert.equal(events.at(-1).type, "response.completed");
  assert.equal(events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""), SAID);
});

test("a refusal is the SDK's own class", async () => {
  await assert.rejects(openai.chat.completions.create(ask("busy")), (error) => error.status === 429);
});
