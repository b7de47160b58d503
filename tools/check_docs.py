#!/usr/bin/env python3
"""Fails when a document points to something that is not there.

Checked in README.md and docs/: relative links and their #headings, and names of files in `code`
that begin with a folder of this tree. `FILE:NAME` also needs NAME to occur in FILE, so that a test or
function that is renamed is noticed. A `*` in a name stands for any run of characters within a folder; a
name with NAME, ROOM or MODULE in it stands for one to come.
Generated pages that are made from tables are compared with what their generators write.
Runs in `./dev check`.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
IN_TREE = re.compile(r"^(?:(?:src|tests|tools|docs|packaging|bench|\.ci)/[\w./*{},-]*|README\.md|meson\.build)(?::\w+)?$")
TO_COME = re.compile(r"NAME|ROOM|MODULE")
GENERATORS = ["tools/make_errors_page.py", "tools/make_endpoints_page.py", "tools/make_units_page.py", "tools/make_admin_page.py"]


def anchors_of(page):
    """The #names of a page's headings, as the usual renderers make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    plain = (re.sub(r"[`*]", "", heading).strip().lower() for heading in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def complaint_about_link(page, target):
    if re.match(r"^[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.exists():
        return "there is no such file"
    if anchor and place.suffix == ".md" and anchor not in anchors_of(place):
        return "there is no such heading"
    return None


def alternatives(name):
    """`a/{b,c}.h` as its names."""
    match = re.search(r"\{([^{}]*)\}", name)
    if not match:
        return [name]
    return [other for word in match.group(1).split(",") for other in alternatives(name[: match.start()] + word + name[match.end() :])]


def complaint_about_name(name):
    path, _, symbol = name.partition(":")
    for each in alternatives(path):
        found = [file for file in ROOT.glob(each.rstrip("/"))]
        if not found:
            return "there is no such file"
        if symbol and not any(re.search(rf"\b{symbol}\b", file.read_text(encoding="utf-8")) for file in found if file.is_file()):
            return f"{path} has no {symbol}"
    return None


def complaints_of(page):
    """Each wrong pointer of one page as FILE:LINE: why."""
    text = page.read_text(encoding="utf-8")
    blank = FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
    pointers = [(match.start(), match.group(1), complaint_about_link(page, match.group(1))) for match in LINK.finditer(blank)]
    pointers += [
        (match.start(), match.group(1), complaint_about_name(match.group(1)))
        for match in CODE.finditer(blank)
        if IN_TREE.match(match.group(1)) and not TO_COME.search(match.group(1))
    ]
    for start, target, why in sorted(pointers):
        if why:
            yield f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, start) + 1}: '{target}': {why}"


def main():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    complaints = [complaint for page in pages for complaint in complaints_of(page)]
    for generator in GENERATORS:
        run = subprocess.run([sys.executable, ROOT / generator, "--check"], capture_output=True, text=True)
        if run.returncode != 0:
            complaints.append(run.stderr.strip())
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
