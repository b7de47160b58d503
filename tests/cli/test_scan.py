"""`turnpike scan`: real files, real git repositories, a real gateway that is asked."""

import json
import os
import pathlib
import random
import subprocess

import jsonschema
import pytest

import gateway as gateway_module
from administration import Place, on_terminal
from command import BINARY, turnpike
from gateway import plain_config

SCHEMA = json.loads((gateway_module.ROOT / "tests/data/sarif-2.1.0.schema.json").read_text())


def provider_key(seed=1):
    """What an OpenAI project key looks like; made here, so that no scanner finds this file."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    return "sk-" + "proj-" + "".join(random.Random(seed).choices(letters, k=155)) + "a"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def make_key(place, name="app", *more):
    return place.json("key", "create", "--name", name, *more)


def scan(*arguments, code, input=None, cwd=None, **environment):
    done = subprocess.run([BINARY, "scan", *map(str, arguments)], capture_output=True, timeout=60, input=input, cwd=cwd,
                          env={**os.environ, **gateway_module.SANITIZERS, **environment})
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not gateway_module.UNHEALTHY.search(done.stderr), done.stderr
    return done


def findings(*arguments, code=1, **more):
    return json.loads(scan(*arguments, "--json", code=code, **more).stdout)["findings"]


class Repository:
    def __init__(self, folder):
        self.folder = folder
        self.time = 1780000000  # of the next commit: each is a minute after the one before, however quick the test
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for who in ("AUTHOR", "COMMITTER"):
            environment.update({f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.com",
                                f"GIT_{who}_DATE": f"{self.time} +0000"})
        return subprocess.run(["git", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True,
                              text=True).stdout.strip()

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message, **files):
        for name, text in files.items():
            self.write(name, text)
        self.time += 60
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


# ---------------------------------------------------------------- files


def test_nothing_found(tmp_path):
    (tmp_path / "plain.txt").write_text("nothing here\n")
    done = scan(tmp_path, code=0)
    assert done.stdout == "" and "0 secrets" in done.stderr


def test_files_lines_and_columns(place, tmp_path):
    key = make_key(place)["key"]
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / ".gitignore").write_text(".env\n")
    (tree / ".env").write_text(f"A=1\nTURNPIKE_API_KEY={key}\n")
    (tree / "deep" / "binary").write_bytes(b"\x00\x01\xff" * 99 + provider_key().encode() + b"\x00")
    (tree / "link").symlink_to("/etc")
    found = {(pathlib.Path(row["file"]).name, row["rule"]): row for row in findings(tree)}
    assert set(found) == {(".env", "turnpike-key"), ("binary", "openai-project-key")}
    env = found[".env", "turnpike-key"]
    assert (env["line"], env["column"], env["length"], env["state"]) == (2, 18, 55, "not asked")
    assert found["binary", "openai-project-key"]["state"] is None


def test_no_secret_is_ever_printed(place, tmp_path):
    key, other = make_key(place)["key"], provider_key()
    (tmp_path / "file").write_text(f"{key} {other}")
    for form in ("text", "json", "sarif"):
        said = scan(tmp_path / "file", "--format", form, code=1)
        for secret in (key[17:], other[8:40], other[-12:]):
            assert secret not in said.stdout + said.stderr
        assert key[:16] in said.stdout and f"sk-proj-…{other[-4:]}" in said.stdout


def test_over_the_borders_of_blocks(place, tmp_path):
    key = make_key(place)["key"]
    block = 256 * 1024
    for before in range(block - 58, block + 3, 4):
        (tmp_path / f"{before}").write_bytes(b"." * before + key.encode() + b"." * 70)
    found = findings(tmp_path)
    assert sorted(row["column"] - 1 for row in found if row["file"] != str(place.data)) == list(range(block - 58, block + 3, 4))


def test_a_file_whose_size_says_nothing(place):
    """In /proc every file has 0 bytes, until it is read."""
    key = make_key(place)["key"]
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": key}) as sleeper:
        found = findings(f"/proc/{sleeper.pid}/environ")
        sleeper.kill()
    assert [row["key"] for row in found] == [key.split("_")[1][:12]]


def test_standard_input(place):
    key = make_key(place)["key"]
    done = scan("--stdin", code=1, input=f"log line\nkey {key}\n".encode())
    assert done.stdout.startswith(f"(standard input):2:5: Turnpike key {key[:16]}…: not asked")


def test_a_wrong_checksum_is_a_look_alike(place, tmp_path):
    key = make_key(place)["key"]
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    (tmp_path / "doc.md").write_text(wrong)
    report = json.loads(scan(tmp_path / "doc.md", "--json", code=0).stdout)
    assert report["findings"] == [] and report["summary"]["look_alikes"] == 1
    said = scan(tmp_path / "doc.md", code=0).stderr
    assert "0 secrets" in said and "1 text has the form of a Turnpike key with a wrong checksum" in said
    assert "checksum" not in scan("--stdin", code=0, input=b"nothing").stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_no_success(tmp_path):
    (tmp_path / "closed").write_text("")
    (tmp_path / "closed").chmod(0)
    assert "closed: Permission denied" in scan(tmp_path, code=2).stderr


def test_wrong_command_lines(tmp_path):
    for arguments, said in [
        ((), "say what to look into"), (("--staged", "."), "--git DIR"), (("--range", "a..b", "."), "--git DIR"),
        (("--git", ".", "--range", "--output=x"), "--range takes commits"), (("--format", "xml", "."), "text, json or sarif"),
        ((".", "--revoke"), "--revoke needs a gateway"), ((".", "--data", "x", "--server", "y"), "do not go together"),
        ((".", "--data", "x", "--revoke", "--json"), "--yes"), (("--git", ".", "--range", "a..b", "--staged"), "do not go together"),
    ]:
        assert said in scan(*arguments, code=2, cwd=tmp_path).stderr
    assert "No such file" in scan(tmp_path / "none", code=2).stderr


# ---------------------------------------------------------------- what is to be told


def test_allowed_unless_it_is_live(place, tmp_path):
    key = make_key(place)["key"]
    file = tmp_path / "file"
    file.write_text(f"# turnpike:allow {provider_key()}\n'{key}' // turnpike:allow\n{provider_key(2)}\n")
    assert [row["line"] for row in findings(file)] == [3]
    assert [(row["line"], row["state"]) for row in findings(file, "--data", place.data)] == [(2, "live"), (3, None)]


def test_baseline(place, tmp_path):
    key = make_key(place)["key"]
    file, baseline = tmp_path / "file", tmp_path / "baseline.json"
    file.write_text(f"{key}\n{provider_key()}\n")
    baseline.write_text(scan(file, "--json", code=1).stdout)
    scan(file, "--baseline", baseline, code=0)
    moved = tmp_path / "moved"
    file.rename(moved)
    moved.write_text(moved.read_text() + provider_key(2))
    assert [row["line"] for row in findings(moved, "--baseline", baseline)] == [3]
    live = findings(moved, "--baseline", baseline, "--data", place.data)
    assert [row["line"] for row in live] == [1, 3]
    baseline.write_text("[]")
    assert "no report" in scan(moved, "--baseline", baseline, code=2).stderr


def test_only_what_may_be_live(place, tmp_path):
    made = make_key(place)
    file = tmp_path / "file"
    file.write_text(made["key"])
    assert len(findings(file, "--live", "--data", place.data)) == 1
    place.run("key", "revoke", made["id"])
    scan(file, "--live", "--data", place.data, code=0)
    assert findings(file, "--data", place.data)[0]["state"] == "revoked"


# ---------------------------------------------------------------- git


def test_history(place, repository):
    keys = [make_key(place, f"k{i}")["key"] for i in range(5)]
    first = repository.commit("one", **{"a.env": f"x\nKEY={keys[0]}\n"})
    repository.git("mv", "a.env", "b.env")
    repository.commit("renamed")
    repository.git("rm", "-q", "b.env")
    repository.commit("deleted")
    repository.git("checkout", "-q", "-b", "side")
    side = repository.commit("side", **{"side.py": f"key = '{keys[1]}'"})
    repository.git("checkout", "-q", "main")
    message = repository.commit(f"oops\n\n{keys[2]}")
    repository.write("c.txt", keys[3])
    repository.git("add", "c.txt")
    repository.git("stash", "-q")
    repository.git("gc", "-q", "--prune=now")  # all is packed now
    repository.write("staged.txt", keys[4])
    repository.git("add", "staged.txt")
    found = findings("--git", repository.folder)
    by_key = {row["key"]: row for row in found}
    ids = [key.split("_")[1] for key in keys]
    assert set(by_key) == set(ids) and len(found) == 5
    assert (by_key[ids[0]]["file"], by_key[ids[0]]["commit"], by_key[ids[0]]["line"]) == ("a.env", first, 2)
    assert (by_key[ids[1]]["file"], by_key[ids[1]]["commit"]) == ("side.py", side)
    assert (by_key[ids[2]]["file"], by_key[ids[2]]["commit"]) == ("(commit message)", message)
    assert by_key[ids[3]]["file"] == "c.txt"
    assert (by_key[ids[4]]["file"], by_key[ids[4]]["commit"]) == ("staged.txt", None)
    assert by_key[ids[0]]["author"] == "Ada"
    # The work tree has none of them but what is staged.
    assert {row["file"].split("/")[-1] for row in findings(repository.folder)} >= {"staged.txt"}


def test_a_secret_from_a_merge(place, repository):
    """A merge that brings what neither side had."""
    key = make_key(place)["key"]
    repository.commit("base", file="base\n")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("side", file="side\n")
    repository.git("checkout", "-q", "main")
    repository.commit("main", file="main\n")
    subprocess.run(["git", "merge", "-q", "side"], cwd=repository.folder, capture_output=True)
    merge = repository.commit("merged", file=f"{key}\n")
    assert [row["commit"] for row in findings("--git", repository.folder)] == [merge]


def test_staged_and_range(place, repository):
    old, new, staged = (make_key(place, name)["key"] for name in "abc")
    repository.commit("old", **{"old.txt": old})
    repository.commit("new", **{"new.txt": new})
    repository.write("odd ä name.txt", staged)
    repository.git("add", ".")
    repository.write("odd ä name.txt", "taken out again, but it is staged")
    only = findings("--git", repository.folder, "--staged")
    assert [row["file"] for row in only] == ["odd ä name.txt"]
    assert [row["file"] for row in findings("--git", repository.folder, "--range", "HEAD~1..HEAD")] == ["new.txt"]
    assert "says above" in scan("--git", repository.folder, "--range", "nowhere..HEAD", code=2).stderr


def test_staged_before_the_first_commit(place, repository):
    repository.write("first.txt", make_key(place)["key"])
    repository.git("add", ".")
    assert [row["file"] for row in findings("--git", repository.folder, "--staged")] == ["first.txt"]


def test_an_empty_repository_and_none(repository, tmp_path):
    scan("--git", repository.folder, code=0)
    (tmp_path / "none").mkdir()
    assert "not a git repository" in scan("--git", tmp_path / "none", code=2, GIT_CEILING_DIRECTORIES=str(tmp_path)).stderr


def test_a_shallow_clone_says_so(repository, tmp_path):
    repository.commit("one", a="1")
    repository.commit("two", a="2")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{repository.folder}", tmp_path / "shallow"], check=True)
    assert "shallow" in scan("--git", tmp_path / "shallow", code=0).stderr


def test_the_repository_runs_nothing(repository, tmp_path):
    """What somebody's repository has in its configuration is not run."""
    repository.commit("one", **{"a.txt": provider_key(), ".gitattributes": "*.txt diff=evil\n"})
    trace = tmp_path / "ran"
    for name in ("core.fsmonitor", "diff.evil.textconv", "diff.evil.command", "diff.external", "gpg.program", "core.pager"):
        repository.git("config", name, f"touch {trace}; true")
    repository.git("config", "log.showSignature", "true")
    findings("--git", repository.folder)
    scan("--git", repository.folder, "--staged", code=0)
    assert not trace.exists()


