"""Gemini and Vertex AI behind OpenAI's API, with the official SDK as caller and Google's own as judge of what is sent."""

import json
import subprocess

import openai
import pytest

from fakes.gemini import FakeGemini, Stream, Whole, candidate, error, response, retry_in, signature, usage
from gateway import BINARY, Gateway, free_port, wait_until

PRO, FLASH, NEWER = "gemini-2.5-pro", "gemini-2.5-flash", "gemini-3-flash-preview"
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}
HELLO = [{"role": "user", "content": "Hello"}]


class Calls:
    def __init__(self, directory):
        self.fake = FakeGemini()
        studio = {"type": "gemini", "base_url": self.fake.url + "/v1beta", "api_key": "env:UPSTREAM_KEY"}
        self.gateway = Gateway(directory, {
            "workers": 1,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {
                "studio": studio,
                **{f"fails-{i}": studio for i in range(len(ERRORS))},
                "cloud": {"type": "vertex", "base_url": self.fake.url + "/v1", "api_key": "env:UPSTREAM_KEY",
                          "google": {"project": "acme-1", "location": "europe-west4"}},
            },
            "models": {"cloud-*": {"targets": [{"provider": "cloud", "model": "gemini-3.1-pro-preview"}]},
                       "claude-*": {"targets": [{"provider": "cloud"}]},
                       "text-embedding-005": {"targets": [{"provider": "cloud"}]},
                       "meta/*": {"targets": [{"provider": "cloud"}]},
                       "lenient": {"targets": [{"provider": "studio", "model": FLASH, "drop": ["user", "logit_bias"]}]},
                       # A failure has consequences for what comes after it: each has a provider and a model of its own.
                       **{f"fails-{i}": {"targets": [{"provider": f"fails-{i}", "model": FLASH}], "retry": {"attempts": 1}}
                          for i in range(len(ERRORS))},
                       "*": {"targets": [{"provider": "studio"}]}},
        }).start()
        self.client = openai.OpenAI(base_url=self.gateway.url + "/v1", api_key=self.gateway.key, max_retries=0)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.fake.stop()

    def chat(self, model=FLASH, messages=HELLO, **more):
        return self.client.chat.completions.create(model=model, messages=messages, **more)

    def record(self, raw):
        return self.gateway.wait_record(raw.headers["x-request-id"])

    def spent(self, model, **more):
        """(answer, record) of a call, whose answer must be in the row."""
        raw = self.client.chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)
        return raw.parse(), self.record(raw)


