"""Callers without a key: tokens of issuers (docs/workload-identity.md)."""

import json
import re
import subprocess
import threading
import time

import httpx
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import admin_client
from certificates import Authority
from fake_issuer import FakeIssuer, jwk, kubernetes_claims, make_token
from gateway import Gateway, free_port, plain_config, wait_until
from workloads import CALLERS, HELLO, ask, client_of, real_provider, refusal, start_with, terms

@pytest.fixture
def issuer():
    issuer = FakeIssuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def gateway(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    yield gateway
    gateway.stop()


# -- a provider that is not ours -------------------------------------------------------------------


@pytest.fixture
def provider():
    with real_provider() as provider:
        yield provider


@pytest.fixture
def provider_gateway(tmp_path, own_fake, provider):
    issuers = {"oidc": {"issuer": provider.url, "audiences": ["turnpike"], "callers": CALLERS}}
    gateway = start_with(tmp_path, own_fake, issuers, workers=2)
    yield gateway
    gateway.stop()


@pytest.mark.parametrize("kid", ["rsa", "curve", "edwards"])
def test_tokens_of_a_real_provider(provider_gateway, provider, own_fake, kid):
    token = provider.token(kid, sub="robot", aud="turnpike", jti="first")
    answer = ask(provider_gateway, token)
    record = provider_gateway.wait_record(answer.headers["x-request-id"])
    assert record["outcome"] == "served" and record["team"] == "robots" and record["key_name"] == "robot"
    assert record["identified_by"] == "token" and record["token_issuer"] == provider.url
    assert record["token_subject"] == "robot" and record["token_id"] == "first"
    assert record["key_id"].startswith("wl_") and len(record["key_id"]) == 23
    assert own_fake.calls[-1].header("authorization") == "Bearer sk-upstream-test", "the token stays here"
    assert refusal(provider_gateway, provider.token(kid, sub="robot", aud="others"))[:2] == (401, "wrong_token_audience")


def test_a_real_provider_changes_its_keys(provider_gateway, provider):
    assert ask(provider_gateway, provider.token("curve", sub="robot", aud="turnpike")).status_code == 200
    assert provider.say({"rotate": "fresh"}) == "rotated"
    token = provider.token("fresh", sub="robot", aud="turnpike")
    # asked again at once, or refused with a word to try again where it was asked a moment ago
    with client_of(provider_gateway, token, retries=4) as client:
        assert client.chat.completions.create(model="fast", messages=HELLO).choices


# -- who is who ------------------------------------------------------------------------------------


def test_kubernetes(gateway, issuer):
    token = issuer.token(**kubernetes_claims("prod", "ranker"))
    record = gateway.wait_record(ask(gateway, token).headers["x-request-id"])
    assert record["team"] == "search" and record["key_name"] == "ranker"
    assert record["tags"] == {"env": "prod", "pod": "pod-0"}
    other = gateway.wait_record(ask(gateway, issuer.token(**kubernetes_claims("prod", "ranker", "pod-1"))).headers["x-request-id"])
    assert other["key_id"] == record["key_id"], "the same service account"
    third = gateway.wait_record(ask(gateway, issuer.token(**kubernetes_claims("prod", "indexer"))).headers["x-request-id"])
    assert third["key_id"] != record["key_id"]
    status, code, message, _ = refusal(gateway, issuer.token(**kubernetes_claims("dev", "ranker")))
    assert (status, code) == (403, "caller_not_accepted")
    assert "system:serviceaccount:dev:ranker" in message and "search" not in message and "prod" not in message


def test_models_of_a_rule(gateway, issuer):
    token = issuer.token(sub="repo:example/app:ref:refs/heads/main", repository="example/app", ref="refs/heads/main")
    assert ask(gateway, token).status_code == 200
    assert refusal(gateway, token, "gpt-4o")[:2] == (403, "model_not_allowed")
    with client_of(gateway, token) as client:
        assert [model.id for model in client.models.list()] == ["fast"]


def test_a_team_that_does_not_exist(gateway, issuer):
    status, code, message, _ = refusal(gateway, issuer.token(sub="homeless"))
    assert (status, code) == (403, "caller_without_team") and "nobody-made-it" not in message
    gateway.run("team", "create", "nobody-made-it", "--data", str(gateway.data))
    token = issuer.token(sub="homeless")
    wait_until(lambda: gateway.get("/v1/models", token)[0] == 200, 5, "the team is known")
    gateway.run("team", "delete", "nobody-made-it", "--data", str(gateway.data))
    wait_until(lambda: gateway.get("/v1/models", token)[0] == 403, 5, "the team is gone, for tokens let in before too")


def test_limits_of_team_and_principal(gateway, issuer):
    gateway.run("limit", "create", "--data", str(gateway.data), "--team", "robots", "--requests", "2", "--per", "1h")
    token = issuer.token()

    def limited():
        try:
            ask(gateway, token)
            return False
        except openai.RateLimitError:
            return True

    wait_until(limited, 5, "the team's limit holds")
    assert ask(gateway, issuer.token(**kubernetes_claims("prod", "ranker"))).status_code == 200


def test_limit_of_one_principal(gateway, issuer):
    first, second = issuer.token(**kubernetes_claims("prod", "ranker")), issuer.token(**kubernetes_claims("prod", "indexer"))
    principal = gateway.wait_record(ask(gateway, first).headers["x-request-id"])["key_id"]
    gateway.run("limit", "create", "--data", str(gateway.data), "--key", principal, "--requests", "0", "--per", "1h")
    wait_until(lambda: gateway.get("/v1/models", first)[0] == 429 or refused(gateway, first), 5, "its limit holds")
    assert ask(gateway, second).status_code == 200


def refused(gateway, token):
    try:
        ask(gateway, token)
        return False
    except openai.RateLimitError:
        return True


def test_limits_of_a_rule_are_each_callers_own(tmp_path, own_fake, issuer):
    callers = [{"claims": {"sub": "system:serviceaccount:prod:*"}, "team": "search", "limits": {"requests": 2, "per": "1h"}},
               {"claims": {"sub": "watched"}, "team": "robots", "limits": {"requests": 0, "mode": "observe"}},
               {"claims": {"sub": "one"}, "team": "robots", "limits": {"concurrent": 0, "tokens": 100000}}]
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, callers=callers)}, workers=2)
    try:
        first, second = issuer.token(**kubernetes_claims("prod", "ranker")), issuer.token(**kubernetes_claims("prod", "indexer"))
        left = [int(ask(gateway, first).headers["x-ratelimit-remaining-requests"]) for _ in range(2)]
        assert left == [1, 0]
        with pytest.raises(openai.RateLimitError) as caught:
            ask(gateway, first)
        about = caught.value.body["turnpike"]["rule"]
        assert about["id"] == "issuers.cluster.callers.[0].limits.requests" and about["of"].startswith("key wl_")
        again = issuer.token(**kubernetes_claims("prod", "ranker", "pod-1"))
        assert refused(gateway, again), "another token of the same caller"
        assert ask(gateway, second).status_code == 200, "another caller of the same rule"
        seen = json.loads(gateway.get("/turnpike/v1/whoami", second)[2])["limits"]
        assert [(limit["id"], limit["amount"], limit["left"]) for limit in seen] == [(about["id"], 2, 1)]
        assert seen[0]["resets_in_ms"] <= seen[0]["window_ms"]
        record = gateway.wait_record(ask(gateway, issuer.token(sub="watched")).headers["x-request-id"])
        assert record["observed"] == [{"reason": "limit", "id": "issuers.cluster.callers.[1].limits.requests"}]
        assert refusal(gateway, issuer.token(sub="one"))[0] == 429
    finally:
        gateway.stop()


