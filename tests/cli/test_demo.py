"""`turnpike demo`: sample data about which all verbs agree, and a gateway over it that is called."""

import collections
import http.client
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
from decimal import Decimal

import pytest

from command import BINARY, turnpike
from gateway import free_port, wait_until

DAYS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    data = tmp_path_factory.mktemp("demo") / "data"
    said = turnpike("demo", "--seed", "--data", data, "--days", DAYS).stdout
    assert re.search(rf"{DAYS} days with \d+ calls for \$[\d.,]+ by 40 keys of 6 teams", said), said
    return data


@pytest.fixture(scope="module")
def log(data):
    return lines(data, "log")


def lines(data, *words):
    return [json.loads(line) for line in turnpike(*words, "--json", "--data", data).stdout.splitlines()]


def listed(data, kind):
    return lines(data, kind, "list")


def test_the_sums_are_those_of_the_calls(data, log):
    expected = collections.defaultdict(lambda: [0, Decimal(0)])
    for call in log:
        team = expected[call["team"]]
        team[0] += call["calls"]
        team[1] += Decimal(call["cost_usd"] or 0)
    rows = json.loads(turnpike("usage", "--by", "team", "--since", "9d", "--json", "--data", data).stdout)["rows"]
    assert {row["team"] or None: (row["calls"], Decimal(row["cost_usd"])) for row in rows} == {team: tuple(sums) for team, sums in expected.items()}


def test_budgets_have_spent_what_was_called_for(data, log):
    budgets = {budget["name"]: budget for budget in listed(data, "budget")}
    for name in ("growth", "research"):
        budget = budgets[name]
        spent = sum(Decimal(call["cost_usd"] or 0) for call in log
                    if call["team"] == name and call["started_at"] >= budget["period_start"])
        assert Decimal(budget["spent"]) == spent, name
    share = {name: Decimal(budget["spent"]) / Decimal(budget["amount"]) for name, budget in budgets.items()}
    if share["growth"]:  # nobody of the team has called yet in the first hours of a month
        assert Decimal("0.9") < share["growth"] < 1
    if share["research"]:
        assert share["research"] > Decimal("1.1") and budgets["research"]["soft"]


def test_bounces_are_the_refused_calls(data, log):
    refused = sum(call["calls"] for call in log if call["outcome"] == "refused")
    observed = sum(len(json.loads(call["observed"]) if isinstance(call["observed"], str) else call["observed"])
                   for call in log if call["observed"])
    bounced = lines(data, "bounces", "--since", "30d")
    assert sum(row["calls"] for row in bounced) == refused + observed
    moved = [row for row in bounced if row["network"] == "10.61.4.0/24"]
    assert moved and all(row["reason"] == "network_not_allowed" and row["team"] == "documents" for row in moved)


def test_keys_are_used_from_where_they_belong(data):
    keys = {key["name"]: key for key in listed(data, "key")}
    assert len(keys) == 40
    states = collections.Counter(key["state"] for key in keys.values())
    assert states["revoked"] == 2 and states["expired"] == 1
    assert keys["dashboard-prototype"]["last_used_at"] is None
    assert sum(key["rotated_at"] is not None for key in keys.values()) >= 5
    leaked = json.loads(turnpike("key", "show", keys["agency-access"]["id"], "--json", "--data", data).stdout)
    assert {source["network"] for source in leaked["used_from"]} >= {"198.51.100.0/24", "vpn"}


def test_prices_come_out_the_same_again(data):
    """Each call is priced anew by the list of the binary: nothing differs."""
    with open(data / "demo.yaml") as file:
        assert "10.40.0.0/16" in file.read()
    said = turnpike("ledger", "reprice", "--dry-run", "--since", "30d", "--config", data / "demo.yaml", "--data", data, "--json").stdout
    assert json.loads(said)["changed"] == 0


def test_the_audit_tells_it(data):
    entries = lines(data, "audit")
    actions = collections.Counter(entry["action"] for entry in entries)
    assert actions["create"] > 50 and actions["rotate"] == 5 and actions["revoke"] == 2 and actions["raise"] == 1
    budget = next(entry for entry in entries if entry["action"] == "update" and entry["object"] == "budget")
    assert budget["before"]["amount"] != budget["after"]["amount"]


def test_secrets_are_for_their_owner(data):
    for name in ("demo.keys", "demo.yaml"):
        assert stat.S_IMODE(os.stat(data / name).st_mode) == 0o600
    with sqlite3.connect(data / "turnpike.db") as store:
        dump = "\n".join(store.iterdump())
    for line in (data / "demo.keys").read_text().splitlines():
        assert line.split()[1] not in dump


def test_a_directory_in_use_is_refused(data, tmp_path):
    before = (data / "demo.keys").read_text()
    said = turnpike("demo", "--seed", "--data", data, code=1).stderr
    assert "is in use (there is something in exchanges)" in said and "--data" in said
    assert (data / "demo.keys").read_text() == before
    ours = tmp_path / "ours"
    turnpike("team", "create", "search", "--data", ours)
    assert "there is something in teams" in turnpike("demo", "--data", ours, code=1).stderr
    assert not (ours / "demo.yaml").exists()


@pytest.mark.parametrize("arguments, words", [
    (["--days", "0"], "--days: 0 is no number from 1 to 366"),
    (["--days", "soon"], "--days: soon is no number"),
    (["--random", "-1"], "--random: -1 is no whole number"),
    (["--listen", "nowhere"], "nowhere"),
])
def test_wrong_options(tmp_path, arguments, words):
    code = 1 if "--listen" in arguments else 2
    assert words in turnpike("demo", "--seed", "--data", tmp_path / "new", *arguments, code=code).stderr


def test_it_is_served_and_called(data):
    port, admin = free_port(), free_port()
    demo = subprocess.Popen([BINARY, "demo", "--data", data, "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "Stop with Ctrl-C" not in said:
            line = demo.stdout.readline()
            assert line, demo.stderr.read()
            said += line
        assert f"http://127.0.0.1:{port}/v1" in said and re.search("Admin key  tpa_", said)
        code = re.search(rf"http://127.0.0.1:{admin}/console/#code=(\S+)", said)
        if code:  # a binary that was built without npm has no console
            door = http.client.HTTPConnection("127.0.0.1", admin, timeout=10)
            door.request("POST", "/admin/v1/sessions", json.dumps({"code": code[1]}),
                         {"content-type": "application/json", "x-turnpike-console": "1", "origin": f"http://127.0.0.1:{admin}"})
            answer = door.getresponse()
            assert answer.status == 201, answer.read()

        def called():
            return [call for call in lines(data, "log", "--since", "1m") if call["forwarder"] == "127.0.0.1"]

        wait_until(lambda: len(called()) >= 3, 20)
        assert {call["outcome"] for call in called()} <= {"served", "refused"}
        assert all(call["listener"] == "main" and call["key_name"] for call in called())
    finally:
        demo.send_signal(signal.SIGTERM)
        _, notes = demo.communicate(timeout=20)
    assert demo.returncode == 0, notes


def test_nothing_is_left_of_a_start_that_failed(data):
    """The process that calls ends with the gateway, also where that never listened."""
    said = subprocess.run([BINARY, "demo", "--data", data, "--listen", "192.0.2.1:1"], capture_output=True, text=True, timeout=20)
    assert said.returncode == 1 and "192.0.2.1:1" in said.stderr
