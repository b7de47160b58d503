// What callers send is shown, and never run: model names, user agents, tags, paths, team and key names, and the
// errors that repeat them.
import assert from "node:assert/strict";
import { test } from "node:test";

const MARKUP = `<img src=x onerror="window.hostile=1">`;
const SCRIPT = `"><script>window.hostile=2</script>`;
const LINK = `javascript:window.hostile=3`;
const HIDDEN = "safe\u202egnp.exe";

const PATHS = ["/", "/usage?by=model&period=7d", "/usage?by=team&period=7d", "/teams", "/teams?tab=keys", "/models", "/reach?since=30d", "/audit", "/audit?change=", "/reach?tab=rules"];

export function hostile(getWorld) {
    test("what callers send is shown as text on every page", async () => {
        const world = getWorld();
        const team = await world.admin("POST", "/teams", { name: MARKUP, title: SCRIPT, contact: LINK });
        assert.equal(team.status, 201, JSON.stringify(team.value));
        const key = await world.admin("POST", "/keys", { name: SCRIPT, team: MARKUP, tags: { env: MARKUP.slice(0, 30), note: "a<b>" } });
        assert.equal(key.status, 201, JSON.stringify(key.value));
        await world.admin("POST", "/budgets", { team: MARKUP, amount: "1", name: SCRIPT.slice(0, 40) });
        const headers = { "user-agent": MARKUP, "x-turnpike-tags": "note=<script>window.hostile=4</script>" };
        let served = 0;
        for (let round = 0; round < 40 && served === 0; round++) {
            const answer = await world.call(key.value.key, { model: "gpt-5-mini", user: MARKUP, messages: [{ role: "user", content: MARKUP }] }, headers);
            if (answer.status === 200) served++;
            else await new Promise((wake) => setTimeout(wake, 100)); // the key is known within a second
        }
        assert.equal(served, 1);
        for (const model of [MARKUP, SCRIPT, LINK, HIDDEN]) {
            await world.call(key.value.key, { model, messages: [] }, headers);
        }
        await world.call(`tpk_${MARKUP}`, { model: "x" }, headers);
        const person = await world.person();
        const { page } = person;
        for (const path of PATHS) {
            await person.goto(path);
            assert.equal(await page.evaluate(() => globalThis.hostile), undefined, path);
            assert.equal(await page.locator("main img[src=x], main script, main a[href^='javascript:']").count(), 0, path);
        }
        // It is there, as it was written; and what would turn the line around is shown by its number.
        await person.goto(`/teams/${encodeURIComponent(MARKUP)}`);
        await page.getByRole("heading", { name: SCRIPT }).waitFor();
        await person.goto("/usage?by=model&period=7d");
        await page.getByText("U+202E").first().waitFor();
        await person.goto("/reach?since=1h&by=team");
        await page.locator("tbody").getByText(MARKUP).first().waitFor();
        assert.equal(await page.evaluate(() => globalThis.hostile), undefined);
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });

    test("an address made by somebody else runs nothing", async () => {
        const person = await getWorld().person();
        const bad = encodeURIComponent(SCRIPT);
        for (const path of [`/reach?team=${bad}&bounce=${bad}`, `/models/${bad}`, `/models?search=${bad}`, `/audit?object=${bad}`, `/playground?model=${bad}&beside=${bad}`, `/teams/${bad}`, `/usage?by=${bad}&model=${bad}`, `/?show=${bad}&period=${bad}`]) {
            await person.goto(path);
            assert.equal(await person.page.evaluate(() => globalThis.hostile), undefined, path);
        }
        assert.deepEqual(person.complaints([400, 404]), []);
        await person.close();
    });
}
