"""Runs `turnpike` as a shell would."""

import os
import subprocess

import gateway as gateway_module

BINARY = gateway_module.BINARY


def turnpike(*arguments, code=0, **environment):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **gateway_module.SANITIZERS, **environment})
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not gateway_module.UNHEALTHY.search(done.stderr), done.stderr
    return done
