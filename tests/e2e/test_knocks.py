"""Connections that end before there is a call: who they are from and what went wrong, among those turned away."""

import json
import socket
import ssl
import time

import pytest

from certificates import Authority
from gateway import free_port, plain_config, wait_until


@pytest.fixture
def leaf(tmp_path):
    authority = Authority(tmp_path)
    authority.leaf = authority.issue("localhost", "127.0.0.1")
    return authority


@pytest.fixture
def gate(start_gateway, own_fake, leaf):
    made = plain_config(own_fake.url, networks={"here": {"ranges": ["127.0.0.0/8"]}})
    door = {"certificates": [{"certificate": leaf.leaf[0], "key": leaf.leaf[1]}]}
    made["listeners"]["secure"] = {"address": f"127.0.0.1:{free_port()}", **door}
    made["listeners"]["mutual"] = {"address": f"127.0.0.1:{free_port()}", **door, "client_authority": str(leaf.file),
                                   "client_certificate": "required"}
    made["listeners"]["balanced"] = {"address": f"127.0.0.1:{free_port()}",
                                     "forwarders": {"networks": ["127.0.0.0/8"], "proxy_protocol": "on"}}
    return start_gateway(made)


def send(gateway, door, bytes):
    port = int(gateway.config["listeners"][door]["address"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(bytes)
        try:
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass


def shake(gateway, door, context):
    port = int(gateway.config["listeners"][door]["address"].rsplit(":", 1)[1])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            if not tls.recv(10):
                raise ConnectionResetError


def bounces(gateway, *words):
    return [json.loads(line) for line in
            gateway.run("bounces", "--data", str(gateway.data), "--json", *words).stdout.splitlines()]


def old_client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_each_by_network_reason_and_listener(gate, leaf, tmp_path):
    send(gate, "secure", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    send(gate, "secure", b"\x00\x01 no handshake at all, and no HTTP\r\n\r\n")
    shake(gate, "secure", old_client())
    shake(gate, "secure", ssl.create_default_context())  # does not know our authority
    shake(gate, "mutual", leaf.client_context())  # shows no certificate
    (tmp_path / "other").mkdir()
    stranger = leaf.client_context()
    stranger.load_cert_chain(*Authority(tmp_path / "other").issue("stranger", file="stranger")[:2])
    shake(gate, "mutual", stranger)
    send(gate, "balanced", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    send(gate, "balanced", b"PROXY TCP4 not-an-address 1.2.3.4 1 2\r\n")
    wanted = {("tls_plain_http", "secure"): 1, ("tls_handshake_failed", "secure"): 1, ("tls_version", "secure"): 1,
              ("tls_not_trusted", "secure"): 1, ("tls_client_certificate", "mutual"): 2}

    def rows():
        found = {(row["reason"], row["listener"]): row for row in bounces(gate)}
        return found if len([key for key in found if key[1] == "balanced"]) and sum(row["calls"] for row in found.values()) == 8 else None

    found = wait_until(rows, 10, "eight of them")
    assert {key: row["calls"] for key, row in found.items() if key[1] != "balanced"} == wanted
    assert {row["network"] for row in found.values()} == {"here"} and {row["last_source"] for row in found.values()} == {"127.0.0.1"}
    assert all(row["advice"] and row["last_request_id"] is None and row["key"] is None for row in found.values())
    assert gate.records() == []
    story = gate.run("bounces", found["tls_plain_http", "secure"]["id"], "--data", str(gate.data)).stdout
    assert "https://" in story and "request" not in story.split("what helps")[0]


def test_a_flood_is_counted_and_bounded(gate):
    started = time.monotonic()
    for _ in range(1500):
        send(gate, "secure", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    rows = wait_until(lambda: (lambda r: r if sum(row["calls"] for row in r) == 1500 else None)(bounces(gate, "--reason", "tls_plain_http")), 20, "all")
    assert len(rows) <= 2, rows  # here, and what no room was for
    assert time.monotonic() - started < 60
