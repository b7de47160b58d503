// Every page: it comes with its data, in light and dark, wide and narrow; nothing is asked of anybody else; a
// screen reader can use it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const TABLE_OF = (caption) => (page) => page.locator(`table:has(caption:text-is("${caption}")) tbody tr`).first();
const TEXT = (text) => (page) => page.getByText(text).first();
const HEADING = (name) => (page) => page.getByRole("heading", { name }).first();

// Each view, and what shows that its data is there.
export const VIEWS = [
    ["/", TEXT("Teams by spend")],
    ["/?period=7d&show=errors", TEXT("Models by spend")],
    ["/usage", HEADING("Usage and cost")],
    ["/usage?by=model&period=7d", TEXT("claude-sonnet-5")],
    ["/live", HEADING("Live")],
    ["/calls?period=7d", TABLE_OF("Calls, the newest first")],
    ["/sessions", HEADING("Sessions")],
    ["/teams", TEXT("documents")],
    ["/teams?tab=keys", TEXT("answers-api")],
    ["/teams?tab=budgets", TABLE_OF("Budgets")],
    ["/teams?tab=limits", TABLE_OF("Limits")],
    ["/teams/search", TEXT("query-rewriter")],
    ["/models", TABLE_OF("Models")],
    ["/models?tab=providers", TABLE_OF("Providers")],
    ["/models/claude-sonnet-5", TABLE_OF("Targets in the order in which a call would try them")],
    ["/reach", TABLE_OF("Calls turned away")],
    ["/reach?by=network&since=30d", TABLE_OF("Calls turned away")],
    ["/reach?tab=rules", TABLE_OF("Network rules")],
    ["/reach?tab=whoami", TEXT("Ask as the caller")],
    ["/audit", TABLE_OF("Changes, the newest first")],
    ["/audit?tab=ledger", TEXT("Written to the journal")],
    ["/playground?model=gpt-5-mini&beside=claude-haiku-4-5", TEXT("Beside it")],
];

export function pages(getWorld) {
    // One visit for all of it: a page is drawn anew by the browser when the colours or the width change. Most are
    // walked to, some loaded as by somebody who was sent the link.
    test("every page has its data and no errors, can be read in light and dark, and fits 360 px", async (t) => {
        const person = await getWorld().person();
        const { page } = person;
        for (const [place, [path, there]] of VIEWS.entries()) {
            await t.test(path, async () => {
                await (place % 4 ? person.walk(path) : person.goto(path));
                await there(page).waitFor();
                // The colours are the same few everywhere: half of the pages are looked at by day, half by night.
                await page.emulateMedia({ colorScheme: place % 2 ? "dark" : "light" });
                assert.deepEqual(await person.violations(), []);
                await page.setViewportSize({ width: 360, height: 740 });
                assert.equal(await person.overflow(), 0);
                await page.setViewportSize({ width: getWorld().width, height: 900 });
                assert.deepEqual(person.complaints(), []);
            });
        }
        await person.close();
    });

    test("on a narrow screen the list of pages is behind a button", async () => {
        const person = await getWorld().person(undefined, { viewport: { width: 360, height: 740 } });
        const { page } = person;
        await person.goto("/reach");
        await page.getByRole("button", { name: "Pages" }).click();
        await page.getByRole("link", { name: "Models" }).click();
        await page.getByRole("heading", { name: "Models" }).waitFor();
        await page.locator("tbody a").first().click();
        await page.getByRole("heading", { name: "Targets" }).waitFor();
        await person.drawn();
        assert.equal(await person.overflow(), 0);
        assert.deepEqual(await person.violations(), []);
        await person.close();
    });

    test("a link to what is not there leads on", async () => {
        const person = await getWorld().person();
        await person.goto("/nowhere/at/all");
        await person.page.getByRole("link").first().waitFor();
        await person.goto("/models/no-such-model");
        await person.page.getByText("There is no such model").waitFor();
        await person.goto("/teams/no-such-team");
        await person.page.getByText(/no team/i).first().waitFor();
        await person.close();
    });

    test("filters stand in the address, and the back button takes them back", async () => {
        const person = await getWorld().person();
        const { page } = person;
        await person.goto("/reach?since=30d");
        await page.getByRole("row").nth(1).waitFor();
        await page.getByLabel("Team", { exact: true }).selectOption("documents");
        await page.waitForURL(/team=documents/);
        await page.locator("tbody tr").first().getByRole("link").click();
        await page.waitForURL(/bounce=bnc_/);
        await page.locator(".drawer").getByText(/(was|were) refused: /).waitFor();
        const link = page.url();
        await page.goBack();
        await page.waitForURL(/team=documents(?!.*bounce)/);
        await page.locator(".drawer").waitFor({ state: "detached" });
        await page.goBack();
        await page.waitForURL((url) => !url.search.includes("team"));
        // What one sees can be sent to somebody else.
        const other = await getWorld().person();
        await other.page.goto(link);
        await other.page.locator(".drawer").getByText(/were refused/).waitFor();
        await other.close();
        await person.close();
    });

    test("the keyboard is enough", async () => {
        const person = await getWorld().person();
        const { page } = person;
        await person.goto("/models");
        await page.keyboard.press("/");
        await page.keyboard.type("opus");
        await page.waitForURL(/search=opus/);
        await page.getByRole("row").nth(2).waitFor({ state: "detached" });
        await page.keyboard.press("Escape");
        await page.locator("main h1").focus();
        await page.keyboard.press("g");
        await page.keyboard.press("a");
        await page.getByRole("heading", { name: "Audit" }).waitFor();
        await page.locator("tbody a").first().focus();
        await page.keyboard.press("Enter");
        await page.locator(".drawer").waitFor();
        await page.keyboard.press("Escape");
        await page.locator(".drawer").waitFor({ state: "detached" });
        await person.close();
    });

    test("what a reload has changed stands beside the ledger's state", async () => {
        const world = getWorld();
        const person = await world.person();
        const file = join(world.data, "data", "demo.yaml");
        writeFileSync(file, readFileSync(file, "utf-8").replace("networks:\n", "networks:\n  depot: {ranges: [10.99.0.0/16]}\n"));
        world.gateway.kill("SIGHUP");
        await person.goto("/audit?tab=ledger");
        await person.page.getByText(/depot/).waitFor();
        await person.close();
    });
}
