#!/usr/bin/env python3
"""Writes a file as C source: `const unsigned char NAME[]` and `const size_t NAME_size`.

The build uses it for what is part of the program: the price list.
"""

import argparse
import pathlib
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("name")
    parser.add_argument("output", type=pathlib.Path)
    options = parser.parse_args()

    content = options.file.read_bytes()
    lines = [f"/* Made of {options.file.name} by the build. */", "#include <stddef.h>"]
    lines += [f"extern const unsigned char {options.name}[];", f"extern const size_t {options.name}_size;"]
    lines += [f"const unsigned char {options.name}[] = {{"]
    lines += ["    " + "".join(f"{byte}," for byte in content[at : at + 32]) for at in range(0, len(content), 32)]
    lines += ["};", f"const size_t {options.name}_size = sizeof {options.name};", ""]
    options.output.write_text("\n".join(lines), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
