"""Cohere behind the official OpenAI SDK: chat, responses, tools, embeddings, errors, money.

The `cohere` SDK judges what is sent and reads what is answered (fakes/cohere.py).
"""

import json

import cohere as official
import openai
import pytest

from fake_upstream import FakeUpstream
from fakes import cohere
from fakes.voyage import floats
from gateway import ROOT, Gateway, free_port

GOLDEN = ROOT / "tests" / "golden" / "providers" / "cohere"
CHAT, EMBED = "command-a-03-2025", "embed-english-v3.0"
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}

# What Cohere says, and what the caller sees: status, class, code.
FAILURES = [
    (400, "too many tokens: 9 > 8", 400, openai.BadRequestError, "context_length_exceeded"),
    (400, "invalid request: messages is empty", 400, openai.BadRequestError, None),
    (401, "invalid api token", 502, openai.InternalServerError, "upstream_credential_unavailable"),
    (402, "please add or update your payment method", 429, openai.RateLimitError, "insufficient_quota"),
    (404, "model 'x' not found", 404, openai.NotFoundError, "model_not_found"),
    (422, "invalid type: parameter k is of type string", 422, openai.UnprocessableEntityError, None),
    (429, "too many requests", 429, openai.RateLimitError, "rate_limit_exceeded"),
    (429, "You are using a trial key, which is limited to 1000 API calls / month", 429, openai.RateLimitError, "insufficient_quota"),
    (498, "token is blocked", 502, openai.InternalServerError, "upstream_credential_unavailable"),
    (499, "request was cancelled", 503, openai.InternalServerError, None),
    (503, "service unavailable", 503, openai.InternalServerError, None),
]


class Account:
    def __init__(self, directory):
        self.fake = FakeUpstream()
        target = {"targets": [{"provider": "cohere"}], "retry": {"attempts": 1}, "breaker": {"failures": 0, "ratio": "0%"}}
        # A target that said when to come again is left alone until then: each failure has one of its own.
        failing = {f"failing-{index}": {**target, "targets": [{"provider": "cohere", "model": CHAT}]}
                   for index in range(2 * len(FAILURES) + 2)}
        self.gateway = Gateway(directory, {
            "workers": 1,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {"cohere": {"type": "cohere", "base_url": self.fake.url + "/v2", "api_key": "env:COHERE_TEST_KEY"}},
            "models": {**failing, "*": target},
        }, {"COHERE_TEST_KEY": cohere.KEY}).start()
        self.failing = iter(failing)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.fake.stop()
        assert not self.fake.problems, self.fake.problems

    def cost(self, model, usage):
        """What `turnpike prices cost` says."""
        call = {"provider": "cohere", "model": model, "usage": usage}
        return json.loads(self.gateway.run("prices", "cost", "--json", input=json.dumps(call)).stdout)


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    account = Account(tmp_path_factory.mktemp("cohere"))
    yield account
    account.stop()


@pytest.fixture
def gateway(account):
    """For the `sdk` fixture: the official client, sync and async."""
    return account.gateway


def ask(script, words="hello"):
    return [{"role": "user", "content": f"{words} {script.token}"}]


# -- the judge ---------------------------------------------------------------------------------------


def cases(name):
    return sorted(path.parent for path in GOLDEN.glob(f"*/{name}"))


@pytest.mark.parametrize("case", cases("upstream.json"), ids=lambda path: path.name)
def test_golden_requests_are_what_the_sdk_could_send(case):
    body = json.loads((case / "upstream.json").read_text())
    (cohere.check_embed if "texts" in body else cohere.check_chat)(body)


@pytest.mark.parametrize("case", cases("answer.http"), ids=lambda path: path.name)
def test_the_sdk_reads_what_our_cases_answer(case):
    head, body = (case / "answer.http").read_text().split("\n\n", 1)
    if not head.startswith("200"):
        return
    if "text/event-stream" in head:
        for line in body.splitlines():
            if line.startswith("data: {"):
                cohere.EVENTS.validate_python(json.loads(line.removeprefix("data: ")))
    elif "embeddings" in json.loads(body):
        official.types.EmbedByTypeResponse.model_validate(json.loads(body))
    else:
        cohere.V2ChatResponse.model_validate(json.loads(body))


