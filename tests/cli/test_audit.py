"""`turnpike audit`: who changed what."""

import getpass

import pytest

from administration import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def test_every_change_is_there_with_before_and_after(place):
    place.run("team", "create", "search")
    place.run("team", "edit", "search", "--contact", "s@example.com")
    key = place.json("key", "create", "--name", "one", "--team", "search")
    place.run("key", "rotate", "one")
    place.run("key", "expire", "one", "never")  # changes nothing
    place.run("key", "revoke", "one", "--reason", "lost")
    place.run("team", "delete", "search")
    rows = place.lines("audit")
    assert [(row["object"], row["action"], row["id"]) for row in reversed(rows)] == [
        ("team", "create", "search"), ("team", "update", "search"), ("key", "create", key["id"]), ("key", "rotate", key["id"]),
        ("key", "revoke", key["id"]), ("team", "delete", "search")]
    assert rows[-1]["before"] is None and rows[-1]["after"]["name"] == "search"
    assert (rows[-2]["before"]["contact"], rows[-2]["after"]["contact"]) == (None, "s@example.com")
    assert rows[1]["after"]["revoked_reason"] == "lost" and rows[0]["after"] is None
    assert all(row["who"].startswith("cli:") and row["via"] == "cli" for row in rows)
    assert key["key"] not in place.run("audit", "--json").stdout and key["key"].split("_")[2] not in str(rows)


def test_who_is_the_user_of_the_system(place):
    place.run("team", "create", "search")
    assert place.lines("audit")[0]["who"] in (f"cli:{getpass.getuser()}", "cli:root")


def test_filters(place):
    for name in ("a", "b", "c"):
        place.run("team", "create", name)
    place.run("limit", "create", "--team", "a", "--requests", "5")
    assert [row["id"] for row in place.lines("audit", "--object", "team", "--limit", "2")] == ["c", "b"]
    assert len(place.lines("audit", "--id", "a")) == 1
    assert place.lines("audit", "--who", "key:nobody") == place.lines("audit", "--until", "1h") == []
    assert len(place.lines("audit", "--since", "1h")) == 4
    assert "--since" in place.run("audit", "--since", "yesterday", code=2).stderr
    assert "--limit" in place.run("audit", "--limit", "x", code=2).stderr
    assert "The newest 2" in place.run("audit", "-n", "2").stdout


def test_what_was_refused_is_not_there(place):
    place.run("team", "create", "search")
    place.run("budget", "create", "--team", "search", "--amount=-1", code=2)
    place.run("budget", "create", "--team", "nobody", "--amount", "1", code=1)
    assert len(place.lines("audit")) == 1


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\u009b2Jb", "a\x7f", "a\u0085b"])
def test_names_give_no_orders_to_the_terminal(place, name):
    assert "control characters" in place.run("team", "create", name, code=2).stderr
