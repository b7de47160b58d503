"""The console's door on the wire: what is served and how it may be kept, who is let in, and what a hostile page,
a thief of codes or cookies and a reader who wants to write get."""

import gzip
import http.client
import re

import pytest

from admin_client import UnixConnection
from browser import Browser
from gateway import Gateway, free_port, plain_config

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
