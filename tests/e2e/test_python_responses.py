"""The Responses API with the Python SDK, sync and async."""

import json

import openai
import pydantic
import pytest

from fake_answers import COMPLETION_TOKENS, CONTENT, PROMPT_TOKENS, response_frames, response_object

WEATHER = {"type": "function", "name": "get_weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


class Answer(pydantic.BaseModel):
    text: str
    sure: bool


def test_create(sdk, gateway):
    answer = sdk.done(sdk.client.responses.create(model="fast", input="hello"))
    assert answer.output_text == CONTENT
    assert answer.model == "gpt-4o-mini"
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


def test_stream_helper(sdk):
    events, stream = sdk.watch(sdk.client.responses.stream(model="fast", input="hello"))
    assert sdk.done(stream.get_final_response()).output_text == CONTENT
    assert events[-1].type == "response.completed"


def test_streamed_tool_call(sdk):
    _, stream = sdk.watch(sdk.client.responses.stream(model="fast", input="hello", tools=[WEATHER]))
    item = sdk.done(stream.get_final_response()).output[0]
    assert (item.type, item.name, json.loads(item.arguments)) == ("function_call", "get_weather", {"city": "sample"})


def test_structured_output(sdk):
    answer = sdk.done(sdk.client.responses.parse(model="fast", input="hello", text_format=Answer))
    assert answer.output_parsed == Answer(text="sample", sure=True)


def test_stored_response_is_found_again(sdk):
    made = sdk.done(sdk.client.responses.create(model="fast", input="remember"))
    assert sdk.done(sdk.client.responses.retrieve(made.id)).id == made.id
    items = sdk.done(sdk.client.responses.input_items.list(made.id)).data
    assert items[0].content[0].text == "remember"
    sdk.done(sdk.client.responses.delete(made.id))
    with pytest.raises(openai.NotFoundError):
        sdk.done(sdk.client.responses.retrieve(made.id))


def test_stored_response_of_a_stream_is_found_again(sdk):
    """The id stands in the stream's first event only."""
    events = sdk.items(sdk.client.responses.create(model="fast", input="remember", stream=True))
    made = events[0].response.id
    assert sdk.done(sdk.client.responses.retrieve(made)).id == made


def test_background_and_cancel(sdk):
    made = sdk.done(sdk.client.responses.create(model="fast", input="long", background=True))
    assert made.status == "queued"
    assert sdk.done(sdk.client.responses.cancel(made.id)).status == "cancelled"


def test_query_of_a_retrieval_passes(sdk, fake):
    made = response_object({"model": "m"})

    async def create(call):
        await call.body()
        call.answer({**made, "id": script.token})

    async def answer(call):
        if call.method == "POST":
            await create(call)
        else:
            call.answer({**made, "id": script.token})

    script = fake.script(answer)
    sdk.done(sdk.client.responses.create(model=script.model, input="x"))
    sdk.done(sdk.client.responses.retrieve(script.token, include=["reasoning.encrypted_content"]))
    call = script.wait_calls(2)[1]
    assert "include" in call.target and "reasoning.encrypted_content" in call.target


def test_upstream_failure_event_arrives(sdk, gateway, fake):
    async def fails(call):
        await call.body()
        answer = response_object(call.json())
        frames = response_frames(answer)[:4]
        failed = {**answer, "status": "failed", "output": [], "error": {"code": "server_error", "message": "sorry"}}
        event = {"type": "response.failed", "sequence_number": 4, "response": failed}
        await call.stream([*frames, f"event: response.failed\ndata: {json.dumps(event)}\n\n".encode()])

    script = fake.script(fails)
    events = sdk.items(sdk.client.responses.create(model=script.model, input="x", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message == "sorry"
