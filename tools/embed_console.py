#!/usr/bin/env python3
"""Builds the console (web/) and writes it as C source: the table of src/admin/console_files.h.

The build calls it. Bundling is web/build.mjs's, with the npm packages that tools/setup.sh installs;
here its files are compressed and put into the table. Nothing of it depends on the day or the machine:
the same web/ and the same packages give the same bytes. Without packages the table is empty, and the
gateway says so at /console/; with --console enabled that is an error, with disabled it is wanted.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
PACKAGES = WEB / "node_modules"

# Where a Node may be: what the set-up brought along, the system's, that of the tests.
NODES = [ROOT / ".dev/venv/bin/node", shutil.which("node"), *sorted(ROOT.glob("tests/e2e/node/node_modules/node-linux-*/bin/node"))]

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}

# What browsers keep for ever lies here, with its content's hash in the name.
HASHED = "assets/"


def sources():
    """Every file and folder of web/ that the bundle is made of: a new file changes its folder."""
    yield WEB
    for name in ("build.mjs", "package.json", "package-lock.json", "tsconfig.json"):
        if (WEB / name).exists():
            yield WEB / name
    if (WEB / "src").exists():
        yield WEB / "src"
        yield from sorted((WEB / "src").rglob("*"))
    if (PACKAGES / "turnpike.stamp").exists():
        yield PACKAGES / "turnpike.stamp"


def what_is_missing():
    """Why the console cannot be built here, or None."""
    if not (WEB / "build.mjs").exists():
        return "there is no web/build.mjs"
    if not (PACKAGES / "esbuild").exists():
        return "its npm packages are not installed: `tools/setup.sh build`, or `npm ci --prefix web`"
    if not any(NODES):
        return "there is no Node"
    return None


def bundle(folder):
    """Runs web/build.mjs; what it says matters only if it fails."""
    node = next(str(node) for node in NODES if node and pathlib.Path(node).exists())
    done = subprocess.run([node, "build.mjs", "--outdir", str(folder)], cwd=WEB, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (folder / "index.html").exists():
        raise SystemExit(f"{done.stdout}{done.stderr}embed_console.py: web/build.mjs made no console")


def licences():
    """The licences of the packages whose code is in the bundle: all that is not for development only."""
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    parts = ["The console of Turnpike has code of these packages in it.\n"]
    for place, package in sorted(lock["packages"].items()):
        if not place or package.get("dev") or not (WEB / place).exists():
            continue
        name = place.rpartition("node_modules/")[2]
        texts = [file for file in sorted((WEB / place).iterdir()) if file.name.lower().startswith(("licen", "copying", "notice"))]
        if not texts:
            raise SystemExit(f"embed_console.py: {place} comes without its licence: it cannot be given on")
        body = "\n".join(file.read_text(encoding="utf-8").strip() for file in texts)
        parts.append(f"{'-' * 72}\n{name} {package['version']} ({package.get('license', 'see below')})\n\n{body}\n")
    return "\n".join(parts)


def c_bytes(name, content):
    lines = ["    " + "".join(f"{byte}," for byte in content[at : at + 32]) for at in range(0, len(content), 32)]
    return "\n".join([f"static const unsigned char {name}[] = {{", *lines, "};"])


def c_table(files):
    """`files`: path under /console/ to content."""
    arrays, rows = [], []
    for index, (path, content) in enumerate(sorted(files.items())):
        # No time and no name in it: the same content gives the same bytes.
        compressed = gzip.compress(content, compresslevel=9, mtime=0)
        arrays.append(c_bytes(f"file_{index}", compressed))
        tag = hashlib.sha256(content).hexdigest()[:20]
        keep = "true" if path.startswith(HASHED) else "false"
        rows.append(
            f'    {{TEXT_INIT("{path}"), "{TYPES[pathlib.Path(path).suffix]}", "{tag}", '
            f"file_{index}, sizeof(file_{index}), {len(content)}u, {keep}}},"
        )
    return "\n".join(
        [
            "/* Made of web/ by tools/embed_console.py. */",
            '#include "admin/console_files.h"',
            *arrays,
            # A table without rows is no C: the last one stands for the end.
            "const struct console_file console_files[] = {",
            *rows,
            "    {TEXT_INIT(\"\"), \"\", \"\", NULL, 0, 0, false},",
            "};",
            f"const size_t console_file_count = {len(rows)};",
            "",
        ]
    )


def console_files():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "console"
        bundle(folder)
        files = {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
    files["licenses.txt"] = licences().encode()
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--console", choices=["enabled", "disabled", "auto"], required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the C file")
    parser.add_argument("--licences", type=pathlib.Path, required=True, help="the licences of what is in it")
    parser.add_argument("--depfile", type=pathlib.Path, required=True, help="file to list what was read in")
    options = parser.parse_args()

    files = {}
    missing = what_is_missing()
    if options.console == "enabled" and missing:
        raise SystemExit(f"embed_console.py: the console is to be built (-Dconsole=enabled), but {missing}")
    if options.console == "auto" and missing:
        print(f"The gateway is built without its console: {missing}", file=sys.stderr)
    if options.console != "disabled" and not missing:
        files = console_files()
    options.output.write_text(c_table(files), encoding="ascii")
    options.licences.write_bytes(files.get("licenses.txt", b"Built without the console: no code of others is in it.\n"))
    read = " ".join(str(path).replace(" ", "\\ ") for path in sources() if os.path.exists(path))
    options.depfile.write_text(f"{options.output}: {read}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
