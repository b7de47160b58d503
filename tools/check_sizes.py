#!/usr/bin/env python3
"""Fails on a C function over 100 lines; mentions functions over 40 and files over 800.

Lengths are those of universal-ctags: from the line of the name to the closing brace.
"""

import json
import pathlib
import subprocess
import sys

FUNCTION_LIMIT = 100  # one screen and a half: more is two functions
FUNCTION_TYPICAL = 40
FILE_TYPICAL = 800


def functions(files):
    command = ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+ne", "--output-format=json", "-f", "-"]
    answer = subprocess.run([*command, "-L", "-"], input="\n".join(map(str, files)), capture_output=True, text=True, check=True)
    for line in answer.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["end"] - tag["line"] + 1, tag["path"], tag["line"], tag["name"]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    files = sorted(path for folder in ("src", "tests") for path in (root / folder).rglob("*.[ch]") if "node_modules" not in path.parts)
    lengths = sorted(functions(files), reverse=True)
    too_long = [row for row in lengths if row[0] > FUNCTION_LIMIT]
    for length, path, line, name in too_long:
        print(f"{path}:{line}: {name}() has {length} lines, the limit is {FUNCTION_LIMIT}", file=sys.stderr)
    long = [row for row in lengths if FUNCTION_TYPICAL < row[0] <= FUNCTION_LIMIT and "/src/" in row[1]]
    if long:
        print(f"{len(long)} of {len(lengths)} functions have over {FUNCTION_TYPICAL} lines, the longest {long[0][0]} ({long[0][3]})")
    for path in files:
        count = path.read_text(encoding="utf-8").count("\n")
        if count > FILE_TYPICAL:
            print(f"{path.relative_to(root)}: {count} lines; has it still one subject?")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