def price(provider, model, counts, service="standard", **context):
    """What `turnpike prices cost` says of the provider's own usage object."""
    call = {"provider": provider, "model": model, "usage": counts, "service": service, "context": context}
    done = subprocess.run([BINARY, "prices", "cost", "--json"], input=json.dumps(call), capture_output=True, text=True,
                          timeout=30, check=True)
    return json.loads(done.stdout)["cost_usd"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    calls = Calls(tmp_path_factory.mktemp("gemini"))
    yield calls
    calls.stop()


@pytest.fixture
def calls(shared):
    yield shared
    shared.fake.check()


# -- plain answers ------------------------------------------------------------------------------------


def test_an_answer(calls):
    counts = usage(1200, 80, 345, promptTokensDetails=[{"modality": "TEXT", "tokenCount": 1200}])
    calls.fake.answer(response(candidate({"text": "Grüezi "}, {"text": "😀"}, finish="STOP"), counts=counts, model=PRO))
    answer, row = calls.spent(PRO, temperature=0.5, max_tokens=500, stop=["END"])
    assert answer.choices[0].message.content == "Grüezi 😀" and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (1200, 425, 1625)
    assert answer.usage.completion_tokens_details.reasoning_tokens == 345
    assert row["cost_usd"] == price("google", PRO, counts)
    asked = calls.fake.last
    assert asked.path == f"/v1beta/models/{PRO}:generateContent"
    assert asked.headers["x-goog-api-key"] == "sk-upstream-test" and "authorization" not in asked.headers
    assert asked.body["generationConfig"] == {"temperature": 0.5, "maxOutputTokens": 500, "stopSequences": ["END"]}


@pytest.mark.parametrize("cut", [1, 7, 64, None])
def test_a_stream_in_pieces(calls, cut):
    counts = usage(9, 7)
    calls.fake.answer(Stream(response(candidate({"text": "One, "}), counts=usage(9, 2), model=FLASH),
                             response(candidate({"text": "zwö, "}), counts=usage(9, 4), model=FLASH),
                             response(candidate({"text": ""}, finish="STOP"), counts=counts, model=FLASH), cut=cut))
    raw = calls.client.chat.completions.with_raw_response.create(
        model=FLASH, messages=HELLO, stream=True, stream_options={"include_usage": True})
    chunks = list(raw.parse())
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "One, zwö, "
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 16
    assert calls.record(raw)["cost_usd"] == price("google", FLASH, counts)
    assert calls.fake.last.path.endswith(":streamGenerateContent?alt=sse")


# -- money ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model,counts,dollars", [
    # tests/data/cost-examples.json: a long prompt makes all dearer; thoughts beside candidates; sound has its price
    (PRO, {"promptTokenCount": 250000, "cachedContentTokenCount": 200000, "candidatesTokenCount": 1000,
           "thoughtsTokenCount": 3000, "totalTokenCount": 254000}, "0.235000000000"),
    (FLASH, {"promptTokenCount": 3700, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 500},
                                                               {"modality": "AUDIO", "tokenCount": 3200}],
             "candidatesTokenCount": 250, "thoughtsTokenCount": 64, "totalTokenCount": 4014}, "0.004135000000"),
    (FLASH, {"promptTokenCount": 1290, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 32},
                                                               {"modality": "IMAGE", "tokenCount": 1258}],
             "cachedContentTokenCount": 1024, "cacheTokensDetails": [{"modality": "IMAGE", "tokenCount": 1024}],
             "toolUsePromptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 1400}, None),
])
def test_what_it_costs(calls, model, counts, dollars):
    calls.fake.answer(response(candidate({"text": "x"}, finish="STOP"), counts=counts, model=model))
    _, row = calls.spent(model)
    assert row["cost_usd"] == price("google", model, counts)
    assert dollars is None or float(row["cost_usd"]) == float(dollars)
    assert row["usage_source"] == "reported"


