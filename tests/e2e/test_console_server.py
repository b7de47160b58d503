"""The console's door on the wire: what is served and how it may be kept, who is let in, and what a hostile page,
a thief of codes or cookies and a reader who wants to write get."""

import base64
import concurrent.futures
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import socket
import sqlite3
import ssl
import stat
import subprocess
import time
import urllib.parse

import pytest

from admin_client import UnixConnection
from browser import Browser
from gateway import BINARY, ROOT, SANITIZERS, Gateway, free_port, plain_config, wait_until
from workloads import real_provider

POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "font-src": "'self'",
    "connect-src": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'", "form-action": "'none'",
}


@pytest.fixture(scope="module")
def gateway(fake, tmp_path_factory):
    """One with a door for browsers, for all that changes nothing of its configuration."""
    gateway = Gateway(tmp_path_factory.mktemp("console"), plain_config(fake.url, admin={"address": f"127.0.0.1:{free_port()}"})).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def browser(gateway):
    return Browser("http://" + gateway.config["admin"]["address"])


# -- the files --------------------------------------------------------------------------------------


def test_the_page_and_its_files(browser):
    page = browser.page()
    assert page.status == 200 and page.field("content-type") == "text/html; charset=utf-8"
    assert page.field("cache-control") == "no-cache" and page.field("content-encoding") == "gzip"
    text = gzip.decompress(page.bytes).decode()
    assert "<script>" not in text and " style=" not in text and " onload=" not in text
    files = re.findall(r'(?:src|href)="(/[^"]+)"', text)
    assert any(file.endswith(".js") for file in files) and any(file.endswith(".css") for file in files)
    for file in files:
        assert file.startswith("/console/assets/"), file
        got = browser.page(file)
        assert got.status == 200, file
        assert got.field("cache-control") == "public, max-age=31536000, immutable"
        assert got.field("vary") == "accept-encoding"
        plain = browser.page(file, **{"accept-encoding": "gzip;q=0, identity"})
        assert plain.field("content-encoding") is None and plain.bytes == gzip.decompress(got.bytes)
        assert plain.field("etag") != got.field("etag")


def test_what_browsers_are_told(browser):
    page = browser.page()
    policy = dict(part.strip().split(" ", 1) for part in page.field("content-security-policy").split(";"))
    assert policy == POLICY
    for answer in (page, browser.fetch("GET", "/admin/v1/me"), browser.page("/console/assets/none.js")):
        assert answer.field("x-content-type-options") == "nosniff"
        assert answer.field("referrer-policy") == "no-referrer"
        assert answer.field("cross-origin-opener-policy") == "same-origin"
        assert answer.field("cross-origin-resource-policy") == "same-origin"
        assert answer.field("x-frame-options") == "DENY"
        assert answer.field("access-control-allow-origin") is None


@pytest.mark.parametrize("path", ["/console/", "/console/teams/payments", "/console/keys/a.b?tab=1"])
def test_every_view_has_an_address(browser, path):
    page = browser.page(path)
    assert page.status == 200 and page.field("content-type").startswith("text/html")
    tag = page.field("etag")
    again = browser.page(path, **{"if-none-match": f'"other", W/{tag}'})
    assert again.status == 304 and again.bytes == b"" and again.field("etag") == tag
    assert browser.page(path, **{"if-none-match": '"other"'}).status == 200
    assert browser.send("HEAD", path).bytes == b""


def test_where_the_console_is(browser):
    for path in ("/", "/console"):
        answer = browser.page(path)
        assert answer.status == 302 and answer.field("location") == "/console/"
    assert browser.page("/console/assets/console-gone.js").status == 404
    refused = browser.send("POST", "/console/", "x")
    assert refused.status == 405 and refused.field("allow") == "GET, HEAD"
    assert browser.page("/consoles").status == 401
    licences = browser.page("/console/licenses.txt", **{"accept-encoding": "identity"})
    assert licences.status == 200 and b"preact" in licences.bytes and b"MIT" in licences.bytes


