"""Claude behind the caller's OpenAI SDK: chat and responses translated to Anthropic's Messages API and back.

The provider is a script (fakes/anthropic.py) whose requests and answers the official `anthropic` SDK judges; aimock, which is
not ours, is another.
"""

import json
import pathlib
import random
import subprocess

import openai
import pytest

import command
from fake_upstream import FakeUpstream
from fakes import anthropic as claude
from gateway import Gateway, free_port
from node_runtime import DIRECTORY, node

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "providers" / "anthropic"
BETA = {"tools-beta"}  # what only the SDK's beta types know
MODEL = "claude-sonnet-4-6"
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
TWO_CALLS = [claude.text("Looking."), claude.tool_use("toolu_01A", "get_weather", {"city": "Köln 😀"}),
             claude.tool_use("toolu_01B", "now", {})]
THOUGHT = [claude.thinking("Let me see: 世界.", "EqoBCkgIARAB"), {"type": "redacted_thinking", "data": "EmwKAhgBEgy3"},
           claude.tool_use("toolu_01A", "get_weather", {"city": "Rome"})]

# What the provider says, and what the caller sees: status, class, code.
FAILURES = [
    (529, claude.error("overloaded_error", "Overloaded"), [], 503, openai.InternalServerError, None),
    (529, b"<html>529</html>", [], 503, openai.InternalServerError, None),
    (429, claude.error("rate_limit_error", "Slow"), [("retry-after", "7")], 429, openai.RateLimitError, "rate_limit_exceeded"),
    (429, claude.error("rate_limit_error", "Spent", details={"error_code": "enforced_spend_limit_reached"}),
     [("retry-after", "9")], 429, openai.RateLimitError, "insufficient_quota"),
    (402, claude.error("billing_error", "Low"), [], 429, openai.RateLimitError, "insufficient_quota"),
    (413, b"<html>413</html>", [], 413, openai.APIStatusError, None),
    (400, claude.error("invalid_request_error", "prompt is too long: 9 > 8"), [], 400, openai.BadRequestError,
     "context_length_exceeded"),
    (404, claude.error("not_found_error", "model: x"), [], 404, openai.NotFoundError, "model_not_found"),
    (401, claude.error("authentication_error", "invalid x-api-key"), [], 502, openai.InternalServerError,
     "upstream_credential_unavailable"),
]


@pytest.fixture(scope="module")
def upstream():
    fake = FakeUpstream()
    yield fake
    problems = list(fake.problems)
    fake.stop()
    assert not problems, problems


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    provider = {"type": "anthropic", "base_url": upstream.url + "/v1", "api_key": "env:UPSTREAM_KEY"}
    model = {"targets": [{"provider": "claude", "model": MODEL}], "retry": {"attempts": 1},
             "breaker": {"failures": 0, "ratio": "0%"}}
    # A target that said when to come again is left alone until then: each failure has one of its own.
    models = {name: model for name in ["assistant", *(f"failing-{index}" for index in range(2 * len(FAILURES)))]}
    made = Gateway(tmp_path_factory.mktemp("claude"), {
        "workers": 1,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {"claude": provider},
        "models": models,
    }).start()
    yield made
    made.stop()


def ask(script, words="hello"):
    """Messages of a call that `script` answers."""
    return [{"role": "user", "content": f"{words} {script.token}"}]


def one_byte(raw):
    return [raw[at:at + 1] for at in range(len(raw))]


def awkward(raw):
    dice = random.Random(7)
    at, pieces = 0, []
    while at < len(raw):
        size = dice.choice((1, 2, 3, 17, 400))
        pieces.append(raw[at:at + size])
        at += size
    return pieces


# -- the judge ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(path.parent.name for path in GOLDEN.glob("*/upstream.json")))
def test_golden_requests_are_what_the_sdk_could_send(case):
    body = json.loads((GOLDEN / case / "upstream.json").read_text())
    if case.startswith("count"):
        claude.check_count(body)
    elif case not in BETA:
        claude.check_request(body)


# -- chat -----------------------------------------------------------------------------------------


def test_chat_whole(sdk, upstream, gateway):
    answer = claude.Answer([claude.text("Grüße "), claude.text("you.")])
    script = upstream.script(answer)
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(
        model="assistant", max_tokens=100, messages=[{"role": "system", "content": "Brief."}] + ask(script)))
    got = raw.parse()
    assert got.choices[0].message.content == "Grüße you."
    assert got.choices[0].finish_reason == "stop" and got.model == "assistant"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (25, 15, 40)
    assert answer.bodies[0]["model"] == MODEL and answer.bodies[0]["system"] == [claude.text("Brief.")]
    assert raw.headers["x-turnpike-upstream-request-id"] == claude.REQUEST_ID
    assert raw.headers["x-ratelimit-remaining-requests"] == "3999"
    assert raw.headers["x-ratelimit-reset-requests"] == "0s"
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert (record["status"], record["provider"], record["target_model"]) == (200, "claude", MODEL)
    assert (record["input_tokens"], record["output_tokens"]) == (25, 15)


