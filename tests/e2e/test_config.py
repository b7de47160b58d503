"""`turnpike check`, `turnpike schema`, and reloading: a good file comes into force, a bad one never does."""

import json
import signal
import subprocess

import pytest

from gateway import plain_config, wait_until, yaml
from wire_client import Wire, call_once

# (what is wrong, the text, words that the message must have, line, column)
BAD = [
    ("unknown key", "workers: 1\nlistners: {}\nproviders: {up: {type: openai}}\nmodels: {m: {targets: [{provider: up}]}}\n",
     ["listners", "listeners"], 2, 1),
    ("wrong type", "workers: many\nproviders: {up: {type: openai}}\nmodels: {m: {targets: [{provider: up}]}}\n", ["workers"], 1, 10),
    ("dangling name", "providers: {primary: {type: openai}}\nmodels:\n  m: {targets: [{provider: primry}]}\n",
     ["primry", "primary"], 3, None),
    ("pasted secret", 'providers: {up: {type: openai, api_key: "sk-proj-0123456789abcdef"}}\nmodels: {m: {targets: [{provider: up}]}}\n',
     ["env:", "file:"], 1, None),
    ("unset variable", 'providers: {up: {type: openai, api_key: "env:NOT_SET_ANYWHERE"}}\nmodels: {m: {targets: [{provider: up}]}}\n',
     ["NOT_SET_ANYWHERE"], 1, None),
    ("not YAML", "providers: {up: {type: openai\nmodels: [\n", [], None, None),
    ("twice", "workers: 1\nworkers: 2\nproviders: {up: {type: openai}}\nmodels: {m: {targets: [{provider: up}]}}\n", ["workers"], 2, None),
]


@pytest.fixture
def check(start_gateway, tmp_path):
    gateway = start_gateway(plain_config("http://127.0.0.1:1"), run=False)

    def check(text, *more):
        file = tmp_path / "checked.yaml"
        file.write_text(text)
        return gateway.run("check", str(file), *more, check=False)

    return check


@pytest.mark.parametrize("text, words, line, column", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_named_with_its_place(check, text, words, line, column):
    done = check(text)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -6, -11), said
    for word in words:
        assert word in said
    assert "sk-proj-0123456789abcdef" not in said
    if line:
        place = f"checked.yaml:{line}:" + (f"{column}:" if column else "")
        assert place in said, said


def test_all_problems_at_once(check):
    done = check("workers: -3\nlistnrs: {}\nproviders: {up: {type: opnai}}\nmodels: {m: {targets: [{provider: down}]}}\n")
    said = done.stdout + done.stderr
    for word in ("workers", "listnrs", "opnai", "down"):
        assert word in said, said


def test_the_manuals_example_is_good(check):
    assert check(
        'workers: 1                       # default: one per core\n'
        'listeners:\n  main: {address: "127.0.0.1:8080"}\n'
        'providers:\n  up: {type: openai, base_url: "http://127.0.0.1:9000/v1", api_key: "env:UPSTREAM_KEY"}\n'
        'models:\n  fast: {targets: [{provider: up, model: gpt-4o-mini}]}\n'
        '  "*":  {targets: [{provider: up}]}      # any other name goes there as it is\n').returncode == 0


def test_schema_is_json_schema(start_gateway):
    gateway = start_gateway(plain_config("http://127.0.0.1:1"), run=False)
    schema = json.loads(gateway.run("schema").stdout)
    assert "json-schema.org" in schema["$schema"]
    assert {"workers", "listeners", "providers", "models", "limits"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_a_bad_file_does_not_start(start_gateway):
    gateway = start_gateway(plain_config("http://127.0.0.1:1"), run=False)
    gateway.write_config("nonsense: true\n")
    done = subprocess.run([gateway.binary, "serve", "--config", str(gateway.config_file), "--data", str(gateway.data)],
                          capture_output=True, text=True, env=gateway.environment, timeout=20)
    assert done.returncode > 0
    assert "nonsense" in done.stderr + done.stdout


def add_model(config, name, target):
    return {**config, "models": {**config["models"], name: {"targets": [{"provider": "up", "model": target}]}}}


def answered_model(gateway, name):
    return call_once(gateway.port, gateway.key, name).json().get("model")


def test_sighup_reloads(own_gateway):
    config = own_gateway.config
    assert answered_model(own_gateway, "new") == "new", "the pattern takes it"
    own_gateway.write_config(add_model(config, "new", "after-hup"))
    own_gateway.signal(signal.SIGHUP)
    wait_until(lambda: answered_model(own_gateway, "new") == "after-hup", 10, "the new file is in force")


def test_a_changed_file_reloads_by_itself(own_gateway):
    own_gateway.write_config(add_model(own_gateway.config, "new", "after-change"))
    wait_until(lambda: answered_model(own_gateway, "new") == "after-change", 10, "the changed file is in force")


def test_a_file_changed_in_place_reloads(own_gateway):
    config = add_model(own_gateway.config, "new", "in-place")
    own_gateway.config_file.write_text(yaml(config))
    wait_until(lambda: answered_model(own_gateway, "new") == "in-place", 10, "the changed file is in force")


def test_a_bad_file_leaves_the_good_one_in_force(own_gateway):
    good = own_gateway.config
    own_gateway.config_file.write_text("workers: 1\nmodles: {}\n")
    own_gateway.signal(signal.SIGHUP)
    wait_until(lambda: "modles" in own_gateway.stderr(), 10, "what is wrong is said")
    assert call_once(own_gateway.port, own_gateway.key, "fast").status == 200
    own_gateway.write_config(add_model(good, "new", "good-again"))
    own_gateway.signal(signal.SIGHUP)
    wait_until(lambda: answered_model(own_gateway, "new") == "good-again", 10, "a good file is taken again")


def test_reloads_under_load_drop_nothing(own_gateway):
    """Open connections and streams live on through reloads."""
    key = own_gateway.key
    with Wire(own_gateway.port, key=key) as wire:
        for round in range(30):
            own_gateway.config_file.write_text(yaml(add_model(own_gateway.config, "new", f"round-{round}")))
            own_gateway.signal(signal.SIGHUP)
            for _ in range(10):
                wire.chat("fast")
                assert wire.answer().status == 200
    wait_until(lambda: answered_model(own_gateway, "new") == "round-29", 10, "the last file is in force")
