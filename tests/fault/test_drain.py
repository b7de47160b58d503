"""SIGTERM: no new calls, open ones finish, everything is recorded, exit code 0."""

import signal
import threading
import time

import pytest

from fake_answers import chat_frames, respond
from gateway import plain_config, wait_until
from wire_client import Closed, Wire


def gated(fake, gate):
    async def answer(call):
        await call.body()
        call.write_stream_head()
        frames = chat_frames(call.json())
        call.write_chunk(frames[0])
        await gate.wait()
        for frame in frames[1:]:
            call.write_chunk(frame)
        call.end_chunks()
    return fake.script(answer)


def test_streams_finish_and_are_recorded(own_gateway, own_fake):
    gate = own_fake.gate()
    script = gated(own_fake, gate)
    wires = [Wire(own_gateway.port, key=own_gateway.key) for _ in range(10)]
    ids = []
    for wire in wires:
        wire.chat(script.model, stream=True)
        ids.append(wire.head().request_id)
        wire.chunk()
    own_gateway.signal(signal.SIGTERM)
    # an idle gateway would have gone by now; this one must wait for its streams
    refused = wait_refused(own_gateway.port)
    assert refused and own_gateway.alive()
    gate.open()
    for wire in wires:
        data = b""
        while chunk := wire.chunk():
            data += chunk
        assert data.endswith(b"data: [DONE]\n\n")
        wire.close()
    assert own_gateway.wait_exit() == 0
    rows = {row["id"]: row for row in own_gateway.records()}
    assert all(rows[id]["outcome"] == "served" and rows[id]["output_tokens"] == 7 for id in ids)
    own_gateway.start()


def wait_refused(port):
    """True once new connections are not served any more."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with Wire(port, timeout=1) as wire:
                wire.request("GET", "/readyz")
                if wire.answer("GET").status == 503:
                    return True
        except (OSError, Closed):
            return True
    return False


def test_whole_answers_under_way_finish(own_gateway, own_fake):
    gate = own_fake.gate()

    async def slow(call):
        await call.body()
        await gate.wait()
        await respond(call)

    script = own_fake.script(slow)
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        wire.chat(script.model)
        script.wait_calls()
        own_gateway.signal(signal.SIGTERM)
        gate.open()
        answer = wire.answer()
        assert answer.status == 200
    assert own_gateway.wait_exit() == 0
    assert [r["outcome"] for r in own_gateway.records() if r["id"] == answer.request_id] == ["served"]
    own_gateway.start()


def test_idle_connections_do_not_hold_it(own_gateway):
    wires = [Wire(own_gateway.port, key=own_gateway.key) for _ in range(5)]
    for wire in wires[:3]:
        wire.chat("fast")
        assert wire.answer().status == 200
    own_gateway.signal(signal.SIGTERM)
    assert own_gateway.wait_exit(15) == 0
    for wire in wires:
        wire.close()
    own_gateway.start()


def test_drain_is_bounded(start_gateway, own_fake):
    """A stream that does not end is ended, told, and recorded."""
    gateway = start_gateway({**plain_config(own_fake.url), "drain_timeout": "1s"})
    gate = own_fake.gate()
    script = gated(own_fake, gate)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model, stream=True)
        request_id = wire.head().request_id
        wire.chunk()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_exit(20) == 0
        rest = wire.rest()
        assert b"[DONE]" not in rest
    gate.open()
    rows = [r for r in gateway.records() if r["id"] == request_id]
    assert len(rows) == 1 and rows[0]["outcome"] != "served"
    gateway.start()


def test_drain_under_load_drops_no_accepted_call(own_gateway, own_fake):
    """Keep-alive callers are sent away with `Connection: close` or a close between calls; no answer is cut."""
    key, problems, answered = own_gateway.key, [], []

    def calls():
        try:
            with Wire(own_gateway.port, key=key) as wire:
                while True:
                    wire.chat("fast")
                    try:
                        head = wire.head()
                    except (Closed, OSError) as gone:
                        if isinstance(gone, Closed) and gone.args and gone.args[0]:
                            problems.append(gone)
                        return
                    body = wire.read_exactly(int(head.header("content-length")))
                    answered.append(head.request_id)
                    if head.status not in (200, 503):
                        problems.append((head.status, body))
                    if head.header("connection", "").lower() == "close":
                        return
        except Closed as cut:
            problems.append(cut)
        except OSError:
            pass

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) >= 100, 60, "enough calls")
    own_gateway.signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    assert own_gateway.wait_exit() == 0
    assert not problems
    recorded = [r["id"] for r in own_gateway.records()]
    assert set(answered) <= set(recorded)
    assert len(recorded) == len(set(recorded))
    own_gateway.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_end_it(own_gateway, number):
    own_gateway.signal(number)
    assert own_gateway.wait_exit(15) == 0
    own_gateway.start()
