"""What single calls cost and how far they are clamped, by endpoint and by what the provider says of its usage."""

import json
import threading
import time

import pytest

from fake_answers import chat_frames, error, frame
from fake_upstream import FakeUpstream
from gateway import Gateway, free_port, wait_until
from money_gateway import MoneyGateway, cost
from money_upstream import dollars, picodollars, usage_of
from wire_client import Wire

INPUT, CACHED, OUTPUT = 150_000, 75_000, 600_000  # picodollars a token of gpt-4o-mini, as data/prices.json has them
HELLO = [{"role": "user", "content": "hello"}]


class Calls(MoneyGateway):
    """The same gateway commands, in front of scripts: whatever a call bears a script's token in is answered by it."""

    def __init__(self, directory, **config):
        self.fake = FakeUpstream()
        up = {"type": "openai", "base_url": self.fake.url + "/v1", "api_key": "env:UPSTREAM_KEY"}
        self.gateway = Gateway(directory, {
            "workers": 1,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {
                "up": {**up, "pricing": {"catalog": "openai"}},
                "granted": {**up, "pricing": {"catalog": "openai", "discount": "12.5%"}},
                "own": {**up, "pricing": {"catalog": "openai", "discount": "50%",
                                          "models": {"gpt-4o-mini": {"input": "1", "output": "2"}}}},
            },
            "models": {"granted": {"targets": [{"provider": "granted", "model": "gpt-4o-mini"}]},
                       "own": {"targets": [{"provider": "own", "model": "gpt-4o-mini"}]},
                       "house": {"targets": [{"provider": "up", "model": "house-model"}]},
                       "*": {"targets": [{"provider": "up"}]}},
            **config,
        }).start()
        self.data = str(self.gateway.data)
        self.nothing = self.fake.script(answering(chat_with(usage_of(0, 0, 0))))

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.fake.stop()

    def probe(self, key):
        answer = self.call(key, {"model": "gpt-4o-mini", "max_tokens": 16, "user": self.nothing.token,
                                 "messages": [{"role": "user", "content": "x" * 400_000}]})
        return answer.error["message"] if answer.status == 429 else ""

    def call(self, key, body, headers=(), path="/v1/chat/completions"):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        with Wire(self.gateway.port, key=key["key"]) as wire:
            wire.request("POST", path, body, headers)
            return wire.answer()

    def record(self, answer):
        return self.gateway.wait_record(answer.request_id)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    calls = Calls(tmp_path_factory.mktemp("calls"))
    calls.free = calls.key("free")
    yield calls
    assert not calls.fake.problems, calls.fake.problems
    calls.stop()


def answering(value, status=200):
    async def answer(call):
        await call.body()
        call.answer(value, status)
    return answer


def chat_with(usage, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "a word"}, "finish_reason": "stop"}],
            **({"usage": usage} if usage is not None else {}), **more}


# -- the clamp ----------------------------------------------------------------------------------------

