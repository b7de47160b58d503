"""`turnpike usage` beside a running gateway: the sums of what `turnpike log` shows, after crashes too."""

import collections
import json
import signal
import sqlite3
import threading
from decimal import Decimal

import pytest

from gateway import plain_config, wait_until
from wire_client import Closed, Wire, call_once

COUNTERS = ("input_tokens", "output_tokens", "cached_input_tokens", "bytes_sent", "bytes_received")


def log_sums(records):
    sums = collections.Counter(calls=0)
    for record in records:
        sums["calls"] += record["calls"]
        sums[record["outcome"]] += record["calls"]
        sums["cost"] += Decimal(record["cost_usd"] or 0)
        sums["unpriced"] += record["cost_state"] == "unpriced"
        for name in COUNTERS:
            sums[name] += record[name] or 0
    return sums


def usage_of(gateway, *arguments):
    done = gateway.run("usage", "--data", str(gateway.data), "--json", "--since", "all", *arguments)
    return json.loads(done.stdout)


def agree(gateway, records):
    """The usage, once it shows as many calls as the log."""
    sums = log_sums(records)

    def look():
        total = usage_of(gateway)["total"]
        return total if total["calls"] == sums["calls"] else None

    total = wait_until(look, 10, "usage counts what the log shows")
    assert Decimal(total["cost_usd"] or 0) == sums["cost"]
    for name in (*COUNTERS, "served", "refused", "failed", "cancelled", "interrupted", "unpriced"):
        assert total[name] == sums[name], name
    return total


def test_counts_what_passed(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, workers=2))
    made = {team: gateway.create_key(f"{team}-key", "--team", team, "--tag", f"env={team}") for team in ("red", "blue")}
    for team, calls in (("red", 5), ("blue", 3)):
        gateway.wait_key(made[team]["key"])
        for number in range(calls):
            with Wire(gateway.port, key=made[team]["key"]) as wire:
                wire.chat("fast", stream=number % 2 == 1)
                assert wire.answer().status == 200
    assert call_once(gateway.port, "tpk_nokey", "fast").status == 401
    agree(gateway, gateway.records())
    chats = {team: [r for r in gateway.records() if r["team"] == team and r["path"] == "/v1/chat/completions"] for team in made}
    for group, name in (("team", lambda t: t), ("key", lambda t: made[t]["id"]), ("tag:env", lambda t: t)):
        rows = {row[group]: row for row in usage_of(gateway, "--by", f"{group},model")["rows"] if row["model"] == "fast"}
        for team, records in chats.items():
            assert rows[name(team)]["calls"] == len(records) == (5 if team == "red" else 3)
            assert rows[name(team)]["input_tokens"] == sum(r["input_tokens"] for r in records) > 0
    only = usage_of(gateway, "--key", "red-key", "--by", "model")
    assert {row["model"]: row["calls"] for row in only["rows"]}["fast"] == 5


@pytest.mark.slow
def test_equals_the_log_after_sigkill(start_gateway, own_fake):
    """Records that were imported before the kill are not counted again; those in flight are counted."""
    gateway = start_gateway(plain_config(own_fake.url, workers=2))
    answered = []
    for _ in range(3):
        key, stopped = gateway.key, threading.Event()

        def call(number):
            try:
                with Wire(gateway.port, key=key) as wire:
                    while not stopped.is_set():
                        wire.chat("fast", stream=number % 2 == 1)
                        answered.append(wire.answer().request_id)
            except (Closed, OSError):
                pass

        before = len(answered)
        threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) > before + 100, 60, "enough calls")
        gateway.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join(30)
        gateway.kill()
        gateway.start()

        def settled():
            ids = {row["id"] for row in gateway.records()}
            return ids if set(answered) <= ids else None

        wait_until(settled, 30, "every answered call has a record")
        records = wait_until(lambda: still(gateway), 30, "recovery is over")
        assert len({r["id"] for r in records}) == len(records)
        agree(gateway, records)


def still(gateway):
    """The records, when two looks see the same."""
    first = gateway.records()
    return first if len(usage_of(gateway)["rows"]) > 0 and len(gateway.records()) == len(first) else None


def test_says_what_is_not_counted_yet(start_gateway, own_fake):
    """While the store takes nothing, and after a kill: the figures lack calls, and say how many."""
    gateway = start_gateway(plain_config(own_fake.url))
    call_once(gateway.port, gateway.key, "fast")
    agree(gateway, gateway.records())
    store = sqlite3.connect(gateway.data / "turnpike.db", isolation_level=None, timeout=10)
    store.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        assert call_once(gateway.port, gateway.key, "fast").status == 200
    gateway.kill()
    store.execute("ROLLBACK")
    store.close()

    def said():
        done = gateway.run("usage", "--data", str(gateway.data))
        return "3 recorded calls wait in the journal" in done.stderr

    wait_until(said, 10, "the calls in the journal are named")
    gateway.start()
    agree(gateway, gateway.records())
    assert not said()


def test_an_old_store_is_counted_beside_the_imports(start_gateway, own_fake):
    """What a Turnpike without rollups has stored is counted at the next start, and new calls with it."""
    gateway = start_gateway(plain_config(own_fake.url))
    for _ in range(20):
        assert call_once(gateway.port, gateway.key, "fast").status == 200
    agree(gateway, gateway.records())
    gateway.stop()
    with sqlite3.connect(gateway.data / "turnpike.db") as store:
        for table in ("usage_series", "usage_quarters", "usage_days"):
            store.execute(f"DELETE FROM {table}")
        store.execute("UPDATE exchanges SET series = NULL")
        store.execute("UPDATE usage_backfill SET next = 1, last = (SELECT max(number) FROM exchanges)")
    store.close()
    before = gateway.run("usage", "--data", str(gateway.data), "--since", "all")
    assert "still being counted (0 of" in before.stderr
    gateway.start()
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    agree(gateway, gateway.records())
    assert gateway.run("usage", "--data", str(gateway.data)).stderr.count("older Turnpike") == 0
