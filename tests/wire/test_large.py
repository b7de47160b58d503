"""Large bodies: forms stream through without being held; JSON up to the limit passes; memory comes back."""

import hashlib
import json
import threading
import time

import pytest

from fake_answers import respond
from gateway import memory_is_measurable, wait_until
from wire_client import Wire, call_once

MIB = 1 << 20
measures_memory = pytest.mark.skipif(not memory_is_measurable(), reason="ThreadSanitizer's own memory hides the gateway's")
PIECE = bytes(range(256)) * 4096  # 1 MiB


def form_start(script):
    """The token goes first, so that the fake need not look through the file for it."""
    return (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + script.token.encode()
            + b'\r\n--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data'
            + b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n')


FORM_END = b"\r\n--b--\r\n"


def stored(script_calls):
    async def answer(call):
        await call.body()
        script_calls.append(hashlib.sha256(call.content).hexdigest())
        call.answer({"id": "file-big", "object": "file", "bytes": len(call.content), "created_at": 1, "filename": "big.bin",
                     "purpose": "user_data", "status": "processed"})
    return answer


@measures_memory
@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_form_of_100_mib_streams_through(gateway, fake, path, framing):
    digests = []
    script = fake.script(stored(digests))
    start = form_start(script)
    length = len(start) + 100 * MIB + len(FORM_END)
    before = gateway.resident_kib()
    highest = before
    digest = hashlib.sha256(start)
    framing_header = ("Content-Length", str(length)) if framing == "length" else ("Transfer-Encoding", "chunked")
    with Wire(gateway.port, key=gateway.key, timeout=60) as wire:
        wire.request("POST", path, length=False, headers=[("Content-Type", "multipart/form-data; boundary=b"), framing_header])

        def send(data):
            wire.send(data if framing == "length" else b"%x\r\n%s\r\n" % (len(data), data))

        send(start)
        for _ in range(100):
            send(PIECE)
            digest.update(PIECE)
            highest = max(highest, gateway.resident_kib())
        send(FORM_END)
        digest.update(FORM_END)
        if framing == "chunked":
            wire.send(b"0\r\n\r\n")
        assert wire.answer().status == 200
    assert digests == [digest.hexdigest()]
    assert highest - before < 32 << 10, f"grew by {(highest - before) >> 10} MiB"


@measures_memory
def test_upload_waits_for_an_upstream_that_does_not_read(gateway, fake):
    """Back-pressure in this direction, too."""
    paused = fake.gate()
    digests = []

    async def answer(call):
        await call.body_part(1)
        call.pause_reading()
        await paused.wait()
        call.resume_reading()
        await stored(digests)(call)

    script = fake.script(answer)
    start = form_start(script)
    sent = [0]
    before = gateway.resident_kib()
    with Wire(gateway.port, key=gateway.key, timeout=60) as wire:
        wire.request("POST", "/v1/files", length=False, headers=[
            ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(start) + 64 * MIB + len(FORM_END)))])
        wire.send(start)

        def send():
            for _ in range(64):
                wire.send(PIECE)
                sent[0] += 1
            wire.send(FORM_END)

        sender = threading.Thread(target=send)
        sender.start()
        assert paused.reached.wait(10)
        last = [-1, 0.0]

        def stopped():
            if sent[0] != last[0]:
                last[:] = [sent[0], time.monotonic()]
            return time.monotonic() - last[1] > 0.5

        wait_until(stopped, 30, "the caller is held back")
        assert sent[0] < 40
        assert gateway.resident_kib() - before < 32 << 10
        paused.open()
        sender.join(60)
        assert wire.answer().status == 200
    assert len(digests) == 1


def test_json_of_60_mib(gateway, fake):
    script = fake.script(respond)
    body = json.dumps({"model": "fast", "user": script.token, "messages": [{"role": "user", "content": "x" * (60 * MIB)}]}).encode()
    with Wire(gateway.port, key=gateway.key, timeout=60) as wire:
        wire.request("POST", "/v1/chat/completions", body)
        assert wire.answer().status == 200
    call = script.call()
    assert len(call.content) == len(body) + len("gpt-4o-mini") - len("fast")
    assert call.content.endswith(body[-1000:])


def test_json_beyond_64_mib(gateway):
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.request("POST", "/v1/chat/completions", length=False, headers=[
            ("Content-Type", "application/json"), ("Content-Length", str(65 * MIB))])
        assert wire.answer().status == 413


@measures_memory
def test_an_answer_of_100_mib(gateway, fake):
    async def answer(call):
        await call.body()
        call.write_head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", 100 * MIB)])
        for _ in range(100):
            await call.send(PIECE)

    script = fake.script(answer)
    before = gateway.resident_kib()
    digest, size, highest = hashlib.sha256(), 0, before
    with Wire(gateway.port, key=gateway.key, timeout=60) as wire:
        wire.request("POST", "/v1/audio/speech", {"model": script.model, "input": "x", "voice": "v"})
        head = wire.head()
        while size < 100 * MIB:
            if head.header("content-length"):
                data = wire.buffer or wire.socket.recv(1 << 20)
                wire.buffer = b""
            else:
                data = wire.chunk()
            assert data
            size += len(data)
            digest.update(data)
            highest = max(highest, gateway.resident_kib())
    assert size == 100 * MIB
    assert digest.hexdigest() == hashlib.sha256(PIECE * 100).hexdigest()
    assert highest - before < 32 << 10


def test_upstream_that_answers_before_it_has_read_the_upload(gateway, fake):
    """A refusal in the middle of an upload reaches the caller, and the gateway does not stay stuck."""
    async def refuse(call):
        await call.body_part(1)
        call.answer({"error": {"message": "too big", "type": "invalid_request_error", "param": None, "code": "too_big"}}, 413,
                    [("Connection", "close")])
        await call.flushed()
        await call.body_part(8 * MIB)
        call.close()

    script = fake.script(refuse)
    start = form_start(script)
    with Wire(gateway.port, key=gateway.key, timeout=20) as wire:
        wire.request("POST", "/v1/files", length=False, headers=[
            ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(start) + 30 * MIB + len(FORM_END)))])
        wire.send(start)

        def send():
            try:
                for _ in range(30):
                    wire.send(PIECE)
                wire.send(FORM_END)
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        answer = wire.answer()
        assert answer.status == 413 and answer.error["code"] == "too_big"
        wire.close()
        sender.join(20)
        assert not sender.is_alive()
    assert call_once(gateway.port, gateway.key, "fast").status == 200


def test_caller_gone_in_mid_upload(gateway, fake):
    async def wait(call):
        await call.body()

    script = fake.script(wait)
    with Wire(gateway.port, key=gateway.key) as wire:
        start = form_start(script)
        wire.request("POST", "/v1/files", length=False, headers=[
            ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(50 * MIB))])
        wire.send(start + PIECE)
        call = script.wait_calls()[0]
    assert call.connection.lost.wait(5), "the upstream waits for the rest of an upload that nobody sends"
