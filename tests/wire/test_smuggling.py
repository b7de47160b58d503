"""Requests that two parsers could read in two ways: refused with 400 and a closed connection, and nothing goes upstream.

Each case is followed by a whole second request in the same packet, which must never be answered.
"""

import pytest

from wire_client import Wire

BODY = b'{"model":"fast","messages":[]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FIRST = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: gateway.test\r\n"
KEY = b"Authorization: Bearer KEY\r\nContent-Type: application/json\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def head(*lines, first=FIRST):
    return first + HOST + KEY + b"".join(lines) + b"\r\n"


def chunks(*, size=b"%x" % len(BODY), extension=b"", end=b"\r\n", last=b"0\r\n\r\n", size_end=b"\r\n"):
    return head(CHUNKED) + size + extension + size_end + BODY + end + last


CASES = {
    "length and chunked": head(LENGTH, CHUNKED) + CHUNKS,
    "chunked and length": head(CHUNKED, LENGTH) + CHUNKS,
    "two lengths that differ": head(LENGTH, b"Content-Length: 5\r\n") + BODY,
    "two lengths that agree": head(LENGTH, LENGTH) + BODY,
    "list of lengths": head(b"Content-Length: 30, 30\r\n") + BODY,
    "length with plus": head(b"Content-Length: +30\r\n") + BODY,
    "length with minus": head(b"Content-Length: -1\r\n") + BODY,
    "length in hex": head(b"Content-Length: 0x1e\r\n") + BODY,
    "length with space inside": head(b"Content-Length: 3 0\r\n") + BODY,
    "length empty": head(b"Content-Length:\r\n") + BODY,
    "length too large for a number": head(b"Content-Length: 99999999999999999999999\r\n") + BODY,
    "length after NUL": head(b"Content-Length: 30\x00\r\n") + BODY,
    "space before colon": head(b"Content-Length : 30\r\n") + BODY,
    "unknown coding": head(b"Transfer-Encoding: xchunked\r\n") + CHUNKS,
    "identity": head(b"Transfer-Encoding: identity\r\n", LENGTH) + BODY,
    "chunked not last": head(b"Transfer-Encoding: chunked, identity\r\n") + CHUNKS,
    "chunked twice": head(b"Transfer-Encoding: chunked, chunked\r\n") + CHUNKS,
    "chunked on two lines": head(CHUNKED, CHUNKED) + CHUNKS,
    "chunked with a tail": head(b"Transfer-Encoding: chunked\x0b\r\n") + CHUNKS,
    "chunked in quotes": head(b'Transfer-Encoding: "chunked"\r\n') + CHUNKS,
    "chunked in HTTP/1.0": head(CHUNKED, first=b"POST /v1/chat/completions HTTP/1.0\r\n") + CHUNKS,
    "bare LF after a header": head(b"X-A: b\n", LENGTH) + BODY,
    "bare LF after the request line": b"POST /v1/chat/completions HTTP/1.1\n" + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "bare LF at the head's end": FIRST + HOST + KEY + LENGTH + b"\n" + BODY,
    "bare CR in a value": head(b"X-A: b\rc\r\n", LENGTH) + BODY,
    "folded header": head(b"X-A: b\r\n c\r\n", LENGTH) + BODY,
    "folded coding": head(b"Transfer-Encoding:\r\n chunked\r\n") + CHUNKS,
    "folded first header": FIRST + b" X-A: b\r\n" + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "NUL in a value": head(b"X-A: b\x00c\r\n", LENGTH) + BODY,
    "NUL in a name": head(b"X\x00A: b\r\n", LENGTH) + BODY,
    "control character in a value": head(b"X-A: b\x01c\r\n", LENGTH) + BODY,
    "no name": head(b": b\r\n", LENGTH) + BODY,
    "no colon": head(b"X-A\r\n", LENGTH) + BODY,
    "name with a space": head(b"X A: b\r\n", LENGTH) + BODY,
    "name with a bracket": head(b"X(A): b\r\n", LENGTH) + BODY,
    "no Host": FIRST + KEY + LENGTH + b"\r\n" + BODY,
    "two Hosts": FIRST + HOST + b"Host: other\r\n" + KEY + LENGTH + b"\r\n" + BODY,
    "chunk size empty": chunks(size=b""),
    "chunk size of letters": chunks(size=b"zz"),
    "chunk size negative": chunks(size=b"-1e"),
    "chunk size with plus": chunks(size=b"+1e"),
    "chunk size with prefix": chunks(size=b"0x1e"),
    "chunk size after a space": chunks(size=b" 1e"),
    "chunk size too large for a number": chunks(size=b"fffffffffffffffffffffffff"),
    "chunk size that wraps": chunks(size=b"1000000000000001e"),
    "chunk size with a bare LF": chunks(size_end=b"\n"),
    "chunk extension with a bare LF": chunks(extension=b";a\nb"),
    "chunk extension with NUL": chunks(extension=b";a=\x00"),
    "chunk longer than it says": chunks(size=b"5"),
    "chunk end missing": chunks(end=b""),
    "chunk end with a bare LF": chunks(end=b"\n"),
    "trailer with a bare LF": chunks(last=b"0\r\nX: y\n\r\n"),
    "trailer with a space before the colon": chunks(last=b"0\r\nX : y\r\n\r\n"),
    "tab in the request line": FIRST.replace(b" ", b"\t", 1) + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "two spaces in the request line": FIRST.replace(b" ", b"  ", 1) + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "no version": b"POST /v1/chat/completions\r\n" + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "NUL in the target": FIRST.replace(b"/v1", b"/\x00v1") + HOST + KEY + LENGTH + b"\r\n" + BODY,
    "high byte in the method": FIRST.replace(b"POST", b"P\xc3ST") + HOST + KEY + LENGTH + b"\r\n" + BODY,
}
OTHER_STATUSES = {  # where another refusal says it better
    "unknown coding": {400, 501}, "identity": {400, 501}, "chunked in quotes": {400, 501}, "chunked with a tail": {400, 501},
    "length too large for a number": {400, 413},
    "chunk size too large for a number": {400, 413}, "chunk size that wraps": {400, 413},
    "high byte in the method": {400, 501},
}