# ---------------------------------------------------------------- asking and revoking


def test_states(place, tmp_path):
    live, rotated, grace, revoked, expired = (make_key(place, name) for name in ("live", "rotated", "grace", "revoked", "expired"))
    place.run("key", "rotate", rotated["id"], "--grace", "0")
    place.run("key", "rotate", grace["id"])
    place.run("key", "revoke", revoked["id"])
    place.run("key", "expire", expired["id"], "now")
    admin = place.json("admin", "key", "create", "--name", "root", "--role", "owner")
    stranger = json.loads(turnpike("key", "create", "--name", "x", "--data", tmp_path / "elsewhere", "--json").stdout)
    made = [live, rotated, grace, revoked, expired, admin, stranger]
    (tmp_path / "file").write_text("\n".join(row["key"] for row in made))
    found = findings(tmp_path / "file", "--data", place.data)
    assert [row["state"] for row in found] == ["live", "rotated", "live", "revoked", "expired", "live", "unknown"]
    assert found[0]["name"] == "live" and found[6]["name"] is None
    assert found[5]["rule"] == "turnpike-admin-key"


def test_revoke(place, tmp_path):
    lost, kept = make_key(place, "lost"), make_key(place, "kept")
    admin = place.json("admin", "key", "create", "--name", "root", "--role", "owner")
    (tmp_path / "file").write_text(f"{lost['key']}\n{admin['key']}\n{lost['key']}\n")
    found = findings(tmp_path / "file", "--data", place.data, "--revoke", "--yes")
    assert [row["state"] for row in found] == ["revoked"] * 3
    assert place.json("key", "show", lost["id"])["state"] == "revoked"
    assert "file, line 1" in place.json("key", "show", lost["id"])["revoked_reason"]
    assert place.json("key", "show", kept["id"])["state"] == "live"
    assert [row["revoked_at"] is not None for row in place.lines("admin", "key", "list")] == [True]


