"""Providers behind a proxy program that is not ours: tinyproxy, as it stands between a data centre and the world."""

import os
import shutil
import signal
import socket
import subprocess

import openai
import pytest

from fake_upstream import FakeUpstream
from gateway import free_port, plain_config, wait_until
from wire_client import call_once

HELLO = [{"role": "user", "content": "hello"}]
PASSWORD = "s3cret-of-the-proxy"


class Tinyproxy:
    def __init__(self, folder, connect_port):
        self.port = free_port()
        self.log = folder / "tinyproxy.log"
        settings = folder / "tinyproxy.conf"
        settings.write_text(f"""
Port {self.port}
Listen 127.0.0.1
Timeout 60
LogFile "{self.log}"
LogLevel Connect
Allow 127.0.0.1
BasicAuth gate {PASSWORD}
ConnectPort {connect_port}
""")
        self.command = [shutil.which("tinyproxy", path=f"{os.environ['PATH']}:/usr/bin:/usr/sbin"), "-d", "-c", settings]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.answers, 10, "tinyproxy answers")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def tunnels(self):
        return self.log.read_text().count("Established connection to host")

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@pytest.fixture
def upstream(authority):
    fake = FakeUpstream(tls=authority.server_context("localhost", "127.0.0.1"))
    yield fake
    fake.stop()


@pytest.fixture
def proxy(tmp_path, upstream):
    proxy = Tinyproxy(tmp_path, upstream.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def begin(start_gateway, upstream, proxy, authority):
    """begin(password, …): a gateway whose provider stands behind the proxy."""
    def start(password=PASSWORD, url=None):
        config = plain_config(url or upstream.url)
        config["providers"]["up"].update(proxy=proxy.url, proxy_user="gate", proxy_password="env:PROXY_PASSWORD",
                                         tls={"authority": str(authority.file)})
        return start_gateway(config, {"PROXY_PASSWORD": password})

    return start


def test_calls_and_streams_go_through_one_tunnel(begin, proxy):
    gateway = begin()
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
        for _ in range(3):
            assert client.chat.completions.create(model="fast", messages=HELLO).choices[0].message.content
            chunks = list(client.chat.completions.create(model="fast", messages=HELLO, stream=True))
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert proxy.tunnels() == 1, "the tunnel is kept and used again"


def test_a_wrong_password_is_told_without_the_password(begin, upstream):
    gateway = begin(password="not-it")
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and not upstream.calls
    assert b"not-it" not in answer.body
    assert gateway.wait_record(answer.header("x-request-id"))["outcome"] == "failed"


def test_a_port_that_the_proxy_forbids(begin, upstream):
    gateway = begin(url=f"https://127.0.0.1:{free_port()}")
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and not upstream.calls


def test_a_proxy_that_dies_and_comes_back(begin, proxy):
    gateway = begin()
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    proxy.stop()
    assert call_once(gateway.port, gateway.key, "fast").status == 502
    proxy.start()
    wait_until(lambda: call_once(gateway.port, gateway.key, "fast").status == 200, 20, "served again")
