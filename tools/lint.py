#!/usr/bin/env python3
"""Runs clang-tidy (checks: .clang-tidy) over src/, on files that changed since they last passed.

A file counts as changed when it, a header that it includes (as Ninja saw it in build/), its compile
command, or the checks have changed. What passed is remembered in .dev/lint/. With --quick the analyzer
is left out, which follows paths through functions and takes most of the time.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

QUICK = "--quick" in sys.argv[1:]
ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PASSED = ROOT / ".dev" / ("lint-quick" if QUICK else "lint")
TIDY = ROOT / ".dev" / "venv" / "bin" / "clang-tidy"


def included():
    """Source file to the set of files of this tree that its object was made from."""
    answer = subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], capture_output=True, text=True, check=True)
    found = {}
    for block in answer.stdout.split("\n\n"):
        target, *lines = block.splitlines() or [""]
        if ".o: " not in target:
            continue
        paths = [(BUILD / line.strip()).resolve() for line in lines]
        own = {path for path in paths if ROOT in path.parents}
        for path in own:
            if path.suffix == ".c":
                found.setdefault(path, set()).update(own)
    return found


def key_of(command, files):
    digest = hashlib.sha256()
    for path in [ROOT / ".clang-tidy", ROOT / "tools" / "requirements.txt", *sorted(files)]:
        digest.update(path.read_bytes() if path.exists() else b"gone")
    digest.update(command.encode())
    return digest.hexdigest()


def lint(file, resources):
    # The compile commands are GCC's, whose warnings clang-tidy does not all know.
    return subprocess.run(
        [TIDY, *(["--checks=-clang-analyzer-*"] if QUICK else []), "--quiet", "-p", BUILD, "--extra-arg=-Wno-unknown-warning-option", f"--extra-arg=-resource-dir={resources}", file],
        capture_output=True,
        text=True,
    )


def main():
    PASSED.mkdir(parents=True, exist_ok=True)
    resources = subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True, check=True).stdout.strip()
    headers = {path for pattern in ("*.h", "*.def") for path in (ROOT / "src").rglob(pattern)}
    depends = included()
    work = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        file = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if ROOT / "src" in file.parents:
            work[file] = PASSED / key_of(entry["command"], depends.get(file, headers | {file}))
    due = {file: stamp for file, stamp in work.items() if not stamp.exists()}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (file, stamp), answer in zip(due.items(), pool.map(lambda file: lint(file, resources), due)):
            if answer.returncode == 0:
                stamp.write_text("")
            else:
                failed += 1
                print(answer.stdout + answer.stderr, file=sys.stderr)
    for stamp in set(PASSED.iterdir()) - set(work.values()):
        stamp.unlink()
    print(f"{len(work)} files, {len(due)} linted, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
