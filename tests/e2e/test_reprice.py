"""Why a call cost what it did, and what a corrected price changes of it."""

import json

import pytest

from gateway import Gateway, free_port, wait_until
from wire_client import Wire

HELLO = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 100}).encode()


def with_prices(input_price):
    return {"own": {"type": "demo", "pricing": {"models": {"demo": {"input": input_price, "output": "10.00"}}}}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A gateway that served one call at 2.50 and 10 dollars, the call's id, and a configuration with another price."""
    directory = tmp_path_factory.mktemp("reprice")
    config = {"workers": 1, "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
              "models": {"demo": {"targets": [{"provider": "own"}]}}}
    corrected = Gateway(directory, {**config, "providers": with_prices("3.00")})
    corrected.config_file.rename(directory / "corrected.yaml")
    gateway = Gateway(directory, {**config, "providers": with_prices("2.50")}).start()
    key = gateway.create_key("indexer")["key"]
    gateway.wait_key(key)
    with Wire(gateway.port, key=key) as wire:
        wire.request("POST", "/v1/chat/completions", HELLO, [])
        answer = wire.answer()
    assert answer.status == 200
    record = gateway.wait_record(answer.request_id)
    wait_until(lambda: json.loads(gateway.run("usage", "--data", gateway.data, "--json").stdout)["total"]["output_tokens"] > 0, 10, "the call is counted")
    yield gateway, record, directory / "corrected.yaml"
    gateway.stop()


def explain(gateway, record, config):
    return json.loads(gateway.run("prices", "explain", record["id"], "--data", gateway.data, "--config", config, "--json").stdout)


def reprice(gateway, config, *more):
    return json.loads(gateway.run("ledger", "reprice", "--since", "1h", "--data", gateway.data, "--config", config, "--json", *more).stdout)


def test_explained_as_recorded(served):
    gateway, record, _ = served
    told = explain(gateway, record, gateway.config_file)
    assert told["cost_usd"] == told["recorded_cost_usd"] == record["cost_usd"] and told["adjustments"] == []
    assert {line["class"]: (line["quantity"], line["price"]) for line in told["lines"]} == {
        "input": (record["input_tokens"], "2.50"), "output": (record["output_tokens"], "10.00")}
    assert "as recorded" in gateway.run("prices", "explain", record["id"], "--data", gateway.data, "--config", gateway.config_file).stdout
    assert "is unpriced" in gateway.run("prices", "explain", record["id"], "--data", gateway.data).stdout


def test_explained_without_the_configuration(tmp_path):
    """A provider has the name that the configuration gives it; at the list's prices the arithmetic is there all the same."""
    gateway = Gateway(tmp_path, {"workers": 1, "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
                                 "providers": {"up": {"type": "demo"}}, "models": {"*": {"targets": [{"provider": "up"}]}}}).start()
    try:
        key = gateway.create_key("first")["key"]
        gateway.wait_key(key)
        with Wire(gateway.port, key=key) as wire:
            wire.request("POST", "/v1/chat/completions", HELLO, [])
            record = gateway.wait_record(wire.answer().request_id)
        text = gateway.run("prices", "explain", record["id"], "--data", gateway.data).stdout
        assert "as recorded" in text and "input" in text and "unpriced" not in text
    finally:
        gateway.stop()


def test_what_is_no_record(served):
    gateway, *_ = served
    assert gateway.run("prices", "explain", "req_" + "0" * 32, "--data", gateway.data, check=False).returncode == 1
    assert gateway.run("prices", "explain", "else", "--data", gateway.data, check=False).returncode == 2


def test_corrected_once_beside_the_record(served):
    gateway, record, corrected = served
    difference = record["input_tokens"] * 500_000  # picodollars: 0.50 dollars for 1,000,000
    looked = reprice(gateway, corrected, "--dry-run")
    assert (looked["written"], looked["changed"]) == (False, 1)
    assert gateway.run("ledger", "reprice", "--since", "1h", "--data", gateway.data, "--config", corrected, check=False).returncode == 1  # nobody to ask
    assert explain(gateway, record, corrected)["adjustments"] == []
    written = reprice(gateway, corrected, "--yes")
    assert (written["written"], written["changed"]) == (True, 1)
    assert reprice(gateway, corrected, "--yes")["changed"] == 0
    told = explain(gateway, record, corrected)
    assert told["recorded_cost_usd"] == record["cost_usd"] and [a["after_usd"] for a in told["adjustments"]] == [told["cost_usd"]]
    total = json.loads(gateway.run("usage", "--data", gateway.data, "--json").stdout)["total"]
    assert (total["cost_usd"], total["adjusted_usd"]) == (told["cost_usd"], f"{difference / 1e12:.12f}")
    entry = json.loads(gateway.run("audit", "--data", gateway.data, "--json").stdout.splitlines()[0])
    assert (entry["action"], entry["after"]["adjustments"]) == ("reprice", 1)
