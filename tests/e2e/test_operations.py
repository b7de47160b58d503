"""What whoever runs it relies on: health, metrics, access log, request ids, traces, the log command, the version."""

import json
import re
import subprocess
import threading

import pytest

from fake_answers import respond
from gateway import wait_until
from wire_client import Wire, call_once


def test_health_needs_no_key(gateway):
    assert gateway.get("/healthz")[0] == 200
    assert gateway.get("/readyz")[0] == 200


def test_metrics_are_prometheus_text(gateway):
    call_once(gateway.port, gateway.key, "fast")
    status, headers, body = gateway.get("/metrics")
    assert status == 200
    assert next(v for k, v in headers.items() if k.lower() == "content-type").startswith("text/plain")
    text = body.decode()
    names = set()
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE|UNIT|EOF)\b", line), line
        elif line:
            match = re.fullmatch(r'([a-zA-Z_:][\w:]*)(\{.*\})? (-?[\d.e+-]+|NaN|[+-]Inf)( \d+)?', line)
            assert match, line
            names.add(match[1])
    assert any(name.startswith("turnpike_") for name in names)
    assert gateway.key not in text


def test_metrics_count_calls(own_gateway):
    def total():
        text = own_gateway.get("/metrics")[2].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(r"turnpike_(exchanges|requests|calls)_total", line))

    key = own_gateway.key
    before = total()
    for _ in range(5):
        call_once(own_gateway.port, key, "fast")
    wait_until(lambda: total() >= before + 5, 5, "five calls are counted")


def test_every_answer_has_a_request_id_of_its_own(gateway):
    seen = set()
    key = gateway.key
    with Wire(gateway.port, key=key) as wire:
        for method, path in [("GET", "/v1/models"), ("GET", "/nowhere"), ("POST", "/v1/chat/completions"), ("GET", "/healthz"),
                             ("GET", "/v1/models"), ("OPTIONS", "/v1/models")]:
            wire.request(method, path)
            seen.add(wire.answer(method).request_id)
    assert None not in seen and len(seen) == 6


def test_a_callers_own_request_id_does_not_replace_ours(gateway):
    """Two callers may send the same one; records are told apart by ours."""
    first = call_once(gateway.port, gateway.key, "fast", headers=[("X-Request-Id", "mine")])
    second = call_once(gateway.port, gateway.key, "fast", headers=[("X-Request-Id", "mine")])
    assert first.request_id != second.request_id


def test_record_says_what_happened(gateway):
    answer = call_once(gateway.port, gateway.key, "fast", headers=[("User-Agent", "tester/1")], user="someone")
    record = gateway.wait_record(answer.request_id)
    expected = {
        "key_name": "shared", "method": "POST", "path": "/v1/chat/completions", "model": "fast", "target_model": "gpt-4o-mini",
        "provider": "up", "attempts": 1, "status": 200, "upstream_status": 200, "outcome": "served", "streamed": False,
        "input_tokens": 11, "output_tokens": 7, "cached_input_tokens": 3, "reasoning_tokens": 2, "usage_source": "reported",
        "listener": "main", "bytes_sent": len(answer.body), "user_agent": "tester/1",
        "upstream_request_id": "req_00000000000000000000000000000001", "caller_user": "someone",
    }
    assert {k: record.get(k) for k in expected} == expected
    assert record["source"].startswith("127.0.0.1")
    assert record["started_at"] <= record["finished_at"]


def test_access_log_has_one_json_line_for_each_call(own_gateway):
    answer = call_once(own_gateway.port, own_gateway.key, "fast")
    line = own_gateway.wait_line(lambda line: answer.request_id in line, 5)
    assert line, "no line of the access log has the request's id"
    row = json.loads(line)
    assert row["status"] == 200 and row["model"] == "fast"
    own_gateway.stop()
    assert sum(answer.request_id in line for line in own_gateway.lines) == 1


