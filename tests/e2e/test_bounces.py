"""Who is turned away, and why: kept in groups, exactly, whatever is sent and whatever dies."""

import http.client
import json
import threading
import time

import pytest

from admin_client import AdminClient
from gateway import plain_config, wait_until
from webhook_receiver import SECRET, Receiver, check_signature
from wire_client import Closed, Wire


def config(url, **more):
    """One listener behind a balancer that tells the source, so that any network can be a caller's."""
    made = plain_config(url, **more)
    made["listeners"]["main"]["forwarders"] = {"networks": ["127.0.0.0/8"], "header": "x-forwarded-for"}
    return made


@pytest.fixture
def gate(start_gateway, own_fake):
    return start_gateway(config(own_fake.url))


def call(gateway, source, key=None, model="fast", path="/v1/chat/completions", **headers):
    """One call from that address; its status and request id."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    headers = {"content-type": "application/json", "x-forwarded-for": source, **headers}
    if key:
        headers["authorization"] = f"Bearer {key}"
    try:
        connection.request("POST", path, json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("x-request-id")
    finally:
        connection.close()


def bounces(gateway, *arguments):
    done = gateway.run("bounces", "--data", str(gateway.data), "--json", *arguments)
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_bounces(gateway, calls, *arguments):
    """The rows, when they are of so many calls; there must never be more."""

    def look():
        rows = bounces(gateway, *arguments)
        total = sum(row["calls"] for row in rows)
        assert total <= calls, rows
        return rows if total == calls else None

    return wait_until(look, 15, f"{calls} calls turned away")




def refused_records(gateway):
    return sum(row.get("calls") or 1 for row in gateway.records() if row["outcome"] == "refused")


def test_each_kind_of_bounce_is_a_group(gate):
    live = gate.create_key("live", "--team", "search", "--model", "fast")
    revoked = gate.create_key("old", "--team", "search")
    expired = gate.create_key("trial", "--team", "search")
    for key in (live, revoked, expired):
        gate.wait_key(key["key"])
    old_secret = gate.create_key("turned", "--team", "search")
    gate.wait_key(old_secret["key"])
    gate.run("key", "rotate", "--data", str(gate.data), old_secret["id"], "--grace", "0")
    gate.run("key", "revoke", "--data", str(gate.data), revoked["id"])
    gate.run("key", "expire", "--data", str(gate.data), expired["id"], "now")
    wait_until(lambda: gate.get("/v1/models", revoked["key"])[0] == 401 and gate.get("/v1/models", expired["key"])[0] == 401 and
               gate.get("/v1/models", old_secret["key"])[0] == 401, 5, "refused")
    before = wait_until(lambda: refused_records(gate) == sum(row["calls"] for row in bounces(gate)) and refused_records(gate), 10, "all counted")

    assert call(gate, "10.1.0.1")[0] == 401
    assert call(gate, "10.1.1.1", "sk-proj-0123456789abcdefghij")[0] == 401
    assert call(gate, "10.1.2.1", revoked["key"])[0] == 401
    assert call(gate, "10.1.3.1", expired["key"])[0] == 401
    assert call(gate, "10.1.4.1", old_secret["key"])[0] == 401  # the right id, a wrong secret
    assert call(gate, "10.1.5.1", live["key"], model="gpt-4o")[0] == 403
    assert call(gate, "10.1.6.1", live["key"])[0] == 200
    for last in (1, 99):
        assert call(gate, f"10.1.6.{last}", live["key"], model="gpt-4o")[0] == 403
    assert call(gate, "2001:db8:7:1::5", live["key"], path="/chat/completions")[0] == 404
    rows = [row for row in wait_bounces(gate, before + 9) if not row["network"].startswith("127.")]
    found = {row["network"]: row for row in rows}

    def seen(network):
        row = found[network]
        return row["reason"], row["key"], row["team"], row["calls"]

    assert seen("10.1.0.0/24") == ("missing_api_key", None, None, 1)
    assert seen("10.1.1.0/24") == ("invalid_api_key", None, None, 1)
    assert found["10.1.1.0/24"]["claimed_key"] == "sk-p"
    assert seen("10.1.2.0/24") == ("revoked_api_key", revoked["id"], "search", 1)
    assert seen("10.1.3.0/24") == ("expired_api_key", expired["id"], "search", 1)
    assert seen("10.1.4.0/24") == ("invalid_api_key", old_secret["id"], "search", 1)
    assert seen("10.1.5.0/24") == ("model_not_allowed", live["id"], "search", 1)
    assert seen("10.1.6.0/24") == ("model_not_allowed", live["id"], "search", 2)
    assert seen("2001:db8:7::/48")[0] == "unknown_url"
    assert found["10.1.6.0/24"]["last_good_at"] and found["10.1.5.0/24"]["last_good_at"] is None
    assert found["10.1.6.0/24"]["last_source"] == "10.1.6.99"
    assert all(row["advice"] and row["calls_error"] == 0 and not row["others"] for row in rows)

    # One row tells its story; adding up and filters.
    row = found["10.1.2.0/24"]
    told = gate.run("bounces", row["id"], "--data", str(gate.data)).stdout
    for word in ("10.1.2.0/24", "revoked_api_key", revoked["id"], "search", row["last_request_id"], "never", "turnpike key create"):
        assert word in told, told
    assert gate.wait_record(row["last_request_id"])["source"] == "10.1.2.1"
    by_team = {row["team"]: row["calls"] for row in bounces(gate, "--by", "team")}
    assert by_team["search"] >= 6 and sum(by_team.values()) == before + 9
    assert [row["network"] for row in bounces(gate, "--network", "10.1.2.0/23", "--by", "network")] and \
        {row["network"] for row in bounces(gate, "--network", "10.1.2.0/23")} == {"10.1.2.0/24", "10.1.3.0/24"}
    assert sum(row["calls"] for row in bounces(gate, "--key", live["id"], "--network", "10.1.0.0/16")) == 3
    assert bounces(gate, "--reason", "expired_api_key", "--listener", "nowhere") == []


def test_budgets_limits_and_what_is_only_observed(gate):
    poor = gate.create_key("poor", "--team", "poor")
    watched = gate.create_key("watched", "--team", "watched")
    data = ("--data", str(gate.data))
    gate.run("budget", "create", *data, "--team", "poor", "--amount", "0.0000001", "--period", "month")
    gate.run("limit", "create", *data, "--team", "watched", "--requests", "1", "--per", "1h", "--observe")
    for key in (poor, watched):
        gate.wait_key(key["key"])
    wait_until(lambda: call(gate, "10.2.0.1", poor["key"])[0] == 429, 5, "the budget is used up")
    first = sum(row["calls"] for row in wait_until(lambda: bounces(gate, "--team", "poor"), 10, "a bounce"))
    assert first >= 1
    wait_until(lambda: any(row["observed"] and row["network"] == "10.2.1.0/24" for row in (call(gate, "10.2.1.1", watched["key"]), bounces(gate, "--team", "watched"))[1]), 10, "observed")
    row, = [row for row in bounces(gate, "--team", "watched") if row["network"] == "10.2.1.0/24"]
    assert (row["reason"], row["observed"], row["last_status"]) == ("limit", True, 200) and row["rule"].startswith("lim_")
    row, = [row for row in bounces(gate, "--team", "poor") if row["network"] == "10.2.0.0/24"]
    assert (row["reason"], row["observed"], row["last_status"]) == ("insufficient_quota", False, 429)


def test_networks_with_names_and_rules(start_gateway, own_fake):
    """A rule is watched, then enforced: the same callers are first an observed group, then a refused one."""
    made = config(own_fake.url, networks={"office": {"ranges": ["10.20.0.0/16", "2001:db8:20::/44"]}, "lab": {"ranges": ["10.20.30.0/24"]}})
    gate = start_gateway(made)
    key = gate.create_key("till", "--team", "payments")
    gate.wait_key(key["key"])
    data = ("--data", str(gate.data))
    assert call(gate, "10.20.1.1", key["key"])[0] == 200
    allow = json.loads(gate.run("network", "rule", "create", *data, "--team", "payments", "--allow", "lab", "--json").stdout)

    def observed():
        assert call(gate, "10.20.1.2", key["key"])[0] == 200
        return [row for row in bounces(gate, "--network", "office") if row["observed"]]

    row = wait_until(observed, 10, "what the rule would refuse")[0]
    assert (row["network"], row["reason"], row["team"], row["last_status"]) == ("office", "network", "payments", 200)
    gate.run("network", "rule", "edit", *data, allow["id"], "--enforce")
    wait_until(lambda: call(gate, "2001:db8:2f::1", key["key"])[0] == 403, 10, "the rule is in force")
    assert call(gate, "10.20.30.1", key["key"])[0] == 200
    row, = wait_until(lambda: bounces(gate, "--network", "office", "--reason", "network_not_allowed"), 10, "refused")
    assert row["last_good_at"] and row["last_source"] == "2001:db8:2f::1" and "turnpike network rule" in row["advice"]
    assert {row["network"] for row in bounces(gate, "--network", "2001:db8::/32")} == {"office"}
    shown = json.loads(gate.run("key", "show", key["id"], *data, "--json").stdout)["used_from"]
    assert {row["network"] for row in shown} >= {"office", "lab"}


def test_connections_without_a_call(start_gateway, own_fake):
    """They have no record: a good balancer's silence is a row of the balancer's, and counts in the metric."""
    made = config(own_fake.url)
    made["listeners"]["main"]["forwarders"]["proxy_protocol"] = "on"
    gate = start_gateway(made)
    with Wire(gate.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # the balancer announces nobody
        with pytest.raises((Closed, ConnectionResetError)):
            wire.answer()
    with Wire(gate.port) as wire:  # a good header, and no HTTP behind it
        wire.send(b"PROXY TCP4 192.0.2.44 198.51.100.1 56324 443\r\n\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        assert wire.answer().status == 400
    row, = wait_until(lambda: bounces(gate, "--reason", "malformed_http"), 10, "counted")
    assert (row["network"], row["calls"]) == ("192.0.2.0/24", 1)

    def counted():
        with Wire(gate.port) as wire:
            wire.send(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            return b'turnpike_refused_connections_total{reason="proxy_protocol"} 1\n' in wire.answer().body

    wait_until(counted, 10, "the metric")
    row, = wait_until(lambda: bounces(gate, "--reason", "proxy_header_missing"), 10, "a row")
    assert (row["network"], row["last_source"], row["listener"], row["calls"]) == ("127.0.0.0/24", "127.0.0.1", "main", 1)
    assert row["last_request_id"] is None and "switch the PROXY protocol on" in row["advice"]


def test_kill_counts_nothing_twice(gate):
    """Killed again and again while strangers knock: in the end each record is counted once."""
    sent = 0
    for round in range(6):
        stop = threading.Event()

        def knock():
            while not stop.is_set():
                try:
                    call(gate, f"10.3.{round}.1")
                except OSError:
                    return

        threads = [threading.Thread(target=knock) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.4)  # no matter how far they came
        gate.kill()
        stop.set()
        for thread in threads:
            thread.join()
        gate.start()
        sent = wait_until(lambda: refused_records(gate) == sum(row["calls"] for row in bounces(gate, "--since", "all")) and refused_records(gate),
                          20, "what was recorded is counted")
    assert sent > 6
    assert len(bounces(gate, "--network", "10.3.0.0/16")) == 6


def test_admin_api(gate):
    for last in range(5):
        for _ in range(last + 1):
            call(gate, f"10.4.{last}.1", "tpk_000000000000_x")
    wait_bounces(gate, 15)
    made = json.loads(gate.run("admin", "key", "create", "--data", str(gate.data), "--name", "o", "--role", "owner", "--json").stdout)
    admin = AdminClient(gate, made["key"])
    whole = admin.get("/bounces?since=1h")["data"]
    assert [row["calls"] for row in whole] == [5, 4, 3, 2, 1]
    pages, cursor = [], ""
    while cursor is not None:
        page = admin.get("/bounces?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        pages.append([row["id"] for row in page["data"]])
        cursor = page["next_cursor"]
    assert [len(page) for page in pages] == [2, 2, 1] and sum(pages, []) == [row["id"] for row in whole]
    assert admin.get(f"/bounces/{whole[0]['id']}") == whole[0]
    by = admin.get("/bounces?by=reason&network=10.4.0.0/16")["data"]
    assert [(row["calls"], row["groups"], row["id"], row["network"]) for row in by] == [(15, 5, None, None)]
    assert admin.get("/bounces/bnc_00000000", status=404).code == "not_found"
    for bad, field in (("reason=nosuch", "reason"), ("network=10.1.0.1/16", "network"), ("by=colour", "by"), ("network=10.0.0.0/99", "network"), ("since=never", "since"), ("cursor=eA", "cursor")):
        assert admin.get("/bounces?" + bad, status=400).field == field
    lead = json.loads(gate.run("admin", "key", "create", "--data", str(gate.data), "--name", "l", "--role", "team_lead", "--team", "search",
                               "--json").stdout) if gate.run("team", "create", "--data", str(gate.data), "search") else None
    assert AdminClient(gate, lead["key"]).get("/bounces")["data"] == []  # strangers are no team's


def test_a_flood_pushes_nobody_out(gate):
    """100,000 sources with wrong keys; an honest network and a claimed key stay, nothing grows without end."""
    honest = gate.create_key("honest", "--team", "search", "--model", "fast")
    gate.wait_key(honest["key"])
    assert call(gate, "198.51.100.7", honest["key"])[0] == 200
    assert call(gate, "198.51.100.7", honest["key"], model="gpt-4o")[0] == 403
    assert call(gate, "203.0.113.9")[0] == 401
    start = wait_until(lambda: refused_records(gate) == sum(row["calls"] for row in bounces(gate)) and refused_records(gate), 10, "counted")
    resident = gate.resident_kib()
    sources = 100_000
    with Wire(gate.port) as wire:
        for first in range(0, sources, 500):  # pipelined
            for i in range(first, first + 500):
                source = f"{11 + i % 80}.{i // 80 % 256}.{i // 80 // 256}.1"
                wire.send(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + source.encode() +
                          b"\r\nAuthorization: Bearer sk-aaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n")
            for i in range(500):
                assert wire.answer().status == 401
    deadline = time.monotonic() + 120
    while sum(row["calls"] for row in bounces(gate, "--by", "reason")) < start + sources and time.monotonic() < deadline:
        time.sleep(0.2)
    rows = bounces(gate)
    assert sum(row["calls"] for row in rows) == start + sources
    assert len(rows) < 8000
    row, = [row for row in rows if row["network"] == "198.51.100.0/24"]
    assert (row["calls"], row["calls_error"], row["reason"]) == (1, 0, "model_not_allowed") and row["last_good_at"]
    assert any(row["others"] and row["groups"] > 100 for row in rows)
    assert gate.resident_kib() - resident < 96 * 1024


# -- alerts and keys ------------------------------------------------------------------------------


def test_alerts_by_webhook(start_gateway, own_fake):
    """Who got through and bounces now is told once, signed; a team likewise; a key from many networks."""
    receiver = Receiver()
    gateway = start_gateway(
        config(own_fake.url, webhooks={"default": {"url": receiver.url, "secret": "env:HOOK_SECRET"}},
               alerts={"bounces": {"calls": 5, "share": "50%"}, "keys": {"networks": 3}}),
        environment={"HOOK_SECRET": SECRET})
    try:
        key = gateway.create_key("till", "--team", "payments")
        gateway.wait_key(key["key"])
        for last in range(2):
            assert call(gateway, f"10.5.0.{last}", key["key"])[0] == 200
        for place in range(4):
            assert call(gateway, f"10.6.{place}.1", key["key"])[0] == 200
        gateway.run("key", "revoke", "--data", str(gateway.data), key["id"])
        wait_until(lambda: gateway.get("/v1/models", key["key"])[0] == 401, 5, "revoked")
        for _ in range(40):
            assert call(gateway, "10.5.0.9", key["key"])[0] == 401

        def told(type, **data):
            """The messages of that type about that."""
            messages = [json.loads(body) for _, _, body, _ in receiver.messages]
            return [m for m in messages if m["type"] == type and data.items() <= m["data"].items()]

        wait_until(lambda: told("bounces.network", network="10.5.0.0/24") and told("bounces.team") and told("key.many_networks"), 45, "three alerts")
        network, = told("bounces.network", network="10.5.0.0/24")
        assert network["data"]["reason"] == "revoked_api_key"
        assert network["data"]["key"] == key["id"] and network["data"]["team"] == "payments" and network["data"]["last_good_at"]
        assert "drive round you" in network["text"] and "turnpike bounces --network 10.5.0.0/24" in network["text"]
        assert gateway.run("bounces", network["data"]["group"], "--data", str(gateway.data)).stdout.startswith("group")
        assert told("bounces.team")[0]["data"]["team"] == "payments"
        assert told("key.many_networks", key=key["id"])[0]["data"]["networks"] >= 4
        for message in receiver.messages:
            check_signature(message)
        for _ in range(10):
            call(gateway, "10.5.0.9", key["key"])
        time.sleep(11)  # one more look
        assert len(told("bounces.network", network="10.5.0.0/24")) == 1 and len(told("bounces.team")) == 1
    finally:
        gateway.stop()
        receiver.stop()


def test_where_a_key_is_used_from(gate):
    key = gate.create_key("till", "--team", "payments", "--model", "fast")
    gate.wait_key(key["key"])
    data = ("--data", str(gate.data))
    for last in range(3):
        assert call(gate, f"10.7.0.{last}", key["key"])[0] == 200
    assert call(gate, "10.7.1.1", key["key"], model="gpt-4o")[0] == 403
    call(gate, "10.7.2.1", key["key"][:-3] + "abc")  # not this key's holder

    def sources():
        shown = json.loads(gate.run("key", "show", key["id"], *data, "--json").stdout)
        found = {row["network"]: row for row in shown["used_from"]}
        return (shown, found) if "10.7.0.0/24" in found and "10.7.1.0/24" in found and found["10.7.0.0/24"]["calls"] == 3 else None

    shown, found = wait_until(sources, 10, "where the key was used from")
    assert found["10.7.0.0/24"]["last_good_at"] and found["10.7.1.0/24"]["last_good_at"] is None
    assert "10.7.2.0/24" not in found
    assert shown["last_used_at"] == max(row["last_seen_at"] for row in shown["used_from"])
    text = gate.run("key", "show", "till", *data).stdout
    assert "10.7.0.0/24" in text and "USED FROM" in text and max(map(len, text.splitlines())) <= 80
    made = json.loads(gate.run("admin", "key", "create", *data, "--name", "o", "--role", "owner", "--json").stdout)
    admin = AdminClient(gate, made["key"])
    assert {row["network"]: row["calls"] for row in admin.get(f"/keys/{key['id']}/sources")["data"]} == \
        {row["network"]: row["calls"] for row in shown["used_from"]}
    assert admin.get(f"/keys/{key['id']}")["last_used_at"] == shown["last_used_at"]
    # Nothing is known to be unused for longer than uses are counted.
    assert gate.run("key", "list", "--unused", "90d", *data, "--json").stdout == ""
    other = gate.create_key("spare")
    wait_until(lambda: [row["id"] for row in admin.get("/keys?unused=1s")["data"]].count(other["id"]), 5, "an unused key")
    assert admin.get("/keys?unused=soon", status=400).field == "unused"
    assert "--unused" in gate.run("key", "list", "--unused", "soon", *data, check=False).stderr
