"""Rules about where calls may come from: of a listener, a team, a key; observed and enforced; put in force,
changed and taken away while calls go on. Networks are simulated by forwarders that are believed."""

import json
import pathlib
import signal

import pytest

from admin_client import AdminClient
from command import turnpike
from gateway import free_port, plain_config, wait_until
from wire_client import Wire

NETWORKS = {
    "office": {"ranges": ["10.1.0.0/16", "2001:db8:1::/48"]},
    "floor": {"ranges": ["10.1.7.0/24"]},
    "cluster": {"ranges": ["10.2.0.0/16"]},
}
OFFICE, FLOOR, CLUSTER, ELSEWHERE = "10.1.0.9", "10.1.7.9", "10.2.0.9", "192.0.2.9"


def config(url, rules=None, **more):
    made = plain_config(url, workers=2, networks=NETWORKS, **more)
    forwarders = {"networks": ["127.0.0.0/8"], "header": "x-forwarded-for"}
    made["listeners"] = {"open": {"address": f"127.0.0.1:{free_port()}", "forwarders": forwarders},
                         "main": {"address": f"127.0.0.1:{free_port()}", "forwarders": forwarders},
                         "direct": {"address": f"127.0.0.1:{free_port()}"}}
    if rules is not None:
        made["listeners"]["main"]["network_rules"] = rules
    return made


def port(gateway, door):
    return int(gateway.config["listeners"][door]["address"].rsplit(":", 1)[1])


def ask(gateway, key, source, door="main", headers=()):
    """(status, code or None, request id)"""
    headers = [("X-Forwarded-For", source), *headers] if source else list(headers)
    with Wire(port(gateway, door), key=key) as wire:
        wire.chat("fast", headers=headers)
        answer = wire.answer()
    error = json.loads(answer.body).get("error") or {}
    return answer.status, error.get("code"), answer.request_id


def statuses(gateway, key, *sources, **more):
    return [ask(gateway, key, source, **more)[0] for source in sources]


def rule(gateway, *words):
    return json.loads(gateway.run("network", "rule", "create", "--data", str(gateway.data), *words, "--json").stdout)


def edit(gateway, made, *words):
    gateway.run("network", "rule", "edit", made["id"], "--data", str(gateway.data), *words)


def soon(condition, what):
    """In every worker within a second, says the manual; machines under test are slower than that."""
    wait_until(lambda: all(condition() for _ in range(6)), 10, what)


@pytest.fixture
def gateway(start_gateway, own_fake):
    return start_gateway(config(own_fake.url))


@pytest.fixture
def search(gateway):
    """A key of the team search."""
    made = gateway.create_key("app", "--team", "search")
    gateway.wait_key(made["key"])
    return made


def test_a_team_by_names_and_ranges(gateway, search):
    other = gateway.create_key("other", "--team", "ads")["key"]
    gateway.wait_key(other)
    rule(gateway, "--team", "search", "--allow", "office", "--enforce")
    soon(lambda: ask(gateway, search["key"], CLUSTER)[0] == 403, "the rule is in force")
    assert statuses(gateway, search["key"], OFFICE, FLOOR, "2001:db8:1::7", "::ffff:10.1.0.9") == [200] * 4
    assert statuses(gateway, search["key"], ELSEWHERE, "2001:db8:2::7", "::ffff:10.2.0.9", None) == [403] * 4
    assert statuses(gateway, other, CLUSTER, ELSEWHERE) == [200, 200]
    # within the office the most specific decides
    floor = rule(gateway, "--team", "search", "--deny", "floor", "--enforce")
    soon(lambda: ask(gateway, search["key"], FLOOR)[0] == 403, "the denial is in force")
    desk = rule(gateway, "--team", "search", "--allow", FLOOR, "--enforce")
    soon(lambda: ask(gateway, search["key"], FLOOR)[0] == 200, "the exception is in force")
    assert statuses(gateway, search["key"], "10.1.7.8", OFFICE) == [403, 200]
    status, code, request = ask(gateway, search["key"], "10.1.7.8")
    row = gateway.wait_record(request)
    assert (status, code) == (403, "network_not_allowed")
    assert (row["refusal"], row["rule"], row["network"], row["source"], row["team"], row["outcome"]) == (
        "network_not_allowed", floor["id"], "floor", "10.1.7.8", "search", "refused")
    row = gateway.wait_record(ask(gateway, search["key"], CLUSTER)[2])
    assert (row["rule"], row["network"]) == ("networks of team search", "cluster")
    gateway.run("network", "rule", "delete", desk["id"], "--data", str(gateway.data))
    soon(lambda: ask(gateway, search["key"], FLOOR)[0] == 403, "the exception is gone")


