"""Bytes pass untouched: only what must change does, and it is cut in, not decoded and encoded again."""

import json

import pytest

from fake_answers import respond
from wire_client import call_once


def echo(body, content_type="application/json", status=200, headers=()):
    async def answer(call):
        await call.body()
        call.answer(body, status, headers, content_type)
    return answer


def send(wire, body, path="/v1/chat/completions", headers=()):
    wire.request("POST", path, body, headers)
    return wire.answer()


def test_request_with_nothing_to_change_is_the_same(wire, fake):
    script = fake.script(respond)
    body = (b'{\n\t"zeta" : 1e400, "alpha":12345678901234567890.10, "model"\t:\t"%s" ,"messages":[ {"role":"user","content":"\\u00e9 \\/ '
            b'\xf0\x9f\x9a\xa6 \\ud83d\\udea6"} ],"zeta2":-0.0,"x":null, "dup":1, "dup":2 }\n ' % script.token.encode())
    assert send(wire, body).status == 200
    assert script.call().content == body


def test_only_the_models_name_changes(wire, fake):
    """`fast` becomes gpt-4o-mini in its place; every other byte stays."""
    script = fake.script(respond)
    body = b'{"a":[1,{"model":"fast"}], "model" : "fast", "user":"%s","s":"\\"model\\":\\"fast\\""}' % script.token.encode()
    body = body[:-1] + b',"messages":[{"role":"user","content":"x"}]}'
    assert send(wire, body).status == 200
    assert script.call().content == body.replace(b'"model" : "fast"', b'"model" : "gpt-4o-mini"')


def test_model_written_with_escapes(wire, fake):
    script = fake.script(respond)
    body = b'{"model":"f\\u0061st","user":"%s","messages":[{"role":"user","content":"x"}]}' % script.token.encode()
    assert send(wire, body).status == 200
    assert script.call().json()["model"] == "gpt-4o-mini"


def test_key_written_with_escapes(wire, fake):
    """JSON has many ways to write "model"; a provider that decodes them would see another model than we did."""
    script = fake.script(respond)
    body = b'{"m\\u006fdel":"fast","user":"%s","messages":[{"role":"user","content":"x"}]}' % script.token.encode()
    answer = send(wire, body)
    if answer.status == 200:
        assert script.call().json()["model"] == "gpt-4o-mini"
    else:
        assert answer.status == 400


def test_two_models_in_one_body(wire, fake):
    """First or last, parsers differ: a key limited to one model could be made to reach another."""
    before = len(fake.calls)
    answer = send(wire, b'{"model":"fast","messages":[],"model":"expensive"}')
    assert answer.status == 400 or fake.calls[-1].content.count(b"expensive") == 0
    assert answer.status != 400 or len(fake.calls) == before


@pytest.mark.parametrize("place", [12, 900_000, 5_000_000])
def test_model_deep_in_a_large_body(wire, fake, place):
    script = fake.script(respond)
    body = b'{"messages":[{"role":"user","content":"' + b"x" * place + b'"}],"user":"%s","model":"fast"}' % script.token.encode()
    assert send(wire, body).status == 200
    assert script.call().content == body.replace(b'"model":"fast"', b'"model":"gpt-4o-mini"')


def test_stream_options_are_added_and_the_rest_stays(wire, fake):
    script = fake.script(respond)
    body = b'{"model":"%s", "stream" : true , "messages":[{"role":"user","content":"x"}],"seed":1.0}' % script.token.encode()
    assert send(wire, body).status == 200
    sent = script.call().content
    assert json.loads(sent) == {**json.loads(body), "stream_options": {"include_usage": True}}
    assert b'"seed":1.0' in sent and b'"stream" : true ' in sent


@pytest.mark.parametrize("options", ["{}", '{"include_obfuscation":false}', '{ "include_usage" : false , "x":1 }', "null"])
def test_stream_options_of_the_caller_are_kept(wire, fake, options):
    script = fake.script(respond)
    body = '{"model":"%s","stream":true,"stream_options":%s,"messages":[{"role":"user","content":"x"}]}' % (script.token, options)
    assert send(wire, body.encode()).status == 200
    expected = {**(json.loads(options) or {}), "include_usage": True}
    assert script.call().json()["stream_options"] == expected


def test_deep_nesting_is_no_harm(wire):
    depth = 100_000
    answer = send(wire, b'{"model":"fast","x":' + b"[" * depth + b"]" * depth + b"}")
    assert answer.status in (200, 400)


