"""What the tests of the administering verbs share."""

import fcntl
import json
import os
import pty
import select
import struct
import termios

import pytest

import gateway as gateway_module
from command import BINARY, turnpike


class Place:
    """A data directory, and the verbs on it."""

    def __init__(self, data):
        self.data = data

    def run(self, *arguments, code=0):
        return turnpike(*arguments, "--data", self.data, code=code)

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)

    def lines(self, *arguments):
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]

    def refused(self, *arguments, code=2):
        """What was said, having changed nothing."""
        before = self.everything()
        said = self.run(*arguments, code=code).stderr
        assert self.everything() == before
        return said

    def everything(self):
        if not (self.data / "turnpike.db").exists():
            return None
        return [turnpike(verb, "--data", self.data, "--json").stdout for verb in ("export", "audit")]

    def file(self, text, name="teams.yaml"):
        file = self.data.parent / name
        file.write_text(text)
        return file


def on_terminal(*arguments, width=80, typed=b""):
    """Runs on a terminal of that width; returns exit code and what stood there."""
    try:
        process, terminal = pty.fork()
    except OSError:
        pytest.skip("this machine gives no pseudo-terminals")
    if process == 0:
        os.environ.update(gateway_module.SANITIZERS, TERM="dumb")
        os.execv(BINARY, [BINARY, *map(str, arguments)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    shown = b""
    while select.select([terminal], [], [], 30)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        shown += part
        if typed and b"[y/N]" in shown:
            os.write(terminal, typed)
            typed = b""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return code, shown.decode()
