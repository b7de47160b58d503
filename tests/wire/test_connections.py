"""Connections as a resource: limits on both sides, waiting for a free one, reloads that move listeners and providers."""

import gzip
import json
import signal
import socket
import threading

import pytest

from fake_answers import respond
from fake_upstream import FakeUpstream
from gateway import free_port, plain_config, wait_until
from wire_client import Closed, Wire, call_once


def held(fake, gate):
    async def answer(call):
        await call.body()
        await gate.wait()
        await respond(call)
    return fake.script(answer)


def limited_config(url, **limits):
    return {**plain_config(url), "defaults": {"limits": limits}}


def test_calls_wait_for_a_connection_to_the_provider(start_gateway, own_fake):
    gateway = start_gateway(limited_config(own_fake.url, connections=2))
    key, gate = gateway.key, own_fake.gate()
    script = held(own_fake, gate)
    statuses = []

    def call():
        statuses.append(call_once(gateway.port, key, script.model).status)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    script.wait_calls(2)
    assert gate.reached.wait(5)
    assert len(own_fake.open_connections()) == 2
    gate.open()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 8
    assert len(own_fake.connections) == 2


def test_a_caller_who_leaves_while_waiting_leaves_nothing_behind(start_gateway, own_fake):
    gateway = start_gateway(limited_config(own_fake.url, connections=1))
    key, gate = gateway.key, own_fake.gate()
    script, other = held(own_fake, gate), own_fake.script(respond)
    with Wire(gateway.port, key=key) as first:
        first.chat(script.model)
        script.wait_calls()
        for _ in range(5):
            with Wire(gateway.port, key=key) as impatient:
                impatient.chat(other.model)
        gate.open()
        assert first.answer().status == 200
    assert call_once(gateway.port, key, "fast").status == 200
    assert len(other.calls) <= 5
    wait_until(lambda: sum(r["model"] == other.token for r in gateway.records()) >= len(other.calls), 10, "they are recorded")


def test_no_connection_is_kept_when_none_may_be(start_gateway, own_fake):
    gateway = start_gateway(limited_config(own_fake.url, idle_connections=0))
    with Wire(gateway.port, key=gateway.key) as wire:
        for _ in range(3):
            wire.chat("fast")
            assert wire.answer().status == 200
    assert len(own_fake.connections) == 3
    wait_until(lambda: not own_fake.open_connections(), 5, "they are closed")


def test_kept_connections_are_closed_after_their_time(start_gateway, own_fake):
    gateway = start_gateway(limited_config(own_fake.url, idle_time="300ms"))
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert own_fake.connections[0].lost.wait(5)


def test_callers_beyond_the_limit_are_turned_away(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, limits={"connections": 10}))
    key = gateway.key
    wires = []

    def ten_are_served():
        """Connections that were just closed may still count for a moment."""
        try:
            wire = Wire(gateway.port, key=key)
            wire.request("GET", "/v1/models")
            assert wire.answer("GET").status == 200
            wires.append(wire)
        except (Closed, OSError):
            pass
        return len(wires) == 10

    wait_until(ten_are_served, 10, "ten callers are served")
    with Wire(gateway.port, key=key, timeout=3) as eleventh:
        eleventh.request("GET", "/v1/models")
        try:
            assert eleventh.answer("GET").status == 503
        except (Closed, OSError):
            pass  # closed, or left in the kernel's queue until there is room
    wires.pop().close()

    def served():
        try:
            return gateway.get("/v1/models", key)[0] == 200
        except OSError:
            return False

    wait_until(served, 10, "there is room again")
    for wire in wires:
        wire.close()


def test_a_connection_is_closed_after_so_many_requests(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, limits={"requests_per_connection": 3}))
    with Wire(gateway.port, key=gateway.key) as wire:
        for number in range(3):
            wire.chat("fast")
            answer = wire.answer()
            assert answer.status == 200
            assert (answer.header("connection", "").lower() == "close") == (number == 2)
        assert wire.closed()


def test_many_connections_that_come_and_go(gateway):
    for _ in range(300):
        Wire(gateway.port).close()
    assert gateway.get("/healthz")[0] == 200


def test_a_listener_comes_and_goes_with_a_reload(own_gateway):
    config, port = own_gateway.config, free_port()
    key = own_gateway.key
    with Wire(own_gateway.port, key=key) as kept:
        kept.chat("fast")
        assert kept.answer().status == 200
        own_gateway.write_config({**config, "listeners": {**config["listeners"], "more": {"address": f"127.0.0.1:{port}"}}})
        own_gateway.signal(signal.SIGHUP)

        def listens():
            try:
                return own_gateway.get("/healthz", port=port)[0] == 200
            except OSError:
                return False

        wait_until(listens, 10, "the new listener answers")
        own_gateway.write_config(config)
        own_gateway.signal(signal.SIGHUP)
        wait_until(lambda: not listens(), 10, "the listener is gone")
        kept.chat("fast")
        assert kept.answer().status == 200


def test_an_address_that_is_taken_leaves_the_old_config_in_force(own_gateway):
    config = own_gateway.config
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = len(own_gateway.stderr())
        own_gateway.write_config({**config, "listeners": {**config["listeners"], "more": {"address": f"127.0.0.1:{port}"}}})
        own_gateway.signal(signal.SIGHUP)
        wait_until(lambda: str(port) in own_gateway.stderr()[said:], 10, "what is wrong is said")
    assert call_once(own_gateway.port, own_gateway.key, "fast").status == 200


def test_a_provider_that_moves_takes_new_calls_and_loses_no_old_one(own_gateway, own_fake):
    other = FakeUpstream()
    gate = own_fake.gate()
    script = held(own_fake, gate)
    config, key = own_gateway.config, own_gateway.key
    with Wire(own_gateway.port, key=key) as old:
        old.chat(script.model)
        script.wait_calls()
        moved = {**config, "providers": {"up": {**config["providers"]["up"], "base_url": other.url + "/v1"}}}
        own_gateway.write_config(moved)
        own_gateway.signal(signal.SIGHUP)
        wait_until(lambda: call_once(own_gateway.port, key, "fast").status == 200 and other.calls, 10, "calls go to the new place")
        gate.open()
        assert old.answer().status == 200
    wait_until(lambda: not own_fake.open_connections(), 10, "the old place's connections are closed")
    other.stop()


def test_upstream_head_beyond_any_limit(gateway, fake):
    async def answer(call):
        await call.body()
        call.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"v" * 1000) for i in range(2000)) + b"Content-Length: 0\r\n\r\n")

    got = call_once(gateway.port, gateway.key, fake.script(answer).model)
    assert got.status == 502 and got.error["code"] == "upstream_invalid_answer"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed_with_the_credential(gateway, fake, status):
    """A provider that redirects could send the key anywhere, and the SDKs would follow it with the prompt, past the gate."""
    elsewhere = FakeUpstream()

    async def answer(call):
        await call.body()
        call.answer({}, status, [("Location", elsewhere.url + "/v1/chat/completions")])

    got = call_once(gateway.port, gateway.key, fake.script(answer).model)
    assert got.status == 502 and got.header("location") is None
    assert not elsewhere.calls
    elsewhere.stop()


def test_compressed_answer_that_nobody_asked_for(gateway, fake):
    body = gzip.compress(json.dumps({"usage": {"prompt_tokens": 5}}).encode())

    async def answer(call):
        await call.body()
        call.answer(body, headers=[("Content-Encoding", "gzip")])

    got = call_once(gateway.port, gateway.key, fake.script(answer).model)
    assert got.status == 502 or (got.body == body and got.header("content-encoding") == "gzip")
