"""`turnpike route explain`: the decision for a call, by a file alone."""

import json

import openai
import pytest

import command
import gateway as gateway_module

CONFIG = """
providers: {up: {base_url: "http://127.0.0.1:9/v1"}, other: {type: demo}}
models:
  chat:
    strategy: cheapest
    targets:
      - {provider: up, model: gpt-4o}
      - {provider: up, model: gpt-4o-mini, lacks: [vision]}
      - {provider: other, model: prod, when: {tags: {env: prod}, team: [search], tokens: "<1000"}, priority: 1}
  shares: {strategy: weighted, targets: [{provider: up, weight: 3}, {provider: other}, {provider: other, mirror: true}]}
"""


@pytest.fixture
def explain(tmp_path):
    file = tmp_path / "turnpike.yaml"
    file.write_text(CONFIG)

    def run(model, *arguments, code=0):
        return command.turnpike("route", "explain", model, "--config", file, *arguments, code=code)

    return run


def order(done):
    targets = json.loads(done.stdout)["targets"]
    return [row["target_model"] for row in sorted(targets, key=lambda row: row["place"]) if row["place"]]


def test_the_cheapest_first(explain):
    assert order(explain("chat", "--json", "--tokens", "2000")) == ["gpt-4o-mini", "gpt-4o"]
    assert order(explain("chat", "--json", "--needs", "vision")) == ["gpt-4o"]


def test_conditions(explain):
    told = ["--json", "--tag", "env=prod", "--team", "search", "--tokens", "500"]
    assert order(explain("chat", *told)) == ["gpt-4o-mini", "gpt-4o", "prod"]
    assert order(explain("chat", *told[:-1], "1000")) == ["gpt-4o-mini", "gpt-4o"]
    rows = {row["target_model"]: row for row in json.loads(explain("chat", "--json").stdout)["targets"]}
    assert (rows["prod"]["place"], rows["prod"]["standing"]) == (0, "tags")


def test_shares(explain):
    rows = json.loads(explain("shares", "--json").stdout)["targets"]
    assert 700 <= rows[0]["firsts_of_1000"] <= 800
    assert rows[0]["firsts_of_1000"] + rows[1]["firsts_of_1000"] == 1000
    assert rows[2]["standing"] == "mirror"


def test_for_people(explain):
    said = explain("chat").stdout
    assert "chat: strategy cheapest" in said
    assert "the call does not have the tags of its `when`" in said


def test_wrong_questions(explain):
    assert "no model of the configuration answers" in explain("nobody", code=1).stderr
    assert "--tokens takes a whole number" in explain("chat", "--tokens", "many", code=2).stderr
    assert "--needs does not know" in explain("chat", "--needs", "wings", code=2).stderr
    assert "--tag takes NAME=VALUE" in explain("chat", "--tag", "env", code=2).stderr


# -- the running server --------------------------------------------------------------------------


def test_the_running_server_knows_what_it_learned(start_gateway, own_fake):
    """Its breakers, that is: the first target is down, so calls go to the second, and it says why."""
    gateway = start_gateway({
        "workers": 1,
        "listeners": {"main": {"address": f"127.0.0.1:{gateway_module.free_port()}"}},
        "providers": {"dead": {"base_url": f"http://127.0.0.1:{gateway_module.free_port()}/v1", "api_key": "env:UPSTREAM_KEY"},
                      "up": {"base_url": own_fake.url + "/v1", "api_key": "env:UPSTREAM_KEY"}},
        "models": {"chat": {"targets": [{"provider": "dead", "model": "m"}, {"provider": "up", "model": "m"}],
                            "retry": {"attempts": 2, "on": ["connect"]}, "breaker": {"failures": 1, "open_for": "10m"}}},
    })
    key = json.loads(gateway.run("admin", "key", "create", "--name", "ops", "--role", "operator", "--data", gateway.data, "--json").stdout)

    def ask():
        done = command.turnpike("route", "explain", "chat", "--data", gateway.data, "--json", TURNPIKE_ADMIN_KEY=key["key"])
        return {row["provider"]: row for row in json.loads(done.stdout)["targets"]}

    before = ask()
    assert [before[name]["place"] for name in ("dead", "up")] == [1, 2]
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
        assert client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hello"}]).choices
    after = ask()
    assert after["up"]["place"] == 1 and not after["dead"]["place"], after
    assert after["dead"]["standing"] != before["dead"]["standing"] and after["dead"]["reason"]
    without = command.turnpike("route", "explain", "chat", "--data", gateway.data, code=1, TURNPIKE_ADMIN_KEY="")
    assert "TURNPIKE_ADMIN_KEY" in without.stderr