def test_the_socket_serves_it_too(gateway):
    connection = UnixConnection(gateway.data / "admin.sock")
    connection.request("GET", "/console/", headers={"host": "gateway"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("path", ["/console/", "/admin/v1/me", "/"])
def test_another_name_than_ours_is_refused(browser, path):
    """A page whose name was made to point at 127.0.0.1 is of the same origin as itself, and must not be as we are."""
    answer = browser.send("GET", path, headers={"host": "attacker.example", "sec-fetch-site": "same-origin"})
    assert answer.status == 403 and answer.code == "unknown_host"
    assert "admin.url" in answer.json["error"]["message"]
    for host in ("localhost", f"LOCALHOST:{browser.host.rpartition(':')[2]}", "127.0.0.1", "[::1]:8081"):
        assert browser.send("GET", path, headers={"host": host}).status in (200, 302, 401), host


def test_callers_see_nothing_of_it(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("GET", "/console/")
    answer = connection.getresponse()
    assert answer.status in (401, 404) and b"<html" not in answer.read()
    connection.close()


# -- signing in -------------------------------------------------------------------------------------


def link_of(gateway, *more):
    """What `turnpike console` prints, taken apart: the origin and the code."""
    printed = gateway.run("console", "--data", str(gateway.data), *more).stdout.strip()
    origin, _, code = printed.partition("/console/#code=")
    assert re.fullmatch(r"[0-9a-f]{64}", code), printed
    return origin, code


def admin_key(gateway, role, *more):
    done = gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", role, "--role", role, *more, "--json")
    return json.loads(done.stdout)


def audit(gateway, **wanted):
    rows = [json.loads(line) for line in gateway.run("audit", "--data", str(gateway.data), "--json").stdout.splitlines()]
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


@pytest.fixture
def signed_in(gateway, browser):
    """signed_in("finance") is a browser with a session of that role."""
    def sign_in(role="owner", *more):
        other = Browser(browser.origin)
        answer = other.fetch("POST", "/admin/v1/sessions", {"code": link_of(gateway, "--role", role, *more)[1]})
        assert answer.status == 201, answer.bytes
        return other

    return sign_in


def test_a_link_signs_in_once(gateway, browser):
    origin, code = link_of(gateway)
    assert origin == browser.origin
    answer = browser.fetch("POST", "/admin/v1/sessions", {"code": code})
    assert answer.status == 201 and answer.json["role"] == "owner" and answer.json["method"] == "link"
    (morsel,) = browser.cookies.values()
    assert morsel["httponly"] and morsel["samesite"] == "Strict" and morsel["path"] == "/"
    assert not morsel["domain"] and not morsel["max-age"] and not morsel["secure"], "over TLS it is secure: test_tls"
    assert re.fullmatch(r"[0-9a-f]{64}", morsel.value) and morsel.value not in answer.bytes.decode()
    me = browser.fetch("GET", "/admin/v1/me").json
    assert me["id"] == answer.json["id"] and me["method"] == "link"
    again = Browser(origin).fetch("POST", "/admin/v1/sessions", {"code": code})
    assert again.status == 401 and again.code == "invalid_code" and not again.all("set-cookie")
    (row,) = audit(gateway, object="session", id=me["id"])
    assert row["action"] == "sign_in" and row["who"].startswith("cli:") and row["via"] == "console 127.0.0.1"
    assert code not in (gateway.data / "turnpike.db").read_bytes().decode("latin-1")
    assert morsel.value.encode() not in (gateway.data / "turnpike.db").read_bytes()


def test_two_who_show_one_code(gateway, browser):
    """One of many at the same moment gets in."""
    _, code = link_of(gateway)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Browser(browser.origin).fetch("POST", "/admin/v1/sessions", {"code": code}).status, range(8)))
    assert sorted(answers) == [201] + [401] * 7


def test_an_old_code_opens_nothing(gateway, browser):
    _, code = link_of(gateway)
    with sqlite3.connect(gateway.data / "turnpike.db") as store:
        store.execute("UPDATE sign_in_codes SET expires_at = ? WHERE hash = ?",
                      (time.time_ns() - 1, hashlib.sha256(code.encode()).digest()))
    answer = browser.fetch("POST", "/admin/v1/sessions", {"code": code})
    assert answer.status == 401 and answer.code == "invalid_code"


def test_an_admin_key_signs_in_and_takes_its_sessions_along(gateway, browser):
    key = admin_key(gateway, "operator")
    assert browser.fetch("POST", "/admin/v1/sessions", {"key": key["key"]}).status == 201
    me = browser.fetch("GET", "/admin/v1/me").json
    assert (me["role"], me["name"], me["method"]) == ("operator", "operator", "key")
    made = browser.fetch("POST", "/admin/v1/teams", {"name": "by-a-session"})
    assert made.status == 201
    (row,) = audit(gateway, object="team", action="create")
    assert row["who"] == f"key:{key['id']}" and row["via"] == "console 127.0.0.1"
    gateway.run("admin", "key", "revoke", "--data", str(gateway.data), key["id"])
    answer = browser.fetch("GET", "/admin/v1/me")
    assert answer.status == 401 and answer.code == "session_ended" and "no longer good" in answer.json["error"]["message"]
    assert not browser.cookies, "the browser is told to forget it"


def test_a_key_that_expires_ends_its_session(gateway, browser):
    key = admin_key(gateway, "finance", "--expires", "1h")
    answer = browser.fetch("POST", "/admin/v1/sessions", {"key": key["key"]}).json
    assert answer["expires_at"] == key["expires_at"]


@pytest.mark.parametrize("body, code", [
    ({"code": "0" * 64}, "invalid_code"),
    ({"code": "' OR 1=1 --"}, "invalid_code"),
    ({"key": "tpa_000000000000_" + "0" * 38}, "invalid_admin_key"),
    ({"key": "tpk_000000000000_" + "0" * 38}, "invalid_admin_key"),
    ({}, "missing_member"),
    ({"code": "x", "key": "y"}, "missing_member"),
    ({"password": "x"}, "unknown_member"),
    ("no json", "invalid_json"),
    ("[" * 5000, "body_too_large"),
])
def test_what_does_not_sign_in(start_gateway, own_fake, body, code):
    """A gateway each, because failures count together."""
    gateway = start_gateway(plain_config(own_fake.url, admin={"address": f"127.0.0.1:{free_port()}"}))
    answer = Browser("http://" + gateway.config["admin"]["address"]).fetch("POST", "/admin/v1/sessions", body)
    assert answer.code == code and not answer.all("set-cookie")
    assert not audit(gateway, object="session")


def test_many_failures_have_to_wait(start_gateway, own_fake):
    gateway = start_gateway(plain_config(own_fake.url, admin={"address": f"127.0.0.1:{free_port()}"}))
    browser = Browser("http://" + gateway.config["admin"]["address"])
    answers = [browser.fetch("POST", "/admin/v1/sessions", {"code": f"{i:064x}"}).status for i in range(12)]
    assert answers[:10] == [401] * 10 and 429 in answers[10:]
    good = browser.fetch("POST", "/admin/v1/sessions", {"code": link_of(gateway)[1]})
    assert good.status == 429 and good.code == "too_many_attempts" and 0 < int(good.field("retry-after")) <= 11
    key = admin_key(gateway, "owner")["key"]
    assert browser.send("GET", "/admin/v1/me", headers={"authorization": f"Bearer {key}"}).status == 200, "programs go on"


# -- what others try with a session -----------------------------------------------------------------


def test_a_page_of_somebody_else(gateway, signed_in):
    """Everything that another page can make the browser send with the cookie is refused, and done by nobody."""
    browser = signed_in("owner")
    body = {"name": "made-by-a-stranger"}
    port = browser.host.rpartition(":")[2]
    hostile = [
        {"x_turnpike_console": None},
        {"x_turnpike_console": None, "sec_fetch_site": None, "origin": None},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:3000"},
        {"sec_fetch_site": None, "origin": "http://attacker.example"},
        {"sec_fetch_site": None, "origin": "null"},
        {"sec_fetch_site": None, "origin": f"https://127.0.0.1:{port}"},
        {"sec_fetch_site": None, "origin": f"http://localhost:{port}"},
    ]
    for fields in hostile:
        answer = browser.fetch("POST", "/admin/v1/teams", body, **fields)
        assert answer.status == 403 and answer.code == "foreign_page", fields
    for site in ("cross-site", "same-site"):
        assert browser.fetch("GET", "/admin/v1/me", sec_fetch_site=site).status == 403
        assert browser.fetch("DELETE", "/admin/v1/sessions/current", sec_fetch_site=site).status == 403
        assert browser.fetch("POST", "/admin/v1/sessions", {"code": link_of(gateway)[1]}, sec_fetch_site=site).status == 403
    preflight = browser.send("OPTIONS", "/admin/v1/teams", cookies=False, headers={
        "origin": "http://attacker.example", "access-control-request-method": "POST", "access-control-request-headers": "x-turnpike-console"})
    assert not [name for name, _ in preflight.fields if name.lower().startswith("access-control-")]
    assert not audit(gateway, object="team", id="made-by-a-stranger")
    assert browser.fetch("GET", "/admin/v1/me").status == 200


def test_a_session_that_somebody_else_chose(gateway, browser):
    """Session fixation: what stood in the cookie before the sign-in is never what stands in it after."""
    name = f"turnpike-{browser.host.rpartition(':')[2]}"
    chosen = "a" * 64
    answer = browser.fetch("POST", "/admin/v1/sessions", {"code": link_of(gateway)[1]}, cookie=f"{name}={chosen}")
    real = browser.cookies[name].value
    assert answer.status == 201 and real != chosen
    assert browser.fetch("GET", "/admin/v1/me", cookie=f"{name}={chosen}").code == "session_ended"
    both = browser.fetch("GET", "/admin/v1/me", cookie=f"{name}={chosen}; {name}={real}")
    assert both.status == 401 and both.code == "missing_admin_key", "nobody knows which of two is ours"


def test_signing_in_again_ends_what_was(gateway, signed_in):
    browser = signed_in("owner")
    before = next(iter(browser.cookies.values())).value
    name = next(iter(browser.cookies))
    assert browser.fetch("POST", "/admin/v1/sessions", {"code": link_of(gateway, "--role", "finance")[1]}).json["role"] == "finance"
    old = browser.fetch("GET", "/admin/v1/me", cookie=f"{name}={before}")
    assert old.status == 401 and old.code == "session_ended"


def test_a_cookie_is_no_key_and_a_key_no_cookie(gateway, signed_in):
    browser = signed_in("owner")
    (name, morsel), = browser.cookies.items()
    assert browser.send("GET", "/admin/v1/me", cookies=False, headers={"authorization": f"Bearer {morsel.value}"}).status == 401
    key = admin_key(gateway, "owner")["key"]
    assert browser.send("GET", "/admin/v1/me", headers={"cookie": f"{name}={key}"}).code == "session_ended"
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("GET", "/v1/models", headers={"cookie": f"{name}={morsel.value}"})
    assert connection.getresponse().status == 401
    connection.close()


def test_time_ends_a_session(gateway, signed_in):
    for column, age in (("used_at", 3601), ("expires_at", 0)):
        browser = signed_in("owner")
        me = browser.fetch("GET", "/admin/v1/me").json["id"]
        with sqlite3.connect(gateway.data / "turnpike.db") as store:
            store.execute(f"UPDATE admin_sessions SET {column} = ? WHERE id = ?", (time.time_ns() - age * 10**9, me))
        assert me not in gateway.run("admin", "session", "list", "--data", str(gateway.data)).stdout
        assert browser.fetch("GET", "/admin/v1/me").code == "session_ended"


# -- who is signed in -------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended(gateway, signed_in):
    owner, finance = signed_in("owner"), signed_in("finance")
    key = Browser(owner.origin)
    key.fetch("POST", "/admin/v1/sessions", {"key": admin_key(gateway, "operator")["key"]}, user_agent="Mozilla/5.0 (test)")
    ids = {browser: browser.fetch("GET", "/admin/v1/me").json["id"] for browser in (owner, finance, key)}
    listed = {row["id"]: row for row in owner.fetch("GET", "/admin/v1/sessions").json["data"]}
    assert set(ids.values()) <= set(listed)
    assert listed[ids[key]]["agent"] == "Mozilla/5.0 (test)" and listed[ids[key]]["source"] == "127.0.0.1"
    assert not any(re.search(r"[0-9a-f]{64}", json.dumps(row)) for row in listed.values())
    seen = {row["id"] for row in key.fetch("GET", "/admin/v1/sessions").json["data"]}
    assert seen == {ids[key]}, "who is no owner sees his own"
    assert key.fetch("DELETE", f"/admin/v1/sessions/{ids[owner]}").status == 404

    assert owner.fetch("DELETE", f"/admin/v1/sessions/{ids[key]}").status == 204
    assert key.fetch("GET", "/admin/v1/me").code == "session_ended"
    gateway.run("admin", "session", "revoke", "--data", str(gateway.data), ids[finance])
    assert finance.fetch("GET", "/admin/v1/me").code == "session_ended"
    gone = owner.fetch("DELETE", "/admin/v1/sessions/current")
    assert gone.status == 204 and not owner.cookies
    assert owner.fetch("GET", "/admin/v1/me").code == "missing_admin_key"
    # Links of one shell are one person's: whoever uses them signs out of his own.
    assert [row["action"] for row in audit(gateway, object="session", id=ids[owner])] == ["sign_out", "sign_in"]
    assert [row["action"] for row in audit(gateway, object="session", id=ids[key])] == ["revoke", "sign_in"]
    assert gateway.run("admin", "session", "revoke", "--data", str(gateway.data), ids[owner], check=False).returncode == 1


def test_one_person_has_twenty_sessions_at_most(gateway, browser):
    key = admin_key(gateway, "owner")
    first = Browser(browser.origin)
    first.fetch("POST", "/admin/v1/sessions", {"key": key["key"]})
    for _ in range(20):
        assert Browser(browser.origin).fetch("POST", "/admin/v1/sessions", {"key": key["key"]}).status == 201
    assert first.fetch("GET", "/admin/v1/me").code == "session_ended"
    listed = json.loads("[" + ",".join(gateway.run("admin", "session", "list", "--data", str(gateway.data), "--json").stdout.splitlines()) + "]")
    assert sum(row["who"] == f"key:{key['id']}" for row in listed) == 20


# -- roles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["owner", "operator", "finance", "team_lead"])
def test_every_route_for_every_role(gateway, signed_in, role):
    """A session may what its role may, route by route, as the table says: no more for having a cookie."""
    text = (ROOT / "src/tables/admin_routes.def").read_text()
    may = {"OWNER": {"owner"}, "OPERATOR": {"owner", "operator"}, "READER": {"owner", "operator", "finance"},
           "TEAM": {"owner", "operator", "team_lead"}, "ANYBODY": {"owner", "operator", "finance", "team_lead"}}
    more = []
    if role == "team_lead":
        gateway.run("team", "create", "--data", str(gateway.data), "led", check=False)
        more = ["--team", "led"]
    browser = signed_in(role, *more)
    before = len(audit(gateway))
    rows = re.findall(r'^ROUTE\((\w+), (\w+), "([^"]+)", (\w+),', text, re.MULTILINE)
    assert len(rows) > 40
    for name, method, path, who in rows:
        # A live view does not end, and a playground passes any call on, with a key that it makes for it.
        if who == "OPEN" or name == "EVENTS" or (name == "PLAYGROUND" and role in may[who]):
            continue
        # What passes the role fails on the body, or on an id that is nobody's: nothing changes.
        answer = browser.fetch(method, "/admin/v1" + path.replace("{id}", "nobody"), None if method in ("GET", "DELETE") else '{"no such member": 1}')
        assert (answer.status == 403) == (role not in may[who]), (name, answer.status, answer.bytes[:200])
        if answer.status == 403:
            assert answer.code == "forbidden", name
    assert audit(gateway)[:-before] == []


def test_finance_changes_nothing_through_a_session(gateway, signed_in):
    gateway.run("team", "create", "--data", str(gateway.data), "left-alone", check=False)
    browser = signed_in("finance")
    before = audit(gateway)
    for method, path, body in [("PATCH", "/teams/left-alone", {"title": "x"}), ("DELETE", "/teams/left-alone", None),
                               ("POST", "/keys", {"name": "x"}), ("POST", "/budgets", {"organisation": True, "amount": "1"}),
                               ("PATCH", "/organisation", {"name": "x"}), ("POST", "/network_rules", {"team": "left-alone", "allow": "unix"}),
                               ("POST", "/admin_keys", {"name": "x", "role": "owner"})]:
        assert browser.fetch(method, "/admin/v1" + path, body).code == "forbidden", path
    assert audit(gateway) == before


# -- the command ------------------------------------------------------------------------------------


def test_a_link_is_never_more_than_was_asked(gateway):
    assert gateway.run("console", "--data", str(gateway.data), "--role", "king", check=False).returncode == 2
    assert gateway.run("console", "--data", str(gateway.data), "--role", "team_lead", check=False).returncode == 2
    missing = gateway.run("console", "--data", str(gateway.data), "--role", "team_lead", "--team", "no-such-team", check=False)
    assert missing.returncode != 0 and "no-such-team" in missing.stderr


def test_no_link_where_no_browser_gets(start_gateway, own_fake, tmp_path):
    gateway = start_gateway(plain_config(own_fake.url))
    done = gateway.run("console", "--data", str(gateway.data), check=False)
    assert done.returncode == 1 and 'address: "127.0.0.1:8081"' in done.stderr and not done.stdout
    gateway.stop()
    done = gateway.run("console", "--data", str(gateway.data), check=False)
    assert done.returncode == 1 and "turnpike serve" in done.stderr


def test_a_browser_is_opened_without_the_code_on_a_command_line(gateway, tmp_path):
    opener = tmp_path / "xdg-open"
    opener.write_text('#!/bin/sh\nprintf "%s" "$1" > "$SEEN"\n')
    opener.chmod(0o755)
    seen = tmp_path / "seen"
    gateway.environment.update(PATH=f"{tmp_path}:{os.environ['PATH']}", SEEN=str(seen))
    _, code = link_of(gateway, "--open")
    page = pathlib.Path(seen.read_text())
    assert code not in str(page) and stat.S_IMODE(page.stat().st_mode) == 0o600
    assert f"#code={code}" in page.read_text()


# -- TLS and other names ----------------------------------------------------------------------------


def test_tls(start_gateway, own_fake, authority):
    certificate, private, _ = authority.issue("localhost", file="console")
    port = free_port()
    gateway = start_gateway(plain_config(own_fake.url, admin={
        "address": f"0.0.0.0:{port}", "certificates": [{"certificate": str(certificate), "key": str(private)}]}))
    origin, code = link_of(gateway)
    assert origin == f"https://127.0.0.1:{port}"
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    browser = Browser(origin, context)
    assert browser.fetch("POST", "/admin/v1/sessions", {"code": code}).status == 201
    (name, morsel), = browser.cookies.items()
    assert name == f"__Host-turnpike-{port}" and morsel["secure"] and morsel["path"] == "/" and not morsel["domain"]
    assert browser.fetch("GET", "/admin/v1/me").status == 200


def test_behind_a_proxy_that_ends_tls(start_gateway, own_fake):
    port = free_port()
    gateway = start_gateway(plain_config(own_fake.url, admin={"address": f"127.0.0.1:{port}", "url": "https://turnpike.example/"}))
    origin, code = link_of(gateway)
    assert origin == "https://turnpike.example"
    browser = Browser(f"http://127.0.0.1:{port}")
    names = {"host": "turnpike.example", "origin": "https://turnpike.example"}
    assert browser.fetch("POST", "/admin/v1/sessions", {"code": code}, **names).status == 201
    (name, morsel), = browser.cookies.items()
    assert name.startswith("__Host-") and morsel["secure"]
    assert browser.fetch("POST", "/admin/v1/teams", {"name": "x"}, **names).status == 201
    assert browser.fetch("POST", "/admin/v1/teams", {"name": "y"}, **{**names, "origin": "https://other.example"}).code == "foreign_page"
    assert browser.fetch("GET", "/admin/v1/me", host="other.example").code == "unknown_host"


# -- the quick start --------------------------------------------------------------------------------


def test_the_quick_start_prints_a_link(tmp_path):
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        process = subprocess.Popen([BINARY, "serve", "--quick-start", "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}"],
                                   stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, **SANITIZERS})
        try:
            link = next(line.split()[1] for line in process.stdout if line.startswith("Console "))
            origin, _, code = link.partition("/console/#code=")
            assert int(origin.rpartition(":")[2]) > port + 1, "the next port that is free"
            browser = Browser(origin)
            assert browser.page().status == 200
            assert browser.fetch("POST", "/admin/v1/sessions", {"code": code}).json["role"] == "owner"
        finally:
            process.terminate()
            assert process.wait(20) == 0
            process.stdout.close()


