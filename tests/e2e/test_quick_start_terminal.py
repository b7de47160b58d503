"""The quick start on a terminal: short lines for people; JSON when its output is read by a program."""

import os
import pty
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import gateway as gateway_module


def read_until(descriptor, wanted, seconds=20):
    text, end = "", time.monotonic() + seconds
    while wanted not in text and time.monotonic() < end:
        text += os.read(descriptor, 65536).decode()
    assert wanted in text, text
    return text


def call(url, key, body):
    request = urllib.request.Request(url + "/chat/completions", body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code


def test_calls_appear_as_short_lines(tmp_path):
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("this machine gives no pseudo-terminals")
    with subprocess.Popen([gateway_module.BINARY, "serve", "--quick-start", "--data", tmp_path, "--listen", f"127.0.0.1:{gateway_module.free_port()}"],
                          stdout=theirs, env={**os.environ, **gateway_module.SANITIZERS}) as server:
        try:
            welcome = read_until(ours, "Every call appears below.")
            url = re.search(r"http://\S+/v1", welcome).group()
            key = re.search(r"tpk_\w+", welcome).group()
            assert call(url, key, b'{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}') == 200
            assert re.search(r"\d\d:\d\d:\d\d  200  /chat/completions  demo  \d+ in, \d+ out  \d+\.\d ms", read_until(ours, " ms"))
            assert call(url, key, rb'{"model": "\u001b[31m", "messages": []}') == 404
            line = read_until(ours, " ms")
            assert "model_not_found" in line and "\033" not in line
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0