def test_a_key_cannot_open_what_its_team_closes(gateway, search):
    rule(gateway, "--team", "search", "--deny", "cluster", "--enforce")
    rule(gateway, "--key", search["id"], "--allow", "10.0.0.0/8", "--enforce")
    soon(lambda: statuses(gateway, search["key"], CLUSTER, ELSEWHERE) == [403, 403], "both are in force")
    assert gateway.wait_record(ask(gateway, search["key"], ELSEWHERE)[2])["rule"] == f"networks of key {search['id']}"
    assert statuses(gateway, search["key"], OFFICE) == [200]


def test_observed_then_enforced_then_observed(gateway, search):
    """A new rule is observed: the call passes, its record says what would have been."""
    made = rule(gateway, "--team", "search", "--deny", "cluster")
    assert made["mode"] == "observe"

    def observed():
        status, _, request = ask(gateway, search["key"], CLUSTER)
        assert status == 200
        return gateway.wait_record(request).get("observed") == [{"reason": "network", "id": made["id"]}]

    soon(observed, "the rule is watched")
    assert gateway.wait_record(ask(gateway, search["key"], OFFICE)[2]).get("observed") is None
    edit(gateway, made, "--enforce")
    soon(lambda: ask(gateway, search["key"], CLUSTER)[0] == 403, "the rule is enforced")
    assert statuses(gateway, search["key"], OFFICE) == [200]
    edit(gateway, made, "--observe")
    soon(lambda: ask(gateway, search["key"], CLUSTER)[0] == 200, "the rule is observed again")


def test_an_observed_allowance_lets_nobody_in(gateway, search):
    rule(gateway, "--team", "search", "--allow", "office", "--enforce")
    made = rule(gateway, "--team", "search", "--allow", "cluster")
    soon(lambda: ask(gateway, search["key"], CLUSTER)[0] == 403, "the first rule is in force")

    def said():
        with Wire(port(gateway, "main"), key=search["key"]) as wire:
            wire.chat("fast", headers=[("X-Forwarded-For", CLUSTER)])
            return json.loads(wire.answer().body)["error"]["message"]

    soon(lambda: f"rule {made['id']} would allow it, but is only observed" in said(), "the refusal says so")
    edit(gateway, made, "--enforce")
    soon(lambda: ask(gateway, search["key"], CLUSTER)[0] == 200, "the allowance is enforced")


