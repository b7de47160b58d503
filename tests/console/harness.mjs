// What the browser tests of the console share: one gateway over sample data that is called all the time, one
// browser, and pages that notice what must never happen.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf-8");
const BINARY = process.env.TURNPIKE_BIN ?? "../../build/turnpike";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const PATIENCE_MS = 15_000; // for a machine that does other things, too; no test waits for it to pass

// A browser that looks for nothing outside: where there is a network it would be asked at every start.
const QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

export function freePort() {
    return new Promise((resolve, reject) => {
        const server = net.createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

export class World {
    async open({ days = 5, width = 1280 } = {}) {
        this.width = width;
        this.data = mkdtempSync(join(tmpdir(), "turnpike-console-"));
        const seeded = spawnSync(BINARY, ["demo", "--seed", "--data", join(this.data, "data"), "--days", String(days)], { encoding: "utf-8" });
        if (seeded.status !== 0) throw new Error(`turnpike demo --seed: ${seeded.stderr}`);
        this.keys = Object.fromEntries(readFileSync(join(this.data, "data", "demo.keys"), "utf-8").trim().split("\n").map((line) => line.split(" ")));
        this.owner = this.keys["(administrator)"];
        const [callers, admin] = [await freePort(), await freePort()];
        this.callers = `http://127.0.0.1:${callers}`;
        this.base = `http://127.0.0.1:${admin}`;
        this.notes = "";
        this.gateway = spawn(BINARY, ["demo", "--data", join(this.data, "data"), "--listen", `127.0.0.1:${callers}`, "--admin", `127.0.0.1:${admin}`], { stdio: ["ignore", "pipe", "pipe"] });
        this.gateway.stderr.on("data", (text) => (this.notes += text));
        await new Promise((resolve, reject) => {
            createInterface({ input: this.gateway.stdout }).on("line", (line) => line.includes("Stop with Ctrl-C") && resolve());
            this.gateway.once("exit", (code, signal) => {
                this.ended = `the gateway ended by itself, with ${code ?? signal}: ${this.notes.slice(-3000)}`;
                reject(new Error(this.ended));
            });
        });
        const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
        this.browser = await chromium.launch({ executablePath: CHROMIUM, args: [...QUIET, ...root] });
        return this;
    }

    async close() {
        await this.browser?.close();
        if (this.ended) throw new Error(this.ended);
        if (this.gateway) {
            const ended = new Promise((resolve) => this.gateway.once("exit", resolve));
            this.gateway.kill("SIGTERM");
            await ended;
        }
        rmSync(this.data, { recursive: true, force: true });
    }

    // The admin API as a program uses it.
    async admin(method, path, body, key = this.owner) {
        const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) };
        const response = await fetch(`${this.base}/admin/v1${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
        const text = await response.text();
        return { status: response.status, value: text ? JSON.parse(text) : null };
    }

    // A call as an application makes it.
    async call(key, body, headers = {}, path = "/v1/chat/completions") {
        return fetch(this.callers + path, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
    }

    async adminKey(role, team) {
        const { status, value } = await this.admin("POST", "/admin_keys", { name: `${role} of the tests`, role, ...(team ? { team } : {}) });
        if (status !== 201) throw new Error(`no admin key: ${JSON.stringify(value)}`);
        return value.key;
    }

    // A person: a browser window of their own, signed in with a key.
    async person(key = this.owner, options = {}) {
        const context = await this.browser.newContext({ viewport: { width: this.width, height: 900 }, reducedMotion: "reduce", ...options });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE_MS);
        const watched = watch(page, this.base);
        if (key) {
            const answer = await context.request.post(`${this.base}/admin/v1/sessions`, { data: { key }, headers: { "x-turnpike-console": "1", origin: this.base } });
            if (answer.status() !== 201) throw new Error(`no session: ${answer.status()} ${await answer.text()}`);
        }
        return new Person(this, context, page, watched);
    }
}

// Errors in the console, exceptions, dialogs that a script opened, and requests to anywhere else.
function watch(page, base) {
    const found = { errors: [], elsewhere: [], dialogs: [] };
    page.on("console", (message) => message.type() === "error" && found.errors.push(message.text()));
    page.on("pageerror", (problem) => found.errors.push(problem.message));
    page.on("dialog", (dialog) => {
        found.dialogs.push(dialog.message());
        void dialog.dismiss();
    });
    page.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${base}/`) && !url.startsWith("data:") && !url.startsWith("blob:")) found.elsewhere.push(url);
    });
    return found;
}

class Person {
    constructor(world, context, page, found) {
        Object.assign(this, { world, context, page, found });
    }

    // Goes there as somebody who was sent the link, and waits until the page is drawn.
    async goto(path) {
        await this.page.goto(`${this.world.base}/console${path}`);
        await this.drawn();
    }

    // Goes there within the console, as the back button does: nothing is loaded anew.
    async walk(path) {
        await this.page.evaluate((url) => {
            history.pushState(null, "", url);
            dispatchEvent(new PopStateEvent("popstate"));
        }, `/console${path}`);
        await this.drawn();
    }

    // The page has its heading, and nothing on it is still coming.
    async drawn() {
        await this.page.locator("main h1").first().waitFor();
        await this.page.waitForFunction(() => document.querySelector("main .loading") === null);
    }

    // Nothing that must never happen has happened; `expected` are statuses of requests that were to be refused.
    complaints(expected = []) {
        const refused = new RegExp(`the server responded with a status of (${expected.join("|") || "none"})`);
        const errors = this.found.errors.filter((text) => !refused.test(text));
        return [...errors, ...this.found.elsewhere.map((url) => `a request to ${url}`), ...this.found.dialogs.map((text) => `a dialog: ${text}`)];
    }

    // Violations of accessibility that somebody would suffer from; of all rules, or of these.
    async violations(rules) {
        // Half-way from one colour to the next nothing can be read.
        await this.page.waitForFunction(() => document.getAnimations().every((each) => !(each instanceof CSSTransition)));
        if (await this.page.evaluate(() => !("axe" in globalThis))) await this.page.evaluate(AXE);
        // Of many rows that are alike a few are looked at.
        const { violations } = await this.page.evaluate((only) => globalThis.axe.run({ exclude: [["tbody tr:nth-child(n + 5)"]] }, { resultTypes: ["violations"], ...(only ? { runOnly: only } : {}) }), rules);
        return violations.filter((each) => each.impact === "serious" || each.impact === "critical").map((each) => `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
    }

    // How far the page is wider than the window.
    overflow() {
        return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    }

    dialog() {
        return this.page.locator("dialog[open]");
    }

    // A toast says so.
    async told(text) {
        await this.page.locator(".toast", { hasText: text }).first().waitFor();
    }

    async close() {
        await this.context.close();
    }
}