# -- single sign-on ---------------------------------------------------------------------------------


ROLES = [{"claims": {"groups": "platform"}, "role": "owner"},
         {"claims": {"groups": "finance-*", "email": "*@example.com"}, "role": "finance"},
         {"claims": {"/realm_access/roles": "payments-lead"}, "role": "team_lead", "team": "payments"}]


@pytest.fixture(scope="module")
def provider():
    with real_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def sso_gateway(fake, provider, tmp_path_factory):
    """One that knows the provider. Its failed attempts are few: they count together."""
    gateway = Gateway(tmp_path_factory.mktemp("sso"), sso_config(fake.url, provider.url), {"SSO_SECRET": "s&cret:1"}).start()
    gateway.run("team", "create", "--data", str(gateway.data), "payments")
    yield gateway
    gateway.stop()


def sso_config(upstream, issuer, **more):
    return plain_config(upstream, admin={"address": f"127.0.0.1:{free_port()}", "sso": {
        "name": "Test", "issuer": issuer, "client_id": "turnpike", "client_secret": "env:SSO_SECRET", "roles": ROLES, **more}})


def walk(browser, provider, person, refuse=None, broken=None, change=lambda url: url):
    """What a browser does: the button, the provider, and back. The answer to the way back."""
    provider.say({"person": person, "refuse": refuse, "broken": broken})
    away = browser.page("/admin/v1/sso")
    assert away.status == 302 and away.bytes == b"", away.bytes
    url = urllib.parse.urlsplit(away.field("location"))
    if not f"{url.scheme}://{url.netloc}" == provider.url:
        return away
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    connection.request("GET", f"{url.path}?{url.query}")
    back = connection.getresponse().getheader("location")
    connection.close()
    assert back.startswith(browser.origin + "/admin/v1/sso/callback?"), back
    return browser.send("GET", change(back.removeprefix(browser.origin)), headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})


