"""The official SDK for Node: each node/*.test.mjs is one test here, run by node's own test runner.

The scripts get the gateway's address and a key in the environment, as an application would.
"""

import os
import subprocess

import pytest

from node_runtime import DIRECTORY, node

def scripts():
    return sorted(DIRECTORY.glob("*.test.mjs"))


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_node(gateway, fake, script):
    assert (DIRECTORY / "node_modules" / "openai").exists(), "npm ci in tests/e2e/node first; ./dev test does it"
    done = subprocess.run(
        [node(), "--test", "--test-reporter=spec", "--test-timeout=60000", script.name], cwd=DIRECTORY,
        env={**os.environ, "OPENAI_BASE_URL": gateway.url + "/v1", "OPENAI_API_KEY": gateway.key}, capture_output=True,
        text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "# pass 0" not in done.stdout and "pass 0" not in done.stdout, "the script holds no tests"
