"""Refusals explain themselves: a stable code and its page, what was seen, which rule it was, whom to ask. The official SDKs raise
the class that fits. Who has no good key learns nothing about teams, rules and models."""

import json
import pathlib
import signal
import socket

import openai
import pytest

from gateway import free_port, plain_config, wait_until
from wire_client import Wire

HELLO = [{"role": "user", "content": "hello"}]
PRIVATE = ("search", "office", "cluster", "fast", "hidden", "net_", "lim_", "bud_", "#search")
CONTACT = "platform@example.com"


def config(url, **more):
    made = plain_config(url, contact=CONTACT,
                        networks={"office": {"ranges": ["10.1.0.0/16"]}, "cluster": {"ranges": ["10.2.0.0/16"]}},
                        limits={"json_body": "64KiB"}, **more)
    forwarders = {"networks": ["127.0.0.0/8"], "header": "x-forwarded-for"}
    made["listeners"]["main"]["forwarders"] = forwarders
    made["listeners"]["closed"] = {"address": f"127.0.0.1:{free_port()}", "forwarders": forwarders,
                                   "network_rules": [{"allow": "office", "mode": "enforce"}]}
    made["models"] = {"fast": {"targets": [{"provider": "up", "model": "gpt-4o-mini"}]},
                      "hidden": {"targets": [{"provider": "up", "model": "gpt-4o-mini"}]}}
    return made


class Keys:
    def __init__(self, gateway):
        self.gateway = gateway
        self.data = ["--data", str(gateway.data)]
        gateway.run("team", "create", "search", "--contact", "#search", *self.data)
        names = ("good", "narrow", "barred", "busy", "poor", "revoked")
        made = {name: gateway.create_key(name, "--team", "search", *(["--model", "fast"] if name == "narrow" else []))
                for name in names}
        made["alone"] = gateway.create_key("alone")
        made["expired"] = gateway.create_key("expired", "--team", "search", "--expires", "1s")
        self.id = {name: row["id"] for name, row in made.items()}
        self.secret = {name: row["key"] for name, row in made.items()}
        self.limit = self.make("limit", "create", "--key", self.id["busy"], "--requests", "1", "--per", "1h")
        self.budget = self.make("budget", "create", "--key", self.id["poor"], "--amount", "0")
        self.rule = self.make("network", "rule", "create", "--key", self.id["barred"], "--deny", "cluster", "--enforce")
        gateway.run("key", "revoke", self.id["revoked"], *self.data)
        wait_until(lambda: gateway.get("/v1/models", self.secret["expired"])[0] == 401
                   and gateway.get("/v1/models", self.secret["revoked"])[0] == 401
                   and gateway.get("/v1/models", self.secret["good"])[0] == 200
                   and self.ask("barred").status == 403 and self.ask("poor").status == 429
                   and [self.ask("busy").status, self.ask("busy").status][1] == 429, 15, "all is in force")

    def make(self, *words):
        return json.loads(self.gateway.run(*words, *self.data, "--json").stdout)

    def ask(self, name, source="10.2.0.9", model="fast"):
        with Wire(self.gateway.port, key=self.secret[name]) as wire:
            wire.chat(model, headers=[("X-Forwarded-For", source)])
            return wire.answer()


@pytest.fixture(scope="module")
def keys(tmp_path_factory, fake):
    from gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("refusals"), config(fake.url)).start()
    yield Keys(gateway)
    gateway.stop()


def raised(keys, name, expected, model="fast", source="10.2.0.9", **more):
    """The exception of the official SDK."""
    with openai.OpenAI(base_url=keys.gateway.url + "/v1", api_key=keys.secret[name], max_retries=0,
                       default_headers={"X-Forwarded-For": source}) as client:
        with pytest.raises(expected) as caught:
            client.chat.completions.create(model=model, messages=HELLO, **more)
    return caught.value


