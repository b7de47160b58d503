"""The way to the upstream: TLS, names, both families, unix sockets, proxies."""

import socket
import ssl
import time

import pytest

from fake_answers import respond
from fake_network import A, AAAA, ConnectProxy, NameServer
from fake_upstream import FakeUpstream
from gateway import free_port, plain_config
from wire_client import Wire, call_once


@pytest.fixture
def tls_fake(authority):
    fake = FakeUpstream(tls=authority.server_context("localhost", "127.0.0.1", "provider.test"))
    yield fake
    fake.stop()


@pytest.fixture
def name_server():
    server = NameServer()
    yield server
    server.stop()


def provider(config, **more):
    return {**config, "providers": {"up": {**config["providers"]["up"], **more}}}


def resolved(config, name_server):
    return {**config, "dns": {"servers": [name_server.address], "timeout": "2s"}}


# -- TLS ------------------------------------------------------------------------------------------


def test_tls_upstream(start_gateway, tls_fake, authority):
    gateway = start_gateway(provider(plain_config(tls_fake.url), tls={"authority": str(authority.file)}))
    with Wire(gateway.port, key=gateway.key) as wire:
        for _ in range(3):
            wire.chat("fast", stream=True)
            assert wire.answer().body.endswith(b"data: [DONE]\n\n")
    assert len(tls_fake.connections) == 1, "kept connections are used again"


def test_untrusted_upstream_gets_no_credential(start_gateway, tls_fake):
    gateway = start_gateway(plain_config(tls_fake.url))
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and answer.error["code"] == "upstream_tls_failed"
    assert not tls_fake.calls


def test_certificate_for_another_name(start_gateway, authority):
    fake = FakeUpstream(tls=authority.server_context("elsewhere.test", file="elsewhere"))
    gateway = start_gateway(provider(plain_config(fake.url), tls={"authority": str(authority.file)}))
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and answer.error["code"] == "upstream_tls_failed"
    assert not fake.calls
    fake.stop()


