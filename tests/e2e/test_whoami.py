"""GET /turnpike/v1/whoami: how the gateway sees a caller. It takes nothing from limits and budgets, answers when they are used up,
and tells only who has a good key."""

import json
import socket

import pytest

from gateway import Gateway, free_port, plain_config, wait_until
from wire_client import Wire

PATH = "/turnpike/v1/whoami"
CLUSTER = "10.2.0.9"


def config(url, directory):
    made = plain_config(url, contact="platform@example.com",
                        networks={"office": {"ranges": ["10.1.0.0/16"]}, "cluster": {"ranges": ["10.2.0.0/16"]}})
    made["listeners"] = {
        "main": {"address": f"127.0.0.1:{free_port()}", "forwarders": {"networks": ["127.0.0.0/8"], "header": "x-forwarded-for"},
                 "network_rules": [{"allow": "10.0.0.0/8", "mode": "enforce"}, {"allow": "127.0.0.0/8", "mode": "enforce"},
                                   {"deny": "cluster"}]},
        "local": {"address": f"unix:{directory}/socket"}}
    made["models"]["hidden"] = {"targets": [{"provider": "up"}], "aliases": ["secret"]}
    return made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, fake):
    directory = tmp_path_factory.mktemp("whoami")
    gateway = Gateway(directory, config(fake.url, directory)).start()
    gateway.run("team", "create", "search", "--contact", "#search", "--model", "fast", "--model", "gpt-*",
                "--data", str(gateway.data))
    yield gateway
    gateway.stop()


def make(gateway, *words):
    return json.loads(gateway.run(*words, "--data", str(gateway.data), "--json").stdout)


def whoami(gateway, key, source=CLUSTER):
    status, headers, body = gateway.get(PATH, key, headers={"X-Forwarded-For": source} if source else {})
    return status, json.loads(body), headers


@pytest.fixture(scope="module")
def key(gateway):
    made = gateway.create_key("app", "--team", "search", "--tag", "env=test", "--expires", "30d")
    made["limit"] = make(gateway, "limit", "create", "--key", made["id"], "--requests", "2", "--per", "1h")
    made["tokens"] = make(gateway, "limit", "create", "--team", "search", "--tokens", "100000", "--per", "1m", "--observe")
    made["budget"] = make(gateway, "budget", "create", "--team", "search", "--amount", "5", "--period", "month")
    made["rule"] = make(gateway, "network", "rule", "create", "--team", "search", "--allow", "cluster", "--enforce")
    wait_until(lambda: whoami(gateway, made["key"])[0] == 200 and len(whoami(gateway, made["key"])[1]["networks"]) == 2,
               10, "all is in force")
    return made


def test_everything(gateway, key):
    status, told, headers = whoami(gateway, key["key"])
    assert status == 200 and headers["content-type"] == "application/json"
    assert told["object"] == "turnpike.whoami" and told["request_id"] == headers["x-request-id"]
    assert told["source"] == {"address": CLUSTER, "network": "cluster", "forwarder": "127.0.0.1"}
    assert told["listener"] == {"name": "main", "tls": False}
    principal = told["principal"]
    assert principal.pop("expires_at").startswith("20")
    assert principal == {"kind": "key", "id": key["id"], "name": "app", "team": "search", "tags": {"env": "test"}}
    assert told["contact"] == "#search"
    assert told["models"] == {"restricted": True, "allowed": ["fast"], "patterns": ["*"]}
    listener, team = told["networks"]
    assert (listener["list"], listener["of"], listener["allowed"], listener["allowed_if_enforced"]) == ("listener", "main", True, False)
    assert listener["rule"]["network"] == "10.0.0.0/8"
    assert listener["rule_if_enforced"] == {"id": "listeners.main.network_rules[2]", "action": "deny", "network": "cluster",
                                            "mode": "observe"}
    assert (team["list"], team["of"], team["allowed"]) == ("team", "search", True)
    assert team["rule"] == {"id": key["rule"]["id"], "action": "allow", "network": "cluster", "mode": "enforce"}
    limits = {row["id"]: row for row in told["limits"]}
    assert set(limits) == {key["limit"]["id"], key["tokens"]["id"]}
    mine = limits[key["limit"]["id"]]
    assert (mine["scope"], mine["of"], mine["counts"], mine["amount"], mine["window_ms"], mine["mode"]) == (
        "key", key["id"], "requests", 2, 3600000, "enforce")
    assert limits[key["tokens"]["id"]]["mode"] == "observe"
    (budget,) = told["budgets"]
    assert (budget["id"], budget["scope"], budget["of"], budget["period"], budget["hard"]) == (
        key["budget"]["id"], "team", "search", "month", True)
    assert float(budget["amount_usd"]) == 5 and budget["resets_at"] is not None


