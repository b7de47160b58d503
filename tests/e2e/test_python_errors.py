"""Errors as the Python SDK sees them: the right class, the right retry, the request id on each."""

import json

import httpx2
import openai
import pytest

from fake_answers import CONTENT, chat_frames, error, respond
from gateway import plain_config

HELLO = [{"role": "user", "content": "hello"}]


def failing(status, code=None, headers=(), kind="server_error"):
    async def answer(call):
        await call.body()
        call.answer(error("the upstream says no", kind, code), status, headers)
    return answer


@pytest.mark.parametrize("status, kind", [
    (400, openai.BadRequestError), (401, openai.AuthenticationError), (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError), (409, openai.ConflictError), (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)])
def test_upstream_error_comes_through(sdk, gateway, fake, status, kind):
    """One target, nothing to fall back to: what the upstream said reaches the caller. (A 401 of the upstream is about the
    gateway's credential, and still must not be a success or lose its request id.)"""
    script = fake.script(failing(status, "some_code"))
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.done(sdk.client.chat.completions.create(model=script.model, messages=HELLO))
    assert caught.value.request_id
    if status != 401:
        assert isinstance(caught.value, kind)
        assert caught.value.code == "some_code"
    assert gateway.wait_record(caught.value.request_id)["status"] == caught.value.status_code


def test_bad_key(sdk, gateway):
    client = sdk.client.with_options(api_key="tpk_no_such_key")
    with pytest.raises(openai.AuthenticationError) as caught:
        sdk.done(client.chat.completions.create(model="fast", messages=HELLO))
    assert caught.value.code in ("invalid_api_key", "mistyped_api_key")
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id
    assert "tpk_no_such_key" not in json.dumps(caught.value.body), "a refused key is not read back whole"
    assert gateway.wait_record(caught.value.request_id)["status"] == 401, "refused calls are recorded, too"


def test_another_vendors_key(sdk):
    client = sdk.client.with_options(api_key="sk-proj-abcdefghijklmnopqrstuvwxyz")
    with pytest.raises(openai.AuthenticationError):
        sdk.done(client.models.list())


def test_unknown_model(start_gateway, own_fake):
    """Without a `*` row a name that is not listed is not found."""
    config = plain_config(own_fake.url)
    del config["models"]["*"]
    gateway = start_gateway(config)
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="gpt-99", messages=HELLO)
        assert caught.value.code == "model_not_found"
        assert "gpt-99" in caught.value.message
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-99")
        assert [m.id for m in client.models.list()] == ["fast"]
    assert not own_fake.calls


@pytest.mark.parametrize("body", [
    b"{", b"", b"[]", b"null", b'{"messages":[]}', b'{"model":7,"messages":[]}', b'{"model":"fast","messages":[],}',
    b'{"model":"fast" "x":1}', b"\xff\xfe", b'{"model":"fast"}garbage', b'{"model":"fa\nst"}', b'{"model":""}'],
    ids=lambda body: body.decode("latin-1").encode("unicode_escape").decode() or "empty")
def test_bad_json(gateway, fake, body):
    """Not by the SDK, which cannot send it; but the class is the one it would raise."""
    calls = len(fake.calls)
    answer = httpx2.post(gateway.url + "/v1/chat/completions", content=body, headers={
        "Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    found = answer.json()["error"]
    assert found["type"] == "invalid_request_error" and set(found) >= {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    assert len(fake.calls) == calls, "refused here, not there"


@pytest.mark.parametrize("method, path", [
    ("GET", "/v1/nothing"), ("POST", "/v1/chat/completionz"), ("GET", "/v2/models"), ("POST", "/"), ("DELETE", "/v1/chat/completions")])
def test_unknown_path(gateway, method, path):
    answer = httpx2.request(method, gateway.url + path, headers={"Authorization": f"Bearer {gateway.key}"})
    assert answer.status_code in (404, 405)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_sdk_retries_are_seen_as_such(gateway, fake):
    """The SDK retries a 503 by itself; each try is a call of its own here, told apart by x-stainless-retry-count."""
    async def second_time_lucky(call):
        await call.body()
        if len(script.calls) == 1:
            call.answer(error("busy"), 503, [("retry-after-ms", "1")])
        else:
            await respond(call)

    script = fake.script(second_time_lucky)
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=2) as client:
        answer = client.chat.completions.create(model=script.model, messages=HELLO)
    assert answer.choices[0].message.content == CONTENT
    assert len(script.calls) == 2


def test_retry_after_reaches_the_caller(sdk, fake):
    script = fake.script(failing(429, "rate_limit_exceeded", [("retry-after", "7"), ("x-ratelimit-remaining-requests", "0")], "requests"))
    with pytest.raises(openai.RateLimitError) as caught:
        sdk.done(sdk.client.chat.completions.create(model=script.model, messages=HELLO))
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_error_frame_in_a_stream_raises(sdk, gateway, fake):
    async def fails(call):
        await call.body()
        await call.stream([chat_frames(call.json())[0], b'data: {"error":{"message":"overloaded","type":"server_error","param":null,"code":"busy"}}\n\n'])

    script = fake.script(fails)
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(model=script.model, messages=HELLO, stream=True))
    with pytest.raises(openai.APIError) as caught:
        sdk.items(raw.parse())
    assert "overloaded" in caught.value.message
    assert gateway.wait_record(raw.headers["x-request-id"])


def test_upstream_that_dies_in_mid_stream_raises(sdk, gateway, fake):
    """The caller gets a terminal error event, not a stream that looks as if it had ended well."""
    gate = fake.gate()

    async def dies(call):
        await call.body()
        call.write_stream_head()
        for frame in chat_frames(call.json())[:3]:
            call.write_chunk(frame)
        await gate.wait()
        call.reset()

    script = fake.script(dies)
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(model=script.model, messages=HELLO, stream=True))
    gate.open()  # its head is here
    with pytest.raises(openai.APIError) as caught:
        sdk.items(raw.parse())
    assert not isinstance(caught.value, openai.APIConnectionError), "an error event, not a torn connection"
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert record["error"], "the record says that it ended badly"


def test_upstream_that_answers_with_html(sdk, fake):
    async def html(call):
        await call.body()
        call.answer(b"<html>Bad Gateway</html>", 502, content_type="text/html")

    script = fake.script(html)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.done(sdk.client.chat.completions.create(model=script.model, messages=HELLO))
    assert caught.value.request_id


def test_timeouts_of_the_sdk_cancel_the_upstream(sdk, fake):
    async def never(call):
        await call.body()
        await call.gone()

    script = fake.script(never)
    with pytest.raises(openai.APITimeoutError):
        sdk.done(sdk.client.with_options(timeout=0.3).chat.completions.create(model=script.model, messages=HELLO))
    assert script.wait_calls()[0].connection.lost.wait(5)