def test_chat_stream(sdk, upstream):
    script = upstream.script(claude.Answer([claude.text("Grüße from Claude 😀.")], pieces=awkward))
    chunks = sdk.items(sdk.done(sdk.client.chat.completions.create(
        model="assistant", stream=True, stream_options={"include_usage": True}, messages=ask(script))))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Grüße from Claude 😀."
    assert chunks[-1].usage.total_tokens == 40 and chunks[-2].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("pieces", [one_byte, awkward, None], ids=["bytes", "awkward", "whole"])
def test_tools_in_parallel(client, upstream, pieces):
    script = upstream.script(claude.Answer(TWO_CALLS, "tool_use", pieces=pieces))
    with client.chat.completions.stream(model="assistant", messages=ask(script), tools=[
            WEATHER, {"type": "function", "function": {"name": "now"}}]) as stream:
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert final.choices[0].finish_reason == "tool_calls" and message.content == "Looking."
    assert [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls] == [
        ("toolu_01A", "get_weather", {"city": "Köln 😀"}), ("toolu_01B", "now", {})]


def test_tool_round_trip_keeps_what_was_thought(client, upstream):
    first = upstream.script(claude.Answer(THOUGHT, "tool_use"))
    messages = ask(first)
    for streamed in (False, True):
        if streamed:
            with client.chat.completions.stream(model="assistant", max_tokens=4000, reasoning_effort="high", messages=messages,
                                             tools=[WEATHER]) as stream:
                message = stream.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(model="assistant", max_tokens=4000, reasoning_effort="high",
                                                  messages=messages, tools=[WEATHER]).choices[0].message
        assert message.reasoning_content == "Let me see: 世界."
        second = claude.Answer([claude.text("Sunny.")])
        script = upstream.script(second)
        said = message.model_dump(exclude_none=True, include={"role", "content", "tool_calls", "reasoning_details"})
        for call in said["tool_calls"]:
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        history = [{"role": "user", "content": "Weather?"}, said,
                   {"role": "tool", "tool_call_id": "toolu_01A", "content": f"sun {script.token}"}]
        got = client.chat.completions.create(model="assistant", max_tokens=4000, reasoning_effort="high", messages=history,
                                          tools=[WEATHER])
        assert got.choices[0].message.content == "Sunny."
        assert second.bodies[0]["messages"][1]["content"] == THOUGHT
        assert second.bodies[0]["messages"][2]["content"][0]["tool_use_id"] == "toolu_01A"


def test_hundreds_of_messages(client, upstream):
    answer = claude.Answer([claude.text("ok")])
    script = upstream.script(answer)
    messages = []
    for turn in range(125):
        messages += [{"role": "user", "content": f"question {turn} 😀"},
                     {"role": "assistant", "content": None, "tool_calls": [{
                         "id": f"call.{turn}", "type": "function",
                         "function": {"name": "get_weather", "arguments": json.dumps({"city": str(turn)})}}]},
                     {"role": "tool", "tool_call_id": f"call.{turn}", "content": f"result {turn}"},
                     {"role": "assistant", "content": f"answer {turn}"}]
    assert len(messages) == 500
    client.chat.completions.create(model="assistant", max_tokens=10, messages=messages + ask(script), tools=[WEATHER])
    sent = answer.bodies[0]["messages"]
    assert len(sent) == 501
    for turn in range(125):
        calls, results = sent[4 * turn + 1]["content"], sent[4 * turn + 2]["content"]
        assert calls[0]["input"] == {"city": str(turn)} and calls[0]["id"] == results[0]["tool_use_id"]
        assert results[0]["content"] == f"result {turn}"


def test_long_answers_are_streamed_for_a_caller_who_waits(client, upstream):
    answer = claude.Answer([claude.text("long")])
    got = client.chat.completions.create(model="assistant", messages=ask(upstream.script(answer)))
    assert got.choices[0].message.content == "long" and got.usage.total_tokens == 40
    assert answer.bodies[0]["stream"] is True and answer.bodies[0]["max_tokens"] == 128000


