#!/usr/bin/env python3
"""Prints "pass NAME" or "fail NAME" for each test that Meson or pytest ran in a build folder.

A run that left no log at all is one failure: nothing may be lost by crashing early.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree


def meson(folder):
    for line in (folder / "meson-logs" / "testlog.json").read_text().splitlines():
        test = json.loads(line)
        if test["result"] != "SKIP":
            yield test["result"] in ("OK", "EXPECTEDFAIL"), test["name"].rpartition(" / ")[2]


def junit(folder):
    for case in xml.etree.ElementTree.parse(folder / "pytest.xml").iter("testcase"):
        if case.find("skipped") is None:
            name = case.get("classname", "").replace(".", "/") + "::" + case.get("name", "")
            yield case.find("failure") is None and case.find("error") is None, name


def main():
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    try:
        rows = list({"meson": meson, "junit": junit}[kind](folder))
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as error:
        print(f"fail {folder}: {kind} left no results ({error})")
        return
    for passed, name in rows:
        print("pass" if passed else "fail", f"{folder}: {name}")


if __name__ == "__main__":
    main()
