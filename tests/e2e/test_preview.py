"""A stretch of live traffic under limits, budgets and lists of models, and `turnpike preview` over its records: by the same
rules every verdict comes out the same, by stricter ones exactly those calls are named that they would stop."""

import copy
import json
import threading

import pytest

from gateway import Gateway, free_port, wait_until
from money_upstream import MoneyUpstream
from wire_client import Wire

HOUR = "1h"
REQUESTS = 12  # of the key "counted", in an hour


class Stretch:
    """One gateway, whose rules were there before its first call."""

    def __init__(self, directory):
        self.upstream = MoneyUpstream()
        other = self.upstream.fake.script(self.upstream._serve).token
        self.model, self.other = self.upstream.model, other
        self.config = {
            "workers": 2,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {"up": self.provider("0.15", "0.60"), "twice": self.provider("0.30", "1.20")},
            "models": {"house": {"targets": [{"provider": "up", "model": self.model}]},
                       "*": {"targets": [{"provider": "up"}]}},
        }
        self.gateway = Gateway(directory, self.config)
        self.data = str(self.gateway.data)
        self.make_rules()
        self.gateway.start()
        self.answers = {}
        self.count = 0

    def provider(self, input, output):
        prices = {"input": input, "output": output}
        return {"type": "openai", "base_url": self.upstream.url + "/v1", "api_key": "env:UPSTREAM_KEY",
                "pricing": {"models": {self.model: prices, self.other: prices}}}

    def run(self, *arguments, **more):
        return self.gateway.run(*arguments, "--data", self.data, **more)

    def make_rules(self):
        self.keys = {}
        for name, more in {"counted": (), "metered": (), "paid": (), "narrow": ("--model", "house"), "free": (),
                           "parallel": (), "watched": ()}.items():
            self.keys[name] = self.gateway.create_key(name, "--team", name + "-team", *more)
        self.run("limit", "create", "--key", self.keys["counted"]["id"], "--requests", str(REQUESTS), "--per", HOUR)
        self.run("limit", "create", "--team", "metered-team", "--tokens", "6000", "--per", HOUR)
        self.run("limit", "create", "--key", self.keys["parallel"]["id"], "--concurrent", "2")
        self.run("limit", "create", "--key", self.keys["watched"]["id"], "--requests", "2", "--per", HOUR, "--observe")
        self.run("budget", "create", "--team", "paid-team", "--amount", "0.002", "--period", "month")
        self.run("team", "edit", "free-team", "--deny-model", "secret*")

    def call(self, key, user=None, **body):
        self.count += 1
        user = user or f"call-{self.count}"
        body = {"model": "house", "user": user, "messages": [{"role": "user", "content": "hello"}], **body}
        with Wire(self.gateway.port, key=self.keys[key]["key"]) as wire:
            wire.request("POST", "/v1/chat/completions", json.dumps(body).encode())
            answer = wire.answer()
        self.answers[answer.request_id] = (key, answer.status)
        return answer.status

    def together(self, key, number):
        """Calls of which each begins while those before are under way, if they were let in."""
        threads, before = [], len(self.upstream.served)
        for i in range(number):
            user = f"together-{i}"
            thread = threading.Thread(target=self.call, args=(key, user), kwargs={
                "max_tokens": 20, "metadata": {"first": "3", "prompt": "5", "completion": "5"}})
            thread.start()
            threads.append(thread)
            wait_until(lambda: not thread.is_alive() or user in self.upstream.served, 30, "the call was decided about")
        for thread in threads:
            thread.join()
        return len(self.upstream.served) - before

    def live(self):
        """Every kind of refusal, and calls on both sides of each."""
        tiny = {"prompt": "10", "completion": "20"}
        for _ in range(REQUESTS + 3):
            self.call("counted", max_tokens=50, metadata=tiny)
        for i in range(8):
            self.call("metered", max_tokens=1500, metadata={"prompt": "100", "completion": "900"}, n=1 + i % 2)
        self.call("metered")                                # states no limit
        for i in range(14):
            self.call("paid", max_tokens=900, metadata={"prompt": "200", "completion": str(50 * i)})
        self.call("paid", max_tokens=20, metadata=tiny, stream=True)
        self.call("paid", max_tokens=10**9, metadata=tiny)  # clamped, or refused
        assert self.call("narrow", max_tokens=20, metadata=tiny) == 200
        assert self.call("narrow", model=self.model, max_tokens=20, metadata=tiny) == 403
        assert self.call("free", model="secret-1", max_tokens=20) == 403
        assert self.call("free", model=self.other, max_tokens=20, metadata=tiny) == 200
        for _ in range(4):
            assert self.call("watched", max_tokens=20, metadata=tiny) == 200
        assert self.together("parallel", 4) == 2
        assert self.call("parallel", max_tokens=20, metadata=tiny) == 200
        assert self.gateway.get("/v1/models", self.keys["counted"]["key"])[0] == 429
        assert self.gateway.get("/v1/models", self.keys["free"]["key"])[0] == 200
        for _ in range(3):  # its limit is used up, and this takes nothing from it
            assert self.gateway.get("/turnpike/v1/whoami", self.keys["counted"]["key"])[0] == 200
        wait_until(lambda: len(self.gateway.records()) >= len(self.answers) + 5, 10, "every call is recorded")

    # -- previews -----------------------------------------------------------------------------------

    def preview(self, config=None, policy=None, code=0, *more):
        file = self.gateway.directory / "proposed.json"
        file.write_text(json.dumps(config or self.config))
        arguments = ["preview", "--config", str(file), "--json", "--since", "1h", *more]
        if policy is not None:
            rules = self.gateway.directory / "policy.json"
            rules.write_text(json.dumps(policy))
            arguments += ["--policy", str(rules)]
        done = self.run(*arguments, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def changed(self, config):
        changed = copy.deepcopy(self.config)
        config(changed)
        return changed

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.upstream.stop()


@pytest.fixture(scope="module")
def stretch(tmp_path_factory):
    stretch = Stretch(tmp_path_factory.mktemp("preview"))
    try:
        stretch.live()
        yield stretch
    finally:
        stretch.stop()


def keys_of(found, kind):
    return {row["name"]: row["calls"] for row in found[kind + "_by"]["keys"]}


def test_the_same_rules_say_the_same(stretch):
    found = stretch.preview()
    refused = [status for _, status in stretch.answers.values() if status in (403, 429)]
    by_key = {key: sum(k == key and s == 429 for k, s in stretch.answers.values()) for key in stretch.keys}
    assert by_key["counted"] == 3 and by_key["metered"] > 0 and by_key["paid"] > 0 and by_key["parallel"] == 2
    assert found["calls"] == len(stretch.answers) + 5
    assert found["refused_then"] == found["refused_now"] == len(refused) + 1
    assert (found["newly_refused"], found["newly_allowed"], found["unknown"], found["apart"]) == (0, 0, 0, 3), found
    assert not [route for route in found["routes"] if route["changed"]]
    assert float(found["cost_change_usd"]) == 0 and float(found["cost_then_usd"]) > 0


def test_stopped_the_records_say_the_same(stretch):
    """What a preview says does not depend on the server."""
    stretch.gateway.stop()
    try:
        found = stretch.preview()
        assert (found["newly_refused"], found["newly_allowed"], found["unknown"]) == (0, 0, 0)
    finally:
        stretch.gateway.start()


def test_a_stricter_limit_names_exactly_those(stretch):
    found = stretch.preview(None, {"limits": [{"key": "counted", "requests": 5, "per": HOUR}]})
    assert keys_of(found, "newly_refused") == {"counted": REQUESTS - 5}
    expected = [id for id, (key, status) in stretch.answers.items() if key == "counted" and status == 200][5:]
    assert found["newly_refused_by"]["keys"][0]["examples"] == expected[:3]
    assert [row["code"] for row in found["newly_refused_by"]["reasons"]] == ["rate_limit_exceeded"]
    assert found["newly_refused_by"]["teams"][0]["name"] == "counted-team"
    assert found["newly_refused_by"]["networks"][0]["name"] == "127.0.0.0/24"
    assert (found["newly_allowed"], found["unknown"]) == (0, 0)


def test_what_was_only_watched_is_enforced(stretch):
    found = stretch.preview(None, {"limits": [{"key": "watched", "requests": 2, "per": HOUR}]})
    assert keys_of(found, "newly_refused") == {"watched": 2}


def test_a_looser_limit_lets_through(stretch):
    found = stretch.preview(None, {"limits": [{"key": "counted", "requests": 100, "per": HOUR}]})
    assert keys_of(found, "newly_allowed") == {"counted": 4}
    assert found["counted_at_worst_case"] == 3  # the list of models costs nothing
    assert found["newly_refused"] == 0


def test_a_budget_that_is_raised(stretch):
    refused = sum(key == "paid" and status == 429 for key, status in stretch.answers.values())
    found = stretch.preview(None, {"budgets": [{"team": "paid-team", "amount": 10**6, "period": "month"}]})
    assert keys_of(found, "newly_allowed") == {"paid": refused}
    assert {row["code"] for row in found["newly_allowed_by"]["reasons"]} == {"insufficient_quota"}


def test_lists_of_models(stretch):
    found = stretch.preview(None, {"teams": [{"name": "free-team", "deny_models": [stretch.other]}]})
    assert keys_of(found, "newly_refused") == {"free": 1}
    assert keys_of(found, "newly_allowed") == {"free": 1}
    assert found["newly_refused_by"]["reasons"][0]["rule"] == "models of team free-team"


def test_a_model_that_goes(stretch):
    config = stretch.changed(lambda config: config["models"].pop("*"))
    found = stretch.preview(config)
    assert keys_of(found, "newly_refused") == {"free": 1}
    assert found["newly_refused_by"]["reasons"][0]["code"] == "model_not_found"


def test_networks(stretch):
    def change(mode):
        def to(config):
            config["networks"] = {"here": {"ranges": ["127.0.0.0/8"]}}
            config["listeners"]["main"]["network_rules"] = [{"deny": "here", "mode": mode}, {"allow": "0.0.0.0/0"}]
        return stretch.changed(to)

    passed = sum(status == 200 for _, status in stretch.answers.values()) + 1
    found = stretch.preview(change("enforce"))
    assert found["newly_refused"] == passed
    assert {row["code"] for row in found["newly_refused_by"]["reasons"]} == {"listener_network_not_allowed"}
    assert found["newly_refused_by"]["networks"] == [
        {**found["newly_refused_by"]["networks"][0], "name": "here", "calls": passed}]
    assert stretch.preview(change("observe"))["newly_refused"] == 0
    rule = {"key": "free", "deny": "here", "mode": "enforce"}
    found = stretch.preview(change("observe"), {"network_rules": [rule]})
    assert keys_of(found, "newly_refused") == {"free": 2}
    assert {row["code"] for row in found["newly_refused_by"]["reasons"]} == {"network_not_allowed"}


def test_another_target_and_what_it_costs(stretch):
    def change(config):
        config["models"]["house"]["targets"][0]["provider"] = "twice"

    # The budget buys half as much: what it stops then is told, and what passes costs twice as much.
    found = stretch.preview(stretch.changed(change))
    moved = [route for route in found["routes"] if route["changed"]]
    assert {(route["model"], route["then"], route["now"]) for route in moved} == {
        ("house", f"up/{stretch.model}", f"twice/{stretch.model}")}
    assert sum(float(route["cost_now_usd"]) for route in moved) == pytest.approx(
        2 * sum(float(route["cost_then_usd"]) for route in moved))
    assert set(keys_of(found, "newly_refused")) <= {"paid"}
    stretch.preview(stretch.changed(change), None, 1, "--fail-on", "cost_change_usd > 0")


def test_conditions_decide_on_the_exit_code(stretch):
    stricter = {"limits": [{"key": "counted", "requests": 5, "per": HOUR}]}
    assert stretch.preview(None, stricter, 1, "--fail-on", "newly_refused > 0")["failed"] is True
    assert stretch.preview(None, stricter, 0, "--fail-on", "newly_refused > 7")["failed"] is False
    assert stretch.preview(None, None, 0, "--fail-on", "newly_refused > 0 or unknown != 0")["failed"] is False
    for wrong in ("newly_refused", "refusals > 0", "newly_refused > many", "unknown >"):
        done = stretch.run("preview", "--config", str(stretch.gateway.config_file), "--fail-on", wrong, check=False)
        assert done.returncode == 2 and "--fail-on" in done.stderr and "newly_refused" in done.stderr


def test_nothing_is_changed(stretch):
    before = stretch.run("export").stdout, stretch.run("audit", "--json").stdout
    stretch.preview(None, {"teams": [{"name": "made-up"}], "keys": [{"name": "new", "team": "made-up"}],
                           "limits": [{"team": "made-up", "requests": 1}]})
    assert (stretch.run("export").stdout, stretch.run("audit", "--json").stdout) == before


def test_for_people(stretch):
    policy = stretch.gateway.directory / "people.json"
    policy.write_text(json.dumps({"limits": [{"key": "counted", "requests": 5, "per": HOUR}]}))
    said = stretch.run("preview", "--config", str(stretch.gateway.config_file), "--policy", str(policy)).stdout
    assert "Would be refused, and are not now: 7 calls" in said
    assert "counted (" in said and "rate_limit_exceeded: lim" in said
    assert "Nobody would be let through who is refused now." in said


def test_what_is_wrong_with_the_files_is_told(stretch):
    broken = stretch.gateway.directory / "broken.yaml"
    broken.write_text("models: {fast: {target: []}}\n")
    done = stretch.run("preview", "--config", str(broken), check=False)
    assert done.returncode == 1 and "broken.yaml" in done.stderr
    broken.write_text("limits: [{key: nobody, requests: 5}]\n")
    done = stretch.run("preview", "--config", str(stretch.gateway.config_file), "--policy", str(broken), check=False)
    assert done.returncode == 1 and "nobody" in done.stderr
    assert stretch.run("preview", check=False).returncode == 2
    done = stretch.run("preview", "--config", str(stretch.gateway.config_file), "--since", "yesterday", check=False)
    assert done.returncode == 2 and "--since" in done.stderr
