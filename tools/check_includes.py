#!/usr/bin/env python3
"""Fails when a file of src/ includes what its room may not know.

The table below is the one place that says which room may include which (docs/architecture.md gives
the reasons). A room may always include itself. An entry with a slash allows one header, not its room.
Runs in `./dev check` and in every build (root meson.build), where --stamp and --depfile tell Ninja
when to run it again.
"""

import argparse
import pathlib
import re
import sys

ADDRESS = "net/address.h"  # plain values: an address is not a socket

MAY_INCLUDE = {
    "base": "",
    "tables": "base",
    "codec": "base tables",
    "net": "base tables",
    "http": "base tables codec net",
    "openai": "base tables codec",
    "provider": "base tables codec openai",
    "identity": f"base tables codec {ADDRESS}",
    "store": "base tables",
    "meter": "base tables codec openai",
    "policy": f"base tables codec openai identity store meter {ADDRESS}",
    "route": f"base tables provider {ADDRESS}",
    "ledger": f"base tables codec openai meter store identity/network.h {ADDRESS}",  # a network is a plain value
    "observe": f"base tables ledger {ADDRESS}",
    "config": f"base tables codec provider identity/claims.h identity/jwt.h identity/network.h identity/network_rules.h identity/source.h identity/token.h {ADDRESS} net/tls.h route/rules.h",  # plain values that are config
    "demo": "base tables codec net http openai",
    "gate": "base tables openai identity meter policy route config",
    "exchange": "base tables codec net http openai provider identity policy route meter store ledger observe config gate demo",
}

# What stands beside or above the road may know all of it, and of each other what stands before.
ROAD = " ".join(MAY_INCLUDE)
MAY_INCLUDE["cluster"] = "base tables codec net store policy config"
MAY_INCLUDE["control"] = ROAD + " cluster"
MAY_INCLUDE["preview"] = ROAD + " cluster control"
MAY_INCLUDE["admin"] = ROAD + " cluster control preview"
MAY_INCLUDE["leaks"] = "base tables codec identity"
MAY_INCLUDE["sample"] = ROAD + " cluster control admin"
MAY_INCLUDE["app"] = ROAD + " cluster control admin leaks preview sample"

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SOURCES = (".c", ".h", ".def")


def complaints_of(file, source):
    """Each forbidden or unrooted include of one file, as FILE:LINE: why."""
    room = file.relative_to(source).parts[0]
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        where = f"{file}:{number}"
        other = target.split("/")[0]
        if "/" not in target or ".." in target or not (source / target).exists():
            if not target.startswith("generated/"):
                yield f'{where}: "{target}" is not a file under src/ (includes are rooted there)'
            continue
        allowed = MAY_INCLUDE[room].split()
        if other != room and other not in allowed and target not in allowed:
            yield f'{where}: {room}/ may not include "{target}" (it may include: {" ".join(allowed) or "nothing"})'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--stamp", type=pathlib.Path, help="file to write when all is well")
    parser.add_argument("--depfile", type=pathlib.Path, help="file to list what was read in")
    options = parser.parse_args()

    source = options.root / "src"
    folders = [path for path in sorted(source.iterdir()) if path.is_dir()]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in SOURCES]
    complaints = [f"{folder}: no row in {__file__}" for folder in folders if folder.name not in MAY_INCLUDE]
    for file in files:
        if file.relative_to(source).parts[0] in MAY_INCLUDE:
            complaints += complaints_of(file, source)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        return 1
    if options.stamp:
        options.stamp.write_text("")
    if options.depfile:
        read = " ".join(str(path).replace(" ", "\\ ") for path in [source, *folders, *files])
        options.depfile.write_text(f"{options.stamp}: {read}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
