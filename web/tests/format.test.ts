import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../src/base/format.ts";

test("money is cut for reading, and nothing is made of it where nothing is known", () => {
    const cases: [string | null, string][] = [
        [null, "–"], ["", "–"], ["0.000000000000", "$0"], ["0.000000000001", "<$0.00001"], ["0.00001234", "$0.000012"],
        ["0.0042", "$0.0042"], ["0.0999", "$0.100"], ["0.5", "$0.500"], ["0.9951", "$1.00"], ["12.3", "$12.30"], ["999.99", "$999.99"],
        ["1234.5", "$1,235"], ["431234", "$431,234"], ["12345678", "$12.3M"], ["-3.5", "−$3.50"],
    ];
    for (const [amount, text] of cases) assert.equal(format.money(amount), text, String(amount));
});

test("the exact amount is the decimal that the gateway gave", () => {
    assert.equal(format.moneyExact("1234567.004215000000"), "1,234,567.004215 USD");
    assert.equal(format.moneyExact("500"), "500.00 USD");
    assert.equal(format.moneyExact(null), "not known");
    // More digits than a floating-point number has.
    assert.equal(format.moneyExact("123456789012.123456789012"), "123,456,789,012.123456789012 USD");
});

test("counts keep three digits that mean something", () => {
    const cases: [number | null, string][] = [[null, "–"], [0, "0"], [940, "940"], [12_400, "12,400"], [99_999, "99,999"], [100_000, "100k"], [1_240_000, "1.24M"], [45_600_000_000, "45.6B"]];
    for (const [value, text] of cases) assert.equal(format.count(value), text);
    assert.equal(format.countAxis(8_000_000), "8M");
    assert.equal(format.countAxis(2_500_000), "2.5M");
    assert.equal(format.countAxis(0), "0");
    assert.equal(format.bytes(900), "900 B");
    assert.equal(format.bytes(64 * 2 ** 20), "64.0 MiB");
});

test("parts of a whole, and changes", () => {
    assert.equal(format.percent(1, 0), "–");
    assert.equal(format.percent(0, 5), "0%");
    assert.equal(format.percent(1, 100_000), "<0.01%");
    assert.equal(format.percent(34, 1000), "3.4%");
    assert.equal(format.percent(2, 3), "67%");
    assert.equal(format.change(112, 100), "+12%");
    assert.equal(format.change(50, 100), "−50%");
    assert.equal(format.change(5, 0), "new");
    assert.equal(format.change(0, 0), "");
    assert.equal(format.change(4000, 100), "×40");
    assert.equal(format.change(100, 100), "±0%");
    assert.equal(format.change(5, null), "");
});

test("durations", () => {
    const cases: [number | null, string][] = [[null, "–"], [0.26, "0.26 ms"], [4.25, "4.3 ms"], [48.2, "48 ms"], [999, "999 ms"], [1240, "1.24 s"], [48_200, "48.2 s"], [200_000, "3 min 20 s"]];
    for (const [ms, text] of cases) assert.equal(format.duration(ms), text);
    assert.equal(format.duration(0), "0");
    assert.equal(format.span(0), "0 s");
    assert.equal(format.span(86_400), "1 day");
    assert.equal(format.span(90_000), "1 day 1 h");
    assert.equal(format.span(12 * 86_400 + 5000), "12 days");
});

test("moments are the viewer's, and UTC where they are exact", () => {
    const now = new Date("2026-11-30T15:00:00Z");
    assert.equal(format.moment("2026-11-30T14:03:22.379196Z", now), "14:03:22");
    assert.equal(format.moment("2026-11-28T14:03:22Z", now), "28 Nov 14:03");
    assert.equal(format.moment("2025-11-28T14:03:22Z", now), "28 Nov 2025");
    assert.equal(format.moment(null, now), "–");
    assert.equal(format.momentExact("2026-11-30T14:03:22.379196Z"), "2026-11-30 14:03:22.379 UTC");
    assert.equal(format.relative("2026-11-30T14:59:57Z", now), "just now");
    assert.equal(format.relative("2026-11-30T14:56:30Z", now), "3 min ago");
    assert.equal(format.relative("2026-12-05T15:00:00Z", now), "in 5 days");
    assert.equal(format.relative(null, now), "never");
});
