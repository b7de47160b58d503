"""SIGKILL under load: whatever was acknowledged has exactly one record afterwards, and what was in flight is known."""

import collections
import os
import signal
import threading
import time

import pytest

from gateway import plain_config, wait_until
from wire_client import Closed, Wire, call_once


class Load:
    """Callers that go on until they are stopped or the gateway is gone; `acknowledged` are the ids of whole answers."""

    def __init__(self, gateway, callers=8):
        self.acknowledged = []
        self.stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(gateway.port, gateway.key, i)) for i in range(callers)]
        for thread in self._threads:
            thread.start()

    def _call(self, port, key, number):
        try:
            with Wire(port, key=key) as wire:
                while not self.stopped.is_set():
                    wire.chat("fast", stream=number % 2 == 1)
                    answer = wire.answer()
                    assert answer.status == 200
                    self.acknowledged.append(answer.request_id)
        except (Closed, OSError):
            pass  # killed

    def stop(self):
        self.stopped.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def counted(gateway, expected):
    """How many records each id has, once all the expected ones are there."""
    def look():
        counts = collections.Counter(row["id"] for row in gateway.records())
        return counts if not set(expected) - set(counts) else None

    return wait_until(look, 30, "every acknowledged call has a record")


@pytest.mark.slow
@pytest.mark.parametrize("round", range(3))
def test_sigkill_under_load_loses_no_acknowledged_call(start_gateway, own_fake, round):
    gateway = start_gateway(plain_config(own_fake.url, workers=2))
    load = Load(gateway)
    wait_until(lambda: len(load.acknowledged) >= 150 * (round + 1), 60, "enough calls")
    gateway.process.send_signal(signal.SIGKILL)
    load.stop()
    gateway.kill()
    gateway.start()
    counts = counted(gateway, load.acknowledged)
    assert max(counts.values()) == 1, "a record twice"
    # what reached the upstream is known as well: answered, or marked as begun and interrupted
    reached = sum(1 for call in own_fake.calls if call.target == "/v1/chat/completions")

    def look():
        rows = gateway.records()
        return rows if sum(1 for row in rows if row["path"] == "/v1/chat/completions") >= reached else None

    rows = wait_until(look, 30, "every call that the upstream got has a record")
    outcomes = collections.Counter(row["outcome"] for row in rows)
    assert outcomes["interrupted"] <= 8, outcomes
    # and a second restart adds none
    before = len(rows)
    gateway.stop()
    gateway.start()
    assert len(gateway.records()) == before


def test_records_can_be_read_while_no_server_runs(start_gateway, own_fake):
    """`turnpike log` reads what a killed server has left, before any server has come to recover it."""
    gateway = start_gateway(plain_config(own_fake.url))
    answers = [call_once(gateway.port, gateway.key, "fast").request_id for _ in range(20)]
    gateway.kill()
    counts = counted(gateway, answers)
    assert all(counts[id] == 1 for id in answers)
    gateway.start()
    assert all(counted(gateway, answers)[id] == 1 for id in answers)


def test_what_was_in_flight_is_known(start_gateway, own_fake):
    async def silent(call):
        await call.body()
        await call.gone()

    gateway = start_gateway(plain_config(own_fake.url))
    script = own_fake.script(silent)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model)
        script.wait_calls()
        gateway.kill()
    gateway.start()
    rows = wait_until(lambda: [r for r in gateway.records() if r["model"] == script.model], 10, "a record of it")
    assert len(rows) == 1
    assert rows[0]["outcome"] == "interrupted"
    assert rows[0]["key_name"] == "shared"


def test_killed_again_and_again(start_gateway, own_fake):
    """Killed at any moment of starting and recovering, it starts the next time, and nothing is counted twice."""
    gateway = start_gateway(plain_config(own_fake.url))
    answers = [call_once(gateway.port, gateway.key, "fast").request_id for _ in range(30)]
    for round in range(5):
        gateway.kill()
        gateway.start()
        answers.append(call_once(gateway.port, gateway.key, "fast").request_id)
    counts = counted(gateway, answers)
    assert max(counts.values()) == 1


def test_torn_journal_does_not_stop_a_start(start_gateway, own_fake):
    """A power cut can leave any bytes behind the last synced ones. Good records before the damage are kept."""
    gateway = start_gateway(plain_config(own_fake.url))
    answers = [call_once(gateway.port, gateway.key, "fast").request_id for _ in range(20)]
    for id in answers:
        gateway.wait_record(id)
    gateway.kill()
    damaged = 0
    for path in gateway.data.rglob("*"):
        if path.is_file() and "journal" in str(path.relative_to(gateway.data)):
            content = path.read_bytes()
            used = len(content.rstrip(b"\0"))
            if used > 100:
                with open(path, "r+b") as file:
                    file.seek(used - 10)
                    file.write(os.urandom(200))
                damaged += 1
    assert damaged, "no journal file found"
    gateway.start()
    counts = counted(gateway, answers[:-1])
    assert max(counts.values()) == 1
    assert call_once(gateway.port, gateway.key, "fast").status == 200


def test_a_restart_is_quick(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url))
    load = Load(gateway, 4)
    wait_until(lambda: len(load.acknowledged) >= 300, 60, "enough calls")
    gateway.process.send_signal(signal.SIGKILL)
    load.stop()
    gateway.kill()
    started = time.monotonic()
    gateway.start()
    assert time.monotonic() - started < 10


def test_fewer_workers_after_a_crash_take_over_all_journals(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, workers=3))
    load = Load(gateway, 9)
    wait_until(lambda: len(load.acknowledged) >= 200, 60, "enough calls")
    gateway.process.send_signal(signal.SIGKILL)
    load.stop()
    gateway.kill()
    gateway.write_config({**gateway.config, "workers": 1})
    gateway.start()
    counts = counted(gateway, load.acknowledged)
    assert max(counts.values()) == 1
