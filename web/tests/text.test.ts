import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, tagsOf, tagsText } from "../src/base/lists.ts";
import { shellWord, snippetsOf } from "../src/base/snippets.ts";
import { browserName, counted, piecesOf, visible } from "../src/base/text.ts";

test("characters that hide or turn the text are shown by their number", () => {
    assert.equal(visible("gpt-4\u202Egnp.exe"), "gpt-4⟨U+202E⟩gnp.exe");
    assert.equal(visible("a\u0000b\u001b[31mc\u007f"), "a⟨U+0000⟩b⟨U+001B⟩[31mc⟨U+007F⟩");
    assert.equal(visible("\u200bzero\ufeff\u2066"), "⟨U+200B⟩zero⟨U+FEFF⟩⟨U+2066⟩");
    assert.equal(visible("tag\u{e0041}"), "tag⟨U+E0041⟩");
    // What people write stays: other scripts, emoji, line breaks.
    assert.equal(visible("Zürich 東京 🙂\n\tשלום"), "Zürich 東京 🙂\n\tשלום");
});

test("pieces together are the text", () => {
    assert.deepEqual(piecesOf(""), []);
    assert.deepEqual(piecesOf("\u202E"), [{ text: "U+202E", hidden: true }]);
    assert.deepEqual(piecesOf("a\u202Eb"), [{ text: "a", hidden: false }, { text: "U+202E", hidden: true }, { text: "b", hidden: false }]);
});

test("lists and tags from a field and back", () => {
    assert.deepEqual(listOf(" gpt-*, o4-mini\n,\n"), ["gpt-*", "o4-mini"]);
    assert.deepEqual(tagsOf("env=prod, note=a=b, lone"), { env: "prod", note: "a=b", lone: "" });
    assert.equal(tagsText({ env: "prod", feature: "index" }), "env=prod, feature=index");
    assert.equal(counted(1, "key"), "1 key");
    assert.equal(counted(1200, "key"), "1,200 keys");
});

test("a snippet keeps what stands in it apart from its own words", () => {
    const made = snippetsOf({ key: "tpk_a_b", name: "Büro's «key»", baseUrl: "http://x/v1", model: "it's \"so\"" });
    const text = (name: string) => made.find((each) => each.name === name)?.text ?? "";
    assert.match(text("curl"), /'\{"model":"it'\\''s \\"so\\""/);
    assert.match(text("python"), /model="it's \\"so\\""/);
    assert.match(text("kubernetes"), /name: turnpike-b-ro-s-key\n/);
    assert.equal(shellWord("search"), "search");
    assert.equal(shellWord("it's mine"), "'it'\\''s mine'");
    assert.match(text("environment"), /^export OPENAI_BASE_URL='http:\/\/x\/v1'$/m);
});

test("browsers by the names that people know", () => {
    assert.equal(browserName("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"), "Chrome 156 on Linux");
    assert.equal(browserName("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15"), "Safari 19 on macOS");
    assert.equal(browserName("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0"), "Firefox 148 on Windows");
    assert.equal(browserName("curl/8.9"), "curl/8.9");
    assert.equal(browserName(null), null);
});
