// Figures as people read them. Each has a companion that says the exact value, for the hover.
// Money comes from the API as decimal text with up to 12 decimals; it is cut for reading, and added up nowhere.

const UNKNOWN = "–";
const SMALLEST_SHOWN = 0.00001; // dollars; below, digits are counted and not read

// "$1,234", "$12.30", "$0.0042"; dollars without cents from a thousand on.
export function money(amount: string | number | null | undefined): string {
    if (amount === null || amount === undefined || amount === "") return UNKNOWN;
    const value = Number(amount);
    if (!Number.isFinite(value)) return UNKNOWN;
    const size = Math.abs(value);
    const sign = value < 0 ? "−" : "";
    if (size === 0) return "$0";
    if (size >= 1e6) return `${sign}$${scaled(size, [1e9, 1e6], ["B", "M"])}`;
    if (size >= 1000) return `${sign}$${Math.round(size).toLocaleString("en-US")}`;
    if (size >= 0.995) return `${sign}$${size.toFixed(2)}`;
    if (size >= 0.01) return `${sign}$${size.toFixed(3)}`;
    if (size < SMALLEST_SHOWN) return value < 0 ? `−$${SMALLEST_SHOWN.toFixed(5)}` : `<$${SMALLEST_SHOWN.toFixed(5)}`;
    return `${sign}$${smallDecimal(size)}`;
}

// Beside a chart: whole dollars without cents.
export function moneyAxis(value: number): string {
    return value >= 1 && value < 1000 && Number.isInteger(value) ? `$${value}` : money(value);
}

// 0.0000042: two digits that mean something, whatever the size.
function smallDecimal(size: number): string {
    return size.toFixed(1 - Math.floor(Math.log10(size)));
}

function scaled(size: number, steps: number[], names: string[]): string {
    for (let i = 0; i < steps.length; i++) {
        const step = steps[i] ?? 1;
        if (size < step) continue;
        const value = size / step;
        return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}${names[i] ?? ""}`;
    }
    return String(size);
}

// The decimal as the API wrote it, without the zeros at its end: "$0.004215 USD".
export function moneyExact(amount: string | number | null | undefined): string {
    if (amount === null || amount === undefined || amount === "") return "not known";
    const text = String(amount);
    const [whole = "0", decimals = ""] = text.split(".");
    const kept = decimals.replace(/0+$/, "").padEnd(2, "0");
    return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${kept} USD`;
}

// "940", "12,400", "1.24M".
export function count(value: number | null | undefined): string {
    if (value === null || value === undefined) return UNKNOWN;
    if (Math.abs(value) < 100_000) return Math.round(value).toLocaleString("en-US");
    const sign = value < 0 ? "−" : "";
    return sign + scaled(Math.abs(value), [1e12, 1e9, 1e6, 1e3], ["T", "B", "M", "k"]);
}

// Beside a chart: "8M" for "8.00M".
export function countAxis(value: number): string {
    return count(value).replace(/\.0+(?=[a-zA-Z])/, "").replace(/(\.\d)0(?=[a-zA-Z])/, "$1");
}

export function countExact(value: number | null | undefined): string {
    return value === null || value === undefined ? "not known" : value.toLocaleString("en-US");
}

export function bytes(value: number | null | undefined): string {
    if (value === null || value === undefined) return UNKNOWN;
    if (value < 1024) return `${value} B`;
    return `${scaled(value, [2 ** 40, 2 ** 30, 2 ** 20, 2 ** 10], [" TiB", " GiB", " MiB", " KiB"])}`;
}

// "12%", "3.4%", "0.02%"; nothing where there is nothing to divide by.
export function percent(part: number, whole: number): string {
    if (!whole) return UNKNOWN;
    return percentOf(part / whole);
}