def test_single_sign_on(sso_gateway, provider):
    browser = Browser("http://" + sso_gateway.config["admin"]["address"])
    assert browser.fetch("GET", "/admin/v1/sign_in").json["sso"] == "Test"
    away = browser.page("/admin/v1/sso")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(away.field("location")).query)
    assert query["response_type"] == ["code"] and query["code_challenge_method"] == ["S256"] and query["client_id"] == ["turnpike"]
    assert query["redirect_uri"] == [browser.origin + "/admin/v1/sso/callback"] and query["scope"] == ["openid profile email"]
    assert len(query["state"][0]) == len(query["nonce"][0]) == 64 and len(query["code_challenge"][0]) == 43
    (morsel,) = browser.cookies.values()
    assert morsel["samesite"] == "Lax" and morsel["httponly"] and morsel["max-age"] == "900"
    assert morsel.value not in away.field("location")

    answer = walk(browser, provider, {"email": "alice@example.com", "name": "Alice", "groups": ["staff", "platform"]})
    assert answer.status == 302 and answer.field("location") == "/console/"
    (name, morsel), = browser.cookies.items()
    assert name.startswith("turnpike-") and "sign-in" not in name and morsel["samesite"] == "Strict"
    me = browser.fetch("GET", "/admin/v1/me").json
    assert (me["name"], me["role"], me["method"], me["team"]) == ("Alice", "owner", "sso", None)
    assert browser.fetch("POST", "/admin/v1/teams", {"name": "made-by-alice"}).status == 201
    (row,) = audit(sso_gateway, object="team", id="made-by-alice")
    assert row["who"] == "sso:alice@example.com"
    last = json.loads(provider.say({"last": True}))
    kind, _, pair = last["authorization"].partition(" ")
    assert kind == "Basic" and base64.b64decode(pair) == b"turnpike:s%26cret%3A1"
    assert "client_secret" not in last["body"] and len(last["body"]["code_verifier"]) == 64
    assert browser.fetch("DELETE", "/admin/v1/sessions/current").status == 204
    assert browser.fetch("GET", "/admin/v1/me").status == 401


