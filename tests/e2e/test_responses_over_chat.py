"""/v1/responses over a server that has only chat: both official SDKs, whole and as streams."""

import json
import os
import subprocess

import openai
import pydantic
import pytest

from fake_answers import COMPLETION_TOKENS, CONTENT, PROMPT_TOKENS, frame
from gateway import plain_config
from node_runtime import DIRECTORY, node

WEATHER = {"type": "function", "name": "get_weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


class Answer(pydantic.BaseModel):
    text: str
    sure: bool


@pytest.fixture
def gateway(start_gateway, own_fake):
    config = plain_config(own_fake.url)
    config["providers"]["up"]["quirks"] = "chat-only"
    return start_gateway(config)


def chunk(delta, finish=None):
    return frame({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                  "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def call(index, **fields):
    return {"tool_calls": [{"index": index, **fields}]}


async def thinking(call_):
    """Reasoning, text, and two calls whose arguments come by turns."""
    await call_.stream([
        chunk({"role": "assistant", "content": "", "reasoning_content": "Let me "}),
        chunk({"reasoning_content": "see."}),
        chunk({"content": "Both."}),
        chunk(call(0, id="call_a", type="function", function={"name": "f", "arguments": ""})),
        chunk(call(1, id="call_b", type="function", function={"name": "g", "arguments": ""})),
        chunk(call(0, function={"arguments": '{"x"'})),
        chunk(call(0, function={"arguments": ":1}"})),
        chunk({}, "tool_calls"),
        frame({"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}}),
        b"data: [DONE]\n\n"])


def test_whole(sdk, gateway):
    answer = sdk.done(sdk.client.responses.create(model="fast", input="hello", instructions="Be brief."))
    assert answer.output_text == CONTENT
    assert (answer.status, answer.store, answer.instructions) == ("completed", False, "Be brief.")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (PROMPT_TOKENS, COMPLETION_TOKENS)
    record = gateway.wait_record(answer._request_id)
    assert (record["input_tokens"], record["output_tokens"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)


def test_stream(sdk, gateway):
    raw = sdk.done(sdk.client.responses.with_raw_response.create(model="fast", input="hello", stream=True))
    events = sdk.items(raw.parse())
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == CONTENT
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"]) == (PROMPT_TOKENS, COMPLETION_TOKENS)


def test_reasoning_and_calls_at_a_time(sdk, own_fake):
    script = own_fake.script(thinking)
    _, stream = sdk.watch(sdk.client.responses.stream(model=script.model, input="hello"))
    output = sdk.done(stream.get_final_response()).output
    assert [item.type for item in output] == ["reasoning", "message", "function_call", "function_call"]
    assert output[0].summary[0].text == "Let me see."
    assert [(item.call_id, item.name, item.arguments) for item in output[2:]] == [
        ("call_a", "f", '{"x":1}'), ("call_b", "g", "{}")]


def test_tool_loop(sdk, own_fake):
    _, stream = sdk.watch(sdk.client.responses.stream(model="fast", input="hello", tools=[WEATHER]))
    item = sdk.done(stream.get_final_response()).output[0]
    assert json.loads(item.arguments) == {"city": "sample"}

    async def answer(upstream):
        await upstream.body()
        upstream.answer({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Rain."}, "finish_reason": "stop"}]})

    script = own_fake.script(answer)
    followed = sdk.done(sdk.client.responses.create(model=script.model, input=[
        {"role": "user", "content": "hello"}, item.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}], tools=[WEATHER]))
    assert followed.output_text == "Rain."


def test_structured_output(sdk):
    answer = sdk.done(sdk.client.responses.parse(model="fast", input="hello", text_format=Answer))
    assert answer.output_parsed == Answer(text="sample", sure=True)


def test_state_is_refused(sdk):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.done(sdk.client.responses.create(model="fast", input=[{"type": "item_reference", "id": "msg_1"}]))
    assert refused.value.param == "input[0].id"


def test_node(gateway, own_fake):
    script = own_fake.script(thinking)
    done = subprocess.run(
        [node(), "--test", "--test-reporter=spec", "--test-timeout=60000", "responses_over_chat.mjs"], cwd=DIRECTORY,
        env={**os.environ, "OPENAI_BASE_URL": gateway.url + "/v1", "OPENAI_API_KEY": gateway.key,
             "SCRIPTED_MODEL": script.model}, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "pass 3" in done.stdout
