"""HTTP/1.1 as it is written: what a correct peer may do must work (RFC 9112, RFC 9110)."""

import json

import pytest

from fake_answers import CONTENT, respond
from wire_client import Wire

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}


def test_keep_alive(wire):
    for _ in range(20):
        wire.chat("fast")
        answer = wire.answer()
        assert answer.status == 200
        assert answer.header("connection", "keep-alive").lower() != "close"


def test_connection_close_is_obeyed(wire):
    wire.chat("fast", headers=[("Connection", "close")])
    answer = wire.answer()
    assert answer.status == 200
    assert answer.header("connection").lower() == "close"
    assert wire.closed()


def test_http_1_0_without_keep_alive(wire):
    wire.request("POST", "/v1/chat/completions", CHAT, version="HTTP/1.0", host=False)
    answer = wire.head()
    assert answer.status == 200
    assert answer.header("transfer-encoding") is None, "an HTTP/1.0 caller cannot read chunks"
    body = wire.rest()
    assert json.loads(body)["choices"][0]["message"]["content"] == CONTENT


def test_http_1_0_stream_ends_with_the_connection(wire):
    wire.request("POST", "/v1/chat/completions", {**CHAT, "stream": True}, version="HTTP/1.0", host=False)
    answer = wire.head()
    assert answer.header("transfer-encoding") is None
    assert wire.rest().endswith(b"data: [DONE]\n\n")


def test_pipelined_answers_come_in_order(wire, gateway, fake):
    """The first is slow and the others are quick; the order is that of the requests all the same."""
    gate = fake.gate()

    async def slow(call):
        await call.body()
        await gate.wait()
        await respond(call)

    script = fake.script(slow)
    names = [script.model] + [f"pipelined-{i}" for i in range(9)]
    wire.send(b"".join(wire.bytes_of("POST", "/v1/chat/completions", {**CHAT, "model": name}) for name in names))
    assert gate.reached.wait(10)
    assert wire.silent(0.2), "an answer overtook the first one"
    gate.open()
    assert [wire.answer().json()["model"] for _ in names] == names


def test_pipelined_mix_of_methods_and_streams(wire):
    wire.send(
        wire.bytes_of("GET", "/v1/models")
        + wire.bytes_of("POST", "/v1/chat/completions", {**CHAT, "stream": True})
        + wire.bytes_of("GET", "/nowhere")
        + wire.bytes_of("POST", "/v1/chat/completions", CHAT)
        + wire.bytes_of("GET", "/healthz", headers=[("Connection", "close")]))
    assert [wire.answer("GET").status for _ in range(5)] == [200, 200, 404, 200, 200]
    assert wire.closed()


def test_half_closed_caller_still_gets_its_answer_or_a_close(wire):
    """A caller who sends its end after its request may be taken as gone; it must not be left waiting."""
    wire.chat("fast")
    wire.half_close()
    data = wire.rest()
    assert data == b"" or data.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sizes", [[1] * 60, [7, 1, 30, 1000], [100000]], ids=["bytes", "odd", "one"])
