// What the official SDK for Node makes of keys, budgets and limits that end a call: run by test_money_refusals.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { client, HELLO } from "./common.mjs";

const model = process.env.MODEL;
const metadata = { prompt: "1", completion: "1" };

function ask(name, options = {}) {
  return client({ apiKey: process.env[`KEY_${name.toUpperCase()}`], maxRetries: 2, ...options }).chat.completions.create({
    model, messages: HELLO, metadata, user: `node ${name}`,
  });
}

const refused = [
  ["revoked", OpenAI.AuthenticationError, "revoked_api_key", /was revoked.*administrator/s],
  ["expired", OpenAI.AuthenticationError, "expired_api_key", /has expired.*administrator/s],
  ["poor", OpenAI.RateLimitError, "insufficient_quota", /is left.*resets at.*raise/s],
  ["narrow", OpenAI.RateLimitError, "call_exceeds_limit", /larger than.*shorter answer/s],
];

for (const [name, kind, code, words] of refused) {
  test(`${name}: refused once`, async () => {
    await assert.rejects(ask(name), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, words);
      assert.equal(error.headers.get("x-should-retry"), "false");
      assert.ok(error.requestID);
      return true;
    });
  });
}

test("over the limit: how long to wait", async () => {
  await assert.rejects(ask("busy", { maxRetries: 0 }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "rate_limit_exceeded");
    assert.ok(Number(error.headers.get("retry-after-ms")) > 3_300_000);
    assert.equal(error.headers.get("x-ratelimit-remaining-requests"), "0");
    return true;
  });
});

test("the SDK waits and gets through", async () => {
  for (let i = 0; i < 3; i++) assert.equal((await ask("slow", { maxRetries: 5 })).usage.completion_tokens, 1);
});

test("headers of limits", async () => {
  const openai = client({ apiKey: process.env.KEY_COUNTED });
  const { data, response } = await openai.chat.completions.create({ model, messages: HELLO, metadata }).withResponse();
  assert.equal(data.usage.total_tokens, 2);
  assert.equal(response.headers.get("x-ratelimit-limit-tokens"), "60000");
  assert.ok(Number(response.headers.get("x-ratelimit-remaining-requests")) < 100);
});
