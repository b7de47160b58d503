"""Configurations that were in force are kept, and come back: with a server that runs and without one."""

import json
import stat

import pytest

from admin_client import AdminClient
from gateway import Gateway, plain_config, wait_until


@pytest.fixture
def gateway(fake, tmp_path):
    gateway = Gateway(tmp_path, plain_config(fake.url))
    yield gateway
    gateway.stop()


def versions(gateway):
    return json.loads(gateway.run("rollback", "--list", "--json", "--data", str(gateway.data)).stdout)


def rollback(gateway, *more, code=0):
    done = gateway.run("rollback", "--data", str(gateway.data), *more, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def models(gateway):
    return {row["id"] for row in json.loads(gateway.get("/v1/models", gateway.key)[2])["data"]} & {"fast", "added"}


def change(gateway, name):
    """A file with another model, once it is in force."""
    before = len(versions(gateway))
    config = {**gateway.config, "models": {name: gateway.config["models"]["fast"], **gateway.config["models"]}}
    gateway.write_config(config)
    wait_until(lambda: len(versions(gateway)) > before, 10, "the new file is in force")


def test_back_and_forth_with_a_server(gateway):
    first = gateway.config_file.read_text()
    gateway.start()
    assert models(gateway) == {"fast"}
    change(gateway, "added")
    assert models(gateway) == {"added", "fast"}
    said = rollback(gateway, "--dry-run")
    assert "model added removed" in said and "Nothing was changed" in said
    assert models(gateway) == {"added", "fast"}
    said = rollback(gateway)
    assert "model added removed" in said and "Version 1 is in force again, as version 3" in said
    assert models(gateway) == {"fast"} and gateway.config_file.read_text() == first
    rollback(gateway)  # the newest but one is what was rolled back
    assert models(gateway) == {"added", "fast"}
    assert [row["version"] for row in versions(gateway)] == [4, 3, 2, 1]
    assert versions(gateway)[0]["newest"] and not versions(gateway)[1]["newest"]
    acts = [json.loads(line) for line in gateway.run("audit", "--data", str(gateway.data), "--json").stdout.splitlines()]
    assert [(row["object"], row["id"], row["action"]) for row in acts if row["action"] == "rollback"] == [
        ("configuration", "2", "rollback"), ("configuration", "1", "rollback")]
    assert "the configuration" in gateway.run("audit", "--data", str(gateway.data)).stdout


def test_the_admin_api_tells_what_a_reload_changed(gateway):
    gateway.start()
    key = json.loads(gateway.run("admin", "key", "create", "--name", "look", "--role", "finance", "--data", str(gateway.data),
                                 "--json").stdout)["key"]
    client = AdminClient(gateway, key)
    assert client.get("/status")["config"]["changes"] == []
    change(gateway, "added")
    wait_until(lambda: client.get("/status")["config"]["changes"] == [{"text": "model added added"}], 5, "it is told")
    assert "reload: model added added" in gateway.stderr()


def test_the_admin_api_shows_the_configuration_and_brings_one_back(gateway):
    gateway.config["networks"] = {"office": {"ranges": ["192.0.2.0/24"], "contact": "net@example.com"}}
    gateway.config["listeners"]["main"]["network_rules"] = [{"allow": "127.0.0.0/8", "mode": "enforce"}, {"allow": "office", "mode": "observe"}]
    gateway.write_config(gateway.config)
    gateway.start()
    first = gateway.config_file.read_text()
    key = json.loads(gateway.run("admin", "key", "create", "--name", "ops", "--role", "operator", "--data", str(gateway.data), "--json").stdout)
    client = AdminClient(gateway, key["key"])
    config = client.get("/config")
    assert config["networks"] == [{"name": "office", "ranges": [{"range": "192.0.2.0/24"}], "contact": "net@example.com"}]
    assert [(rule["effect"], rule["network"], rule["mode"]) for rule in config["listeners"][0]["network_rules"]] == [
        ("allow", "127.0.0.0/8", "enforce"), ("allow", "office", "observe")]
    provider, = config["providers"]
    assert provider["base_url"] == gateway.config["providers"][provider["name"]]["base_url"] and provider["has_api_key"]
    said = json.dumps(config)
    assert "UPSTREAM_KEY" not in said and "sk-upstream" not in said
    change(gateway, "added")
    assert {row["name"] for row in client.get("/config")["models"]} >= {"added", "fast"}
    assert [(row["number"], row["newest"]) for row in client.get("/config/versions")["data"]] == [(2, True), (1, False)]
    done = client.post("/config/versions/1/restore", status=202)
    assert done == {"number": 1, "file": str(gateway.config_file), "changed": True}
    wait_until(lambda: len(versions(gateway)) == 3 and models(gateway) == {"fast"}, 10, "version 1 is in force again")
    assert gateway.config_file.read_text() == first
    act = client.get("/audit", kind="configuration")["data"][0]
    assert (act["who"], act["action"], act["object"], act["before"], act["after"]) == (
        f"key:{key['id']}", "rollback", "1", {"version": 2}, {"version": 1})
    for number in ("9", "x"):
        client.post(f"/config/versions/{number}/restore", status=404)
    (gateway.data / "configs" / "00000002.yaml").write_text("models: {broken\n")
    assert "cannot come into force" in client.post("/config/versions/2/restore", status=400).message
    assert gateway.config_file.read_text() == first


def test_a_file_that_the_server_does_not_read_is_refused_at_once(gateway, tmp_path):
    gateway.start()
    change(gateway, "added")
    other = tmp_path / "other.yaml"
    said = rollback(gateway, "--to", "1", "--config", str(other), code=1)
    assert f"does not read {other}: its configuration is {gateway.config_file}" in said
    assert not other.exists()
    assert "Version 1 is in force again" in rollback(gateway, "--to", "1", "--config", str(gateway.config_file))


def test_without_a_server(gateway):
    gateway.start()
    gateway.stop()
    first = gateway.config_file.read_text()
    gateway.config_file.write_text(first + "# more\n")
    gateway.start()
    gateway.stop()
    assert "no server runs" in rollback(gateway, "--to", "1")
    assert gateway.config_file.read_text() == first
    assert "is version 1 already" in rollback(gateway, "--to", "1")
    gateway.start()
    assert versions(gateway)[0]["version"] == 3


def test_the_same_file_is_kept_once_and_for_its_owner_alone(gateway):
    for _ in range(2):
        gateway.start()
        gateway.stop()
    assert [row["version"] for row in versions(gateway)] == [1]
    for file in (gateway.data / "configs").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((gateway.data / "configs").stat().st_mode) == 0o700


def test_a_file_that_was_refused_is_not_kept(gateway):
    gateway.start()
    gateway.write_config(gateway.config_file.read_text())
    gateway.config = plain_config("http://127.0.0.1:1")
    gateway.config_file.write_text("models: {broken\n")
    wait_until(lambda: "has errors" in gateway.stderr(), 10, "the file was refused")
    assert [row["version"] for row in versions(gateway)] == [1]
    said = rollback(gateway)  # what is in force becomes the file again
    assert "What changes cannot be told here" in said and "Version 1 is in force again, as version 1" in said


def test_a_version_that_does_not_load_leaves_the_file_as_it_was(gateway):
    gateway.start()
    change(gateway, "added")
    wait_until(lambda: len(versions(gateway)) == 2, 10, "it is in force")
    kept = gateway.data / "configs" / "00000001.yaml"
    kept.write_text("models: {broken\n")
    before = gateway.config_file.read_text()
    assert "is as it was before" in rollback(gateway, "--to", "1", code=1)
    assert gateway.config_file.read_text() == before


def test_what_is_wrong_is_said(gateway, tmp_path):
    assert "keeps no configuration" in rollback(gateway, code=1)
    gateway.start()
    gateway.stop()
    assert "there is no version before 1" in rollback(gateway, code=1)
    assert "kept are 1 to 1" in rollback(gateway, "--to", "7", code=1)
    assert "--to wants a version" in rollback(gateway, "--to", "old", code=2)
    assert "--list only looks" in rollback(gateway, "--list", "--to", "1", code=2)
    target = tmp_path / "real.yaml"
    gateway.config_file.rename(target)
    gateway.config_file.symlink_to(target)
    target.write_text("models: {}\n")
    assert "is a link" in rollback(gateway, "--to", "1", "--config", str(gateway.config_file), code=1)
    assert target.read_text() == "models: {}\n"
