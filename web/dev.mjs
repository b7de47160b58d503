// The console for those who work on it: serves the pages from web/ as they change, and hands /admin/v1 on
// to a gateway's admin door. `npm run dev -- --help` says how.
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";

const USAGE = `usage: npm run dev -- [--gateway http://127.0.0.1:8081 | --gateway unix:/path/admin.sock] [--port 5173]

Pages come from web/, built anew at each change; reload the browser to see it. /admin/v1 goes to the gateway.
With TURNPIKE_ADMIN_KEY in the environment that key is shown to the gateway, and nobody needs to sign in.
Without it the console's own sign-in works, as far as the gateway has it.`;

const { values: options } = parseArgs({
    options: {
        gateway: { type: "string", default: "unix:../data/admin.sock" },
        port: { type: "string", default: "5173" },
        help: { type: "boolean", default: false },
    },
});
if (options.help) {
    console.log(USAGE);
    process.exit(0);
}

const folder = join(tmpdir(), `turnpike-console-${process.pid}`);
const key = process.env["TURNPIKE_ADMIN_KEY"];
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

// As the gateway sends it, so that what it forbids is noticed here.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

function door() {
    if (options.gateway.startsWith("unix:")) return { socketPath: options.gateway.slice("unix:".length) };
    const url = new URL(options.gateway);
    return { host: url.hostname, port: url.port };
}

function handOn(request, response) {
    const headers = { ...request.headers, host: request.headers.host ?? "gateway" };
    if (key) headers.authorization = `Bearer ${key}`;
    const onward = http.request({ ...door(), method: request.method, path: request.url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
    });
    onward.on("error", (problem) => {
        if (response.headersSent) return response.destroy();
        response.writeHead(502, { "content-type": "application/json" });
        response.end(JSON.stringify({ error: { code: "gateway_away", message: `The gateway at ${options.gateway} does not answer: ${problem.message}`, field: null, request_id: "" } }));
    });
    response.on("close", () => onward.destroy());
    request.pipe(onward);
}

// A file of the build, or the page: every view of the console has a URL, and index.html answers them all.
async function serve(request, response) {
    const path = normalize(new URL(request.url, "http://console").pathname);
    if (!path.startsWith("/console/")) {
        response.writeHead(302, { location: "/console/" });
        return response.end();
    }
    const asset = path.startsWith("/console/assets/");
    const name = asset ? path.slice("/console/".length) : "index.html";
    try {
        const content = await readFile(join(folder, name));
        response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "application/octet-stream", "content-security-policy": POLICY, "cache-control": asset ? "max-age=31536000, immutable" : "no-store" });
        response.end(content);
    } catch {
        response.writeHead(404, { "content-type": "text/plain" });
        response.end(`There is no ${name} in this build.\n`);
    }
}

async function rebuild() {
    const started = Date.now();
    try {
        const files = await build({ folder, readable: true });
        console.log(`built ${files.length} files in ${Date.now() - started} ms`);
    } catch {
        // esbuild has said what is wrong; the last build that worked stays.
    }
}

await rebuild();
let waiting;
watch(fileURLToPath(new URL("src", import.meta.url)), { recursive: true }, () => {
    clearTimeout(waiting);
    waiting = setTimeout(rebuild, 50);
});
http.createServer((request, response) => (request.url.startsWith("/admin/v1") ? handOn : serve)(request, response)).listen(Number(options.port), "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${options.port}/console/  (gateway: ${options.gateway})`);
});
