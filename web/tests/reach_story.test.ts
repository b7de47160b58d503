import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bounce, reasonWords, ruleHref, story } from "../src/pages/reach_story.ts";

const BOUNCE: Bounce = {
    id: "bnc_1", network: "10.61.4.0/24", reason: "network_not_allowed", observed: false, rule: "networks of team documents", listener: "main", key: "abc", team: "documents",
    claimed_key: null, others: false, groups: 1, calls: 2655, calls_error: 0, first_seen_at: "2026-11-21T00:00:00Z", last_seen_at: "2026-11-30T00:00:00Z", last_good_at: null,
    last_status: 403, last_source: "10.61.4.9", last_model: null, last_user_agent: null, first_request_id: "req_1", last_request_id: "req_2", advice: null,
};

test("who was refused, from where and why", () => {
    const [first] = story(BOUNCE, "invoice-reader");
    assert.equal(first, "2,655 calls from 10.61.4.0/24 by the key invoice-reader of the team documents were refused: the rules of their team or key do not allow that network.");
});

test("whether it ever worked is told, but not of calls that passed", () => {
    assert.match(story(BOUNCE, null).join(" "), /No call from that network was ever served/);
    assert.match(story({ ...BOUNCE, last_good_at: "2026-11-20T00:00:00Z" }, null).join(" "), /calls were served until/);
    const observed = story({ ...BOUNCE, observed: true, reason: "limit" }, null).join(" ");
    assert.match(observed, /passed, and would have been refused by a limit that only watches/);
    assert.doesNotMatch(observed, /ever served/);
});

test("strangers and wrong keys have words too", () => {
    assert.match(story({ ...BOUNCE, key: null, team: null, claimed_key: "sk-p" }, null)[0] ?? "", /callers who sent “sk-p…” as key/);
    assert.match(story({ ...BOUNCE, key: null, team: null }, null)[0] ?? "", /callers who said nothing/);
});

test("what is hidden in a name is shown by its number", () => {
    assert.match(story({ ...BOUNCE, team: "a\u202eb", key: null }, null)[0] ?? "", /a⟨U\+202E⟩b/);
    assert.equal(reasonWords({ ...BOUNCE, reason: "new_code" }), "new_code");
});

test("the page of a rule", () => {
    const link = (path: string, query: Record<string, string | null> = {}) => `${path} ${JSON.stringify(query)}`;
    assert.equal(ruleHref(BOUNCE, link), '/reach {"tab":"rules","team":"documents"}');
    assert.equal(ruleHref({ ...BOUNCE, rule: "lim_123" }, link), '/teams {"tab":"limits"}');
    assert.equal(ruleHref({ ...BOUNCE, rule: "models of team a/b" }, link), "/teams/a%2Fb {}");
    assert.equal(ruleHref({ ...BOUNCE, rule: null }, link), null);
});
