"""Every limit has an answer: sizes are refused with 431 and 413, slow callers with 408, and the gateway serves on."""

import json
import time

import pytest

from fake_answers import respond
from fake_upstream import FakeUpstream
from gateway import Gateway, plain_config
from wire_client import Closed, Wire, call_once

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
HEAD_LIMIT = 16 << 10
JSON_LIMIT = 256 << 10
UPLOAD_LIMIT = 512 << 10


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    fake = FakeUpstream()
    config = plain_config(
        fake.url, limits={"head": "16KiB", "headers": 40, "json_body": "256KiB", "upload": "512KiB", "multipart_hold": "64KiB"},
        timeouts={"head": "1s", "body": "1s", "keep_alive": "1500ms", "write": "2s"})
    gateway = Gateway(tmp_path_factory.mktemp("limited"), config).start()
    gateway.fake = fake
    yield gateway
    gateway.stop()
    fake.stop()


@pytest.fixture
def limited_wire(limited):
    with Wire(limited.port, key=limited.key) as wire:
        yield wire
    assert limited.alive()


def test_head_too_large(limited_wire):
    limited_wire.request("GET", "/v1/models", headers=[("X-Large", "x" * HEAD_LIMIT)])
    answer = limited_wire.answer("GET")
    assert answer.status == 431
    assert answer.error["code"] == "request_head_too_large"
    assert limited_wire.closed()


def test_request_line_too_long(limited_wire):
    limited_wire.request("GET", "/v1/" + "x" * HEAD_LIMIT)
    assert limited_wire.answer("GET").status in (431, 414)


def test_endless_head_is_cut_off(limited_wire):
    """Not only after its end: it has none."""
    limited_wire.send(b"GET / HTTP/1.1\r\n")
    try:
        for i in range(10_000):
            limited_wire.send(b"X-%d: %s\r\n" % (i, b"y" * 100))
    except (BrokenPipeError, ConnectionResetError):
        return
    assert limited_wire.head().status == 431


def test_too_many_headers(limited_wire):
    limited_wire.request("GET", "/v1/models", headers=[(f"X-{i}", "1") for i in range(60)])
    assert limited_wire.answer("GET").status == 431


def test_body_that_says_it_is_too_large(limited_wire, limited):
    before = len(limited.fake.calls)
    limited_wire.request("POST", "/v1/chat/completions", length=False, headers=[
        ("Content-Type", "application/json"), ("Content-Length", str(JSON_LIMIT + 1))])
    answer = limited_wire.answer()
    assert answer.status == 413, "refused on its head: nobody need send the body"
    assert answer.error["code"] == "request_too_large"
    assert len(limited.fake.calls) == before
    assert limited.wait_record(answer.request_id)["outcome"] == "refused"


def test_body_that_turns_out_too_large(limited_wire):
    limited_wire.request("POST", "/v1/chat/completions", length=False, headers=[
        ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
    try:
        for _ in range(JSON_LIMIT // 4096 + 20):
            limited_wire.send(b"1000\r\n" + b" " * 4096 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert limited_wire.answer().status == 413


def test_body_of_the_largest_size(limited_wire):
    body = json.dumps(CHAT).encode()
    body = body[:-1] + b" " * (JSON_LIMIT - len(body)) + b"}"
    limited_wire.request("POST", "/v1/chat/completions", body)
    assert limited_wire.answer().status == 200


def test_upload_too_large(limited_wire):
    limited_wire.request("POST", "/v1/files", length=False, headers=[
        ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(UPLOAD_LIMIT + 1))])
    assert limited_wire.answer().status == 413


def test_upload_that_turns_out_too_large(limited_wire, limited):
    limited_wire.request("POST", "/v1/files", length=False, headers=[
        ("Content-Type", "multipart/form-data; boundary=b"), ("Transfer-Encoding", "chunked")])
    try:
        limited_wire.send(b'3a\r\n--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n')
        for _ in range(UPLOAD_LIMIT // 4096 + 20):
            limited_wire.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        assert limited_wire.answer().status in (400, 413)
    except (Closed, ConnectionResetError):
        pass  # the answer was lost to the reset; that it ended is what counts
    assert call_once(limited.port, limited.key, "fast").status == 200


def test_form_without_its_model_is_held_only_so_far(limited_wire, limited):
    """To route a transcription the model must be known; a form that brings it after megabytes is refused, not held."""
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(200 << 10)
            + b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nfast\r\n--b--\r\n')
    limited_wire.request("POST", "/v1/audio/transcriptions", length=False, headers=[
        ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(body)))])
    try:
        limited_wire.send(body)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert limited_wire.answer().status == 413
    assert call_once(limited.port, limited.key, "fast").status == 200


def test_slow_head(limited_wire):
    limited_wire.send(b"GET /v1/models HTTP/1.1\r\nHost:")
    started = time.monotonic()
    answer = limited_wire.answer("GET")
    assert answer.status == 408
    assert answer.error["code"] == "request_timeout"
    assert 0.7 < time.monotonic() - started < 10
    assert limited_wire.closed()


def test_slow_head_in_drops(limited_wire):
    """A byte now and then does not extend the time for a head."""
    started = time.monotonic()
    limited_wire.socket.settimeout(0.2)
    data = b""
    for byte in b"GET /v1/models HTTP/1.1\r\nX: " + b"y" * 200:
        try:
            limited_wire.send(bytes([byte]))
            data = limited_wire.socket.recv(4096)
            break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    assert b"408" in data
    assert time.monotonic() - started < 10


def test_slow_body(limited_wire):
    limited_wire.request("POST", "/v1/chat/completions", length=False, headers=[
        ("Content-Type", "application/json"), ("Content-Length", "100")])
    limited_wire.send(b'{"model"')
    answer = limited_wire.answer()
    assert answer.status == 408
    assert limited_wire.closed()


def test_idle_connection_is_closed_without_a_word(limited_wire):
    limited_wire.chat("fast")
    assert limited_wire.answer().status == 200
    assert limited_wire.closed(10)


def test_connection_that_never_says_anything_is_closed(limited_wire):
    data = limited_wire.rest()
    assert data == b"" or b" 408 " in data


def test_caller_who_never_reads_is_given_up(limited, limited_wire):
    """Its stream ends, the upstream's too, and the record says what went out."""
    async def endless(call):
        await call.body()
        call.write_stream_head()
        while True:
            await call.send_chunk(b"data: " + b"x" * 10_000 + b"\n\n")

    script = limited.fake.script(endless)
    with Wire(limited.port, key=limited.key, receive_buffer=4096) as wire:
        wire.chat(script.model, stream=True)
        assert script.wait_calls()[0].connection.lost.wait(30), "the upstream still streams to nobody"
    assert not limited.fake.problems


def test_afterwards_all_is_well(limited):
    script = limited.fake.script(respond)
    assert call_once(limited.port, limited.key, script.model).status == 200