# A body with "%s" for the script's token, the part that the clamp changes, what it becomes ("%d" is the limit), choices.
CLAMPS = {
    "chat without a limit": (
        "/v1/chat/completions", b'{ "model":"gpt-4o-mini" ,"user":"%s","messages":[{"role":"user","content":"\\u00e9 1e2"}]}',
        b'{ "model"', b'{"max_completion_tokens":%d, "model"', 1),
    "max_tokens": (
        "/v1/chat/completions", b'{"max_tokens" :  90000 ,"model":"gpt-4o-mini","user":"%s","seed":12345678901234567890,"messages":[]}',
        b"90000", b"%d", 1),
    "max_completion_tokens behind everything": (
        "/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[],"n":3,"max_completion_tokens":9e4}\r\n',
        b"9e4", b"%d", 3),
    "an unlimited -1": (
        "/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[],"max_tokens":-1}', b"-1}", b"%d}", 1),
    "a key in escapes": (
        "/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[],"max_\\u0074okens":90000}', b"90000", b"%d", 1),
    "null": (
        "/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[],"max_completion_tokens":null}', b"null", b"%d", 1),
    "completions of three prompts": (
        "/v1/completions", b'{"model":"gpt-4o-mini","user":"%s","prompt":["a","b","c"],"max_tokens":9000}', b"9000", b"%d", 3),
    "responses": (
        "/v1/responses", b'{"model":"gpt-4o-mini","user":"%s","input":"hi","max_output_tokens":50000}', b"50000", b"%d", 1),
    "responses without a limit": (
        "/v1/responses", b'{"model":"gpt-4o-mini","user":"%s","input":"hi"}', b'{"model"', b'{"max_output_tokens":%d,"model"', 1),
}


@pytest.mark.parametrize("name", CLAMPS)
def test_a_clamp_changes_nothing_else(calls, name):
    path, body, part, becomes, choices = CLAMPS[name]
    key = calls.key(name)
    cap = 1000 * 10**6
    if b"\\u0074" in body:  # what hides letters may refer to anything: its input is bounded by the model's window
        cap += 128_000 * INPUT
    calls.budget(key, cap, "--key", key["id"])
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = body.replace(b"%s", script.token.encode())
    answer = calls.call(key, body, path=path)
    assert answer.status == 200, answer.body
    limit = int(answer.header("x-turnpike-output-limit"))
    assert script.call().content == body.replace(part, becomes % limit, 1)
    row = calls.record(answer)
    assert row["output_clamp"] == limit
    held = picodollars(row["cost_reserved_usd"])
    assert cap - choices * OUTPUT < held <= cap, "all that the rest buys"
    if b"\\u0074" not in body:
        assert abs(limit - (cap - len(body) * INPUT) // OUTPUT // choices) <= 1


def test_two_limits_in_one_body_are_both_clamped(calls):
    key = calls.key("two limits")
    calls.budget(key, 1000 * 10**6, "--key", key["id"])
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    answer = calls.call(key, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 50_000,
                              "max_completion_tokens": 100_000})
    limit = int(answer.header("x-turnpike-output-limit"))
    sent = json.loads(script.call().content)
    assert sent["max_tokens"] == sent["max_completion_tokens"] == limit


def test_the_same_member_twice_is_no_way_round(calls):
    """Readers differ in which of the two counts: refused, or both are bounded."""
    key = calls.key("twice")
    calls.budget(key, 1000 * 10**6, "--key", key["id"])
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    for member in (b'"max_tokens":5,"max_tokens":90000', b'"n":1,"n":100,"max_tokens":16', b'"n":100,"n":1,"max_tokens":16'):
        answer = calls.call(key, b'{"model":"gpt-4o-mini","user":"%s","messages":[],%s}' % (script.token.encode(), member))
        assert answer.status in (400, 429), answer.body
    assert not script.calls


# -- what usage becomes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [usage_of(1000, 400, 77, 70), usage_of(0, 0, 0), usage_of(3, 3, 1)])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_chat(calls, usage, stream):
    async def serve(call):
        request = json.loads(await call.body())
        if stream:
            await call.stream(chat_frames(request, usage=usage))
        else:
            call.answer(chat_with(usage))

    script = calls.fake.script(serve)
    answer = calls.call(calls.free, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "stream": stream})
    assert (b'"usage": {' in answer.body) == (not stream), "the usage frame was asked for by the gateway alone"
    row = calls.record(answer)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    expected = (usage["prompt_tokens"] - cached) * INPUT + cached * CACHED + usage["completion_tokens"] * OUTPUT
    assert cost(row) == expected and row["cost_state"] == "priced"


