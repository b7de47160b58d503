"""Alerts as a receiver sees them: signed, sent until taken, and once. (Unit: tests/unit/control/test_alerts.c.)"""

import json
import os
import ssl
import threading
import time

import pytest

from certificates import Authority
from gateway import Gateway, plain_config, wait_until
from webhook_receiver import SECRET, TOKEN, Receiver, check_signature, fields
from wire_client import call_once


def config_of(fake, webhooks, **more):
    config = plain_config(fake.url, webhooks=webhooks, **more)
    config["providers"]["up"]["pricing"] = {"catalog": "openai"}
    return config


def hook(receiver, **more):
    return {"url": receiver.url, "secret": "env:HOOK_SECRET", **more}


@pytest.fixture
def start(tmp_path, fake):
    """Starts gateways and receivers, and stops them; what they said must hold no secret."""
    started, receivers = [], []

    def make(webhooks, environment=None, **more):
        gateway = Gateway(tmp_path / f"gateway{len(started)}", config_of(fake, webhooks, **more),
                          {"HOOK_SECRET": SECRET, **(environment or {})})
        started.append(gateway)
        return gateway.start()

    def receive(*answers, **options):
        receivers.append(Receiver(*answers, **options))
        return receivers[-1]

    make.receive = receive
    yield make
    for gateway in started:
        gateway.stop()
        said = gateway.stderr() + "\n".join(gateway.lines)
        assert TOKEN not in said and SECRET not in said and SECRET[6:] not in said
    for receiver in receivers:
        receiver.stop()


def refuse_config(gateway):
    """The quickest alert: a configuration with an error."""
    good = gateway.config
    gateway.write_config("listeners: 5\n")
    refused = gateway.stderr().count("configuration in force stays")
    wait_until(lambda: gateway.stderr().count("configuration in force stays") > refused, 10, "the refusal")
    gateway.config = good


def metric(gateway, line):
    text = gateway.get("/metrics")[2].decode()
    return next((float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith(line + " ")), None)


def test_budget(start):
    receiver = start.receive()
    finance = start.receive()
    gateway = start({"default": hook(receiver), "finance": hook(finance)})
    key = gateway.create_key("k", "--team", "alpha")["key"]
    gateway.run("budget", "create", "--data", str(gateway.data), "--team", "alpha", "--amount", "0.000011", "--soft",
                "--alert", "50", "--alert", "100", "--webhook", "finance")
    gateway.wait_key(key)
    time.sleep(0.5)  # the budget is in force as soon as the key's team is
    call_once(gateway.port, key, "fast")
    first, = finance.wait(1)
    assert first["type"] == "budget.threshold"
    data = first["data"]
    assert data["team"] == "alpha" and data["percent"] == 50 and data["currency"] == "USD" and data["soft"] is True
    assert float(data["amount"]) == 0.000011 and 0.5 < float(data["spent"]) / 0.000011 < 1
    assert data["period"] == "month" and data["period_start"] < first["timestamp"] < data["resets_at"]
    assert "alpha" in first["text"] and "50%" in first["text"]
    call_once(gateway.port, key, "fast")
    second = finance.wait(2)[1]
    assert second["type"] == "budget.exhausted" and second["data"]["percent"] == 100
    for message in finance.messages:
        check_signature(message)
        assert fields(message)["content-type"] == "application/json"
        assert message[1] == f"/hooks/{TOKEN}"
    assert len({fields(m)["webhook-id"] for m in finance.messages}) == 2
    gateway.stop()  # the next process knows what was told
    gateway.start()
    call_once(gateway.port, key, "fast")
    time.sleep(3)
    assert len(finance.messages) == 2 and not receiver.messages


def test_model_without_a_price(start):
    receiver = start.receive()
    gateway = start({"default": hook(receiver)}, prices={"unpriced_models": "allow"})
    for _ in range(3):
        call_once(gateway.port, gateway.key, "model-nobody-has-a-price-for")
    message, = receiver.wait(1, 30)
    assert message["type"] == "model.unpriced"
    assert message["data"]["model"] == "model-nobody-has-a-price-for" and message["data"]["provider"] == "up"
    call_once(gateway.port, gateway.key, "model-nobody-has-a-price-for")
    time.sleep(12)
    assert len(receiver.messages) == 1


def test_configuration_and_prices_refused(start, tmp_path):
    receiver = start.receive()
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    message, = receiver.wait(1)
    assert message["type"] == "configuration.refused" and message["data"]["source"].endswith("turnpike.yaml")
    prices = tmp_path / "prices.json"
    prices.write_text("{}")
    gateway.write_config({**gateway.config, "prices": {"catalog": str(prices)}})
    message = receiver.wait(2)[1]
    assert message["type"] == "prices.refused" and message["data"]["source"] == str(prices)
    wait_until(lambda: metric(gateway, 'turnpike_alerts_total{type="prices.refused"}') == 1, 5, "the metric")
    assert metric(gateway, 'turnpike_alert_deliveries_total{result="delivered"}') == 2