@pytest.mark.parametrize("name", CASES)
def test_refused(gateway, fake, name):
    calls, key = len(fake.calls), gateway.key.encode()
    with Wire(gateway.port) as wire:
        second = b"GET /v1/models HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer " + key + b"\r\n\r\n"
        wire.send(CASES[name].replace(b"KEY", key) + second)
        answer = wire.answer()
        assert answer.status in OTHER_STATUSES.get(name, {400}), answer.body
        assert answer.error["type"] == "invalid_request_error"
        assert answer.request_id
        assert wire.rest() == b"", "a second answer came: somebody else's request"
    assert len(fake.calls) == calls


@pytest.mark.parametrize("version, statuses", [
    (b"HTTP/1.2", {200, 400, 505}), (b"HTTP/2.0", {400, 505}), (b"HTTP/0.9", {400, 505}), (b"HTTP/11.1", {400, 505}), (b"http/1.1", {400, 505}), (b"ICY", {400, 505})])
def test_versions(gateway, version, statuses):
    with Wire(gateway.port) as wire:
        wire.send(b"GET /healthz " + version + b"\r\nHost: x\r\n\r\n")
        wire.half_close()
        data = wire.rest()
        assert data == b"" or int(data.split(b" ")[1]) in statuses


@pytest.mark.parametrize("bytes_sent", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"\x00" * 50, b"GET\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", b"\r\n" * 200], ids=["h2", "tls", "nul", "short", "connect", "lines"])
def test_what_is_not_http_1_ends(gateway, bytes_sent):
    with Wire(gateway.port) as wire:
        wire.send(bytes_sent)
        wire.half_close()
        data = wire.rest()
        assert data == b"" or 400 <= int(data.split(b" ")[1]) < 600


def test_upstream_answers_that_could_be_read_in_two_ways_are_refused(wire, fake):
    """The gateway's caller and its pool would otherwise read the next answer from a wrong place."""
    body = b'{"a":1}'
    for name, data in {
        "length and chunked": b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n" + body + b"\r\n0\r\n\r\n",
        "two lengths": b"Content-Length: 7\r\nContent-Length: 8\r\n\r\n" + body,
        "bad length": b"Content-Length: 7x\r\n\r\n" + body,
        "NUL": b"X: a\x00b\r\nContent-Length: 7\r\n\r\n" + body,
        "bare LF": b"X: a\nContent-Length: 7\r\n\r\n" + body,
    }.items():
        async def answer(call, data=data):
            await call.body()
            call.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + data)

        script = fake.script(answer)
        wire.chat(script.model)
        got = wire.answer()
        assert got.status == 502, (name, got.body)
        assert got.error["type"] == "server_error"


def test_bytes_after_an_upstream_answer_never_become_an_answer(gateway, fake, dial):
    """An upstream sends a whole second answer that nobody asked for. The next call must not get it."""
    async def answer(call):
        await call.body()
        # in one write: what comes later than the next request cannot be told from its answer by anybody
        call.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"whose":"first"}'
                   b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"whose":"nobodys"}')

    for _ in range(5):
        script = fake.script(answer)
        wire = dial()
        wire.chat(script.model)
        assert wire.answer().json() == {"whose": "first"}
        for _ in range(3):
            wire.chat("fast")
            assert b"nobodys" not in wire.answer().body
