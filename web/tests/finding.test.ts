import assert from "node:assert/strict";
import { test } from "node:test";
import { find, fitness, type Found } from "../src/base/finding.ts";

const thing = (title: string, beside = ""): Found => ({ kind: "key", title, beside, href: `/${title}` });

test("the beginning of a name fits best, all words must fit", () => {
    const all = [thing("relevance-judge"), thing("judge"), thing("prejudged"), thing("answers", "search judge-team"), thing("other")];
    assert.deepEqual(find(all, "judge", 9).map((each) => each.title), ["judge", "relevance-judge", "prejudged", "answers"]);
    assert.deepEqual(find(all, "answers search", 9).map((each) => each.title), ["answers"]);
    assert.equal(fitness(thing("judge"), "judge mental"), 0);
});

test("nothing typed shows the first ones as they stand; signs mean themselves", () => {
    const all = [thing("b"), thing("a"), thing("gpt-4.1"), thing("x(y")];
    assert.deepEqual(find(all, "  ", 2).map((each) => each.title), ["b", "a"]);
    assert.deepEqual(find(all, "(y", 2).map((each) => each.title), ["x(y"]);
    assert.deepEqual(find(all, "4.1", 2).map((each) => each.title), ["gpt-4.1"]);
    assert.deepEqual(find(all, "4x1", 2), []);
});