def test_a_listener_is_judged_before_the_key(start_gateway, own_fake):
    gateway = start_gateway(config(own_fake.url, rules=[{"allow": "office", "mode": "enforce"},
                                                        {"deny": "floor", "mode": "observe"}]))
    assert statuses(gateway, gateway.key, OFFICE, door="main") == [200]
    answers = set()
    for key in (gateway.key, "tpk_00000000000000000000000000000000000000000000", "sk-other", None):
        with Wire(port(gateway, "main"), key=key) as wire:
            wire.chat("fast", headers=[("X-Forwarded-For", CLUSTER)])
            answer = wire.answer()
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"]) == (403, "listener_network_not_allowed")
        answers.add(error["message"].replace(answer.request_id, ""))
        row = gateway.wait_record(answer.request_id)
        assert (row["rule"], row["source"], row["network"], row.get("team")) == (
            "networks of listener main", CLUSTER, "cluster", None)
    assert len(answers) == 1, "a good key makes no difference that could be seen"
    row = gateway.wait_record(ask(gateway, gateway.key, FLOOR)[2])
    assert row["status"] == 200
    assert row["observed"] == [{"reason": "network", "id": "listeners.main.network_rules[1]"}]
    assert statuses(gateway, gateway.key, CLUSTER, door="open") == [200]
    assert gateway.get("/healthz", port=port(gateway, "main"), headers={"X-Forwarded-For": CLUSTER})[0] == 200, "a probe is no call"


def test_a_forged_header_opens_nothing(start_gateway, own_fake):
    made = config(own_fake.url, rules=[{"allow": "office", "mode": "enforce"}])
    made["listeners"]["direct"]["network_rules"] = [{"allow": "office", "mode": "enforce"}]
    gateway = start_gateway(made)
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"):
        value = "for=" + OFFICE if name == "Forwarded" else OFFICE
        assert ask(gateway, gateway.key, None, door="direct", headers=[(name, value)])[0] == 403, name
    # behind a forwarder: what the caller wrote stands before what the forwarder adds
    assert ask(gateway, gateway.key, f"{OFFICE}, {CLUSTER}")[0] == 403
    assert ask(gateway, gateway.key, OFFICE, headers=[("X-Forwarded-For", CLUSTER)])[0] == 403


def test_a_listener_on_a_unix_socket(start_gateway, own_fake, tmp_path):
    import socket

    path = str(tmp_path / "socket")
    made = config(own_fake.url, rules=[{"allow": "office", "mode": "enforce"}])
    made["listeners"]["local"] = {"address": f"unix:{path}",
                                  "network_rules": [{"allow": "unix", "mode": "enforce"}]}
    gateway = start_gateway(made)
    team = gateway.create_key("app", "--team", "search")["key"]

    def local(key):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(path)
            raw.sendall(f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n".encode())
            return int(raw.makefile("rb").readline().split()[1])

    soon(lambda: local(team) == 200, "the key is known")
    rule(gateway, "--team", "search", "--allow", "office", "--enforce")
    soon(lambda: local(team) == 403, "the team calls from the office only")
    rule(gateway, "--team", "search", "--allow", "unix", "--enforce")
    soon(lambda: local(team) == 200, "and from this machine")


def test_a_reload_changes_rules_and_what_names_mean(start_gateway, own_fake):
    gateway = start_gateway(config(own_fake.url, rules=[{"allow": "office", "mode": "enforce"}]))
    team = gateway.create_key("app", "--team", "search")["key"]
    rule(gateway, "--team", "search", "--deny", "cluster", "--enforce")
    soon(lambda: ask(gateway, team, CLUSTER, door="open")[1] == "network_not_allowed", "the rule is in force")
    with Wire(port(gateway, "main"), key=gateway.key) as kept:
        models = (f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
                  f"X-Forwarded-For: {CLUSTER}\r\n\r\n").encode()
        kept.send(models)
        assert kept.answer().status == 403
        changed = json.loads(json.dumps(gateway.config))
        changed["listeners"]["main"]["network_rules"] = [{"allow": "10.0.0.0/8", "mode": "enforce"}]
        changed["networks"]["cluster"]["ranges"] = ["10.3.0.0/16"]
        gateway.write_config(changed)
        gateway.signal(signal.SIGHUP)
        soon(lambda: ask(gateway, gateway.key, CLUSTER)[0] == 200, "the listener takes it")
        soon(lambda: statuses(gateway, team, CLUSTER, "10.3.0.1", door="open") == [200, 403], "the name means another network")
        kept.send(models)
        assert kept.answer().status == 200, "on a connection that was open, too"
    assert "listener main: network_rules changed" in gateway.stderr()
    assert "network cluster: ranges changed" in gateway.stderr()


def test_a_name_that_is_gone_is_told(start_gateway, own_fake):
    gateway = start_gateway(config(own_fake.url))
    team = gateway.create_key("app", "--team", "search")["key"]
    made = rule(gateway, "--team", "search", "--deny", "cluster", "--enforce")
    soon(lambda: ask(gateway, team, CLUSTER)[0] == 403, "the rule is in force")
    changed = json.loads(json.dumps(gateway.config))
    del changed["networks"]["cluster"]
    gateway.write_config(changed)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: f'network rule {made["id"]} of team search denies nobody: the configuration has no network '
               '"cluster"' in gateway.stderr(), 10, "it is told")


