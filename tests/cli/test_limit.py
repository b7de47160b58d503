"""`turnpike limit`."""

import pytest

from administration import Place


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "data")
    place.run("team", "create", "search")
    return place


def test_the_list_for_people(place):
    place.run("key", "create", "--name", "one", "--team", "search")
    place.run("limit", "create", "--key", "one", "--requests", "7", "--per", "2s", "--name", "burst")
    place.run("limit", "create", "--team", "search", "--tokens", "50", "--per", "1m")
    rows = [line.split(maxsplit=1)[1] for line in place.run("limit", "list").stdout.splitlines()[1:]]
    assert sorted(" ".join(row.split()) for row in rows) == ["key one: burst 7 calls per 2s enforce", "team search 50 tokens per 1m enforce"]


def test_create_list_edit_delete(place):
    made = place.json("limit", "create", "--team", "search", "--requests", "600", "--per", "60s")
    assert made["id"].startswith("lim_") and (made["team"], made["requests"], made["per"], made["mode"]) == ("search", 600, "1m", "enforce")
    assert place.lines("limit", "list") == [made] and place.json("limit", "show", made["id"]) == made
    edited = place.json("limit", "edit", made["id"], "--requests", "900", "--observe")
    assert (edited["requests"], edited["per"], edited["mode"]) == (900, "1m", "observe")
    assert place.json("limit", "edit", made["id"], "--per", "2h")["per"] == "2h"
    place.run("limit", "delete", made["id"])
    assert place.lines("limit", "list") == []


@pytest.mark.parametrize("arguments, measure", [
    (["--tokens", "5"], "tokens"), (["--input-tokens", "5"], "input_tokens"), (["--output-tokens", "5"], "output_tokens"), (["--concurrent", "5"], "concurrent"),
])
def test_measures(place, arguments, measure):
    made = place.json("limit", "create", "--model", "gpt-*", *arguments)
    assert made[measure] == 5 and made.get("per") == (None if measure == "concurrent" else "1m")


@pytest.mark.parametrize("arguments, said", [
    (["--requests=-1"], "whole number"), (["--requests", "1.5"], "whole number"), (["--requests", "9" * 30], "10^15"), (["--requests", ""], "whole"),
    (["--requests", "5", "--per", "0"], "1s to 24h"), (["--requests", "5", "--per", "10ms"], "1s to 24h"), (["--requests", "5", "--per", "25h"], "1s to 24h"),
    (["--requests", "5", "--per", "1fortnight"], "duration"), (["--concurrent", "5", "--per", "1m"], "without a window"),
    (["--requests", "5", "--tokens", "5"], "one thing"), ([], "say what is limited"), (["--requests", "5", "--model", "x"], "here are two"),
    (["--requests", "5", "--mode", "x"], "--mode"),
])
def test_wrong_command_lines(place, arguments, said):
    text = place.refused("limit", "create", "--team", "search", *arguments)
    assert said in text and "usage: turnpike limit create" in text


def test_duplicates_and_fixed_members(place):
    made = place.json("limit", "create", "--team", "search", "--requests", "600")
    assert made["id"] in place.refused("limit", "create", "--team", "search", "--requests", "5", "--per", "60s", code=1)
    place.run("limit", "create", "--team", "search", "--requests", "10000", "--per", "1h")
    place.run("limit", "create", "--team", "search", "--requests", "5", "--observe", "--name", "trial")
    assert "cannot be changed" in place.refused("limit", "edit", made["id"], "--tokens", "5")
    assert made["id"] in place.refused("limit", "edit", next(row["id"] for row in place.lines("limit", "list") if row["per"] == "1h"), "--per", "1m", code=1)
    assert "no limit" in place.refused("limit", "edit", "lim_nothing", "--requests", "5", code=1)
