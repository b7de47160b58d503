"""`turnpike apply` and `turnpike export`."""

import json
import random
import sqlite3
import stat
import subprocess

import pytest

from administration import Place, on_terminal
from command import BINARY, turnpike

FILE = """\
organisation:
  name: Example
  deny_models: ["*-preview"]
teams:
  - name: search
    contact: s@example.com
    models: ["gpt-*", o4-mini]
  - name: chat
keys:
  - name: indexer
    team: search
    tags: {feature: index, env: prod}
    expires_at: 2099-06-30
  - {name: bot, team: chat, deny_models: [gpt-5-pro]}
budgets:
  - {team: search, amount: 500, timezone: Europe/Berlin, alerts: [50, 100]}
  - {team: search, amount: 20.5, period: day, soft: true}
  - {key: indexer, amount: "0.000000000001", rolling: 36h, mode: observe}
  - {tag: feature=index, amount: 7, period: lifetime}
limits:
  - {team: search, requests: 600, per: 1m}
  - {team: search, tokens: 100000, per: 1h}
  - {model: "gpt-*", concurrent: 20, mode: observe}
  - {organisation: true, output_tokens: 5}
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def apply(place, text, *more, code=0, name="teams.yaml"):
    return place.run("apply", "-f", place.file(text, name), *more, code=code)


def test_a_second_run_changes_nothing(place):
    first = apply(place, FILE, "--yes").stdout
    assert "+ team search\n" in first and "12 new, 1 changed, 0 removed" in first
    before = place.everything()
    assert apply(place, FILE, "--yes").stdout == "Nothing to change.\n"
    assert place.everything() == before


def test_export_round_trips(place, tmp_path):
    apply(place, FILE, "--yes")
    for form in ([], ["--json"]):
        exported = place.run("export", *form).stdout
        assert apply(place, exported, "--yes", "--prune").stdout == "Nothing to change.\n"
        other = Place(tmp_path / f"other{len(form)}")
        apply(other, exported, "--yes", name="other.yaml")
        assert other.run("export", *form).stdout == exported
    assert "tpk_" not in exported


def test_the_difference_is_shown_first_and_nothing_is_done_without_leave(place):
    apply(place, FILE, "--yes")
    changed = FILE.replace("amount: 500", "amount: 600").replace("per: 1m", "per: 1m, mode: observe").replace("    contact: s@example.com\n", "")
    before = place.everything()
    looked = apply(place, changed, "--dry-run").stdout
    assert "~ budget of team search, month\n    amount: 500.00 → 600.00\n" in looked
    assert "    contact: s@example.com → none\n" in looked and "    mode: enforce → observe\n" in looked
    assert "0 new, 3 changed, 0 removed" in looked
    file = place.file(changed)
    for typed in (b"n\n", b"\n", b"\x04"):
        code, shown = on_terminal("apply", "-f", file, "--data", place.data, typed=typed)
        assert code == 1 and "amount: 500.00 → 600.00" in shown and "not applied" in shown
    assert place.everything() == before
    code, shown = on_terminal("apply", "-f", file, "--data", place.data, typed=b"y\n")
    assert code == 0 and "Done: 0 new, 3 changed, 0 removed." in shown
    assert apply(place, changed, "--yes").stdout == "Nothing to change.\n"


def test_prune(place):
    apply(place, FILE, "--yes")
    less = "teams: [{name: chat}]\nkeys:\n  - {name: bot, team: chat, deny_models: [gpt-5-pro]}\nbudgets: []\n"
    assert apply(place, less, "--yes").stdout == "Nothing to change.\n"
    done = apply(place, less, "--prune", "--yes").stdout
    assert "- team search\n" in done and "- key indexer of team search\n" in done
    assert [team["name"] for team in place.lines("team", "list")] == ["chat"]
    assert [key["name"] for key in place.lines("key", "list", "--live")] == ["bot"]
    assert place.lines("budget", "list") == []
    assert {row["id"] for row in place.lines("limit", "list")}, "the file lists no limits, so those of others stay"
    assert place.json("organisation", "show")["name"] == "Example"
    assert apply(place, less, "--prune", "--yes").stdout == "Nothing to change.\n"


def test_prune_does_not_orphan_keys(place):
    apply(place, FILE, "--yes")
    text = apply(place, "teams: [{name: chat}]\n", "--prune", "--yes", code=1).stderr
    assert "live key" in text
    assert len(place.lines("team", "list")) == 2


def test_new_keys_are_shown_once_or_written(place, tmp_path):
    shown = apply(place, "keys: [{name: one}]", "--yes").stdout
    assert shown.count("tpk_") == 1
    keys = tmp_path / "keys"
    written = apply(place, "keys: [{name: one}, {name: two}]", "--yes", "--keys-to", keys).stdout
    assert "tpk_" not in written
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    line = json.loads(keys.read_text())
    assert line["name"] == "two" and line["key"].startswith("tpk_" + line["id"])
    assert "never written over" in apply(place, "keys: [{name: three}]", "--yes", "--keys-to", keys, code=1).stderr
    assert len(place.lines("key", "list")) == 2
    as_json = json.loads(apply(place, "keys: [{name: three}]", "--yes", "--json").stdout)
    assert as_json["applied"] and as_json["changes"][0]["key"].startswith("tpk_")
    assert "tpk_" not in apply(place, "keys: [{name: four}]", "--dry-run", "--json").stdout
    assert "tpk_" not in place.run("audit", "--json").stdout


def test_several_files_and_standard_input(place, tmp_path):
    teams = place.file("teams: [{name: a}]", "1.yaml")
    keys = place.file('{"keys": [{"name": "k", "team": "a"}]}', "2.json")
    assert "2 new" in place.run("apply", "-f", teams, "-f", keys, "--yes").stdout
    with open(place.file("budgets: [{key: k, amount: 1}]", "3.yaml")) as file:
        done = subprocess.run([BINARY, "apply", "-f", "-", "--yes", "--data", place.data], stdin=file, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "1 new" in done.stdout, done


PROBLEMS = [
    ("teams:\n  - nme: x\n", 'teams.yaml:2:5: teams[0].nme: a team has no member "nme"; did you mean "name"?'),
    ("taems: []\n", 'did you mean "teams"?'),
    ("teams:\n  - name: a\n  - name: a\n", "teams.yaml:3:5: teams[1]: this team is there twice, first in"),
    ("budgets:\n  - team: nobody\n    amount: 5\n", "teams.yaml:2:11: budgets[0].team: there is no team 'nobody'"),
    ("teams: [{name: a}]\nbudgets:\n  - {team: a, amount: -5}\n", "teams.yaml:3:23: budgets[0].amount: '-5'"),
    ("teams: [{name: a}]\nbudgets:\n  - {team: a, amount: 5, timezone: Berlin}\n", "did you mean Europe/Berlin?"),
    ("teams: [{name: a}]\nbudgets:\n  - {team: a}\n", "needs its amount"),
    ("teams: [{name: a}]\nbudgets:\n  - {team: a, amount: 5}\n  - {team: a, amount: 6}\n", "teams.yaml:4:5: budgets[1]: this budget is there twice"),
    ("teams: [{name: a}]\nlimits:\n  - {team: a, requests: 5}\n  - {team: a, requests: 6, per: 60s}\n", "limits[1]: this limit is there twice"),
    ("teams: [{name: a, models: gpt}]\n", "expected a list of texts"),
    ("teams: [{name: a, models: [[x]]}]\n", "expected a text here"),
    ("teams: {a: b}\n", "expected a list"),
    ("teams: [a]\n", "expected the members of a team"),
    ("keys: [{name: k, tags: {a: 1, a: 2}}]\n", "written twice"),
    ("keys: [{name: k, id: nothing12345}]\n", "there is no key"),
    ("keys: [{name: k, expires_at: 2020-01-01}]\n", "has passed"),
    ("teams:\n\t- name: a\n", "tab"),
    ("teams: &a []\n", "anchors"),
    ("teams: []\n---\nteams: []\n", "second document"),
    ("- a\n", "at the top of the file"),
    ("teams: [{name: \"a\\u0001b\"}]\n", "control characters"),
    ("keys: [{name: k, tags: {a: \"" + "x" * 5000 + "\"}}]\n", "bytes"),
    ("teams:\n" + "".join(f"  - name: t{i}\n    models: [{', '.join(['m'] * 300)}]\n" for i in range(2)), "at most 256"),
    ("[" * 100, "nested"),
]


@pytest.mark.parametrize("text, said", PROBLEMS)
def test_what_is_wrong_is_told_with_its_place_and_nothing_is_done(place, text, said):
    apply(place, "teams: [{name: kept}]", "--yes")
    before = place.everything()
    for more in (["--yes"], ["--dry-run"]):
        done = apply(place, text, *more, code=1)
        assert said in done.stderr and done.stdout == "", done.stderr
    assert place.everything() == before


def test_all_problems_at_once(place):
    done = apply(place, "teams: [{name: a}]\nbudgets:\n  - {team: a, amount: -1}\n  - {team: b, amount: 1}\nlimits:\n  - {team: a}\n", "--yes", code=1)
    assert done.stderr.count("teams.yaml:") == 3 and "3 errors; nothing was changed" in done.stderr
    assert place.lines("team", "list") == []


def test_files_that_cannot_be_read(place, tmp_path):
    assert "No such file" in turnpike("apply", "-f", tmp_path / "none", "--data", place.data, code=1).stderr
    assert "directory" in turnpike("apply", "-f", tmp_path, "--data", place.data, code=1).stderr
    assert "-f is missing" in turnpike("apply", "--data", place.data, code=2).stderr
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(20 << 20)
    assert turnpike("apply", "-f", large, "--yes", "--data", place.data, code=1).stderr
    assert not (place.data / "turnpike.db").exists() or place.lines("team", "list") == []


def test_a_locked_store_is_told(place):
    apply(place, FILE, "--yes")
    with sqlite3.connect(place.data / "turnpike.db") as other:
        other.execute("BEGIN IMMEDIATE")
        assert "try again" in apply(place, FILE, "--yes", code=1).stderr
        other.rollback()


def test_a_store_that_fails_is_told_once(place):
    """What follows in the file would only follow from that: keys whose team could not be written, and so on."""
    place.run("team", "create", "a")
    with sqlite3.connect(f"{place.data}/turnpike.db") as store:
        store.execute("ALTER TABLE teams RENAME COLUMN contact TO lost")
    store.close()
    file = place.file("teams: [{name: b}, {name: c}]\nkeys: [{name: k, team: b}]\n")
    done = subprocess.run([BINARY, "apply", "-f", file, "--yes", "--data", place.data], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "the store" in done.stderr and "1 error; nothing was changed" in done.stderr, done


def test_same_names_are_told_apart_by_ids(place):
    first = place.json("key", "create", "--name", "same")
    place.run("key", "create", "--name", "same")
    assert "say which by its id" in apply(place, "keys: [{name: same}]", "--yes", code=1).stderr
    exported = place.run("export").stdout
    assert f"id: {first['id']}" in exported.replace('"', "")
    assert apply(place, exported, "--yes").stdout == "Nothing to change.\n"


def make_random(random):
    """A file of random objects, and no two of one kind the same."""
    def models():
        return random.choice([None, [], ["gpt-*"], ["a b", "yes", "1.5", "ü*", "null"]])

    teams = [{"name": name, "models": models(), "deny_models": models() or [], "title": random.choice([None, "T: x", "# no", "- y", "'"])}
             for name in random.sample(["a", "true", "12", "x: y", "ü", "[", "*star", "~"], random.randint(1, 6))]
    keys = [{"name": name, "team": random.choice([None, *[team["name"] for team in teams]]), "models": models(),
             "tags": random.choice([{}, {"a": "1"}, {"z": "2", "a": "\"q\"", "no": "yes"}])}
            for name in random.sample(["k", "no", "9", "k: 1", "ß", "{"], random.randint(0, 5))]
    budgets, limits = [], []
    for team in teams:
        for period in random.sample([{"period": "day"}, {"period": "month", "timezone": "Asia/Kathmandu"}, {"rolling": "2h"}, {"period": "lifetime"}], 2):
            budgets.append({"team": team["name"], "amount": random.choice(["0", "1.10", "999999999999.999999999999"]), **period,
                            "soft": random.random() < .5, "mode": random.choice(["enforce", "observe"]), "alerts": random.choice([[], [80, 100], [1, 1000]])})
        limits.append({"team": team["name"], random.choice(["requests", "tokens", "output_tokens"]): random.randint(0, 10**15), "per": random.choice(["1s", "24h", "90s"])})
        limits.append({"team": team["name"], "concurrent": 3, "name": f"limit of {team['name']}"})
    for key in keys:
        budgets.append({"key": key["name"], "amount": 3})
    return {"organisation": {"models": models()}, "teams": teams, "keys": keys, "budgets": budgets, "limits": limits}


@pytest.mark.parametrize("seed", range(6))
def test_any_two_files_after_each_other(tmp_path, seed):
    """From one random state to another by --prune, each stable, and each exported as it is."""
    place, chance = Place(tmp_path / "data"), random.Random(seed)
    for turn in range(3):
        text = json.dumps(make_random(chance), ensure_ascii=bool(turn % 2))
        apply(place, text, "--prune", "--yes", name="random.json")
        assert apply(place, text, "--prune", "--yes", name="random.json").stdout == "Nothing to change.\n"
        exported = place.run("export").stdout
        assert apply(place, exported, "--prune", "--yes", name="exported.yaml").stdout == "Nothing to change.\n"
        fresh = Place(tmp_path / f"fresh{turn}")
        apply(fresh, exported, "--yes", name="fresh.yaml")
        assert fresh.run("export").stdout == exported
