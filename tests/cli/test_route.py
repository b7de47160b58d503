"""`turnpike route explain`: the decision for a call, by a file alone."""

import json

import pytest

import command

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
    assert "--tokens takes a whole number" in explain("chat", "--tokens", "many", code=1).stderr
    assert "--needs does not know" in explain("chat", "--needs", "wings", code=1).stderr
    assert "--tag takes NAME=VALUE" in explain("chat", "--tag", "env", code=1).stderr
