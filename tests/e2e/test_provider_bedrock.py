"""Amazon Bedrock behind the official OpenAI SDK: Converse both ways, signatures, streams, errors, money.

botocore's model of the API judges what is sent (fakes/bedrock.py), and its parser what the golden cases answer.
"""

import json

import botocore.eventstream
import botocore.parsers
import botocore.serialize
import openai
import pytest

from fake_upstream import FakeUpstream
from fakes import bedrock
from gateway import ROOT, Gateway, free_port

GOLDEN = ROOT / "tests" / "golden" / "providers" / "bedrock"
OPUS = "us.anthropic.claude-opus-4-8"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
HELLO = [{"role": "user", "content": "hello"}]


class Account:
    def __init__(self, directory):
        self.fake = FakeUpstream()
        aws = {"type": "bedrock", "base_url": self.fake.url, "aws": {"region": bedrock.REGION}}
        signed = {"name": "main", "aws": {"access_key_id": "env:AWS_TEST_ID", "secret_access_key": "env:AWS_TEST_SECRET",
                                          "session_token": "env:AWS_TEST_TOKEN"}}
        self.gateway = Gateway(directory, {
            "workers": 1,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {"aws": {**aws, "api_key": "env:AWS_TEST_BEARER"}, "signed": {**aws, "credentials": [signed]}},
            "models": {"signed": {"targets": [{"provider": "signed", "model": HAIKU}]},
                       "arn": {"targets": [{"provider": "aws", "model": "arn:aws:bedrock:us-east-1:123456789012:"
                                                                        "application-inference-profile/a1b2c3"}]},
                       "*": {"targets": [{"provider": "aws"}]}},
        }, {"AWS_TEST_ID": bedrock.CREDENTIALS.access_key, "AWS_TEST_SECRET": bedrock.CREDENTIALS.secret_key,
            "AWS_TEST_TOKEN": bedrock.CREDENTIALS.token, "AWS_TEST_BEARER": bedrock.BEARER}).start()

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.fake.stop()
        assert not self.fake.problems, self.fake.problems

    def script(self, handler):
        """(the script, the `user` by which its calls are known)"""
        script = self.fake.script(handler)
        return script, {"user": script.token}

    def cost(self, model, usage, service=None):
        """What `turnpike prices cost` says."""
        call = {"provider": "bedrock", "model": model, "usage": usage, **({"service": service} if service else {})}
        done = self.gateway.run("prices", "cost", "--json", input=json.dumps(call))
        return json.loads(done.stdout)

    def record(self, script):
        return self.gateway.wait_record(script.call().json()["requestMetadata"]["turnpike_request_id"])


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    account = Account(tmp_path_factory.mktemp("bedrock"))
    yield account
    account.stop()


@pytest.fixture
def gateway(account):
    """For the `sdk` fixture: the official client, sync and async."""
    return account.gateway


# -- judges of the golden cases ------------------------------------------------------------------------


def golden_cases(name):
    return sorted(path.parent for path in GOLDEN.glob(f"*/{name}"))


@pytest.mark.parametrize("case", golden_cases("upstream.json"), ids=lambda path: path.name)
def test_botocore_would_send_what_we_send(case):
    target = (case / "upstream.txt").read_text().split("\n")[0].removeprefix("/base")
    model, operation = bedrock.split_target(target)
    body = json.loads((case / "upstream.json").read_text())
    if operation != "InvokeModel":
        bedrock.check_request(operation, model, body)
    serializer = botocore.serialize.create_serializer("rest-json")
    more = {"input": {"converse": {}}} if operation == "CountTokens" else {}
    wanted = serializer.serialize_to_request({"modelId": model, **more}, bedrock.MODEL.operation_model(operation))
    assert target == wanted["url_path"]


@pytest.mark.parametrize("case", golden_cases("answer.hex"), ids=lambda path: path.name)
def test_botocore_reads_what_our_cases_answer(case):
    """Frames with their checksums, and events of the form that the model of the API has."""
    data = bytes.fromhex((case / "answer.hex").read_text().split("\n\n", 1)[1])
    shapes = bedrock.MODEL.operation_model("ConverseStream").output_shape.members["stream"].members
    parser = botocore.parsers.EventStreamJSONParser()
    frames = botocore.eventstream.EventStreamBuffer()
    frames.add_data(data)
    if case.name == "stream_bad_crc":
        with pytest.raises(botocore.eventstream.ChecksumMismatch):
            list(frames)
        return
    for frame in frames:
        raw = frame.to_response_dict()
        kind = raw["headers"].get(":event-type") or raw["headers"].get(":exception-type")
        if kind in shapes and raw["headers"][":message-type"] == "event":
            parsed = parser.parse(raw, bedrock.MODEL.operation_model("ConverseStream").output_shape.members["stream"])
            assert kind in parsed, parsed


