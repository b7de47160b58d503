import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { toFile } from "openai";
import { client, collect } from "./common.mjs";

const openai = client();

test("embeddings, in the SDK's default form and as floats", async () => {
  const packed = await openai.embeddings.create({ model: "fast", input: ["a", "b"] });
  assert.deepEqual([...packed.data[1].embedding], [0.5, -0.25, 0.125, 1]);
  const floats = await openai.embeddings.create({ model: "fast", input: "a", encoding_format: "float" });
  assert.deepEqual(floats.data[0].embedding, [0.5, -0.25, 0.125, 1]);
});

test("moderations", async () => {
  assert.equal((await openai.moderations.create({ model: "fast", input: "x" })).results.length, 1);
});

test("models, one of them with a slash in its name", async () => {
  const names = (await collect(await openai.models.list())).map((m) => m.id);
  assert.ok(names.includes("fast"));
  assert.equal((await openai.models.retrieve("org/model-with-slash")).id, "org/model-with-slash");
});

test("files", async () => {
  const content = Buffer.concat([Buffer.from("line\r\n--x\r\n"), Buffer.from([0, 255, 13, 10])]);
  const made = await openai.files.create({ file: await toFile(content, "a.bin"), purpose: "user_data" });
  assert.equal(made.bytes, content.length);
  const back = Buffer.from(await (await openai.files.content(made.id)).arrayBuffer());
  assert.deepEqual(back, content);
  assert.ok((await collect(await openai.files.list())).some((f) => f.id === made.id));
  assert.equal((await openai.files.delete(made.id)).deleted, true);
});

test("a file from a stream, so that its form has no length", async () => {
  const parts = Array.from({ length: 20 }, (_, i) => Buffer.alloc(10_000, i));
  const made = await openai.files.create({ file: await toFile(Readable.from(parts), "b.bin"), purpose: "user_data" });
  assert.equal(made.bytes, 200_000);
});

test("batches", async () => {
  const file = await openai.files.create({ file: await toFile(Buffer.from("{}"), "in.jsonl"), purpose: "batch" });
  const made = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  });
  assert.equal((await openai.batches.retrieve(made.id)).id, made.id);
  assert.equal((await openai.batches.cancel(made.id)).status, "cancelling");
});

test("vector stores", async () => {
  const store = await openai.vectorStores.create({ name: "docs" });
  assert.equal((await openai.vectorStores.retrieve(store.id)).name, "docs");
  assert.equal((await openai.vectorStores.delete(store.id)).deleted, true);
});

test("images", async () => {
  const answer = await openai.images.generate({ model: "gpt-image-1", prompt: "a gate" });
  assert.ok(answer.data[0].b64_json.length > 100);
});

test("speech is binary", async () => {
  const answer = await openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hello" });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(bytes.length, 256 * 300);
  assert.equal(bytes[255], 255);
});

test("transcription", async () => {
  const file = await toFile(Buffer.alloc(4321), "a.wav");
  assert.equal((await openai.audio.transcriptions.create({ model: "whisper-1", file })).text, "heard 4321 bytes");
});
