// Unit tests of what needs no browser: bundles tests/*.test.ts, so that any Node can run them, and hands
// them to Node's own test runner.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const tests = readdirSync(join(here, "tests")).filter((name) => name.endsWith(".test.ts"));
const folder = mkdtempSync(join(here, "node_modules/.test-"));
try {
    await esbuild.build({
        absWorkingDir: here,
        entryPoints: tests.map((name) => `tests/${name}`),
        bundle: true,
        platform: "node",
        format: "esm",
        packages: "external",
        outdir: folder,
        outExtension: { ".js": ".mjs" },
        sourcemap: "inline",
        jsx: "automatic",
        jsxImportSource: "preact",
        logLevel: "warning",
    });
    const files = readdirSync(folder).map((name) => join(folder, name));
    const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit", env: { ...process.env, TZ: "UTC" } });
    process.exitCode = run.status ?? 1;
} finally {
    rmSync(folder, { recursive: true, force: true });
}