@pytest.mark.parametrize("case", golden_cases("answer.http"), ids=lambda path: path.name)
def test_botocore_reads_our_whole_answers(case):
    head, body = (case / "answer.http").read_text().split("\n\n", 1)
    if case.name.startswith("count"):
        assert set(json.loads(body)) == set(bedrock.MODEL.operation_model("CountTokens").output_shape.members)
        return
    if case.name.startswith(("embed", "answer_odd", "error", "answer_guardrail")):
        return
    parsed = botocore.parsers.RestJSONParser().parse(
        {"status_code": int(head.split("\n")[0]), "headers": {}, "body": body.encode()},
        bedrock.MODEL.operation_model("Converse").output_shape)
    assert parsed["output"]["message"]["role"] == "assistant"
    assert parsed["usage"]["inputTokens"] >= 0


# -- chat ------------------------------------------------------------------------------------------------


def test_chat(account, sdk):
    script, known = account.script(bedrock.telling(bedrock.answer({"text": "Grüße \U0001F30D"}, usage=bedrock.usage_of(1000, 50))))
    answer = sdk.done(sdk.client.chat.completions.create(
        model=OPUS, messages=[{"role": "system", "content": "Be brief."}, *HELLO], max_tokens=100,
        metadata={"team": "search"}, **known))
    assert answer.choices[0].message.content == "Grüße \U0001F30D"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (1000, 50, 1050)
    sent = script.call().json()
    assert sent["inferenceConfig"] == {"maxTokens": 100}
    assert sent["requestMetadata"]["team"] == "search"
    record = account.record(script)
    wanted = account.cost(OPUS, bedrock.usage_of(1000, 50))
    assert (record["cost_usd"], record["cost_state"]) == (wanted["cost_usd"], "priced")


CACHED = {"inputTokens": 1000, "cacheReadInputTokens": 30000, "cacheWriteInputTokens": 9000, "outputTokens": 700,
          "cacheDetails": [{"ttl": "1h", "inputTokens": 4000}, {"ttl": "5m", "inputTokens": 5000}], "totalTokens": 1700}


@pytest.mark.parametrize("size", [1, 7, 1000, None])
def test_stream(account, sdk, size):
    """Frames cut anywhere; cache reads and writes of both kinds priced as the worked example has it."""
    script, known = account.script(bedrock.streaming(
        bedrock.turn(bedrock.text(0, "Gr", "üße", " \U0001F30D"), usage=CACHED, usage_first=size == 7), size))
    chunks = sdk.items(sdk.client.chat.completions.create(model=OPUS, messages=HELLO, stream=True,
                                                          stream_options={"include_usage": True}, **known))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Grüße \U0001F30D"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (40000, 700, 40700)
    assert usage.prompt_tokens_details.cached_tokens == 30000
    record = account.record(script)
    assert record["cost_usd"] == "0.119625000000" == account.cost(OPUS, CACHED)["cost_usd"]
    assert (record["input_tokens"], record["cached_input_tokens"], record["cache_write_tokens"]) == (40000, 30000, 9000)


def test_parallel_tools_and_their_results(account, sdk):
    """Two calls at once, answered; the reasoning with its signature goes back as it came."""
    frames = bedrock.turn(bedrock.thought(0, "I look.", "c2lnbmVk"), bedrock.call(1, "tooluse_a", "get_weather", '{"ci', 'ty":"A"}'),
                          bedrock.call(2, "tooluse_b", "get_weather", '{"city":', '"\\u00dc"}'), stop="tool_use")
    script, known = account.script(bedrock.streaming(frames, 11))
    stream = sdk.client.chat.completions.create(model=HAIKU, messages=HELLO, tools=[WEATHER], stream=True,
                                                reasoning_effort="low", **known)
    calls, details = {}, []
    for chunk in sdk.items(stream):
        delta = chunk.choices[0].delta
        details += (delta.model_extra or {}).get("reasoning_details") or []
        for piece in delta.tool_calls or []:
            known_call = calls.setdefault(piece.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            known_call["id"] += piece.id or ""
            known_call["function"]["name"] += piece.function.name or ""
            known_call["function"]["arguments"] += piece.function.arguments or ""
    assert [json.loads(c["function"]["arguments"]) for c in calls.values()] == [{"city": "A"}, {"city": "Ü"}]
    second, known = account.script(bedrock.telling(bedrock.answer({"text": "Fine."})))
    history = [*HELLO, {"role": "assistant", "content": None, "tool_calls": list(calls.values()), "reasoning_details": details},
               {"role": "tool", "tool_call_id": "tooluse_b", "content": "9 C"},
               {"role": "tool", "tool_call_id": "tooluse_a", "content": "8 C"}]
    sdk.done(sdk.client.chat.completions.create(model=HAIKU, messages=history, tools=[WEATHER], reasoning_effort="low", **known))
    sent = second.call().json()["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"][0] == {"reasoningContent": {"reasoningText": {"text": "I look.", "signature": "c2lnbmVk"}}}
    assert [b["toolUse"]["input"] for b in sent[1]["content"][1:]] == [{"city": "A"}, {"city": "Ü"}]
    assert [b["toolResult"]["toolUseId"] for b in sent[2]["content"]] == ["tooluse_b", "tooluse_a"]


def test_a_long_conversation(account, sdk):
    messages = [{"role": "user" if i % 2 == 0 else "assistant", "content": f"turn {i} \U0001F30D"} for i in range(501)]
    script, known = account.script(bedrock.telling(bedrock.answer({"text": "Fine."})))
    sdk.done(sdk.client.chat.completions.create(model=HAIKU, messages=messages, **known))
    assert len(script.call().json()["messages"]) == 501


def test_structured_output(account, sdk):
    script, known = account.script(bedrock.streaming(bedrock.turn(
        bedrock.call(0, "tooluse_1", "answer", '{"name":', '"Ada"}'), stop="tool_use"), 5))
    chunks = sdk.items(sdk.client.chat.completions.create(
        model="us.amazon.nova-pro-v1:0", messages=HELLO, stream=True, **known,
        response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "object"}}}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == '{"name":"Ada"}'
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert script.call().json()["toolConfig"]["toolChoice"] == {"tool": {"name": "answer"}}


