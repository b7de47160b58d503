"""The disk and the store fail: calls go on or are refused, and none is forgotten."""

import os
import pathlib
import sqlite3
import subprocess
import time

import pytest

from gateway import Gateway, plain_config, wait_until
from wire_client import Wire, call_once


def store_file(gateway):
    """The embedded store: the SQLite file in the data folder."""
    for path in gateway.data.rglob("*"):
        if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3":
            return path
    raise AssertionError("no SQLite file in the data folder")


def test_a_locked_store_holds_up_no_call(own_gateway):
    """Some other program holds the store's write lock for a while: calls are served at once and recorded later."""
    key = own_gateway.key
    call_once(own_gateway.port, key, "fast")
    lock = sqlite3.connect(store_file(own_gateway), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    answers = [call_once(own_gateway.port, key, "fast") for _ in range(50)]
    assert time.monotonic() - started < 10
    assert {a.status for a in answers} == {200}
    lock.execute("ROLLBACK")
    lock.close()
    for answer in (answers[0], answers[-1]):
        own_gateway.wait_record(answer.request_id, 20)
    ids = [row["id"] for row in own_gateway.records()]
    assert len(ids) == len(set(ids))
    assert {a.request_id for a in answers} <= set(ids)


def test_revoked_keys_stay_refused_while_the_store_is_locked(own_gateway):
    key, made = own_gateway.key, own_gateway.create_key("gone")
    own_gateway.wait_key(made["key"])
    own_gateway.run("key", "revoke", made["id"], "--data", str(own_gateway.data))
    wait_until(lambda: own_gateway.get("/v1/models", made["key"])[0] == 401, 5, "revoked")
    lock = sqlite3.connect(store_file(own_gateway), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    for _ in range(10):
        assert own_gateway.get("/v1/models", made["key"])[0] == 401
    assert own_gateway.get("/v1/models", key)[0] == 200, "and good keys work"
    lock.execute("ROLLBACK")
    lock.close()


def test_a_key_is_revoked_with_the_store_down(own_gateway):
    """The moment at which a key must go is no moment to wait for a database; and it stays gone after a restart."""
    key, made = own_gateway.key, own_gateway.create_key("leaked")
    own_gateway.wait_key(made["key"])
    lock = sqlite3.connect(store_file(own_gateway), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    command = subprocess.Popen([own_gateway.binary, "key", "revoke", made["id"], "--data", str(own_gateway.data)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own_gateway.environment)
    wait_until(lambda: own_gateway.get("/v1/models", made["key"])[0] == 401, 5, "the key is refused")
    assert time.monotonic() - started < 3, "a second, and something for a busy machine"
    assert own_gateway.get("/v1/models", key)[0] == 200
    lock.execute("ROLLBACK")
    lock.close()
    command.wait(20)
    own_gateway.stop()
    own_gateway.start()
    assert own_gateway.get("/v1/models", made["key"])[0] == 401
    assert own_gateway.get("/v1/models", key)[0] == 200


def test_a_data_folder_that_cannot_be_written(start_gateway, own_fake, tmp_path):
    """Said in words at the start, not found out at the first call."""
    gateway = start_gateway(plain_config(own_fake.url), run=False)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = subprocess.run([gateway.binary, "serve", "--config", str(gateway.config_file), "--data", str(blocked / "data")],
                          capture_output=True, text=True, env=gateway.environment, timeout=20)
    assert done.returncode > 0
    assert "data" in done.stderr


def test_a_store_that_is_no_store(own_gateway):
    """The file was overwritten: the start says so, or serves and keeps its records in the journal; it never crashes."""
    own_gateway.stop()
    store_file(own_gateway).write_bytes(b"this is no database" * 1000)
    try:
        own_gateway.start()
    except AssertionError:
        assert own_gateway.process.returncode not in (-6, -11, 99), own_gateway.stderr()
        own_gateway.process = None


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_and_never_forgets(small_disk, own_fake):
    """With room for nothing more, calls are refused with 503; what was served before has its records; with room again it serves."""
    config = plain_config(own_fake.url)
    config["ledger"] = {"segment_size": "1MiB"}
    gateway = Gateway(small_disk, config)
    try:
        gateway.start()
        key = gateway.key
        served = [call_once(gateway.port, key, "fast").request_id for _ in range(20)]
        filler = small_disk / "filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(64 << 10))
        except OSError:
            pass
        statuses = []
        with Wire(gateway.port, key=key) as wire:
            for _ in range(20_000):  # far more than what is preallocated can take
                wire.chat("fast", user="u" * 128, headers=[("User-Agent", "a" * 256)])
                answer = wire.answer()
                statuses.append(answer.status)
                if answer.status == 200:
                    served.append(answer.request_id)
                    continue
                assert answer.status == 503 and answer.error["code"] == "ledger_unavailable"
                assert answer.header("x-should-retry") == "true"
                break
        assert statuses[-1] == 503, "a disk with no room for a record must come to refuse"
        assert gateway.alive()
        filler.unlink()
        wait_until(lambda: call_once(gateway.port, key, "fast").status == 200, 20, "it serves again")
        ids = wait_until(lambda: _all_there(gateway, served), 30, "every served call has its record")
        assert len(ids) == len(set(ids))
    finally:
        gateway.stop()


def _all_there(gateway, served):
    ids = [row["id"] for row in gateway.records()]
    return ids if set(served) <= set(ids) else None


def test_journals_are_cleaned_away_once_imported(own_gateway):
    """A gateway that runs for years must not fill its disk with journals."""
    key = own_gateway.key
    for _ in range(50):
        call_once(own_gateway.port, key, "fast")

    def size():
        return sum(p.stat().st_blocks * 512 for p in pathlib.Path(own_gateway.data).rglob("*") if p.is_file())

    assert size() < 200 << 20
