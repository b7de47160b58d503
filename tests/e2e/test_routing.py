"""Names to targets: aliases, patterns, several providers, stored objects that find their maker."""

import openai
import pytest

from fake_answers import new_id
from fake_upstream import FakeUpstream
from gateway import free_port
from wire_client import call_once

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def other_fake():
    fake = FakeUpstream()
    yield fake
    fake.stop()


@pytest.fixture
def two(start_gateway, own_fake, other_fake):
    """Two providers: `up` is the default, `other` has the model `far`."""
    return start_gateway({
        "workers": 2,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {
            "up": {"type": "openai", "base_url": own_fake.url + "/v1", "api_key": "env:UPSTREAM_KEY"},
            "other": {"type": "openai", "base_url": other_fake.url + "/deep/er/v1/", "headers": {"x-added": "yes", "user-agent": "gate"}},
        },
        "models": {
            "far": {"aliases": ["distant", "away/off"], "targets": [{"provider": "other", "model": "far-1"}]},
            "far-*": {"targets": [{"provider": "other"}]},
            "*": {"targets": [{"provider": "up"}]},
        },
        "defaults": {"provider": "up"},
    })


@pytest.fixture
def two_client(two):
    with openai.OpenAI(base_url=two.url + "/v1", api_key=two.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("asked, sent", [("far", "far-1"), ("distant", "far-1"), ("away/off", "far-1"), ("far-2", "far-2")])
def test_names_aliases_and_patterns(two, other_fake, own_fake, asked, sent):
    answer = call_once(two.port, two.key, asked)
    assert answer.status in (200, 404)
    call = other_fake.calls[-1]
    assert call.json()["model"] == sent
    assert not own_fake.calls
    record = two.wait_record(answer.request_id)
    assert (record["model"], record["target_model"], record["provider"]) == (asked, sent, "other")


def test_the_base_urls_path_and_added_headers(two, other_fake):
    call_once(two.port, two.key, "far", headers=[("User-Agent", "caller"), ("X-Added", "no")])
    call = other_fake.calls[-1]
    assert call.target == "/deep/er/v1/chat/completions"
    assert call.header_all("x-added") == ["yes"]
    assert call.header_all("user-agent") == ["gate"]
    assert call.header("authorization") is None, "a provider without a key is sent none, and never the caller's"
    assert call.header("host") == f"127.0.0.1:{other_fake.port}"


def test_stored_response_goes_back_to_its_provider(two_client, two, other_fake):
    """A response was made at `other`; every later call finds it there, on every worker and after a restart."""
    made_id = new_id("resp_")

    async def answer(call):
        await call.body()
        call.answer({"id": made_id, "object": "response", "status": "completed", "output": [], "model": "far-1"})

    script = other_fake.script(answer)
    made = two_client.responses.create(model="far-" + script.token, input="x")
    for _ in range(6):
        raw = two.get(f"/v1/responses/{made.id}", two.key)
        assert two.wait_record(header(raw, "x-request-id"))["provider"] == "other"
    two.stop()
    two.start()
    raw = two.get(f"/v1/responses/{made.id}", two.key)
    assert two.wait_record(header(raw, "x-request-id"))["provider"] == "other"


def header(answer, name):
    return next(v for k, v in answer[1].items() if k.lower() == name)


def test_an_object_that_nobody_made_here_is_not_found(two, own_fake):
    status, _, body = two.get("/v1/files/file-nobody", two.key)
    assert status == 404
    assert b"object_not_found" in body
    assert not own_fake.calls, "another tenant's object is not even asked for"


def test_objects_are_known_on_every_worker_at_once(two_client, two):
    """The very next call may land on another worker, on another connection."""
    for i in range(20):
        made = two_client.files.create(file=("a.txt", b"x"), purpose="batch")
        status, _, body = two.get(f"/v1/files/{made.id}", two.key)
        assert status == 200, (i, body)


def test_batch_goes_where_its_file_is(two_client, two):
    file = two_client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    made = two_client.batches.with_raw_response.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert two.wait_record(made.headers["x-request-id"])["provider"] == "up"


def test_a_batchs_output_file_is_found(two_client, two, own_fake):
    """It was made by the provider, not by a call; its id is first seen in the batch."""
    file = two_client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    batch = two_client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    output = new_id("file-")
    own_fake.objects[batch.id].update(status="completed", output_file_id=output)
    own_fake.objects[output] = {"id": output, "object": "file", "bytes": 3, "purpose": "batch_output"}
    own_fake.objects["contents"][output] = b"{}\n"
    assert two_client.batches.retrieve(batch.id).output_file_id == output
    assert two_client.files.content(output).read() == b"{}\n"
