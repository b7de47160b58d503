import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { client, HELLO } from "./common.mjs";

const openai = client();

test("bad key", async () => {
  const stranger = client({ apiKey: "tpk_wrong" });
  await assert.rejects(stranger.chat.completions.create({ model: "fast", messages: HELLO }), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.status, 401);
    assert.ok(error.requestID);
    assert.ok(error.code);
    return true;
  });
});

test("unknown object", async () => {
  await assert.rejects(openai.files.retrieve("file-nobodymade"), OpenAI.NotFoundError);
});

test("unknown path", async () => {
  await assert.rejects(openai.post("/nothing/here", { body: {} }), OpenAI.NotFoundError);
});

test("an abort is an abort", async () => {
  const controller = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: "fast", messages: HELLO, stream: true },
    { signal: controller.signal },
  );
  const read = (async () => {
    for await (const chunk of stream) {
      assert.ok(chunk);
      controller.abort();
    }
  })();
  await read.catch((error) => assert.ok(error instanceof OpenAI.APIUserAbortError, String(error)));
});

test("many calls at once share connections and none is mixed up", async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => openai.chat.completions.create({ model: `name-${i}`, messages: HELLO })),
  );
  assert.deepEqual(answers.map((a) => a.model), Array.from({ length: 50 }, (_, i) => `name-${i}`));
  assert.equal(new Set(answers.map((a) => a._request_id)).size, 50);
});
