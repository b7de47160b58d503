"""Callers and upstreams that both misbehave at random, many at once: afterwards nothing is left over and every call has its record.

Seeded like the mutations: TURNPIKE_TEST_SEED repeats a run's choices.
"""

import asyncio
import collections
import json
import os
import pathlib
import random
import signal

import pytest

from fake_answers import chat_frames, respond
from gateway import plain_config, wait_until, yaml
from wire_client import Closed, Wire, call_once, request_bytes

SEED = int(os.environ.get("TURNPIKE_TEST_SEED", "20261122"))
CALLS = 1000
AT_ONCE = 48


def descriptors(gateway):
    return len(list(pathlib.Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


async def misbehave(call, source):
    """One of the ways in which an upstream can answer."""
    what = source.randrange(10)
    if what == 0:
        return call.reset()
    if what == 1:
        await call.body()
        return call.close()
    if what == 2:
        await call.body()
        call.write(b"HTTP/1.1 200 OK\r\nContent-Len")
        return call.close()
    await call.body()
    if what == 3:
        return call.answer({"error": {"message": "busy", "type": "server_error", "param": None, "code": None}}, 503)
    if what in (4, 5, 6):
        call.write_stream_head()
        frames = chat_frames({"model": "m", "stream_options": {"include_usage": True}}) * 5
        for frame in frames[:source.randrange(len(frames))]:
            await call.send_chunk(frame)
            if source.random() < 0.1:
                await asyncio.sleep(0.01)
        return [call.reset, call.close, call.end_chunks][what - 4]()
    await asyncio.sleep(source.random() * 0.02)
    await respond(call)
    if what == 7:
        call.close()


async def one_call(port, key, model, source):
    """One of the ways in which a caller can call."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = request_bytes(key, "POST", "/v1/chat/completions",
                             {"model": model, "stream": source.random() < 0.6, "messages": [], "seed": source.randrange(1 << 40)})
        what = source.randrange(6)
        if what == 0:
            data = data[:source.randrange(len(data))]
        writer.write(data)
        await writer.drain()
        if what == 1:
            writer.write(data)  # pipelined
        if what == 2:
            writer.write_eof()
        if what in (0, 3):
            await asyncio.sleep(source.random() * 0.03)
            if source.random() < 0.5:
                writer.transport.abort()
            return
        while await asyncio.wait_for(reader.read(4096), 30):
            if what == 4 and source.random() < 0.3:
                return
            if what != 2 and source.random() < 0.2:
                return
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("reloads", [False, True], ids=["steady", "reloading"])
def test_nothing_is_left_over(start_gateway, own_fake, reloads):
    config = plain_config(own_fake.url, workers=2, timeouts={"head": "1s", "body": "1s", "keep_alive": "500ms", "write": "2s"})
    config["defaults"] = {"timeouts": {"first_byte": "5s", "idle": "5s"}, "limits": {"idle_connections": 8}}
    gateway = start_gateway(config)
    key = gateway.key
    source = random.Random(SEED + reloads)
    script = own_fake.script(lambda call: misbehave(call, source))
    call_once(gateway.port, key, "fast")
    before = descriptors(gateway)

    async def run():
        numbers = iter(range(CALLS))

        async def work():
            for number in numbers:
                if reloads and number % 100 == 0:
                    gateway.config_file.write_text(yaml({**config, "drain_timeout": f"{20 + number // 100}s"}))
                    gateway.signal(signal.SIGHUP)
                await one_call(gateway.port, key, script.token, source)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    asyncio.run(run())
    assert gateway.alive(), gateway.stderr()[-4000:]
    assert call_once(gateway.port, key, "fast").status == 200
    # idle connections to the upstream may stay (8 for each of 2 workers), nothing else
    wait_until(lambda: descriptors(gateway) <= before + 20, 20, "descriptors are given back")

    def counts():
        rows = [row for row in gateway.records() if row.get("model") == script.token]
        return rows if len(rows) >= len({id(c) for c in script.calls}) - sum(r.get("attempts", 1) - 1 for r in rows) else None

    rows = wait_until(counts, 20, "every call that went out has a record")
    ids = collections.Counter(row["id"] for row in rows)
    assert max(ids.values()) == 1
    outcomes = collections.Counter(row["outcome"] for row in rows)
    assert set(outcomes) <= {"served", "failed", "cancelled", "refused"}, outcomes
    assert outcomes["served"] and outcomes["failed"] and outcomes["cancelled"], outcomes
    text = gateway.get("/metrics")[2].decode()
    for line in text.splitlines():
        if "in_flight" in line or "_active" in line:
            if not line.startswith("#"):
                assert float(line.rsplit(" ", 1)[1]) <= 1, line


def test_out_of_descriptors(start_gateway, own_fake):
    """With no descriptor left it takes no more callers for the moment, says so, and goes on when there are some again."""
    gateway = start_gateway(plain_config(own_fake.url), run=False)
    key = gateway.create_key("few")["key"]
    limited = gateway.directory / "limited"
    limited.write_text(f"#!/bin/sh\nulimit -n 64\nexec {gateway.binary} \"$@\"\n")
    limited.chmod(0o755)
    gateway.binary = str(limited)
    gateway.start()
    wires = []
    for _ in range(100):
        try:
            wires.append(Wire(gateway.port, key=key, timeout=1))
        except OSError:
            break
    for wire in wires[:3]:
        try:
            wire.chat("fast")
            wire.answer()
        except (OSError, Closed):
            pass
    assert gateway.alive(), gateway.stderr()[-3000:]
    for wire in wires:
        wire.close()

    def serves():
        try:
            return call_once(gateway.port, key, "fast").status == 200
        except (OSError, Closed):
            return False

    wait_until(serves, 20, "it serves again")


def test_five_hundred_streams_at_once(own_gateway, own_fake):
    gate = own_fake.gate()

    async def answer(call):
        await call.body()
        call.write_stream_head()
        frames = chat_frames(call.json())
        call.write_chunk(frames[0])
        await gate.wait()
        for frame in frames[1:]:
            call.write_chunk(frame)
        call.end_chunks()

    script = own_fake.script(answer)
    key = own_gateway.key
    wires = [Wire(own_gateway.port, key=key, timeout=60) for _ in range(500)]
    for number, wire in enumerate(wires):
        wire.chat(script.model, stream=True, user=f"caller-{number}")
    script.wait_calls(500, 60)
    for wire in wires:
        wire.head()
        wire.chunk()
    gate.open()
    for wire in wires:
        data = b""
        while chunk := wire.chunk():
            data += chunk
        assert data.endswith(b"data: [DONE]\n\n")
        wire.close()
    users = collections.Counter(json.loads(call.content)["user"] for call in script.calls)
    assert len(users) == 500
    rows = wait_until(lambda: [r for r in own_gateway.records() if r["model"] == script.token][499:] and own_gateway.records(), 30, "500 records")
    assert collections.Counter(r["caller_user"] for r in rows if r["model"] == script.token) == users
