#!/usr/bin/env python3
"""Runs the fuzz targets of build-asan/, as many at once as there are cores.

A target NAME is build-asan/tests/fuzz/fuzz_NAME. It starts from tests/fuzz/corpus/NAME (kept in the
tree), the golden conversations of a translator (fuzz_seeds.py) and .dev/fuzz/NAME (what earlier runs here
found); an input that breaks it is left in .dev/fuzz/.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import fuzz_seeds

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ROOT / "build-asan" / "tests" / "fuzz"
FOUND = ROOT / ".dev" / "fuzz"
SEEDS = ROOT / ".dev" / "fuzz-seeds"

MEMORY_MB = 1024  # far above what a codec needs, far below what would trouble a build machine
INPUT_SECONDS = 10  # one input that takes longer is a hang
GRACE_SECONDS = 60  # a target that does not stop by itself


def run(name, seconds):
    """One target for that long: whether it held, and a line or a report to print."""
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "tests" / "fuzz" / "corpus" / name
    seeds = SEEDS / name
    command = [
        TARGETS / f"fuzz_{name}",
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={INPUT_SECONDS}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-print_final_stats=1",
        found,
        *([kept] if kept.is_dir() else []),
        *([seeds] if fuzz_seeds.write(name, seeds) else []),
    ]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return False, f"{name} did not stop"
    if answer.returncode != 0:
        return False, f"{name}\n{answer.stderr[-6000:]}"
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", answer.stderr)
    return True, f"{name}: {runs.group(1) if runs else '?'} inputs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", help="only this one")
    parser.add_argument("--results", type=pathlib.Path, help="file to append 'pass fuzz/NAME' lines to")
    options = parser.parse_args()

    names = sorted(path.name.removeprefix("fuzz_") for path in TARGETS.glob("fuzz_*") if path.is_file() and os.access(path, os.X_OK))
    if options.target:
        if options.target not in names:
            parser.error(f"no target '{options.target}' (there are: {' '.join(names)})")
        names = [options.target]
    all_held = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (held, text) in zip(names, pool.map(lambda name: run(name, options.seconds), names)):
            print("ok     " if held else "FAILED ", text)
            all_held = all_held and held
            if options.results:
                with options.results.open("a") as results:
                    results.write(f"{'pass' if held else 'fail'} fuzz/{name}\n")
    return 0 if all_held else 1


if __name__ == "__main__":
    sys.exit(main())
