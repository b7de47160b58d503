"""What every verb has: help, exit codes, suggestions; versions and shell completions."""

import json
import shutil
import subprocess

import pytest

from command import BINARY, turnpike

VERBS = ["serve", "demo", "init", "check", "schema", "team", "key", "budget", "limit", "organisation", "apply", "export", "audit", "bounces", "log", "usage", "prices",
         "ledger", "admin", "completion", "version", "help"]
CHILDREN = {
    "team": ["create", "list", "show", "edit", "delete"],
    "key": ["create", "list", "show", "edit", "rotate", "expire", "revoke"],
    "budget": ["create", "list", "show", "edit", "raise", "delete"],
    "limit": ["create", "list", "show", "edit", "delete"],
    "organisation": ["show", "edit"],
    "prices": ["list", "show", "check", "diff", "cost", "explain"],
    "ledger": ["reprice"],
    "admin": ["key"],
    "admin key": ["create", "list", "revoke"],
}
PATHS = [[verb] for verb in VERBS] + [[*parent.split(), child] for parent, children in CHILDREN.items() for child in children]


def test_overview():
    for arguments, code in ([], 2), (["help"], 0), (["--help"], 0), (["-h"], 0):
        said = turnpike(*arguments, code=code).stdout
        assert all(f"\n  {verb} " in said for verb in VERBS)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_of_each_verb(path):
    said = turnpike(*path, "--help").stdout
    assert said.startswith(f"turnpike {' '.join(path)}: ") and f"usage: turnpike {' '.join(path)}" in said
    assert turnpike("help", *path).stdout == said
    for child in CHILDREN.get(" ".join(path), []):
        assert f"\n  {child} " in said


def test_lines_of_a_description_that_stand_as_they_are():
    said = turnpike("prices", "check", "--help").stdout
    assert "\n  models[17] openai/gpt-5: cards[2].prices.input: '1e3' has an exponent\nExits with 0" in said


def test_suggestions_and_usage_errors():
    assert "did you mean 'serve'?" in turnpike("srve", code=2).stderr
    assert "did you mean 'key create'?" in turnpike("key", "crate", code=2).stderr
    assert "did you mean --data?" in turnpike("key", "list", "--dta", "x", code=2).stderr
    assert "ID is missing" in turnpike("key", "show", code=2).stderr
    assert "lists them" in turnpike("entirely-else", code=2).stderr
    assert "did you mean --json?" in turnpike("key", "list", "-j", code=2).stderr
    alone = turnpike("key", code=2)
    assert "say which" in alone.stderr and "rotate" in alone.stdout


def test_letters(tmp_path):
    turnpike("key", "create", "--name", "any", "--data", tmp_path)
    for letters in ["-n", "5"], ["-n5"]:
        assert "STATUS" in turnpike("log", "--data", tmp_path, *letters).stdout
    assert "-n needs a value: -n N" in turnpike("log", "-n", code=2).stderr
    assert "-n, --limit N" in turnpike("log", "-h").stdout and "-f, --follow" in turnpike("help", "log").stdout
    assert turnpike("-V").stdout == turnpike("--version").stdout


def test_no_control_characters_reach_the_terminal(tmp_path):
    turnpike("key", "create", "--name", "any", "--data", tmp_path)
    evil = "\033[31m"
    for arguments, code in ([evil], 2), (["key", evil], 2), (["log", "--status", evil], 2), (["key", "list", evil], 2), \
                           (["key", "show", evil, "--data", tmp_path], 1), (["key", "list", "--data", evil], 1), (["log", "--data", evil], 1):
        assert "\033" not in turnpike(*arguments, code=code).stderr


def test_check_says_that_there_is_nothing_to_check(tmp_path):
    (tmp_path / "bad.yaml").write_text("x: 1\n")
    turnpike("check", tmp_path / "bad.yaml", code=1)
    turnpike("check", tmp_path / "none.yaml", code=2)
    turnpike("check", tmp_path, code=2)


def test_version():
    facts = json.loads(turnpike("--version", "--json").stdout)
    assert set(facts) == {"version", "commit", "compiler", "libraries"}
    assert facts["version"] in turnpike("--version").stdout
    assert facts["libraries"]["openssl"].startswith("3.")


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1 and "could not be written" in done.stderr


def test_no_colour_in_a_pipe():
    assert "\033" not in turnpike("help", "key", TERM="xterm").stdout


@pytest.mark.parametrize("page", [["help", "--man"], ["schema", "--man"]] + [["help", "--man", verb] for verb in VERBS])
def test_manual_pages(page, tmp_path):
    roff = turnpike(*page).stdout
    assert ".TH " in roff and ".SH NAME" in roff
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    (tmp_path / "page").write_text(roff)
    shown = subprocess.run(["groff", "-man", "-Tutf8", "-P-cbou", "-ww", tmp_path / "page"], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stderr == "" and "SEE ALSO" in shown.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(shell, tmp_path):
    script = turnpike("completion", shell).stdout
    assert "rotate" in script and "expires" in script
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True, timeout=30)


@pytest.mark.parametrize("typed, offered", [
    ("turnpike k", ["key"]), ("turnpike key ro", ["rotate"]), ("turnpike key create --te", ["--team"]),
    ("turnpike key list --", ["--data", "--exchanged", "--help", "--json", "--live", "--team", "--unused", "--wide"]), ("turnpike log -", None), ("turnpike completion z", ["zsh"]),
])
def test_bash_completes(typed, offered):
    words = typed.split(" ")
    script = turnpike("completion", "bash").stdout + (
        f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _turnpike; "
        "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=True)
    if offered is None:
        assert {"-f", "--follow", "-n", "--limit", "-h"} <= set(done.stdout.split())
    else:
        assert sorted(done.stdout.split()) == offered
