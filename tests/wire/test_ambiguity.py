"""Never two views of one message: each case of the corpus goes through a gateway to an upstream that keeps the bytes, and all
readers of tests/two_readers.py, the strict one and the lax ones, must read them alike. A whole second request follows each."""

import json

import pytest

from ambiguity_corpus import CORPUS
from gateway import Gateway, plain_config
from two_readers import LAX, KeepingUpstream, read_laxly, read_strictly
from wire_client import Wire

SECOND_BODY = b'{"model":"fast","messages":[],"user":"second"}'
SECOND = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\n"
          b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(SECOND_BODY), SECOND_BODY))
PATIENCE = 0.1  # seconds of silence after which the caller ends; no verdict depends on it


@pytest.fixture(scope="module")
def upstream():
    upstream = KeepingUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def gate(upstream, tmp_path_factory):
    config = plain_config(upstream.url)
    config["models"] = {"fast": {"targets": [{"provider": "up", "model": "gpt-4o-mini"}]}}
    gateway = Gateway(tmp_path_factory.mktemp("ambiguity"), config).start()
    yield gateway
    gateway.stop()


def ask(gateway, data):
    """All that the gateway says to these bytes, and whether it ended by itself."""
    with Wire(gateway.port, timeout=PATIENCE) as wire:
        said = b""
        wire.send(data)
        try:
            while piece := wire.socket.recv(1 << 16):
                said += piece
            return said, True
        except ConnectionResetError:
            return said, True
        except TimeoutError:
            wire.half_close()
            wire.socket.settimeout(15)
            return said + wire.rest(), False


def models_read(body):
    """The model of a JSON body as the first, the last and a reader that minds no capitals takes it."""
    pairs = json.loads(body.decode(errors="replace"), object_pairs_hook=list, strict=False)
    exact = [value for name, value in pairs if name == "model"]
    folded = [value for name, value in pairs if name.lower() == "model"]
    return exact[0], exact[-1], folded[0], folded[-1]


@pytest.mark.parametrize("name", CORPUS)
def test_everybody_reads_the_same(gate, upstream, name):
    key = gate.key.encode()
    said, ended = ask(gate, (CORPUS[name] + SECOND).replace(b"KEY", key))
    connections = upstream.take()
    assert not upstream.refused, upstream.refused
    messages = [message for data in connections for message in read_strictly(data)]
    for lax in LAX:
        assert [message for data in connections for message in read_laxly(data, **lax)] == messages, lax
    for method, target, body in messages:
        assert (method, target.partition("?")[0]) == ("POST", "/v1/chat/completions")
        assert set(models_read(body)) == {"gpt-4o-mini"}, body
    answered = said.count(b'"content":"ok"')
    assert answered == len(messages) if ended else answered <= len(messages)
    requests = max(CORPUS[name].count(b" HTTP/1.1\r\n"), 1) + 1
    assert said.count(b"HTTP/1.1 ") <= requests + said.count(b"HTTP/1.1 100 "), said