@pytest.mark.parametrize("status", [200, 201, 400, 402, 418, 451])
def test_answers_are_the_same(wire, fake, status):
    body = b'{"z":1,  "a":0.10, "big":123456789012345678901234567890}\n\n'
    script = fake.script(echo(body, status=status, headers=[("X-Vendor", "a, b"), ("X-Vendor", "c")]))
    answer = call_model(wire, script)
    assert (answer.status, answer.body) == (status, body)
    assert answer.header_all("x-vendor") == ["a, b", "c"]


def call_model(wire, script, **more):
    wire.chat(script.model, **more)
    return wire.answer()


def test_compressed_answers_pass_or_are_not_asked_for(wire, fake, gateway):
    """Usage must be found all the same."""
    script = fake.script(respond)
    wire.chat(script.model, headers=[("Accept-Encoding", "gzip, br")])
    answer = wire.answer()
    asked = script.call().header("accept-encoding", "identity")
    assert "gzip" not in asked and "br" not in asked
    assert gateway.wait_record(answer.request_id)["input_tokens"] == 11


def test_binary_answers_are_the_same(wire, fake):
    body = bytes(range(256)) * 1000
    script = fake.script(echo(body, "audio/mpeg"))
    wire.request("POST", "/v1/audio/speech", {"model": script.token, "input": "x", "voice": "alloy"})
    answer = wire.answer()
    assert answer.body == body and answer.header("content-type") == "audio/mpeg"


@pytest.mark.parametrize("boundary", ["b", "----WebKitFormBoundary7MA4YWxk", '"quoted boundary"', "a'()+_,-./:=?z"])
def test_forms_are_the_same(wire, fake, boundary):
    script = fake.script(echo(b'{"text":"x"}'))
    mark = boundary.strip('"').encode()
    body = (b"--" + mark + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + script.token.encode()
            + b"\r\n--" + mark + b'\r\nContent-Disposition: form-data; name="file"; filename="a%22b.wav"\r\nContent-Type: audio/wav\r\n\r\n'
            + b"\r\n--" + mark[:-1] + b"\r\n-" + bytes(range(256)) + b"\r\n--" + mark + b"--\r\n")
    if '"' not in boundary and "?" in boundary:
        boundary = f'"{boundary}"'
    wire.request("POST", "/v1/audio/transcriptions", length=False, headers=[
        ("Content-Type", f"multipart/form-data; boundary={boundary}"), ("Content-Length", str(len(body)))])
    wire.send(body)
    assert wire.answer().status == 200
    assert script.call().content == body


@pytest.mark.parametrize("body", [
    b'preamble\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nfast\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="a\\"; name="model"\r\n\r\nfast\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nfast\r\n--b\r\n'
    b'Content-Disposition: form-data; name="model"\r\n\r\nother\r\n--b--\r\n'], ids=["preamble", "backslash", "two models"])
def test_forms_that_could_be_read_in_two_ways_are_refused(wire, fake, body):
    before = len(fake.calls)
    wire.request("POST", "/v1/audio/transcriptions", length=False, headers=[
        ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(body)))])
    wire.send(body)
    answer = wire.answer()
    assert answer.status == 400 and answer.error["type"] == "invalid_request_error"
    assert len(fake.calls) == before


def test_a_form_whose_model_comes_last_is_routed_by_it(wire, fake):
    body = (b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(300_000)
            + b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nfast\r\n--b--\r\n')
    wire.request("POST", "/v1/audio/transcriptions", length=False, headers=[
        ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(body)))])
    wire.send(body)
    assert wire.answer().json()["text"] == "heard 300000 bytes"
    sent = [c for c in fake.calls if c.target == "/v1/audio/transcriptions"][-1]
    assert sent.content == body.replace(b"\r\nfast\r\n", b"\r\ngpt-4o-mini\r\n")


def test_fresh_connections_and_kept_ones_send_the_same(gateway, fake):
    script = fake.script(respond)
    for _ in range(4):
        assert call_once(gateway.port, gateway.key, script.model).status == 200
    heads = {call.head.split(b"\r\n", 1)[0] for call in script.wait_calls(4)}
    assert heads == {b"POST /v1/chat/completions HTTP/1.1"}
    assert len({call.content for call in script.calls}) == 1
