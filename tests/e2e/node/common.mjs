// What every script needs: a client as an application makes one, and the fake upstream's fixed answers.
import OpenAI from "openai";

export const CONTENT = "Grüße from the fake — 你好 🚦.";
export const HELLO = [{ role: "user", content: "hello" }];

export function client(options = {}) {
  return new OpenAI({ maxRetries: 0, timeout: 30_000, ...options });
}

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}
