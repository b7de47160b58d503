"""What applications see when a key, a budget or a limit ends their call, in both official SDKs: the class of the exception,
whether the SDK tries again by itself, and words that say what to do."""

import os
import re
import subprocess
import time

import openai
import pytest

from gateway import wait_until
from money_gateway import TINY, MoneyGateway
from node_runtime import DIRECTORY, node

from .conftest import Async, Sync

HELLO = [{"role": "user", "content": "hello"}]


class Keys:
    """A gateway, and a key for each way to be refused."""

    def __init__(self, directory):
        self.money = money = MoneyGateway(directory)
        made = {name: money.key(name) for name in ("good", "revoked", "poor", "busy", "narrow", "counted", "slow")}
        self.id = {name: row["id"] for name, row in made.items()}
        self.secret = {name: row["key"] for name, row in made.items()}
        money.run("key", "revoke", self.id["revoked"])
        wait_until(lambda: money.gateway.get("/v1/models", self.secret["revoked"])[0] == 401, 5, "the key is revoked")
        made = money.key("expired", "--expires", "2s")
        self.secret["expired"] = made["key"]
        money.budget({"key": self.secret["poor"]}, 100 * 10**6, "--key", self.id["poor"])
        assert self.call("poor", max_tokens=120, metadata={"prompt": "60", "completion": "110"}).status == 200
        self.limit("busy", "--requests", "1", "--per", "1h")
        self.limit("narrow", "--tokens", "50", "--per", "1m")
        self.limit("counted", "--requests", "100", "--per", "1m")
        self.limit("counted", "--tokens", "60000", "--per", "1m")
        self.limit("slow", "--requests", "1", "--per", "1s")
        wait_until(lambda: self.call("narrow").status == 429, 5, "limits are in force")
        wait_until(lambda: self.call("expired").status == 401, 5, "the key has expired")
        self.call("busy", user="the one")

    def limit(self, name, *words):
        self.money.run("limit", "create", "--key", self.id[name], *words)

    def call(self, name, **more):
        return self.money.call({"key": self.secret[name]}, {"metadata": TINY, **more})

    def tries(self, user):
        """How often the gateway was called, once that is no longer changing."""
        return len([row for row in self.money.gateway.records() if row["caller_user"] == user])


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    keys = Keys(tmp_path_factory.mktemp("keys"))
    yield keys
    keys.money.stop()


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def caller(request, keys):
    made = []

    def make(name, **options):
        made.append(request.param(base_url=keys.money.gateway.url + "/v1", api_key=keys.secret[name],
                                  **{"max_retries": 2, "timeout": 30, **options}))
        return made[-1]

    yield make
    for sdk in made:
        sdk.close()


