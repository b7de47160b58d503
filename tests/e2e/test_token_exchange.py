"""Keys in exchange for tokens and certificates: POST /turnpike/v1/token (docs/workload-identity.md)."""

import concurrent.futures
import http.client
import json
import socket
import sqlite3
import time
import urllib.parse

import httpx
import openai
import pytest

from certificates import Authority
from fake_issuer import FakeIssuer, kubernetes_claims
from fake_upstream import FakeUpstream
from gateway import free_port, wait_until
from workloads import HELLO, ask, real_provider, refusal, start_with, terms

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def issuer():
    issuer = FakeIssuer()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def module_fake():
    fake = FakeUpstream()
    yield fake
    fake.stop()


def rules(**more):
    """One rule for each way to give keys."""
    return [
        {"claims": {"sub": "robot"}, "team": "robots", **more},
        {"claims": {"sub": "system:serviceaccount:prod:*"}, "team": "search", "models": ["fast"],
         "name": "{/kubernetes.io/serviceaccount/name}", "tags": {"env": "prod"}, **more},
        {"claims": {"sub": "slow"}, "team": "robots", "limits": {"requests": 3, "per": "1h"}},
        {"claims": {"sub": "quick"}, "team": "robots", "key_lifetime": "1m"},
        {"claims": {"sub": "long"}, "team": "robots", "key_lifetime": "2h"},
        {"claims": {"sub": "few"}, "team": "robots", "keys": 2},
        {"claims": {"sub": "none"}, "team": "robots", "keys": 0},
    ]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, module_fake, issuer):
    gateway = start_with(tmp_path_factory.mktemp("exchange"), module_fake,
                         {"cluster": terms(issuer, callers=rules())}, workers=2)
    yield gateway
    gateway.stop()


