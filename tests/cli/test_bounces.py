"""`turnpike bounces`: the table, the story of a row, and what is wrong on the command line. (What is counted: tests/e2e/test_bounces.py.)"""

import json
import sqlite3
import time

import pytest

from administration import Place, on_terminal
from command import turnpike

DAY = 86400 * 10**9
QUARTER = 900 * 10**9


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def times(buckets):
    """Calls by the moment that they began, as src/store/bounces.c writes them."""
    out = b""
    for length, size in ((QUARTER, 96), (DAY, 32)):
        newest = max(moment // length for moment in buckets)
        rows = {}
        for moment, calls in buckets.items():
            if newest - moment // length < size:
                rows[newest - moment // length] = rows.get(newest - moment // length, 0) + calls
        out += varint(newest) + varint(len(rows)) + b"".join(varint(back) + varint(calls) for back, calls in rows.items())
    return out


@pytest.fixture
def place(tmp_path):
    """A store with some groups, written as the importer does."""
    place = Place(tmp_path / "data")
    place.run("team", "create", "payments")
    now = time.time_ns()
    rows = [
        # slot, kind, network, reason, rule, listener, key, team, observed, calls, error, groups, when
        (2048, 1, "office", "revoked_api_key", "", "main", "4f0c2v9qk1tz", "payments", 0, 17, "", {now - 5 * 10**9: 1204, now - 3 * DAY: 6}),
        (0, 0, "10.20.3.0/24", "missing_api_key", "", "main", "", "", 0, 0, "", {now - 600 * 10**9: 77}),
        (1, 0, "203.0.113.0/24", "invalid_api_key", "", "main", "", "", 0, 0, "sk-p\x1b[31m", {now - 9 * DAY: 5}),
        (2049, 1, "office", "limit", "lim_1", "main", "", "search", 1, 0, "", {now - 3600 * 10**9: 12}),
        (6144, 2, "52.0.0.0/8", "invalid_api_key", "", "main", "", "", 0, 40, "", {now - 4 * 10**9: 8840}),
    ]
    with sqlite3.connect(place.data / "turnpike.db") as store:
        for slot, kind, network, reason, rule, listener, key, team, observed, error, claimed, when in rows:
            store.execute("INSERT INTO bounces VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                          (slot, kind, network, reason, rule, listener, key, team, observed, claimed, "10.20.3.9", "fast", "agent/1", 401,
                           min(when), max(when), sum(when.values()), error, 40 if kind == 2 else 0, b"\1" * 16, b"\2" * 16, times(when)))
        store.execute("INSERT INTO bounce_networks VALUES (0, 'office', 100, ?, ?, ?)", (now - 9 * DAY, now - 3 * DAY, times({now - 3 * DAY: 100})))
    store.close()
    return place


def test_the_table(place):
    lines = place.run("bounces").stdout.splitlines()
    assert lines[0].split() == ["CALLS", "NETWORK", "REASON", "WHO", "LAST", "GOOD", "ID"]
    assert [line.split()[0] for line in lines[1:5]] == ["8840", "1204", "77", "12"]
    assert "(others)" in lines[1] and "never" in lines[1]
    assert "office" in lines[2] and "payments" in lines[2] and "3d" in lines[2] and "+17" not in lines[2]  # exact since yesterday
    assert "limit (observed)" in lines[4] and "search" in lines[4]
    assert lines[-1].startswith("10133 calls since ") and " UTC" in lines[-1]


def test_it_fits_a_terminal(place):
    for more in ((), ("--by", "network"), ("--since", "all")):
        shown = on_terminal("bounces", "--data", place.data, *more)[1]
        assert all(len(line) <= 80 for line in shown.splitlines()[:-1]), shown
        assert "\x1b[31m" not in shown


def test_further_back(place):
    whole = place.lines("bounces", "--since", "all")
    assert {row["reason"]: row["calls"] for row in whole if row["network"] == "office"} == {"revoked_api_key": 1210, "limit": 12}
    row = next(row for row in whole if row["reason"] == "revoked_api_key")
    assert row["calls_error"] == 17
    assert "1210 +17" in place.run("bounces", "--since", "all").stdout
    assert sum(row["calls"] for row in place.lines("bounces", "--since", "5d")) == 10139
    assert [row["calls"] for row in place.lines("bounces", "--since", "1m")][:1] in ([8840], [])


def test_adding_up(place):
    by = {row["network"]: row for row in place.lines("bounces", "--by", "network")}
    assert (by["office"]["calls"], by["office"]["groups"]) == (1204, 1) or by["office"]["observed"]
    reasons = [(row["reason"], row["observed"], row["calls"]) for row in place.lines("bounces", "--by", "reason")]
    assert reasons == [("invalid_api_key", False, 8840), ("revoked_api_key", False, 1204), ("missing_api_key", False, 77), ("limit", True, 12)]
    teams = {row["team"]: row["calls"] for row in place.lines("bounces", "--by", "team")}
    assert teams == {None: 8917, "payments": 1204, "search": 12}
    assert "TEAM" in place.run("bounces", "--by", "team").stdout.splitlines()[0]
    assert {row["listener"] for row in place.lines("bounces", "--by", "listener")} == {"main"}


def test_filters(place):
    assert [row["network"] for row in place.lines("bounces", "--network", "10.20.0.0/16")] == ["office", "10.20.3.0/24", "office"]
    assert {row["network"] for row in place.lines("bounces", "--network", "office")} == {"office"}
    assert [row["calls"] for row in place.lines("bounces", "--key", "4f0c2v9qk1tz")] == [1204]
    assert [row["calls"] for row in place.lines("bounces", "--team", "search", "--reason", "limit")] == [12]
    assert [row["calls"] for row in place.lines("bounces", "-n", "1")] == [8840]
    assert "the largest 1 of 4 rows" in place.run("bounces", "-n", "1").stdout
    assert "Nobody was turned away since" in place.run("bounces", "--since", "1m", "--network", "office", "--reason", "limit").stdout
    # An address is in the group whose network has it, not only where it was the last one seen.
    assert {row["network"] for row in place.lines("bounces", "--network", "10.20.3.77")} == {"10.20.3.0/24"}
    (place.data / "configs").mkdir()
    (place.data / "configs" / "00000001.yaml").write_text("networks: {office: {ranges: [10.20.0.0/20]}, all: {ranges: [0.0.0.0/0]}}\n")
    assert {row["network"] for row in place.lines("bounces", "--network", "10.20.7.1")} == {"office"}


def test_words_that_name_nothing(place):
    """Not that all is well."""
    assert "no team 'nobody' is known" in place.run("bounces", "--team", "nobody", code=1).stderr
    assert "no key 'nothing' is known" in place.run("bounces", "--key", "nothing", code=1).stderr
    for option in ("network", "listener"):
        done = place.run("bounces", f"--{option}", "nowhere")
        assert f"no {option} 'nowhere' is known from any call" in done.stderr and not done.stdout
    assert "kept for 32 days" in place.run("bounces", "--since", "99d").stderr
    assert "kept for" not in place.run("bounces", "--since", "31d").stderr
    for known in ("limit", "revoked_api_key", "tls_version", "upstream_timeout"):
        place.run("bounces", "--reason", known)


def test_the_story_of_a_row(place):
    row = next(row for row in place.lines("bounces") if row["reason"] == "revoked_api_key")
    told = place.run("bounces", row["id"]).stdout
    for word in (row["id"], "office", "revoked_api_key", "1210 +17", "payments", "4f0c2v9qk1tz", "3 days ago", "10.20.3.9", "agent/1",
                 "req_" + "01" * 16, "req_" + "02" * 16, "turnpike key create"):
        assert word in told, (word, told)
    assert place.lines("bounces", row["id"])[0]["id"] == row["id"]
    strange = next(row for row in place.lines("bounces", "--since", "all") if row["network"] == "203.0.113.0/24")
    assert "\x1b" not in place.run("bounces", strange["id"]).stdout


@pytest.mark.parametrize("arguments, word", [
    (("--since", "yesterday"), "--since"), (("--by", "colour"), "network, reason"), (("--network", "10.0.0.0/99"), "--network"),
    (("--network", "10.1.0.1/16"), "did you mean '10.1.0.0/16'"), (("--reason", "nosuch"), "no call is turned away for 'nosuch'"),
    (("--reason", "revoked_api_kye"), "did you mean 'revoked_api_key'"), (("--limit", "x"), "--limit"), (("bnc_1", "--by", "team"), "--by"), (("bnc_1", "bnc_2"), "bnc_2")])
def test_wrong_command_lines(place, arguments, word):
    assert word in place.run("bounces", *arguments, code=2).stderr


def test_an_id_of_nothing(place):
    assert "bnc_00000000" in place.run("bounces", "bnc_00000000", code=1).stderr


def test_without_a_store(tmp_path):
    assert str(tmp_path) in turnpike("bounces", "--data", tmp_path / "nothing", code=1).stderr


def test_json_is_one_object_a_line(place):
    for line in place.run("bounces", "--json").stdout.splitlines():
        assert set(json.loads(line)) >= {"id", "network", "reason", "calls", "calls_error", "last_good_at", "advice"}


@pytest.mark.parametrize("words", [["bounces"], ["key", "list"], ["audit"], ["network", "rule", "list"], ["team", "show", "a"], ["export"]], ids=" ".join)
def test_who_only_looks_makes_no_store(tmp_path, words):
    done = turnpike(*words, "--data", tmp_path, code=1)
    assert "has no store" in done.stderr and not list(tmp_path.iterdir())
