// Runs @copilotkit/aimock, an OpenAI-shaped server that is not ours, until its input closes.
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ port: 0, chunkSize: 5 });
mock.onMessage("weather", { toolCalls: [{ name: "get_weather", arguments: { city: "Köln" } }] });
mock.onMessage("busy", { error: { message: "slow down", type: "rate_limit_error", code: "rate_limit_exceeded" }, status: 429 });
mock.onJsonOutput("structured", { city: "Köln", days: 3 });
mock.onEmbedding("vector", { embedding: [0.5, 0.25, -1] });
mock.onImage(/.*/, { images: [{ b64Json: Buffer.from("picture").toString("base64") }] });
mock.onSpeech(/.*/, { audio: Buffer.from("sound").toString("base64") });
mock.onTranscription({ transcription: { text: "heard" } });
mock.onMessage(/.*/, { content: "Hello from aimock — 你好." });
await mock.start();
console.log(mock.url);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
