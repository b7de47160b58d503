"""Streams: frames pass byte for byte, at once, at the pace of whoever reads; the usage chunk that only we asked for stays here."""

import asyncio
import json
import re
import time

import pytest

from fake_answers import CHAT_USAGE, chat_frames, frame
from gateway import memory_is_measurable, wait_until
from wire_client import Wire

WITH_USAGE = {"stream_options": {"include_usage": True}}
MIB = 1 << 20
measures_memory = pytest.mark.skipif(not memory_is_measurable(), reason="ThreadSanitizer's own memory hides the gateway's")


def frames_with_usage(model="m"):
    return chat_frames({"model": model, **WITH_USAGE})


def is_usage(data):
    return b'"choices": []' in data or b'"choices":[]' in data


def sends(chunks):
    """A script that writes these pieces, a chunk each, letting each go out by itself."""
    async def answer(call):
        await call.body()
        call.write_stream_head()
        for chunk in chunks:
            await call.send_chunk(chunk)
            await asyncio.sleep(0)
        call.end_chunks()
    return answer


def received(wire, script, **more):
    wire.chat(script.model, stream=True, **more)
    answer = wire.answer()
    assert answer.status == 200, answer.body
    return answer


def test_byte_exact_with_usage_asked(wire, fake):
    frames = frames_with_usage()
    answer = received(wire, fake.script(sends(frames)), **WITH_USAGE)
    assert answer.body == b"".join(frames)
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("content-length") is None


def test_byte_exact_but_for_the_usage_frame(wire, fake):
    frames = frames_with_usage()
    answer = received(wire, fake.script(sends(frames)))
    assert answer.body == b"".join(f for f in frames if not is_usage(f))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 100_000])
def test_cut_anywhere(wire, fake, gateway, size):
    """Inside a character, a line end, a frame end, the usage: what comes out is the same."""
    frames = frames_with_usage()
    whole = b"".join(frames)
    script = fake.script(sends([whole[i:i + size] for i in range(0, len(whole), size)]))
    answer = received(wire, script)
    assert answer.body == b"".join(f for f in frames if not is_usage(f))
    assert gateway.wait_record(answer.request_id)["output_tokens"] == CHAT_USAGE["completion_tokens"]


STYLES = {
    "LF": lambda f: f,
    "CRLF": lambda f: f.replace(b"\n", b"\r\n"),
    "CR": lambda f: f.replace(b"\n", b"\r"),
    "no space after the colon": lambda f: f.replace(b"data: ", b"data:"),
    "comments between": lambda f: b": ping\n\n" + f,
    "several lines": lambda f: f.replace(b'", "created', b'",\ndata: "created'),
    "extra blank lines": lambda f: f + b"\n\n",
}


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("style", STYLES)
def test_every_way_to_write_frames(wire, fake, gateway, style, size):
    frames = [STYLES[style](f) for f in frames_with_usage()]
    whole = b"".join(frames)
    script = fake.script(sends([whole[i:i + size] for i in range(0, len(whole), size)]))
    answer = received(wire, script)
    assert b'"total_tokens"' not in answer.body
    kept = [f for f in frames if not is_usage(f)]
    if style in ("comments between", "extra blank lines"):  # what stands around a removed frame may stay or go
        def dense(data):
            return re.sub(rb"\n{2,}", b"\n\n", data.replace(b": ping\n\n", b""))
        assert dense(answer.body) == dense(b"".join(kept))
    else:
        assert answer.body == b"".join(kept)
    assert gateway.wait_record(answer.request_id)["output_tokens"] == CHAT_USAGE["completion_tokens"]


def test_usage_on_the_last_choice_stays(wire, fake, gateway):
    """Some servers put usage on the chunk with the finish reason, asked or not. It is the caller's, too."""
    frames = chat_frames({"model": "m"})
    last = json.loads(frames[-2][6:])
    frames[-2] = frame({**last, "usage": CHAT_USAGE})
    answer = received(wire, fake.script(sends(frames)))
    assert b'"finish_reason": "stop"' in answer.body
    assert gateway.wait_record(answer.request_id)["output_tokens"] == CHAT_USAGE["completion_tokens"]


def test_content_that_looks_like_a_usage_frame_stays(wire, fake):
    trap = '"choices": [], "usage": {"prompt_tokens": 1} data: [DONE]\n\n'
    frames = chat_frames({"model": "m", **WITH_USAGE}, pieces=[trap, trap])
    answer = received(wire, fake.script(sends(frames)))
    text = "".join(json.loads(f[6:])["choices"][0]["delta"].get("content") or ""
                   for f in answer.body.split(b"\n\n") if f.startswith(b"data: {"))
    assert text == trap * 2


def test_a_stream_with_no_last_blank_line(wire, fake):
    frames = chat_frames({"model": "m"})
    whole = b"".join(frames)[:-1]
    answer = received(wire, fake.script(sends([whole])))
    assert answer.body.rstrip(b"\n") == whole.rstrip(b"\n")