def post(gateway, body=b"", token=None, type=None, port=None):
    """(status, headers, answer) of one exchange."""
    connection = http.client.HTTPConnection("127.0.0.1", port or gateway.port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if type:
            headers["Content-Type"] = type
        connection.request("POST", "/turnpike/v1/token", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())
    finally:
        connection.close()


def exchange(gateway, token, **said):
    body = json.dumps(said).encode() if said else b""
    status, _, answer = post(gateway, body, token, "application/json" if said else None)
    assert status == 200, answer
    return answer


def refused(gateway, *arguments, **more):
    status, headers, answer = post(gateway, *arguments, **more)
    return status, answer["error"]["code"], answer["error"]["message"], headers


def change_rules(gateway, issuer, callers):
    config = json.loads(json.dumps(gateway.config))
    config["issuers"]["cluster"] = terms(issuer, callers=callers)
    gateway.write_config(config)


def whoami(gateway, key):
    status, _, body = gateway.get("/turnpike/v1/whoami", key)
    assert status == 200, body
    return json.loads(body)


# -- what is given ---------------------------------------------------------------------------------


def test_a_key_for_a_token_of_kubernetes(gateway, issuer, module_fake):
    token = issuer.token(**kubernetes_claims("prod", "ranker"))
    status, headers, answer = post(gateway, token=token)
    assert status == 200 and headers["cache-control"] == "no-store"
    key = answer["access_token"]
    assert key.startswith("tpk_") and key[4:16] == answer["key_id"]
    assert answer["issued_token_type"] == ACCESS_TOKEN and answer["token_type"] == "Bearer"
    assert 0 < answer["expires_in"] <= 3600 and answer["principal"].startswith("wl_")

    by_token = gateway.wait_record(ask(gateway, token).headers["x-request-id"])
    by_key = gateway.wait_record(ask(gateway, key).headers["x-request-id"])
    same = ("key_id", "key_name", "team", "tags", "identified_by", "token_issuer", "token_subject", "cost_usd")
    assert {name: by_key.get(name) for name in same} == {name: by_token.get(name) for name in same}
    assert by_key["exchanged_key"] == answer["key_id"] and not by_token.get("exchanged_key")
    assert module_fake.calls[-1].header("authorization") == "Bearer sk-upstream-test", "the key stays here"
    assert refusal(gateway, key, "gpt-4o")[:2] == (403, "model_not_allowed")
    given = gateway.wait_record(headers["x-request-id"])
    assert given["endpoint"] == "/turnpike/v1/token" and given["outcome"] == "served"
    assert given["exchanged_key"] == answer["key_id"] and given["key_id"] == answer["principal"]

    seen = whoami(gateway, key)["principal"]
    assert seen["kind"] == "token" and seen["id"] == answer["principal"] and seen["team"] == "search"
    assert seen["exchanged_key"] == answer["key_id"] and seen["expires_at"][:19] == answer["expires_at"][:19]
    assert "exchanged_key" not in whoami(gateway, token)["principal"]


def test_the_sdk_with_a_key_of_a_real_provider(tmp_path, own_fake):
    with real_provider() as provider:
        issuers = {"oidc": {"issuer": provider.url, "audiences": ["turnpike"], "callers": rules()}}
        gateway = start_with(tmp_path, own_fake, issuers, workers=2)
        try:
            key = exchange(gateway, provider.token("rsa", sub="robot", aud="turnpike"))["access_token"]
            with openai.OpenAI(base_url=gateway.url + "/v1", api_key=key, max_retries=0) as client:
                assert client.chat.completions.create(model="fast", messages=HELLO).choices
                assert list(client.chat.completions.create(model="fast", messages=HELLO, stream=True))
                assert client.models.list().data
        finally:
            gateway.stop()


def as_form(**said):
    return urllib.parse.urlencode(said).encode()


@pytest.mark.parametrize("write,type", [(as_form, FORM), (lambda **said: json.dumps(said).encode(), "application/json")])
def test_the_form_of_rfc_8693(gateway, issuer, write, type):
    said = {"grant_type": GRANT, "subject_token": issuer.token(sub="robot"), "subject_token_type": JWT,
            "requested_token_type": ACCESS_TOKEN, "audience": "whatever", "scope": "all"}
    status, _, answer = post(gateway, write(**said), type=type)
    assert status == 200 and ask(gateway, answer["access_token"]).status_code == 200
    said["expires_in"] = "90"
    assert post(gateway, write(**said), type=type)[2]["expires_in"] in (89, 90)
    for change, param in (({"grant_type": "client_credentials"}, "grant_type"), ({"subject_token_type": "saml"}, "subject_token_type"),
                          ({"requested_token_type": JWT}, "requested_token_type"), ({"actor_token": "x"}, "actor_token"),
                          ({"expires_in": "soon"}, "expires_in"), ({"expires_in": "0"}, "expires_in")):
        status, _, answer = post(gateway, write(**{**said, **change}), type=type)
        assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_token_exchange", param)


def test_how_long_keys_are_good(gateway, issuer):
    now = int(time.time())
    lives = {"robot": (580, 635), "quick": (58, 60), "long": (7100, 7200)}
    for subject, (least, most) in lives.items():
        answer = exchange(gateway, issuer.token(sub=subject, iat=now, exp=now + 600))
        assert least <= answer["expires_in"] <= most, f"{subject}: {answer['expires_in']}"
    assert exchange(gateway, issuer.token(sub="long"), expires_in=100000)["expires_in"] <= 7200, "no more than the rule has"


def test_a_key_is_good_at_every_worker_at_once(gateway, issuer):
    token = issuer.token(sub="robot")

    def use(_):
        key = exchange(gateway, token)["access_token"]
        return [gateway.get("/v1/models", key)[0] for _ in range(4)]  # connections of their own: either worker's

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {status for answers in pool.map(use, range(24)) for status in answers} == {200}


# -- what is refused -------------------------------------------------------------------------------


def test_what_cannot_be_exchanged(gateway, issuer):
    key = exchange(gateway, issuer.token(sub="robot"))["access_token"]
    assert refused(gateway, token=key)[:2] == (403, "key_not_exchangeable"), "no key for a key"
    assert refused(gateway, token=gateway.key)[:2] == (403, "key_not_exchangeable")
    assert refused(gateway)[:2] == (401, "missing_token")
    status, code, message, _ = refused(gateway, token=issuer.token(sub="none"))
    assert (status, code) == (403, "token_exchange_off") and "Send the token itself" in message
    assert refused(gateway, token=issuer.token(sub="stranger"))[:2] == (403, "caller_not_accepted")
    body = as_form(grant_type=GRANT, subject_token=key, subject_token_type=ACCESS_TOKEN)
    assert refused(gateway, body, type=FORM)[:2] == (403, "key_not_exchangeable")


def test_bodies_that_are_none(gateway, issuer):
    token = issuer.token(sub="robot")
    assert refused(gateway, b"[1]", token, "application/json")[:2] == (400, "invalid_token_exchange")
    assert refused(gateway, b"{", token, "application/json")[:2] == (400, "invalid_token_exchange")
    assert refused(gateway, b"<x/>", token, "text/xml")[1] == "unsupported_content_type"
    assert refused(gateway, b"x" * 70000, token, FORM)[:2] == (413, "request_too_large")
    twice = as_form(subject_token=token) + b"&" + as_form(subject_token=token)
    assert refused(gateway, twice, type=FORM)[:2] == (400, "invalid_token_exchange")
    other = as_form(subject_token=issuer.token(sub="quick"))
    status, code, message, _ = refused(gateway, other, token, FORM)
    assert (status, code) == (400, "invalid_token_exchange") and "subject_token: Authorization has another token" in message and "?." not in message
    message = refused(gateway, as_form(expires_in="soon"), token, FORM)[2]
    assert "cannot be used: expires_in: it must be a whole number of seconds, 1 or more." in message
    assert refused(gateway, as_form(subject_token="eyJ" + "a" * 30000), type=FORM)[:2] == (401, "malformed_token")
    expired = issuer.token(sub="robot", iat=int(time.time()) - 900, exp=int(time.time()) - 60)
    assert refused(gateway, as_form(subject_token=expired), type=FORM)[:2] == (401, "expired_token")
    assert exchange(gateway, token)["access_token"], "and all is well"


def test_so_many_and_no_more(gateway, issuer):
    token = issuer.token(sub="few")
    first, second = exchange(gateway, token), exchange(gateway, token)
    status, code, message, headers = refused(gateway, token=token)
    assert (status, code) == (429, "too_many_exchanged_keys") and first["principal"] in message and "2" in message
    assert 0 < int(headers["retry-after"]) <= 60
    gateway.run("key", "revoke", second["key_id"], "--data", str(gateway.data), "--reason", "not needed")
    wait_until(lambda: post(gateway, token=token)[0] == 200, 5, "one that is revoked makes room")
    assert ask(gateway, first["access_token"]).status_code == 200


def test_a_flood_is_bounded_and_cheap(gateway, issuer, module_fake):
    token, asked = issuer.token(sub="few"), issuer.asked_for_keys()
    exchanges = lambda _: post(gateway, token=token)[0]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(exchanges, range(400)))
    assert statuses.count(200) <= 2 and set(statuses) <= {200, 429}
    assert issuer.asked_for_keys() == asked, "the issuer hears nothing of it"
    assert ask(gateway, gateway.key).status_code == 200