def test_keys_work_beside_tokens(gateway):
    assert ask(gateway, gateway.key).status_code == 200
    record = gateway.wait_record(ask(gateway, gateway.key).headers["x-request-id"])
    assert "identified_by" not in record or record["identified_by"] in (None, "")
    assert refusal(gateway, "sk-foreign-key-of-a-provider")[:2] == (401, "invalid_api_key")


def test_what_a_listener_takes(tmp_path, own_fake, issuer):
    config = {"listeners": {"main": {"address": "127.0.0.1:0"}}}
    plain = plain_config(own_fake.url)
    config = {"main": {**plain["listeners"]["main"], "identify": ["token"]}}
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)}, listeners=config)
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        given = httpx.post(gateway.url + "/turnpike/v1/token", headers={"Authorization": f"Bearer {issuer.token()}"}).json()
        assert "takes no keys" in given["notice"], "who is given a key hears that this listener does not take it"
        for claim, code in (("iss", "unknown_token_issuer"), ("aud", "wrong_token_audience")):
            message = refusal(gateway, issuer.token(**{claim: None}))
            assert message[1] == code and f'it has no "{claim}"' in message[2], message
        key = gateway.create_key()["key"]
        status, code, message, _ = refusal(gateway, key)
        assert (status, code) == (401, "identity_not_accepted") and "a token (JWT)" in message
        for headers, said in (({}, "No token was sent, and nothing else"), ({"X-Api-Key": key}, "The header x-api-key was sent")):
            status, _, body = gateway.get("/v1/models", key="", headers=headers)
            error = json.loads(body)["error"]
            assert (status, error["code"]) == (401, "missing_token") and said in error["message"] and key not in str(error)
    finally:
        gateway.stop()