@pytest.mark.parametrize("model, expected", [("granted", (100 * INPUT + 10 * OUTPUT) * 7 // 8), ("own", 100 * 10**6 + 10 * 2 * 10**6)])
def test_discount_and_own_prices(calls, model, expected):
    """A discount is on the list's prices; own prices are taken as they are."""
    script = calls.fake.script(answering(chat_with(usage_of(100, 0, 10))))
    row = calls.record(calls.call(calls.free, {"model": model, "user": script.token, "messages": HELLO}))
    assert cost(row) == expected and row["cost_state"] == "priced"
    assert row["provider"] == model


def test_service_tier_of_the_answer_decides(calls):
    script = calls.fake.script(answering(chat_with(usage_of(100, 0, 10), service_tier="priority")))
    row = calls.record(calls.call(calls.free, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO,
                                               "service_tier": "auto"}))
    assert cost(row) == 100 * 250_000 + 10 * 10**6 and row["price_service"] == "priority"


def test_contradicting_counters_are_unpriced(calls):
    """More cached than read at all: nothing is clamped to make a sum of it; in a budget what was held counts."""
    key = calls.key("contradicted")
    budget_cap = 10**10
    calls.budget(key, budget_cap, "--key", key["id"])
    script = calls.fake.script(answering(chat_with(usage_of(10, 20, 5))))
    answer = calls.call(key, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 10_000})
    row = calls.record(answer)
    assert row["cost_state"] == "unpriced" and row["cost_usd"] is None
    assert "contradict" in row["price_rule"]
    held = picodollars(row["cost_reserved_usd"])
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 100_000}
    limit = int(calls.call(key, body).header("x-turnpike-output-limit"))
    assert limit == (budget_cap - held - len(json.dumps(body)) * INPUT) // OUTPUT


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_no_usage_at_all(calls, stream):
    """A whole answer without usage is unpriced, never free; a stream is estimated from what was relayed."""
    async def serve(call):
        request = json.loads(await call.body())
        if stream:
            await call.stream(chat_frames({**request, "stream_options": None}))
        else:
            call.answer(chat_with(None))

    script = calls.fake.script(serve)
    row = calls.record(calls.call(calls.free, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "stream": stream}))
    assert row["outcome"] == "served"
    if stream:
        assert row["cost_state"] == "estimated" and cost(row) > 0
    else:
        assert row["cost_state"] == "unpriced" and row["cost_usd"] is None


@pytest.mark.parametrize("before", [0, 3], ids=["as the first event", "in the middle"])
def test_an_error_inside_a_stream(calls, before):
    """What came before it was paid for; the reservation goes."""
    async def serve(call):
        request = json.loads(await call.body())
        frames = chat_frames(request)[:before]
        await call.stream([*frames, frame(error("it broke", "server_error", "boom"))])

    key = calls.key(f"error in stream {before}")
    calls.budget(key, 10**10, "--key", key["id"])
    script = calls.fake.script(serve)
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "stream": True, "max_tokens": 10_000}
    answer = calls.call(key, body)
    assert b"boom" in answer.body
    row = calls.record(answer)
    if before:
        assert row["cost_state"] == "estimated" and 0 < cost(row) < 10**8, row
    else:
        assert row["cost_state"] == "none" and cost(row) == 0, row


@pytest.mark.parametrize("status", [400, 429, 500])
def test_errors_of_the_provider_cost_nothing(calls, status):
    key = calls.key(f"error {status}")
    calls.budget(key, 5 * 10**9, "--key", key["id"])
    script = calls.fake.script(answering(error("no"), status))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 100_000}
    for _ in range(3):
        answer = calls.call(key, body)
        assert answer.status == status
        row = calls.record(answer)
        assert cost(row) == 0 and row["cost_state"] == "none"
        # each of them held all that there is, and gave it back
        assert row["output_clamp"] == (5 * 10**9 - len(json.dumps(body)) * INPUT) // OUTPUT


def test_embeddings(calls):
    script = calls.fake.script(answering({"object": "list", "data": [], "model": "text-embedding-3-small",
                                          "usage": {"prompt_tokens": 1234, "total_tokens": 1234}}))
    body = {"model": "text-embedding-3-small", "user": script.token, "input": ["a"] * 50}
    row = calls.record(calls.call(calls.free, body, path="/v1/embeddings"))
    assert cost(row) == 1234 * 20_000 and row["cost_state"] == "priced"
    key = calls.key("embedder")
    calls.budget(key, 10**6, "--key", key["id"])
    answer = calls.call(key, {**body, "input": "a" * 100}, path="/v1/embeddings")
    assert answer.status == 429 and answer.error["code"] == "insufficient_quota", "nothing of it can be clamped"


@pytest.mark.parametrize("more, price", [
    ({}, "0.04"), ({"size": "1024x1792"}, "0.08"), ({"quality": "hd", "size": "1792x1024"}, "0.12"), ({"n": 1, "quality": "hd"}, "0.08")])
def test_images_by_piece(calls, more, price):
    script = calls.fake.script(answering({"created": 1, "data": [{"url": "http://x"}]}))
    row = calls.record(calls.call(calls.free, {"model": "dall-e-3", "prompt": script.token, **more}, path="/v1/images/generations"))
    assert cost(row) == picodollars(price), row
    assert row["units"]["image"] == 1