def test_chunked_request_body(wire, fake, sizes):
    script = fake.script(respond)
    body = json.dumps({**CHAT, "model": script.model}).encode()
    wire.request("POST", "/v1/chat/completions", length=False,
                 headers=[("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
    rest, sizes = body, list(sizes)
    while rest:
        part, rest = rest[:sizes[0]], rest[sizes[0]:]
        sizes = sizes[1:] or [1 << 20]
        wire.send(b"%X;name=value\r\n%s\r\n" % (len(part), part))
    wire.send(b"0\r\n\r\n")
    assert wire.answer().status == 200
    assert script.call().content == body
    wire.chat("fast")
    assert wire.answer().status == 200, "the connection is in order afterwards"


def test_trailers_of_a_request_are_taken(wire):
    body = json.dumps(CHAT).encode()
    wire.request("POST", "/v1/chat/completions", length=False, headers=[
        ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum")])
    wire.send(b"%x\r\n%s\r\n0\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n" % (len(body), body))
    assert wire.answer().status == 200
    wire.chat("fast")
    assert wire.answer().status == 200


def test_expect_100_continue(wire):
    body = json.dumps(CHAT).encode()
    wire.request("POST", "/v1/chat/completions", length=False, headers=[
        ("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Expect", "100-continue")])
    interim = wire.head(interim=True)
    assert interim.status == 100
    wire.send(body)
    assert wire.answer().status == 200


def test_expect_100_continue_with_a_body_that_comes_at_once(wire):
    wire.request("POST", "/v1/chat/completions", CHAT, headers=[("Expect", "100-continue")])
    assert wire.answer().status == 200
    wire.chat("fast")
    assert wire.answer().status == 200


def test_expect_with_a_refusal_asks_for_no_body(gateway):
    with Wire(gateway.port, key="tpk_wrong") as wire:
        wire.request("POST", "/v1/chat/completions", length=False, headers=[
            ("Content-Type", "application/json"), ("Content-Length", "1000000"), ("Expect", "100-continue")])
        assert wire.head(interim=True).status == 401, "final at once; nobody sends a megabyte for a refusal"


def test_unknown_expectation(wire):
    wire.request("POST", "/v1/chat/completions", CHAT, headers=[("Expect", "wonders")])
    assert wire.answer().status in (400, 417)


def test_head(wire):
    wire.request("HEAD", "/v1/models")
    answer = wire.answer("HEAD")
    assert answer.status in (200, 405)
    wire.request("GET", "/v1/models")
    assert wire.answer("GET").status == 200, "the answer to HEAD had no body"


def test_options(wire):
    wire.request("OPTIONS", "/v1/chat/completions")
    assert wire.answer("OPTIONS").status in (200, 204, 404, 405)
    wire.request("GET", "/v1/models")
    assert wire.answer("GET").status == 200


def test_absolute_form(wire, fake):
    """Only somebody who takes the gateway for a proxy sends it: served or refused, but never sent on to that host."""
    before = len(fake.calls)
    wire.request("GET", "http://gateway.test/v1/models")
    assert wire.answer("GET").status in (200, 400)
    assert len(fake.calls) == before


def test_query_is_ignored_in_routing_and_kept_upstream(wire, fake):
    script = fake.script(respond)
    wire.request("POST", "/v1/chat/completions?beta=true&x=%20y", {**CHAT, "model": script.model})
    assert wire.answer().status == 200
    assert script.call().target == "/v1/chat/completions?beta=true&x=%20y"


def test_leading_empty_lines_are_tolerated(wire):
    """RFC 9112 section 2.2: a server should ignore at least one CRLF before a request line."""
    wire.send(b"\r\n" + wire.bytes_of("GET", "/v1/models"))
    assert wire.answer("GET").status == 200


def test_a_request_in_single_bytes(wire):
    for byte in wire.bytes_of("POST", "/v1/chat/completions", CHAT):
        wire.send(bytes([byte]))
    assert wire.answer().status == 200


@pytest.mark.parametrize("path", [
    "/v1/chat/completions/", "//v1/chat/completions", "/v1//chat/completions", "/v1/./chat/completions", "/v1/models/../chat/completions",
    "/v1/chat%2fcompletions", "/v1/chat/completions%00", "/v1/%2e%2e/admin", "/v1/files/%2e%2e", "/v1/files/..%2f..%2forganization"])
def test_no_second_way_to_write_a_path(wire, fake, path):
    """What identity and limits were checked for must be what the provider reads."""
    before = len(fake.calls)
    wire.request("POST" if "chat" in path else "GET", path, CHAT if "chat" in path else b"")
    assert wire.answer().status in (400, 404)
    assert len(fake.calls) == before


def test_hop_by_hop_headers_stay_here(wire, fake):
    async def answer(call):
        await call.body()
        call.answer({"ok": True}, headers=[("Connection", "x-private"), ("X-Private", "1"), ("Keep-Alive", "timeout=7"),
                                           ("X-Public", "yes"), ("Proxy-Authenticate", "Basic"), ("Set-Cookie", "a=b")])

    script = fake.script(answer)
    wire.request("POST", "/v1/chat/completions", {**CHAT, "model": script.model}, headers=[
        ("Connection", "keep-alive, x-mine"), ("X-Mine", "secret"), ("TE", "trailers"), ("Proxy-Authorization", "Basic eA=="),
        ("X-Kept", "1"), ("Cookie", "session=1")])
    got = wire.answer()
    sent = dict(script.call().headers)
    assert "x-mine" not in sent and "te" not in sent and "proxy-authorization" not in sent
    assert sent["x-kept"] == "1"
    assert got.header("x-public") == "yes"
    assert got.header("x-private") is None and got.header("keep-alive") is None and got.header("proxy-authenticate") is None


def test_interim_answers_of_the_upstream(wire, fake):
    async def answer(call):
        call.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        call.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.body()
        call.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await respond(call)

    script = fake.script(answer)
    wire.chat(script.model)
    assert wire.answer().json()["choices"][0]["message"]["content"] == CONTENT
    wire.chat(script.model)
    assert wire.answer().status == 200


def test_upstream_answer_in_every_framing(wire, fake):
    body = json.dumps({"x": "y" * 1000}).encode()
    framings = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
        "until close": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body,
        "1.0": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body,
        "odd chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                      + b"".join(b"%x;a=b\r\n%s\r\n" % (len(p), p) for p in (body[:1], body[1:8], body[8:500], body[500:]))
                      + b"0\r\nX-Trailer: 1\r\n\r\n",
        "no reason": b"HTTP/1.1 200\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
    }

    for name, data in framings.items():
        async def answer(call, data=data, name=name):
            await call.body()
            call.write(data)
            if name in ("until close", "1.0"):
                call.close()

        script = fake.script(answer)
        wire.chat(script.model)
        got = wire.answer()
        assert (got.status, got.body) == (200, body), name


def test_upstream_204_and_304(wire, fake):
    for status in (204, 304):
        async def answer(call, status=status):
            await call.body()
            call.write_head(status, [("X-Empty", "1")])

        script = fake.script(answer)
        wire.chat(script.model)
        got = wire.answer()
        assert (got.status, got.body, got.header("x-empty")) == (status, b"", "1")
    wire.chat("fast")
    assert wire.answer().status == 200