@pytest.mark.parametrize("claims, role, team", [
    ({"email": "bob@example.com", "groups": ["finance-emea"]}, "finance", None),
    ({"email": "carol@example.com", "realm_access": {"roles": ["payments-lead"]}}, "team_lead", "payments"),
    ({"email": "dan@example.com", "groups": ["platform", "finance-emea"]}, "owner", None),
])
def test_groups_make_roles(sso_gateway, provider, claims, role, team):
    browser = Browser("http://" + sso_gateway.config["admin"]["address"])
    assert walk(browser, provider, claims).field("location") == "/console/"
    me = browser.fetch("GET", "/admin/v1/me").json
    assert (me["role"], me["team"]) == (role, team)
    if role != "owner":
        assert browser.fetch("POST", "/admin/v1/teams", {"name": "x"}).code == "forbidden"
    if role == "team_lead":
        assert browser.fetch("POST", "/admin/v1/keys", {"name": "mine", "team": "payments"}).status == 201
        assert browser.fetch("POST", "/admin/v1/keys", {"name": "theirs", "team": "made-by-alice"}).status in (403, 404)


@pytest.mark.parametrize("claims, more, word, said", [
    ({"email": "eve@example.com", "groups": ["staff"]}, {}, "no_role", "no rule of admin.sso.roles matches eve@example.com"),
    ({"email": "eve@elsewhere.example", "groups": ["finance-emea"]}, {}, "no_role", "no rule"),
    ({"email": "eve@example.com"}, {}, "no_role", "no rule"),
    ({"groups": ["platform"], "nonce": "0" * 64}, {}, "failed", "of another sign-in"),
    ({"groups": ["platform"], "nonce": None}, {}, "failed", "of another sign-in"),
    ({"groups": ["platform"], "aud": "other"}, {}, "failed", "for another client"),
    ({"groups": ["platform"], "aud": ["other", "turnpike"]}, {}, "failed", "several clients"),
    ({"groups": ["platform"], "azp": "other"}, {}, "failed", "given to another client"),
    ({"groups": ["platform"], "iss": "https://attacker.example"}, {}, "failed", "of another issuer"),
    ({"groups": ["platform"], "exp": 1700000000}, {}, "failed", "the times"),
    ({"groups": ["platform"]}, {"broken": 400}, "failed", "took no code for a token: 400 invalid_grant"),
    ({"groups": ["platform"]}, {"refuse": "access_denied"}, "refused", "access_denied"),
    ({"groups": ["platform"]}, {"change": lambda url: re.sub("state=[0-9a-f]{4}", "state=0000", url)}, "expired", "expired"),
    ({"groups": ["platform"]}, {"change": lambda url: re.sub("code=[^&]*", "code=stolen", url)}, "failed", "took no code"),
    ({"groups": ["platform"]}, {"change": lambda url: url + "&iss=https%3A%2F%2Fattacker.example"}, "failed", "failed"),
    ({"groups": ["platform"]}, {"change": lambda url: re.sub("code=[^&]*", "", url)}, "failed", "failed"),
])
def test_who_does_not_get_in(start_gateway, own_fake, provider, claims, more, word, said):
    gateway = start_gateway(sso_config(own_fake.url, provider.url), {"SSO_SECRET": "x"})
    browser = Browser("http://" + gateway.config["admin"]["address"])
    answer = walk(browser, provider, claims, **more)
    assert answer.status == 302 and answer.field("location") == f"/console/#sso={word}"
    assert not browser.cookies and not audit(gateway, object="session")
    assert said in gateway.stderr(), gateway.stderr()[-2000:]
    assert "s&cret" not in gateway.stderr()


