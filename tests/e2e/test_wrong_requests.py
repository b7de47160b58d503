"""Requests that no provider of a dialect of its own can make sense of: each is a 400 that names the member, whoever stands
behind, and nothing of it reaches the provider. And odd ones that are good, which do.
"""

import copy
import http.client
import json
import re

import pytest

from fake_upstream import FakeUpstream
from gateway import Gateway, free_port

FAMILIES = {
    "claude-sonnet-4-6": {"type": "anthropic", "api_key": "env:UPSTREAM_KEY"},
    "gemini-2.5-flash": {"type": "gemini", "api_key": "env:UPSTREAM_KEY"},
    "amazon.nova-pro-v1:0": {"type": "bedrock", "aws": {"region": "us-east-1"}, "api_key": "env:UPSTREAM_KEY"},
    "command-a-03-2025": {"type": "cohere", "api_key": "env:UPSTREAM_KEY"},
    "mistral-large": {"type": "openai", "quirks": "mistral", "api_key": "env:UPSTREAM_KEY"},
}
GOOD = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look:"},
                                     {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "call_aaaaa", "type": "function", "function": {"name": "look", "arguments": "{\"a\": 1}"}}]},
        {"role": "tool", "tool_call_id": "call_aaaaa", "content": "seen"},
        {"role": "user", "content": "So?"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}}}}}],
    "max_tokens": 100, "temperature": 0.5, "stop": ["END"], "stream": False,
}
WRONG = [7, -1.5, True, "word", [], {}, [[]], [7], {"type": 7}, [{"type": "of nothing"}]]


def places(value, path=()):
    """Every member and element of it."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


def went_on(status, answer):
    """The fake, which knows OpenAI's paths alone, was reached."""
    return status != 400 or answer["error"]["message"].startswith("fake has no ")


def kind_of(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def wrongs():
    """(what was changed, the request): one place of another type."""
    for path in places(GOOD):
        if "parameters" in path:  # a schema is the caller's
            continue
        for wrong in WRONG:
            body = copy.deepcopy(GOOD)
            at = body
            for key in path[:-1]:
                at = at[key]
            if kind_of(at[path[-1]]) != kind_of(wrong):
                at[path[-1]] = wrong
                yield ".".join(map(str, path)) + f" = {wrong!r}", body


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    fake = FakeUpstream()

    gateway = Gateway(tmp_path_factory.mktemp("wrong"), {
        "workers": 1,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {f"p{index}": {**family, "base_url": fake.url} for index, family in enumerate(FAMILIES.values())},
        "models": {name: {"targets": [{"provider": f"p{index}"}], "retry": {"attempts": 1}, "breaker": {"failures": 0, "ratio": "0%"}}
                   for index, name in enumerate(FAMILIES)},
    }).start()
    gateway.fake = fake
    yield gateway
    gateway.stop()
    fake.stop()


class Caller:
    def __init__(self, gateway):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        self.key = gateway.key

    def post(self, body, path="/v1/chat/completions"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request("POST", path, raw, {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("model", FAMILIES)
def test_wrong_types_are_told_by_name(behind, model):
    caller, silent = Caller(behind), []
    count = 0
    for what, body in wrongs():
        status, answer = caller.post({"model": model, **body})
        count += 1
        # What is left may be good: an empty list of texts, a flag for a flag. It then went on, to a provider that knows nothing.
        if not went_on(status, answer) and (answer["error"].get("param") is None or not answer["error"]["message"]):
            silent.append((what, answer))
        elif status >= 500 and answer["error"].get("code") in ("internal_error", "memory_limit"):
            silent.append((what, status, answer))
    assert count > 200 and not silent, silent[:5]


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("path, wrong", [
    (("messages",), 7), (("messages",), []), (("messages", 0), "x"), (("messages", 0, "role"), 7), (("messages", 0, "role"), "robot"),
    (("messages", 1, "content", 0), 7), (("messages", 1, "content", 0, "type"), "of nothing"), (("messages", 1, "content", 1, "image_url"), 7),
    (("messages", 2, "tool_calls"), "x"), (("messages", 2, "tool_calls", 0, "function"), 7),
    (("messages", 2, "tool_calls", 0, "function", "name"), 7), (("messages", 2, "tool_calls", 0, "function", "arguments"), {}),
    (("messages", 3, "tool_call_id"), 7), (("tools",), 7), (("tools", 0), "x"), (("tools", 0, "function"), 7),
    (("tools", 0, "function", "name"), 7), (("tools", 0, "function", "parameters"), "x"), (("temperature",), "hot"), (("stop",), 7),
], ids=str)
def test_what_makes_no_sense_reaches_nobody(behind, model, path, wrong):
    body = copy.deepcopy(GOOD)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = wrong
    before = len(behind.fake.calls)
    status, answer = Caller(behind).post({"model": model, **body})
    assert status == 400 and answer["error"]["type"] == "invalid_request_error", answer
    assert str(path[0]) in answer["error"]["param"], answer
    assert len(behind.fake.calls) == before


@pytest.mark.parametrize("model", FAMILIES)
def test_half_a_character_goes_on_as_a_replacement(behind, model):
    """What JavaScript makes of a string that was cut within a character; JSON allows it, UTF-8 does not."""
    before = len(behind.fake.calls)
    status, answer = Caller(behind).post(
        b'{"model": "%s", "max_tokens": 5, "messages": [{"role": "user", "content": "cut \\ud83d off"}]}' % model.encode())
    assert went_on(status, answer), answer
    sent = behind.fake.calls[before].json()
    assert re.search("cut \ufffd+ off", json.dumps(sent, ensure_ascii=False))


@pytest.mark.parametrize("model", FAMILIES)
def test_arguments_of_a_megabyte(behind, model):
    before = len(behind.fake.calls)
    body = copy.deepcopy(GOOD)
    body["messages"][2]["tool_calls"][0]["function"]["arguments"] = json.dumps({"a": 1, "text": "\U0001F30D\"\\\n" * 100_000}, ensure_ascii=False)
    status, answer = Caller(behind).post({"model": model, **body})
    assert went_on(status, answer) and len(behind.fake.calls) == before + 1, answer
    sent = behind.fake.calls[before].json()
    assert json.dumps(sent, ensure_ascii=False).count("\U0001F30D") == 100_000


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("url", ["data:image/png;base64,", "data:,x", "data:image/png;base64,***", "ftp://a/b.png", "", "x"])
def test_pictures_that_are_none(behind, model, url):
    """Refused, or the provider's to refuse; never a fault of the gateway's."""
    status, answer = Caller(behind).post({"model": model, "max_tokens": 5, "messages": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]})
    assert status != 500 or answer["error"]["code"] not in ("internal_error", "memory_limit"), answer
    if not went_on(status, answer):
        assert answer["error"]["param"].startswith("messages[0]"), answer
