"""TLS on the callers' side: versions, names, client certificates, resumption, reloaded certificates; unix sockets and IPv6."""

import json
import os
import pathlib
import signal
import socket
import ssl

import pytest
from cryptography import x509

from certificates import Authority
from gateway import free_port, plain_config, wait_until
from wire_client import Closed, Wire


def tls_config(url, certificates, **more):
    config = plain_config(url)
    config["listeners"]["secure"] = {
        "address": f"127.0.0.1:{free_port()}",
        "certificates": [{"certificate": c, "key": k} for c, k, *_ in certificates], **more}
    return config


def secure_port(gateway):
    return int(gateway.config["listeners"]["secure"]["address"].rsplit(":", 1)[1])


@pytest.fixture
def leaf(tmp_path):
    authority = Authority(tmp_path)
    authority.leaf = authority.issue("localhost", "127.0.0.1")
    return authority


@pytest.fixture
def secure(start_gateway, own_fake, leaf):
    return start_gateway(tls_config(own_fake.url, [leaf.leaf]))


def shown_serial(port, context, name="localhost"):
    with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(True)).serial_number


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_calls_and_streams(secure, leaf, version):
    context = leaf.client_context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Wire(secure_port(secure), tls=context, key=secure.key) as wire:
        assert wire.socket.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            wire.chat("fast")
            assert wire.answer().status == 200
            wire.chat("fast", stream=True)
            assert wire.answer().body.endswith(b"data: [DONE]\n\n")


def test_large_bodies_over_tls(secure, leaf):
    with Wire(secure_port(secure), tls=leaf.client_context(), key=secure.key) as wire:
        wire.chat("fast", padding="x" * 5_000_000)
        assert wire.answer().status == 200


def test_old_versions_are_refused(secure, leaf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shown_serial(secure_port(secure), context)


def test_plain_http_on_the_tls_port_ends(secure):
    with Wire(secure_port(secure)) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.rest()
    assert secure.get("/healthz")[0] == 200


def test_certificate_by_name(start_gateway, own_fake, leaf):
    other = leaf.issue("other.test", file="other")
    gateway = start_gateway(tls_config(own_fake.url, [leaf.leaf, other]))
    context = leaf.client_context()
    assert shown_serial(secure_port(gateway), context) == leaf.leaf[2]
    assert shown_serial(secure_port(gateway), context, "other.test") == other[2]


def test_resumption(secure, leaf):
    context = leaf.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is complete after the handshake
    port = secure_port(secure)
    with Wire(port, tls=context, key=secure.key) as wire:
        session = wire.socket.session
        assert not wire.socket.session_reused
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            assert tls.session_reused


@pytest.mark.parametrize("mode, shown, works", [
    ("required", False, False), ("required", True, True), ("optional", False, True), ("optional", True, True)])
def test_client_certificates(start_gateway, own_fake, leaf, mode, shown, works):
    gateway = start_gateway(tls_config(own_fake.url, [leaf.leaf], client_authority=str(leaf.file), client_certificate=mode))
    context = leaf.client_context()
    if shown:
        context.load_cert_chain(*leaf.issue("caller", file="caller")[:2])

    def call():
        with Wire(secure_port(gateway), tls=context, key=gateway.key) as wire:
            wire.chat("fast")
            return wire.answer().status

    if works:
        assert call() == 200
    else:
        with pytest.raises((OSError, Closed)):
            call()


def test_client_certificate_of_a_stranger(start_gateway, own_fake, leaf, tmp_path):
    gateway = start_gateway(tls_config(own_fake.url, [leaf.leaf], client_authority=str(leaf.file), client_certificate="optional"))
    (tmp_path / "stranger").mkdir()
    context = leaf.client_context()
    context.load_cert_chain(*Authority(tmp_path / "stranger").issue("caller", file="caller")[:2])
    with pytest.raises((OSError, Closed)), Wire(secure_port(gateway), tls=context, key=gateway.key) as wire:
        wire.chat("fast")
        wire.answer()


@pytest.mark.parametrize("how", ["signal", "file change"])
def test_certificates_are_reloaded_without_dropping_a_connection(secure, leaf, how):
    context = leaf.client_context()
    port = secure_port(secure)
    with Wire(port, tls=context, key=secure.key) as kept:
        kept.chat("fast")
        assert kept.answer().status == 200
        new = leaf.issue("localhost", "127.0.0.1")
        if how == "signal":
            secure.signal(signal.SIGHUP)
        wait_until(lambda: shown_serial(port, context) == new[2], 10, "the new certificate is shown")
        kept.chat("fast")
        assert kept.answer().status == 200


def test_a_broken_certificate_leaves_the_good_one_in_force(secure, leaf):
    context, port = leaf.client_context(), secure_port(secure)
    good = shown_serial(port, context)
    said = len(secure.stderr())
    pathlib.Path(leaf.leaf[0]).write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
    secure.signal(signal.SIGHUP)
    wait_until(lambda: len(secure.stderr()) > said, 10, "what is wrong is said")
    assert shown_serial(port, context) == good


def test_key_that_does_not_fit_its_certificate_does_not_start(start_gateway, own_fake, leaf):
    other = leaf.issue("other.test", file="other")
    gateway = start_gateway(tls_config(own_fake.url, [(leaf.leaf[0], other[1])]), run=False)
    done = gateway.run("serve", "--config", str(gateway.config_file), "--data", str(gateway.data), check=False)
    assert done.returncode > 0
    assert "secure" in done.stderr, "the listener is named"


def test_unix_socket_listener(start_gateway, own_fake, tmp_path):
    path = tmp_path / "s"
    config = plain_config(own_fake.url)
    config["listeners"]["local"] = {"address": f"unix:{path}"}
    gateway = start_gateway(config)
    for _ in range(2):  # a socket file left by an earlier process is no obstacle
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(10)
            raw.connect(str(path))
            raw.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + gateway.key.encode() + b"\r\n\r\n")
            data = b""
            while part := raw.recv(65536):
                data += part
        assert data.startswith(b"HTTP/1.1 200")
        gateway.kill()
        gateway.start()


