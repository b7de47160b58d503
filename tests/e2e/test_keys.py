"""Keys: made, listed, rotated, revoked and expired by `turnpike key`; obeyed by every worker."""

import json
import re
import time

import pytest

from gateway import plain_config, wait_until
from wire_client import Wire, call_once


def statuses(gateway, key, count=8):
    """What `count` connections, which the kernel spreads over the workers, are answered."""
    return {gateway.get("/v1/models", key)[0] for _ in range(count)}


@pytest.fixture
def two_workers(start_gateway, own_fake):
    return start_gateway(plain_config(own_fake.url, workers=2))


def test_form(two_workers):
    made = two_workers.create_key("form")
    assert re.fullmatch(r"tpk_[0-9A-Za-z_-]{20,}", made["key"]), "scanners must be able to recognise one"
    assert made["id"] and made["id"] in made["key"], "the public id is part of the key"


def test_made_before_the_first_start(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url), run=False)
    key = gateway.create_key("early")["key"]
    gateway.start()
    assert gateway.get("/v1/models", key)[0] == 200


def test_made_while_running_and_known_within_a_second(two_workers):
    key = two_workers.create_key("late")["key"]
    wait_until(lambda: statuses(two_workers, key) == {200}, 3, "every worker knows the new key")


def test_a_typo_is_told_from_a_forgery(two_workers):
    key = two_workers.key
    swapped = key[:-1] + ("A" if key[-1] != "A" else "B")
    status, _, body = two_workers.get("/v1/models", swapped)
    assert status == 401 and json.loads(body)["error"]["code"] == "mistyped_api_key"
    assert key not in body.decode()


@pytest.mark.parametrize("header", ["", "Bearer ", "Basic dXNlcjpwYXNz", "tpk_", "Bearer tpk_ä", "Bearer " + "tpk_" + "A" * 5000])
def test_other_things_are_refused(two_workers, header):
    status, headers, body = two_workers.get("/v1/models", headers={"Authorization": header.encode("utf-8").decode("latin-1")})
    assert status == 401, body
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert {k.lower() for k in headers} >= {"x-request-id", "x-should-retry"}


def test_no_key_no_service(two_workers, own_fake):
    with Wire(two_workers.port) as wire:
        wire.chat("fast")
        answer = wire.answer()
    assert answer.status == 401 and answer.error["code"] == "missing_api_key"
    assert not own_fake.calls


@pytest.mark.parametrize("header, said", [
    (("Authorization", "Basic dXNlcjpzZWNyZXQ="), "sent with the scheme Basic, and only Bearer is read"),
    (("Authorization", "{key}"), "Authorization was sent without the word Bearer in front"),
    (("Authorization", "Bearer"), "the word Bearer with nothing behind it"),
    (("x-api-key", "{key}"), "The header x-api-key was sent, and only Authorization is read"),
    (("api-key", "{key}"), "The header api-key was sent, and only Authorization is read"),
])
def test_a_key_in_another_form_is_told(two_workers, header, said):
    value = header[1].format(key=two_workers.key)
    status, _, body = two_workers.get("/v1/models", headers={header[0]: value})
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (401, "missing_api_key") and said in error["message"]
    assert "Authorization: Bearer tpk_" in error["message"] and value not in str(error).replace("Bearer tpk_...", "") or value == "Bearer"


def test_revoked_is_refused_by_every_worker_within_a_second(two_workers):
    made = two_workers.create_key("to revoke")
    two_workers.wait_key(made["key"])
    with Wire(two_workers.port, key=made["key"]) as kept:
        kept.chat("fast")
        assert kept.answer().status == 200
        two_workers.run("key", "revoke", made["id"], "--data", str(two_workers.data))
        done = time.monotonic()
        wait_until(lambda: statuses(two_workers, made["key"], 12) == {401}, 5, "the revoked key is refused")
        # under sanitizers the twelve probes themselves take part of the time
        assert time.monotonic() - done < 2.0
        kept.chat("fast")
        answer = kept.answer()
        assert answer.status == 401 and answer.error["code"] == "revoked_api_key", "on an open connection, too"


def test_revoked_stays_revoked_after_a_restart(two_workers):
    made = two_workers.create_key("to revoke")
    two_workers.run("key", "revoke", made["id"], "--data", str(two_workers.data))
    two_workers.stop()
    two_workers.start()
    assert statuses(two_workers, made["key"]) == {401}


def test_rotation_with_a_grace_period(two_workers):
    old = two_workers.create_key("rotating")
    two_workers.wait_key(old["key"])
    done = two_workers.run("key", "rotate", old["id"], "--data", str(two_workers.data), "--grace", "1h", "--json")
    new = json.loads(done.stdout)
    assert new["key"] != old["key"]
    two_workers.wait_key(new["key"])
    assert statuses(two_workers, old["key"]) == {200}, "the old one still works within the grace period"


def test_rotation_ends_the_old_key_after_the_grace_period(two_workers):
    old = two_workers.create_key("rotating")
    two_workers.wait_key(old["key"])
    done = two_workers.run("key", "rotate", old["id"], "--data", str(two_workers.data), "--grace", "1s", "--json")
    new = json.loads(done.stdout)
    two_workers.wait_key(new["key"])
    wait_until(lambda: statuses(two_workers, old["key"]) == {401}, 5, "the old key ends")
    assert statuses(two_workers, new["key"]) == {200}
    _, _, body = two_workers.get("/v1/models", old["key"])
    message = json.loads(body)["error"]["message"]
    assert f"valid until {time.gmtime().tm_year}" in message, "it tells when the grace ended"


def test_expiry(two_workers):
    made = two_workers.create_key("short", "--expires", "2s")
    two_workers.wait_key(made["key"])
    wait_until(lambda: statuses(two_workers, made["key"]) == {401}, 8, "the key expires")
    _, _, body = two_workers.get("/v1/models", made["key"])
    assert json.loads(body)["error"]["code"] == "expired_api_key"


def test_list_shows_no_secret(two_workers):
    made = two_workers.create_key("listed", "--team", "blue")
    said = two_workers.run("key", "list", "--data", str(two_workers.data)).stdout
    assert "listed" in said and "blue" in said and made["id"] in said
    assert made["key"] not in said
    assert made["key"].split("_")[-1] not in said


def test_no_secret_in_any_file_or_log(two_workers):
    key = two_workers.key
    call_once(two_workers.port, key, "fast")
    two_workers.stop()
    secret = key.encode()
    for path in two_workers.directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret not in content, f"the key stands in {path.name}"
            assert b"sk-upstream-test" not in content, f"the provider's key stands in {path.name}"
    assert key not in "".join(two_workers.lines)