CASES = {
    "network": ("barred", openai.PermissionDeniedError, "network_not_allowed", {}),
    "model of the key": ("narrow", openai.PermissionDeniedError, "model_not_allowed", {"model": "hidden"}),
    "model that is none": ("good", openai.NotFoundError, "model_not_found", {"model": "fasst"}),
    "limit": ("busy", openai.RateLimitError, "rate_limit_exceeded", {}),
    "budget": ("poor", openai.RateLimitError, "insufficient_quota", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_good_key_learns(keys, case):
    name, expected, code, more = CASES[case]
    error = raised(keys, name, expected, **more)
    assert error.code == code
    told = error.body["turnpike"]
    assert told["contact"] == "#search" and "Whom to ask: #search." in error.message
    assert told["documentation"] == f"{keys.gateway.url}/turnpike/v1/errors/{code}"
    assert f"More: {told['documentation']} (Request id: {told['request_id']})" in error.message
    assert told["request_id"] == error.response.headers["x-request-id"]
    assert told["advice"] in error.message
    assert told["seen"] == {"listener": "main", "source": "10.2.0.9", "network": "cluster", "forwarder": "127.0.0.1",
                            "key": keys.id[name], "team": "search"}
    rules = {"network": {"kind": "network", "id": keys.rule["id"], "of": f"key {keys.id[name]}", "mode": "enforce"},
             "limit": {"kind": "limit", "id": keys.limit["id"], "of": f"key {keys.id[name]}", "mode": "enforce"},
             "model of the key": {"kind": "models", "of": f"key {keys.id[name]}", "mode": "enforce"},
             "budget": {"kind": "budget", "id": keys.budget["id"], "of": f"key {keys.id[name]}", "mode": "enforce"}}
    assert told.get("rule") == rules.get(case)
    row = keys.gateway.wait_record(told["request_id"])
    assert row["refusal"] == code and row["outcome"] == "refused"
    assert row.get("rule") == (f"models of key {keys.id[name]}" if "of the key" in case else rules.get(case, {}).get("id"))


def test_too_large_a_body(keys):
    error = raised(keys, "good", openai.APIStatusError, user="x" * 70000)
    assert (error.status_code, error.code) == (413, "request_too_large")
    assert error.body["turnpike"]["seen"]["source"] == "10.2.0.9"


def test_without_a_contact_of_the_team_the_gateways(keys):
    error = raised(keys, "alone", openai.NotFoundError, model="nothing")
    assert error.body["turnpike"]["contact"] == CONTACT
    assert "team" not in error.body["turnpike"]["seen"]


def test_a_list_of_models_of_the_team(keys):
    keys.gateway.run("team", "create", "narrow", "--model", "fast", *keys.data)
    key = keys.gateway.create_key("team", "--team", "narrow")
    keys.secret["team"] = key["key"]
    wait_until(lambda: keys.ask("team", model="hidden").status == 403, 10, "the list is in force")
    told = raised(keys, "team", openai.PermissionDeniedError, model="hidden").body["turnpike"]
    assert told["rule"] == {"kind": "models", "of": "team narrow", "mode": "enforce"}
    assert keys.gateway.wait_record(told["request_id"])["rule"] == "models of team narrow"


def strangers(keys):
    good = keys.secret["good"]
    return {
        "nothing": (None, "main", "missing_api_key"),
        "a provider's": ("sk-proj-0123456789", "main", "invalid_api_key"),
        "a typo": (good[:-1] + ("0" if good[-1] != "0" else "1"), "main", "mistyped_api_key"),
        "revoked": (keys.secret["revoked"], "main", "revoked_api_key"),
        "expired": (keys.secret["expired"], "main", "expired_api_key"),
        "an administrator's": (keys.make("admin", "key", "create", "--name", "me", "--role", "operator")["key"], "main",
                               "admin_api_key"),
        "a good one, at a closed door": (good, "closed", "listener_network_not_allowed"),
        "none, at a closed door": (None, "closed", "listener_network_not_allowed"),
    }


def test_what_a_stranger_learns(keys):
    seen = set()
    for what, (key, door, code) in strangers(keys).items():
        port = int(keys.gateway.config["listeners"][door]["address"].rsplit(":", 1)[1])
        for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/hidden"),
                             ("GET", "/v1/files/file-1")):
            with Wire(port, key=key) as wire:
                body = json.dumps({"model": "hidden", "messages": HELLO}).encode() if method == "POST" else b""
                wire.request(method, path, body, headers=[("X-Forwarded-For", "10.2.0.9")])
                answer = wire.answer(to=method)
            error = json.loads(answer.body)["error"]
            assert error["code"] == code, (what, path, error)
            assert answer.status == (403 if door == "closed" else 401)
            told = error["turnpike"]
            assert set(told) == {"documentation", "advice", "contact", "request_id", "seen"}, (what, told)
            assert set(told["seen"]) <= {"listener", "source", "key"}
            assert (told["contact"], told["seen"]["source"]) == (CONTACT, "10.2.0.9")
            text = answer.body.decode()
            if key:
                assert key not in text and key[-12:] not in text, "not the secret"
            for word in PRIVATE:
                assert word not in text, (what, path, word, text)
            seen.add(code)
    assert len(seen) == 7
    # and what is no endpoint at all
    status, _, body = keys.gateway.get("/v1/nothing", headers={"X-Forwarded-For": "10.2.0.9"})
    assert status == 404 and not any(word in body.decode() for word in PRIVATE)
    status, _, body = keys.gateway.get("/v1/organization/users")
    assert status in (403, 404) and not any(word in body.decode() for word in PRIVATE)


def test_the_pages(keys):
    status, headers, body = keys.gateway.get("/turnpike/v1/errors/network_not_allowed")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    text = body.decode()
    assert "HTTP status 403" in text and "What to do: Call from a network that is allowed" in text and CONTACT in text
    status, _, body = keys.gateway.get("/turnpike/v1/errors")
    assert status == 200 and b"404 model_not_found" in body and b"429 insufficient_quota" in body
    assert keys.gateway.get("/turnpike/v1/errors/no_such_code")[0] == 404
    assert keys.gateway.get("/turnpike/v1/errorsandmore")[0] == 404
    with Wire(keys.gateway.port) as wire:
        wire.request("POST", "/turnpike/v1/errors")
        assert wire.answer().status == 405
    # each code that is documented has its page
    for line in (pathlib.Path(__file__).parents[2] / "docs" / "errors.md").read_text().splitlines():
        if line.startswith("### "):
            assert keys.gateway.get(f"/turnpike/v1/errors/{line[4:]}")[0] == 200, line


def test_a_link_of_ones_own(start_gateway, own_fake):
    made = config(own_fake.url)
    made["errors"] = {"documentation": "https://docs.example.com/gateway#"}
    gateway = start_gateway(made)
    error = json.loads(gateway.get("/v1/models")[2])["error"]
    assert error["turnpike"]["documentation"] == "https://docs.example.com/gateway#missing_api_key"


@pytest.mark.parametrize("host", ["a b", "x/../y", 'x"y', "x\\y", "<script>", "h" * 300])
def test_a_strange_host_makes_no_link(keys, host):
    with Wire(keys.gateway.port) as wire:
        wire.send(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = wire.answer(to="GET")
    if answer.status == 401:
        assert json.loads(answer.body)["error"]["turnpike"]["documentation"] == "/turnpike/v1/errors/missing_api_key"
    else:
        assert answer.status == 400, "refused as HTTP"


def test_while_the_node_shuts_down(start_gateway, own_fake):
    gateway = start_gateway(config(own_fake.url))
    key = gateway.key
    with Wire(gateway.port, key=key) as wire:
        wire.request("GET", "/v1/models")
        assert wire.answer(to="GET").status == 200
        with Wire(gateway.port, key=key) as held:
            held.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                      b"Authorization: Bearer " + key.encode() + b"\r\nContent-Length: 44\r\n\r\n")
            wait_until(lambda: b"\nturnpike_open_requests 2" in gateway.get("/metrics")[2], 10, "the call has begun")
            gateway.signal(signal.SIGTERM)
            wait_until(lambda: refuses(gateway.port), 10, "no new connections are taken")
            held.send(json.dumps({"model": "fast", "messages": []}).encode().ljust(44))
            answer = held.answer()
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (503, "draining")
    assert error["turnpike"]["contact"] == CONTACT


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False
