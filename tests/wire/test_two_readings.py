"""Bodies that the provider could read as another model than the one that the key was checked for: refused, nothing goes upstream."""

import json

import pytest

from wire_client import Wire

JSON = b'{"model":"fast","messages":[]}'
CHAT = "/v1/chat/completions"
AUDIO = "/v1/audio/transcriptions"
FORM_TYPE = b"Content-Type: multipart/form-data; boundary=b"


def part(value, name=b"model"):
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


END = b"--b--\r\n"
CASES = {
    "two content types": (CHAT, [b"Content-Type: application/json", b"Content-Type: text/plain"], JSON, 400),
    "two boundaries": (AUDIO, [FORM_TYPE, b"Content-Type: multipart/form-data; boundary=c"], part(b"fast") + END, 400),
    "two encodings": (CHAT, [b"Content-Type: application/json", b"Content-Encoding: identity", b"Content-Encoding: gzip"], JSON, 400),
    "two keys": (CHAT, [b"Content-Type: application/json", b"Authorization: Bearer other"], JSON, 400),
    "JSON in UTF-7": (CHAT, [b"Content-Type: application/json; charset=utf-7"],
                      b'{"model":"fast","+AG0-odel":"other","messages":[]}', 415),
    "JSON in a charset in capitals": (CHAT, [b'Content-Type: application/json; CHARSET = "UTF-7"'], JSON, 415),
    "JSON in two charsets": (CHAT, [b"Content-Type: application/json; charset=utf-8; charset=utf-7"], JSON, 415),
    "form in UTF-7": (AUDIO, [FORM_TYPE + b"; charset=utf-7"], part(b"fast") + part(b"other", b"+AG0-odel") + END, 415),
    "NUL in a form's model": (AUDIO, [FORM_TYPE], part(b"fast\0other") + END, 403),
    "a form without its end": (AUDIO, [FORM_TYPE], part(b"fast"), 400),
    "a model behind the form's end": (AUDIO, [FORM_TYPE], part(b"fast") + END + part(b"other") + END, 400),
}


@pytest.fixture
def limited_key(gateway):
    key = gateway.create_key("limited", "--model", "fast")["key"]
    gateway.wait_key(key)
    return key


def send(gateway, key, path, lines, body):
    with Wire(gateway.port) as wire:
        wire.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer " + key.encode() + b"\r\n"
                  + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return wire.answer()


@pytest.mark.parametrize("name", CASES)
def test_refused(gateway, fake, limited_key, name):
    path, lines, body, status = CASES[name]
    calls = len(fake.calls)
    answer = send(gateway, limited_key, path, lines, body)
    assert answer.status == status, answer.body
    assert json.loads(answer.body)["error"]["code"]
    assert len(fake.calls) == calls


@pytest.mark.parametrize("charset", [b"utf-8", b"UTF-8", b'"utf-8"', b"us-ascii"])
def test_the_usual_charsets_pass(gateway, limited_key, charset):
    assert send(gateway, limited_key, CHAT, [b"Content-Type: application/json; charset=" + charset], JSON).status == 200