def test_service_tier(account, sdk):
    model = "openai.gpt-oss-120b-1:0"
    usage = bedrock.usage_of(1_000_001, 777)
    script, known = account.script(bedrock.telling(bedrock.answer({"text": "x"}, usage=usage, serviceTier={"type": "priority"})))
    answer = sdk.done(sdk.client.chat.completions.create(model=model, messages=HELLO, service_tier="priority", **known))
    assert answer.service_tier == "priority"
    record = account.record(script)
    assert record["cost_usd"] == account.cost(model, usage, "priority")["cost_usd"]
    assert record["price_service"] == "priority"


def test_by_arn(account, sdk):
    script, known = account.script(bedrock.telling(bedrock.answer({"text": "x"})))
    answer = sdk.done(sdk.client.chat.completions.create(model="arn", messages=HELLO, **known))
    assert answer.model == "arn"
    assert script.call().target == ("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3"
                                    "/converse")


def test_signed(account, sdk):
    """The fake checks the signature with botocore; that of a stream's request, too."""
    script, known = account.script(bedrock.telling(bedrock.answer({"text": "x"})))
    sdk.done(sdk.client.chat.completions.create(model="signed", messages=HELLO, **known))
    assert script.call().header("authorization").startswith("AWS4-HMAC-SHA256 ")
    script, known = account.script(bedrock.streaming(bedrock.turn(bedrock.text(0, "x"))))
    sdk.items(sdk.client.chat.completions.create(model="signed", messages=HELLO, stream=True, **known))
    assert script.call().header("authorization").startswith("AWS4-HMAC-SHA256 ")


# -- responses -------------------------------------------------------------------------------------------


def test_responses(account, sdk):
    frames = bedrock.turn(bedrock.thought(0, "I look.", "c2lnbmVk"), bedrock.text(1, "Look", "ing."),
                          bedrock.call(2, "tooluse_a", "get_weather", '{"city":"A"}'), stop="tool_use")
    script, known = account.script(bedrock.streaming(frames, 13))
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER["function"]["parameters"], "strict": False}
    events = sdk.items(sdk.client.responses.create(model=HAIKU, input="hello", tools=[tool], stream=True,
                                                   reasoning={"effort": "low", "summary": "auto"},
                                                   include=["reasoning.encrypted_content"], **known))
    response = events[-1].response
    assert response.status == "completed"
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert response.output_text == "Looking."
    second, known = account.script(bedrock.telling(bedrock.answer({"text": "Fine."})))
    history = [{"role": "user", "content": "hello"}, *[item.model_dump(exclude_none=True) for item in response.output],
               {"type": "function_call_output", "call_id": "tooluse_a", "output": "8 C"}]
    answer = sdk.done(sdk.client.responses.create(model=HAIKU, input=history, tools=[tool], reasoning={"effort": "low"}, **known))
    assert answer.output_text == "Fine."
    assistant = second.call().json()["messages"][1]["content"]
    assert [next(iter(block)) for block in assistant] == ["reasoningContent", "text", "toolUse"]
    assert assistant[0]["reasoningContent"]["reasoningText"]["signature"] == "c2lnbmVk"


