"""What the pages of the console are made of: figures, live calls, what needs attention, trying a rule, a playground.

All tests share one gateway; each takes a team of its own, so that none counts another's calls.
"""

import itertools
import json
import math
import types

import pytest

from admin_client import AdminClient
from fake_upstream import FakeUpstream
from gateway import Gateway, plain_config, wait_until
from wire_client import Wire

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    fake = FakeUpstream()
    gateway = Gateway(tmp_path_factory.mktemp("console"), plain_config(fake.url, workers=2))
    gateway.start()
    done = gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", "alice", "--role", "owner", "--json")
    try:
        yield types.SimpleNamespace(gateway=gateway, fake=fake, admin=AdminClient(gateway, json.loads(done.stdout)["key"]))
        gateway.stop()
        gateway.check_said()
    finally:
        gateway.kill()
        fake.stop()


@pytest.fixture
def team(house):
    """A team with a key, and ways to call with it."""
    name = f"team{next(NUMBERS)}"
    house.admin.post("/teams", {"name": name, "deny_models": ["denied"]})
    key = house.admin.post("/keys", {"name": f"{name}-key", "team": name})
    house.gateway.wait_key(key["key"])

    def call(model="fast", status=200, **more):
        with Wire(house.gateway.port, key=key["key"]) as wire:
            wire.chat(model, **more)
            answer = wire.answer()
            assert answer.status == status, answer.body[:500]
            return answer

    def records():
        """All of the team; those with which wait_key tried the key are refused ones."""
        return [row for row in house.gateway.records() if row["team"] == name]

    return types.SimpleNamespace(name=name, key=key, call=call, records=records)


def lead_of(house, team):
    key = house.admin.post("/admin_keys", {"name": f"lead of {team}", "role": "team_lead", "team": team})
    return house.admin.as_key(key["key"])


# -- the overview -------------------------------------------------------------------------------


def nearest_rank(times, share):
    return sorted(times)[max(math.ceil(len(times) * share), 1) - 1]


def check_percentiles(shown, times, error):
    assert shown["calls"] == len(times)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        exact = nearest_rank(times, share)
        assert abs(shown[name] - exact) <= exact * error + 0.002, (name, shown[name], exact)


def test_an_overview_is_what_the_log_has(house, team):
    for number in range(12):
        team.call(stream=number % 3 == 0)
    team.call(model="denied", status=403)

    def look():
        answer = house.admin.get("/overview", team=team.name, since="2h")
        return answer if answer["period"]["sums"]["calls"] == len(team.records()) else None

    overview = wait_until(look, what="all calls are counted")
    records = team.records()
    period, error = overview["period"], overview["percentile_error"]
    assert (period["sums"]["served"], period["sums"]["refused"]) == (12, len(records) - 12)
    assert "model_not_allowed" in [row["refusal"] for row in records]
    assert period["sums"]["input_tokens"] == sum(row["input_tokens"] or 0 for row in records)
    check_percentiles(period["duration"], [row["duration_ms"] for row in records if row["outcome"] == "served"], error)
    firsts = [row["first_token_ms"] for row in records if row["first_token_ms"] is not None]
    assert len(firsts) == 4
    check_percentiles(period["first_token"], firsts, error)
    for row in records:
        if row["first_token_ms"] is not None:
            assert row["admitted_ms"] <= row["forwarded_ms"] <= row["first_token_ms"] <= row["duration_ms"]

    assert overview["step"] == "15m" and 8 <= len(overview["series"]) <= 9
    assert sum(point["sums"]["calls"] for point in overview["series"]) == len(records)
    edges = [point["since"] for point in overview["series"]] + [overview["series"][-1]["until"]]
    assert edges == sorted(edges) and edges[0] == period["since"] and edges[-1] == period["until"]
    assert all(a["until"] == b["since"] for a, b in zip(overview["series"], overview["series"][1:]))
    before = overview["before"]
    assert before["until"] == period["since"] and before["sums"]["calls"] == 0
    assert before["cache_share"] is None and before["duration"] == {"calls": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}


def test_an_overview_is_filtered(house, team):
    team.call()
    team.call(model="default")

    def calls(**more):
        return house.admin.get("/overview", team=team.name, **more)["period"]["sums"]["served"]

    wait_until(lambda: calls() == 2, what="both are counted")
    assert calls(model="fast") == calls(model="default") == 1
    assert calls(key=team.key["id"]) == 2 and calls(key="nobody") == 0
    assert calls(provider=house.admin.get("/targets")["items"][0]["provider"]) == 2
    assert calls(since="30d", step="day", timezone="Europe/Berlin") == 2
    lead = lead_of(house, team.name)
    assert lead.get("/overview")["period"]["sums"]["served"] == 2
    assert lead.get("/overview", status=403, team="others").field == "team"


@pytest.mark.parametrize("query,field", [({"since": "yesterday"}, "since"), ({"until": "2020-01-01"}, "until"), ({"step": "fortnight"}, "step"),
                                         ({"since": "90d", "step": "15m"}, "step"), ({"timezone": "Mars/Olympus"}, "timezone"),
                                         ({"tag": "prod"}, "tag")])
def test_a_wrong_question_about_the_overview(house, query, field):
    assert house.admin.get("/overview", status=400, **query).field == field
