"""An upstream that fails at each point of a call: what the caller gets, what the record says, and how often it was asked."""

import asyncio
import json
import socket
import threading

import pytest

from fake_answers import chat_frames, respond
from gateway import plain_config
from wire_client import Wire, call_once

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}


# -- before a byte of an answer -------------------------------------------------------------------


async def reset_at_once(call):
    call.reset()


async def reset_after_the_request(call):
    await call.body()
    call.reset()


async def close_after_the_request(call):
    await call.body()
    call.close()


async def half_a_status_line(call):
    await call.body()
    call.write(b"HTTP/1.1 2")
    await call.flushed()
    call.close()


async def half_a_head(call):
    await call.body()
    call.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/js")
    await call.flushed()
    call.reset()


async def not_http(call):
    await call.body()
    call.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await call.flushed()
    call.close()


async def interim_and_close(call):
    await call.body()
    call.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await call.flushed()
    call.close()


async def endless_head(call):
    await call.body()
    call.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(100_000):
        await call.send(b"X-%d: %s\r\n" % (i, b"y" * 1000))


@pytest.mark.parametrize("behave", [
    reset_at_once, reset_after_the_request, close_after_the_request, half_a_status_line, half_a_head, not_http, interim_and_close,
    endless_head], ids=lambda f: f.__name__)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_no_answer_is_a_502(gateway, fake, behave, stream):
    script = fake.script(behave)
    answer = call_once(gateway.port, gateway.key, script.model, stream=stream)
    assert answer.status == 502
    assert answer.header("content-type").startswith("application/json"), "not an event stream, whatever was asked for"
    assert answer.error["type"] == "server_error"
    assert answer.error["code"].startswith("upstream_")
    record = gateway.wait_record(answer.request_id)
    assert (record["status"], record["outcome"]) == (502, "failed")
    assert record["error"]


# -- with part of an answer out -------------------------------------------------------------------


def stream_then(end, gate):
    """Three frames; then, once the caller has them and has opened the gate, an end."""
    async def behave(call):
        await call.body()
        call.write_stream_head()
        for frame in chat_frames(call.json())[:3]:
            await call.send_chunk(frame)
        await gate.wait()
        await end(call)
    return behave


def read_to_the_end(wire, gate):
    """The answer to a stream_then(): opens the gate once three frames are here."""
    answer = wire.head()
    assert answer.status == 200
    while answer.body.count(b"\n\n") < 3:
        answer.body += wire.chunk()
    gate.open()
    while chunk := wire.chunk():
        answer.body += chunk
    return answer


async def reset(call):
    call.reset()


async def close(call):
    call.close()


async def close_in_a_frame(call):
    call.write_chunk(b'data: {"id":"x","choices":[{"ind')
    await call.flushed()
    call.close()


async def close_in_a_chunk(call):
    call.write(b"100\r\ndata: {")
    await call.flushed()
    call.close()


async def bad_chunk(call):
    call.write(b"zz\r\nnonsense\r\n")
    await call.gone()


@pytest.mark.parametrize("end", [reset, close, close_in_a_frame, close_in_a_chunk, bad_chunk], ids=lambda f: f.__name__)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_death_in_mid_stream_is_told(gateway, fake, end, path):
    """A terminal error event that SDKs raise on; never an ending that looks whole."""
    gate = fake.gate()
    script = fake.script(stream_then(end, gate))
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.request("POST", path, {"model": script.model, "stream": True, "messages": [], "input": "x"})
        answer = read_to_the_end(wire, gate)
    frames = [f for f in answer.body.split(b"\n\n") if f]
    assert len(frames) >= 4, frames
    assert not any(b"[DONE]" in f for f in frames)
    last = frames[-1]
    data = json.loads(last[last.index(b"data: ") + 6:])
    if path.endswith("completions"):
        error = data["error"]
        assert error["message"] and error["type"] == "server_error" and "code" in error
    else:
        assert b"event: " in last
        assert data["type"] in ("error", "response.failed")
    record = gateway.wait_record(answer.request_id)
    assert record["outcome"] == "failed" and record["error"]
    assert record["bytes_sent"] > 0


