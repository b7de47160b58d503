"""Where Node and the npm packages of the tests are."""

import pathlib

DIRECTORY = pathlib.Path(__file__).resolve().parent / "e2e" / "node"


def node():
    """The pinned Node of package.json (the SDK wants 22, distributions have older ones), else the system's."""
    for pinned in sorted(DIRECTORY.glob("node_modules/node-linux-*/bin/node")):
        return str(pinned)
    return "node"