def test_an_answer_that_nobody_asked_for(sso_gateway, provider):
    """Login CSRF: the attacker's own answer in somebody else's browser; and a second use of one's own."""
    browser, victim = (Browser("http://" + sso_gateway.config["admin"]["address"]) for _ in range(2))
    seen = []
    assert walk(browser, provider, {"groups": ["platform"]}, change=lambda url: seen.append(url) or url).field("location") == "/console/"
    assert victim.send("GET", seen[0]).field("location") == "/console/#sso=expired" and not victim.cookies
    assert browser.send("GET", seen[0]).field("location") == "/console/#sso=expired", "the cookie is used up"
    assert browser.fetch("GET", "/admin/v1/me").status == 200
    victim.page("/admin/v1/sso")
    assert victim.send("GET", seen[0]).field("location") == "/console/#sso=expired", "of another sign-in"


def test_other_rules_end_its_sessions(start_gateway, own_fake, provider):
    config = sso_config(own_fake.url, provider.url)
    gateway = start_gateway(config, {"SSO_SECRET": "x"})
    browser = Browser("http://" + config["admin"]["address"])
    walk(browser, provider, {"groups": ["platform"]})
    assert browser.fetch("GET", "/admin/v1/me").json["name"] == "johndoe", "without an email and a name, the subject"
    sso = {**config["admin"]["sso"], "roles": ROLES[1:]}
    gateway.write_config({**config, "admin": {**config["admin"], "sso": sso}})
    answer = wait_until(lambda: (got := browser.fetch("GET", "/admin/v1/me")).status == 401 and got, 10, "the reload")
    assert answer.code == "session_ended"
    assert "admin.sso changed: sessions that it began have ended" in gateway.stderr()


