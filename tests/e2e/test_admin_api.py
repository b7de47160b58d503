"""The admin API: every route, every role, and what is refused, held against its own OpenAPI document."""

import hashlib
import json
import re
import socket
import sqlite3
import ssl
import stat
import threading
import time

import http.client
import openapi_spec_validator
import pytest

import admin_client
from admin_client import PREFIX, AdminClient, UnixConnection
from gateway import free_port, plain_config, wait_until


def make_key(gateway, role, *more):
    done = gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", role, "--role", role, *more, "--json")
    return json.loads(done.stdout)


@pytest.fixture
def admin(own_gateway):
    """A gateway of the test's own, and its owner at the default door."""
    return AdminClient(own_gateway, make_key(own_gateway, "owner")["key"])


def chat(gateway, key, **more):
    """One call; its request id."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        connection.request("POST", "/v1/chat/completions",
                           json.dumps({"model": "fast", "messages": [{"role": "user", "content": "hi"}], **more}),
                           {"authorization": f"Bearer {key}", "content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("x-request-id")
    finally:
        connection.close()


# -- the whole ----------------------------------------------------------------------------------


def test_every_documented_route(admin):
    """One session of an administrator, through everything that is documented."""
    openapi_spec_validator.validate(admin.document)
    admin.call("GET", "/openapi.json")
    assert admin.get("/me")["role"] == "owner"
    assert admin.get("/status")["ledger"]["accepting"] is True
    wait_until(lambda: admin.get("/status")["ledger"]["import_lag_ms"] == 0, what="nothing waits")
    assert [row["name"] for row in admin.get("/config")["models"]][:1] == ["fast"]
    newest = admin.get("/config/versions")["data"][0]["number"]
    assert admin.post(f"/config/versions/{newest}/restore", status=202)["changed"] is False

    admin.get("/organisation")
    assert admin.patch("/organisation", {"name": "Example", "deny_models": ["*-preview"]})["name"] == "Example"

    admin.post("/teams", {"name": "payments", "models": ["fast", "gpt-*"]})
    assert admin.patch("/teams/payments", {"title": "Payments"})["title"] == "Payments"
    assert admin.get("/teams/payments")["models"] == ["fast", "gpt-*"]

    key = admin.post("/keys", {"name": "checkout", "team": "payments", "tags": {"env": "prod"}})
    assert re.fullmatch(r"tpk_[0-9a-z]{12}_[0-9A-Za-z]{38}", key["key"])
    assert admin.get(f"/keys/{key['id']}") == {k: v for k, v in key.items() if k != "key"}
    assert admin.patch(f"/keys/{key['id']}", {"name": "till"})["name"] == "till"
    admin.gateway.wait_key(key["key"])

    budget = admin.post("/budgets", {"team": "payments", "amount": "500", "period": "month"})
    assert admin.patch(f"/budgets/{budget['id']}", {"amount": "600.50"})["amount"] == "600.50"
    assert admin.call("POST", f"/budgets/{budget['id']}/raise", {"amount": "900", "until": "12h"}).json["raised_to"] == "900.00"
    assert admin.get(f"/budgets/{budget['id']}")["left"] == "900.00"
    assert admin.delete(f"/budgets/{budget['id']}/raise", status=200)["raised_to"] is None
    limit = admin.post("/limits", {"team": "payments", "requests": 600})
    assert admin.patch(f"/limits/{limit['id']}", {"requests": 900})["requests"] == 900
    assert admin.get(f"/limits/{limit['id']}")["requests"] == 900
    assert admin.post("/network_rules/preview", {"team": "payments", "deny": "192.0.2.0/24"}, status=200)["unknown"] == 0
    rule = admin.post("/network_rules", {"team": "payments", "deny": "192.0.2.0/24"})
    assert rule["mode"] == "observe"
    assert admin.patch(f"/network_rules/{rule['id']}", {"mode": "enforce"})["mode"] == "enforce"
    assert admin.get(f"/network_rules/{rule['id']}")["deny"] == "192.0.2.0/24"

    def live(kind, id):
        return next((row for row in admin.get("/live")[kind] if row["id"] == id), None)

    wait_until(lambda: (live("limits", limit["id"]) or {}).get("amount") == 900, what="the limit is in force")
    status, request_id = chat(admin.gateway, key["key"])
    assert status == 200
    admin.gateway.wait_record(request_id)
    exchange = admin.get(f"/exchanges/{request_id}")
    assert (exchange["id"], exchange["team"], exchange["status"]) == (request_id, "payments", 200)
    assert request_id in [row["id"] for row in admin.get("/exchanges")["data"]]
    assert admin.get(f"/exchanges/{request_id}/detail")["call"] == exchange
    assert [row["network"] for row in admin.get(f"/keys/{key['id']}/sources")["data"]] == ["127.0.0.0/24"]
    assert chat(admin.gateway, "tpk_nobody")[0] == 401
    bounce, = wait_until(lambda: admin.get("/bounces", reason="mistyped_api_key")["data"], what="who was turned away is known")
    assert admin.get(f"/bounces/{bounce['id']}") == bounce
    wait_until(lambda: admin.get("/usage", by="team")["total"]["calls"] >= 1, what="the call is counted")
    assert admin.get("/overview")["period"]["sums"]["served"] == 1
    assert "data" in admin.get("/attention")
    said = admin.post("/playground", {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}, status=200)
    assert said["choices"]
    assert admin.call("HEAD", "/events").headers["content-type"] == "text/event-stream"

    for name in ("teams", "keys", "budgets", "limits", "network_rules", "audit"):
        assert admin.get(f"/{name}")["data"], name

    state = admin.get("/targets")["items"][0]
    assert (state["breaker"], state["in_flight"]) == ("closed", 0) and state["calls"] >= 1
    decision = admin.get("/route", model=state["model"], tokens=1000, needs="vision", tags="env=prod")
    assert decision["targets"][0]["place"] == 1
    assert decision["targets"][0]["firsts_of_1000"] == 1000
    assert admin.get("/route", status=400, model=state["model"], needs="wings").json["error"]["field"] == "needs"

    assert live("limits", limit["id"])["used"] == 1
    counted = live("budgets", budget["id"])
    assert (counted["cap"], counted["held"], counted["complete"]) == ("600.50", "0.00", True)

    leaked = {"key": key["key"][:16], "hash": hashlib.sha256(key["key"][:-6].encode()).hexdigest()}
    found = admin.call("POST", "/leaked_keys", leaked).json
    assert found == {"state": "live", "name": "till", "team": "payments", "good_until": None}
    rotated = admin.call("POST", f"/keys/{key['id']}/rotate", {"grace": "1h"}).json
    assert admin.call("POST", "/leaked_keys", leaked).json["good_until"] == rotated["previous_secret_until"]
    assert rotated["id"] == key["id"] and rotated["key"] != key["key"]
    assert admin.delete(f"/keys/{key['id']}", status=200, reason="done")["revoked_reason"] == "done"
    admin.delete(f"/limits/{limit['id']}")
    admin.delete(f"/network_rules/{rule['id']}")
    admin.delete(f"/budgets/{budget['id']}")
    admin.delete("/teams/payments", revoke_keys="true")
    admin.get("/teams/payments", status=404)

    other = admin.post("/admin_keys", {"name": "bob", "role": "operator"})
    assert re.fullmatch(r"tpa_[0-9a-z]{12}_[0-9A-Za-z]{38}", other["key"])
    assert admin.get(f"/admin_keys/{other['id']}")["role"] == "operator"
    assert len(admin.get("/admin_keys")["data"]) == 2
    assert admin.delete(f"/admin_keys/{other['id']}", status=200)["revoked_at"]

    assert admin.get("/sign_in") == {"console": True, "url": None, "sso": None}
    page = {"x-turnpike-console": "1"}
    session = admin.call("POST", "/sessions", {"key": admin.key}, 201, page).json
    assert [row["id"] for row in admin.get("/sessions")["data"]] == [session["id"]]
    admin.delete(f"/sessions/{session['id']}")

    listed = admin.get("/prices", provider="openai", model="gpt-4o-mini")["data"]
    assert [row["model"] for row in listed] == ["gpt-4o-mini"] and listed[0]["prices"]["input"] == "0.15"
    assert admin.get("/prices/gpt-4o-mini", provider="openai")["data"][0]["cards"]
    admin.get("/prices/gpt-0", status=404)
    found = pages(admin, "/prices", limit=1000)
    assert len(found) > 1 or len(found[0]) > 100

    # Single sign-on needs a provider: test_console_server.py has one.
    assert admin.operations() - {"sso", "sso_callback"} == admin.seen, "documented, and tried by nobody"


# -- who may come in -----------------------------------------------------------------------------


def test_who_is_refused_at_the_door(admin):
    gateway = admin.gateway
    caller = gateway.create_key("caller")["key"]
    made = make_key(gateway, "finance", "--expires", "2s")
    cases = [(None, "missing_admin_key"), ("sk-proj-0123456789abcdef", "invalid_admin_key"), (caller, "caller_key"),
             (made["key"][:-1] + ("0" if made["key"][-1] != "0" else "1"), "invalid_admin_key")]
    for key, code in cases:
        answer = admin.as_key(key).get("/me", status=401)
        assert answer.code == code
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "connection" in answer.headers
    # Before the key is known to be good, nothing is told of what there is.
    assert admin.as_key(None).call("GET", "/nothing", status=401).code == "missing_admin_key"
    assert admin.as_key(made["key"]).get("/me")["expires_at"]
    time.sleep(2.1)
    assert admin.as_key(made["key"]).get("/me", status=401).code == "expired_admin_key"
    assert "tpk_" not in gateway.stderr() and made["key"] not in gateway.stderr()


def test_a_revoked_admin_key_is_refused_at_once(admin):
    other = make_key(admin.gateway, "operator")
    client = admin.as_key(other["key"])
    assert client.get("/me")["id"] == other["id"]
    admin.gateway.run("admin", "key", "revoke", "--data", str(admin.gateway.data), other["id"])
    assert client.get("/me", status=401).code == "revoked_admin_key"


def test_an_admin_key_makes_no_calls(admin):
    status, _, body = admin.gateway.get("/v1/models", admin.key)
    assert status == 401 and json.loads(body)["error"]["code"] == "admin_api_key"
    assert admin.key[17:] not in body.decode()
    # And the callers' door has no administration.
    assert admin.gateway.get(PREFIX + "/teams", admin.key)[0] in (401, 404)


def test_the_last_use_of_an_admin_key_is_known(admin):
    own = admin.get("/me")["id"]
    assert admin.get(f"/admin_keys/{own}")["used_at"]


def test_roles(admin):
    gateway = admin.gateway
    admin.post("/teams", {"name": "red"})
    admin.post("/teams", {"name": "blue"})
    red = admin.post("/keys", {"name": "r", "team": "red"})
    blue = admin.post("/keys", {"name": "b", "team": "blue"})
    operator = admin.as_key(make_key(gateway, "operator")["key"])
    finance = admin.as_key(make_key(gateway, "finance")["key"])
    lead = admin.as_key(make_key(gateway, "team_lead", "--team", "red")["key"])

    # An operator does everything but admin keys.
    operator.post("/budgets", {"team": "red", "amount": "5"})
    for method, path, body in (("GET", "/admin_keys", None), ("POST", "/admin_keys", {"name": "x", "role": "owner"})):
        assert operator.call(method, path, body, status=403).code == "forbidden"

    # Finance looks.
    for path in ("/teams", "/keys", "/budgets", "/limits", "/usage", "/exchanges", "/bounces", "/audit", "/status", "/organisation",
                 "/config", "/config/versions"):
        finance.get(path)
    for method, path, body in (("POST", "/teams", {"name": "x"}), ("POST", "/keys", {"name": "x"}),
                               ("DELETE", f"/keys/{red['id']}", None), ("PATCH", "/organisation", {"name": "x"}),
                               ("POST", "/config/versions/1/restore", None)):
        assert finance.call(method, path, body, status=403).code == "forbidden"

    # A team lead sees and does what is the team's.
    assert [row["name"] for row in lead.get("/teams")["data"]] == ["red"]
    assert [row["id"] for row in lead.get("/keys")["data"]] == [red["id"]]
    assert lead.get("/budgets")["data"][0]["team"] == "red"
    assert lead.post("/keys", {"name": "mine", "team": "red"})["team"] == "red"
    lead.get(f"/keys/{blue['id']}", status=404)
    lead.delete(f"/keys/{blue['id']}", status=404)
    assert lead.call("GET", "/keys", status=403, team="blue").code == "forbidden"
    assert lead.call("POST", "/keys", {"name": "x", "team": "blue"}, status=403).code == "forbidden"
    assert lead.call("PATCH", f"/keys/{red['id']}", {"team": "blue"}, status=403).code == "forbidden"
    assert lead.call("POST", "/budgets", {"team": "red", "amount": "9"}, status=403).code == "forbidden"
    for path in ("/audit", "/status", "/organisation", "/config", "/config/versions"):
        lead.get(path, status=403)
    _, request_id = chat(gateway, blue["key"])
    gateway.wait_record(request_id)
    lead.get(f"/exchanges/{request_id}", status=404)
    assert lead.get("/exchanges")["data"] == []
    assert lead.get("/usage", by="team")["rows"] == []


# -- what is asked for ---------------------------------------------------------------------------


def test_what_is_refused_says_what_to_do(admin):
    admin.post("/teams", {"name": "payments"})
    cases = [
        ("GET", "/taems", None, 404, "unknown_url", None),
        ("PUT", "/teams", {}, 405, "method_not_allowed", None),
        ("POST", "/teams", "{", 400, "invalid_json", None),
        ("POST", "/teams", "[]", 400, "invalid_json", None),
        ("POST", "/teams", {}, 400, "missing_member", "name"),
        ("POST", "/teams", {"name": "x", "modles": []}, 400, "unknown_member", None),
        ("POST", "/teams", {"name": "x", "models": "fast"}, 400, "invalid_value", "models"),
        ("POST", "/teams", {"name": "payments"}, 409, "already_exists", "name"),
        ("POST", "/keys", {"name": "x", "team": "paymnets"}, 400, "invalid_value", "team"),
        ("POST", "/budgets", {"team": "payments", "amount": "-1"}, 400, "invalid_value", "amount"),
        ("POST", "/budgets", {"team": "payments", "amount": "1e9"}, 400, "invalid_value", "amount"),
        ("PATCH", "/teams/payments", {"name": "other"}, 400, "fixed_member", "name"),
        ("POST", "/budgets/bud_000000000000/raise", {"amount": "5"}, 400, "missing_member", "until"),
        ("POST", "/budgets/bud_000000000000/raise", {"amount": "5", "until": "1h", "untl": 1}, 400, "unknown_member", None),
        ("DELETE", "/limits/lim_000000000000", None, 404, "not_found", None),
        ("GET", "/exchanges/req_1", None, 404, "not_found", None),
        ("GET", "/keys/%zz", None, 400, "bad_request", None),
    ]
    for method, path, body, status, code, field in cases:
        answer = admin.call(method, path, body, status=status)
        assert (answer.code, answer.field) == (code, field), (method, path, answer.bytes)
    assert '"models"' in admin.call("POST", "/teams", {"name": "x", "modles": []}, status=400).message
    assert "payments" in admin.call("POST", "/keys", {"name": "x", "team": "paymnets"}, status=400).message
    for query, code, field in (({"limt": 1}, "unknown_parameter", None), ({"limit": 0}, "invalid_value", "limit"),
                               ({"limit": "1001"}, "invalid_value", "limit"), ({"cursor": "zz"}, "invalid_value", "cursor")):
        answer = admin.call("GET", "/teams", status=400, **query)
        assert (answer.code, answer.field) == (code, field)
    assert '"limit"' in admin.call("GET", "/teams", status=400, limt=1).message
    for query, field in (("since=soon", "since"), ("status=9xx", "status"), ("outcome=good", "outcome")):
        assert admin.call("GET", f"/exchanges?{query}", status=400).field == field
    for query, field in (({"by": "tam"}, "by"), ({"timezone": "Mars"}, "timezone"), ({"format": "xml"}, "format"),
                         ({"tag": "env"}, "tag"), ({"format": "focus", "by": "team"}, "by")):
        assert admin.call("GET", "/usage", status=400, **query).field == field


def test_head_and_options(admin):
    answer = admin.call("HEAD", "/teams")
    assert answer.bytes == b"" and int(answer.headers["content-length"]) > 0
    answer = admin.raw("OPTIONS", PREFIX + "/teams")
    assert answer.status == 204 and answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    answer = admin.call("DELETE", "/teams", status=405)
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    # No page of a browser may ask: nothing of CORS.
    for name in answer.headers:
        assert not name.startswith("access-control")


def test_names_of_teams_may_hold_anything_that_is_text(admin):
    for name in ("a b/c", "ümläut", "100%", "a?b&c=d#e", "+plus+"):
        answer = admin.call("POST", "/teams", {"name": name}, status=201)
        where = answer.headers["location"]
        assert admin.raw("GET", where).json["name"] == name
        assert admin.raw("DELETE", where).status == 204


def test_large_and_slow_requests(admin):
    answer = admin.call("POST", "/teams", b"x" * (1 << 20) + b"x", status=413)
    assert answer.code == "body_too_large"
    answer = admin.raw("GET", PREFIX + "/me", headers={"x-padding": "x" * 20000})
    assert answer.status == 431 and answer.code == "head_too_large"
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(20)
        wire.connect(str(admin.gateway.data / "admin.sock"))
        wire.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n bad\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert admin.get("/me")["role"] == "owner"


# -- pages ---------------------------------------------------------------------------------------


def pages(admin, path, **query):
    """The ids of every page."""
    found, cursor = [], None
    while True:
        page = admin.get(path, **query, **({"cursor": cursor} if cursor else {}))
        found.append([row.get("id", row.get("number", row.get("model", row.get("name")))) for row in page["data"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_pages(admin):
    names = [f"team {number:02}" for number in range(7)]
    for name in reversed(names):
        admin.post("/teams", {"name": name})
    by_name = [row["name"] for row in admin.get("/teams")["data"]]
    assert by_name == names
    found, cursor = [], None
    while True:
        page = admin.get("/teams", limit=3, **({"cursor": cursor} if cursor else {}))
        found += [row["name"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        # What is gone, and what is new, moves nobody else from one page to another.
        admin.delete("/teams/" + found[-1].replace(" ", "%20"))
        admin.post("/teams", {"name": "aaa " + found[-1]})
    assert found == names
    keys = [admin.post("/keys", {"name": f"k{number}"})["id"] for number in range(5)]
    assert pages(admin, "/keys", limit=2) == [keys[4:2:-1], keys[2:0:-1], keys[:1]]
    assert pages(admin, "/keys", limit=5) == [keys[::-1]]
    admin.delete(f"/keys/{keys[0]}", status=200)
    assert keys[0] not in pages(admin, "/keys", state="live")[0]
    changes = [number for page in pages(admin, "/audit", limit=4) for number in page]
    assert changes == sorted(changes, reverse=True) and len(set(changes)) == len(changes) > 10
    key = admin.post("/keys", {"name": "caller"})
    admin.gateway.wait_key(key["key"])
    calls = [chat(admin.gateway, key["key"])[1] for _ in range(5)]
    for call in calls:
        admin.gateway.wait_record(call)
    newest = sorted(calls, reverse=True)  # by id: those of one millisecond have no other order
    assert pages(admin, "/exchanges", limit=2, key=key["id"], model="fast") == [newest[:2], newest[2:4], newest[4:]]
    assert set(calls) <= set(pages(admin, "/exchanges?status=2xx", limit=100, key="caller")[0])


# -- changes -------------------------------------------------------------------------------------


def test_a_change_is_in_the_audit_with_who_and_where_from(admin):
    team = admin.call("POST", "/teams", {"name": "payments"}, status=201)
    own = admin.get("/me")["id"]
    change = admin.get("/audit", kind="team", object="payments")["data"][0]
    assert (change["who"], change["via"], change["action"]) == (f"key:{own}", "api unix", "create")
    assert change["before"] is None and change["after"] == team.json
    admin.patch("/teams/payments", {"title": "Pay"})
    change = admin.get("/audit", who=f"key:{own}", since="1h")["data"][0]
    assert change["before"]["title"] is None and change["after"]["title"] == "Pay"
    assert admin.get("/audit", until="2020-01-01")["data"] == []
    # A secret is in no answer but its own, and in no audit.
    key = admin.post("/keys", {"name": "x"})
    for text in (json.dumps(admin.get("/audit")), json.dumps(admin.get("/keys")), admin.gateway.stderr()):
        assert key["key"][17:] not in text


def test_if_match(admin):
    made = admin.call("POST", "/budgets", {"organisation": True, "amount": "5"}, status=201)
    tag = made.headers["etag"]
    path = f"/budgets/{made.json['id']}"
    assert admin.call("GET", path).headers["etag"] == tag
    changed = admin.call("PATCH", path, {"amount": "6"}, headers={"if-match": tag})
    assert changed.headers["etag"] != tag
    late = admin.patch(path, {"amount": "7"}, status=412, headers={"if-match": tag})
    me = admin.get("/me")["id"]
    assert late.code == "precondition_failed" and f"key:{me} changed it meanwhile, at 20" in late.message
    assert admin.get(path)["amount"] == "6.00"
    admin.patch(path, {"amount": "7"}, headers={"if-match": f'"x", {changed.headers["etag"]}'})
    admin.patch(path, {"amount": "8"}, headers={"if-match": "*"})
    admin.patch("/budgets/bud_000000000000", {"amount": "8"}, status=404, headers={"if-match": "*"})


def test_if_match_of_every_change(admin):
    """What is deleted, raised, rotated or revoked is what the caller has seen, where the caller says what that was."""
    me = admin.get("/me")["id"]
    budget = f"/budgets/{admin.post('/budgets', {'organisation': True, 'amount': '5'})['id']}"
    key = f"/keys/{admin.post('/keys', {'name': 'seen'})['id']}"
    seen = {path: {"if-match": admin.call("GET", path).headers["etag"]} for path in (budget, key)}
    admin.patch(budget, {"amount": "6"})
    admin.patch(key, {"name": "changed"})
    loan = {"amount": "9", "until": "2099-01-01T00:00:00Z"}
    for method, path, of, body in (("POST", budget + "/raise", budget, loan), ("DELETE", budget + "/raise", budget, None),
                                   ("DELETE", budget, budget, None), ("POST", key + "/rotate", key, {}), ("DELETE", key, key, None)):
        late = admin.call(method, path, body, status=412, headers=seen[of])
        assert late.code == "precondition_failed" and f"key:{me} changed it meanwhile, at 20" in late.message, (method, path)
    assert admin.get(budget)["amount"] == "6.00" and admin.get(key)["state"] == "live"

    def now(path):
        return {"if-match": admin.call("GET", path).headers["etag"]}

    admin.call("POST", budget + "/raise", loan, headers=now(budget))
    admin.call("DELETE", budget + "/raise", headers=now(budget))
    admin.call("DELETE", budget, status=204, headers=now(budget))
    assert admin.call("POST", key + "/rotate", {}, headers=now(key)).json["key"].startswith("tpk_")
    assert admin.call("DELETE", key, headers=now(key)).json["state"] == "revoked"


def test_what_was_shown_can_be_handed_back(admin):
    """Read, change one member, send the whole: members that are only shown are passed over."""
    admin.post("/teams", {"name": "payments"})
    key = admin.post("/keys", {"name": "x", "team": "payments"})
    shown = admin.get(f"/keys/{key['id']}")
    assert admin.patch(f"/keys/{key['id']}", {**shown, "name": "y"}) == {**shown, "name": "y"}


def test_changes_reach_the_gateway_within_a_second(admin):
    key = admin.post("/keys", {"name": "x"})
    wait_until(lambda: chat(admin.gateway, key["key"])[0] == 200, 1.5, "the key works")
    admin.delete(f"/keys/{key['id']}", status=200)
    wait_until(lambda: chat(admin.gateway, key["key"])[0] == 401, 1.5, "the key is refused")


def test_many_at_once(admin):
    """Two hundred keys made by eight administrators at a time: all there, all different, all in the audit."""
    made, problems = [], []

    def make(number):
        try:
            for turn in range(25):
                made.append(admin.post("/keys", {"name": f"{number}-{turn}"})["id"])
        except BaseException as problem:  # shown by the test's own thread
            problems.append(problem)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    assert len(set(made)) == 200
    assert sorted(sum(pages(admin, "/keys", limit=64), [])) == sorted(made)
    created = [row for row in admin.get("/audit", kind="key", limit=1000)["data"] if row["action"] == "create"]
    assert sorted(row["object"] for row in created) == sorted(made)


def test_usage_formats(admin):
    key = admin.post("/keys", {"name": "x"})
    admin.gateway.wait_key(key["key"])
    admin.gateway.wait_record(chat(admin.gateway, key["key"])[1])
    wait_until(lambda: admin.get("/usage", by="key,day", model="fast")["total"]["calls"] >= 1, what="it is counted")
    answer = admin.get("/usage", by="key,day", timezone="Europe/Berlin", since="1h", key=key["id"])
    assert answer["rows"][0]["key"] == key["id"] and answer["rows"][0]["key_name"] == "x"
    table = admin.call("GET", "/usage", format="csv", by="key").bytes.decode()
    assert table.startswith("key,key_name,calls,") and table.endswith("\r\n") and key["id"] in table
    focus = admin.call("GET", "/usage", format="focus").bytes.decode()
    assert focus.startswith("BilledCost,") and focus.count("\r\n") >= 2
    same = admin.gateway.run("usage", "--data", str(admin.gateway.data), "--by", "key", "--format", "csv").stdout
    assert same.replace("\r\n", "\n") == admin.call("GET", "/usage", format="csv", by="key").bytes.decode().replace("\r\n", "\n")


# -- the door ------------------------------------------------------------------------------------


def test_the_default_door_is_the_owners_alone(admin):
    path = admin.gateway.data / "admin.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    admin.get("/me")
    admin.gateway.stop()
    assert not path.exists()


def test_tcp_and_reload(start_gateway, own_fake):
    ports = [free_port(), free_port()]
    config = plain_config(own_fake.url, admin={"address": f"127.0.0.1:{ports[0]}"})
    gateway = start_gateway(config)

    def over(port):
        return AdminClient(gateway, key, lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=10))

    key = make_key(gateway, "owner")["key"]
    assert over(ports[0]).get("/status")["config"]["generation"] == 1
    assert AdminClient(gateway, key).get("/me")["role"] == "owner"  # the socket is there beside it
    change = over(ports[0])
    change.post("/teams", {"name": "payments"})
    assert change.get("/audit")["data"][0]["via"] == "api 127.0.0.1"

    gateway.write_config({**config, "admin": {"address": f"127.0.0.1:{ports[1]}"}})

    def moved():
        try:
            return over(ports[1]).get("/status")["config"]["generation"] == 2
        except OSError:
            return False

    wait_until(moved, 10, "the door has moved")
    with pytest.raises(OSError):
        over(ports[0]).get("/me")
    gateway.write_config({name: value for name, value in config.items() if name != "admin"})

    def closed():
        try:
            over(ports[1]).get("/me")
        except OSError:
            return True
        return False

    wait_until(closed, 10, "the door is closed again")
    assert AdminClient(gateway, key).get("/me")["role"] == "owner"


def test_tls(start_gateway, own_fake, authority):
    certificate, private, _ = authority.issue("admin.test", file="admin")
    config = plain_config(own_fake.url, admin={
        "address": f"0.0.0.0:{free_port()}",
        "certificates": [{"certificate": str(certificate), "key": str(private)}]})
    gateway = start_gateway(config)
    port = int(config["admin"]["address"].rsplit(":", 1)[1])
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    client = AdminClient(gateway, make_key(gateway, "owner")["key"],
                         lambda: http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context))
    assert client.get("/me")["role"] == "owner"


def test_no_public_door_without_tls(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, admin={"address": f"0.0.0.0:{free_port()}"}), run=False)
    done = gateway.run("check", str(gateway.config_file), check=False)
    assert done.returncode != 0 and "in clear" in done.stderr + done.stdout


def test_a_taken_address_says_so(start_gateway, own_fake):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = plain_config(own_fake.url, admin={"address": f"127.0.0.1:{other.getsockname()[1]}"})
        gateway = start_gateway(config, run=False)
        done = gateway.run("serve", "--config", str(gateway.config_file), "--data", str(gateway.data), check=False)
    assert done.returncode == 1 and "admin.address" in done.stderr


# -- when the store is away ----------------------------------------------------------------------


def test_a_key_can_be_revoked_with_the_store_down(admin):
    """The file is the truth then; the admin keys last read are good."""
    key = admin.post("/keys", {"name": "x"})
    admin.gateway.wait_key(key["key"])
    blocker = sqlite3.connect(admin.gateway.data / "turnpike.db", isolation_level=None)
    try:
        blocker.execute("BEGIN IMMEDIATE")
        assert admin.call("POST", "/teams", {"name": "x"}, status=503).code == "store_busy"
        admin.get("/teams")
        admin.delete(f"/keys/{key['id']}", status=200)
        wait_until(lambda: chat(admin.gateway, key["key"])[0] == 401, 2, "the key is refused")
    finally:
        blocker.close()


def test_metrics(admin):
    admin.get("/teams")
    admin.get("/nothing", status=404)
    page = admin.gateway.get("/metrics")[2].decode()
    assert 'turnpike_admin_requests_total{method="GET",path="/teams",status="200"} 1' in page
    assert 'turnpike_admin_requests_total{method="other",path="other",status="404"} 1' in page
    assert "turnpike_admin_request_duration_seconds_count" in page


def test_the_client_checks_something():
    """A document that says otherwise makes the client fail."""
    client = AdminClient(None)
    client._document = {"paths": {PREFIX + "/me": {"get": {
        "operationId": "me", "parameters": [],
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Me"}}}}}}}},
        "components": {"schemas": {"Me": {"type": "object", "required": ["id"]}}}}
    good = admin_client.Answer(200, {"content-type": "application/json"}, b'{"id": "x"}')
    client._check("GET", PREFIX + "/me", good)
    with pytest.raises(Exception):
        client._check("GET", PREFIX + "/me", admin_client.Answer(200, good.headers, b"{}"))


def test_idle_connections_are_bounded(admin):
    """Sixty-four may be open; more are closed at once, and those that are open still work."""
    opened = []

    def connect(connection):
        try:
            connection.connect()
        except BlockingIOError as full:
            return full

    try:
        for _ in range(70):
            connection = UnixConnection(admin.gateway.data / "admin.sock")
            wait_until(lambda: not connect(connection), what="the kernel's queue has room")
            opened.append(connection)
        time.sleep(0.3)
        opened[0].request("GET", PREFIX + "/me", headers={"authorization": f"Bearer {admin.key}"})
        assert opened[0].getresponse().status == 200
        assert opened[-1].sock.recv(1) == b""
    finally:
        for connection in opened:
            connection.close()

    def has_room():
        try:
            return admin.get("/me")
        except OSError:
            return None

    wait_until(has_room, what="there is room again")