def test_traceparent_is_kept_and_passed_on(gateway, fake):
    script = fake.script(respond)
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    answer = call_once(gateway.port, gateway.key, script.model,
                       headers=[("traceparent", f"00-{trace}-{parent}-01"), ("tracestate", "vendor=1")])
    sent = script.call().header("traceparent")
    version, sent_trace, sent_parent, flags = sent.split("-")
    assert (version, sent_trace, flags) == ("00", trace, "01")
    assert re.fullmatch(r"[0-9a-f]{16}", sent_parent)
    assert script.call().header("tracestate") == "vendor=1"
    assert gateway.wait_record(answer.request_id)["trace_id"] == trace


@pytest.mark.parametrize("bad", ["00-00000000000000000000000000000000-b7ad6b7169203331-01", "nonsense", "00-xyz-1-01", ""])
def test_a_bad_traceparent_does_no_harm(gateway, fake, bad):
    """It goes on as it came, like everything that is not ours; but no record takes it for a trace."""
    script = fake.script(respond)
    answer = call_once(gateway.port, gateway.key, script.model, headers=[("traceparent", bad)])
    assert answer.status == 200
    trace = gateway.wait_record(answer.request_id).get("trace_id")
    assert not trace or (re.fullmatch(r"[0-9a-f]{32}", trace) and trace.strip("0"))


def test_log_filters(own_gateway):
    key = own_gateway.key
    good = call_once(own_gateway.port, key, "fast")
    refused = call_once(own_gateway.port, "tpk_wrong", "fast")
    own_gateway.wait_record(good.request_id)
    own_gateway.wait_record(refused.request_id)
    done = own_gateway.run("log", "--data", str(own_gateway.data), "--json", "--status", "401")
    found = [json.loads(line)["id"] for line in done.stdout.splitlines()]
    assert refused.request_id in found and good.request_id not in found


def test_log_follows(own_gateway):
    key = own_gateway.key
    process = subprocess.Popen([own_gateway.binary, "log", "--data", str(own_gateway.data), "--json", "--follow"],
                               stdout=subprocess.PIPE, text=True, env=own_gateway.environment)
    try:
        answers = []
        found = threading.Event()

        def read():
            for line in process.stdout:
                if answers and json.loads(line)["id"] == answers[0]:
                    found.set()
                    return

        answers.append(call_once(own_gateway.port, key, "fast").request_id)
        threading.Thread(target=read, daemon=True).start()
        assert found.wait(10), "the follower has not shown the call"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u009b2J", "\u202e", "\u2066", "\r", "\x7f"], ids=ascii)
def test_log_does_not_give_orders_to_the_terminal(own_gateway, hostile):
    call_once(own_gateway.port, own_gateway.key, "before" + hostile + "after")

    def shown():
        return next((line for line in own_gateway.run("log", "--data", str(own_gateway.data)).stdout.split("\n") if "before" in line), None)

    line = wait_until(shown, 5, "the record is shown")
    assert hostile[0] not in line and "before " in line


def test_version(own_gateway):
    value = json.loads(own_gateway.run("--version", "--json").stdout)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", value["version"])
    assert all(name and re.match(r"\d", number) for name, number in value["libraries"].items()), value
    assert "null" not in own_gateway.run("--version").stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["key"], ["key", "nonsense"], ["key", "create", "--nonsense"], ["log", "--status"]])
def test_wrong_command_lines_say_so(own_gateway, arguments):
    done = own_gateway.run(*arguments, check=False)
    assert done.returncode > 0
    assert done.stderr, "an explanation on stderr"


def test_only_one_server_on_a_data_folder(own_gateway):
    done = subprocess.run([own_gateway.binary, "serve", "--config", str(own_gateway.config_file), "--data", str(own_gateway.data)],
                          capture_output=True, text=True, env=own_gateway.environment, timeout=20)
    assert done.returncode > 0
    assert call_once(own_gateway.port, own_gateway.key, "fast").status == 200
