"""The store is locked, gone or full while calls cost money: budgets go on binding, and know all of it afterwards."""

import os
import sqlite3
import subprocess
import threading
import time

import pytest

from gateway import memory_is_measurable, wait_until
from money_gateway import TINY, MoneyGateway, cost
from money_upstream import INPUT, OUTPUT
from wire_client import Wire

CAP = 20 * 10**9


@pytest.fixture
def money(tmp_path):
    money = MoneyGateway(tmp_path / "gateway", "store", abandoned_calls="finish")
    yield money
    money.stop()


class Lock:
    """Another program has the store's write lock."""

    def __init__(self, money, kind="IMMEDIATE"):
        self.connection = sqlite3.connect(money.gateway.data / "turnpike.db", isolation_level=None)
        self.connection.execute(f"BEGIN {kind}")

    def let_go(self):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def spend(money, key, name, calls):
    """Calls of 1,000 tokens each; returns what they cost."""
    for number in range(calls):
        answer = money.call(key, {"user": f"{name} {number}", "max_tokens": 1000,
                                  "metadata": {"prompt": "0", "completion": "1000"}})
        assert answer.status == 200, answer.body
    wait_until(lambda: not money.upstream.under_way(), 5)
    return sum(entry.cost for user, entry in money.upstream.books().items() if user.startswith(name + " "))


def wait_known(money, key, left):
    """Until the budget that binds has exactly `left`."""
    asked = []

    def knows():
        user = f"asks {len(asked)}"
        answer = money.call(key, {"user": user, "max_tokens": 10**9, "metadata": TINY})
        assert answer.status == 200, answer.body
        limit = int(answer.header("x-turnpike-output-limit"))
        sent = money.upstream.books()[user].body.replace(b'"max_tokens": %d' % limit, b'"max_tokens": 1000000000')
        expected = money.affordable(left - len(asked) * (INPUT + OUTPUT), sent)
        asked.append((limit, expected))
        return limit == expected

    wait_until(knows, 10, "the budget knows what was spent")


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_locked_store_lets_no_budget_go(money, kind):
    """Calls are served and counted in memory; the budget refuses at the same picodollar as ever; then all is imported."""
    key = money.key("a")
    budget = money.budget(key, CAP, "--key", key["id"])
    lock = Lock(money, kind)
    started = time.monotonic()
    spent = spend(money, key, "locked", 20)
    assert time.monotonic() - started < 10, "no call waited for the store"
    money.expect_left(key, CAP - spent, "while locked")
    spent += INPUT + OUTPUT
    while (answer := money.call(key, {"user": f"more {spent}", "max_tokens": 4000,
                                      "metadata": {"prompt": "0", "completion": "3000"}})).status == 200:
        limit = int(answer.header("x-turnpike-output-limit") or 4000)
        if limit < 3000:
            break
        spent += 3000 * OUTPUT
    wait_until(lambda: not money.upstream.under_way(), 5)
    lock.let_go()
    books = {user: entry for user, entry in money.upstream.books().items() if user != "probe"}
    rows = money.rows(set(books))
    assert {user: cost(row) for user, row in rows.items()} == {user: entry.cost for user, entry in books.items()}
    wait_until(lambda: money.spent(budget) == sum(entry.cost for entry in books.values()), 5)


def test_a_slow_store_slows_no_call(money):
    """Its lock is taken again and again: import comes in gaps, calls do not notice."""
    key = money.key("a")
    budget = money.budget(key, CAP, "--key", key["id"])
    ended = threading.Event()

    def hinder():
        while not ended.is_set():
            try:
                lock = Lock(money)
            except sqlite3.OperationalError:
                continue
            time.sleep(0.3)
            lock.let_go()
            time.sleep(0.01)

    hinderer = threading.Thread(target=hinder)
    hinderer.start()
    try:
        started = time.monotonic()
        spent = spend(money, key, "slow", 20)
        assert time.monotonic() - started < 10
        money.expect_left(key, CAP - spent, "while slow")
    finally:
        ended.set()
        hinderer.join()
    money.rows({f"slow {number}" for number in range(20)} | {"while slow"})
    wait_until(lambda: money.spent(budget) == spent + INPUT + OUTPUT, 10)