def test_a_frame_larger_than_any_buffer(wire, fake):
    big = frame({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": {"content": "é" * 2_000_000}, "finish_reason": None}]})
    frames = chat_frames({"model": "m"})
    frames.insert(1, big)
    answer = received(wire, fake.script(sends(frames)))
    assert answer.body == b"".join(frames)


@pytest.mark.parametrize("stream", [True, False])
def test_lock_step(wire, fake, stream):
    """Each frame is sent only once the one before has arrived: one that is held back would stop the stream for good."""
    count = 50
    gates = [fake.gate() for _ in range(count)]

    async def answer(call):
        await call.body()
        call.write_stream_head() if stream else call.write_head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")])
        for i, gate in enumerate(gates):
            await call.send_chunk(b"data: %d\n\n" % i)
            await gate.wait()
        call.write_chunk(b"data: [DONE]\n\n")
        call.end_chunks()

    script = fake.script(answer)
    if stream:
        wire.chat(script.model, stream=True)
    else:
        wire.request("POST", "/v1/audio/speech", {"model": script.model, "input": "x", "voice": "v"})
    assert wire.head().status == 200
    for i, gate in enumerate(gates):
        assert wire.chunk() == b"data: %d\n\n" % i
        gate.open()
    assert wire.chunk() == b"data: [DONE]\n\n"
    assert wire.chunk() == b""


def test_a_frame_in_halves_arrives_whole_without_the_next(wire, fake):
    """Half a frame may be passed on or held; its second half must complete it at once."""
    second_half = fake.gate()
    rest = fake.gate()

    async def answer(call):
        await call.body()
        call.write_stream_head()
        await call.send_chunk(b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"del')
        await second_half.wait()
        await call.send_chunk(b'ta":{"content":"y"},"finish_reason":null}]}\n\n')
        await rest.wait()
        await call.send_chunk(b"data: [DONE]\n\n")
        call.end_chunks()

    wire.chat(fake.script(answer).model, stream=True)
    assert wire.head().status == 200
    assert second_half.reached.wait(5)
    second_half.open()
    data = b""
    while not data.endswith(b"\n\n"):
        data += wire.chunk()
    assert b'"content":"y"' in data and b"DONE" not in data
    rest.open()
    while chunk := wire.chunk():
        data += chunk
    assert data.endswith(b"data: [DONE]\n\n")


def test_head_of_a_stream_arrives_before_its_first_frame(wire, fake):
    gate = fake.gate()

    async def answer(call):
        await call.body()
        call.write_stream_head()
        await gate.wait()
        call.write_chunk(b"data: [DONE]\n\n")
        call.end_chunks()

    wire.chat(fake.script(answer).model, stream=True)
    assert wire.head().status == 200, "an SDK that waits for the head need not wait for a slow first token"
    gate.open()
    assert wire.chunk() == b"data: [DONE]\n\n"


@measures_memory
def test_slow_reader_slows_the_upstream_and_fills_no_memory(gateway, fake):
    """The upstream has 96 MiB to send. While the caller reads nothing, it must come to a stop early; then all arrives."""
    total, piece = 96 * MIB, 64 << 10
    sent = [0]

    async def answer(call):
        await call.body()
        call.write_stream_head()
        while sent[0] < total:
            number = b"%08x" % (sent[0] // piece)
            await call.send_chunk(b"data: " + number + b"z" * (piece - 16) + b"\n\n")
            sent[0] += piece
        call.end_chunks()

    script = fake.script(answer)
    before = gateway.resident_kib()
    with Wire(gateway.port, key=gateway.key, timeout=60, receive_buffer=64 << 10) as wire:
        wire.chat(script.model, stream=True)
        assert wire.head().status == 200

        last = [-1, 0.0]

        def stopped():
            if sent[0] != last[0]:
                last[:] = [sent[0], time.monotonic()]
            return sent[0] and time.monotonic() - last[1] > 0.5

        wait_until(stopped, 30, "the upstream is held back")
        assert sent[0] < 48 * MIB, "kernel buffers hold a few MiB; the rest would be in the gateway"
        assert gateway.resident_kib() - before < 32 << 10
        number, body = 0, b""
        while chunk := wire.chunk():
            body += chunk
            while len(body) >= piece:
                assert body[6:14] == b"%08x" % number, "a piece is missing or out of order"
                number, body = number + 1, body[piece:]
        assert number == total // piece


@measures_memory
def test_many_slow_readers(gateway, fake, dial):
    """Fifty callers who do not read hold fifty streams, not fifty times all that their upstreams have to say."""
    async def answer(call):
        await call.body()
        call.write_stream_head()
        for _ in range(400):
            await call.send_chunk(b"data: " + b"z" * 50_000 + b"\n\n")
        call.end_chunks()

    script = fake.script(answer)
    before = gateway.resident_kib()
    wires = [dial(receive_buffer=8 << 10) for _ in range(50)]
    for wire in wires:
        wire.chat(script.model, stream=True)
    script.wait_calls(50, 30)
    for wire in wires:
        assert wire.head().status == 200
    assert gateway.resident_kib() - before < 64 << 10, "50 streams of 20 MB each"
    for wire in wires:
        wire.close()
    assert all(call.connection.lost.wait(20) for call in script.calls)


def test_caller_gone_cancels_the_upstream_at_once(gateway, fake):
    """Before the head, in the midst of a stream, and while the upstream is silent."""
    async def silent(call):
        await call.body()
        await call.gone()

    async def stalled(call):
        await call.body()
        call.write_stream_head()
        call.write_chunk(chat_frames(call.json())[0])
        await call.gone()

    for behave, read_head in [(silent, False), (stalled, True)]:
        script = fake.script(behave)
        wire = Wire(gateway.port, key=gateway.key)
        wire.chat(script.model, stream=True)
        call = script.wait_calls()[0]
        if read_head:
            wire.head()
            wire.chunk()
        wire.close()
        left = time.monotonic()
        assert call.connection.lost.wait(5)
        assert call.connection.lost_at - left < 1.0


def test_record_of_a_cancelled_stream(gateway, fake):
    async def stalled(call):
        await call.body()
        call.write_stream_head()
        call.write_chunk(chat_frames(call.json())[0])
        await call.gone()

    script = fake.script(stalled)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model, stream=True)
        request_id = wire.head().request_id
        wire.chunk()
    record = gateway.wait_record(request_id)
    assert record["outcome"] == "cancelled" and record["streamed"] is True
    assert record["bytes_sent"] > 0
