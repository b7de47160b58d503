"""Where a call truly comes from, behind balancers: told by a header field or by the PROXY protocol, and
believed of those alone that the listener names."""

import signal
import struct

import pytest

from gateway import free_port, plain_config, wait_until
from wire_client import Closed, Wire, call_once

ANNOUNCED = "192.0.2.44"
V1 = f"PROXY TCP4 {ANNOUNCED} 198.51.100.1 56324 443\r\n".encode()
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack("!H", 12) + bytes([192, 0, 2, 44, 198, 51, 100, 1]) + struct.pack("!HH", 56324, 443)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def config(url, **doors):
    made = plain_config(url)
    made["listeners"] = {name: {"address": f"127.0.0.1:{free_port()}", **({"forwarders": row} if row else {})}
                         for name, row in doors.items()}
    return made


def port(gateway, door):
    return int(gateway.config["listeners"][door]["address"].rsplit(":", 1)[1])


def ask(gateway, door, before=b"", headers=()):
    """One call; returns its record."""
    with Wire(port(gateway, door), key=gateway.key) as wire:
        wire.send(before)
        wire.chat("fast", headers=headers)
        answer = wire.answer()
    assert answer.status == 200, answer.body
    return gateway.wait_record(answer.request_id)


@pytest.fixture
def behind(start_gateway, own_fake):
    trusted = ["127.0.0.0/8"]
    return start_gateway(config(
        own_fake.url, main=None,
        l7={"networks": trusted, "header": "x-forwarded-for"},
        rfc={"networks": trusted, "header": "forwarded"},
        l4={"networks": trusted, "proxy_protocol": "on"},
        both={"networks": trusted + ["192.0.2.0/24"], "proxy_protocol": "on", "header": "x-forwarded-for"},
        other={"networks": ["10.0.0.0/8"], "header": "x-forwarded-for", "proxy_protocol": "on"}))


def test_a_forged_header_moves_nothing(behind):
    for door in ("main", "other"):
        row = ask(behind, door, headers=[("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1")])
        assert (row["source"], row.get("forwarder")) == ("127.0.0.1", None), door
    assert ask(behind, "rfc", headers=[("X-Forwarded-For", "10.0.0.1")])["source"] == "127.0.0.1"
    assert ask(behind, "l7", headers=[("Forwarded", "for=10.0.0.1")])["source"] == "127.0.0.1"


def test_the_nearest_stranger_is_the_source(behind):
    row = ask(behind, "l7", headers=[("X-Forwarded-For", "10.0.0.1, 203.0.113.7"), ("x-forwarded-for", "127.9.9.9")])
    assert (row["source"], row["forwarder"]) == ("203.0.113.7", "127.0.0.1")
    row = ask(behind, "rfc", headers=[("Forwarded", 'for=10.0.0.1, for="[2001:db8::7]:4711";proto=https')])
    assert row["source"] == "2001:db8::7"


@pytest.mark.parametrize("header", [V1, V2])
def test_proxy_protocol(behind, header):
    row = ask(behind, "l4", before=header)
    assert row["source"] == ANNOUNCED


def test_a_balancer_that_speaks_for_itself(behind):
    assert ask(behind, "l4", before=LOCAL)["source"] == "127.0.0.1"


def test_the_most_specific_network_is_recorded(start_gateway, own_fake):
    made = config(own_fake.url, main=None, l7={"networks": ["here"], "header": "x-forwarded-for"})
    made["listeners"]["local"] = {"address": "unix:@turnpike-networks"}
    made["networks"] = {"here": {"ranges": ["127.0.0.0/8"]}, "office": {"ranges": ["203.0.113.0/24", "2001:db8::/32"]},
                        "floor": {"ranges": ["203.0.113.64/26"]}}
    gateway = start_gateway(made)
    assert ask(gateway, "main")["network"] == "here"
    for address, network in (("203.0.113.7", "office"), ("203.0.113.70", "floor"), ("::ffff:203.0.113.70", "floor"),
                             ("2001:db8::7", "office"), ("198.51.100.1", None)):
        assert ask(gateway, "l7", headers=[("X-Forwarded-For", address)]).get("network") == network, address


def test_both_at_a_time(behind):
    """The L4 balancer announces an L7 one, which is believed in its turn."""
    row = ask(behind, "both", before=V1, headers=[("X-Forwarded-For", "203.0.113.7")])
    assert (row["source"], row["forwarder"]) == ("203.0.113.7", ANNOUNCED)


def test_a_balancer_that_announces_nobody_is_cut(behind):
    with Wire(port(behind, "l4"), key=behind.key) as wire:
        wire.chat("fast")
        with pytest.raises((Closed, ConnectionResetError)):
            wire.answer()


def test_a_proxy_line_of_a_stranger_is_a_malformed_request(behind):
    with Wire(port(behind, "other"), key=behind.key) as wire:
        wire.send(V1)
        wire.chat("fast")
        assert wire.answer().status == 400


def test_reload_changes_who_is_believed(behind):
    assert ask(behind, "l7", headers=[("X-Forwarded-For", "203.0.113.7")])["source"] == "203.0.113.7"
    changed = {**behind.config, "listeners": {**behind.config["listeners"]}}
    changed["listeners"]["l7"] = {"address": changed["listeners"]["l7"]["address"]}
    changed["listeners"]["l4"] = {"address": changed["listeners"]["l4"]["address"]}
    behind.write_config(changed)
    behind.signal(signal.SIGHUP)
    wait_until(lambda: ask(behind, "l7", headers=[("X-Forwarded-For", "203.0.113.7")])["source"] == "127.0.0.1",
               what="the reload")
    assert call_once(port(behind, "l4"), behind.key, "fast").status == 200