export function percentOf(ratio: number | null | undefined): string {
    if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return UNKNOWN;
    const value = ratio * 100;
    const size = Math.abs(value);
    if (size === 0) return "0%";
    if (size < 0.005) return value < 0 ? "−0.01%" : "<0.01%";
    return `${value.toFixed(size >= 10 ? 0 : size >= 1 ? 1 : 2)}%`.replace("-", "−");
}

// How much more than before: "+12%", "−3.4%", "new" where there was nothing before.
export function change(now: number, before: number | null | undefined): string {
    if (before === null || before === undefined) return "";
    if (before === 0) return now === 0 ? "" : "new";
    const ratio = (now - before) / before;
    if (Math.abs(ratio) < 0.0005) return "±0%";
    if (ratio > 9.995) return `×${(now / before).toFixed(0)}`;
    return `${ratio > 0 ? "+" : ""}${percentOf(ratio)}`;
}

// Milliseconds as "0.26 ms", "48 ms", "1.24 s", "3 min 20 s".
export function duration(milliseconds: number | null | undefined): string {
    if (milliseconds === null || milliseconds === undefined) return UNKNOWN;
    if (milliseconds === 0) return "0";
    if (milliseconds < 1) return `${milliseconds.toFixed(2)} ms`;
    if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
    if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
    if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(2)} s`;
    if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
    return span(milliseconds / 1000);
}

// Between the lines beside a chart of milliseconds: from a second on by the clock, not by ten.
export const DURATION_INCREMENTS = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 3_600_000,
];

// Seconds in the two largest units that matter: "3 min 20 s", "5 h", "12 days".
export function span(seconds: number): string {
    const steps: [number, string][] = [[86_400, " days"], [3600, " h"], [60, " min"], [1, " s"]];
    const rounded = Math.max(0, Math.round(seconds));
    for (let i = 0; i < steps.length; i++) {
        const [step, name] = steps[i] ?? [1, " s"];
        if (rounded < step && step > 1) continue;
        const whole = Math.floor(rounded / step);
        const next = steps[i + 1];
        const rest = next && whole < 5 ? Math.floor((rounded % step) / next[0]) : 0;
        const unit = name === " days" && whole === 1 ? " day" : name;
        return next && rest ? `${whole}${unit} ${rest}${next[1]}` : `${whole}${unit}`;
    }
    return "0 s";
}

// -- moments ------------------------------------------------------------------------------------------------

const pad = (value: number) => String(value).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// The viewer's own calendar: "14:03:22" today, "28 Nov 14:03", "28 Nov 2025".
export function moment(text: string | null | undefined, now = new Date()): string {
    if (!text) return UNKNOWN;
    const at = new Date(text);
    const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    if (at.toDateString() === now.toDateString()) return `${clock}:${pad(at.getSeconds())}`;
    const day = `${at.getDate()} ${MONTHS[at.getMonth()] ?? ""}`;
    return at.getFullYear() === now.getFullYear() ? `${day} ${clock}` : `${day} ${at.getFullYear()}`;
}

export function day(text: string | null | undefined, now = new Date()): string {
    if (!text) return UNKNOWN;
    const at = new Date(text);
    const name = `${at.getDate()} ${MONTHS[at.getMonth()] ?? ""}`;
    return at.getFullYear() === now.getFullYear() ? name : `${name} ${at.getFullYear()}`;
}

// "2026-11-30 14:03:22.379 UTC", for the hover: the same for everybody who speaks of it.
export function momentExact(text: string | null | undefined): string {
    if (!text) return "never";
    return `${new Date(text).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

// "3 min ago", "in 5 days", "just now".
export function relative(text: string | null | undefined, now = new Date()): string {
    if (!text) return "never";
    const seconds = (new Date(text).getTime() - now.getTime()) / 1000;
    if (Math.abs(seconds) < 5) return "just now";
    const words = span(Math.abs(seconds)).replace(/^(\d+ (?:days?|h|min|s)) .*/, "$1");
    return seconds < 0 ? `${words} ago` : `in ${words}`;
}