def test_limits_of_the_rule_hold_for_its_keys(gateway, issuer):
    token = issuer.token(sub="slow")
    key = exchange(gateway, token)["access_token"]  # one
    assert ask(gateway, key).status_code == 200  # two
    assert ask(gateway, token).status_code == 200  # three, of one account
    assert refusal(gateway, key)[:2] == (429, "rate_limit_exceeded")


def test_while_the_store_is_anothers(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, callers=rules())})
    try:
        token = issuer.token(sub="robot")
        key = exchange(gateway, token)["access_token"]
        other = sqlite3.connect(gateway.data / "turnpike.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(refused, gateway, token=token)
            assert ask(gateway, key).status_code == 200 and ask(gateway, token).status_code == 200, "calls wait for nothing"
            status, code, message, headers = waiting.result(30)
            assert (status, code) == (503, "token_exchange_unavailable") and headers["x-should-retry"] == "true"
            assert "Send the token" in message or "send the token" in message
            waiting = pool.submit(post, gateway, token=token)
            time.sleep(0.3)
            other.execute("ROLLBACK")
            assert waiting.result(30)[0] == 200, "who waits gets it when the store is free"
        other.close()
    finally:
        gateway.stop()


def test_callers_who_leave_get_nothing_and_break_nothing(gateway, issuer):
    token = issuer.token(sub="robot")
    request = (f"POST /turnpike/v1/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
               "Content-Length: 0\r\n\r\n").encode()
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(request)
    assert exchange(gateway, token)["access_token"]


def test_other_methods_and_pipelines(gateway, issuer):
    status, headers, _ = gateway.get("/turnpike/v1/token", issuer.token(sub="robot"))
    assert status == 405 and headers["allow"] == "POST"


# -- their end -------------------------------------------------------------------------------------


def test_revoked_listed_and_audited(gateway, issuer):
    answer = exchange(gateway, issuer.token(sub="robot", jti="the-token"))
    data = ("--data", str(gateway.data))
    listed = [json.loads(line) for line in gateway.run("key", "list", *data, "--json").stdout.splitlines()]
    assert answer["key_id"] not in [key["id"] for key in listed], "the real keys do not drown"
    assert "more were given in exchange" in gateway.run("key", "list", *data).stdout
    exchanged = [json.loads(line) for line in gateway.run("key", "list", *data, "--exchanged", "--json").stdout.splitlines()]
    row = next(key for key in exchanged if key["id"] == answer["key_id"])
    assert row["principal"] == answer["principal"] and row["subject"] == "robot" and row["state"] == "live"
    assert "was given in exchange" in gateway.run("key", "rotate", answer["key_id"], *data, check=False).stderr
    assert "was given in exchange" in gateway.run("key", "edit", answer["key_id"], "--name", "x", *data, check=False).stderr
    gateway.run("key", "revoke", answer["access_token"], *data, "--reason", "leaked")
    wait_until(lambda: gateway.get("/v1/models", answer["access_token"])[0] == 401, 5, "it is revoked")
    status, code, message, _ = refusal(gateway, answer["access_token"])
    assert (status, code) == (401, "revoked_api_key") and "Exchange a token or certificate anew" in message
    assert "as its rule in the configuration says" in gateway.run("key", "show", answer["key_id"], *data).stdout
    shown = json.loads(gateway.run("key", "show", answer["key_id"], *data, "--json").stdout)
    assert shown["state"] == "revoked" and shown["revoked_reason"] == "leaked"

    def audit(*more):
        rows = [json.loads(line) for line in gateway.run("audit", *data, "--json", *more).stdout.splitlines()]
        return [(row["action"], row["object"], row["who"]) for row in rows if row["id"] == answer["key_id"]]

    assert [row[0] for row in audit()] == ["revoke"], "exchanges are not among what administrators did"
    assert ("create", "exchanged_key", answer["principal"]) in audit("--object", "exchanged_key")


def test_found_by_a_scan(gateway, issuer, tmp_path):
    key = exchange(gateway, issuer.token(sub="robot"))["access_token"]
    (tmp_path / "leak.env").write_text(f"OPENAI_API_KEY={key}\n")
    done = gateway.run("scan", str(tmp_path), "--data", str(gateway.data), "--json", check=False)
    found = json.loads(done.stdout)["findings"][0]
    assert found["state"] == "live" and found["line"] == 1, done.stdout


def test_spend_and_budgets_are_the_principals(gateway, issuer):
    token = issuer.token(**kubernetes_claims("prod", "spender"))
    answer = exchange(gateway, token)
    gateway.run("limit", "create", "--data", str(gateway.data), "--key", answer["principal"], "--requests", "1", "--per", "1h")
    wait_until(lambda: gateway.get("/v1/models", answer["access_token"])[0] == 429, 5, "the principal's limit holds for the key")
    assert gateway.get("/v1/models", token)[0] == 429
    assert refused(gateway, token=token)[:2] == (429, "rate_limit_exceeded"), "for exchanges too"


def test_rules_that_go_take_their_keys_along(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, callers=rules())}, workers=2)
    try:
        robot = exchange(gateway, issuer.token(sub="robot"))["access_token"]
        pod = exchange(gateway, issuer.token(**kubernetes_claims("prod", "ranker")))["access_token"]
        change_rules(gateway, issuer, rules()[1:])
        wait_until(lambda: gateway.get("/v1/models", robot)[0] == 401, 10, "its rule is gone")
        status, code, message, _ = refusal(gateway, robot)
        assert (status, code) == (401, "exchanged_key_outdated") and "robots" not in message
        assert ask(gateway, pod).status_code == 200, "the other rule's counts"
        change_rules(gateway, issuer, [{**rule, "models": ["gpt-4o"]} for rule in rules()])
        wait_until(lambda: gateway.get("/v1/models/fast", pod)[0] == 404, 10, "what the rule says now counts")
        assert refusal(gateway, pod)[:2] == (403, "model_not_allowed")
        assert gateway.get("/v1/models", robot)[0] == 200, "its rule is back"
    finally:
        gateway.stop()