def test_a_full_disk_forgets_no_money(tmp_path):
    """With no room for a record, calls are refused before anything is held for them; what was served is in the books; with
    room again, budgets are as they should be."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mount: {done.stderr.strip()}")
    try:
        money = MoneyGateway(disk, "disk", ledger={"segment_size": "1MiB"})
        try:
            fill_and_mend(money, disk / "filler")
        finally:
            money.stop()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_and_mend(money, filler):
    key = money.key("a")
    budget = money.budget(key, 1000 * CAP, "--key", key["id"])
    with open(filler, "wb") as file:
        try:
            while True:
                file.write(bytes(64 << 10))
                file.flush()
        except OSError:
            pass
    served, memory = [], money.gateway.resident_kib()
    padding = "p" * 200  # in the record: journals fill the sooner
    with Wire(money.gateway.port, key=key["key"]) as wire:
        for number in range(20_000):
            wire.request("POST", "/v1/chat/completions",
                         {"model": money.upstream.model, "user": f"full {number} {padding}"[:120], "max_tokens": 100,
                          "metadata": {**TINY, "padding": padding}, "messages": []}, [("User-Agent", padding)])
            answer = wire.answer()
            if answer.status != 200:
                break
            served.append(f"full {number} {padding}"[:120])
        for _ in range(20):
            assert answer.status == 503 and answer.error["code"] == "ledger_unavailable"
            wire.request("POST", "/v1/chat/completions", {"model": money.upstream.model, "user": "refused", "messages": []})
            answer = wire.answer()
    assert "refused" not in money.upstream.books()
    if memory_is_measurable():
        assert money.gateway.resident_kib() - memory < 100 << 10
    filler.unlink()
    wait_until(lambda: money.gateway.get("/readyz")[0] == 200, 20, "every worker has room again")
    assert money.call(key, {"user": "again", "metadata": TINY}).status == 200
    rows = money.rows({*served, "again"})
    spent = sum(cost(row) for row in rows.values())
    assert spent == (len(served) + 1) * (INPUT + OUTPUT)
    wait_until(lambda: money.spent(budget) == spent, 10)
    money.edit_budget(key, budget, spent + CAP)
    money.expect_left(key, CAP, "the rest")


def test_a_missing_store_lets_no_budget_go(money):
    """The file is gone: budgets in force stay in force, and count."""
    key = money.key("a")
    budget = money.budget(key, CAP, "--key", key["id"])
    hidden = money.gateway.data / "hidden"
    hidden.mkdir()
    for name in ("turnpike.db", "turnpike.db-wal", "turnpike.db-shm"):
        if (money.gateway.data / name).exists():
            (money.gateway.data / name).rename(hidden / name)
    spent = spend(money, key, "gone", 10)
    time.sleep(1)
    money.expect_left(key, CAP - spent, "while gone")
    spent += INPUT + OUTPUT
    for path in money.gateway.data.glob("turnpike.db*"):
        path.unlink()
    for path in hidden.iterdir():
        path.rename(money.gateway.data / path.name)
    money.gateway.kill()
    money.gateway.start()
    money.rows({f"gone {number}" for number in range(10)} | {"while gone"})
    wait_until(lambda: money.spent(budget) == spent, 10)
    wait_known(money, key, CAP - spent)


def test_a_start_with_a_locked_store_learns_later(money):
    """What was spent before is in the store, or still in the journal of a gateway that was killed: while the store cannot be
    asked, budgets count what they see; they know the rest as soon as it lets itself be asked."""
    key = money.key("a")
    budget = money.budget(key, CAP, "--key", key["id"])
    spent = spend(money, key, "imported", 4)
    money.rows({f"imported {i}" for i in range(4)})
    wait_until(lambda: money.spent(budget) == spent, 5)
    lock = Lock(money)
    spent += spend(money, key, "in the journal", 6)
    money.gateway.kill()
    money.gateway.start()
    lock.let_go()
    # From then on at once, or within seconds.
    wait_until(lambda: money.spent(budget) == spent, 20, "the journal is imported")
    wait_known(money, key, CAP - spent)


def test_a_budget_made_in_mid_call_knows_the_call(money):
    """Calls under way, and those whose rows are not yet in the store, count in a budget that is made meanwhile."""
    key = money.key("a")
    caller = threading.Thread(target=lambda: money.call(key, {
        "user": "long", "stream": True, "max_tokens": 10_000, "metadata": {"first": "1.5", "prompt": "0", "completion": "10000"}}))
    caller.start()
    wait_until(lambda: money.upstream.under_way(), 5)
    lock = Lock(money)
    spend(money, key, "late", 3)
    lock.let_go()
    budget = money.budget(key, CAP, "--key", key["id"])
    caller.join()
    money.rows({"long"})
    spent = 13_000 * OUTPUT
    wait_until(lambda: money.spent(budget) == spent, 10)
    wait_known(money, key, CAP - spent)