def test_it_takes_nothing_and_answers_when_all_is_used_up(gateway, key):
    def left():
        return {row["id"]: row["left"] for row in whoami(gateway, key["key"])[1]["limits"]}[key["limit"]["id"]]

    assert [left() for _ in range(5)] == [2] * 5
    codes = []
    for expected in (1, 0, 0):
        with Wire(gateway.port, key=key["key"]) as wire:
            wire.chat("fast", headers=[("X-Forwarded-For", CLUSTER)])
            codes.append(wire.answer().status)
        assert left() == expected
    assert codes == [200, 200, 429]
    row = gateway.wait_record(whoami(gateway, key["key"])[1]["request_id"])
    assert (row["endpoint"], row["status"], row["outcome"], row["cost_state"], row["network"], row["key_id"]) == (
        PATH, 200, "served", "none", "cluster", key["id"])
    assert row["observed"] == [{"reason": "network", "id": "listeners.main.network_rules[2]"}]


def test_a_wrong_place_gets_the_explaining_refusal(gateway, key):
    status, told, _ = whoami(gateway, key["key"], source="10.1.0.9")
    assert (status, told["error"]["code"]) == (403, "network_not_allowed")
    status, told, _ = whoami(gateway, key["key"], source="192.0.2.9")
    assert (status, told["error"]["code"]) == (403, "listener_network_not_allowed")


@pytest.mark.parametrize("key", [None, "sk-other", "tpk_nothing"])
def test_a_wrong_key_gets_the_explaining_refusal(gateway, key):
    status, told, _ = whoami(gateway, key)
    assert status == 401 and told["error"]["turnpike"]["contact"] == "platform@example.com"
    assert "search" not in json.dumps(told) and "fast" not in json.dumps(told)


def test_a_plain_key_on_a_unix_socket(gateway):
    plain = gateway.create_key("plain")["key"]
    wait_until(lambda: whoami(gateway, plain)[0] == 200, 10, "the key is known")
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(gateway.directory / "socket"))
        raw.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain}\r\nConnection: close\r\n\r\n".encode())
        told = json.loads(raw.makefile("rb").read().partition(b"\r\n\r\n")[2])
    assert told["source"] == {"address": "unix", "network": "unix", "forwarder": None}
    assert told["principal"]["team"] is None and told["principal"]["expires_at"] is None
    assert told["models"]["restricted"] is False and set(told["models"]["allowed"]) == {"fast", "hidden", "secret"}
    assert (told["networks"], told["limits"], told["budgets"], told["contact"]) == ([], [], [], "platform@example.com")


@pytest.mark.parametrize("path, status", [("/turnpike/v1/whoami/", 404), ("/turnpike/v1", 404), ("/turnpike/", 404),
                                          ("/v1/turnpike/v1/whoami", 404), ("/turnpike/v1/whoam", 404),
                                          ("/turnpike//v1/whoami", 400), ("/turnpike/v1/./whoami", 400),
                                          ("/turnpike/v1/whoami?x=1", 200)])
def test_paths_near_it(gateway, key, path, status):
    assert gateway.get(path, key["key"], headers={"X-Forwarded-For": CLUSTER})[0] == status


def test_another_method(gateway, key):
    with Wire(gateway.port, key=key["key"]) as wire:
        wire.request("POST", PATH, b"{}", headers=[("X-Forwarded-For", CLUSTER)])
        answer = wire.answer()
    assert answer.status == 405 and answer.header("allow") == "GET"
