"""What docs/threat-model.md promises between teams, and between callers and the provider's credential."""

import openai
import pytest

from gateway import Gateway

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def teams(own_gateway):
    """One client of each of two teams."""
    keys = [own_gateway.create_key(team, "--team", team)["key"] for team in ("blue", "red")]
    for key in keys:
        own_gateway.wait_key(key)
    clients = [openai.OpenAI(base_url=own_gateway.url + "/v1", api_key=key, max_retries=0) for key in keys]
    yield clients
    for client in clients:
        client.close()


def test_a_stored_object_is_its_teams_own(teams, own_fake):
    blue, red = teams
    file = blue.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert blue.files.retrieve(file.id).id == file.id
    asked_before = len(own_fake.calls)
    with pytest.raises(openai.NotFoundError) as caught:
        red.files.retrieve(file.id)
    assert caught.value.code == "object_not_found"
    with pytest.raises(openai.NotFoundError):
        red.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        red.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert len(own_fake.calls) == asked_before, "the provider, which knows one account only, was not asked"


def test_another_teams_response_is_not_built_on(teams, own_fake):
    blue, red = teams
    made = blue.responses.create(model="fast", input="x")
    assert blue.responses.create(model="fast", input="x", previous_response_id=made.id).id
    asked_before = len(own_fake.calls)
    with pytest.raises(openai.NotFoundError) as caught:
        red.responses.create(model="fast", input="x", previous_response_id=made.id)
    assert caught.value.code == "object_not_found"
    assert len(own_fake.calls) == asked_before


def test_a_refused_credential_is_not_the_callers_fault(own_gateway: Gateway, own_fake):
    """The provider's 401 quotes part of the key that it was sent."""

    async def refuse(call):
        await call.body()
        call.answer({"error": {"message": "Incorrect API key provided: sk-ab***yz", "code": "invalid_api_key"}}, status=401)

    script = own_fake.script(refuse)
    with openai.OpenAI(base_url=own_gateway.url + "/v1", api_key=own_gateway.key, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model=script.model, messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_credential_unavailable")
    assert "sk-ab" not in caught.value.response.text
    assert own_gateway.wait_record(caught.value.request_id)["upstream_status"] == 401


def test_a_key_limited_to_models_reaches_no_other_by_not_naming_it(own_gateway, own_fake):
    """A batch's models stand in its file, and a provider has a default for moderations."""
    key = own_gateway.create_key("limited", "--model", "fast")["key"]
    own_gateway.wait_key(key)
    with openai.OpenAI(base_url=own_gateway.url + "/v1", api_key=key, max_retries=0) as client:
        assert client.chat.completions.create(model="fast", messages=HELLO).choices
        file = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        asked_before = len(own_fake.calls)
        for call in (lambda: client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"),
                     lambda: client.post("/batches", cast_to=object, body={
                         "model": "fast", "input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
                     lambda: client.moderations.create(input="x")):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                call()
            assert caught.value.code == "model_not_stated"
        with pytest.raises(openai.BadRequestError):
            client.post("/chat/completions", body={"messages": HELLO}, cast_to=object)
        assert len(own_fake.calls) == asked_before


def test_calls_in_flight_are_counted(own_gateway, own_fake):
    own_gateway.get("/v1/models", own_gateway.key)
    text = own_gateway.get("/metrics")[2]
    text = text.decode() if isinstance(text, bytes) else text
    assert "turnpike_open_requests 1" in text, "the scrape itself"