# -- attacks ---------------------------------------------------------------------------------------


def attacks(issuer):
    now = int(time.time())
    stranger = ec.generate_private_key(ec.SECP256R1())
    curve = issuer.keys["curve"]
    claims = json.dumps(issuer.claims())
    yield "none", 401, "invalid_token_signature", issuer.token(header={"alg": "none"}, algorithm="ES256")
    yield "none, nothing signed", 401, "malformed_token", issuer.token(header={"alg": "none"})
    yield "HS256", 401, "invalid_token_signature", issuer.token("rsa", header={"alg": "HS256"})
    yield "stranger", 401, "invalid_token_signature", issuer.token(key=stranger)
    yield "own key brought along", 401, "invalid_token_signature", issuer.token(
        key=stranger, header={"jwk": jwk("curve", stranger), "jku": issuer.url + "/evil", "x5u": issuer.url + "/evil"})
    yield "wrong curve", 401, "unknown_token_key", issuer.token(
        kid="curve", key=ec.generate_private_key(ec.SECP384R1()))
    yield "DER", 401, "invalid_token_signature", issuer.token(algorithm="ES256-der")
    yield "crit", 401, "malformed_token", issuer.token(header={"crit": ["exp"]})
    yield "typ", 401, "malformed_token", issuer.token(header={"typ": "logout+jwt"})
    yield "issuer", 401, "unknown_token_issuer", issuer.token(iss="https://elsewhere.example")
    yield "no issuer", 401, "unknown_token_issuer", issuer.token(iss=None)
    yield "audience", 401, "wrong_token_audience", issuer.token(aud="others")
    yield "audiences", 401, "wrong_token_audience", issuer.token(aud=["others", "turnpike-2"])
    yield "no audience", 401, "wrong_token_audience", issuer.token(aud=None)
    yield "expired", 401, "expired_token", issuer.token(iat=now - 900, exp=now - 60)
    yield "no end", 401, "invalid_token_claims", issuer.token(exp=None)
    yield "years", 401, "invalid_token_claims", issuer.token(exp=now + 86400 * 300)
    yield "early", 401, "token_not_yet_valid", issuer.token(nbf=now + 120)
    yield "of tomorrow", 401, "token_not_yet_valid", issuer.token(iat=now + 86400, exp=now + 90000)
    yield "twice", 401, "malformed_token", make_token(
        curve, {"alg": "ES256", "kid": "curve"}, claims[:-1] + ', "sub": "admin"}')
    yield "padded", 401, "malformed_token", issuer.token() + "=="
    yield "huge", 401, "malformed_token", issuer.token(fill="x" * 20000)
    yield "a part of one", 401, "malformed_token", issuer.token()[:60]
    yield "unknown key", 401, "unknown_token_key", issuer.token(header={"kid": "no-such-key"})


def test_attacks(gateway, issuer, own_fake):
    assert ask(gateway, issuer.token()).status_code == 200
    before = len(own_fake.calls)
    for name, status, code, token in attacks(issuer):
        seen = refusal(gateway, token)
        assert seen[:2] == (status, code), f"{name}: {seen}"
        for secret in ("robots", "search", "pipelines", "nobody-made-it"):
            assert secret not in seen[2], f"{name} tells of {secret}: {seen[2]}"
    assert len(own_fake.calls) == before, "nothing went out"
    assert issuer.asked.count("/evil") == 0
    assert ask(gateway, issuer.token()).status_code == 200


def test_weak_keys_are_left_out(tmp_path, own_fake, issuer):
    issuer.keys["weak"] = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        assert refusal(gateway, issuer.token("weak"))[:2] == (401, "unknown_token_key")
        wait_until(lambda: 'key "weak" is left out' in gateway.stderr(), 5, "a word about the weak key")
    finally:
        gateway.stop()


