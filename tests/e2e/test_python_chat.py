"""Chat and legacy completions with the Python SDK, sync and async."""

import asyncio
import json
import time

import pydantic
import pytest

from fake_answers import CHAT_USAGE, COMPLETION_TOKENS, CONTENT, PROMPT_TOKENS, chat_frames, respond

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "strict": True, "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"], "additionalProperties": False}}}


class Step(pydantic.BaseModel):
    explanation: str
    value: int


class Solution(pydantic.BaseModel):
    steps: list[Step]
    final: str


def text_of(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_whole_answer(sdk, gateway):
    answer = sdk.done(sdk.client.chat.completions.create(model="fast", messages=HELLO))
    assert answer.choices[0].message.content == CONTENT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == PROMPT_TOKENS
    assert answer.model == "gpt-4o-mini", "the target's model name goes upstream, and its answer comes back as it is"
    assert answer._request_id


def test_any_other_name_goes_through_as_it_is(sdk):
    answer = sdk.done(sdk.client.chat.completions.create(model="vendor/some-model:free", messages=HELLO))
    assert answer.model == "vendor/some-model:free"


def test_several_choices(sdk):
    answer = sdk.done(sdk.client.chat.completions.create(model="fast", messages=HELLO, n=3))
    assert [c.index for c in answer.choices] == [0, 1, 2]


def test_stream_without_usage_asked(sdk, gateway, fake):
    """The gateway asks for usage for its record; the caller, who did not, must not see a trace of it."""
    async def answer(call):
        await call.body()
        assert call.json()["stream_options"]["include_usage"] is True
        await call.stream(chat_frames(call.json()), [("x-upstream", "1")])

    script = fake.script(answer)
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(model=script.model, messages=HELLO, stream=True))
    chunks = sdk.items(raw.parse())
    assert text_of(chunks) == CONTENT
    assert all(c.choices for c in chunks), "the chunk that bears usage came through"
    assert all(c.usage is None for c in chunks)
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)


def test_stream_with_usage_asked(sdk, gateway):
    chunks = sdk.items(sdk.client.chat.completions.create(
        model="fast", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert text_of(chunks) == CONTENT
    assert chunks[-1].choices == []
    assert chunks[-1].usage.to_dict() == CHAT_USAGE


def test_stream_with_usage_declined(sdk, gateway):
    chunks = sdk.items(sdk.client.chat.completions.create(
        model="fast", messages=HELLO, stream=True, stream_options={"include_usage": False}))
    assert text_of(chunks) == CONTENT
    assert all(c.choices and c.usage is None for c in chunks)


def test_stream_helper(sdk):
    events, stream = sdk.watch(sdk.client.chat.completions.stream(model="fast", messages=HELLO))
    assert "".join(e.delta for e in events if e.type == "content.delta") == CONTENT
    final = sdk.done(stream.get_final_completion())
    assert final.choices[0].message.content == CONTENT


def test_tool_call_and_its_result(sdk):
    first = sdk.done(sdk.client.chat.completions.create(model="fast", messages=HELLO, tools=[WEATHER]))
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "sample", "days": 42}
    second = sdk.done(sdk.client.chat.completions.create(model="fast", tools=[WEATHER], messages=[
        *HELLO, first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]))
    assert second.choices[0].message.content == CONTENT


def test_streamed_tool_calls(sdk):
    other = {"type": "function", "function": {**WEATHER["function"], "name": "get_time"}}
    events, stream = sdk.watch(sdk.client.chat.completions.stream(model="fast", messages=HELLO, tools=[WEATHER, other]))
    final = sdk.done(stream.get_final_completion())
    calls = final.choices[0].message.tool_calls
    assert [c.function.name for c in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[1].function.arguments) == {"city": "sample", "days": 42}
    assert any(e.type == "tool_calls.function.arguments.delta" for e in events)


def test_structured_output(sdk):
    answer = sdk.done(sdk.client.chat.completions.parse(model="fast", messages=HELLO, response_format=Solution))
    assert answer.choices[0].message.parsed == Solution(steps=[Step(explanation="sample", value=42)], final="sample")


def test_structured_output_streamed(sdk):
    _, stream = sdk.watch(sdk.client.chat.completions.stream(model="fast", messages=HELLO, response_format=Solution))
    final = sdk.done(stream.get_final_completion())
    assert final.choices[0].message.parsed.steps[0].value == 42


def test_fields_unknown_to_us_arrive(sdk, fake):
    script = fake.script(respond)
    sdk.done(sdk.client.chat.completions.create(
        model=script.model, messages=HELLO, extra_body={"x_new": {"deep": [1, 2.50, None]}}, extra_headers={"x-custom": "kept"}))
    call = script.call()
    assert call.json()["x_new"] == {"deep": [1, 2.5, None]}
    assert b'"deep":[1,2.5,null]' in call.content
    assert call.header("x-custom") == "kept"


def test_upstream_sees_its_own_credential_only(sdk, gateway, fake):
    async def answer(call):
        await call.body()
        call.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []})

    script = fake.script(answer)
    sdk.done(sdk.client.chat.completions.create(model=script.model, messages=HELLO))
    call = script.call()
    assert call.header_all("authorization") == ["Bearer sk-upstream-test"]
    assert gateway.key.encode() not in call.raw


def test_raw_response(sdk):
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(model="fast", messages=HELLO))
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.headers["x-request-id"] == raw.request_id
    assert raw.headers["x-ratelimit-remaining-requests"] == "99"
    parsed = sdk.done(raw.parse())
    assert parsed.choices[0].message.content == CONTENT


def test_abort_in_mid_stream_reaches_the_upstream(sdk, gateway, fake):
    async def endless(call):
        await call.body()
        call.write_stream_head()
        frames = chat_frames(call.json())
        call.write_chunk(frames[0])
        while True:
            await call.send_chunk(frames[1])
            await asyncio.sleep(0.01)

    script = fake.script(endless)
    taken = sdk.first(sdk.client.chat.completions.create(model=script.model, messages=HELLO, stream=True), 3)
    left = time.monotonic()
    assert len(taken) == 3
    connection = script.wait_calls()[0].connection
    assert connection.lost.wait(5), "the upstream still streams to a caller who is gone"
    assert connection.lost_at - left < 1.0


def test_legacy_completions(sdk):
    answer = sdk.done(sdk.client.completions.create(model="fast", prompt="once"))
    assert answer.choices[0].text == CONTENT
    assert answer.usage.completion_tokens == COMPLETION_TOKENS


def test_legacy_completions_streamed(sdk):
    chunks = sdk.items(sdk.client.completions.create(model="fast", prompt="once", stream=True))
    assert "".join(c.choices[0].text for c in chunks) == CONTENT
    assert all(c.usage is None for c in chunks)


@pytest.mark.parametrize("effort", ["low", "high"])
def test_reasoning_parameters_pass(sdk, fake, effort):
    script = fake.script(respond)
    sdk.done(sdk.client.chat.completions.create(model=script.model, messages=HELLO, reasoning_effort=effort,
                                                max_completion_tokens=17, service_tier="flex", metadata={"a": "b"}))
    sent = script.call().json()
    assert (sent["reasoning_effort"], sent["max_completion_tokens"], sent["metadata"]) == (effort, 17, {"a": "b"})