# -- counting -------------------------------------------------------------------------------------


def test_tokens_of_a_request_are_counted(sdk, upstream, gateway):
    async def count(request):
        assert request.target == "/v1/messages/count_tokens"
        claude.check_count(request.json())
        request.answer({"input_tokens": 2095})

    async def read(request):
        await request.body()
        await count(request)

    script = upstream.script(read)
    raw = sdk.done(sdk.client.responses.input_tokens.with_raw_response.count(
        model="assistant", input=f"hello {script.token}", instructions="Be brief.", reasoning={"effort": "high"},
        tools=[{"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": False}]))
    assert raw.parse().input_tokens == 2095
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert (record["status"], record["provider"]) == (200, "claude") and not float(record.get("cost_usd") or 0)


# -- responses --------------------------------------------------------------------------------------


def test_responses_whole_and_stream(sdk, upstream):
    script = upstream.script(claude.Answer([claude.text("Grüße.")], pieces=awkward))
    got = sdk.done(sdk.client.responses.create(model="assistant", max_output_tokens=50, instructions="Brief.",
                                                 input=f"hello {script.token}"))
    assert (got.output_text, got.status, got.usage.total_tokens) == ("Grüße.", "completed", 40)
    events, _ = sdk.watch(sdk.client.responses.stream(model="assistant", input=f"hello {script.token}"))
    assert events[-1].type == "response.completed" and events[-1].response.output_text == "Grüße."


def test_responses_round_trip_keeps_what_was_thought(client, upstream):
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER["function"]["parameters"], "strict": False}
    script = upstream.script(claude.Answer(THOUGHT, "tool_use"))
    with client.responses.stream(model="assistant", max_output_tokens=4000, reasoning={"effort": "high", "summary": "auto"},
                              include=["reasoning.encrypted_content"], store=False, tools=[tool],
                              input=f"Weather? {script.token}") as stream:
        output = stream.get_final_response().output
    assert [item.type for item in output] == ["reasoning", "reasoning", "function_call"]
    second = claude.Answer([claude.text("Sunny.")])
    script = upstream.script(second)
    items = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in output]
    got = client.responses.create(
        model="assistant", max_output_tokens=4000, reasoning={"effort": "high"}, store=False, tools=[tool],
        input=[{"role": "user", "content": "Weather?"}, *items,
               {"type": "function_call_output", "call_id": "toolu_01A", "output": f"sun {script.token}"}])
    assert got.output_text == "Sunny."
    assert second.bodies[0]["messages"][1]["content"] == THOUGHT


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(len(FAILURES)), ids=[f"{row[0]}-{index}" for index, row in enumerate(FAILURES)])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_errors(client, upstream, gateway, index, stream):
    status, value, headers, seen, kind, code = FAILURES[index]
    kind_of = "text/html" if isinstance(value, bytes) else "application/json"
    script = upstream.script(claude.failing(status, value, headers, kind_of))
    with pytest.raises(kind) as failure:
        client.chat.completions.create(model=f"failing-{index + stream * len(FAILURES)}", max_tokens=10, messages=ask(script),
                                       stream=stream)
    assert (failure.value.status_code, failure.value.code) == (seen, code)
    if code == "insufficient_quota":
        assert failure.value.response.headers["x-should-retry"] == "false"
    elif headers:
        assert failure.value.response.headers["retry-after"] == "7"
    record = gateway.wait_record(failure.value.response.headers["x-request-id"])
    assert (record["status"], record["cost_usd"]) == (seen, "0.000000000000")


def test_an_error_before_anything_was_said_is_a_status(client, upstream):
    script = upstream.script(claude.streaming([{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}]))
    with pytest.raises(openai.InternalServerError) as failure:
        client.chat.completions.create(model="assistant", max_tokens=10, messages=ask(script), stream=True)
    assert failure.value.status_code == 503 and "Busy" in failure.value.message


@pytest.mark.parametrize("ending", ["error", "end", "cut", "reset"])
def test_streams_that_break(client, upstream, gateway, ending):
    made = claude.events([claude.text("Well then")])[:4]
    if ending == "error":
        made.append({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}})
    script = upstream.script(claude.streaming(made, "end" if ending == "error" else ending))
    raw = client.chat.completions.with_raw_response.create(model="assistant", max_tokens=10, messages=ask(script), stream=True)
    said = ""
    with pytest.raises(openai.APIError) as failure:
        for chunk in raw.parse():
            said += chunk.choices[0].delta.content or ""
    assert said == "Well th"
    assert ending != "error" or "Busy" in failure.value.message
    record = gateway.wait_record(raw.headers["x-request-id"])
    assert record["outcome"] == "failed" and record["cost_state"] == "estimated" and record["input_tokens"] == 25