def test_expired_certificate(start_gateway, authority):
    certificate, key, _ = authority.issue("127.0.0.1", file="expired", days=-5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    fake = FakeUpstream(tls=context)
    gateway = start_gateway(provider(plain_config(fake.url), tls={"authority": str(authority.file)}))
    assert call_once(gateway.port, gateway.key, "fast").status == 502
    fake.stop()


def test_client_certificate_for_the_upstream(start_gateway, authority):
    context = authority.server_context("127.0.0.1", file="mutual")
    context.load_verify_locations(str(authority.file))
    context.verify_mode = ssl.CERT_REQUIRED
    fake = FakeUpstream(tls=context)
    certificate, key, _ = authority.issue("gateway", file="gateway")
    trust = {"authority": str(authority.file)}
    gateway = start_gateway(provider(plain_config(fake.url), tls={**trust, "certificate": certificate, "key": key}))
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    without = start_gateway(provider(plain_config(fake.url), tls=trust))
    assert call_once(without.port, without.key, "fast").status == 502
    fake.stop()


def test_tls_that_never_finishes(start_gateway):
    """A port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = plain_config(f"https://127.0.0.1:{listener.getsockname()[1]}")
        gateway = start_gateway(provider(config, timeouts={"tls": "300ms"}))
        answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 504 and answer.error["code"] == "upstream_timeout"


# -- names and families ---------------------------------------------------------------------------


def test_name_is_resolved_and_kept_for_its_time(start_gateway, name_server, own_fake):
    name_server.names["provider.test"] = (60, ["127.0.0.1"])
    config = resolved(plain_config(f"http://provider.test:{own_fake.port}"), name_server)
    config["defaults"] = {"limits": {"idle_connections": 0}}
    gateway = start_gateway(config)
    for _ in range(5):
        assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert len(own_fake.connections) == 5
    assert name_server.asked["provider.test", A] == 1
    assert own_fake.calls[-1].header("host") == f"provider.test:{own_fake.port}"


def test_name_is_asked_again_when_its_time_is_over(start_gateway, name_server, own_fake):
    other = FakeUpstream(host="127.0.0.2")
    name_server.names["provider.test"] = (1, ["127.0.0.1"])
    config = resolved(plain_config(f"http://provider.test:{own_fake.port}"), name_server)
    config["defaults"] = {"limits": {"idle_connections": 0}}
    gateway = start_gateway(config)
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    name_server.names["provider.test"] = (1, ["127.0.0.2"])
    other.in_loop(other._listen(own_fake.port))
    deadline = time.monotonic() + 10
    while not other.calls and time.monotonic() < deadline:
        assert call_once(gateway.port, gateway.key, "fast").status == 200
        time.sleep(0.1)
    assert other.calls, "the new address is used once the old one's time is over"
    other.stop()


def test_unknown_name(start_gateway, name_server):
    gateway = start_gateway(resolved(plain_config("http://nowhere.test:80"), name_server))
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and answer.error["code"] == "upstream_unreachable"
    assert gateway.wait_record(answer.request_id)["error"] == "name_not_found"


def test_silent_name_server(start_gateway, name_server):
    name_server.names["silent.test"] = None
    config = provider(resolved(plain_config("http://silent.test:80"), name_server), timeouts={"connect": "1s"})
    gateway = start_gateway(config)
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status in (502, 504)
    assert answer.error["type"] == "server_error"


def test_happy_eyeballs(start_gateway, name_server, own_fake):
    """An IPv6 address that leads nowhere costs a moment, not the connect time-out."""
    name_server.names["both.test"] = (60, ["100::1", "2001:db8::1", "127.0.0.1"])
    config = provider(resolved(plain_config(f"http://both.test:{own_fake.port}"), name_server), timeouts={"connect": "10s"})
    gateway = start_gateway(config)
    started = time.monotonic()
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert time.monotonic() - started < 5
    assert name_server.asked["both.test", AAAA] >= 1


def test_several_addresses_of_which_one_answers(start_gateway, name_server, own_fake):
    name_server.names["many.test"] = (60, ["127.0.0.9", "127.0.0.8", "127.0.0.1"])
    gateway = start_gateway(resolved(plain_config(f"http://many.test:{own_fake.port}"), name_server))
    assert call_once(gateway.port, gateway.key, "fast").status == 200


def test_ipv6_upstream(start_gateway):
    try:
        fake = FakeUpstream(host="::1")
    except RuntimeError:
        pytest.skip("no IPv6 on this machine")
    gateway = start_gateway(plain_config(fake.url))
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert fake.calls[-1].header("host") == f"[::1]:{fake.port}"
    fake.stop()


def test_unix_socket_upstream(start_gateway, tmp_path):
    path = tmp_path / "up"
    fake = FakeUpstream(unix_path=str(path))
    config = plain_config("http://127.0.0.1:1")
    config["providers"]["up"]["base_url"] = f"http+unix:{path}:/v1"
    gateway = start_gateway(config)
    with Wire(gateway.port, key=gateway.key) as wire:
        for _ in range(2):
            wire.chat("fast")
            assert wire.answer().status == 200
    assert fake.calls[-1].target == "/v1/chat/completions"
    fake.stop()


# -- proxies --------------------------------------------------------------------------------------


@pytest.fixture
def proxy():
    proxy = ConnectProxy()
    yield proxy
    proxy.stop()


def test_provider_behind_a_proxy(start_gateway, proxy, tls_fake, authority):
    """The name is the proxy's to resolve; the tunnel is kept and used again."""
    proxy.route[f"provider.test:{tls_fake.port}"] = ("127.0.0.1", tls_fake.port)
    gateway = start_gateway(provider(plain_config(f"https://provider.test:{tls_fake.port}"), proxy=proxy.url,
                                     tls={"authority": str(authority.file)}))
    with Wire(gateway.port, key=gateway.key) as wire:
        for _ in range(3):
            wire.chat("fast", stream=True)
            assert wire.answer().status == 200
    assert [(m, t) for m, t, _ in proxy.requests] == [("CONNECT", f"provider.test:{tls_fake.port}")]
    assert "authorization" not in proxy.requests[0][2], "the credential is for the provider alone"


def test_proxy_with_a_password(start_gateway, tls_fake, authority):
    proxy = ConnectProxy(user="gate", password="p:w")
    config = provider(plain_config(tls_fake.url), proxy=proxy.url, proxy_user="gate", proxy_password="env:PROXY_PASSWORD",
                      tls={"authority": str(authority.file)})
    gateway = start_gateway(config, {"PROXY_PASSWORD": "p:w"})
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    proxy.expected = "Basic something-else"
    tls_fake.drop_connections()
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502
    assert "p:w" not in answer.body.decode()
    proxy.stop()


def test_proxy_that_refuses(start_gateway, tls_fake, authority):
    proxy = ConnectProxy(refuse=403)
    gateway = start_gateway(provider(plain_config(tls_fake.url), proxy=proxy.url, tls={"authority": str(authority.file)}))
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and not tls_fake.calls
    proxy.stop()


@pytest.mark.parametrize("environment, setting, through", [
    ({}, {}, True), ({"NO_PROXY": "other.test,.elsewhere.test"}, {}, True),
    ({"NO_PROXY": "localhost,provider.test"}, {}, False), ({"NO_PROXY": ".test"}, {}, False), ({"NO_PROXY": "*"}, {}, False),
    ({}, {"proxy": "none"}, False)], ids=str)
def test_proxy_of_the_environment(start_gateway, proxy, tls_fake, authority, name_server, environment, setting, through):
    name_server.names["provider.test"] = (60, ["127.0.0.1"])
    proxy.route[f"provider.test:{tls_fake.port}"] = ("127.0.0.1", tls_fake.port)
    config = resolved(plain_config(f"https://provider.test:{tls_fake.port}"), name_server)
    gateway = start_gateway(provider(config, tls={"authority": str(authority.file)}, **setting), {"HTTPS_PROXY": proxy.url, **environment})
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert len(proxy.requests) == (1 if through else 0)


def test_this_machine_is_reached_without_the_environments_proxy(start_gateway, proxy, own_fake):
    gateway = start_gateway(plain_config(own_fake.url), {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url})
    assert call_once(gateway.port, gateway.key, "fast").status == 200
    assert not proxy.requests


def test_plain_upstream_behind_a_proxy(start_gateway, proxy, own_fake):
    script = own_fake.script(respond)
    gateway = start_gateway(provider(plain_config(own_fake.url), proxy=proxy.url))
    assert call_once(gateway.port, gateway.key, script.model).status == 200
    assert len(proxy.requests) == 1
    assert script.calls[0].target == "/v1/chat/completions"
    assert script.calls[0].header("proxy-authorization") is None


def test_port_that_nobody_listens_on(start_gateway):
    gateway = start_gateway(plain_config(f"http://127.0.0.1:{free_port()}"))
    answer = call_once(gateway.port, gateway.key, "fast")
    assert answer.status == 502 and answer.error["code"] == "upstream_unreachable"
    assert answer.header("x-should-retry") == "true"
    record = gateway.wait_record(answer.request_id)
    assert (record["outcome"], record["error"]) == ("failed", "refused")
