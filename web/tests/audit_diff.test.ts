import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, differences, objectName, shown, summary } from "../src/pages/audit_diff.ts";

const CHANGE: Change = {
    number: 7, time: "2026-11-30T00:00:00Z", who: "cli:lena", via: "cli", action: "update", kind: "budget", object: "bud_1",
    before: { id: "bud_1", name: "growth", amount: "400.00", alerts: [80], spent: "1.00" },
    after: { id: "bud_1", name: "growth", amount: "96.20", alerts: [80, 100], spent: "2.00" },
};

test("members that differ, and none that change by themselves", () => {
    assert.deepEqual(differences(CHANGE), [
        { member: "amount", before: "400.00", after: "96.20" },
        { member: "alerts", before: "80", after: "80, 100" },
    ]);
    assert.equal(summary(CHANGE), "amount: 400.00 → 96.20; alerts: 80 → 80, 100");
});

test("what was made and what is gone", () => {
    assert.equal(summary({ ...CHANGE, before: null, after: { id: "x", name: "a", team: "search" } }), "team: search");
    assert.deepEqual(differences({ before: { mode: "observe" }, after: null }), [{ member: "mode", before: "observe", after: null }]);
});

test("names of objects, with and without one", () => {
    assert.equal(objectName(CHANGE), "budget growth");
    assert.equal(objectName({ ...CHANGE, kind: "network_rule", before: null, after: { team: "documents" } }), "network rule documents");
    assert.equal(objectName({ ...CHANGE, kind: "key", object: "k1", before: null, after: null }), "key k1");
});

test("nothing, empty lists and tags", () => {
    assert.equal(shown([]), null);
    assert.equal(shown({}), null);
    assert.equal(shown({ env: "prod" }), "env=prod");
    assert.equal(shown(false), "false");
});
