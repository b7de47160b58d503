// What is drawn on a canvas has the colours of its legend: also for who wants no motion, and after the colours
// of the page have changed.
import assert from "node:assert/strict";
import { test } from "node:test";

// In the page: whether some pixel of the first chart has the colour of the first series of its legend.
function isDrawn() {
    const canvas = document.querySelector(".chart canvas");
    const swatch = document.querySelector(".chart .swatch");
    if (!canvas || !swatch) return false;
    const [red, green, blue] = getComputedStyle(swatch).backgroundColor.match(/\d+/g).map(Number);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 200 && Math.abs(data[i] - red) + Math.abs(data[i + 1] - green) + Math.abs(data[i + 2] - blue) < 12) return true;
    }
    return false;
}

export function charts(getWorld) {
    for (const reducedMotion of ["reduce", "no-preference"]) {
        test(`charts have their colours, motion: ${reducedMotion}`, async () => {
            const person = await getWorld().person(undefined, { reducedMotion });
            const { page } = person;
            await person.goto("/usage?period=7d");
            await page.locator(".chart canvas").first().waitFor();
            await page.waitForFunction(isDrawn);
            await page.emulateMedia({ colorScheme: "dark" });
            await page.waitForFunction(isDrawn);
            assert.deepEqual(person.complaints(), []);
            await person.close();
        });
    }
}
