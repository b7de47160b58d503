"""`turnpike doctor`: every failure that it is to tell, made on purpose, and the same place in order."""

import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

import gateway as gateway_module
from administration import on_terminal
from certificates import Authority
from command import BINARY, turnpike
from fake_issuer import FakeIssuer, kubernetes_claims
from gateway import free_port, plain_config, wait_until
from workloads import start_with, terms

NOWHERE = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "OPENAI_API_KEY", "TURNPIKE_API_KEY",
           "SSL_CERT_FILE", "SSL_CERT_DIR")


def doctor(*arguments, code, key=None, user=None, **environment):
    """The rows by check; a check with several rows has the worst."""
    plain = {name: value for name, value in os.environ.items() if name not in NOWHERE}
    if key:
        plain["TURNPIKE_API_KEY"] = key
    done = subprocess.run([BINARY, "doctor", *map(str, arguments), "--json"], capture_output=True, text=True, timeout=90, user=user,
                          env={**plain, **gateway_module.SANITIZERS, **environment})
    assert not gateway_module.UNHEALTHY.search(done.stderr), done.stderr
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert key is None or len(key) < 20 or key not in done.stdout
    report = json.loads(done.stdout)
    order = ["pass", "warn", "fail"]
    rows = {}
    for row in report["checks"]:
        assert (row["fix"] is None) == (row["result"] == "pass"), row
        if row["check"] not in rows or order.index(row["result"]) > order.index(rows[row["check"]]["result"]):
            rows[row["check"]] = row
    return rows


def remote(url, *arguments, **more):
    """Without the wait for what is cut when it is silent, unless that is asked for."""
    wait = () if "--idle" in arguments else ("--idle", "0")
    return doctor(url, "--no-egress-check", *wait, *arguments, **more)


@pytest.fixture
def demo(start_gateway):
    config = {"listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}}, "providers": {"demo": {"type": "demo"}},
              "models": {"demo": {"targets": [{"provider": "demo"}]}, "other": {"targets": [{"provider": "demo"}]}}}
    return start_gateway(config)


# ---------------------------------------------------------------- all good


def test_all_good(demo):
    rows = remote(demo.url + "/v1", key=demo.key, code=0)
    assert list(rows) == ["proxy", "dns", "tcp", "http", "clock", "identity", "models", "source", "request", "headers", "large body",
                          "stream", "call"]
    assert {row["result"] for row in rows.values()} == {"pass"}
    assert "demo, other" in rows["models"]["detail"]