# -- errors ------------------------------------------------------------------------------------------------

ERRORS = [
    (bedrock.failing(400, "ThrottlingException", "Too many requests"), openai.RateLimitError, "rate_limit_exceeded"),
    (bedrock.failing(400, "ValidationException", "Input is too long for requested model."), openai.BadRequestError,
     "context_length_exceeded"),
    (bedrock.failing(403, "AccessDeniedException", "no access"), openai.PermissionDeniedError, "model_not_found"),
    (bedrock.failing(404, "ResourceNotFoundException", "no such model"), openai.NotFoundError, "model_not_found"),
    (bedrock.failing(424, "ModelErrorException", "broken"), openai.InternalServerError, None),
    (bedrock.failing(503, "ServiceUnavailableException", "down"), openai.InternalServerError, None),
    (bedrock.streaming([bedrock.exception("throttlingException", message="slow")]), openai.RateLimitError, "rate_limit_exceeded"),
    (bedrock.streaming([bedrock.event("messageStart", role="assistant"),
                        bedrock.exception("validationException", message="too many tokens: 9")], 3),
     openai.BadRequestError, "context_length_exceeded"),
]


@pytest.mark.parametrize("handler,kind,code", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_their_class(account, sdk, handler, kind, code, stream):
    script, known = account.script(handler)
    with pytest.raises(kind) as raised:
        sdk.done(sdk.client.chat.completions.create(model=HAIKU, messages=HELLO, stream=stream, **known))
    assert raised.value.code == code
    record = account.record(script)
    assert (record["cost_state"], record["cost_usd"]) == ("none", "0.000000000000")


@pytest.mark.parametrize("frames", [
    [bedrock.event("messageStart", role="assistant"), *bedrock.text(0, "Half"), bedrock.exception("serviceUnavailableException", message="down")],
    [bedrock.event("messageStart", role="assistant"), *bedrock.text(0, "Half")],
    [bedrock.event("messageStart", role="assistant"), *bedrock.text(0, "Half"), bedrock.delta(0, text="x")[:-5]],
    [bedrock.event("messageStart", role="assistant"), *bedrock.text(0, "Half"), bedrock.delta(0, text="x")[:-1] + b"\0"],
], ids=["exception", "truncated", "in a frame", "checksum"])
def test_a_broken_stream_raises(account, sdk, frames):
    script, known = account.script(bedrock.streaming(frames, 17))
    with pytest.raises(openai.APIError):
        sdk.items(sdk.client.chat.completions.create(model=HAIKU, messages=HELLO, stream=True, **known))
    record = account.record(script)
    assert record["cost_state"] == "estimated"


def test_what_bedrock_cannot_do_is_refused_by_name(account, sdk):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.done(sdk.client.chat.completions.create(model=HAIKU, messages=HELLO, n=2))
    assert refused.value.param == "n"
    assert HAIKU in refused.value.message


def test_a_caller_who_leaves_ends_the_call(account, sdk):
    async def hold(request):
        await request.gone()

    script, known = account.script(bedrock.streaming(
        [bedrock.event("messageStart", role="assistant"), bedrock.delta(0, text="Half")], hold=hold))
    sdk.first(sdk.client.chat.completions.create(model=HAIKU, messages=HELLO, stream=True, **known), 2)
    assert script.wait_calls()[0].connection.lost.wait(10)


# -- embeddings --------------------------------------------------------------------------------------------


def test_embeddings(account, sdk):
    model = "amazon.titan-embed-text-v2:0"
    script, known = account.script(bedrock.telling({"embedding": [0.25, -1.5], "inputTextTokenCount": 300}))
    answer = sdk.done(sdk.client.embeddings.create(model=model, input="hello", dimensions=256, **known))
    assert answer.data[0].embedding == [0.25, -1.5]
    assert answer.usage.prompt_tokens == 300
    call = script.call()
    assert call.json() == {"inputText": "hello", "dimensions": 256}
    request_id = json.loads(call.header("x-amzn-bedrock-request-metadata"))["turnpike_request_id"]
    assert account.gateway.wait_record(request_id)["cost_usd"] == account.cost(model, {"inputTokens": 300})["cost_usd"]


def test_embeddings_of_cohere(account, sdk):
    model = "cohere.embed-english-v3"
    script, known = account.script(bedrock.telling({"embeddings": [[0.5], [1]]}, headers=[("X-Amzn-Bedrock-Input-Token-Count", "7")]))
    answer = sdk.done(sdk.client.embeddings.create(model=model, input=["a", "b"], extra_body={"input_type": "search_query"}, **known))
    assert [row.embedding for row in answer.data] == [[0.5], [1.0]]
    assert answer.usage.total_tokens == 7
    assert script.call().json()["input_type"] == "search_query"