REFUSED = {
    # key: class, code, type, words of the message
    "revoked": (openai.AuthenticationError, "revoked_api_key", "invalid_request_error", ["was revoked", "administrator"]),
    "expired": (openai.AuthenticationError, "expired_api_key", "invalid_request_error", ["has expired", "administrator"]),
    "poor": (openai.RateLimitError, "insufficient_quota", "insufficient_quota", ["budget", " for each month, ", "is left", "resets at", "raise"]),
    "narrow": (openai.RateLimitError, "call_exceeds_limit", "rate_limit_error", ["larger than", "shorter answer"]),
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_once(keys, caller, name, stream):
    """Where trying again cannot help, the SDK does not."""
    kind, code, type, words = REFUSED[name]
    sdk = caller(name)
    user = f"{name} {stream} {sdk.__class__.__name__}"
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.done(sdk.client.chat.completions.create(model=keys.money.upstream.model, messages=HELLO, user=user, stream=stream,
                                                    metadata=TINY))
    error = caught.value
    assert isinstance(error, kind)
    assert (error.code, error.type) == (code, type)
    assert error.response.headers["x-should-retry"] == "false"
    assert all(word in error.message for word in words), error.message
    assert error.request_id and error.request_id in error.message
    assert keys.secret[name] not in str(error.body)
    row = keys.money.gateway.wait_record(error.request_id)
    assert row["outcome"] == "refused" and row["refusal"] == code and row["cost_usd"] == "0.000000000000"
    if kind is openai.RateLimitError:  # who is not known yet has no body read
        assert keys.tries(user) == 1


@pytest.mark.parametrize("span, words", [
    (["--period", "day"], "is $0.00 for each day,"),
    (["--rolling", "2h"], "is $0.00 for its rolling period,"),
    (["--period", "lifetime"], "is $0.00 for good,"),
], ids=["day", "rolling", "lifetime"])
def test_message_says_for_how_long(keys, span, words):
    name = "empty " + span[-1]
    made = keys.money.key(name)
    keys.secret[name] = made["key"]
    keys.money.run("budget", "create", "--key", made["id"], "--amount", "0", *span)
    wait_until(lambda: keys.call(name).status == 429, 5, "the budget is in force")
    assert words in keys.call(name).error["message"]


def test_over_the_limit(keys, caller):
    """The window is an hour: the SDK is told how long, honestly, and the caller may decide not to wait."""
    sdk = caller("busy", max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        sdk.done(sdk.client.chat.completions.create(model=keys.money.upstream.model, messages=HELLO, metadata=TINY))
    error = caught.value
    assert (error.code, error.type) == ("rate_limit_exceeded", "rate_limit_error")
    headers = error.response.headers
    assert headers["x-should-retry"] == "true"
    assert 3_300_000 < int(headers["retry-after-ms"]) <= 3_600_000 + 60_000
    assert abs(int(headers["retry-after"]) - int(headers["retry-after-ms"]) / 1000) <= 1
    assert headers["x-ratelimit-limit-requests"] == "1" and headers["x-ratelimit-remaining-requests"] == "0"
    assert "1 requests in 1h" in error.message and "header retry-after says" in error.message, error.message


def test_the_sdk_waits_and_gets_through(keys, caller):
    """One call a second: the second one is refused, waits as long as it is told, and is served."""
    sdk = caller("slow", max_retries=5)
    user = f"waits {sdk.__class__.__name__}"
    started = time.monotonic()
    for _ in range(3):
        answer = sdk.done(sdk.client.chat.completions.create(model=keys.money.upstream.model, messages=HELLO, user=user,
                                                             metadata=TINY))
        assert answer.usage.completion_tokens == 1
    assert 1.5 < time.monotonic() - started < 15
    assert keys.tries(user) > 3, "some were refused on the way"


def seconds(text):
    """OpenAI's "6m0s", "1.5s", "20ms"."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
    assert "".join(a + b for a, b in parts) == text and parts, text
    return sum(float(a) * units[b] for a, b in parts)


def test_ratelimit_headers(keys, caller):
    """On every answer where a limit applies, streams too; the figures go down with each call."""
    sdk = caller("counted")
    remaining = []
    for stream in (False, True):
        raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(
            model=keys.money.upstream.model, messages=HELLO, metadata=TINY, max_tokens=50, stream=stream))
        headers = raw.headers
        assert headers["x-ratelimit-limit-requests"] == "100" and headers["x-ratelimit-limit-tokens"] == "60000"
        remaining.append((int(headers["x-ratelimit-remaining-requests"]), int(headers["x-ratelimit-remaining-tokens"])))
        assert 0 < seconds(headers["x-ratelimit-reset-requests"]) <= 62
        assert 0 < seconds(headers["x-ratelimit-reset-tokens"]) <= 62
        if not stream:
            assert sdk.done(raw.parse()).usage.total_tokens == 2
    assert remaining[1][0] == remaining[0][0] - 1
    # The first call's reservation of fifty and some tokens became the two that it used.
    assert remaining[0][1] < 59_960 and abs(remaining[1][1] - remaining[0][1]) <= 10
    own = sdk.done(sdk.client.models.with_raw_response.list())  # the gateway answers it itself
    assert int(own.headers["x-ratelimit-remaining-requests"]) == remaining[1][0] - 1


def test_no_limit_no_headers(keys, caller):
    sdk = caller("good")
    raw = sdk.done(sdk.client.chat.completions.with_raw_response.create(
        model=keys.money.upstream.model, messages=HELLO, metadata=TINY))
    assert not [name for name in raw.headers if name.startswith("x-ratelimit-")]


def test_node(keys):
    done = subprocess.run(
        [node(), "--test", "--test-reporter=spec", "--test-timeout=60000", "money_refusals.mjs"], cwd=DIRECTORY,
        env={**os.environ, "OPENAI_BASE_URL": keys.money.gateway.url + "/v1", "OPENAI_API_KEY": keys.secret["good"],
             "MODEL": keys.money.upstream.model, **{f"KEY_{name.upper()}": secret for name, secret in keys.secret.items()}},
        capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "pass 7" in done.stdout, done.stdout[-3000:]
    assert [keys.tries(f"node {name}") for name in ("poor", "narrow")] == [1, 1], "the SDK did not try again"
    assert keys.tries("node slow") > 3