def test_where_the_key_comes_from(demo, tmp_path):
    file = tmp_path / "key"
    file.write_text(demo.key + "\n")
    assert remote(demo.url, "--key-file", file, code=0)["identity"]["result"] == "pass"
    assert "MINE" in remote(demo.url, "--key-env", "MINE", code=0, MINE=demo.key)["identity"]["detail"]
    assert "OPENAI_API_KEY" in remote(demo.url, code=0, OPENAI_API_KEY=demo.key)["identity"]["detail"]
    for arguments in (["--key-env", "NOTHING"], ["--key-file", tmp_path / "none"], ["--idle", "soon"], ["--idle", "2h"], ["--idle", "-1"]):
        done = subprocess.run([BINARY, "doctor", demo.url, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == ""
    done = subprocess.run([BINARY, "doctor", "--model", "x"], capture_output=True, text=True)
    assert done.returncode == 2 and "URL is missing" in done.stderr


def test_a_long_token_is_sent_whole(tmp_path, own_fake):
    """Tokens of workloads have a thousand bytes and more; the gateway takes them up to 16 KiB, and so does the doctor."""
    issuer = FakeIssuer()
    gateway = start_with(tmp_path, own_fake, {"cluster": terms(issuer)})
    try:
        file = tmp_path / "token"
        for length in (0, 11_000):
            token = issuer.token(**kubernetes_claims("prod", "ranker"), padding="x" * length)
            assert len(token) > 512 + length
            identity = remote(gateway.url, "--no-call", key=token, code=0)["identity"]
            assert identity["detail"] == "the token in TURNPIKE_API_KEY is good"
            file.write_text(token + "\n")
            assert remote(gateway.url, "--no-call", "--key-file", file, code=0)["identity"]["result"] == "pass"
        file.write_text("eyJ" + "x" * 16_400)
        done = subprocess.run([BINARY, "doctor", gateway.url, "--key-file", file], capture_output=True, text=True)
        assert done.returncode == 2 and "more than the 16384 bytes" in done.stderr
        done = subprocess.run([BINARY, "doctor", gateway.url], capture_output=True, text=True, env={**os.environ, "TURNPIKE_API_KEY": "tpk_x\n"})
        assert done.returncode == 2 and "line end" in done.stderr
        cut = remote(gateway.url, key=issuer.token(**kubernetes_claims("prod", "ranker"))[:511], code=1)["identity"]
        assert "malformed_token" in cut["detail"] and "turnpike key show" not in cut["fix"] and "issuer" in cut["fix"]
    finally:
        gateway.stop()
        issuer.stop()


def test_eighty_columns(demo):
    os.environ["TURNPIKE_API_KEY"] = demo.key
    try:
        code, shown = on_terminal("doctor", demo.url, "--no-egress-check", "--model", "none-such", "--idle", "0")
    finally:
        del os.environ["TURNPIKE_API_KEY"]
    lines = shown.replace("\r", "").splitlines()
    assert code == 1 and max(map(len, lines)) <= 80
    assert re.match(r"pass  proxy +no proxy is set", lines[0])
    assert any(re.match(r" {19}fix: ", line) for line in lines)
    assert re.fullmatch(r"\d+ passed, \d+ warnings?, \d+ failed", lines[-1])


# ---------------------------------------------------------------- the network


def test_a_password_in_the_url_is_not_said_again():
    done = turnpike("doctor", "http://user:s3cret@127.0.0.1:1", code=2)
    assert "leave that out" in done.stderr and "s3cret" not in done.stderr + done.stdout


def test_no_such_name():
    rows = remote("https://nonexistent.invalid", code=1)
    assert list(rows) == ["proxy", "dns"] and rows["dns"]["result"] == "fail"


def test_a_refused_port():
    rows = remote(f"http://127.0.0.1:{free_port()}", code=1)
    assert list(rows)[-1] == "tcp" and "refused" in rows["tcp"]["detail"]
    assert "nothing listens" in rows["tcp"]["fix"]


def test_no_url():
    for url in ("gateway.example", "ftp://x", "https://", "http+unix:/tmp/x"):
        done = subprocess.run([BINARY, "doctor", url], capture_output=True, text=True)
        assert done.returncode == 2 and "no URL of a gateway" in done.stderr, url


def test_proxy_variables(demo):
    dead = f"http://user:secret@127.0.0.1:{free_port()}"
    rows = remote(demo.url, key=demo.key, code=1, HTTP_PROXY=dead)
    assert rows["proxy"]["result"] == "warn" and "secret" not in json.dumps(rows)
    assert rows["tcp"]["result"] == "fail" and dead.rsplit(":", 1)[1] in rows["tcp"]["detail"]
    rows = remote(demo.url, key=demo.key, code=0, HTTP_PROXY=dead, NO_PROXY="localhost,127.0.0.0/8")
    assert "NO_PROXY has" in rows["proxy"]["detail"]
    assert remote(demo.url, key=demo.key, code=0, HTTPS_PROXY=dead)["proxy"]["result"] == "pass"
    assert "different" in remote(demo.url, key=demo.key, code=0, no_proxy="a", NO_PROXY="b")["proxy"]["detail"]


def test_a_strict_run_fails_on_a_warning(demo):
    remote(demo.url, "--strict", key=demo.key, code=1, no_proxy="a", NO_PROXY="b")
    remote(demo.url, "--strict", key=demo.key, code=0)


# ---------------------------------------------------------------- TLS


class Server:
    """A server that answers as a gateway's /healthz does, with a Date of its choice."""

    def __init__(self, context=None, date=None, body=b"ok\n"):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response_only(200)
                if date:
                    self.send_header("Date", date)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer(tmp_path):
    return Authority(tmp_path)


def serve_tls(issuer, *names, days=30, **more):
    certificate, key, _ = issuer.issue(*names, file=f"server{days}", days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return Server(context, **more)


def tls(server, issuer, code=1, host="localhost"):
    trust = {"SSL_CERT_FILE": str(issuer.file)} if issuer else {}
    return remote(f"https://{host}:{server.port}", code=code, **trust)


def test_an_expired_certificate(issuer):
    with serve_tls(issuer, "localhost", days=-5) as server:
        row = tls(server, issuer)["tls"]
    assert row["result"] == "fail" and "expired" in row["detail"] and "renewed" in row["fix"]


def test_a_certificate_for_another_name(issuer):
    with serve_tls(issuer, "gateway.example", "10.1.2.3") as server:
        row = tls(server, issuer)["tls"]
    assert row["result"] == "fail" and "it is for gateway.example, 10.1.2.3" in row["detail"]


def test_an_unknown_authority(issuer):
    with serve_tls(issuer, "localhost") as server:
        row = tls(server, None)["tls"]
    assert row["result"] == "fail" and "Turnpike test authority" in row["detail"] and "SSL_CERT_FILE" in row["fix"]


def test_a_certificate_that_ends_soon(issuer):
    with serve_tls(issuer, "localhost", days=3) as server:
        row = tls(server, issuer)["tls"]
    assert row["result"] == "warn" and "good until" in row["detail"]


def test_no_tls_on_that_port(demo):
    rows = remote(f"https://127.0.0.1:{demo.port}", code=1)
    assert rows["tls"]["result"] == "fail" and "http://" in rows["tls"]["fix"]


def test_a_listener_that_wants_a_certificate(issuer, demo, start_gateway, tmp_path):
    certificate, key, _ = issuer.issue("localhost", file="server")
    config = json.loads(json.dumps(demo.config))
    config["listeners"]["main"]["address"] = f"127.0.0.1:{free_port()}"
    port = free_port()
    config["listeners"]["mutual"] = {"address": f"127.0.0.1:{port}", "certificates": [{"certificate": certificate, "key": key}],
                                     "client_authority": str(issuer.file), "client_certificate": "required"}
    gateway = start_gateway(config)
    url, trust = f"https://localhost:{port}", {"SSL_CERT_FILE": str(issuer.file)}
    row = remote(url, key=gateway.key, code=1, **trust)["tls"]
    assert row["result"] == "fail" and "certificate required" in row["detail"]
    assert "--certificate FILE --certificate-key FILE" in row["fix"]
    said = script(url, 1, key=gateway.key, CURL_CA_BUNDLE=str(issuer.file), **trust)
    assert said["tls"][0] == "fail"
    own, own_key, _ = issuer.issue("spiffe://example/job", file="own")
    show = ["--certificate", own, "--certificate-key", own_key]
    assert remote(url, "--no-call", *show, key=gateway.key, code=0, **trust)["identity"]["result"] == "pass"
    both = tmp_path / "both.pem"
    both.write_text(open(own).read() + open(own_key).read())
    assert remote(url, "--no-call", "--certificate", both, key=gateway.key, code=0, **trust)["identity"]["result"] == "pass"
    (tmp_path / "stranger").mkdir()
    strange, strange_key, _ = Authority(tmp_path / "stranger").issue("spiffe://example/job", file="strange")
    row = remote(url, "--certificate", strange, "--certificate-key", strange_key, key=gateway.key, code=1, **trust)["tls"]
    assert "client_authority" in row["fix"]
    row = remote(url, "--certificate", own, "--certificate-key", strange_key, key=gateway.key, code=1, **trust)["tls"]
    assert "belongs to it" in row["fix"]
    for arguments in (["--certificate", tmp_path / "none"], ["--certificate-key", own_key]):
        done = turnpike("doctor", url, *arguments, code=2)
        assert "--certificate" in done.stderr and done.stdout == ""


# ---------------------------------------------------------------- HTTP, clock


def test_something_else_answers():
    with Server(body=b"<html>sign in</html>") as server:
        rows = remote(f"http://127.0.0.1:{server.port}", code=1)
    assert list(rows)[-1] == "http" and "not as a gateway does" in rows["http"]["detail"]


@pytest.mark.parametrize("seconds, result", [(0, "pass"), (60, "warn"), (-4000, "fail"), (None, "warn")])
def test_the_clock(seconds, result):
    date = seconds is not None and time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
    with Server(date=date) as server:
        row = remote(f"http://127.0.0.1:{server.port}", code=1)["clock"]
    assert row["result"] == result
    assert seconds != -4000 or re.search(r"4\d\d\d s ahead of", row["detail"])


# ---------------------------------------------------------------- the key and the models


def test_no_key(demo):
    rows = remote(demo.url, code=1)
    assert "TURNPIKE_API_KEY" in rows["identity"]["fix"] and "models" not in rows


def test_wrong_keys(demo):
    revoked = demo.create_key("revoked")
    demo.wait_key(revoked["key"])
    demo.run("key", "revoke", revoked["id"], "--data", str(demo.data))
    wait_until(lambda: demo.get("/v1/models", revoked["key"])[0] == 401, 5, "the key is refused")
    mistyped = demo.key[:-1] + ("a" if demo.key[-1] != "a" else "b")
    for key, code in [(revoked["key"], "revoked_api_key"), (mistyped, "mistyped_api_key"), ("sk-" + "x" * 40, "invalid_api_key")]:
        row = remote(demo.url, key=key, code=1)["identity"]
        assert row["result"] == "fail" and code in row["detail"]


def test_a_model_that_is_not_allowed(demo):
    key = demo.create_key("narrow", "--model", "other")["key"]
    demo.wait_key(key)
    rows = remote(demo.url, "--model", "demo", key=key, code=1)
    assert rows["models"]["result"] == "warn" and rows["call"]["result"] == "fail"
    assert "demo: 40" in rows["call"]["detail"]
    assert remote(demo.url, key=key, code=0)["call"]["detail"].startswith("other answered")
    assert "call" not in remote(demo.url, "--no-call", key=key, code=0)


def with_rules(demo_config, *rules):
    config = json.loads(json.dumps(demo_config))
    config["networks"] = {"here": {"ranges": ["127.0.0.0/8"]}}
    config["listeners"]["main"].update(address=f"127.0.0.1:{free_port()}", network_rules=list(rules))
    return config


def test_where_the_gateway_sees_this_place(demo, start_gateway):
    watched = start_gateway(with_rules(demo.config, {"deny": "here"}))
    rows = remote(watched.url, key=watched.key, code=0)
    assert "sees 127.0.0.1 of the network here at its listener main" in rows["source"]["detail"]
    assert rows["networks"]["result"] == "warn" and "once they are enforced" in rows["networks"]["detail"]
    allowed = start_gateway(with_rules(demo.config, {"allow": "here", "mode": "enforce"}))
    assert remote(allowed.url, key=allowed.key, code=0)["networks"]["result"] == "pass"
    closed = start_gateway(with_rules(demo.config, {"deny": "here", "mode": "enforce"}))
    row = remote(closed.url, key=closed.create_key()["key"], code=1)["identity"]
    assert row["result"] == "fail" and "which rule" in row["fix"]


def test_a_budget_that_is_used_up(demo):
    made = demo.create_key("spent")
    demo.run("budget", "create", "--key", made["id"], "--amount", "0", "--period", "month", "--data", str(demo.data))
    demo.wait_key(made["key"])
    wait_until(lambda: remote_budget(demo, made["key"]) == "fail", 10, "the budget is in force")


def remote_budget(gateway, key):
    done = subprocess.run([BINARY, "doctor", gateway.url, "--no-egress-check", "--no-call", "--idle", "0", "--json"], capture_output=True, text=True,
                          env={**os.environ, "TURNPIKE_API_KEY": key})
    return next((row["result"] for row in json.loads(done.stdout)["checks"] if row["check"] == "budget"), None)


# ---------------------------------------------------------------- what stands in between


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(tmp_path):
    """nginx(gateway, lines) starts a proxy in front and returns its URL; `echo`: lines for the gateway's echo alone."""
    started = []

    def start(gateway, lines, echo=""):
        binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        assert binary, "nginx is missing: ./dev setup test"
        port = free_port()
        folder = tmp_path / f"nginx{port}"
        folder.mkdir()
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""
            daemon off; pid {folder}/pid; error_log {folder}/error.log; user {'root' if os.geteuid() == 0 else 'nobody'};
            events {{}}
            http {{ access_log off; {temporary}
              server {{ listen 127.0.0.1:{port}; proxy_http_version 1.1; {lines}
                location / {{ proxy_pass {gateway.url}; }}
                location = /turnpike/v1/echo {{ proxy_pass {gateway.url}; {echo} }} }} }}""")
        started.append(subprocess.Popen([binary, "-c", folder / "nginx.conf", "-e", folder / "error.log"]))
        wait_until(lambda: listens(port), 10, "nginx")
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.fixture
def haproxy(tmp_path):
    """haproxy(gateway, lines) starts a balancer in front and returns its URL; `server` is its time-out for answers."""
    started = []

    def start(gateway, lines="", server="30s"):
        binary = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        assert binary, "haproxy is missing: ./dev setup test"
        port = free_port()
        file = tmp_path / f"haproxy{port}.cfg"
        file.write_text(f"defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server {server}\n"
                        f"listen gate\n bind 127.0.0.1:{port}\n{lines}\n server gateway 127.0.0.1:{gateway.port}\n")
        started.append(subprocess.Popen([binary, "-db", "-q", "-f", file]))
        wait_until(lambda: listens(port), 10, "haproxy")
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def test_headers_that_a_proxy_adds(demo, haproxy):
    """A second one of a name, and what is added beside it."""
    url = haproxy(demo, " http-request add-header traceparent 00-11111111111111111111111111111111-2222222222222222-01\n"
                        " http-request add-header x-extra yes")
    done = turnpike("doctor", url, "--no-egress-check", "--no-call", "--idle", "0", TURNPIKE_API_KEY=demo.key)
    said = " ".join(done.stdout.split())
    assert "WARN request the header traceparent was sent once and arrives 2 times: something on the way adds its own" in said
    assert "pass request otherwise it arrives as it was sent; added on the way: x-extra" in said
    assert script(url, 0, key=demo.key)["request"][1].startswith("the header traceparent was sent once and arrives 2 times")


def test_what_could_not_be_checked_does_not_pass(demo, nginx):
    lines = "proxy_buffering off; client_max_body_size 8m;"
    rewritten = nginx(demo, lines, echo="sub_filter retry-after- retry-later-; sub_filter_types *;")
    done = turnpike("doctor", rewritten, "--no-egress-check", "--no-call", "--idle", "0", TURNPIKE_API_KEY=demo.key, code=1)
    assert "pass  headers" not in done.stdout and "pass  request" not in done.stdout and "WARN  echo" in done.stdout
    assert script(rewritten, 1, key=demo.key)["headers"][0] == "fail"
    hidden = nginx(demo, lines, echo="proxy_hide_header x-turnpike-echo-sha256;")
    assert "could not be checked" in remote(hidden, "--no-call", key=demo.key, code=0)["headers"]["detail"]
    assert "could not be checked" in script(hidden, 0, key=demo.key)["headers"][1]


def test_a_server_that_says_ok_to_everything():
    with Server(body=b"ok\n", date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())) as server:
        url = f"http://127.0.0.1:{server.port}"
        detail = remote(url, key="tpk_x", code=1)["identity"]["detail"]
        assert "not the gateway's list of models" in detail and script(url, 1, key="tpk_x")["identity"] == ("fail", detail)


def test_a_redirect_tells_where_to(demo, nginx):
    url = nginx(demo, "return 302 https://signon.example/login?state=s3cret;")
    detail = remote(url, code=1)["http"]["detail"]
    assert detail == "/healthz answered 302, and not as a gateway does (a redirect to https://signon.example/login)"
    assert script(url, 1)["http"] == ("fail", detail)


def test_the_script_knows_networks_and_queries(demo, nginx):
    dead = f"http://127.0.0.1:{free_port()}"
    assert script(demo.url, 0, key=demo.key, HTTP_PROXY=dead, NO_PROXY="10.0.0.0/8,127.0.0.0/8")["proxy"][0] == "pass"
    assert script(demo.url, 1, key=demo.key, HTTP_PROXY=dead, NO_PROXY="10.0.0.0/8,127.0.1.0/24")["proxy"][0] == "warn"
    replaced = nginx(demo, "proxy_buffering off;", echo="if ($args ~ probe) { set $args probe=other; }")
    assert "the query probe=a%20b%2Fc~d" in script(replaced, 0, key=demo.key)["request"][1]


def test_a_plain_proxy_is_named(demo, nginx):
    rows = remote(nginx(demo, "proxy_buffering off; client_max_body_size 8m;"), "--no-call", key=demo.key, code=0)
    assert {row["result"] for row in rows.values()} == {"pass"}
    assert "nginx" in rows["headers"]["detail"]


def in_between(url, demo, code=0, *arguments):
    """What the doctor has to say against what stands in between: detail and fix by check."""
    rows = remote(url, "--no-call", *arguments, key=demo.key, code=code)
    return {name: (row["result"], row["detail"], row["fix"]) for name, row in rows.items() if row["result"] != "pass"}


def test_nginx_that_buffers(demo, nginx):
    """As it comes it stops at one megabyte, and passes on what it has, with proxy_buffering on, too. What holds events back there
    are its filters, such as gzip; as SDKs do, the doctor allows that."""
    assert set(in_between(nginx(demo, "proxy_buffering on;"), demo)) == {"large body"}
    said = in_between(nginx(demo, "proxy_buffering on; gzip on; gzip_proxied any; gzip_types *; gzip_min_length 0;"), demo)
    assert set(said) == {"stream", "large body"}
    result, detail, fix = said["stream"]
    assert result == "warn" and "8 events were sent 100 ms apart and came in 1 piece" in detail and "proxy_buffering off" in fix
    result, detail, fix = said["large body"]
    assert result == "warn" and "does not let 2 MiB pass" in detail and "client_max_body_size" in fix


@pytest.mark.parametrize("lines, check, detail, fix", [
    ('proxy_set_header Idempotency-Key "";', "request", "the header idempotency-key was stripped", "no proxy_set_header idempotency-key"),
    ("proxy_set_header User-Agent hidden;", "request", "the header user-agent was changed", "as hidden"),
    ('proxy_set_body "{}";', "request", "the body was rewritten on the way", "exempt the gateway"),
    ("if ($args ~ probe) { set $args probe=other; }", "request", "the query probe=a%20b%2Fc~d", "as it is"),
    ("proxy_hide_header retry-after-ms; proxy_hide_header x-should-retry;", "headers", "stripped on the way: retry-after-ms, x-should-retry",
     "no proxy_hide_header"),
    ("proxy_hide_header x-request-id; add_header x-request-id mine;", "headers", "changed on the way: x-request-id", "as they are"),
    ('sub_filter turnpike.echo turnpike.elsewhere; sub_filter_types *;', "headers", "the body of an answer was rewritten", "no filter"),
], ids=["stripped", "changed", "body", "query", "answer-stripped", "answer-changed", "answer-body"])
def test_what_nginx_changes(demo, nginx, lines, check, detail, fix):
    url = nginx(demo, "proxy_buffering off; client_max_body_size 8m;", echo=lines)
    rows = remote(url, "--no-call", key=demo.key, code=1 if "body" in detail else 0)
    row = rows[check]
    assert row["result"] != "pass" and detail in row["detail"] and fix in row["detail"] + row["fix"], row


def test_what_haproxy_changes(demo, haproxy):
    assert in_between(haproxy(demo), demo) == {}
    said = in_between(haproxy(demo, " http-request del-header traceparent\n http-response del-header x-ratelimit-reset-requests"), demo)
    assert set(said) == {"request", "headers"}
    assert "the header traceparent was stripped" in said["request"][1] and "del-header" in said["request"][2]
    assert "x-ratelimit-reset-requests" in said["headers"][1]
    rows = remote(haproxy(demo, " option forwardfor\n http-request set-header x-forwarded-proto http"), "--no-call", key=demo.key, code=0)
    assert "added on the way: x-forwarded-" in rows["request"]["detail"]


def test_silent_streams_that_are_cut(demo, nginx, haproxy):
    for url in (nginx(demo, "proxy_read_timeout 1s; client_max_body_size 8m; proxy_buffering off;"), haproxy(demo, server="1s")):
        result, detail, fix = in_between(url, demo, 1, "--idle", "3s")["idle"]
        assert result == "fail" and re.search(r"silent for 3 s was cut after [12]\.\d s", detail) and "timeout server" in fix
    assert in_between(demo.url, demo, 0, "--idle", "1") == {}


class HoldingProxy(http.server.BaseHTTPRequestHandler):
    """Reads an answer to its end before it hands out the first byte, as virus scanners and some balancers do. (nginx does
    not: with proxy_buffering on, too, it passes on what it has.)"""

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=30)
        upstream.request(self.command, self.path, body or None, dict(self.headers))
        answer = upstream.getresponse()
        whole = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole)

    do_GET = do_POST = forward

    def log_message(self, *arguments):
        pass


@pytest.fixture
def holding():
    """holding(gateway) starts a proxy that holds answers back and returns its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HoldingProxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def before(gateway):
        server.upstream = gateway.port
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield before
    server.shutdown()
    server.server_close()


def test_a_proxy_that_holds_streams_back(demo, holding):
    rows = remote(holding(demo), key=demo.key, code=0)
    assert rows["stream"]["result"] == "warn" and "proxy_buffering off" in rows["stream"]["fix"]


def test_a_proxy_that_takes_the_key_away(demo, nginx):
    rows = remote(nginx(demo, 'proxy_set_header Authorization "";'), key=demo.key, code=1)
    assert "saw none" in rows["identity"]["detail"]


def rewriting(kind, demo, nginx, haproxy, path):
    """A proxy that puts /v1 before these paths."""
    if kind == "nginx":
        return nginx(demo, f"rewrite ^{path}(.*) /v1{path}$1;")
    return haproxy(demo, f" http-request replace-path ({path}.*) /v1\\1")


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_proxy_that_rewrites_paths(demo, nginx, haproxy, kind):
    url = rewriting(kind, demo, nginx, haproxy, "/turnpike/")
    rows = remote(url, "--no-call", key=demo.key, code=1)
    for check, sent in (("source", "GET /turnpike/v1/whoami"), ("request", "POST /turnpike/v1/echo")):
        assert rows[check]["result"] == "fail" and "no rewrite" in rows[check]["fix"]
        assert rows[check]["detail"] == f"the path was rewritten on the way: {sent} arrives as /v1{sent.split()[1]}"
    assert rows["echo"]["result"] == "warn" and re.search("not checked: .*large bodies; streams", rows["echo"]["detail"])
    said = script(url, 1, key=demo.key)
    assert said["request"] == ("fail", rows["request"]["detail"]) and said["echo"][0] == "warn"
    url = rewriting(kind, demo, nginx, haproxy, "/v1/")
    identity = remote(url, key=demo.key, code=1)["identity"]
    assert "GET /v1/models arrives as /v1/v1/models" in identity["detail"] and "key" not in identity["fix"]
    assert script(url, 1, key=demo.key)["identity"] == ("fail", identity["detail"])


def test_a_gateway_without_the_echo(demo, nginx):
    """One that is older: what it cannot tell is said to be unknown."""
    answer = '{"error": {"message": "There is no such endpoint: \\\\"$uri\\\\".", "code": "unknown_url"}}'
    url = nginx(demo, f"proxy_buffering off; if ($uri ~ ^/turnpike/) {{ return 404 '{answer}'; }}")
    rows = remote(url, "--no-call", key=demo.key, code=0)
    assert {name for name, row in rows.items() if row["result"] == "warn"} == {"source", "request", "echo"}
    assert "brought up to date" in rows["request"]["fix"] and "brought up to date" in rows["source"]["fix"]
    assert script(url, 0, key=demo.key)["echo"][0] == "warn"


@pytest.mark.parametrize("credential", ["Basic c29tZWJvZHk6c2VjcmV0LXNlY3JldA==", "Bearer sk-" + "x" * 40, "Bearer eyJhbGciOiJub25lIn0.e30.c2ln"],
                         ids=["basic", "key", "token"])
def test_a_proxy_that_puts_its_own_credential_there(demo, nginx, credential):
    url = nginx(demo, f'proxy_set_header Authorization "{credential}";')
    identity = remote(url, key=demo.key, code=1)["identity"]
    if credential.startswith("Basic"):
        assert "saw none" in identity["detail"] and "Authorization" in identity["fix"]
    else:
        assert "Authorization was replaced on the way" in identity["detail"] and "let the header Authorization pass" in identity["fix"]
    said = script(url, 1, key=demo.key)["identity"][1]
    assert said.split("starts with")[0] == identity["detail"].split("starts with")[0]


def test_a_limit_is_not_the_keys_fault(demo, nginx):
    refusal = '{"error": {"message": "Too many calls.", "code": "rate_limit_exceeded"}}'
    url = nginx(demo, f"proxy_buffering off; client_max_body_size 8m; if ($uri = /v1/models) {{ return 429 '{refusal}'; }}")
    rows = remote(url, key=demo.key, code=0)
    assert rows["identity"]["result"] == "pass" and rows["models"]["result"] == "warn" and "429 rate_limit_exceeded" in rows["models"]["detail"]
    assert {"source", "request", "headers", "large body", "stream"} <= set(rows)
    said = script(url, 0, key=demo.key)
    assert said["identity"][0] == "pass" and said["models"][0] == "warn" and said["request"][0] == "pass"


def test_a_large_body_that_is_refused_for_a_limit(demo, nginx):
    """Not the size is at fault, whoever says 429."""
    url = nginx(demo, "proxy_buffering off; client_max_body_size 8m;", echo="if ($http_content_length = 2097152) { return 429 busy; }")
    row = remote(url, "--no-call", key=demo.key, code=0)["large body"]
    assert row["result"] == "warn" and "limits how often" in row["fix"] and "client_max_body_size" not in row["fix"]


def test_the_script_blames_the_network_and_not_the_key(demo, start_gateway):
    closed = start_gateway(with_rules(demo.config, {"deny": "here", "mode": "enforce"}))
    done = subprocess.run(["sh", gateway_module.ROOT / "packaging/doctor.sh", closed.url], capture_output=True, text=True,
                          env={**os.environ, "TURNPIKE_API_KEY": closed.create_key()["key"]})
    assert "network_not_allowed" in done.stdout and "which rule it was" in done.stdout and "issued for this workload" not in done.stdout


def test_a_proxy_that_takes_headers_of_answers_away(demo, nginx):
    rows = remote(nginx(demo, "proxy_hide_header x-request-id; proxy_buffering off;"), key=demo.key, code=0)
    assert rows["headers"]["result"] == "warn" and "x-request-id" in rows["headers"]["detail"]


def test_a_proxy_that_refuses(demo, nginx):
    rows = remote(nginx(demo, 'if ($uri ~ "^/v1") { return 403 "no"; }'), key=demo.key, code=1)
    assert "not in the gateway's words" in rows["identity"]["detail"]


def test_a_proxy_that_cuts_idle_connections(demo, nginx):
    assert remote(demo.url, "--idle", "2s", key=demo.key, code=0)["idle"]["result"] == "pass"
    assert remote(nginx(demo, "keepalive_timeout 1s;"), "--idle", "3s", key=demo.key, code=0)["idle"]["result"] == "warn"


# ---------------------------------------------------------------- round the gate


def test_egress(demo, issuer):
    with serve_tls(issuer, "somebody.example") as server:
        rows = doctor(demo.url, "--no-call", "--idle", "0", "--provider", f"127.0.0.1:{server.port}", key=demo.key, code=0)
        assert rows["egress"]["result"] == "warn" and f"127.0.0.1:{server.port}" in rows["egress"]["detail"]
        assert "driven round" in rows["egress"]["fix"]
    # With a proxy that leads nowhere in force nobody is reached, wherever this runs.
    rows = doctor(demo.url, "--no-call", "--idle", "0", key=demo.key, code=0, HTTPS_PROXY=f"http://127.0.0.1:{free_port()}")
    assert rows["egress"]["result"] == "pass"


# ---------------------------------------------------------------- the gateway's own host


def local(gateway, code, **environment):
    return doctor("--config", gateway.config_file, "--data", gateway.data, code=code,
                  **{"UPSTREAM_KEY": "sk-upstream-test", **environment})


def test_own_host_in_order(own_gateway, own_fake):
    own_gateway.config["limits"] = {"connections": 100}
    own_gateway.data.chmod(0o700)
    own_gateway.write_config(own_gateway.config)
    rows = local(own_gateway, code=0)
    assert {"config", "files", "data", "disk", "disk speed", "store", "journal", "provider"} <= set(rows)
    assert rows["store"]["result"] == rows["provider"]["result"] == rows["data"]["result"] == "pass"
    own_fake.problems.clear()  # that a request without a key came is what is to be seen


def test_own_host_out_of_order(start_gateway, tmp_path, issuer):
    certificate, key, _ = issuer.issue("localhost", file="old", days=5)
    os.chmod(key, 0o644)
    config = plain_config(f"https://localhost:{free_port()}", limits={"connections": 1_000_000})
    config["listeners"]["tls"] = {"address": f"127.0.0.1:{free_port()}", "certificates": [{"certificate": certificate, "key": key}]}
    config["providers"]["quiet"] = {"base_url": f"https://nonexistent.invalid:{free_port()}/v1"}
    gateway = start_gateway(config, run=False)
    gateway.create_key()
    gateway.data.chmod(0o755)
    rows = local(gateway, code=1)
    assert {name: rows[name]["result"] for name in ("certificate", "data", "credential", "provider", "files")} == {
        "certificate": "warn", "data": "warn", "credential": "warn", "provider": "fail", "files": "warn"}
    (gateway.data / "turnpike.db").write_bytes(b"no database" * 1000)
    assert local(gateway, code=1)["store"]["result"] == "fail"


def test_own_host_as_a_user_who_may_not_look(own_gateway):
    """The permission alone is the cause, and is said once."""
    place = pathlib.Path(tempfile.mkdtemp())  # each user gets there, which the test's own folder does not grant
    user = 65534 if os.geteuid() == 0 else None
    try:
        place.chmod(0o755)
        config, data = place / "turnpike.json", place / "data"
        config.write_text(json.dumps({"providers": {"demo": {"type": "demo"}},
                                      "models": {"demo": {"targets": [{"provider": "demo"}]}}}))
        shutil.copytree(own_gateway.data, data, ignore=lambda folder, names: set(names) - {"turnpike.db"})
        (data / "turnpike.db").chmod(0)
        data.chmod(0)
        rows = doctor("--config", config, "--data", data, code=1, user=user)
        assert "may not read and write it; disk, store and journal are not checked" in rows["data"]["detail"]
        assert "gateway's user" in rows["data"]["fix"] and not {"disk", "disk speed", "store", "journal"} & set(rows)
        assert "1 listener, 1 provider, 1 model;" in rows["config"]["detail"]
        data.chmod(0o777)
        rows = doctor("--config", config, "--data", data, code=1, user=user)
        assert "turnpike.db: this user may not read it" in rows["store"]["detail"] and "gateway's user" in rows["store"]["fix"]
        assert rows["disk speed"]["result"] == "pass" and "journal" not in rows
    finally:
        data.chmod(0o700)
        shutil.rmtree(place)


def test_own_host_without_its_secret_or_data(start_gateway):
    gateway = start_gateway(plain_config("http://127.0.0.1:1"), run=False)
    shutil.rmtree(gateway.data)
    rows = local(gateway, code=1, UPSTREAM_KEY="")
    assert rows["config"]["result"] == "fail" and "UPSTREAM_KEY" in rows["config"]["detail"]
    assert rows["data"]["result"] == "fail" and "store" not in rows


def test_an_unknown_authority_before_a_provider(start_gateway, issuer):
    with serve_tls(issuer, "localhost") as server:
        gateway = start_gateway(plain_config(f"https://localhost:{server.port}"), run=False)
        gateway.create_key()
        assert "tls.authority" in local(gateway, code=1)["provider"]["fix"]
        gateway.config["providers"]["up"]["tls"] = {"authority": str(issuer.file)}
        gateway.write_config(gateway.config)
        assert "certificate good until" in local(gateway, code=0)["provider"]["detail"]


# ---------------------------------------------------------------- the script for where the binary cannot go


def shells():
    return [shell for shell in (["dash"], ["busybox", "sh"], ["bash", "--posix"]) if shutil.which(shell[0])]


def script(url, code, shell=("sh",), key=None, **environment):
    plain = {name: value for name, value in os.environ.items() if name not in NOWHERE}
    if key:
        plain["TURNPIKE_API_KEY"] = key
    done = subprocess.run([*shell, gateway_module.ROOT / "packaging/doctor.sh", url], capture_output=True, text=True, timeout=60,
                          env={**plain, **environment})
    assert done.returncode == code, f"{shell}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr
    assert key is None or len(key) < 20 or key not in done.stdout
    order, rows = ["pass", "warn", "fail"], {}
    for line in done.stdout.splitlines():
        if line[:4] in ("pass", "WARN", "FAIL"):
            check, row = line[6:18].strip(), (line[:4].lower(), line[19:])
            if check not in rows or order.index(row[0]) >= order.index(rows[check][0]):
                rows[check] = row  # the worst, of several the last
    return rows


@pytest.mark.parametrize("shell", shells(), ids=lambda shell: shell[0])
def test_the_script_says_what_the_verb_says(demo, shell, issuer):
    """The same words for the same trouble, but for figures."""

    def same(url, code, *checks, key=None, **environment):
        mine, theirs = script(url, code, shell, key=key, **environment), remote(url, "--no-call", key=key, code=code, **environment)
        for check in checks:
            assert mine[check] == (theirs[check]["result"], theirs[check]["detail"]), check

    revoked = demo.create_key("revoked")
    demo.wait_key(revoked["key"])
    demo.run("key", "revoke", revoked["id"], "--data", str(demo.data))
    wait_until(lambda: demo.get("/v1/models", revoked["key"])[0] == 401, 5, "the key is refused")
    rows = script(demo.url + "/v1/", 0, shell, key=demo.key)
    assert list(rows) == ["proxy", "dns", "tcp", "http", "clock", "identity", "request", "headers", "stream"]
    assert {row[0] for row in rows.values()} == {"pass"}
    same(demo.url, 0, "proxy", "identity", "request", "headers", key=demo.key)
    same(demo.url, 1, "proxy", "identity")
    refused = script(demo.url, 1, shell, key=revoked["key"])["identity"]
    assert refused[0] == "fail" and "(revoked_api_key)" in refused[1] and revoked["id"] in refused[1]
    same(demo.url, 1, "proxy", no_proxy="a", NO_PROXY="b")
    same(demo.url, 1, "proxy", HTTP_PROXY="http://127.0.0.1:1", NO_PROXY="localhost,127.0.0.1")
    assert script("https://nonexistent.invalid", 1, shell)["dns"][0] == "fail"
    assert script(f"http://127.0.0.1:{free_port()}", 1, shell)["tcp"][0] == "fail"
    with Server(body=b"<html>sign in</html>") as server:
        same(f"http://127.0.0.1:{server.port}", 1, "http")
    with serve_tls(issuer, "localhost", days=-5) as server:
        expired = script(f"https://localhost:{server.port}", 1, shell, SSL_CERT_FILE=str(issuer.file), CURL_CA_BUNDLE=str(issuer.file))
    assert "expired" in expired["tls"][1]


@pytest.mark.parametrize("shell", shells(), ids=lambda shell: shell[0])
def test_the_script_sees_what_is_changed(demo, shell, nginx, haproxy, holding):
    rows = script(nginx(demo, "proxy_set_header Traceparent made-up; proxy_set_header Openai-Beta ''; proxy_hide_header retry-after; "
                              "proxy_set_header X-Forwarded-For $remote_addr;"), 0, shell, key=demo.key)
    assert rows["request"] == ("warn", "the header openai-beta was stripped on the way: the gateway did not get it")  # the last one
    assert rows["headers"] == ("warn", "headers of answers are stripped on the way: retry-after")
    rows = script(haproxy(demo, " option forwardfor"), 0, shell, key=demo.key)
    assert rows["request"] == ("pass", "it arrives as it was sent; added on the way: x-forwarded-for")
    assert script(nginx(demo, "", echo='proxy_set_body "{}";'), 1, shell, key=demo.key)["request"][0] == "fail"
    assert script(holding(demo), 0, shell, key=demo.key)["stream"][0] == "warn"


@pytest.mark.parametrize("shell", shells(), ids=lambda shell: shell[0])
@pytest.mark.parametrize("moment", [0, 951782400, 951868800, 1709164800, 1798761599, 4102444799])
def test_the_clock_of_the_script(shell, moment):
    """Its own arithmetic of dates, leap days among them."""
    with Server(date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))) as server:
        before = int(time.time())
        said = script(f"http://127.0.0.1:{server.port}", 1, shell)["clock"][1]
        after = int(time.time())
    off = int(re.search(r"is (\d+) s", said).group(1))
    assert min(abs(before - moment), abs(after - moment)) <= off <= max(abs(before - moment), abs(after - moment))


def test_the_script_keeps_the_key_out_of_sight(demo):
    """No process has the key on its command line while it runs."""
    seen = []

    def look():
        while not stop.is_set():
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        with open(f"/proc/{name}/cmdline", "rb") as file:
                            seen.append(demo.key.encode() in file.read())
                    except OSError:
                        pass

    stop, key = threading.Event(), demo.key
    watcher = threading.Thread(target=look)
    watcher.start()
    script(demo.url, 0, key=key)
    stop.set()
    watcher.join()
    assert seen and not any(seen)