def test_usage_seen_before_the_death_is_recorded(gateway, fake):
    gate = fake.gate()

    async def dies_after_usage(call):
        await call.body()
        call.write_stream_head()
        for frame in chat_frames(call.json())[:-1]:
            await call.send_chunk(frame)
        await gate.wait()
        call.reset()

    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(fake.script(dies_after_usage).model, stream=True)
        answer = read_to_the_end(wire, gate)
    record = gateway.wait_record(answer.request_id)
    assert (record["input_tokens"], record["output_tokens"]) == (11, 7)


def test_usage_of_a_cut_stream_is_estimated(gateway, fake):
    """What was used is used, though the provider did not come to say it."""
    gate = fake.gate()
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(fake.script(stream_then(reset, gate)).model, stream=True)
        answer = read_to_the_end(wire, gate)
    record = gateway.wait_record(answer.request_id)
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] > 0


@pytest.mark.parametrize("length, sent", [(100, 50), (100, 0)], ids=["half", "none"])
def test_whole_answer_that_is_shorter_than_it_says(gateway, fake, length, sent):
    """Either a 502 or a torn connection: never a whole answer with half the bytes."""
    async def short(call):
        await call.body()
        call.write_head(200, [("Content-Type", "application/json"), ("Content-Length", length)])
        call.write(b" " * sent)
        await call.flushed()
        call.close()

    script = fake.script(short)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model)
        answer = wire.head()
        rest = wire.rest() if answer.status == 200 else b""
    if answer.status == 200:
        assert len(rest) < length
    else:
        assert answer.status == 502
    assert gateway.wait_record(answer.request_id)["outcome"] == "failed"


def test_whole_answer_that_is_longer_than_it_says(gateway, fake):
    async def long(call):
        await call.body()
        call.answer(b'{"a":1}')
        call.write(b"and more" * 1000)

    script = fake.script(long)
    answer = call_once(gateway.port, gateway.key, script.model)
    assert answer.body == b'{"a":1}'
    assert script.calls[0].connection.lost.wait(5), "such a connection is not used again"


# -- time-outs ------------------------------------------------------------------------------------


@pytest.fixture
def impatient(start_gateway, own_fake):
    config = plain_config(own_fake.url)
    config["defaults"] = {"timeouts": {"connect": "500ms", "first_byte": "500ms", "idle": "500ms", "total": "3s"}}
    return start_gateway(config)


async def silent(call):
    await call.body()
    await call.gone()


def test_no_first_byte(impatient, own_fake):
    script = own_fake.script(silent)
    answer = call_once(impatient.port, impatient.key, script.model)
    assert answer.status == 504 and answer.error["code"] == "upstream_timeout"
    assert script.calls[0].connection.lost.wait(5), "the upstream call is given up"
    assert impatient.wait_record(answer.request_id)["error"] == "timeout_first_byte"


def test_silence_in_mid_stream(impatient, own_fake):
    async def stalls(call):
        await call.body()
        call.write_stream_head()
        call.write_chunk(chat_frames(call.json())[0])
        await call.gone()

    answer = call_once(impatient.port, impatient.key, own_fake.script(stalls).model, stream=True)
    assert answer.status == 200
    assert b'"error"' in answer.body.rsplit(b"data: ", 1)[1]
    assert impatient.wait_record(answer.request_id)["error"] == "timeout_idle"


def test_a_stream_that_never_ends(impatient, own_fake):
    async def endless(call):
        await call.body()
        call.write_stream_head()
        while True:
            await call.send_chunk(chat_frames(call.json())[1])
            await asyncio.sleep(0.1)

    script = own_fake.script(endless)
    answer = call_once(impatient.port, impatient.key, script.model, stream=True)
    assert b'"error"' in answer.body.rsplit(b"data: ", 1)[1]
    assert impatient.wait_record(answer.request_id)["error"] == "timeout_total"
    assert script.calls[0].connection.lost.wait(5)