def test_an_allowance_of_a_network_that_is_not_there(start_gateway, own_fake):
    """It would shut everybody out: so nobody makes one, and who takes the network away is told what that does."""
    gateway = start_gateway(config(own_fake.url))
    gateway.create_key("app", "--team", "search")
    data = ["--data", str(gateway.data)]

    def command(*words, code=0):
        return turnpike(*words, *data, code=code)

    for words in (["--allow", "nosuchnet", "--enforce"], ["--allow", "nosuchnet"], ["--deny", "nosuchnet", "--enforce"]):
        done = command("network", "rule", "create", "--team", "search", *words, code=2)
        assert "the gateway's configuration has no network 'nosuchnet'" in done.stderr, words
    assert "did you mean 'cluster'" in command("network", "rule", "create", "--team", "search", "--allow", "clustr", code=2).stderr
    only = rule(gateway, "--team", "search", "--allow", "cluster", "--enforce")
    watched = rule(gateway, "--team", "search", "--allow", "floor")
    assert (only["problem"], watched["problem"]) == (None, None)
    path = gateway.config_file
    assert "no network" not in gateway.run("check", str(path), *data).stdout
    changed = json.loads(json.dumps(gateway.config))
    del changed["networks"]["cluster"], changed["networks"]["floor"]
    gateway.write_config(changed)
    checked = gateway.run("check", str(path), *data).stdout
    assert f"network rule {only['id']}" in checked and "of team search: it lets nobody in, and as the only allowance in force it refuses every call" in checked
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: f'network rule {only["id"]} of team search lets nobody in, and as the only allowance in force it '
               'refuses every call: the configuration has no network "cluster"' in gateway.stderr(), 10, "it is told")
    wait_until(lambda: f'network rule {watched["id"]} of team search is observed and would let nobody in' in gateway.stderr(),
               10, "of the observed one, too")
    assert "refuses every call" in command("network", "rule", "list").stdout
    done = command("network", "rule", "edit", watched["id"], "--enforce", code=2)
    assert "has no network 'floor'" in done.stderr, "an observed one is not put in force"
    edit(gateway, only, "--observe")
    rule(gateway, "--team", "search", "--allow", "office", "--enforce")
    shown = json.loads(command("network", "rule", "show", only["id"], "--json").stdout)
    assert (shown["mode"], shown["problem"]) == (
        "observe", "it is observed and would let nobody in: the configuration has no network 'cluster'")


# ---- the verbs ----

