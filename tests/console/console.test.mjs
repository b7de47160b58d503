// The console in a real browser, against a real gateway with sample data that is called all the time:
//
//     TURNPIKE_BIN=build/turnpike node --test tests/console/console.test.mjs
//
// One gateway and one browser for all of it. `./dev test e2e` runs it by tests/console/test_console.py.
import { after, before, describe } from "node:test";
import { World } from "./harness.mjs";
import { charts } from "./charts.mjs";
import { hostile } from "./hostile.mjs";
import { pages } from "./pages.mjs";
import { people } from "./people.mjs";
import { writes } from "./writes.mjs";

describe("the console", () => {
    const world = new World();
    before(() => world.open());
    after(() => world.close());
    // Side by side: each has windows of its own, and what one makes the others do not look at.
    describe("in any order", { concurrency: 3 }, () => {
        describe("pages", { concurrency: 1 }, () => pages(() => world));
        describe("charts", { concurrency: 1 }, () => charts(() => world));
        describe("people", { concurrency: 1 }, () => people(() => world));
        describe("writes", { concurrency: 1 }, () => writes(() => world));
    });
    describe("hostile words", () => hostile(() => world));
});