def test_the_sdk_itself_is_answered_by_the_fake(account):
    """The fake is Cohere as far as its own SDK can tell."""
    client = official.ClientV2(api_key=cohere.KEY, base_url=account.fake.url)
    script = account.fake.script(cohere.telling(cohere.answer("Hi.")))
    assert client.chat(model=CHAT, messages=ask(script)).message.content[0].text == "Hi."
    script = account.fake.script(cohere.telling(cohere.embeddings([[0.5, 1.0]], 3)))
    got = client.embed(model=EMBED, texts=[script.token], input_type="search_document", embedding_types=["float"])
    assert got.embeddings.float_ == [[0.5, 1.0]] and got.meta.billed_units.input_tokens == 3


# -- chat --------------------------------------------------------------------------------------------


def test_chat(account, sdk):
    script = account.fake.script(cohere.telling(cohere.answer("Grüße ", "\U0001F30D", thinking="Greet.")))
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(
        model=CHAT, messages=[{"role": "system", "content": "Be brief."}] + ask(script), max_tokens=100, temperature=0.3, top_p=0.9,
        stop=["END"], seed=7, reasoning_effort="low"))
    got = raw.parse()
    assert got.choices[0].message.content == "Grüße \U0001F30D" and got.choices[0].finish_reason == "stop"
    assert got.choices[0].message.reasoning_content == "Greet."
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (496, 9)
    sent = script.call().json()
    assert (sent["max_tokens"], sent["temperature"], sent["p"], sent["seed"]) == (100, 0.3, 0.9, 7)
    assert sent["stop_sequences"] == ["END"] and sent["thinking"]["type"] == "enabled"
    record = account.gateway.wait_record(raw.headers["x-request-id"])
    wanted = account.cost(CHAT, cohere.TOKENS)
    assert (record["cost_usd"], record["cost_state"]) == (wanted["cost_usd"], "priced")
    assert record["cost_usd"] == "0.000120000000"  # what is billed: 20 at 2.50 and 7 at 10 dollars