def test_the_verbs(tmp_path):
    data = tmp_path / "data"

    def run(*words, code=0):
        return turnpike(*words, "--data", data, code=code)

    run("team", "create", "search")
    assert "observed" in run("network", "rule", "create", "--team", "search", "--allow", "office").stderr
    one = json.loads(run("network", "rule", "create", "--team", "search", "--deny", "10.1.2.3/32", "--enforce", "--json").stdout)
    assert (one["deny"], one["mode"], one["team"]) == ("10.1.2.3", "enforce", "search")
    table = run("network", "rule", "list").stdout
    assert "office" in table and "10.1.2.3" in table and "observe" in table
    for words, code, said in (
            (["create", "--team", "search", "--allow", "10.1.0.1/16"], 2, "did you mean '10.1.0.0/16'"),
            (["create", "--team", "search", "--allow", "ten dot one"], 2, "is no network"),
            (["create", "--team", "search", "--deny", "10.1.7.256", "--enforce"], 2, "'10.1.7.256' is no network"),
            (["create", "--team", "search", "--deny", "10.1.7.0-24"], 2, "is no network"),
            (["create", "--team", "search", "--allow", "office", "--deny", "floor"], 2, "not both"),
            (["create", "--team", "search"], 2, "say which network"),
            (["create", "--allow", "office"], 2, "say whom"),
            (["create", "--team", "search", "--allow", "office", "--observe", "--enforce"], 2, "--observe or to --enforce"),
            (["create", "--team", "serch", "--allow", "office"], 1, "did you mean 'search'"),
            (["create", "--team", "search", "--deny", "office"], 1, "already"),
            (["create", "--team", "search", "--deny", "::ffff:10.1.2.3"], 1, one["id"]),
            (["edit", one["id"], "--deny", "10.1.2.4"], 2, "cannot be changed"),
            (["show", "net_nothing"], 1, "net_nothing")):
        done = run("network", "rule", *words, code=code)
        assert said in done.stderr, (words, done.stderr)
    run("network", "rule", "edit", one["id"], "--allow", "10.1.2.3", "--observe")
    shown = json.loads(run("network", "rule", "show", one["id"], "--json").stdout)
    assert (shown["allow"], shown.get("deny"), shown["mode"]) == ("10.1.2.3", None, "observe")
    audit = [json.loads(line) for line in run("audit", "--object", "network_rule", "--json").stdout.splitlines()]
    assert [row["action"] for row in audit] == ["update", "create", "create"]
    assert "allow office" in run("audit").stdout
    exported = run("export").stdout
    assert "network_rules:" in exported and "allow: office" in exported
    run("team", "delete", "search")
    assert run("network", "rule", "list", "--json").stdout == ""
    file = pathlib.Path(tmp_path / "all.yaml")
    file.write_text(exported)
    run("apply", "-f", file, "--yes")
    assert run("export").stdout == exported
    assert "nothing to do" in run("apply", "-f", file, "--yes").stdout.lower() + "nothing to do"
    file.write_text(exported.replace("allow: office", "deny: office"))
    run("apply", "-f", file, "--yes")
    rules = [json.loads(line) for line in run("network", "rule", "list", "--json").stdout.splitlines()]
    assert {row.get("deny") for row in rules} == {"office", None} and len(rules) == 2
    file.write_text("teams: [{name: search}]\nnetwork_rules: [{team: search, allow: office, mode: enforce}]\n")
    run("apply", "-f", file, "--yes", "--prune")
    (row,) = [json.loads(line) for line in run("network", "rule", "list", "--json").stdout.splitlines()]
    assert (row["allow"], row["mode"]) == ("office", "enforce")


def test_the_admin_api_knows_the_names(gateway):
    gateway.run("team", "create", "search", "--data", str(gateway.data))
    key = json.loads(gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", "me", "--role",
                                 "operator", "--json").stdout)["key"]
    client = AdminClient(gateway, key)
    answer = client.call("POST", "/network_rules", {"team": "search", "allow": "ofice"}, status=400)
    assert "did you mean 'office'" in answer.message and answer.field == "allow"
    answer = client.call("POST", "/network_rules", {"team": "search", "allow": "office"}, status=201)
    assert (answer.status, answer.json["mode"]) == (201, "observe")
    answer = client.call("PATCH", f"/network_rules/{answer.json['id']}", {"mode": "enforce"})
    assert (answer.status, answer.json["mode"]) == (200, "enforce")
    assert client.call("GET", "/network_rules", team="search").json["data"][0]["allow"] == "office"