def test_unknown_keys_do_not_hammer_the_issuer(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)}, workers=2)
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        asked, began = issuer.asked_for_keys(), time.monotonic()
        refused = []

        def flood(number):
            for i in range(50):
                refused.append(gateway.get("/v1/models", issuer.token(header={"kid": f"k{number}-{i}"}))[0])

        threads = [threading.Thread(target=flood, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert refused == [401] * 400
        allowed = 2 + (time.monotonic() - began) / 10
        assert issuer.asked_for_keys() - asked <= allowed
        assert ask(gateway, issuer.token()).status_code == 200
    finally:
        gateway.stop()


# -- the issuer's bad days -------------------------------------------------------------------------


def test_starts_without_the_issuer(tmp_path, own_fake, issuer):
    issuer.hold.clear()
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    try:
        assert ask(gateway, gateway.key).status_code == 200, "who has a key does not wait"
        answers = []
        thread = threading.Thread(target=lambda: answers.append(ask(gateway, issuer.token()).status_code))
        thread.start()
        issuer.hold.set()
        thread.join(20)
        assert answers == [200], "waited for the first keys"
    finally:
        gateway.stop()


def test_waits_a_bounded_time(tmp_path, own_fake, issuer):
    issuer.hold.clear()
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    try:
        began = time.monotonic()
        status, code, _, headers = refusal(gateway, issuer.token())
        assert (status, code) == (503, "token_keys_unavailable") and headers["x-should-retry"] == "true"
        assert time.monotonic() - began < 30
    finally:
        issuer.hold.set()
        gateway.stop()


def test_keys_count_while_the_issuer_is_down(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, refresh="10s")})
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        issuer.down = 503
        asked = issuer.asked.count("/.well-known/openid-configuration")
        wait_until(lambda: issuer.asked.count("/.well-known/openid-configuration") > asked, 30, "asked ahead of need")
        wait_until(lambda: "answered 503" in gateway.stderr(), 10, "a note")
        assert ask(gateway, issuer.token()).status_code == 200
        wait_until(lambda: 'turnpike_issuer_up{issuer="cluster"} 0' in gateway.get("/metrics")[2].decode(), 10, "the metric")
        assert 'turnpike_issuer_keys{issuer="cluster"} 2' in gateway.get("/metrics")[2].decode()
        issuer.down = None
        wait_until(lambda: "can be fetched again" in gateway.stderr(), 90, "a note")
    finally:
        gateway.stop()


def test_keys_are_kept_over_a_restart(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        gateway.stop()
        issuer.down = 503
        gateway.start()
        began = time.monotonic()
        assert ask(gateway, issuer.token()).status_code == 200, "nobody waits for an issuer that is down"
        assert time.monotonic() - began < 4
        admin = json.loads(gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", "x", "--role", "owner", "--json").stdout)
        wait_until(lambda: status_of(gateway, admin["key"])["problem"], 10, "it was asked")
        status = status_of(gateway, admin["key"])
        assert status["kept"] and not status["working"] and status["keys"] == 2 and "503" in status["problem"]
        assert status["fetched_at"] < status["good_until"]
        gateway.stop()
        (kept,) = (gateway.data / "issuers").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        said = json.loads(kept.read_text())
        kept.write_text(json.dumps({**said, "fetched_at": said["fetched_at"] - 25 * 3600 * 10**9}))
        gateway.start()
        assert refusal(gateway, issuer.token())[:2] == (503, "token_keys_unavailable"), "older than keys_good_for"
        gateway.stop()
        kept.write_text(json.dumps({**said, "issuer": "https://elsewhere.example"}))
        issuer.down = None
        gateway.start()
        assert "cannot be used" in gateway.stderr()
        assert ask(gateway, issuer.token()).status_code == 200, "they are fetched anew"
    finally:
        gateway.stop()


def status_of(gateway, key):
    return admin_client.AdminClient(gateway, key).get("/status")["issuers"][0]


def test_a_key_taken_back_counts_no_more(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, refresh="10s")})
    try:
        token, other = issuer.token("curve"), issuer.token("rsa")
        assert ask(gateway, token).status_code == 200 and ask(gateway, other).status_code == 200
        del issuer.keys["curve"]
        wait_until(lambda: gateway.get("/v1/models", token)[0] == 401, 40, "the token that was remembered is refused")
        assert ask(gateway, other).status_code == 200
    finally:
        gateway.stop()


