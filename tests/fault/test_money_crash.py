"""SIGKILL at any moment: no acknowledged call without a row, no row twice, and budgets that know all of it afterwards.

`TURNPIKE_LONG=1` kills fifty times.
"""

import os
import random
import signal
import subprocess
import threading
import time

import pytest

from gateway import wait_until
from money_callers import run_callers
from money_gateway import MoneyGateway, cost, expect_refusal
from money_upstream import picodollars

LONG = bool(os.environ.get("TURNPIKE_LONG"))
KILLS = 50 if LONG else 6
CAP = 20 * 10**9  # picodollars that each round adds


@pytest.fixture
def crash(tmp_path):
    crash = MoneyGateway(tmp_path / "gateway", "crash", 0.01, abandoned_calls="finish")
    yield crash
    crash.stop()


def kill_while_starting(gateway, seconds):
    """A start that dies at some moment of its recovery."""
    process = subprocess.Popen([gateway.binary, "serve", "--config", str(gateway.config_file), "--data", str(gateway.data)],
                               stdout=subprocess.DEVNULL, stderr=gateway.stderr_file, env=gateway.environment)
    time.sleep(seconds)
    process.kill()
    process.wait()


def expect_row(row, entry, one):
    """What a call that reached the provider costs, whenever the gateway died."""
    held = picodollars(row["cost_reserved_usd"])
    if one.whole or row["outcome"] != "interrupted":
        assert row["cost_state"] == "priced" and cost(row) == entry.cost, (row, entry)
    else:
        assert row["cost_state"] == "estimated" and cost(row) == held > 0, row
    assert entry.cost <= held


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_under_load(crash):
    chance = random.Random("when to die")
    key = crash.key("victim", "--team", "blue")
    cap, told = 0, {}
    budget = crash.budget(key, CAP, "--team", "blue")
    interrupted = 0
    for kill in range(KILLS):
        cap += CAP
        if kill > 0:
            crash.edit_budget(key, budget, cap)
        load = threading.Thread(target=lambda: told.update(
            run_callers(crash.gateway.port, key["key"], crash.upstream.model, f"kill {kill}", 40, 50, seed=kill, leaving=0.1)))
        load.start()
        time.sleep(chance.uniform(0.05, 0.8))
        crash.gateway.process.send_signal(signal.SIGKILL)
        load.join()
        crash.gateway.kill()
        if kill % 3 == 0:
            kill_while_starting(crash.gateway, chance.uniform(0, 0.4))
        crash.gateway.start()
        wait_until(lambda: not crash.upstream.under_way(), 30, "the provider has served all")
        reached = {user: entry for user, entry in crash.upstream.books().items() if user in told}
        answered = {user for user, one in told.items() if one.whole}
        rows = crash.rows(set(reached) | answered)
        assert not set(crash.upstream.twice) & set(told)
        for user, entry in reached.items():
            expect_row(rows[user], entry, told[user])
        for user in answered - set(reached):
            expect_refusal(told[user].answer)
            assert cost(rows[user]) == 0
        interrupted += sum(1 for row in rows.values() if row["outcome"] == "interrupted")
        # Every row of the team, those of calls that nobody knows the end of among them.
        every = [row for row in crash.gateway.records() if row["team"] == "blue"]
        spent = sum(cost(row) for row in every)
        assert len({row["id"] for row in every}) == len(every)
        assert sum(entry.cost for entry in reached.values()) <= spent <= cap
        assert crash.spent(budget) == spent
        crash.expect_left(key, cap - spent, f"after {kill}")
        crash.rows({f"after {kill}"})
    assert interrupted > 0, "it was killed at better moments than chance has"


def test_what_was_in_flight_counts_at_its_worst(crash):
    """A budget that the calls under way had filled is full after the crash, and says so to the next call."""
    key = crash.key("victim")
    budget = crash.budget(key, CAP, "--key", key["id"])
    body = {"user": "in flight", "max_tokens": 10**9, "metadata": {"first": "20"}}
    caller = threading.Thread(target=lambda: pytest.raises(Exception, crash.call, key, body))
    caller.start()
    wait_until(lambda: crash.upstream.under_way(), 5, "it is under way")
    expect_refusal(crash.call(key, {"user": "next"}))
    crash.gateway.kill()
    caller.join()
    crash.gateway.start()
    row = crash.row("in flight")
    assert row["outcome"] == "interrupted" and row["cost_state"] == "estimated"
    assert cost(row) == picodollars(row["cost_reserved_usd"]) == crash.spent(budget)
    assert CAP - cost(row) < 10**6, "all of it was held"
    expect_refusal(crash.call(key, {"user": "after"}))
    crash.edit_budget(key, budget, 2 * CAP)
    crash.expect_left(key, 2 * CAP - cost(row), "raised")