def test_images_by_token(calls):
    usage = {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210,
             "input_tokens_details": {"text_tokens": 40, "image_tokens": 10}}
    script = calls.fake.script(answering({"created": 1, "data": [{"b64_json": "eA=="}], "usage": usage}))
    row = calls.record(calls.call(calls.free, {"model": "gpt-image-1", "prompt": script.token}, path="/v1/images/generations"))
    assert cost(row) == 40 * 5 * 10**6 + 10 * 10 * 10**6 + 4160 * 40 * 10**6


def form(token, model, size=1000):
    parts = [f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'.encode(),
             f'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{token}\r\n'.encode(),
             b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n',
             b"\0" * size, b"\r\n--b--\r\n"]
    return b"".join(parts)


def test_transcription_by_seconds(calls):
    script = calls.fake.script(answering({"text": "hm", "usage": {"type": "duration", "seconds": 9}}))
    body = form(script.token, "whisper-1")
    head = (f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {calls.free['key']}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    with Wire(calls.gateway.port) as wire:
        wire.send(head + body)
        answer = wire.answer()
    assert answer.status == 200, answer.body
    row = calls.record(answer)
    assert cost(row) == 9 * 10**8 and row["cost_state"] == "priced"  # 0.36 an hour


def test_speech_by_characters(calls):
    async def serve(call):
        await call.body()
        call.answer(b"\xff\xf3" * 100, content_type="audio/mpeg")

    script = calls.fake.script(serve)
    text = script.token + " é😀"
    row = calls.record(calls.call(calls.free, {"model": "tts-1", "voice": "alloy", "input": text}, path="/v1/audio/speech"))
    assert cost(row) == len(text) * 15 * 10**6 and row["units"] == {"char_input": len(text)}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_responses(calls, stream):
    usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 9,
             "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 109}
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o-mini", "output": [],
             "usage": usage}

    async def serve(call):
        await call.body()
        if stream:
            await call.stream([
                frame({"type": "response.created", "sequence_number": 0,
                       "response": {**whole, "status": "in_progress", "usage": None}}, "response.created"),
                frame({"type": "response.completed", "sequence_number": 1, "response": whole}, "response.completed")])
        else:
            call.answer(whole)

    script = calls.fake.script(serve)
    row = calls.record(calls.call(calls.free, {"model": "gpt-4o-mini", "user": script.token, "input": "hi", "stream": stream},
                                  path="/v1/responses"))
    assert cost(row) == 60 * INPUT + 40 * CACHED + 9 * OUTPUT and row["cost_state"] == "priced"


# -- tags, modes, changes at run time ---------------------------------------------------------------------


def test_a_callers_tags_never_move_a_budget(calls):
    """The key's tag decides; what the call says about itself is for reports."""
    poor = calls.key("poor tag", "--tag", "feature=poor")
    rich = calls.key("rich tag", "--tag", "feature=rich")
    calls.budget(poor, 0, "--tag", "feature=poor")
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "metadata": {"feature": "rich", "color": "red"}}
    assert calls.call(poor, body, [("x-turnpike-tags", "feature=rich")]).status == 429
    answer = calls.call(rich, {**body, "metadata": {"feature": "poor"}}, [("x-turnpike-tags", "feature=poor, run=42")])
    assert answer.status == 200
    row = calls.record(answer)
    assert row["tags"] == {"feature": "rich"}
    assert row["request_tags"] == {"feature": "poor", "run": "42"}
    assert "x-turnpike-tags" not in dict(script.call().headers), "the header is the gateway's own"


def test_metadata_that_is_too_large_for_tags_is_told(calls):
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO}
    answer = calls.call(calls.free, {**body, "metadata": {"a": "1", "text": "x" * 400, "b": "2"}})
    assert answer.header("x-turnpike-tags-left-out") == "1"
    assert calls.record(answer)["request_tags"] == {"a": "1", "b": "2"}
    answer = calls.call(calls.free, {**body, "metadata": {f"m{i}": "v" * 100 for i in range(16)}})
    assert int(answer.header("x-turnpike-tags-left-out")) == 16 - len(calls.record(answer)["request_tags"])
    assert calls.call(calls.free, {**body, "metadata": {"a": "1"}}).header("x-turnpike-tags-left-out") is None


@pytest.mark.parametrize("tags", ["novalue", "=x", "a b=c", "a=" + "v" * 300, "a=" + "v" * 10_000, ",".join(f"t{i}=1" for i in range(40))])
def test_wrong_tags_say_so(calls, tags):
    answer = calls.call(calls.free, {"model": "gpt-4o-mini", "messages": HELLO}, [("x-turnpike-tags", tags)])
    assert answer.status == 400, tags
    assert answer.error["code"] == "invalid_tags" and "name=value" in answer.error["message"]
    assert answer.header("x-should-retry") == "false"


