"""`turnpike preview` over calls of token callers: by the same configuration nothing changes, without issuers none of them
gets in, and rules of callers (models, limits) decide as they do live."""

import copy
import json

import pytest

from fake_issuer import FakeIssuer, kubernetes_claims
from gateway import wait_until
from workloads import ask, refusal, start_with, terms

CALLERS = [
    {"claims": {"sub": "system:serviceaccount:prod:*"}, "team": "search", "limits": {"requests": 2, "per": "1h"}},
    {"claims": {"repository": "example/*"}, "team": "pipelines", "models": ["fast"]},
    {"claims": {"sub": "robot"}, "team": "robots"},
]
ROBOTS, PIPELINES, SEARCH = 3, 2, 2  # calls that are served


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, fake):
    issuer = FakeIssuer()
    gateway = start_with(tmp_path_factory.mktemp("callers"), fake, {"cluster": terms(issuer, callers=CALLERS)})
    pipeline = issuer.token(sub="repo:example/app", repository="example/app")
    ranker = issuer.token(**kubernetes_claims("prod", "ranker"))
    for _ in range(ROBOTS):
        ask(gateway, issuer.token(sub="robot"))
    for _ in range(PIPELINES):
        ask(gateway, pipeline)
    assert refusal(gateway, pipeline, "gpt-4o")[1] == "model_not_allowed"
    for _ in range(SEARCH):
        ask(gateway, ranker)
    assert refusal(gateway, ranker)[1] == "rate_limit_exceeded"
    answer = ask(gateway, gateway.key)
    gateway.wait_record(answer.headers["x-request-id"])
    yield gateway
    gateway.stop()
    issuer.stop()


def preview(gateway, **changes):
    config = {**copy.deepcopy(gateway.config), **changes}
    path = gateway.directory / "proposed.yaml"
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    return json.loads(gateway.run("preview", "--config", str(path), "--data", str(gateway.data), "--json").stdout)


def figures(found):
    return found["newly_refused"], found["newly_allowed"], found["unknown"]


def changed(**issuer_changes):
    def of(gateway):
        issuers = copy.deepcopy(gateway.config["issuers"])
        issuers["cluster"].update(issuer_changes)
        return issuers
    return of


def test_the_same_configuration_changes_nothing(recorded):
    found = preview(recorded)
    assert figures(found) == (0, 0, 0)
    assert found["refused_then"] == found["refused_now"] == 2


def test_without_issuers_no_token_gets_in(recorded):
    found = preview(recorded, issuers=None)
    assert figures(found) == (ROBOTS + PIPELINES + SEARCH, 0, 0)
    assert [row["code"] for row in found["newly_refused_by"]["reasons"]] == ["invalid_api_key"]


def test_a_listener_that_takes_keys_alone(recorded):
    listeners = copy.deepcopy(recorded.config["listeners"])
    for listener in listeners.values():
        listener["identify"] = ["key"]
    found = preview(recorded, listeners=listeners)
    assert figures(found) == (ROBOTS + PIPELINES + SEARCH, 0, 0)
    assert [row["code"] for row in found["newly_refused_by"]["reasons"]] == ["identity_not_accepted"]


def test_rules_of_callers_decide(recorded):
    callers = copy.deepcopy(CALLERS)
    callers[0]["limits"]["requests"] = 1
    callers[1]["models"] = ["fast", "gpt-4o"]
    assert figures(preview(recorded, issuers=changed(callers=callers)(recorded))) == (1, 1, 0)
    assert figures(preview(recorded, issuers=changed(callers=CALLERS[:2])(recorded)))[0] == 0
    callers = [rule for rule in CALLERS if "repository" not in rule["claims"]][:1]
    found = preview(recorded, issuers=changed(callers=callers)(recorded))
    assert found["newly_refused"] == ROBOTS + PIPELINES
    assert [row["code"] for row in found["newly_refused_by"]["reasons"]] == ["caller_not_accepted"]


def test_what_the_claims_would_decide_is_not_known(recorded):
    callers = [{"claims": {"repository": "example/*"}, "team": "pipelines", "models": ["fast"]},
               {"claims": {"ref": "refs/heads/*"}, "team": "pipelines"}]
    found = preview(recorded, issuers=changed(callers=callers)(recorded))
    assert found["unknown"] == ROBOTS + PIPELINES + SEARCH + 2
    assert "claims were not recorded" in json.dumps(found["unknown_by"])