def test_discovery_of_another_issuer(tmp_path, own_fake, issuer):
    configured = terms(issuer)
    issuer.says = "https://elsewhere.example"
    gateway = start_with(tmp_path, own_fake, {"cluster": configured})
    try:
        wait_until(lambda: "of another issuer" in gateway.stderr(), 10, "a note")
        assert refusal(gateway, issuer.token(iss=configured["issuer"]))[:2] == (503, "token_keys_unavailable")
    finally:
        gateway.stop()


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AA"}]}', b"x" * 300_000],
                         ids=["empty", "html", "object", "none", "secret", "huge"])
def test_sets_that_are_none(tmp_path, own_fake, issuer, body):
    issuer.jwks = body
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, jwks_url=issuer.url + "/keys")})
    try:
        wait_until(lambda: "cannot be fetched" in gateway.stderr(), 10, "a note")
        issuer.jwks = None
        with client_of(gateway, issuer.token(), retries=5) as client:
            assert client.chat.completions.create(model="fast", messages=HELLO).choices
    finally:
        gateway.stop()


# -- keys from elsewhere ---------------------------------------------------------------------------


def test_keys_of_a_file(tmp_path, own_fake, issuer):
    (tmp_path / "keys.json").write_bytes(issuer.set_of_keys())
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, jwks_file="keys.json")})
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        assert issuer.asked == []
    finally:
        gateway.stop()


def test_asked_with_a_token_of_a_file(tmp_path, own_fake, issuer):
    (tmp_path / "own-token").write_text("pod-token\n")
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer, bearer_file="own-token")})
    try:
        assert ask(gateway, issuer.token()).status_code == 200
        assert {headers["Authorization"] for headers in issuer.headers} == {"Bearer pod-token"}
    finally:
        gateway.stop()


def test_rules_change_with_a_reload(gateway, issuer):
    token = issuer.token()
    assert ask(gateway, token).status_code == 200
    config = json.loads(json.dumps(gateway.config))
    config["issuers"]["cluster"]["callers"] = CALLERS[:2]
    gateway.write_config(config)
    wait_until(lambda: gateway.get("/v1/models", token)[0] == 403, 10, "the rule is gone")
    assert ask(gateway, issuer.token(**kubernetes_claims("prod", "ranker"))).status_code == 200
    assert issuer.asked_for_keys() <= 2, "its keys stay"


# -- client certificates ----------------------------------------------------------------------------

HOLDERS = [
    {"claims": {"uri": "spiffe://prod.example/ns/search/*"}, "team": "search", "tags": {"id": "{/uri/0}"}},
    {"claims": {"dns": "*.batch.example"}, "team": "pipelines", "name": "batch"},
    {"claims": {"subject": "CN=by-subject"}, "team": "robots"},
]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def guarded(tmp_path, own_fake, authority):
    """A gateway that asks for client certificates."""
    certificate, key, _ = authority.issue("127.0.0.1", file="gateway")
    listener = {"address": f"127.0.0.1:{free_port()}", "certificates": [{"certificate": certificate, "key": key}],
                "client_authority": str(authority.file), "client_certificate": "optional",
                "identify": ["key", "certificate"], "callers": HOLDERS}
    gateway = Gateway(tmp_path, plain_config(own_fake.url, listeners={"main": listener}))
    for team in ("search", "pipelines", "robots"):
        gateway.run("team", "create", team, "--data", str(gateway.data))
    gateway.start()
    yield gateway
    gateway.stop()


def holder(gateway, authority, *names, key="certificate"):
    """A client whose certificate has these names; without any it has none."""
    context = authority.client_context()
    if names:
        certificate, key_file, _ = authority.issue(*names, file=re.sub(r"\W", "-", "-".join(names)))
        context.load_cert_chain(certificate, key_file)
    return openai.OpenAI(base_url=f"https://127.0.0.1:{gateway.port}/v1", api_key=key, max_retries=0,
                         http_client=openai.DefaultHttpxClient(verify=context))


def ask_as(client):
    with client:
        return client.chat.completions.with_raw_response.create(model="fast", messages=HELLO)


def refused_as(client):
    with pytest.raises(openai.APIStatusError) as caught:
        ask_as(client)
    return caught.value.status_code, caught.value.body["code"]