def test_a_provider_that_is_away(start_gateway, own_fake):
    gateway = start_gateway(sso_config(own_fake.url, f"http://127.0.0.1:{free_port()}"), {"SSO_SECRET": "x"})
    browser = Browser("http://" + gateway.config["admin"]["address"])
    answer = browser.page("/admin/v1/sso")
    assert answer.field("location") == "/console/#sso=failed" and not browser.cookies
    assert "single sign-on from 127.0.0.1" in gateway.stderr()
    for _ in range(9):
        browser.page("/admin/v1/sso")
    assert browser.page("/admin/v1/sso").field("location") == "/console/#sso=too_many"


def test_a_provider_that_never_answers_holds_up_nobody(start_gateway, own_fake):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        silent.settimeout(20)
        gateway = start_gateway(sso_config(own_fake.url, f"http://127.0.0.1:{silent.getsockname()[1]}"), {"SSO_SECRET": "x"})
        origin = "http://" + gateway.config["admin"]["address"]
        with concurrent.futures.ThreadPoolExecutor(9) as pool:
            waiting = [pool.submit(quiet, Browser(origin)) for _ in range(8)]
            held = [silent.accept()[0] for _ in waiting]
            assert Browser(origin).page("/admin/v1/sso").field("location") == "/console/#sso=busy"
            assert Browser(origin).fetch("GET", "/admin/v1/sign_in").status == 200
            gateway.stop()  # and the end of the process waits for none of them
            for one in waiting:
                one.result()
        for connection in held:
            connection.close()


def quiet(browser):
    try:
        browser.page("/admin/v1/sso")
    except (OSError, http.client.HTTPException):
        pass


def test_without_single_sign_on(browser):
    for path in ("/admin/v1/sso", "/admin/v1/sso/callback?code=x&state=y"):
        answer = browser.page(path)
        assert answer.status == 404 and "admin.sso" in answer.json["error"]["message"]


# -- answers that go on -----------------------------------------------------------------------------


def test_a_live_view_ends_with_its_session(gateway, signed_in):
    """Whoever is signed out, or whose key is revoked, sees nothing more of what is under way already."""
    browser = signed_in("owner")
    (name, morsel), = browser.cookies.items()
    key = admin_key(gateway, "operator")
    views = []
    for headers in ({"cookie": f"{name}={morsel.value}"}, {"authorization": f"Bearer {key['key']}"}):
        connection = http.client.HTTPConnection(browser.host, timeout=20)
        connection.request("GET", "/admin/v1/events", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        views.append((connection, answer))
    browser.fetch("DELETE", "/admin/v1/sessions/current")
    gateway.run("admin", "key", "revoke", "--data", str(gateway.data), key["id"])
    for connection, answer in views:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()  # a time-out would be an OSError of another kind
        connection.close()