def test_a_caller_who_leaves_stops_the_model(client, upstream, gateway):
    gate = upstream.gate()

    async def slow(call):
        await call.body()
        call.write_stream_head(claude.HEADERS)
        for event in claude.events([claude.text("One two three")])[:5]:
            await call.send_chunk(claude.frame(event))
        await gate.wait()

    script = upstream.script(slow)
    stream = client.chat.completions.create(model="assistant", max_tokens=10, messages=ask(script), stream=True)
    next(iter(stream))
    stream.close()
    assert script.wait_calls()[0].connection.lost.wait(10), "the upstream call goes on"
    gate.open()


@pytest.mark.parametrize("more, param", [
    ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"seed": 1}, "seed"), ({"temperature": 1.5}, "temperature"),
    ({"extra_body": {"mystery": 1}}, "mystery"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}]},
     "messages[0].content[0]"),
])
def test_what_claude_cannot_do_is_named(client, more, param):
    with pytest.raises(openai.BadRequestError) as failure:
        client.chat.completions.create(**{"model": "assistant", "max_tokens": 10,
                                       "messages": [{"role": "user", "content": "hi"}], **more})
    assert failure.value.param == param


# -- money --------------------------------------------------------------------------------------------


USAGES = {
    "plain": {"input_tokens": 123, "output_tokens": 45},
    "cached": {"input_tokens": 3, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 4000, "output_tokens": 20},
    "hour": {"input_tokens": 3, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 4000, "output_tokens": 20,
             "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}},
    "search": {"input_tokens": 2679, "output_tokens": 510, "server_tool_use": {"web_search_requests": 3,
                                                                              "web_fetch_requests": 0}},
    "thought": {"input_tokens": 10, "output_tokens": 600, "output_tokens_details": {"thinking_tokens": 550}},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", USAGES)
def test_cost_is_exact(client, upstream, gateway, name, stream):
    usage = {**claude.USAGE, **USAGES[name]}
    script = upstream.script(claude.Answer([claude.text("ok")], usage=USAGES[name]))
    raw = client.chat.completions.with_raw_response.create(model="assistant", max_tokens=10, messages=ask(script), stream=stream)
    got = raw.parse()
    if stream:
        list(got)
    record = gateway.wait_record(raw.headers["x-request-id"])
    told = subprocess.run([command.BINARY, "prices", "cost", "--json"], capture_output=True, text=True, timeout=30, check=True,
                          input=json.dumps({"provider": "anthropic", "model": MODEL, "usage": usage}))
    assert record["cost_state"] == "priced"
    assert record["cost_usd"] == json.loads(told.stdout)["cost_usd"] != "0.000000000000"
    cached = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    assert record["input_tokens"] == usage["input_tokens"] + cached


# -- an upstream that is not ours -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def aimock_client(tmp_path_factory):
    process = subprocess.Popen([node(), "aimock_server.mjs"], cwd=DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    url = process.stdout.readline().strip()
    gateway = Gateway(tmp_path_factory.mktemp("aimock-claude"), {
        "workers": 1,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {"claude": {"type": "anthropic", "base_url": url + "/v1", "api_key": "env:UPSTREAM_KEY"}},
        "models": {"assistant": {"targets": [{"provider": "claude", "model": MODEL}]}},
    }).start()
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:
        yield client
    gateway.stop()
    process.stdin.close()
    process.wait(10)


def test_aimock(aimock_client):
    hello = [{"role": "user", "content": "hello"}]
    whole = aimock_client.chat.completions.create(model="assistant", max_tokens=50, messages=hello)
    assert whole.choices[0].message.content == "Hello from aimock — 你好."
    chunks = list(aimock_client.chat.completions.create(model="assistant", max_tokens=50, messages=hello, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello from aimock — 你好."
    assert aimock_client.responses.create(model="assistant", max_output_tokens=50, input="hello").output_text \
        == "Hello from aimock — 你好."


def test_aimock_tools(aimock_client):
    with aimock_client.chat.completions.stream(model="assistant", max_tokens=50, tools=[WEATHER],
                                               messages=[{"role": "user", "content": "weather"}]) as stream:
        final = stream.get_final_completion()
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Köln"}


def test_aimock_errors(aimock_client):
    with pytest.raises(openai.RateLimitError):
        aimock_client.chat.completions.create(model="assistant", max_tokens=50,
                                              messages=[{"role": "user", "content": "busy"}])
