import assert from "node:assert/strict";
import { test } from "node:test";
import { changedQuery, link, matchPattern, pathOf, placeOf } from "../src/base/router.ts";

test("a pattern takes the segments of a path, decoded", () => {
    assert.deepEqual(matchPattern("/teams/:team", "/teams/payments"), { team: "payments" });
    assert.deepEqual(matchPattern("/teams/:team", "/teams/a%2Fb%20c"), { team: "a/b c" });
    assert.deepEqual(matchPattern("/", "/"), {});
    assert.equal(matchPattern("/teams/:team", "/teams"), null);
    assert.equal(matchPattern("/teams/:team", "/teams/a/b"), null);
    assert.equal(matchPattern("/teams", "/usage"), null);
    assert.equal(matchPattern("/teams/:team", "/teams/100%"), null); // typed by hand
});

test("a path of any names comes back as it was", () => {
    for (const name of ["payments", "a/b", "ü %", "<img src=x>", "a?b#c"]) {
        const place = placeOf(new URL(link(pathOf("teams", name)), "http://gateway"));
        assert.deepEqual(matchPattern("/teams/:team", place?.path ?? ""), { team: name });
    }
});

test("only what is behind /console is a place of the console", () => {
    assert.equal(placeOf(new URL("http://gateway/admin/v1/me")), null);
    assert.equal(placeOf(new URL("http://gateway/consolefoo")), null);
    assert.equal(placeOf(new URL("http://gateway/console"))?.path, "/");
    assert.equal(placeOf(new URL("http://gateway/console/usage?by=team"))?.query.get("by"), "team");
});

test("a query keeps what is not changed, and drops what is empty", () => {
    const query = new URLSearchParams("by=team&period=7d&model=gpt");
    assert.equal(changedQuery(query, { by: "key", model: null, period: undefined, key: "" }).toString(), "by=key");
    assert.equal(changedQuery(query, { by: "key" }).toString(), "by=key&period=7d&model=gpt");
    assert.equal(link("/usage", { by: "tag:env", model: null }), "/console/usage?by=tag%3Aenv");
});
