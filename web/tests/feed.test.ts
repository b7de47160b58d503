import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Feed } from "../src/base/feed.ts";

// What a browser's EventSource does, as far as the feed uses it.
class FakeSource {
    static last: FakeSource;
    static readonly CLOSED = 2;
    readyState = 1;
    closed = false;
    private listeners = new Map<string, (event: { data: string }) => void>();

    constructor(readonly url: string) {
        FakeSource.last = this;
    }

    addEventListener(name: string, listener: (event: { data: string }) => void) {
        this.listeners.set(name, listener);
    }

    emit(name: string, data: unknown = {}) {
        this.listeners.get(name)?.({ data: JSON.stringify(data) });
    }

    close() {
        this.closed = true;
    }
}

const call = (id: number, outcome = "served") => ({ id: `req_${id}`, outcome });
let feed: Feed;

beforeEach(() => {
    mock.timers.enable({ apis: ["setInterval", "Date"], now: 1_000_000_000 });
    (globalThis as Record<string, unknown>)["EventSource"] = FakeSource;
    feed = new Feed();
    feed.open({ team: "search" });
});

afterEach(() => {
    feed.close();
    mock.timers.reset();
});

const ids = () => feed.rows.value.map((row) => row.id);

test("calls are drawn together, the newest first", () => {
    assert.equal(FakeSource.last.url, "/admin/v1/events?team=search");
    FakeSource.last.emit("open");
    assert.equal(feed.state.value, "open");
    FakeSource.last.emit("call", call(1));
    FakeSource.last.emit("call", call(2, "refused"));
    assert.deepEqual(ids(), []);
    mock.timers.tick(250);
    assert.deepEqual(ids(), ["req_2", "req_1"]);
});

test("a call that comes twice, as after a reconnection, is one", () => {
    FakeSource.last.emit("call", call(1));
    mock.timers.tick(250);
    FakeSource.last.emit("call", call(1));
    FakeSource.last.emit("call", call(2));
    mock.timers.tick(250);
    assert.deepEqual(ids(), ["req_2", "req_1"]);
});

test("what is kept is bounded, also while paused", () => {
    for (let id = 0; id < 700; id++) FakeSource.last.emit("call", call(id));
    mock.timers.tick(250);
    assert.equal(feed.rows.value.length, 500);
    assert.equal(ids()[0], "req_699");
    feed.paused.value = true;
    for (let id = 700; id < 2000; id++) FakeSource.last.emit("call", call(id));
    mock.timers.tick(250);
    assert.equal(ids()[0], "req_699", "nothing moves while paused");
    assert.equal(feed.waiting.value, 500);
    feed.paused.value = false;
    mock.timers.tick(250);
    assert.equal(feed.rows.value.length, 500);
    assert.deepEqual([ids()[0], ids()[499], feed.waiting.value], ["req_1999", "req_1500", 0]);
});

test("the pulse counts what was shown and what was not", () => {
    FakeSource.last.emit("call", call(1));
    FakeSource.last.emit("call", call(2, "refused"));
    FakeSource.last.emit("call", call(3, "interrupted"));
    FakeSource.last.emit("unsent", { calls: 10, served: 6, refused: 1, failed: 1, cancelled: 1, interrupted: 1, too_slow: false });
    mock.timers.tick(250);
    const second = feed.seconds.value.at(-1);
    assert.deepEqual([second?.served, second?.refused, second?.failed, second?.other], [7, 2, 3, 1]);
    assert.equal(feed.unsent.value, 10);
    assert.equal(feed.seconds.value.length, 60);
    mock.timers.tick(61_000);
    assert.equal(feed.seconds.value.reduce((sum, each) => sum + each.served + each.refused + each.failed + each.other, 0), 0, "a minute later it is out of sight");
});

test("another question begins anew and leaves the old source", () => {
    FakeSource.last.emit("call", call(1));
    mock.timers.tick(250);
    const first = FakeSource.last;
    feed.open({ team: "coding" });
    assert.equal(first.closed, true);
    assert.deepEqual(ids(), []);
    assert.equal(FakeSource.last.url, "/admin/v1/events?team=coding");
});

test("a lost connection is told, and one that ended too", () => {
    FakeSource.last.readyState = 0;
    FakeSource.last.emit("error");
    assert.equal(feed.state.value, "lost");
    const real = globalThis.fetch;
    globalThis.fetch = (() => Promise.resolve(new Response("{}"))) as typeof fetch;
    FakeSource.last.readyState = FakeSource.CLOSED;
    FakeSource.last.emit("error");
    assert.equal(feed.state.value, "ended");
    globalThis.fetch = real;
});