@pytest.mark.parametrize("typed, state, code", [(b"y\n", "revoked", 1), (b"n\n", "live", 2)])
def test_revoke_asks(place, tmp_path, typed, state, code):
    made = make_key(place)
    (tmp_path / "file").write_text(made["key"])
    exit_code, shown = on_terminal("scan", tmp_path / "file", "--data", place.data, "--revoke", typed=typed)
    assert "Revoke 1 live key" in shown and exit_code == code
    assert place.json("key", "show", made["id"])["state"] == state


def test_a_remote_gateway(tmp_path, start_gateway, own_fake):
    admin_port = gateway_module.free_port()
    gateway = start_gateway(plain_config(own_fake.url, admin={"address": f"127.0.0.1:{admin_port}"}))
    made, rotated = gateway.create_key("one"), gateway.create_key("two")
    gateway.run("key", "rotate", rotated["id"], "--grace", "0", "--data", str(gateway.data))
    admin = json.loads(gateway.run("admin", "key", "create", "--name", "ops", "--role", "operator", "--data",
                                   str(gateway.data), "--json").stdout)["key"]
    lead = json.loads(gateway.run("admin", "key", "create", "--name", "fin", "--role", "finance", "--data",
                                  str(gateway.data), "--json").stdout)["key"]
    file = tmp_path / "file"
    file.write_text(f"{made['key']}\n{rotated['key']}\n")
    url = f"http://127.0.0.1:{admin_port}"
    assert "TURNPIKE_ADMIN_KEY" in scan(file, "--server", url, code=2, TURNPIKE_ADMIN_KEY="").stderr
    found = findings(file, "--server", url, TURNPIKE_ADMIN_KEY=lead)
    assert [(row["state"], row["name"]) for row in found] == [("live", "one"), ("rotated", "two")]
    refused = scan(file, "--server", url, "--revoke", "--yes", code=2, TURNPIKE_ADMIN_KEY=lead)
    assert "answered 403" in refused.stderr
    gateway.wait_key(made["key"])
    scan(file, "--server", url + "/", "--revoke", "--yes", code=1, TURNPIKE_ADMIN_KEY=admin)
    gateway_module.wait_until(lambda: gateway.get("/v1/models", made["key"])[0] == 401, 5, "the key is refused")
    said = scan(file, "--server", "http://127.0.0.1:1", code=2, TURNPIKE_ADMIN_KEY=admin)
    assert "127.0.0.1" in said.stderr and f"{made['key'][:16]}…: not asked" in said.stdout


# ---------------------------------------------------------------- SARIF


def test_sarif_is_sarif(place, repository, tmp_path):
    made, odd = make_key(place), make_key(place, "other")
    repository.commit("one", **{"sp ace/ü.env": f"é={made['key']}\n"})
    (tmp_path / "more").write_text(odd["key"] + "\n" + provider_key())
    place.run("key", "revoke", odd["id"])
    done = scan("--git", repository.folder, "more", "--data", place.data, "--format", "sarif", code=1, cwd=tmp_path)
    report = json.loads(done.stdout)
    jsonschema.Draft4Validator(SCHEMA).validate(report)
    results = report["runs"][0]["results"]
    assert {row["level"] for row in results} == {"error", "note"}
    by_uri = {row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: row for row in results}
    region = by_uri["sp%20ace/%C3%BC.env"]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 3, "endColumn": 58}
    rules = report["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules[row["ruleIndex"]]["id"] == row["ruleId"] for row in results)
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads(scan("--stdin", "--format", "sarif", code=0, input=b"").stdout))