def test_spiffe_certificates(guarded, authority):
    name = "spiffe://prod.example/ns/search/sa/ranker"
    record = guarded.wait_record(ask_as(holder(guarded, authority, name)).headers["x-request-id"])
    assert record["team"] == "search" and record["key_name"] == name and record["tags"] == {"id": name}
    assert record["identified_by"] == "certificate" and record["token_subject"] == name
    assert record["token_issuer"] == "CN=Turnpike test authority" and record["key_id"].startswith("wl_")
    again = guarded.wait_record(ask_as(holder(guarded, authority, name)).headers["x-request-id"])
    assert again["key_id"] == record["key_id"], "another certificate of the same workload"
    assert refused_as(holder(guarded, authority, "spiffe://prod.example/ns/other/sa/ranker")) == (403, "caller_not_accepted")
    assert refused_as(holder(guarded, authority, "spiffe://prod.example.evil/ns/search/sa/x")) == (403, "caller_not_accepted")
    assert refused_as(holder(guarded, authority, name, "spiffe://prod.example/ns/other/x")) == (401, "unusable_certificate")


def test_other_names_of_certificates(guarded, authority):
    record = guarded.wait_record(ask_as(holder(guarded, authority, "night.batch.example")).headers["x-request-id"])
    assert record["team"] == "pipelines" and record["key_name"] == "batch" and record["token_subject"] == "night.batch.example"
    record = guarded.wait_record(ask_as(holder(guarded, authority, "by-subject")).headers["x-request-id"])
    assert record["team"] == "robots"


def test_a_key_counts_before_the_certificate(guarded, authority):
    key = guarded.create_key("narrow", "--team", "robots")["key"]
    name = "spiffe://prod.example/ns/search/sa/ranker"
    wait_until(lambda: ask_with(guarded, authority, name, key), 5, "the key is known")
    record = guarded.wait_record(ask_as(holder(guarded, authority, name, key=key)).headers["x-request-id"])
    assert record["team"] == "robots" and record["key_name"] == "narrow"
    assert refused_as(holder(guarded, authority, name, key="tpk_wrong"))[0] == 401, "a wrong key is not helped by one"
    assert refused_as(holder(guarded, authority)) == (401, "missing_certificate")


def ask_with(gateway, authority, name, key):
    try:
        return ask_as(holder(gateway, authority, name, key=key)).status_code == 200
    except openai.AuthenticationError:
        return False


def test_a_certificate_of_a_stranger(guarded, authority, tmp_path):
    (tmp_path / "strange").mkdir()
    stranger = Authority(tmp_path / "strange")
    certificate, key, _ = stranger.issue("spiffe://prod.example/ns/search/sa/ranker")
    context = authority.client_context()
    context.load_cert_chain(certificate, key)
    client = openai.OpenAI(base_url=f"https://127.0.0.1:{guarded.port}/v1", api_key="certificate", max_retries=0,
                           http_client=openai.DefaultHttpxClient(verify=context))
    with pytest.raises(openai.APIConnectionError):
        ask_as(client)


# -- what check says -------------------------------------------------------------------------------


def test_check_of_listeners(tmp_path, own_fake):
    config = plain_config(own_fake.url)
    for change, words in (
        ({"identify": ["token"]}, "no \"issuers\" whose tokens"),
        ({"identify": ["certificate"]}, "callers are asked for none here"),
        ({"callers": HOLDERS}, "\"identify\" has no certificate"),
        ({"identify": ["password"]}, "expected key, token or certificate"),
    ):
        gateway = Gateway(tmp_path, {**config, "listeners": {"main": {**config["listeners"]["main"], **change}}})
        done = gateway.run("check", str(gateway.config_file), check=False)
        assert done.returncode == 1 and words in done.stdout, done.stdout


