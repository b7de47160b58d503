"""`turnpike budget`."""

import json
import pathlib

import pytest

from administration import Place, on_terminal


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "data")
    place.run("team", "create", "search")
    return place


def test_create_and_show(place):
    made = place.json("budget", "create", "--team", "search", "--amount", "500", "--period", "month", "--timezone", "Europe/Berlin",
                      "--alert", "100", "--alert", "80", "--alert", "80")
    assert made["id"].startswith("bud_") and made["team"] == "search"
    assert (made["amount"], made["currency"], made["period"], made["timezone"]) == ("500.00", "USD", "month", "Europe/Berlin")
    assert (made["soft"], made["mode"], made["alerts"]) == (False, "enforce", [80, 100])
    shown = place.json("budget", "show", made["id"])
    assert (shown["spent"], shown["left"]) == ("0.00", "500.00")
    assert shown["period_start"] < shown["resets_at"]
    assert {name: shown[name] for name in made} == made


@pytest.mark.parametrize("amount, shown", [("0", "0.00"), ("0.000000000001", "0.000000000001"), ("1000000000000", "1000000000000.00"),
                                           ("007.50", "7.50")])
def test_amounts(place, amount, shown):
    assert place.json("budget", "create", "--team", "search", "--amount", amount)["amount"] == shown


@pytest.mark.parametrize("arguments, said", [
    (["--amount=-5"], "negative"), (["--amount", "+5"], "sign"), (["--amount", "1e3"], "exponent"), (["--amount", "0.0000000000001"], "12 decimals"),
    (["--amount", "1000000000000.01"], "above"), (["--amount", "9" * 400], "above"), (["--amount", "5,5"], "--amount"), (["--amount", "$5"], "--amount"),
    (["--amount", "NaN"], "--amount"), (["--amount", ""], "--amount"), (["--amount", "5", "--currency", "EUR"], "USD"),
    (["--amount", "5", "--period", "fortnight"], "lifetime"), (["--amount", "5", "--period", "rolling"], "length"),
    (["--amount", "5", "--rolling", "3m"], "quarters"), (["--amount", "5", "--rolling", "367d"], "366d"), (["--amount", "5", "--rolling", "x"], "duration"),
    (["--amount", "5", "--rolling", "61m"], "quarters"), (["--amount", "5", "--period", "day", "--rolling", "12h"], "not both"),
    (["--amount", "5", "--rolling", "30d", "--timezone", "Europe/Berlin"], "no time zone"),
    (["--amount", "5", "--timezone", "Berlin"], "Europe/Berlin"), (["--amount", "5", "--timezone", "europe/berlin"], "Europe/Berlin"),
    (["--amount", "5", "--timezone", "../../../etc/passwd"], "no time zone"), (["--amount", "5", "--timezone", "x" * 5000], "no time zone"),
    (["--amount", "5", "--alert", "0"], "1 to 1000"), (["--amount", "5", "--alert", "1001"], "1 to 1000"), (["--amount", "5", "--alert", "8.5"], "whole"),
    (["--amount", "5", *[f"--alert={i}" for i in range(1, 40)]], "at most 32"), (["--amount", "5", "--key", "x"], "here are two"), ([], "--amount"),
    (["--amount", "5", "--alert", "80", "--no-alerts"], "not go together"), (["--amount", "5", "--name", "x" * 200], "at most 128"),
])
def test_wrong_command_lines(place, arguments, said):
    text = place.refused("budget", "create", "--team", "search", *arguments)
    assert said in text and "usage: turnpike budget create" in text


@pytest.mark.parametrize("scope, said, code", [
    (["--team", "serch"], "did you mean 'search'?", 1), (["--key", "nothing"], "there is no key", 1), (["--tag", "x"], "NAME=VALUE", 2),
    (["--tag", "x="], "NAME=VALUE", 2), (["--tag", "x=" + "y" * 10240], "480", 2), ([], "say whom", 2), (["--team", ""], "no team", 2),
])
def test_wrong_scopes(place, scope, said, code):
    assert said in place.refused("budget", "create", "--amount", "5", *scope, code=code)


def test_scopes(place):
    key = place.json("key", "create", "--name", "one", "--team", "search")
    assert place.json("budget", "create", "--key", "one", "--amount", "5")["key"] == key["id"]
    assert place.json("budget", "create", "--tag", "a=b=c", "--amount", "5")["tag"] == "a=b=c"
    assert place.json("budget", "create", "--organisation", "--amount", "5", "--rolling", "30d")["rolling"] == "30d"
    assert len(place.lines("budget", "list")) == 3
    assert [row["key"] for row in place.lines("budget", "list", "--team", "search")] == [key["id"]]


