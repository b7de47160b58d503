#!/usr/bin/env python3
"""Fails on words that no file of the tree may hold: promises, paths of a machine, package registries.

The patterns are written so that they do not match themselves.
"""

import pathlib
import re
import subprocess
import sys

FORBIDDEN = [
    (re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b"), "a promise: do it, or write an issue"),
    (re.compile(r"(?<![\w.$}])/(?:work|farm|root|home)/"), "a path of one machine"),
    (re.compile(r"https?://[\w.-]*(?:debian|npm(?:js)?|pypi|pythonhosted|crates|golang)[\w-]*\.\w+"), "a package registry's host"),
]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    )
    found = 0
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = root / name
        if name.startswith("tests/fuzz/corpus/") or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, reason in FORBIDDEN:
                match = pattern.search(line)
                if match:
                    print(f"{name}:{number}: '{match.group(0)}' is {reason}", file=sys.stderr)
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
