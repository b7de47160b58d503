"""Who may use what: keys limited to models, teams that do not see each other's objects."""

import json

import openai
import pytest

from gateway import plain_config
from wire_client import Wire, call_once

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client_of(own_gateway):
    opened = []

    def client_of(name, *more):
        key = own_gateway.create_key(name, *more)["key"]
        own_gateway.wait_key(key)
        opened.append(openai.OpenAI(base_url=own_gateway.url + "/v1", api_key=key, max_retries=0))
        return opened[-1]

    yield client_of
    for client in opened:
        client.close()


def test_a_key_for_some_models(client_of, own_fake):
    client = client_of("some", "--model", "fast", "--model", "gpt-4*")
    assert client.chat.completions.create(model="fast", messages=HELLO).choices
    assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices
    before = len(own_fake.calls)
    for model in ("gpt-5", "Fast", "fast ", "fas", "xgpt-4"):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model=model, messages=HELLO)
        assert caught.value.code == "model_not_allowed"
        with pytest.raises(openai.PermissionDeniedError):
            client.audio.transcriptions.create(model=model, file=("a.wav", b"x"))
    assert len(own_fake.calls) == before


def test_models_shows_only_what_the_key_may_use(start_gateway, own_fake):
    config = plain_config(own_fake.url)
    config["models"]["other"] = {"targets": [{"provider": "up"}]}
    gateway = start_gateway(config)
    key = gateway.create_key("some", "--model", "fast")["key"]
    gateway.wait_key(key)
    names = [m["id"] for m in json.loads(gateway.get("/v1/models", key)[2])["data"]]
    assert names == ["fast"]
    assert gateway.get("/v1/models/fast", key)[0] == 200
    assert gateway.get("/v1/models/other", key)[0] == 404
    all_names = [m["id"] for m in json.loads(gateway.get("/v1/models", gateway.key)[2])["data"]]
    assert {"fast", "other"} <= set(all_names)


def test_teams_do_not_see_each_others_objects(client_of, own_fake):
    red, blue, red_too = client_of("a", "--team", "red"), client_of("b", "--team", "blue"), client_of("c", "--team", "red")
    file = red.files.create(file=("a.txt", b"secret"), purpose="batch")
    made = red.responses.create(model="fast", input="secret")
    before = len(own_fake.calls)
    for look in (lambda: blue.files.retrieve(file.id), lambda: blue.files.content(file.id), lambda: blue.files.delete(file.id),
                 lambda: blue.responses.retrieve(made.id), lambda: blue.responses.cancel(made.id),
                 lambda: blue.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")):
        with pytest.raises(openai.NotFoundError):
            look()
    assert len(own_fake.calls) == before
    assert red_too.files.content(file.id).read() == b"secret", "the team's other key does"


def test_another_teams_conversation_cannot_be_continued(client_of, own_fake):
    """The id of a response is enough to read what was said in it, by asking for it."""
    red, blue = client_of("a", "--team", "red"), client_of("b", "--team", "blue")
    made = red.responses.create(model="fast", input="secret")
    before = len(own_fake.calls)
    with pytest.raises(openai.NotFoundError):
        blue.responses.create(model="fast", input="what did I say?", previous_response_id=made.id)
    assert len(own_fake.calls) == before
    assert red.responses.create(model="fast", input="and?", previous_response_id=made.id).id


def test_the_record_names_the_team_and_its_tags(own_gateway):
    key = own_gateway.create_key("tagged", "--team", "red", "--tag", "cost_center=42")["key"]
    own_gateway.wait_key(key)
    record = own_gateway.wait_record(call_once(own_gateway.port, key, "fast").request_id)
    assert record["team"] == "red"
    assert "42" in json.dumps(record["tags"])


def test_keys_of_other_gateways_are_unknown_here(start_gateway, own_fake):
    first, second = start_gateway(plain_config(own_fake.url)), start_gateway(plain_config(own_fake.url))
    with Wire(second.port, key=first.key) as wire:
        wire.chat("fast")
        answer = wire.answer()
    assert answer.status == 401 and answer.error["code"] == "invalid_api_key"