@pytest.mark.parametrize("size", [1, 7, None])
def test_stream(account, sdk, size):
    frames = [cohere.START, *cohere.text(0, "Hm.", kind="thinking"), *cohere.text(1, "Gr", "üße", " \U0001F30D"), cohere.end()]
    script = account.fake.script(cohere.streaming(frames, size))
    chunks = sdk.items(sdk.client.chat.completions.create(model=CHAT, messages=ask(script), stream=True,
                                                          stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Grüße \U0001F30D"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (496, 9)


def test_parallel_tools_and_their_results(account, sdk):
    frames = [cohere.START, *cohere.plan("I will ", "look."), *cohere.calling(0, "get_weather_a", "get_weather", '{"ci', 'ty":"Köln"}'),
              *cohere.calling(1, "get_weather_b", "get_weather", '{"city":"\\ud83c\\udf0d"}'), cohere.end("TOOL_CALL")]
    script = account.fake.script(cohere.streaming(frames, 11))
    calls = {}
    chunks = sdk.items(sdk.client.chat.completions.create(model=CHAT, messages=ask(script), tools=[WEATHER], stream=True))
    for chunk in chunks:
        for piece in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(piece.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] += piece.id or ""
            call["function"]["name"] += piece.function.name or ""
            call["function"]["arguments"] += piece.function.arguments or ""
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert [json.loads(c["function"]["arguments"]) for c in calls.values()] == [{"city": "Köln"}, {"city": "\U0001F30D"}]
    second = account.fake.script(cohere.telling(cohere.answer("Fine.")))
    history = [*ask(second), {"role": "assistant", "content": None, "tool_calls": list(calls.values())},
               {"role": "tool", "tool_call_id": "get_weather_b", "content": "9 C"},
               {"role": "tool", "tool_call_id": "get_weather_a", "content": [{"type": "text", "text": "8 C"}]}]
    got = sdk.done(sdk.client.chat.completions.create(model=CHAT, messages=history, tools=[WEATHER]))
    assert got.choices[0].message.content == "Fine."
    sent = second.call().json()["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]


def test_responses(account, sdk):
    frames = [cohere.START, *cohere.text(0, "One ", "two."), cohere.end()]
    script = account.fake.script(cohere.streaming(frames, 5))
    events = sdk.items(sdk.client.responses.create(model=CHAT, input=f"count {script.token}", stream=True))
    assert events[-1].type == "response.completed" and events[-1].response.output_text == "One two."
    assert events[-1].response.usage.total_tokens == 505


def test_structured_output(account, sdk):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    script = account.fake.script(cohere.telling(cohere.answer('{"n": 7}')))
    got = sdk.done(sdk.client.chat.completions.create(model=CHAT, messages=ask(script), response_format={
        "type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}))
    assert json.loads(got.choices[0].message.content) == {"n": 7}
    assert script.call().json()["response_format"]["type"] == "json_object"


def test_a_broken_stream_is_told(account, client):
    script = account.fake.script(cohere.streaming([cohere.START, *cohere.text(0, "Hel")]))
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model=CHAT, messages=ask(script), stream=True))


# -- embeddings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_embeddings(account, sdk, encoding):
    script = account.fake.script(cohere.telling(cohere.embeddings([[0.5, -0.25], [1.0, 0.0]], 12)))
    more = {"encoding_format": encoding} if encoding else {}
    raw = sdk.done(sdk.client.embeddings.with_raw_response.create(
        model=EMBED, input=[script.token, "zwei"], extra_body={"input_type": "search_query"}, **more))
    got = raw.parse()
    vectors = [floats(e.embedding) if isinstance(e.embedding, str) else e.embedding for e in got.data]
    assert vectors == [[0.5, -0.25], [1.0, 0.0]] and [e.index for e in got.data] == [0, 1]
    assert (got.usage.prompt_tokens, got.usage.total_tokens) == (12, 12)
    assert script.call().json()["input_type"] == "search_query"
    record = account.gateway.wait_record(raw.headers["x-request-id"])
    assert record["cost_usd"] == "0.000001200000" == account.cost(EMBED, {"billed_units": {"input_tokens": 12}})["cost_usd"]


@pytest.mark.parametrize("members, param", [
    ({"input": ["a"] * 97}, "input"), ({"input": [[1, 2]]}, "input"), ({"input_type": 7}, "input_type"),
    ({"truncate": ["END"]}, "truncate"), ({"user": "u"}, "user"), ({"colour": "red"}, "colour")])
def test_embeddings_that_cohere_does_not_make(account, client, members, param):
    with pytest.raises(openai.BadRequestError) as problem:
        client.post("/embeddings", body={"model": EMBED, "input": "a", **members}, cast_to=object)
    assert problem.value.body["param"].startswith(param), problem.value.body


# -- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status, words, seen, kind, code", FAILURES, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("stream", [False, True])
def test_failures(account, client, status, words, seen, kind, code, stream):
    script = account.fake.script(cohere.telling({"id": "e1", "message": words}, status))
    with pytest.raises(kind) as problem:
        client.chat.completions.create(model=next(account.failing), messages=ask(script), stream=stream)
    assert (problem.value.status_code, problem.value.code) == (seen, code), problem.value.body


def test_when_to_come_again(account, client):
    model = next(account.failing)
    script = account.fake.script(cohere.telling({"message": "too many requests"}, 429, [("retry-after", "7")]))
    with pytest.raises(openai.RateLimitError) as problem:
        client.chat.completions.create(model=model, messages=ask(script))
    assert problem.value.response.headers["retry-after"] == "7"


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:
        yield client
