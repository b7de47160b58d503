"""Voyage AI's embeddings behind the official OpenAI SDK, with the `voyageai` SDK as judge (fakes/voyage.py)."""

import json

import openai
import pytest
import voyageai

from fake_upstream import FakeUpstream
from fakes import voyage
from gateway import ROOT, Gateway, free_port

GOLDEN = ROOT / "tests" / "golden" / "providers" / "voyage"
MODEL = "voyage-4"

# What Voyage says, and what the caller sees: status, class, code.
FAILURES = [
    (400, "The input exceeds the context length of the model", 400, openai.BadRequestError),
    (400, "Model x is not supported", 400, openai.BadRequestError),
    (401, "Provided API key is invalid.", 502, openai.InternalServerError),
    (403, "You do not have access to the model.", 403, openai.PermissionDeniedError),
    (429, "You have exceeded your rate limit", 429, openai.RateLimitError),
    (500, "Server error", 500, openai.InternalServerError),
    (503, "Overloaded", 503, openai.InternalServerError),
]


class Account:
    def __init__(self, directory):
        self.fake = FakeUpstream()
        rules = {"retry": {"attempts": 1}, "breaker": {"failures": 0, "ratio": "0%"}}
        failing = {f"failing-{index}": {**rules, "targets": [{"provider": "voyage", "model": MODEL}]}
                   for index in range(len(FAILURES) + 1)}
        self.gateway = Gateway(directory, {
            "workers": 1,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {"voyage": {"type": "voyage", "base_url": self.fake.url + "/v1", "api_key": "env:VOYAGE_TEST_KEY"}},
            "models": {**failing, "*": {**rules, "targets": [{"provider": "voyage"}]}},
        }, {"VOYAGE_TEST_KEY": voyage.KEY}).start()
        self.failing = iter(failing)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.fake.stop()
        assert not self.fake.problems, self.fake.problems


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    account = Account(tmp_path_factory.mktemp("voyage"))
    yield account
    account.stop()


@pytest.fixture
def gateway(account):
    """For the `sdk` fixture: the official client, sync and async."""
    return account.gateway


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.mark.parametrize("case", sorted(path.parent for path in GOLDEN.glob("*/upstream.json")), ids=lambda path: path.name)
def test_golden_requests_are_what_the_sdk_could_send(case):
    voyage.check_request(json.loads((case / "upstream.json").read_text()))


def test_the_sdk_itself_is_answered_by_the_fake(account):
    """The fake is Voyage as far as its own SDK can tell."""
    script = account.fake.script(voyage.telling(voyage.embeddings([[0.5, 1.0]], 3)))
    client = voyageai.Client(api_key=voyage.KEY, base_url=account.fake.url + "/v1")
    got = client.embed([script.token], model=MODEL)
    assert got.embeddings == [[0.5, 1.0]] and got.total_tokens == 3


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_embeddings(account, sdk, encoding):
    script = account.fake.script(voyage.telling(voyage.embeddings([[0.5, -0.25], [1.0, 0.0]], 1000)))
    more = {"encoding_format": encoding} if encoding else {}
    raw = sdk.done(sdk.client.embeddings.with_raw_response.create(
        model=MODEL, input=[script.token, "zwei \U0001F30D"], dimensions=2, extra_body={"input_type": "query"}, **more))
    got = raw.parse()
    vectors = [voyage.floats(e.embedding) if isinstance(e.embedding, str) else e.embedding for e in got.data]
    assert vectors == [[0.5, -0.25], [1.0, 0.0]] and [e.index for e in got.data] == [0, 1]
    assert (got.usage.prompt_tokens, got.usage.total_tokens) == (1000, 1000)
    sent = script.call().json()
    assert (sent["input_type"], sent["truncation"], sent["output_dimension"]) == ("query", False, 2)
    assert sent["input"] == [script.token, "zwei \U0001F30D"]
    record = account.gateway.wait_record(raw.headers["x-request-id"])
    call = {"provider": "voyage", "model": MODEL, "usage": {"total_tokens": 1000}}
    wanted = json.loads(account.gateway.run("prices", "cost", "--json", input=json.dumps(call)).stdout)
    assert (record["cost_usd"], record["cost_state"]) == (wanted["cost_usd"], "priced")
    assert (record["input_tokens"], record["provider"], record["target_model"]) == (1000, "voyage", MODEL)


def test_fewer_vectors_than_texts_are_no_answer(account, client):
    script = account.fake.script(voyage.telling(voyage.embeddings([[1.0]], 3)))
    with pytest.raises(openai.InternalServerError):
        client.embeddings.create(model=MODEL, input=[script.token, "two"])


@pytest.mark.parametrize("members, param", [
    ({"input": ["a"] * 1001}, "input"), ({"input": [[1, 2]]}, "input"), ({"user": "u"}, "user"), ({"colour": "red"}, "colour")])
def test_embeddings_that_voyage_does_not_make(client, members, param):
    with pytest.raises(openai.BadRequestError) as problem:
        client.post("/embeddings", body={"model": MODEL, "input": "a", **members}, cast_to=object)
    assert problem.value.body["param"].startswith(param), problem.value.body


def test_there_is_no_chat(client):
    with pytest.raises(openai.APIStatusError) as problem:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert 400 <= problem.value.status_code < 500 and problem.value.code, problem.value.body


@pytest.mark.parametrize("status, words, seen, kind", FAILURES, ids=lambda value: str(value)[:24])
def test_failures(account, client, status, words, seen, kind):
    script = account.fake.script(voyage.telling({"detail": words}, status))
    with pytest.raises(kind) as problem:
        client.embeddings.create(model=next(account.failing), input=script.token)
    assert problem.value.status_code == seen, problem.value.body
    if seen < 500:
        assert words in problem.value.message


def test_when_to_come_again(account, client):
    script = account.fake.script(voyage.telling({"detail": "rate limit"}, 429, [("retry-after", "7")]))
    with pytest.raises(openai.RateLimitError) as problem:
        client.embeddings.create(model=next(account.failing), input=script.token)
    assert problem.value.response.headers["retry-after"] == "7"
