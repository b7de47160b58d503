// Bundles the console into dist/: index.html and, beside it, assets with a hash in their names, which
// browsers may keep for ever. `node build.mjs [--outdir FOLDER]` once, for the binary, which is built in several
// folders at the same time (tools/embed_console.py); dev.mjs calls build() at each change.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

// What all files together may take, compressed: the console is to come in one breath over a slow VPN.
const SIZE_LIMIT = 200 * 1024;

// theme.ts runs before the first paint, so it is a file of its own: small, and no module, which would wait.
const ENTRIES = [
    { name: "theme", file: "src/theme.ts", extension: "js", format: "iife" },
    { name: "console", file: "src/main.tsx", extension: "js", format: "esm" },
    { name: "console", file: "src/style/console.css", extension: "css" },
];

async function bundle(entry, readable) {
    const result = await esbuild.build({
        absWorkingDir: here,
        entryPoints: [entry.file],
        bundle: true,
        write: false,
        outdir: "dist",
        minify: !readable,
        target: "es2022",
        ...(entry.format ? { format: entry.format } : {}),
        jsx: "automatic",
        jsxImportSource: "preact",
        legalComments: "none",
        logLevel: "warning",
    });
    return Buffer.from(result.outputFiles[0].contents);
}

// The hash stands for the content: a file of that name never changes.
function hashed(entry, content) {
    const hash = createHash("sha256").update(content).digest("base64url").slice(0, 10);
    return `assets/${entry.name}-${hash}.${entry.extension}`;
}

export async function build({ folder = join(here, "dist"), readable = false } = {}) {
    const files = [];
    for (const entry of ENTRIES) {
        const content = await bundle(entry, readable);
        files.push({ name: hashed(entry, content), content, place: `{${entry.name}.${entry.extension}}` });
    }
    const icon = readFileSync(join(here, "src/icon.svg"));
    files.push({ name: hashed({ name: "icon", extension: "svg" }, icon), content: icon, place: "{icon.svg}" });
    let page = readFileSync(join(here, "src/index.html"), "utf8");
    for (const file of files) page = page.replaceAll(file.place, `/console/${file.name}`);
    files.push({ name: "index.html", content: Buffer.from(page) });

    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, "assets"), { recursive: true });
    for (const file of files) writeFileSync(join(folder, file.name), file.content);
    return files.map((file) => ({ name: file.name, size: file.content.length, compressed: gzipSync(file.content, { level: 9 }).length }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { values } = parseArgs({ options: { outdir: { type: "string" } } });
    const files = await build({ folder: values.outdir });
    const total = files.reduce((sum, file) => sum + file.compressed, 0);
    for (const file of files) console.log(`${String(file.compressed).padStart(7)} of ${String(file.size).padStart(7)}  ${file.name}`);
    console.log(`${String(total).padStart(7)} bytes compressed in all; at most ${SIZE_LIMIT}`);
    if (total > SIZE_LIMIT) process.exit(1);
}
