"""`turnpike key`, without a server and beside one."""

import json
import re
import sqlite3
import zlib

import pytest

from command import turnpike

PATTERN = re.compile(r"tpk_[0-9a-z]{12}_[0-9A-Za-z]{38}")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def create(data, *more):
    named = more if "--name" in more else ("--name", "any", *more)
    return json.loads(turnpike("key", "create", "--data", data, "--json", *named).stdout)


def show(data, name):
    return json.loads(turnpike("key", "show", name, "--data", data, "--json").stdout)


def test_create_before_any_server(data):
    made = create(data, "--name", "checkout", "--team", "payments")
    assert PATTERN.fullmatch(made["key"]) and made["key"].split("_")[1] == made["id"]
    assert (made["name"], made["team"], made["state"], made["models"]) == ("checkout", "payments", "live", None)
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "turnpike.db").stat().st_mode & 0o777 == 0o600


def test_checksum_is_the_documented_one(data):
    key = create(data)["key"]
    number, digits = zlib.crc32(key[:-6].encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    assert key[-6:] == digits


def test_the_key_is_nowhere_on_disk(data):
    secret = create(data)["key"].split("_")[2][:32]
    for file in data.iterdir():
        assert secret.encode() not in file.read_bytes(), file


def test_it_is_shown_once(data):
    made = create(data)
    for arguments in (["list"], ["list", "--json"], ["show", made["id"]], ["show", made["id"], "--json"]):
        assert made["key"] not in turnpike("key", *arguments, "--data", data).stdout


def test_models_tags_and_expiry(data):
    made = create(data, "--model", "gpt-*", "--model=fast", "--tag", "env=prod", "--tag", "cost=a=b", "--expires", "2099-01-31")
    assert made["models"] == ["gpt-*", "fast"]
    assert made["tags"] == {"env": "prod", "cost": "a=b"}
    assert made["expires_at"].startswith("2099-01-31T00:00:00")
    again = show(data, made["id"])
    del made["key"]
    assert again == {**made, "used_from": []}


@pytest.mark.parametrize("arguments", [
    ["--expires", "tomorrow"], ["--expires", "0s"], ["--expires", "2020-01-01"], ["--expires", "2026-13-01"], ["--tag", "env"], ["--tag", "=x"], ["--model", ""],
    ["--tag", "a=1", "--tag", "a=2"], ["--name", "x" * 129], ["--name", "a\nb"], ["--nmae", "x"], ["surplus"],
])
def test_wrong_command_lines(data, arguments):
    done = turnpike("key", "create", "--data", data, "--name", "any", *arguments, code=2)
    assert "usage: turnpike key create" in done.stderr and done.stdout == ""
    assert not (data / "turnpike.db").exists()


@pytest.mark.parametrize("arguments", [[], ["--name", ""], ["--name="]])
def test_a_name_is_required(data, arguments):
    assert "--name is missing" in turnpike("key", "create", "--data", data, *arguments, code=2).stderr
    assert not data.exists()


def test_rotate_keeps_the_id(data):
    made = create(data, "--name", "one")
    rotated = json.loads(turnpike("key", "rotate", "one", "--data", data, "--json").stdout)
    assert rotated["id"] == made["id"] and rotated["key"] != made["key"]
    assert rotated["previous_secret_until"] is not None
    at_once = json.loads(turnpike("key", "rotate", "one", "--data", data, "--json", "--grace", "0").stdout)
    assert at_once["previous_secret_until"] is None


def test_expire_and_take_it_back(data):
    made = create(data)
    turnpike("key", "expire", made["id"], "now", "--data", data)
    assert show(data, made["id"])["state"] == "expired"
    turnpike("key", "expire", made["id"], "never", "--data", data)
    assert show(data, made["id"])["state"] == "live"


def test_revoke(data):
    made = create(data, "--name", "lost")
    said = json.loads(turnpike("key", "revoke", "lost", "--reason", "laptop gone", "--data", data, "--json").stdout)
    assert said == {"id": made["id"], "revoked": True, "in_store": True}
    after = show(data, made["id"])
    assert (after["state"], after["revoked_reason"]) == ("revoked", "laptop gone")
    assert made["id"] in (data / "revocations").read_text()
    assert "stays so" in turnpike("key", "rotate", made["id"], "--data", data, code=1).stderr


def test_a_revoked_key_is_found_by_its_name(data):
    made = create(data, "--name", "gone")
    turnpike("key", "revoke", "gone", "--data", data)
    assert show(data, "gone")["id"] == made["id"]
    assert made["id"] in turnpike("key", "revoke", "gone", "--data", data).stdout, "again is no error"
    assert "stays so" in turnpike("key", "edit", "gone", "--name", "x", "--data", data, code=1).stderr
    assert "gone" in turnpike("limit", "create", "--key", "gone", "--requests", "1", "--data", data, code=1).stderr, "nothing new for it"
    live = create(data, "--name", "gone")
    assert show(data, "gone")["id"] == live["id"], "a live one comes first"
    turnpike("key", "revoke", live["id"], "--data", data)
    said = turnpike("key", "show", "gone", "--data", data, code=1).stderr
    assert made["id"] in said and live["id"] in said


def test_a_whole_key_names_itself(data):
    made = create(data)
    turnpike("key", "revoke", made["key"], "--data", data)
    assert show(data, made["id"])["state"] == "revoked"


def test_revoke_with_the_store_locked(data):
    made = create(data)
    with sqlite3.connect(data / "turnpike.db") as other:
        other.execute("BEGIN IMMEDIATE")
        done = turnpike("key", "revoke", made["id"], "--data", data, "--json")
        other.rollback()
    assert json.loads(done.stdout)["in_store"] is False
    assert "holds all the same" in done.stderr
    assert show(data, made["id"])["state"] == "revoked"


def test_revoke_with_the_store_damaged(data):
    made = create(data, "--name", "lost")
    (data / "turnpike.db").write_bytes(b"no database" * 1000)
    assert "by its id" in turnpike("key", "revoke", "lost", "--data", data, code=1).stderr
    done = turnpike("key", "revoke", made["id"], "--data", data)
    assert "holds all the same" in done.stderr
    assert made["id"] in (data / "revocations").read_text()
    assert "damaged" in turnpike("key", "list", "--data", data, code=1).stderr


def test_unknown_and_ambiguous_keys(data):
    made = create(data, "--name", "same")
    typo = made["id"][:-1] + ("a" if made["id"][-1] != "a" else "b")
    for verb in ("show", "rotate", "revoke"):
        assert f"did you mean {made['id']}?" in turnpike("key", verb, typo, "--data", data, code=1).stderr
    assert "did you mean" not in turnpike("key", "show", "x" * 10240, "--data", data, code=1).stderr
    assert not (data / "revocations").exists()
    second = create(data, "--name", "same")
    said = turnpike("key", "show", "same", "--data", data, code=1).stderr
    assert made["id"] in said and second["id"] in said


def test_no_data_directory(tmp_path):
    said = turnpike("key", "list", "--data", tmp_path / "none", code=1).stderr
    assert "there is no such data directory" in said
    (tmp_path / "file").write_text("")
    assert "not a directory" in turnpike("key", "list", "--data", tmp_path / "file", code=1).stderr


def test_a_newer_store(data):
    create(data)
    with sqlite3.connect(data / "turnpike.db") as store:
        store.execute("INSERT INTO schema_version VALUES (9999)")
    assert "newer Turnpike" in turnpike("key", "list", "--data", data, code=1).stderr


def test_list_is_a_table_and_lines(data):
    create(data, "--name", "first")
    create(data, "--name", "second")
    table = turnpike("key", "list", "--data", data).stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "TEAM", "STATE", "CREATED", "EXPIRES", "MODELS"]
    assert [row.split()[1] for row in table[1:]] == ["second", "first"]
    assert "\033" not in "".join(table)
    lines = turnpike("key", "list", "--data", data, "--json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["second", "first"]