def test_connect_that_never_completes(start_gateway):
    """A listener whose queue is full drops what comes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        config = plain_config(f"http://127.0.0.1:{listener.getsockname()[1]}")
        config["defaults"] = {"timeouts": {"connect": "500ms"}}
        gateway = start_gateway(config)
        answer = call_once(gateway.port, gateway.key, "fast")
        for filler in fillers:
            filler.close()
    assert answer.status == 504
    assert answer.error["code"] == "upstream_timeout"


# -- kept connections -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_kept_connection_that_dies_under_the_request(own_gateway, own_fake, end):
    """The upstream closes just as the request arrives. Not a byte of an answer came, so it goes out once more, on a fresh
    connection; the caller sees nothing of it."""
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        for _ in range(10):
            wire.chat("fast")
            assert wire.answer().status == 200
            for connection in own_fake.open_connections():
                connection.on_next_data = end
            script = own_fake.script(respond)
            wire.chat(script.model)
            answer = wire.answer()
            assert answer.status == 200, answer.body
            assert len(script.calls) == 1
            assert len(own_fake.refused_bytes) > 0
            own_fake.refused_bytes.clear()
        record = own_gateway.wait_record(answer.request_id)
        assert record["status"] == 200 and record["outcome"] == "served"


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(own_gateway, own_fake):
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        for _ in range(5):
            wire.chat("fast")
            assert wire.answer().status == 200
            own_fake.drop_connections()
            wire.chat("fast")
            assert wire.answer().status == 200


def test_a_kept_connection_that_says_something_unasked_is_not_used(own_gateway, own_fake):
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        wire.chat("fast")
        assert wire.answer().status == 200

        async def say():
            for connection in own_fake.open_connections():
                connection.transport.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.transport.close()

        own_fake.in_loop(say())
        wire.chat("fast")
        assert wire.answer().status == 200


def test_the_second_try_is_the_last(own_gateway, own_fake):
    """A fresh connection that dies the same way is a 502, not an endless loop."""
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        wire.chat("fast")
        assert wire.answer().status == 200
        for connection in own_fake.open_connections():
            connection.on_next_data = "reset"
        script = own_fake.script(reset_after_the_request)
        wire.chat(script.model)
        assert wire.answer().status == 502
        assert len(script.calls) <= 2


def test_an_answered_request_never_goes_out_twice(own_gateway, own_fake):
    """A byte of an answer came: whatever happens then, the upstream may have done the work."""
    async def one_byte(call):
        await call.body()
        call.write(b"H")
        await call.flushed()
        call.reset()

    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        wire.chat("fast")
        assert wire.answer().status == 200  # so that the next call takes a kept connection
        script = own_fake.script(one_byte)
        wire.chat(script.model)
        assert wire.answer().status == 502
        assert len(script.calls) == 1


def test_the_race_under_load(own_gateway, own_fake):
    """Every few answers the upstream closes its kept connection right behind the answer, so that requests cross with it."""
    async def answer(call):
        await respond(call)
        if call.number % 3 == 0:
            call.close()

    script = own_fake.script(answer)
    key, statuses = own_gateway.key, []

    def calls():
        with Wire(own_gateway.port, key=key) as wire:
            for _ in range(150):
                wire.chat(script.model)
                statuses.append(wire.answer().status)

    threads = [threading.Thread(target=calls) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 900


def test_connections_are_kept(own_gateway, own_fake):
    with Wire(own_gateway.port, key=own_gateway.key) as wire:
        for i in range(20):
            wire.chat("fast", stream=bool(i % 2))
            assert wire.answer().status == 200
    assert len(own_fake.connections) == 1


def test_upstream_that_comes_back(own_gateway, own_fake):
    key = own_gateway.key
    own_fake.stop_listening()
    own_fake.drop_connections()
    assert call_once(own_gateway.port, key, "fast").status == 502
    own_fake.listen_again()
    assert call_once(own_gateway.port, key, "fast").status == 200
