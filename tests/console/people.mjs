// Who may do what, and two who do the same at the same time.
import assert from "node:assert/strict";
import { test } from "node:test";

// Words on buttons and in menus that would change something.
const CHANGING = /^(New |Make|Rotate|Revoke|Change|Delete|Raise|Save|Enforce|Only observe|Test call|Run$)/;

async function changingControls(page) {
    const names = await page.locator("button:visible, [role=menuitem]:visible").allTextContents();
    return names.map((name) => name.trim()).filter((name) => CHANGING.test(name));
}

export function people(getWorld) {
    test("signing in: a wrong key is told, a right one leads to where one was going", async () => {
        const person = await getWorld().person(null);
        const { page } = person;
        await page.goto(`${getWorld().base}/console/models`);
        await page.getByLabel("Admin key").fill("tpa_not_a_key");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("alert").waitFor();
        await page.getByLabel("Admin key").fill(getWorld().owner);
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("heading", { name: "Models" }).waitFor();
        assert.deepEqual(await person.context.cookies().then((all) => all.map((cookie) => [cookie.httpOnly, cookie.sameSite])), [[true, "Strict"]]);
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.getByLabel("Admin key").waitFor();
        assert.deepEqual(person.complaints([400, 401, 404]), []);
        await person.close();
    });

    test("who only looks has nothing to change with, on any page, and is refused by the API", async () => {
        const world = getWorld();
        const person = await world.person(await world.adminKey("finance"));
        const { page } = person;
        const key = (await world.admin("GET", "/keys?team=search")).value.data.find((each) => each.state === "live");
        for (const path of ["/", "/usage", "/teams", "/teams?tab=keys", "/teams?tab=budgets", "/teams?tab=limits", "/teams/search", `/teams?tab=keys&key=${key.id}`, "/models", "/models/gpt-5-mini", "/reach?tab=rules", "/audit"]) {
            await person.goto(path);
            assert.deepEqual(await changingControls(page), [], path);
        }
        assert.equal(await page.getByRole("link", { name: "Playground" }).count(), 0);
        // The page's own session, as a script in it would use it.
        const answers = await page.evaluate(async (id) => {
            const asks = [["POST", "/teams", { name: "mine" }], ["PATCH", "/teams/search", { contact: "me" }], ["DELETE", `/keys/${id}`], ["POST", `/keys/${id}/rotate`, {}], ["POST", "/budgets", { organisation: true, amount: "1" }], ["POST", "/network_rules", { team: "search", deny: "unix" }], ["POST", "/playground", { model: "gpt-5-mini", messages: [] }]];
            return Promise.all(asks.map(async ([method, path, body]) => (await fetch(`/admin/v1${path}`, { method, headers: { "content-type": "application/json", "x-turnpike-console": "1" }, ...(body ? { body: JSON.stringify(body) } : {}) })).status));
        }, key.id);
        assert.deepEqual(answers, answers.map(() => 403));
        assert.deepEqual(person.complaints([403]), []);
        await person.close();
    });

    test("a cookie alone changes nothing: the page's header is needed", async () => {
        const person = await getWorld().person();
        await person.goto("/teams");
        const statuses = await person.page.evaluate(async () => Promise.all(
            [{}, { "x-turnpike-console": "1" }].map(async (headers) => (await fetch("/admin/v1/teams", { method: "POST", headers: { "content-type": "application/json", ...headers }, body: "{}" })).status),
        ));
        assert.deepEqual(statuses, [403, 400]); // the second is read, and lacks its name
        await person.close();
    });

    test("a team lead sees the own team, and keeps its keys", async () => {
        const world = getWorld();
        const person = await world.person(await world.adminKey("team_lead", "growth"));
        const { page } = person;
        await person.goto("/teams?tab=keys");
        await page.getByText("campaign-copy").waitFor();
        assert.equal(await page.getByText("answers-api").count(), 0);
        await page.getByRole("button", { name: "New key" }).waitFor();
        assert.equal(await page.getByRole("link", { name: "Audit" }).count(), 0);
        await person.goto("/reach?since=30d");
        await page.getByText("growth").first().waitFor();
        assert.equal(await page.locator("tbody").getByText("documents").count(), 0);
        assert.deepEqual(await person.violations(), []);
        assert.deepEqual(person.complaints([403]), []);
        await person.close();
    });

    test("two people change the same: the second is told, and nothing is lost", async () => {
        const world = getWorld();
        const first = await world.person();
        const second = await world.person();
        const open = async (person) => {
            await person.goto("/teams/support");
            await person.page.getByRole("button", { name: "Change", exact: true }).click();
            await person.page.getByRole("button", { name: "The team", exact: true }).click();
            await person.dialog().getByLabel("Whom to ask").waitFor();
        };
        await open(first);
        await open(second);
        await first.dialog().getByLabel("Whom to ask").fill("first@harbor-pine.example");
        await first.dialog().getByRole("button", { name: "Save" }).click();
        await first.told("The team is changed");
        await second.dialog().getByLabel("Whom to ask").fill("second@harbor-pine.example");
        await second.dialog().getByRole("button", { name: "Save" }).click();
        await second.dialog().getByText("Somebody else changed this while you had it open").waitFor();
        await second.dialog().getByText("first@harbor-pine.example").waitFor();
        assert.equal((await world.admin("GET", "/teams/support")).value.contact, "first@harbor-pine.example");
        await second.dialog().getByRole("button", { name: "Save mine over it" }).click();
        await second.told("The team is changed");
        assert.equal((await world.admin("GET", "/teams/support")).value.contact, "second@harbor-pine.example");
        // The same for a rule's mode.
        await first.goto("/reach?tab=rules&team=coding");
        await second.goto("/reach?tab=rules&team=coding");
        for (const person of [first, second]) {
            await person.page.getByRole("button", { name: "Actions for the rule: the team coding may call from vpn" }).click();
            await person.page.locator(".menu-item", { hasText: "Enforce it" }).click();
            await person.dialog().getByRole("button", { name: "Enforce it" }).waitFor();
        }
        await first.dialog().getByRole("button", { name: "Enforce it" }).click();
        await first.told("The rule holds within a second");
        await second.dialog().getByRole("button", { name: "Enforce it" }).click();
        await second.dialog().getByText("Somebody else changed this").waitFor();
        await second.dialog().getByRole("button", { name: "Keep theirs" }).click();
        assert.deepEqual([...first.complaints(), ...second.complaints([412])], []);
        await first.close();
        await second.close();
    });
}
