// Makes the pictures of docs/images/ from the sample data:
//
//     TURNPIKE_BIN=$PWD/build/turnpike node tests/console/pictures.mjs docs/images
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "./harness.mjs";

const QUALITY = 82; // of WebP: text stays sharp, a picture has some tens of KiB

const PICTURES = [
    { name: "overview", path: "/?period=30d" },
    { name: "overview-dark", path: "/?period=30d", dark: true },
    { name: "live", path: "/live", ready: "table tbody tr:nth-child(6)" },
    { name: "calls", path: "/calls?period=7d&status=5xx", open: true },
    { name: "usage", path: "/usage?by=team&period=90d" },
    { name: "team", path: "/teams/coding" },
    { name: "reach", path: "/reach?since=7d&team=documents", open: true },
    { name: "models", path: "/models" },
    { name: "audit", path: "/audit?kind=budget", open: true },
    { name: "playground", path: "/playground?model=gpt-5-mini&beside=claude-sonnet-5", act: ask },
];

async function ask(page) {
    await page.getByLabel("Message").fill("Summarise in two sentences why a gate on the road is worth it.");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("link", { name: "the record" }).nth(1).waitFor();
}

const [folder] = process.argv.slice(2);
if (!folder) {
    console.error("usage: node tests/console/pictures.mjs FOLDER");
    process.exit(2);
}
const world = await new World().open({ days: 90, width: 1280 });
try {
    for (const picture of PICTURES) {
        const person = await world.person(undefined, { colorScheme: picture.dark ? "dark" : "light", viewport: { width: 1280, height: 800 } });
        await person.goto(picture.path);
        if (picture.ready) await person.page.locator(picture.ready).first().waitFor();
        if (picture.open) {
            await person.page.locator("tbody a").first().click();
            await person.page.locator(".drawer .loading").waitFor({ state: "detached" });
        }
        if (picture.act) await picture.act(person.page);
        await person.page.evaluate(() => window.scrollTo(0, 0));
        const session = await person.context.newCDPSession(person.page);
        const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
        writeFileSync(join(folder, `console-${picture.name}.webp`), Buffer.from(data, "base64"));
        await person.close();
    }
} finally {
    await world.close();
}