def test_ipv6_listener(start_gateway, own_fake):
    port = free_port()
    config = plain_config(own_fake.url)
    config["listeners"]["six"] = {"address": f"[::1]:{port}"}
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    gateway = start_gateway(config)
    with Wire(port, host="::1", key=gateway.key) as wire:
        wire.chat("fast")
        answer = wire.answer()
    assert json.loads(answer.body)["model"] == "gpt-4o-mini"
    assert "::1" in gateway.wait_record(answer.request_id)["source"]


def test_handshakes_that_never_finish(start_gateway, own_fake, leaf):
    """Silent ones are closed in time, broken ones at once, and neither disturbs the others."""
    gateway = start_gateway({**tls_config(own_fake.url, [leaf.leaf]), "timeouts": {"head": "1s"}})
    port = secure_port(gateway)
    silent = [Wire(port) for _ in range(20)]
    half = [Wire(port) for _ in range(20)]
    for wire in half:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    for number in range(50):
        with Wire(port) as broken:
            broken.send(b"\x16\x03\x01\x00\x05" + bytes([number] * 40))
    with Wire(port, tls=leaf.client_context(), key=gateway.key) as good:
        good.chat("fast")
        assert good.answer().status == 200
    for wire in silent + half:
        wire.rest()  # to its end
        wire.close()


def test_large_answers_and_uploads_over_tls(secure, leaf, own_fake):
    size = 20 << 20
    received = []

    async def store(call):
        await call.body()
        received.append(len(call.content))
        call.write_head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", size)])
        for _ in range(size >> 16):
            await call.send(bytes(1 << 16))

    script = own_fake.script(store)
    start = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + script.token.encode() + (
        b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    with Wire(secure_port(secure), tls=leaf.client_context(), key=secure.key, timeout=30) as wire:
        wire.request("POST", "/v1/audio/transcriptions", length=False, headers=[
            ("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(start) + size + 9))])
        wire.send(start)
        for _ in range(size >> 20):
            wire.send(bytes(1 << 20))
        wire.send(b"\r\n--b--\r\n")
        assert len(wire.answer().body) == size
    assert received == [len(start) + size + 9]


def test_a_caller_who_is_cut_off_in_tls_cancels_the_upstream(secure, leaf, own_fake):
    """No close_notify, only a reset: gone is gone."""
    async def stalls(call):
        await call.body()
        call.write_stream_head()
        call.write_chunk(b"data: {}\n\n")
        await call.gone()

    script = own_fake.script(stalls)
    wire = Wire(secure_port(secure), tls=leaf.client_context(), key=secure.key)
    wire.chat(script.model, stream=True)
    wire.head()
    raw = wire.socket.detach()
    os.close(raw)
    assert script.wait_calls()[0].connection.lost.wait(5)
