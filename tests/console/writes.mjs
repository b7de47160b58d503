// Every write: what was typed is what the API then says, and what is wrong is told beside its field.
import assert from "node:assert/strict";
import { test } from "node:test";

export function writes(getWorld) {
    const open = async (path) => {
        const person = await getWorld().person();
        await person.goto(path);
        return person;
    };

    test("a team: made, changed, deleted", async () => {
        const world = getWorld();
        const person = await open("/teams");
        const { page } = person;
        await page.getByRole("button", { name: "New team" }).click();
        const dialog = person.dialog();
        await dialog.getByLabel("Name").fill("search");
        await dialog.getByRole("button", { name: "Make the team" }).click();
        await dialog.getByRole("alert").getByText(/search/).waitFor(); // there is one of that name
        await dialog.getByLabel("Name").fill("logistics");
        await dialog.getByLabel("Whom to ask").fill("logistics@harbor-pine.example");
        await dialog.getByRole("button", { name: "Make the team" }).click();
        await page.getByRole("heading", { name: "logistics" }).waitFor();
        assert.equal((await world.admin("GET", "/teams/logistics")).value.contact, "logistics@harbor-pine.example");
        await page.getByRole("button", { name: "Change", exact: true }).click();
        await page.getByRole("button", { name: "The team", exact: true }).click();
        await person.dialog().getByLabel("What people call it").fill("Logistics");
        await person.dialog().getByRole("button", { name: "Save" }).click();
        await person.told("The team is changed");
        assert.equal((await world.admin("GET", "/teams/logistics")).value.title, "Logistics");
        await page.getByRole("button", { name: "Change", exact: true }).click();
        await page.locator(".menu-item", { hasText: "Delete the team" }).click();
        await person.dialog().getByRole("button", { name: /^Delete/ }).click();
        await page.waitForFunction(() => !location.pathname.includes("logistics"));
        assert.equal((await world.admin("GET", "/teams/logistics")).status, 404);
        assert.deepEqual(person.complaints([404, 409]), []);
        await person.close();
    });

    test("a key: shown once, works, is rotated and revoked", async () => {
        const world = getWorld();
        const person = await open("/teams?tab=keys");
        const { page } = person;
        await page.getByRole("button", { name: "New key" }).click();
        await person.dialog().getByLabel("Name").fill("browser-test");
        await person.dialog().getByLabel("Team").fill("search");
        await person.dialog().getByLabel("Tags").fill("env=test");
        await person.dialog().getByRole("button", { name: "Make the key" }).click();
        const secret = await person.dialog().locator("[data-secret]").textContent();
        assert.match(secret ?? "", /^tpk_[0-9a-z]{12}_[0-9A-Za-z]{38}$/);
        for (const [tab, words] of [["curl", "Authorization: Bearer"], ["Node", "new OpenAI"], ["Kubernetes", "kind: Secret"]]) {
            await person.dialog().getByRole("tab", { name: tab }).click();
            await person.dialog().locator("pre", { hasText: words }).waitFor();
        }
        await page.keyboard.press("Escape");
        assert.ok(await person.dialog().isVisible(), "what is shown once is not lost by Esc");
        await person.dialog().getByRole("button", { name: "I have kept it" }).click();
        assert.equal(await page.getByText(secret ?? "").count(), 0);
        const works = await untilStatus(() => world.call(secret, { model: "gpt-5-mini", messages: [{ role: "user", content: "Hello" }] }), 200);
        assert.equal(works, 200);

        const id = secret.slice(4, 16);
        await person.goto(`/teams?tab=keys&key=${id}`);
        await page.locator(".drawer").getByRole("button", { name: "Rotate" }).click();
        await person.dialog().getByLabel("The old secret stays good for").selectOption("0");
        await person.dialog().getByRole("button", { name: "Rotate" }).click();
        const next = await person.dialog().locator("[data-secret]").textContent();
        assert.notEqual(next, secret);
        await person.dialog().getByRole("button", { name: "I have kept it" }).click();
        await page.locator(".drawer").getByRole("button", { name: "Revoke" }).click();
        await person.dialog().getByLabel("Why").fill("the test is over");
        await person.dialog().getByRole("button", { name: "Revoke for good" }).click();
        await person.told("browser-test is revoked");
        await page.locator(".drawer").getByText("revoked").first().waitFor();
        assert.equal((await world.admin("GET", `/keys/${id}`)).value.revoked_reason, "the test is over");
        assert.equal(await untilStatus(() => world.call(next, { model: "gpt-5-mini", messages: [] }), 401), 401);
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });

    test("a budget: made, raised, lowered, changed, deleted", async () => {
        const world = getWorld();
        const made = await world.admin("POST", "/teams", { name: "budgeted" });
        assert.equal(made.status, 201);
        const person = await open("/teams?tab=budgets");
        const { page } = person;
        await page.getByRole("button", { name: "New budget" }).click();
        const dialog = person.dialog();
        await dialog.getByLabel("Team").fill("budgeted");
        await dialog.getByLabel("Amount").fill("a lot");
        await dialog.getByRole("button", { name: "Make the budget" }).click();
        await dialog.locator(".field-problem").getByText(/a lot/).waitFor();
        await dialog.getByLabel("Amount").fill("50");
        await dialog.getByRole("button", { name: "Make the budget" }).click();
        await person.told("The budget holds");
        const find = async () => (await world.admin("GET", "/budgets?team=budgeted")).value.data[0];
        assert.equal((await find()).amount, "50.00");
        const menu = page.getByRole("button", { name: "Actions for the budget of team budgeted" });
        await menu.click();
        await page.locator(".menu-item", { hasText: "Raise" }).click();
        await person.dialog().getByLabel("Amount until then").fill("80");
        await person.dialog().getByRole("button", { name: "Raise" }).click();
        await person.told("The budget is raised");
        assert.equal((await find()).raised_to, "80.00");
        await menu.click();
        await page.locator(".menu-item", { hasText: "End the raise" }).click();
        await person.told("The raise is ended");
        assert.equal((await find()).raised_to, null);
        await menu.click();
        await page.locator(".menu-item", { hasText: "Change" }).click();
        await person.dialog().getByLabel("Only watch").check();
        await person.dialog().getByRole("button", { name: "Save" }).click();
        await person.told("The budget is changed");
        assert.equal((await find()).mode, "observe");
        await menu.click();
        await page.locator(".menu-item", { hasText: "Delete" }).click();
        await person.dialog().getByRole("button", { name: "Delete" }).click();
        await person.told("The budget is deleted");
        assert.equal(await find(), undefined);
        assert.deepEqual(person.complaints([400]), []);
        await person.close();
    });

    test("a limit: made, changed, deleted", async () => {
        const world = getWorld();
        const person = await open("/teams?tab=limits");
        const { page } = person;
        await page.getByRole("button", { name: "New limit" }).click();
        await person.dialog().getByLabel("Team").fill("support");
        await person.dialog().getByLabel("At most").fill("600");
        await person.dialog().getByRole("button", { name: "Make the limit" }).click();
        await person.told("The limit holds");
        const find = async () => (await world.admin("GET", "/limits?team=support")).value.data[0];
        assert.equal((await find()).requests, 600);
        const menu = page.getByRole("button", { name: "Actions for the limit of team support" });
        await menu.click();
        await page.locator(".menu-item", { hasText: "Change" }).click();
        await person.dialog().getByLabel("At most").fill("700");
        await person.dialog().getByRole("button", { name: "Save" }).click();
        await person.dialog().waitFor({ state: "detached" });
        assert.equal((await find()).requests, 700);
        await menu.click();
        await page.locator(".menu-item", { hasText: "Delete" }).click();
        await person.dialog().getByRole("button", { name: "Delete" }).click();
        await person.told("The limit is deleted");
        assert.equal(await find(), undefined);
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });

    test("a network rule: looked at before it is made, enforced and deleted", async () => {
        const world = getWorld();
        const person = await open("/reach?tab=rules");
        const { page } = person;
        await page.getByRole("button", { name: "New rule" }).click();
        await person.dialog().getByLabel("Team").fill("support");
        await person.dialog().getByLabel("Network").fill("prod-cluster");
        await person.dialog().getByRole("button", { name: "Whom would it have stopped?" }).click();
        await person.dialog().getByRole("status").getByText(/it would have noted [\d,]+ calls? that passed/).waitFor();
        // Those who call from elsewhere: quality-review is used in the office, call-summaries in the batch cluster.
        await person.dialog().getByText("batch-cluster").first().waitFor();
        await person.dialog().getByRole("button", { name: "Make the rule" }).click();
        await person.told("The rule watches from now on");
        const find = async () => (await world.admin("GET", "/network_rules?team=support")).value.data[0];
        assert.equal((await find()).mode, "observe");
        const menu = page.getByRole("button", { name: "Actions for the rule: the team support may call from prod-cluster" });
        await menu.click();
        await page.locator(".menu-item", { hasText: "Enforce it" }).click();
        await person.dialog().getByText(/it would have refused [\d,]+ calls? that passed/).waitFor();
        await person.dialog().getByRole("button", { name: "Enforce it" }).click();
        await person.told("The rule holds within a second");
        assert.equal((await find()).mode, "enforce");
        await menu.click();
        await page.locator(".menu-item", { hasText: "Delete" }).click();
        await person.dialog().getByRole("button", { name: "Delete" }).click();
        await person.told("The rule is deleted");
        assert.equal(await find(), undefined);
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });

    test("the playground: two models side by side, with their times and costs", async () => {
        const person = await open("/playground?model=gpt-5-mini&beside=claude-haiku-4-5");
        const { page } = person;
        await page.getByRole("button", { name: "Run" }).click();
        await page.getByText("Write something to ask.").waitFor();
        await page.getByLabel("Message").fill("Hello from the browser");
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("[data-answer]").nth(1).waitFor();
        await page.locator(".play-figures").nth(1).waitFor();
        await page.getByRole("link", { name: "the record" }).nth(1).waitFor();
        assert.match((await page.locator(".play-figures").first().textContent()) ?? "", /200.*first token.*in all.*in,.*out.*\$/);
        await page.getByRole("tab", { name: "Python" }).click();
        await page.locator("pre", { hasText: "chat.completions.create" }).waitFor();
        await page.getByLabel("Message").fill("What is the weather in Berlin?");
        await page.getByLabel("Tools", { exact: true }).check();
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("pre", { hasText: "get_weather(" }).first().waitFor();
        await page.getByLabel("Endpoint").selectOption("/embeddings");
        await page.getByRole("textbox", { name: "Text" }).fill("a text");
        await page.getByRole("button", { name: "Only one model" }).click();
        await page.getByLabel("Model", { exact: true }).selectOption("text-embedding-3-small");
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("[data-answer]", { hasText: /numbers\)/ }).waitFor();
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });

    test("a test call to a model", async () => {
        const person = await open("/models/claude-sonnet-5");
        await person.page.getByRole("button", { name: "Test call" }).click();
        await person.page.locator(".play-figures").waitFor();
        await person.page.locator("[data-answer]").waitFor();
        assert.deepEqual(person.complaints(), []);
        await person.close();
    });
}

// Every worker hears of a change within a second.
async function untilStatus(ask, wanted) {
    const end = Date.now() + 10_000;
    for (;;) {
        const { status } = await ask();
        if (status === wanted || Date.now() > end) return status;
        await new Promise((wake) => setTimeout(wake, 50));
    }
}