def test_searches_are_billed(calls):
    grounding = {"webSearchQueries": ["a", "b"], "groundingChunks": [{"web": {"uri": "https://x.example", "title": "X"}}],
                 "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 6}, "groundingChunkIndices": [0]}]}
    counts = usage(9, 3)
    calls.fake.answer(response(candidate({"text": "Zürich"}, finish="STOP", groundingMetadata=grounding), counts=counts))
    answer, row = calls.spent(NEWER, web_search_options={})
    citation = answer.choices[0].message.annotations[0].url_citation
    assert (citation.url, citation.start_index, citation.end_index) == ("https://x.example", 0, 5)
    assert row["cost_usd"] == price("google", NEWER, counts, extra={"web_search": 2})
    assert calls.fake.last.body["tools"] == [{"googleSearch": {}}]


# -- tools --------------------------------------------------------------------------------------------------


def test_tools_in_parallel_and_their_signatures(calls):
    """What a framework keeps of a call is its id, name and arguments: the signature comes back all the same."""
    seal = signature("thoughts/+=")
    calls.fake.answer(Stream(
        response(candidate({"text": "Let me see.", "thought": True})),
        response(candidate({"functionCall": {"name": "get_weather", "args": {"city": "Zürich"}}, "thoughtSignature": seal},
                           {"functionCall": {"name": "get_weather", "args": {"city": "Bern"}}})),
        response(candidate({"text": ""}, finish="STOP"), counts=usage(30, 20, 400)), cut=5),
        response(candidate({"text": "Warm."}, finish="STOP"), counts=usage(60, 2)))
    made = {}
    for chunk in calls.chat(NEWER, tools=[WEATHER], reasoning_effort="low", stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            entry = made.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
            entry["id"] += call.id or ""
            entry["name"] += call.function.name or ""
            entry["arguments"] += call.function.arguments or ""
        finish = chunk.choices[0].finish_reason
    assert finish == "tool_calls" and [made[i]["arguments"] for i in (0, 1)] == ['{"city":"Zürich"}', '{"city":"Bern"}']
    assert len({call["id"] for call in made.values()}) == 2
    answer = calls.chat(NEWER, tools=[WEATHER], messages=[
        *HELLO,
        {"role": "assistant", "tool_calls": [{"id": call["id"], "type": "function", "function": {
            "name": call["name"], "arguments": call["arguments"]}} for call in made.values()]},
        {"role": "tool", "tool_call_id": made[1]["id"], "content": "19"},
        {"role": "tool", "tool_call_id": made[0]["id"], "content": "21"}])
    assert answer.choices[0].message.content == "Warm."
    parts = calls.fake.last.parts
    assert parts[1]["thoughtSignature"] == seal and "thoughtSignature" not in parts[2]
    assert [part["functionResponse"]["response"]["output"] for part in parts[3:]] == ["21", "19"]
    assert parts[1]["functionCall"]["id"] == parts[3]["functionResponse"]["id"]
    assert "__thought__" not in json.dumps(calls.fake.last.body)


def test_responses_with_tools(calls):
    seal = signature("sealed")
    calls.fake.answer(Stream(
        response(candidate({"text": "Thinking.", "thought": True})),
        response(candidate({"functionCall": {"name": "get_weather", "args": {"city": "Rom"}}, "thoughtSignature": seal})),
        response(candidate({"text": ""}, finish="STOP"), counts=usage(30, 20, 40))),
        response(candidate({"text": "Hot."}, finish="STOP"), counts=usage(60, 2)))
    tool = {"type": "function", **WEATHER["function"]}
    with calls.client.responses.stream(model=NEWER, input="Weather?", tools=[tool], reasoning={"effort": "low", "summary": "auto"},
                                       store=False) as stream:
        for _ in stream:
            pass
        first = stream.get_final_response()
    call = next(item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"city": "Rom"} and first.usage.output_tokens_details.reasoning_tokens == 40
    assert any(item.type == "reasoning" and item.summary[0].text == "Thinking." for item in first.output)
    second = calls.client.responses.create(model=NEWER, tools=[tool], store=False, input=[
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "35"}])
    assert second.output_text == "Hot." and second.status == "completed"
    assert calls.fake.last.parts[1]["thoughtSignature"] == seal


# -- what a request can hold ---------------------------------------------------------------------------------


def test_pictures_and_schemas(calls):
    schema = {"type": "object", "properties": {"cats": {"type": "integer"}}, "required": ["cats"], "additionalProperties": False}
    for model in (FLASH, "gemini-2.0-flash"):
        calls.fake.answer(response(candidate({"text": '{"cats":2}'}, finish="STOP"), counts=usage(300, 5), model=model))
        answer = calls.chat(model, messages=[{"role": "user", "content": [
            {"type": "text", "text": "How many?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}],
            response_format={"type": "json_schema", "json_schema": {"name": "cats", "schema": schema, "strict": True}})
        assert json.loads(answer.choices[0].message.content) == {"cats": 2}
        config = calls.fake.last.body["generationConfig"]
        assert config["responseMimeType"] == "application/json"
        assert ("responseJsonSchema" in config) == (model == FLASH)
    assert config["responseSchema"]["properties"] == {"cats": {"type": "INTEGER"}}


def test_what_it_cannot_do_is_refused_by_name(calls):
    with pytest.raises(openai.BadRequestError) as raised:
        calls.chat(FLASH, logit_bias={"1": 2})
    assert raised.value.param == "logit_bias" and FLASH in raised.value.message
    calls.fake.answer(response(candidate({"text": "x"}, finish="STOP"), counts=usage(1, 1)))
    assert calls.chat("lenient", logit_bias={"1": 2}, user="u").choices[0].message.content == "x"


def test_five_hundred_messages(calls):
    messages = [{"role": ("user", "assistant")[i % 2], "content": f"message {i} ☃"} for i in range(501)]
    calls.fake.answer(response(candidate({"text": "x"}, finish="STOP"), counts=usage(1, 1)))
    calls.chat(FLASH, messages=messages)
    assert [part["text"] for part in calls.fake.last.parts] == [message["content"] for message in messages]


# -- failures ---------------------------------------------------------------------------------------------


DAY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}]}
KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
TOO_LONG = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
ERRORS = [
    (429, error(429, "RESOURCE_EXHAUSTED", "Slow down.", retry_in("34.4s")), openai.RateLimitError, "rate_limit_exceeded"),
    (429, [error(429, "RESOURCE_EXHAUSTED", "Enough.", DAY, retry_in("1s"))], openai.RateLimitError, "insufficient_quota"),
    (400, error(400, "INVALID_ARGUMENT", "API key not valid.", KEY), openai.InternalServerError, "upstream_credential_unavailable"),
    (400, error(400, "INVALID_ARGUMENT", TOO_LONG), openai.BadRequestError, "context_length_exceeded"),
    (404, error(404, "NOT_FOUND", "No such model."), openai.NotFoundError, "model_not_found"),
    (503, error(503, "UNAVAILABLE", "Overloaded."), openai.InternalServerError, None),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_have_their_class(calls, number):
    status, body, kind, code = ERRORS[number]
    calls.fake.answer(Whole(body, status))
    with pytest.raises(kind) as raised:
        calls.chat(f"fails-{number}")
    assert code is None or raised.value.code == code, raised.value
    if number == 0:
        assert raised.value.response.headers["retry-after"] == "35"
        assert raised.value.response.headers["retry-after-ms"] == "34400"
    if number == 1:
        assert raised.value.response.headers["x-should-retry"] == "false"


def test_a_blocked_prompt(calls):
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
               "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12}, "modelVersion": FLASH}
    calls.fake.answer(blocked)
    answer, row = calls.spent(FLASH)
    assert answer.choices[0].finish_reason == "content_filter" and "PROHIBITED" in answer.choices[0].message.refusal
    assert row["cost_usd"] == price("google", FLASH, blocked["usageMetadata"])


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_stream_that_ends_too_soon(calls, end):
    calls.fake.answer(Stream(response(candidate({"text": "It beg"}), counts=usage(9, 2)), end=end))
    text = ""
    with pytest.raises(openai.APIError):
        for chunk in calls.chat(FLASH, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text == "It beg"


def test_an_error_within_a_stream(calls):
    calls.fake.answer(Stream(response(candidate({"text": "It beg"}), counts=usage(9, 2)),
                             error(503, "UNAVAILABLE", "The model is overloaded.")))
    with pytest.raises(openai.APIError, match="overloaded"):
        list(calls.chat(FLASH, stream=True))


def test_a_caller_who_leaves(calls):
    stream = calls.fake.answer(Stream(response(candidate({"text": "On and on"}), counts=usage(9, 2)), end="wait"))
    raw = calls.client.chat.completions.with_raw_response.create(model=FLASH, messages=HELLO, stream=True)
    answer = raw.parse()
    next(iter(answer))
    answer.close()
    wait_until(stream.gone.is_set, 10, "the provider sees the caller leave")
    assert calls.record(raw)["usage_source"] == "estimated"


# -- embeddings ---------------------------------------------------------------------------------------------


def test_embeddings(calls):
    for more in ({}, {"usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}}):
        calls.fake.answer({"embeddings": [{"values": [0.5, -1.25]}, {"values": [2, 0]}], **more})
        raw = calls.client.embeddings.with_raw_response.create(model="gemini-embedding-001", input=["one", "two"], dimensions=2)
        answer = raw.parse()
        assert [item.embedding for item in answer.data] == [[0.5, -1.25], [2.0, 0.0]]  # the SDK asks for base64
        row = calls.record(raw)
        assert row["usage_source"] == ("reported" if more else "estimated")
        assert answer.usage.prompt_tokens == (7 if more else 2)
        assert row["cost_usd"] == price("google", "gemini-embedding-001", {"promptTokenCount": answer.usage.prompt_tokens})
    with pytest.raises(openai.BadRequestError) as raised:
        calls.client.embeddings.create(model="gemini-embedding-001", input=["x"] * 101)
    assert raised.value.param == "input"


# -- Vertex AI --------------------------------------------------------------------------------------------------


def test_vertex(calls):
    counts = usage(12, 9, 3, trafficType="ON_DEMAND")
    calls.fake.answer(Stream(
        response(candidate({"functionCall": {"name": "get_weather", "willContinue": True}, "thoughtSignature": signature("s")})),
        response(candidate({"functionCall": {"partialArgs": [{"jsonPath": "$.city", "stringValue": "Zür", "willContinue": True}],
                                             "willContinue": True}})),
        response(candidate({"functionCall": {"partialArgs": [{"jsonPath": "$.city", "stringValue": "ich"}], "willContinue": True}})),
        response(candidate({"functionCall": {}}, finish="STOP"), counts=counts), newline="\n", cut=3))
    raw = calls.client.chat.completions.with_raw_response.create(
        model="cloud-pro", messages=HELLO, tools=[WEATHER], stream=True, metadata={"team": "Blue"}, reasoning_effort="medium")
    arguments = "".join(call.function.arguments or "" for chunk in raw.parse() for call in chunk.choices[0].delta.tool_calls or [])
    assert json.loads(arguments) == {"city": "Zürich"}
    asked = calls.fake.last
    assert asked.path == ("/v1/projects/acme-1/locations/europe-west4/publishers/google/models/gemini-3.1-pro-preview"
                          ":streamGenerateContent?alt=sse")
    assert asked.headers["authorization"] == "Bearer sk-upstream-test" and asked.body["labels"] == {"team": "blue"}
    assert asked.body["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "MEDIUM"
    assert calls.record(raw)["cost_usd"] == price("vertex", "gemini-3.1-pro-preview", counts)


def test_vertex_embeddings_by_the_character(calls):
    calls.fake.answer({"predictions": [{"embeddings": {"values": [1, 2], "statistics": {"token_count": 3, "truncated": False}}}],
                       "metadata": {"billableCharacterCount": 12345}})
    raw = calls.client.embeddings.with_raw_response.create(model="text-embedding-005", input="x")
    assert raw.parse().usage.prompt_tokens == 3
    assert float(calls.record(raw)["cost_usd"]) == 0.000308625


def test_vertex_models_of_other_makers(calls):
    calls.fake.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "meta/llama", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    model = "meta/llama-4-maverick-17b-128e-instruct-maas"
    assert calls.chat(model).choices[0].message.content == "Hi."
    assert calls.fake.last.path == "/v1/projects/acme-1/locations/europe-west4/endpoints/openapi/chat/completions"
    assert calls.fake.last.body["model"] == model


@pytest.mark.parametrize("streams", [False, True])
def test_claude_on_vertex(calls, streams):
    model, counts = "claude-sonnet-4-5@20250929", {"input_tokens": 900, "cache_read_input_tokens": 300, "output_tokens": 40}
    message = {"id": "msg_vrtx_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "stop_sequence": None}
    if streams:
        calls.fake.answer(Stream(
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": {**counts, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüezi."}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 40}},
            {"type": "message_stop"}, cut=11))
    else:
        calls.fake.answer({**message, "content": [{"type": "text", "text": "Grüezi."}], "stop_reason": "end_turn", "usage": counts})
    raw = calls.client.chat.completions.with_raw_response.create(model=model, messages=HELLO, max_tokens=50, stream=streams)
    answer = raw.parse()
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer) if streams else answer.choices[0].message.content
    assert text == "Grüezi."
    asked = calls.fake.last
    method = "streamRawPredict" if streams else "rawPredict"
    assert asked.path == f"/v1/projects/acme-1/locations/europe-west4/publishers/anthropic/models/{model}:{method}"
    assert asked.body["anthropic_version"] == "vertex-2023-10-16" and "model" not in asked.body
    assert calls.record(raw)["cost_usd"] == price("vertex", model, counts, location="regional")