@pytest.mark.parametrize("change, words", [
    ({"jwks_url": "http://issuer.example/keys"}, "asked by https:// alone"),
    ({"issuer": "cluster.local"}, "no URL that could be asked for its keys"),
    ({"audiences": []}, "it is empty"),
    ({"algorithms": ["HS256"]}, "expected RS256"),
    ({"jwks_url": "https://a.example/keys", "jwks_file": "keys.json"}, "which of them is it"),
    ({"callers": [{"claims": {"sub": "*"}, "team": "robots"}]}, "every caller of the issuer would match"),
    ({"callers": [{"claims": {}, "team": "robots"}]}, "it is empty"),
    ({"callers": [{"claims": {"sub": "x"}}]}, "\"team\" is missing"),
    ({"callers": [{"claims": {"sub": "x"}, "team": "robots", "name": "{sub"}]}, "a { without its }"),
    ({"callers": [{"claims": {"sub": "x"}, "team": "robots", "tags": {"a b": "c"}}]}, "a tag's name"),
    ({"callers": [{"claims": {"sub": "x"}, "team": "robots", "tags": {"a": "x" * 600}}]}, "at most 32 tags"),
])
def test_check(tmp_path, own_fake, issuer, change, words):
    config = plain_config(own_fake.url, issuers={"cluster": {**terms(issuer), **change}})
    gateway = Gateway(tmp_path, config)
    done = gateway.run("check", str(gateway.config_file), check=False)
    assert done.returncode == 1 and words in done.stdout, done.stdout


def test_check_reads_the_files_of_issuers(tmp_path, own_fake, issuer):
    keys, empty = tmp_path / "keys.json", tmp_path / "empty"
    empty.write_text("")
    base = {"issuer": issuer.says, "audiences": ["turnpike"], "callers": CALLERS}

    def check(code, **more):
        gateway = Gateway(tmp_path, plain_config(own_fake.url, issuers={"cluster": {**base, **more}}))
        done = gateway.run("check", str(gateway.config_file), check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return " ".join(done.stdout.split())

    missing = check(1, jwks_file=str(keys))
    assert "issuers.cluster.jwks_file" in missing and str(keys) in missing and "No such file" in missing
    keys.write_text("{}")
    assert "is no set of keys that can be used" in check(1, jwks_file=str(keys))
    issuer.keys["weak"] = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    keys.write_bytes(issuer.set_of_keys())
    assert 'key "weak" is left out' in check(0, jwks_file=str(keys))
    del issuer.keys["weak"]
    keys.write_bytes(issuer.set_of_keys())
    assert "good" in check(0, jwks_file=str(keys))
    said = check(1, jwks_url="https://issuer.example/keys", authority=str(tmp_path / "no.pem"))
    assert "issuers.cluster.authority" in said and "no.pem" in said and "No such file" in said and "system lib" not in said
    assert "authority" in check(1, jwks_url="https://issuer.example/keys", authority=str(empty))
    assert "empty is empty" in check(1, jwks_url="https://issuer.example/keys", bearer_file=str(empty))
    listener = {"address": f"127.0.0.1:{free_port()}", "client_authority": str(tmp_path / "no-bundle.pem"),
                "certificates": [{"certificate": str(tmp_path / "none.pem"), "key": "none.key"}], "client_certificate": "required"}
    gateway = Gateway(tmp_path, plain_config(own_fake.url, listeners={"main": listener}))
    said = " ".join(gateway.run("check", str(gateway.config_file), check=False).stdout.split())
    assert "none.pem" in said and "No such file or directory" in said and "system lib" not in said


def test_doctor_asks_issuers(tmp_path, own_fake, issuer):
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})

    def row():
        done = gateway.run("doctor", "--config", str(gateway.config_file), "--data", str(gateway.data), "--json", check=False)
        return next(row for row in json.loads(done.stdout)["checks"] if row["check"] == "issuer")

    try:
        assert ask(gateway, issuer.token()).status_code == 200
        assert row()["result"] == "pass" and "cluster: 2 keys" in row()["detail"]
        issuer.down = 503
        seen = row()
        assert seen["result"] == "warn" and "answered 503" in seen["detail"] and "keys of before count until" in seen["detail"]
        for kept in (gateway.data / "issuers").iterdir():
            kept.unlink()
        seen = row()
        assert seen["result"] == "fail" and "answered 503" in seen["detail"] and "jwks_url" in seen["fix"]
    finally:
        gateway.stop()


def test_an_empty_list_of_ways_to_identify(tmp_path, own_fake):
    plain = plain_config(own_fake.url)
    gateway = Gateway(tmp_path, {**plain, "listeners": {"main": {**plain["listeners"]["main"], "identify": []}}})
    done = gateway.run("check", str(gateway.config_file), check=False)
    assert done.returncode == 1 and "listeners.main.identify" in done.stdout and "[key, token]" in " ".join(done.stdout.split())
