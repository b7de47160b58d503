"""The harness itself: a process that is not well must not pass unnoticed. A shell script stands in for it."""

import pytest

from gateway import Gateway, Unhealthy, plain_config


def stand_in(tmp_path, at_end):
    """Prints a ready line, and runs `at_end` on SIGTERM."""
    config = plain_config("http://127.0.0.1:1")
    address = config["listeners"]["main"]["address"]
    binary = tmp_path / "binary"
    binary.write_text(f"#!/bin/sh\ntrap '{at_end}' TERM\necho listening on http://{address}\n"
                      "while :; do sleep 0.05; done\n")
    binary.chmod(0o755)
    gateway = Gateway(tmp_path / "gateway", config, binary=str(binary))
    return gateway.start()


def test_a_good_end(tmp_path):
    stand_in(tmp_path, "exit 0").stop()


@pytest.mark.parametrize("at_end", [
    "exit 1", "kill -9 $$", "echo ==1==ERROR: AddressSanitizer: heap-use-after-free >&2; exit 0",
    "echo x.c:1:2: runtime error: signed integer overflow >&2; exit 0", "echo WARNING: ThreadSanitizer: data race >&2; exit 0",
    "echo turnpike: bug at x.c:1: not so: a >&2; exit 0"])
def test_a_bad_end_fails_the_test(tmp_path, at_end):
    gateway = stand_in(tmp_path, at_end)
    with pytest.raises(Unhealthy):
        gateway.stop()
    gateway.process = None


def test_a_process_that_never_gets_ready(tmp_path):
    binary = tmp_path / "binary"
    binary.write_text("#!/bin/sh\necho cannot >&2\nexit 1\n")
    binary.chmod(0o755)
    with pytest.raises(Unhealthy, match="cannot"):
        Gateway(tmp_path / "gateway", plain_config("http://127.0.0.1:1"), binary=str(binary)).start()
