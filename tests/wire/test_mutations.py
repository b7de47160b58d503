"""Ten thousand damaged requests: each ends in an answer or a clean close in time, and afterwards the gateway serves as before.

And the other way round: a thousand damaged answers of an upstream. Both are seeded: a failure names the seed that repeats it.
"""

import asyncio
import json
import os
import random

import pytest

from fake_upstream import FakeUpstream
from gateway import Gateway, plain_config
from wire_client import call_once, request_bytes

REQUESTS = 10_000
ANSWERS = 1_000
SEED = int(os.environ.get("TURNPIKE_TEST_SEED", "20261122"))
AT_ONCE = 64
SECONDS = 20  # for one request on a busy machine; what hangs, hangs for good

INTERESTING = [b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"\r\n\r\n", b"\xff", b"\xc3\x28", b"0", b"-1", b"99999999999999999999",
               b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Expect: 100-continue\r\n", b"{", b"}", b"[", b'"',
               b"\\", b"\\u0000", b"\\ud800", b"%00", b"%2e%2e/", b"HTTP/1.0", b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"--b",
               b"0\r\n\r\n", b"fffffffffffffffff\r\n", b'"model":', b'"stream":true,', b"Authorization: Bearer x\r\n", b";", b",", b"\x80" * 40]


def seeds_of_requests(key):
    """Whole good requests to start from."""
    def request(method, path, body=b"", *lines, length=True):
        head = [f"{method} {path} HTTP/1.1", "Host: gateway.test", f"Authorization: Bearer {key}", *lines]
        if body and length:
            head.append(f"Content-Length: {len(body)}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    chat = json.dumps({"model": "fast", "stream": False, "messages": [{"role": "user", "content": "Grüße 你好"}], "n": 1, "seed": 7}).encode()
    stream = chat.replace(b"false", b"true")
    form = (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nfast\r\n--b\r\nContent-Disposition: form-data; name="file"; '
            b'filename="a.wav"\r\n\r\n' + bytes(range(256)) + b"\r\n--b--\r\n")
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (chat[:5], chat[5:])) + b"0\r\n\r\n"
    kind = "Content-Type: application/json"
    return [
        request("POST", "/v1/chat/completions", chat, kind),
        request("POST", "/v1/chat/completions", stream, kind),
        request("POST", "/v1/chat/completions", chunked, kind, "Transfer-Encoding: chunked", length=False),
        request("POST", "/v1/responses", json.dumps({"model": "fast", "input": "x", "stream": True}).encode(), kind),
        request("POST", "/v1/embeddings", json.dumps({"model": "fast", "input": ["a", "b"]}).encode(), kind),
        request("POST", "/v1/audio/transcriptions", form, "Content-Type: multipart/form-data; boundary=b"),
        request("POST", "/v1/files", form, "Content-Type: multipart/form-data; boundary=b"),
        request("GET", "/v1/models?limit=3"),
        request("GET", "/v1/files/file-0123456789abcdef/content"),
        request("DELETE", "/v1/responses/resp_0123456789abcdef"),
        request("GET", "/v1/models") + request("POST", "/v1/chat/completions", chat, kind),
    ]


def mutate(random, data):
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        if not data:
            break
        at = random.randrange(len(data))
        what = random.randrange(8)
        if what == 0:
            data[at] = random.randrange(256)
        elif what == 1:
            data[at] ^= 1 << random.randrange(8)
        elif what == 2:
            del data[at:at + random.choice([1, 1, 2, 5, 40])]
        elif what == 3:
            data[at:at] = random.choice(INTERESTING)
        elif what == 4:
            del data[at:]  # cut off
        elif what == 5:
            end = at + random.randrange(1, 60)
            data[at:at] = data[at:end] * random.choice([1, 1, 3, 200])
        elif what == 6:
            digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
            if digits:
                data[random.choice(digits)] = random.choice(b"0123456789")
        else:
            size = random.randrange(1, 30)
            other = random.randrange(len(data))
            data[at:at + size], data[other:other + size] = data[other:other + size], data[at:at + size]
    return bytes(data)


async def send_one(port, pieces, end):
    """Sends, tells the gateway that no more comes, and reads to the end. Returns all that came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if end:
                writer.write_eof()
            return await reader.read()
        except (ConnectionResetError, BrokenPipeError):
            return b""
    finally:
        writer.close()


@pytest.fixture(scope="module")
def quiet():
    """An upstream and a gateway that give up on what hangs soon: time-outs of 2 s, well within a request's time here."""
    fake = FakeUpstream()
    fake.remember_calls = False
    fake.problems = Forgetful()
    yield fake
    fake.stop()


class Forgetful(list):
    """Damaged requests may be more than the fake can make sense of; that is no mistake of a script."""

    def append(self, _):
        pass


@pytest.fixture(scope="module")
def quick_gateway(quiet, tmp_path_factory):
    config = plain_config(quiet.url, workers=2, timeouts={"head": "2s", "body": "2s", "keep_alive": "2s", "write": "2s"})
    config["defaults"] = {"timeouts": {"first_byte": "3s", "idle": "3s"}}
    gateway = Gateway(tmp_path_factory.mktemp("mutations"), config).start()
    yield gateway
    gateway.stop()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("half", [0, 1])
def test_damaged_requests(quick_gateway, half):
    key = quick_gateway.key
    originals = seeds_of_requests(key)

    async def one(number):
        source = random.Random(SEED * 100_000 + number)
        data = mutate(source, source.choice(originals))
        cut = source.randrange(len(data) + 1)
        pieces = [data] if number % 4 else [data[:cut], data[cut:]]
        try:
            answer = await asyncio.wait_for(send_one(quick_gateway.port, pieces, end=number % 16 != 0), SECONDS)
        except asyncio.TimeoutError:
            raise AssertionError(f"request {number} of seed {SEED} got neither an answer nor an end: {data!r}")
        assert answer == b"" or answer.startswith(b"HTTP/1."), f"request {number} of seed {SEED}: {answer[:200]!r}"

    async def all_of_them():
        numbers = iter(range(half, REQUESTS, 2))

        async def work():
            for number in numbers:
                await one(number)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    asyncio.run(all_of_them())
    assert quick_gateway.alive(), quick_gateway.stderr()[-4000:]
    assert call_once(quick_gateway.port, key, "fast").status == 200


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_damaged_answers(quick_gateway, quiet):
    """Whatever the upstream sends, the caller gets an answer or an end, and never a status that nobody gave."""
    body = json.dumps({"id": "x", "object": "chat.completion", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).encode()
    frames = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n'
    originals = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(frames), frames),
        b"HTTP/1.1 429 Slow\r\nContent-Type: application/json\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n" + body,
    ]
    numbers = iter(range(ANSWERS * 4))  # more than enough for calls that go out twice

    async def answer(call):
        await call.body()
        source = random.Random(SEED * 100_000 + next(numbers))
        call.write(mutate(source, source.choice(originals)))
        await call.flushed()
        if source.random() < 0.8:
            call.reset() if source.random() < 0.3 else call.close()

    script = quiet.script(answer)
    key = quick_gateway.key

    async def work():
        for _ in range(ANSWERS // 32):
            data = request_bytes(key, "POST", "/v1/chat/completions", {"model": script.model, "stream": True, "messages": []},
                                 [("Connection", "close")])
            got = await asyncio.wait_for(send_one(quick_gateway.port, [data], end=False), SECONDS)
            assert got.startswith(b"HTTP/1.1 ") or got == b"", got[:200]

    async def all_of_them():
        await asyncio.gather(*(work() for _ in range(32)))

    asyncio.run(all_of_them())
    assert quick_gateway.alive(), quick_gateway.stderr()[-4000:]
    assert call_once(quick_gateway.port, key, "fast").status == 200

