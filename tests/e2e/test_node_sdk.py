"""The official SDK for Node: each node/*.test.mjs is one test here, run by node's own test runner.

The scripts get the gateway's address and a key in the environment, as an application would.
"""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "node"


def node():
    """The pinned Node of package.json (the SDK wants 22, distributions have older ones), else the system's."""
    for pinned in sorted(HERE.glob("node_modules/node-linux-*/bin/node")):
        return str(pinned)
    return "node"


def scripts():
    return sorted(HERE.glob("*.test.mjs"))


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_node(gateway, fake, script):
    assert (HERE / "node_modules" / "openai").exists(), "npm ci in tests/e2e/node first; ./dev test does it"
    done = subprocess.run(
        [node(), "--test", "--test-reporter=spec", "--test-timeout=60000", script.name], cwd=HERE,
        env={**os.environ, "OPENAI_BASE_URL": gateway.url + "/v1", "OPENAI_API_KEY": gateway.key}, capture_output=True,
        text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "# pass 0" not in done.stdout and "pass 0" not in done.stdout, "the script holds no tests"
