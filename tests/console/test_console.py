"""The console in a real browser (console.test.mjs), as one test of the suite: its own report says which of its tests failed."""

import os
import pathlib
import shutil
import subprocess

import pytest

import gateway
import node_runtime

HERE = pathlib.Path(__file__).parent
PATIENCE = 400  # seconds, for a sanitized gateway on a busy machine; it takes one


@pytest.mark.timeout(PATIENCE + 60)
def test_console():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    done = subprocess.run([node_runtime.node(), "--test", "--test-reporter=spec", "console.test.mjs"], cwd=HERE, capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **gateway.SANITIZERS, "TURNPIKE_BIN": str(pathlib.Path(gateway.BINARY).resolve()), "CHROMIUM": chromium})
    failed = done.stdout[done.stdout.find("failing tests:"):]
    assert done.returncode == 0, f"{failed[-20000:]}\n{done.stderr[-4000:]}"
