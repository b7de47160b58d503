"""Credentials whose tokens are fetched and kept fresh, and several for one provider (docs/credentials.md)."""

import base64
import collections
import concurrent.futures
import datetime
import json
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth import crypt, jwt

from admin_client import AdminClient
from fake_tokens import ROLE, FakeTokens
from gateway import Gateway, plain_config, wait_until

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def tokens():
    fake = FakeTokens()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def start(tmp_path, own_fake):
    """start(credentials, …): a gateway whose provider has them."""
    started = []

    def begin(credentials, workers=1, environment=None, **provider):
        config = plain_config(own_fake.url, workers=workers)
        del config["providers"]["up"]["api_key"]
        config["providers"]["up"] |= {"credentials": credentials, **provider}
        config["providers"]["other"] = {"base_url": own_fake.url + "/v1", "api_key": "env:UPSTREAM_KEY"}
        config["models"]["elsewhere"] = {"targets": [{"provider": "other"}]}
        home = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
        gateway = Gateway(tmp_path, config, environment=home | (environment or {})).start()
        started.append(gateway)
        assert gateway.key, "made here once, before several threads want it"
        return gateway

    yield begin
    for gateway in started:
        gateway.stop()


def client_of(gateway):
    return openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0)


def ask(gateway, model="fast"):
    with client_of(gateway) as client:
        return client.chat.completions.create(model=model, messages=HELLO)


def sent(fake):
    """What the provider was shown, in order."""
    return [call.header("authorization") for call in fake.calls]


def metric(gateway, name, **labels):
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    for line in gateway.get("/metrics")[2].decode().splitlines():
        if line.startswith(name + "{") and all(label in line for label in wanted):
            return float(line.rsplit(" ", 1)[1])
    return None


# ---------------------------------------------------------------- Google


def service_account(tmp_path, key, **more):
    path = tmp_path / "google.json"
    path.write_text(json.dumps({"type": "service_account", "client_email": "models@example.iam.gserviceaccount.com",
                                "private_key": pem(key).decode(), "private_key_id": "key-1", **more}))
    return str(path)


def google(tokens, path):
    return {"name": "google", "google": {"credentials_file": path, "token_url": tokens.url + "/token"}}


def test_service_account(start, tokens, own_fake, tmp_path, rsa_key):
    gateway = start([google(tokens, service_account(tmp_path, rsa_key))])
    ask(gateway)
    assert sent(own_fake) == ["Bearer token-1"]
    form = tokens.asked[0].form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.decode_header(form["assertion"]) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    # google-auth verifies the signature and the times.
    claims = jwt.decode(form["assertion"], certs=public_pem(rsa_key), verify=True)
    assert claims["iss"] == "models@example.iam.gserviceaccount.com"
    assert claims["aud"] == "https://oauth2.googleapis.com/token"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600