def test_one_for_each_scope_and_period(place):
    first = place.json("budget", "create", "--team", "search", "--amount", "5")
    assert first["id"] in place.refused("budget", "create", "--team", "search", "--amount", "6", code=1)
    day = place.json("budget", "create", "--team", "search", "--amount", "6", "--period", "day")
    place.run("budget", "create", "--team", "search", "--amount", "4", "--name", "trial", "--observe")
    assert "'trial' already" in place.refused("budget", "create", "--team", "search", "--amount", "6", "--name", "trial", code=1)
    assert first["id"] in place.refused("budget", "edit", day["id"], "--period", "month", code=1)


def test_edit_raise_delete(place):
    made = place.json("budget", "create", "--team", "search", "--amount", "5", "--soft", "--observe")
    edited = place.json("budget", "edit", made["id"], "--amount", "7", "--hard", "--enforce", "--no-alerts")
    assert (edited["amount"], edited["soft"], edited["mode"], edited["alerts"]) == ("7.00", False, "enforce", [])
    raised = place.json("budget", "raise", made["id"], "--amount", "9", "--until", "2099-01-01")
    assert (raised["amount"], raised["raised_to"]) == ("7.00", "9.00") and raised["raised_until"].startswith("2099-01-01")
    assert place.json("budget", "show", made["id"])["left"] == "9.00"
    for until, said in (("2020-01-01", "has passed"), ("never", "has an end"), ("soon", "no time")):
        assert said in place.refused("budget", "raise", made["id"], "--amount", "9", "--until", until)
    for amount in ("7", "6.99"):
        assert "a raise is above it" in place.refused("budget", "raise", made["id"], "--amount", amount, "--until", "3d")
    assert "--off" in place.refused("budget", "raise", made["id"], "--amount", "9")
    assert place.json("budget", "raise", made["id"], "--off")["raised_to"] is None
    # An amount that reaches the raise ends it: it would lower what was said.
    place.run("budget", "raise", made["id"], "--amount", "9", "--until", "3d")
    assert place.json("budget", "edit", made["id"], "--amount", "8.5")["raised_to"] == "9.00"
    edited = place.json("budget", "edit", made["id"], "--amount", "12")
    assert (edited["amount"], edited["raised_to"], edited["raised_until"]) == ("12.00", None, None)
    place.run("budget", "delete", made["id"])
    assert "no budget" in place.refused("budget", "show", made["id"], code=1)
    assert [row["action"] for row in place.lines("audit", "--object", "budget")] == [
        "delete", "update", "update", "raise", "raise", "raise", "update", "create"]


@pytest.mark.parametrize("amount", ["5EUR", "$5", "5 €", "EUR 5", "5usd"])
def test_an_amount_with_a_currency(place, amount):
    said = place.refused("budget", "create", "--team", "search", "--amount", amount)
    assert "in US dollars" in said and "write them as 500 or 0.25" in said, said


def test_names_that_a_terminal_would_obey(place):
    """Marks that turn the direction of what follows are in the JSON and never on the terminal; nor are commands."""
    marks = ["\u202e", "\u2066", "\u200f", "\u061c"]
    name = "a" + "x".join(marks) + "z"
    made = place.json("budget", "create", "--organisation", "--amount", "5", "--name", name)
    assert made["name"] == name
    (pathlib.Path(place.data).parent / "file.yaml").write_text(json.dumps(
        {"budgets": [{"organisation": True, "amount": 6, "name": name}]}))
    (pathlib.Path(place.data).parent / "wrong.yaml").write_text(json.dumps({"budgets": [{"team": "t" + name, "amount": 5}]}))
    shown = [place.run(*verb).stdout for verb in (
        ["budget", "list"], ["budget", "show", made["id"]], ["audit"],
        ["apply", "-f", str(pathlib.Path(place.data).parent / "file.yaml"), "--dry-run"])]
    shown.append(place.refused("apply", "-f", str(pathlib.Path(place.data).parent / "wrong.yaml"), code=1))
    marks += ["\x1b", "\x7f", "\u009b"]
    shown.append(place.refused("budget", "show", "x".join(marks) + "z", code=1))
    for text in shown:
        assert "z" in text and not any(mark in text for mark in marks), repr(text)


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_the_terminal(place, width):
    name = "a-team-with-a-name-that-is-rather-long-for-any-table-there-is"
    place.run("team", "create", name, "--model", "gpt-*", "--model", "claude-*", "--deny-model", "*-preview")
    place.run("key", "create", "--name", name, "--team", name)
    place.run("budget", "create", "--team", name, "--amount", "123456789.12", "--soft", "--observe")
    place.run("limit", "create", "--team", name, "--output-tokens", "1000000", "--per", "24h")
    for verb in (["team", "list"], ["key", "list"], ["budget", "list"], ["limit", "list"], ["audit"]):
        code, shown = on_terminal(*verb, "--data", place.data, width=width)
        assert code == 0 and max(map(len, shown.splitlines())) <= width, shown
    assert "░░░" in on_terminal("budget", "list", "--data", place.data)[1]
    assert "░" not in place.run("budget", "list").stdout


def test_without_zone_files_utc_works(place):
    assert place.json("budget", "create", "--team", "search", "--amount", "5", "--timezone", "UTC")["timezone"] == "UTC"