def test_failures_are_tried_again_with_the_same_id(start):
    def cut(handler):
        handler.connection.close()

    receiver = start.receive(503, cut)
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    receiver.wait(3, 30)
    assert len({fields(m)["webhook-id"] for m in receiver.messages}) == 1
    assert len({m[2] for m in receiver.messages}) == 1
    for message in receiver.messages:
        check_signature(message)
    pauses = [b[3] - a[3] for a, b in zip(receiver.messages, receiver.messages[1:])]
    assert 1.4 < pauses[0] < 5 and 4 < pauses[1] < 10, pauses
    wait_until(lambda: "has taken" in gateway.stderr(), 5, "the note")


def test_retry_after_is_honoured(start):
    def slow_down(handler):
        handler.send_response(429)
        handler.send_header("Retry-After", "6")
        handler.end_headers()

    receiver = start.receive(slow_down)
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    receiver.wait(2, 20)
    assert receiver.messages[1][3] - receiver.messages[0][3] >= 5.9


def test_redirects_are_not_followed(start):
    target = start.receive()

    def redirect(handler):
        handler.send_response(307)
        handler.send_header("Location", target.url)
        handler.end_headers()

    receiver = start.receive(redirect)
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    receiver.wait(2, 20)
    assert not target.messages
    assert "redirect" in gateway.stderr()


def test_a_receiver_that_hangs_holds_up_nobody_else(start):
    release = threading.Event()

    def hang(handler):
        release.wait(40)
        handler.send_response(204)
        handler.end_headers()

    hanging = start.receive(hang)
    receiver = start.receive()
    gateway = start({"default": hook(hanging), "finance": hook(receiver)})
    refuse_config(gateway)
    hanging.wait(1)
    key = gateway.create_key("k", "--team", "alpha")["key"]
    gateway.run("budget", "create", "--data", str(gateway.data), "--team", "alpha", "--amount", "0.000001", "--soft",
                "--alert", "100", "--webhook", "finance")
    gateway.wait_key(key)
    time.sleep(0.5)
    call_once(gateway.port, key, "fast")
    receiver.wait(1, 8)
    hanging.wait(2, 30)  # 15 s are over, and it has another chance
    assert "Timeout" in gateway.stderr()
    release.set()


def test_gone_ends_it(start):
    receiver = start.receive(410)
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    receiver.wait(1)
    wait_until(lambda: "has answered 410" in gateway.stderr(), 5, "the note")
    time.sleep(4)
    assert len(receiver.messages) == 1
    assert metric(gateway, 'turnpike_alert_deliveries_total{result="given_up"}') == 1


def test_killed_before_it_was_taken(start):
    receiver = start.receive()
    port = receiver.port
    receiver.stop()  # nobody is there
    gateway = start({"default": {"url": f"http://127.0.0.1:{port}/hooks/{TOKEN}", "secret": "env:HOOK_SECRET"}})
    refuse_config(gateway)
    wait_until(lambda: "did not take" in gateway.stderr(), 10, "the first failure")
    gateway.kill()
    gateway.write_config(gateway.config)
    back = Receiver(port=port)
    gateway.start()
    message, = back.wait(1, 20)
    assert message["type"] == "configuration.refused"
    check_signature(back.messages[0])
    back.stop()


def test_without_a_secret_it_is_not_signed(start):
    receiver = start.receive()
    gateway = start({"default": {"url": "env:HOOK_URL"}}, {"HOOK_URL": receiver.url})
    refuse_config(gateway)
    receiver.wait(1)
    headers = fields(receiver.messages[0])
    assert "webhook-signature" not in headers and headers["webhook-id"].startswith("msg_")


def test_tls_is_verified(start, tmp_path):
    authority = Authority(tmp_path)
    receiver = start.receive(context=authority.server_context("127.0.0.1"))
    gateway = start({"default": hook(receiver)})
    refuse_config(gateway)
    wait_until(lambda: "did not take" in gateway.stderr(), 10, "the failure")
    assert "certificate" in gateway.stderr() and not receiver.messages
    trusting = start({"default": hook(receiver)}, {"SSL_CERT_FILE": str(authority.file)})
    refuse_config(trusting)
    receiver.wait(1)


def test_proxies_are_those_of_providers(start):
    """ALL_PROXY, which libcurl would take, counts for no provider; http_proxy does, but for what no_proxy names."""
    receiver = start.receive()
    proxy = start.receive()
    nobody = {"ALL_PROXY": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
    direct = start({"default": hook(receiver)}, nobody)
    refuse_config(direct)
    receiver.wait(1)
    through = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "127.0.0.0/8"}
    excepted = start({"default": hook(receiver)}, through)
    refuse_config(excepted)
    receiver.wait(2)
    assert not proxy.messages
    named = start({"default": {"url": f"http://hooks.example.com/hooks/{TOKEN}", "secret": "env:HOOK_SECRET"}}, through)
    refuse_config(named)
    proxy.wait(1)
    assert proxy.messages[0][1] == f"http://hooks.example.com/hooks/{TOKEN}"


def test_without_webhooks_the_log_has_it(start):
    gateway = start({})
    refuse_config(gateway)
    wait_until(lambda: "alerts: " in gateway.stderr(), 5, "the note")
    assert os.path.exists(gateway.data / "turnpike.db")