def test_user(start, tokens, own_fake, tmp_path):
    path = tmp_path / "user.json"
    path.write_text(json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": "s&s", "refresh_token": "r"}))
    ask(start([google(tokens, str(path))]))
    assert tokens.asked[0].form == {"grant_type": "refresh_token", "client_id": "c", "client_secret": "s&s", "refresh_token": "r"}
    assert sent(own_fake) == ["Bearer token-1"]


@pytest.mark.parametrize("origin", ["file", "json file", "url"])
def test_workload_identity_federation(start, tokens, own_fake, tmp_path, origin):
    subject = tmp_path / "subject"
    subject.write_text('{"id": "subject-in-json"}' if origin == "json file" else "subject-in-file\n")
    sources = {"file": {"file": str(subject)},
               "json file": {"file": str(subject), "format": {"type": "json", "subject_token_field_name": "id"}},
               "url": {"url": tokens.url + "/subject", "headers": {"x-proof": "1"}, "format": {"type": "json", "subject_token_field_name": "value"}}}
    path = tmp_path / "external.json"
    path.write_text(json.dumps({"type": "external_account", "audience": "//iam.googleapis.com/pool", "credential_source": sources[origin],
                                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.invalid/",
                                "service_account_impersonation_url": tokens.url + "/impersonate/sa"}))
    ask(start([google(tokens, str(path))]))
    exchange = next(asked for asked in tokens.asked if asked.path == "/token").form
    assert exchange["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert exchange["subject_token"] == {"file": "subject-in-file", "json file": "subject-in-json", "url": "subject-by-url"}[origin]
    assert exchange["audience"] == "//iam.googleapis.com/pool"
    impersonation = tokens.asked[-1]
    assert impersonation.path == "/impersonate/sa"
    assert impersonation.headers["authorization"] == f"Bearer token-{len(tokens.asked) - 1}"
    assert sent(own_fake) == [f"Bearer impersonated-{len(tokens.asked)}"]


def test_google_metadata_server(start, tokens, own_fake):
    ask(start([{"name": "g", "google": {"metadata_url": tokens.url}}]))
    asked = tokens.asked[0]
    assert asked.path == "/computeMetadata/v1/instance/service-accounts/default/token"
    assert asked.headers["metadata-flavor"] == "Google"
    assert sent(own_fake) == ["Bearer token-1"]


# ---------------------------------------------------------------- Azure


def azure(tokens, **more):
    return {"name": "entra", "azure": {"tenant_id": "tenant", "client_id": "client", "authority_url": tokens.url, **more}}


def test_client_secret(start, tokens, own_fake):
    gateway = start([azure(tokens, client_secret="env:UPSTREAM_KEY")], type="azure")
    ask(gateway)
    assert tokens.asked[0].path == "/tenant/oauth2/v2.0/token"
    assert tokens.asked[0].form == {"grant_type": "client_credentials", "client_id": "client", "client_secret": "sk-upstream-test",
                                    "scope": "https://cognitiveservices.azure.com/.default"}
    assert sent(own_fake) == ["Bearer token-1"]
    assert own_fake.calls[0].header("api-key") is None


def test_client_certificate(start, tokens, own_fake, tmp_path, rsa_key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key.public_key())
                   .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(rsa_key, hashes.SHA256()))
    path = tmp_path / "entra.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + pem(rsa_key))
    ask(start([azure(tokens, certificate=str(path))]))
    form = tokens.asked[0].form
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    parts = form["client_assertion"].split(".")
    header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
    rsa_key.public_key().verify(signature, ".".join(parts[:2]).encode(),
                                padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH), hashes.SHA256())
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    assert json.loads(header) == {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    claims = json.loads(claims)
    assert claims["iss"] == claims["sub"] == "client"
    assert claims["aud"] == tokens.url + "/tenant/oauth2/v2.0/token"
    assert claims["nbf"] <= time.time() < claims["exp"]
    assert sent(own_fake) == ["Bearer token-1"]


def test_azure_workload_identity(start, tokens, own_fake, tmp_path):
    """As AKS sets it up: all by the environment, the token's file replaced while we run."""
    path = tmp_path / "federated"
    path.write_text("first\n")
    tokens.lifetime = 4
    start([{"name": "aks", "azure": {}}], environment={"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_AUTHORITY_HOST": tokens.url + "/",
                                                       "AZURE_FEDERATED_TOKEN_FILE": str(path)})
    tokens.wait_asked(1)
    path.write_text("second\n")
    tokens.wait_asked(2)
    assert [asked.form["client_assertion"] for asked in tokens.asked[:2]] == ["first", "second"]
    assert tokens.asked[0].path == "/t/oauth2/v2.0/token"


def test_managed_identity(start, tokens, own_fake):
    ask(start([{"name": "vm", "azure": {"client_id": "mine", "metadata_url": tokens.url}}]))
    asked = tokens.asked[0]
    assert (asked.path, asked.headers["metadata"]) == ("/metadata/identity/oauth2/token", "true")
    assert asked.query == {"api-version": "2018-02-01", "resource": "https://cognitiveservices.azure.com", "client_id": "mine"}
    assert sent(own_fake) == ["Bearer token-1"]


def test_app_service(start, tokens, own_fake):
    ask(start([{"name": "app", "azure": {}}], environment={"IDENTITY_ENDPOINT": tokens.url + "/msi/token", "IDENTITY_HEADER": "proof"}))
    asked = tokens.asked[0]
    assert (asked.path, asked.headers["x-identity-header"]) == ("/msi/token", "proof")
    assert asked.query["api-version"] == "2019-08-01"
    assert sent(own_fake) == ["Bearer token-1"]


# ---------------------------------------------------------------- AWS


SIGNING = {"type": "bedrock", "aws": {"region": "eu-west-1"}}


def is_up(gateway):
    return wait_until(lambda: metric(gateway, "turnpike_credential_up", credential="aws") == 1, 20, "the credential")


def test_instance_metadata(start, tokens):
    gateway = start([{"name": "aws", "aws": {"metadata_url": tokens.url}}], environment={"AWS_EC2_METADATA_DISABLED": ""}, **SIGNING)
    assert is_up(gateway)
    assert [asked.path.rsplit("/", 1)[1] for asked in tokens.asked] == ["token", "", ROLE]
    assert metric(gateway, "turnpike_credential_expiry_timestamp_seconds", credential="aws") == pytest.approx(time.time() + 3600, abs=60)


def test_container(start, tokens, tmp_path):
    path = tmp_path / "pod-token"
    path.write_text("pod\n")
    gateway = start([{"name": "aws", "aws": {}}], environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": tokens.url + "/container",
                                                              "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}, **SIGNING)
    assert is_up(gateway)
    assert tokens.asked[0].headers["authorization"] == "pod"


def test_web_identity(start, tokens, tmp_path):
    path = tmp_path / "identity"
    path.write_text("kubernetes-says\n")
    gateway = start([{"name": "aws", "aws": {"sts_url": tokens.url + "/sts"}}],
                    environment={"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}, **SIGNING)
    assert is_up(gateway)
    assert tokens.asked[0].form == {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::1:role/r",
                                    "RoleSessionName": "turnpike", "WebIdentityToken": "kubernetes-says"}
    assert "authorization" not in tokens.asked[0].headers


def signature_of(asked, key, secret, region, monkeypatch):
    """What botocore would have signed it with."""
    now = datetime.datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    request = botocore.awsrequest.AWSRequest("POST", f"http://{asked.headers['host']}{asked.target}", data=asked.body,
                                             headers={"content-type": asked.headers["content-type"], "host": asked.headers["host"]})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), "sts", region).add_auth(request)
    return request.headers["Authorization"]


def test_profile_with_a_role(start, tokens, tmp_path, monkeypatch):
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key=shh\n")
    (folder / "config").write_text("[default]\nregion = x\n[profile models]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile=base\nexternal_id = e\n")
    gateway = start([{"name": "aws", "aws": {"profile": "models", "sts_url": tokens.url + "/sts/"}}], **SIGNING)
    assert is_up(gateway)
    asked = tokens.asked[0]
    assert asked.form["Action"] == "AssumeRole"
    assert asked.form["ExternalId"] == "e"
    assert asked.headers["authorization"] == signature_of(asked, "AKIDBASE", "shh", "eu-west-1", monkeypatch)


def test_bearer_token_of_bedrock(start, own_fake):
    ask(start([{"name": "aws", "aws": {}}], environment={"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key"}))
    assert sent(own_fake) == ["Bearer bedrock-api-key"]


def test_nothing_tells_of_a_key(start):
    gateway = start([{"name": "aws", "aws": {}}], **SIGNING)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert "credential aws of provider up: nothing here tells of a key" in caught.value.message


# ---------------------------------------------------------------- fresh, or the reason why not


def machine(tokens):
    return [{"name": "vm", "azure": {"metadata_url": tokens.url}}]


def test_refreshed_ahead_of_expiry(start, tokens, own_fake):
    tokens.lifetime = 4
    gateway = start(machine(tokens))
    end = time.monotonic() + 7
    while time.monotonic() < end:
        ask(gateway)
        time.sleep(0.1)
    shown = sent(own_fake)
    assert {"Bearer token-1", "Bearer token-2", "Bearer token-3"} <= set(shown)
    assert shown == sorted(shown), "none is used again once there is a newer one"
    assert metric(gateway, "turnpike_credential_refreshes_total", credential="vm", result="success") >= 3


def test_the_old_token_serves_while_the_issuer_is_down(start, tokens, own_fake):
    tokens.lifetime = 6
    gateway = start(machine(tokens))
    ask(gateway)
    tokens.down = 503
    tokens.wait_asked(3)  # two refreshes have failed by now
    ask(gateway)
    assert set(sent(own_fake)) == {"Bearer token-1"}
    assert metric(gateway, "turnpike_credential_up", credential="vm") == 0

    def refused():
        try:
            ask(gateway)
        except openai.InternalServerError as error:
            return error
        return None

    error = wait_until(refused, 15, "the token's end")
    assert (error.status_code, error.code) == (502, "upstream_credential_unavailable")
    assert f"credential vm of provider up: {tokens.url} answered 503" in error.message
    began = time.monotonic()
    assert refused()
    assert time.monotonic() - began < 2, "it is refused at once, not after a wait"
    tokens.down = None
    wait_until(lambda: not refused(), 30, "the next token")
    assert "cannot be refreshed" in gateway.stderr()
    assert "is refreshed again" in gateway.stderr()


def test_a_slow_issuer_holds_up_nobody_else(start, tokens, own_fake):
    tokens.hold.clear()
    gateway = start([azure(tokens, client_secret="env:UPSTREAM_KEY")], workers=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(ask, gateway) for _ in range(3)]
        tokens.wait_asked(1)
        for _ in range(5):
            ask(gateway, "elsewhere")
        assert not any(call.done() for call in waiting)
        tokens.hold.set()
        for call in waiting:
            assert call.result(timeout=10)
    assert len(tokens.asked) == 1, "one fetch for all"
    assert sent(own_fake).count("Bearer token-1") == 3


def test_a_caller_who_leaves_while_waiting(start, tokens, own_fake):
    tokens.hold.clear()
    gateway = start([azure(tokens, client_secret="env:UPSTREAM_KEY")])
    with client_of(gateway) as client, pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(model="fast", messages=HELLO)
    tokens.hold.set()
    ask(gateway)
    assert len(own_fake.calls) == 1


def test_a_refused_token_is_fetched_anew_once(start, tokens, own_fake):
    gateway = start(machine(tokens))
    refused = {"Bearer token-1"}

    async def refuse(call):
        await call.body()
        if call.header("authorization") in refused:
            call.answer({"error": {"message": "expired"}}, status=401)
        else:
            call.answer({"id": "x", "object": "chat.completion", "choices": []})

    script = own_fake.script(refuse)
    ask(gateway, script.model)
    assert sent(script) == ["Bearer token-1", "Bearer token-2"]
    refused.add("Bearer token-2")
    for _ in range(3):
        with pytest.raises(openai.InternalServerError) as caught:
            ask(gateway, script.model)
        assert caught.value.code == "upstream_credential_unavailable"
    assert len(tokens.asked) == 2, "a provider that refuses every token does not make us ask for one after another"


@pytest.mark.parametrize("body, reason", [
    (b"<html>", "answered what is no JSON object"),
    (b"[]", "answered what is no JSON object"),
    (b"{}", "has no access_token"),
    (b'{"access_token": "t"}', "does not say for how long"),
    (b'{"access_token": "t", "expires_in": -1}', "does not say for how long"),
    (b'{"access_token": "a\\r\\nx: y", "expires_in": 3600}', "a character that no token has"),
    (b'{"access_token": "' + b"t" * 300_000 + b'", "expires_in": 3600}', "answered more than 256 KiB"),
])
def test_wrong_answers(start, tokens, body, reason):
    tokens.body = body
    gateway = start(machine(tokens))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert caught.value.code == "upstream_credential_unavailable"
    assert reason in caught.value.message


def test_an_issuer_in_clear_is_not_asked(start, tmp_path, rsa_key):
    path = service_account(tmp_path, rsa_key, token_uri="http://192.0.2.1/token")
    gateway = start([{"name": "google", "google": {"credentials_file": path}}])
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gateway)
    assert "would have credentials travel in clear" in caught.value.message


def test_status_tells_of_each(start, tokens):
    gateway = start([*machine(tokens), {"name": "broken", "google": {"credentials_file": "missing.json"}}])
    done = gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", "o", "--role", "owner", "--json")
    admin = AdminClient(gateway, json.loads(done.stdout)["key"])
    wait_until(lambda: all(row["working"] or row["problem"] for row in admin.get("/status")["credentials"]), 20, "both were tried")
    vm, broken = admin.get("/status")["credentials"]
    assert (vm["provider"], vm["name"], vm["working"], vm["problem"], vm["calls"]) == ("up", "vm", True, None, 0)
    expires = datetime.datetime.fromisoformat(vm["expires_at"]).timestamp()
    assert expires == pytest.approx(time.time() + 3600, abs=60)
    assert (broken["working"], broken["expires_at"], broken["refreshed_at"]) == (False, None, None)
    assert "missing.json cannot be read" in broken["problem"]


def test_a_reload_keeps_tokens(start, tokens, own_fake):
    gateway = start(machine(tokens))
    ask(gateway)
    gateway.config["providers"]["up"]["credentials"][0]["weight"] = 7
    gateway.write_config(gateway.config)
    wait_until(lambda: "providers.up: credentials" in gateway.stderr() or "credentials" in gateway.stderr(), 10, "the reload")
    ask(gateway)
    assert len(tokens.asked) == 1
    gateway.config["providers"]["up"]["credentials"][0]["azure"]["client_id"] = "another"
    gateway.write_config(gateway.config)
    tokens.wait_asked(2)
    wait_until(lambda: (ask(gateway), sent(own_fake)[-1] == "Bearer token-2")[1], 10, "the other identity's token")


def test_a_key_in_a_file_is_rotated(start, own_fake, tmp_path):
    path = tmp_path / "key"
    path.write_text("sk-old\n")
    path.chmod(0o600)
    gateway = start([{"name": "a", "api_key": f"file:{path}"}])
    ask(gateway)
    path.write_text("sk-new\n")
    wait_until(lambda: (ask(gateway), sent(own_fake)[-1] == "Bearer sk-new")[1], 10, "the new key")
    assert set(sent(own_fake)) == {"Bearer sk-old", "Bearer sk-new"}
    for text in (gateway.stderr(), "\n".join(gateway.lines)):
        assert "sk-old" not in text and "sk-new" not in text


# ---------------------------------------------------------------- several


def keys(tmp_path, **names):
    """Credentials of these names, whose keys are sk-NAME."""
    made = []
    for name, more in names.items():
        path = tmp_path / f"key-{name}"
        path.write_text(f"sk-{name}")
        path.chmod(0o600)
        made.append({"name": name, "api_key": f"file:{path}", **more})
    return made


def test_weights(start, own_fake, tmp_path):
    gateway = start(keys(tmp_path, a={"weight": 3}, b={"weight": 1}))
    for _ in range(40):
        ask(gateway)
    counts = collections.Counter(sent(own_fake))
    assert 28 <= counts["Bearer sk-a"] <= 32, counts
    assert counts["Bearer sk-a"] + counts["Bearer sk-b"] == 40


@pytest.mark.parametrize("status", [401, 429])
def test_one_that_fails_rests(start, own_fake, tmp_path, status):
    gateway = start(keys(tmp_path, a={"weight": 1000}, b={"weight": 1}))

    async def fail(call):
        await call.body()
        if call.header("authorization") == "Bearer sk-a":
            call.answer({"error": {"message": "no"}}, status=status, headers=[("retry-after", "3")])
        else:
            call.answer({"id": "x", "object": "chat.completion", "choices": []})

    script = own_fake.script(fail)
    for _ in range(5):
        ask(gateway, script.model)
    assert sent(script) == ["Bearer sk-a"] + ["Bearer sk-b"] * 5, "within the same call, and then for as long as it rests"
    if status == 429:
        time.sleep(3.2)
        ask(gateway, script.model)
        assert sent(script)[-2:] == ["Bearer sk-a", "Bearer sk-b"]


def test_when_all_rest_the_provider_answers(start, own_fake, tmp_path):
    gateway = start(keys(tmp_path, a={}, b={}))

    async def limit(call):
        await call.body()
        call.answer({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, status=429, headers=[("retry-after", "9")])

    script = own_fake.script(limit)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            ask(gateway, script.model)
        assert "slow down" in caught.value.message
        assert caught.value.response.headers["retry-after"] == "9"
    assert set(sent(script)) == {"Bearer sk-a", "Bearer sk-b"}


def test_requests_per_minute(start, own_fake, tmp_path):
    gateway = start(keys(tmp_path, a={"requests_per_minute": 2}, b={"requests_per_minute": 1}))
    for _ in range(3):
        ask(gateway)
    assert sorted(sent(own_fake)) == ["Bearer sk-a", "Bearer sk-a", "Bearer sk-b"]
    with pytest.raises(openai.RateLimitError) as caught:
        ask(gateway)
    assert caught.value.code == "upstream_credentials_limited"
    assert 20 <= int(caught.value.response.headers["retry-after"]) <= 30
    assert len(own_fake.calls) == 3


def test_tokens_per_minute(start, own_fake, tmp_path):
    gateway = start(keys(tmp_path, a={"tokens_per_minute": 100}))

    async def answer(call):
        await call.body()
        call.answer({"id": "x", "object": "chat.completion", "choices": [],
                     "usage": {"prompt_tokens": 60, "completion_tokens": 90, "total_tokens": 150}})

    script = own_fake.script(answer)
    ask(gateway, script.model)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(gateway, script.model)
    assert 20 <= int(caught.value.response.headers["retry-after"]) <= 31, "a minute and a half's worth was used"


def test_concurrent_calls(start, own_fake, tmp_path):
    gateway = start(keys(tmp_path, a={"concurrent_calls": 1}, b={"concurrent_calls": 1}), workers=2)
    gate = own_fake.gate()

    async def wait(call):
        await call.body()
        await gate.wait()
        call.answer({"id": "x", "object": "chat.completion", "choices": []})

    script = own_fake.script(wait)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        two = [pool.submit(ask, gateway, script.model) for _ in range(2)]
        wait_until(lambda: len(script.calls) == 2, 10, "two calls under way")
        with pytest.raises(openai.RateLimitError):
            ask(gateway, script.model)
        gate.open()
        for call in two:
            call.result(timeout=10)
    assert sorted(sent(script)) == ["Bearer sk-a", "Bearer sk-b"]
    ask(gateway, script.model)
    assert wait_until(lambda: metric(gateway, "turnpike_credential_calls_in_flight", credential="a") == 0, 5, "the count")