def test_observe_records_and_lets_pass(calls):
    key = calls.key("watched")
    budget = calls.told("budget", "create", "--key", key["id"], "--amount", "0", "--observe")["id"]
    limit = calls.told("limit", "create", "--key", key["id"], "--requests", "1", "--per", "1h", "--observe")["id"]
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO}

    def observed():
        row = calls.record(calls.call(key, body))
        assert row["outcome"] == "served" and cost(row) == INPUT + OUTPUT
        return {(seen["reason"], seen["id"]) for seen in row["observed"] or []}

    wait_until(lambda: observed() == {("budget", budget), ("limit", limit)}, 5, "both would have refused")


def test_an_observed_limit_of_tokens_tells_what_it_would_have_left(calls):
    key = calls.key("watched tokens")
    limit = calls.told("limit", "create", "--key", key["id"], "--tokens", "8000", "--per", "1h", "--observe")["id"]
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO}

    def observed(**more):
        answer = calls.call(key, {**body, **more})
        assert answer.header("x-turnpike-output-limit") is None
        assert "max_completion_tokens" not in json.loads(script.calls[-1].content)
        return calls.record(answer)["observed"]

    wait_until(lambda: observed(), 5, "the limit is watched")
    seen, = observed()
    assert (seen["reason"], seen["id"]) == ("limit", limit) and 900 < seen["output_limit"] < 1000, seen
    assert observed(max_tokens=7000) is None
    assert observed(messages=[{"role": "user", "content": "x" * 8000}]) == [{"reason": "limit", "id": limit}]


