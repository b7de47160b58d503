"""`turnpike team`, `turnpike organisation`, and what keys have to do with them."""

import pytest

from administration import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def test_create_show_edit_delete(place):
    made = place.json("team", "create", "search", "--contact", "s@example.com", "--model", "gpt-*")
    assert (made["name"], made["contact"], made["models"], made["deny_models"], made["keys"]) == ("search", "s@example.com", ["gpt-*"], [], 0)
    assert place.json("team", "show", "search") == made
    edited = place.json("team", "edit", "search", "--no-models", "--deny-model", "*-preview")
    assert (edited["models"], edited["deny_models"], edited["contact"]) == ([], ["*-preview"], "s@example.com")
    assert place.json("team", "edit", "search", "--all-models", "--deny-none")["models"] is None
    place.run("team", "delete", "search")
    assert place.lines("team", "list") == []
    assert place.json("team", "create", "search")["contact"] is None


@pytest.mark.parametrize("arguments, said", [
    ([""], "name is missing"), (["x" * 129], "at most 128 bytes"), (["a\nb"], "control characters"), (["a", "--model", ""], "no model"),
    (["a", "--title", "x" * 10240], "at most 128 bytes"), (["a", "--model", "x" * 129], "at most 128 bytes"), ([], "NAME is missing"),
])
def test_wrong_command_lines(place, arguments, said):
    text = place.refused("team", "create", *arguments)
    assert said.lower() in text.lower() or "needs its name" in text
    assert "usage: turnpike team create" in text and not (place.data / "turnpike.db").exists()


def test_a_name_is_taken_once(place):
    place.run("team", "create", "search")
    assert "already" in place.refused("team", "create", "search", code=1)


@pytest.mark.parametrize("verb", [["show"], ["edit", "--title", "x"], ["delete"]])
def test_unknown_team(place, verb):
    place.run("team", "create", "search")
    assert "did you mean 'search'?" in place.refused("team", verb[0], "serch", *verb[1:], code=1)
    assert "did you mean" not in place.refused("team", verb[0], "entirely-else", *verb[1:], code=1)


def test_a_team_with_live_keys_is_not_deleted(place):
    key = place.json("key", "create", "--name", "one", "--team", "search")
    place.run("budget", "create", "--team", "search", "--amount", "5")
    place.run("limit", "create", "--team", "search", "--requests", "5")
    assert "1 live key" in place.refused("team", "delete", "search", code=1)
    place.run("team", "delete", "search", "--revoke-keys", "--reason", "over")
    after = place.json("key", "show", key["id"])
    assert (after["state"], after["revoked_reason"]) == ("revoked", "over")
    assert place.lines("budget", "list") == place.lines("limit", "list") == []
    actions = {(row["object"], row["action"]) for row in place.lines("audit")}
    assert {("team", "delete"), ("key", "revoke"), ("budget", "delete"), ("limit", "delete")} <= actions


def test_a_team_with_ended_keys_is(place):
    place.run("key", "create", "--name", "one", "--team", "search")
    place.run("key", "revoke", "one")
    place.run("team", "delete", "search")


def test_key_create_makes_an_unknown_team_and_says_so(place):
    place.run("team", "create", "search")
    done = place.run("key", "create", "--name", "one", "--team", "serch")
    assert "is new" in done.stderr and "did you mean 'search'?" in done.stderr
    assert [team["name"] for team in place.lines("team", "list")] == ["search", "serch"]
    assert place.run("key", "create", "--name", "two", "--team", "serch").stderr == ""


def test_key_edit(place):
    made = place.json("key", "create", "--name", "one", "--model", "gpt-*", "--tag", "a=1", "--tag", "b=2")
    edited = place.json("key", "edit", "one", "--name", "two", "--deny-model", "*-preview", "--tag", "c=3", "--expires", "2099-01-31")
    assert (edited["name"], edited["models"], edited["deny_models"], edited["tags"]) == ("two", ["gpt-*"], ["*-preview"], {"c": "3"})
    assert edited["id"] == made["id"] and edited["expires_at"].startswith("2099-01-31")
    assert "key" not in edited
    place.run("key", "revoke", "two")
    assert "stays so" in place.refused("key", "edit", made["id"], "--name", "three", code=1)


@pytest.mark.parametrize("tags", [["--tag", "a=" + "x" * 10240], [f"--tag=t{i}=value" for i in range(200)], ["--tag", "=1"], ["--tag", "a=\x01"]])
def test_tags_too_large_or_wrong(place, tags):
    assert "--tag" in place.refused("key", "create", "--name", "one", *tags)


def test_organisation(place):
    place.run("team", "create", "any")
    made = place.json("organisation", "edit", "--name", "Example", "--deny-model", "*-preview")
    assert made == place.json("organisation", "show") == {"name": "Example", "contact": None, "models": None, "deny_models": ["*-preview"]}
    assert "not go together" in place.refused("organisation", "edit", "--model", "a", "--no-models")


def test_an_edit_that_changes_nothing_is_not_audited(place):
    place.run("team", "create", "search", "--title", "Search")
    before = place.lines("audit")
    assert "Nothing to change" in place.run("team", "edit", "search", "--title", "Search").stdout
    assert place.lines("audit") == before