def test_a_key_that_was_told_outlives_a_kill(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, callers=rules())}, workers=2)
    try:
        token = issuer.token(sub="robot")
        keys = [exchange(gateway, token)["access_token"] for _ in range(3)]
        gateway.kill()
        gateway.start()
        assert [ask(gateway, key).status_code for key in keys] == [200] * 3
        gateway.stop()
        gateway.start()
        assert ask(gateway, keys[0]).status_code == 200
    finally:
        gateway.stop()


def test_a_key_that_has_ended_is_called_so(gateway, issuer):
    answer = exchange(gateway, issuer.token(sub="robot"), expires_in=1)
    wait_until(lambda: gateway.get("/v1/models", answer["access_token"])[0] == 401, 5, "it ends")
    assert refusal(gateway, answer["access_token"])[:2] == (401, "expired_api_key")


# -- certificates ----------------------------------------------------------------------------------


def test_a_key_for_a_certificate(tmp_path, own_fake):
    authority = Authority(tmp_path)
    server_certificate, server_key, _ = authority.issue("127.0.0.1", file="gateway")
    listener = {"address": f"127.0.0.1:{free_port()}", "client_authority": str(authority.file),
                "certificates": [{"certificate": server_certificate, "key": server_key}], "client_certificate": "optional",
                "identify": ["key", "certificate"],
                "callers": [{"claims": {"uri": "spiffe://prod.example/*"}, "team": "robots", "key_lifetime": "24h"}]}
    gateway = start_with(tmp_path, own_fake, {}, listeners={"main": listener})
    try:
        certificate, key_file, _ = authority.issue("spiffe://prod.example/ns/x", file="x")
        context, bare = authority.client_context(), authority.client_context()
        context.load_cert_chain(certificate, key_file)
        url = f"https://127.0.0.1:{gateway.port}"
        with httpx.Client(verify=context) as client:
            given = client.post(url + "/turnpike/v1/token").json()
        with httpx.Client(verify=bare) as client:  # the key alone opens
            seen = client.get(url + "/turnpike/v1/whoami", headers={"Authorization": f"Bearer {given['access_token']}"}).json()
            assert seen["principal"]["kind"] == "certificate" and seen["principal"]["name"] == "spiffe://prod.example/ns/x"
            assert seen["principal"]["exchanged_key"] == given["key_id"]
            refused = client.post(url + "/turnpike/v1/token")
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "missing_token")
            assert "takes a client certificate" in refused.json()["error"]["message"]
    finally:
        gateway.stop()