# An answer's limit under a limit of 8,000 tokens: the body, what becomes of it; about an eighth of what is left.
SHARES = {
    "chat": ("/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[]}', b'{"max_completion_tokens":%d,"model"', 1),
    "choices": ("/v1/chat/completions", b'{"model":"gpt-4o-mini","user":"%s","messages":[],"n":2}', b'{"max_completion_tokens":%d,"model"', 2),
    "responses": ("/v1/responses", b'{"model":"gpt-4o-mini","user":"%s","input":"hi"}', b'{"max_output_tokens":%d,"model"', 1),
    "completions": ("/v1/completions", b'{"model":"gpt-4o-mini","user":"%s","prompt":["a","b"]}', b'{"max_tokens":%d,"model"', 2),
}


@pytest.mark.parametrize("path, body, becomes, choices", SHARES.values(), ids=SHARES)
def test_a_share_of_a_limit_of_tokens(calls, path, body, becomes, choices):
    key = calls.key(f"share {body}")
    calls.run("limit", "create", "--key", key["id"], "--tokens", "8000", "--per", "1h")
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = body.replace(b"%s", script.token.encode())
    wait_until(lambda: calls.call(key, body, path=path).header("x-turnpike-output-limit"), 5, "the limit is in force")
    answer = calls.call(key, body, path=path)
    limit = int(answer.header("x-turnpike-output-limit"))
    assert 900 // choices <= limit <= 1000 // choices
    assert script.calls[-1].content == body.replace(b'{"model"', becomes % limit, 1)
    assert calls.record(answer)["output_clamp"] == limit


def test_embeddings_under_a_limit_of_tokens(calls):
    """No answer that could be limited: the input at its worst, or nothing; then what it was."""
    key = calls.key("embeddings")
    calls.run("limit", "create", "--key", key["id"], "--tokens", "5000", "--per", "1h")
    script = calls.fake.script(answering({"object": "list", "model": "text-embedding-3-small", "data": [],
                                          "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}))
    body = {"model": "text-embedding-3-small", "user": script.token, "input": "x" * 3900}
    wait_until(lambda: calls.call(key, {**body, "input": "x" * 6000}, path="/v1/embeddings").status == 429, 5, "in force")
    left = []
    while (answer := calls.call(key, body, path="/v1/embeddings")).status == 200:
        left.append(int(answer.header("x-ratelimit-remaining-tokens")))
    assert [a - b for a, b in zip(left, left[1:], strict=False)] == [1000], left
    assert answer.error["code"] == "rate_limit_exceeded" and int(answer.header("retry-after")) > 3000


def test_input_that_the_body_does_not_hold_runs_alone(calls):
    """An earlier response may be as long as the model reads: such a call takes all that is left while it runs."""
    key = calls.key("hidden")
    calls.run("limit", "create", "--key", key["id"], "--tokens", "8000", "--per", "1h")
    script = calls.fake.script(answering(chat_with(usage_of(3000, 0, 1))))
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": [{"role": "user", "content": [picture]}]}
    wait_until(lambda: calls.call(key, {**body, "messages": [{"role": "user", "content": "x" * 9000}]}).status == 429, 5, "in force")
    answer = calls.call(key, body)
    assert answer.status == 200 and answer.header("x-ratelimit-remaining-tokens") == "0"
    assert calls.call(key, body).status == 200  # 4,999 are left
    last = calls.call(key, body)  # 1,998
    assert last.status == 200
    assert calls.call(key, body).status == 429


def test_a_raise_counts_within_a_second(calls):
    key = calls.key("raised")
    budget = calls.budget(key, 1000, "--key", key["id"])
    script = calls.fake.script(answering(chat_with(usage_of(1, 0, 1))))
    body = {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 100}
    expect_no_room(calls.call(key, body))
    calls.run("budget", "raise", budget, "--amount", "0.01", "--until", "1h")
    started = time.monotonic()
    wait_until(lambda: calls.call(key, body).status == 200, 5, "the raise is in force")
    assert time.monotonic() - started < 1.5, "a second, and something for a busy machine"
    calls.run("budget", "raise", budget, "--off")
    wait_until(lambda: calls.call(key, body).status == 429, 5, "and gone again")


def expect_no_room(answer):
    assert answer.status == 429 and answer.error["code"] == "insufficient_quota"


def test_a_budget_deleted_in_mid_call(calls):
    """What was held goes nowhere; the call ends as it would have, and a new budget of the scope knows what it cost."""
    gate = calls.fake.gate()

    async def serve(call):
        await call.body()
        await gate.wait()
        call.answer(chat_with(usage_of(1, 0, 1000)))

    key = calls.key("deleted")
    budget = calls.budget(key, 10**9, "--key", key["id"])
    script = calls.fake.script(serve)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(
        calls.call(key, {"model": "gpt-4o-mini", "user": script.token, "messages": HELLO, "max_tokens": 10_000})))
    caller.start()
    script.wait_calls()
    calls.run("budget", "delete", budget)
    wait_until(lambda: not calls.probe(key), 5, "the budget is gone")
    gate.open()
    caller.join()
    row = calls.record(answers[0])
    assert cost(row) == INPUT + 1000 * OUTPUT
    probes = sum(cost(row) for row in calls.gateway.records() if row["key_id"] == key["id"])
    again = calls.told("budget", "create", "--key", key["id"], "--amount", dollars(probes + 10**6))["id"]
    wait_until(lambda: calls.spent(again) == probes, 5)
    wait_until(lambda: calls.probe(key), 5, "the new budget is nearly full")


@pytest.mark.parametrize("mode, free, capped", [("refuse_under_budget", 200, 403), ("allow", 200, 200), ("refuse", 403, 403)])
def test_unpriced_models(tmp_path, mode, free, capped):
    calls = Calls(tmp_path / "gateway", prices={"unpriced_models": mode})
    try:
        nobody, held = calls.key("free"), calls.key("capped")
        calls.budget(held, 10**9, "--key", held["id"])
        script = calls.fake.script(answering(chat_with(usage_of(10, 0, 5))))
        for key, status in ((nobody, free), (held, capped)):
            answer = calls.call(key, {"model": "house", "user": script.token, "messages": HELLO})
            assert answer.status == status, answer.body
            row = calls.record(answer)
            if status == 403:
                assert answer.error["code"] == "model_unpriced" and "house" in answer.error["message"]
                assert row["outcome"] == "refused"
            else:
                assert row["cost_state"] == "unpriced" and row["cost_usd"] is None
                assert row["input_tokens"] == 10 and row["output_tokens"] == 5
        metrics = calls.gateway.get("/metrics")[2].decode()
        if free == 200:
            assert any("unpriced" in line and not line.startswith("#") and not line.endswith(" 0")
                       for line in metrics.splitlines()), "a metric tells of unpriced calls"
    finally:
        calls.stop()
