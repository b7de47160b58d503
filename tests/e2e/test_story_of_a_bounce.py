"""The story of a bounce, on hosts of their own: network namespaces with veth pairs.

    office, cluster, cloud ── edge (HAProxy with the PROXY protocol, nginx with X-Forwarded-For; routes) ── gate (turnpike)
    lonely ── provider (reaches a provider, and no gateway)

Somebody closes the gate to all but the office; the cluster bounces; the platform engineer sees who and why, asks a preview
what opening it would do, opens it, and the next call passes. Strangers gain nothing by what they write.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from certificates import Authority
from gateway import BINARY, Gateway, wait_until

HOSTS = {"office": "10.10.1", "cluster": "10.10.2", "cloud": "10.10.3"}
EDGE, GATE = "10.10.9.1", "10.10.9.2"
PROVIDER = "10.10.4.1"
L4, L7 = f"http://{EDGE}:8081", f"http://{EDGE}:8080"

NGINX = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen {edge}:8080;
    location / {{
      proxy_pass http://{gate}:8080; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""

HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend callers
  bind {edge}:8081
  default_backend gate
backend gate
  server gate {gate}:8081 send-proxy-v2
"""

CALL = """
import json, sys, urllib.error, urllib.request
url, key, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "hi"}]}).encode()
request = urllib.request.Request(url + "/v1/chat/completions", body,
                                 {"Content-Type": "application/json", "Authorization": "Bearer " + key, **headers})
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps({"status": answer.status, "id": answer.headers.get("x-request-id"), "body": json.loads(answer.read())}))
"""


def ip(*words, check=True):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)


def why_not():
    """Why there can be no namespaces here; None: there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "haproxy", "nginx"):
        if not shutil.which(program):
            return f"{program} is not installed (tools/setup.sh test)"
    name = f"turnpike-try-{os.getpid()}"
    tried = ip("netns", "add", name, check=False)
    if tried.returncode != 0:
        return f"this machine gives no network namespaces: {tried.stderr.strip()}"
    ip("netns", "del", name)
    return None


class World:
    """The hosts, their wires, the two balancers and the gateway."""

    def __init__(self, directory):
        self.directory = directory
        self.names = {}
        self.processes = []
        self.gateway = None

    def open(self):
        for host in (*HOSTS, "edge", "gate", "lonely", "provider"):
            self.names[host] = f"tp{os.getpid()}-{host}"
            ip("netns", "add", self.names[host])
            ip("-n", self.names[host], "link", "set", "lo", "up")
        for host, network in HOSTS.items():
            self.wire(host, f"{network}.2", "edge", f"{network}.1")
            ip("-n", self.names[host], "route", "add", "default", "via", f"{network}.1")
        self.wire("gate", GATE, "edge", EDGE)
        ip("-n", self.names["gate"], "route", "add", "default", "via", EDGE)
        self.wire("lonely", "10.10.4.2", "provider", PROVIDER)
        self.run("edge", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.start_gateway()
        self.start_balancers()

    def wire(self, a, address_a, b, address_b):
        ends = [f"{host[:4]}{len(self.names)}{address.split('.')[2]}{index}"
                for index, (host, address) in enumerate(((a, address_a), (b, address_b)))]
        ip("-n", self.names[a], "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", self.names[b])
        for host, end, address in ((a, ends[0], address_a), (b, ends[1], address_b)):
            ip("-n", self.names[host], "addr", "add", f"{address}/24", "dev", end)
            ip("-n", self.names[host], "link", "set", end, "up")

    def inside(self, host, *words):
        return ["ip", "netns", "exec", self.names[host], *map(str, words)]

    def run(self, host, *words, check=True, **environment):
        return subprocess.run(self.inside(host, *words), capture_output=True, text=True, timeout=60, check=check,
                              env={**os.environ, **environment})

    def start_gateway(self):
        inside = self.directory / "turnpike"
        inside.write_text(f'#!/bin/sh\nexec ip netns exec {self.names["gate"]} {BINARY} "$@"\n')
        inside.chmod(0o755)
        self.config = {
            "workers": 2, "contact": "platform@example.com",
            "networks": {**{host: {"ranges": [f"{network}.0/24"]} for host, network in HOSTS.items() if host != "cloud"},
                         "balancers": {"ranges": [EDGE]}},
            "listeners": {"l7": {"address": f"{GATE}:8080", "forwarders": {"networks": ["balancers"], "header": "x-forwarded-for"}},
                          "l4": {"address": f"{GATE}:8081", "forwarders": {"networks": ["balancers"], "proxy_protocol": "on"}}},
            "providers": {"demo": {"type": "demo"}}, "models": {"demo": {"targets": [{"provider": "demo"}]}}}
        self.gateway = Gateway(self.directory, self.config, binary=str(inside))
        self.gateway.start()
        self.data = ["--data", str(self.gateway.data)]

    def start_balancers(self):
        for name, text, command in (("nginx.conf", NGINX, ("nginx", "-p", self.directory, "-c")),
                                    ("haproxy.cfg", HAPROXY, ("haproxy", "-db", "-f"))):
            file = self.directory / name
            file.write_text(text.format(dir=self.directory, edge=EDGE, gate=GATE))
            log = open(self.directory / (name + ".out"), "wb")
            self.processes.append(subprocess.Popen(self.inside("edge", *command, file), stdout=log, stderr=log))
        for url in (L4, L7):
            wait_until(lambda: self.run("office", "curl", "-s", "-o", "/dev/null", f"{url}/healthz", check=False).returncode == 0,
                       15, f"{url} answers")

    def close(self):
        try:
            if self.gateway:
                self.gateway.stop()
        finally:
            for process in self.processes:
                process.send_signal(signal.SIGTERM)
                process.wait(10)
            for name in self.names.values():
                ip("netns", "del", name, check=False)

    def call(self, host, url, key, **headers):
        done = self.run(host, sys.executable, "-c", CALL, url, key, json.dumps(headers))
        return json.loads(done.stdout)

    def verb(self, *words, check=True):
        return self.gateway.run(*words, *self.data, check=check)

    def file(self, name, text):
        file = self.directory / name
        file.write_text(text + "\n")
        return str(file)

    def preview(self, *words, code=0):
        done = self.verb("preview", "--config", str(self.gateway.config_file), *words, "--json", check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def json(self, *words):
        return json.loads(self.verb(*words, "--json").stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    world = World(tmp_path_factory.mktemp("story"))
    try:
        world.open()
        yield world
    finally:
        world.close()


@pytest.fixture(scope="module")
def key(world):
    world.verb("team", "create", "search", "--contact", "#search")
    made = world.gateway.create_key("app", "--team", "search")
    wait_until(lambda: world.call("office", L7, made["key"])["status"] == 200, 15, "the key is known")
    return made


def bounce_of(world, network):
    rows = [json.loads(line) for line in world.verb("bounces", "--json").stdout.splitlines()]
    return [row for row in rows if row["network"] == network]


def test_true_sources_behind_both_balancers(world, key):
    for host, network in HOSTS.items():
        for url, listener in ((L7, "l7"), (L4, "l4")):
            row = world.gateway.wait_record(world.call(host, url, key["key"])["id"])
            assert (row["source"], row["listener"], row.get("network")) == (
                f"{network}.2", listener, host if host != "cloud" else None), (host, listener)


def test_nobody_gains_by_what_he_writes(world, key):
    office = f"{HOSTS['office']}.2"
    answer = world.call("cloud", L7, key["key"], **{"X-Forwarded-For": office, "Forwarded": f"for={office}"})
    assert world.gateway.wait_record(answer["id"])["source"] == f"{HOSTS['cloud']}.2"
    # straight to the gate, past the balancers: his header is not read, his PROXY line is no HTTP
    answer = world.call("cloud", f"http://{GATE}:8080", key["key"], **{"X-Forwarded-For": office})
    assert world.gateway.wait_record(answer["id"])["source"] == f"{HOSTS['cloud']}.2"
    forged = (f"import socket; s = socket.create_connection(('{GATE}', 8081), 10); "
              f"s.sendall(b'PROXY TCP4 {office} {GATE} 4711 8081\\r\\nGET /v1/models HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); "
              "print(s.recv(4096).split(b'\\r\\n')[0].decode())")
    assert " 400 " in world.run("cloud", sys.executable, "-c", forged).stdout


def test_the_story(world, key):
    # the cluster works, through the L4 balancer, until somebody closes the gate to all but the office
    served = world.call("cluster", L4, key["key"])
    assert served["status"] == 200
    world.gateway.wait_record(served["id"])
    # (a preview would have said so)
    closing = world.file("closing.yaml", "network_rules: [{team: search, allow: office, mode: enforce}]")
    warned = world.preview("--policy", closing, "--fail-on", "newly_refused > 0", code=1)
    assert warned["newly_refused"] > 0 and "cluster" in json.dumps(warned)
    world.verb("network", "rule", "create", "--team", "search", "--allow", "office", "--enforce")
    wait_until(lambda: world.call("cluster", L4, key["key"])["status"] == 403, 10, "the rule is in force")
    assert world.call("office", L7, key["key"])["status"] == 200

    # the refusal says what was seen, and whom to ask
    error = world.call("cluster", L4, key["key"])["body"]["error"]
    assert error["code"] == "network_not_allowed" and error["turnpike"]["contact"] == "#search"
    assert error["turnpike"]["seen"] == {"listener": "l4", "source": "10.10.2.2", "network": "cluster", "key": key["id"], "team": "search"}
    assert error["turnpike"]["rule"]["of"] == "team search"

    # the platform engineer sees who is turned away, and that they used to get through
    (bounce,) = wait_until(lambda: [row for row in bounce_of(world, "cluster") if row["calls"] >= 2], 15, "the bounces are known")
    assert (bounce["reason"], bounce["listener"], bounce["key"], bounce["team"]) == ("network_not_allowed", "l4", key["id"], "search")
    assert bounce["last_good_at"] and bounce["rule"] == "networks of team search"
    # (before the key was known everywhere, the office itself was told that it is none)
    assert not [row for row in bounce_of(world, "office") if row["reason"] != "invalid_api_key"]

    # the team's developer asks the doctor, where the workload runs
    doctor = world.run("cluster", BINARY, "doctor", L4, "--no-egress-check", "--json", check=False, TURNPIKE_API_KEY=key["key"])
    assert doctor.returncode == 1, doctor.stdout + doctor.stderr
    assert "network_not_allowed" in doctor.stdout

    # what would opening it do? The calls that bounced are no longer refused for where they came from; what they would have met
    # then, a preview cannot know: their bodies were not read
    before = world.preview()
    opening = world.file("opening.yaml", "network_rules: [{team: search, allow: office, mode: enforce}, "
                                         "{team: search, allow: cluster, mode: enforce}]")
    opened = world.preview("--policy", opening)
    assert opened["newly_refused"] < before["newly_refused"], "the cluster's calls of better days pass; the cloud's do not"
    assert before["refused_now"] - opened["refused_now"] >= bounce["calls"]
    assert opened["unknown"] + opened["newly_allowed"] >= bounce["calls"]

    # a new rule is observed, and lets nobody in; enforced, it does
    rule = world.json("network", "rule", "create", "--team", "search", "--allow", "cluster")

    def told():
        return rule["id"] in world.call("cluster", L4, key["key"])["body"]["error"]["message"]

    wait_until(told, 10, "the refusal names the rule that would help")
    world.verb("network", "rule", "edit", rule["id"], "--enforce")
    wait_until(lambda: world.call("cluster", L4, key["key"])["status"] == 200, 10, "the cluster is let in")
    assert world.call("cluster", L7, key["key"])["status"] == 200
    assert world.call("cloud", L7, key["key"])["status"] == 403
    doctor = world.run("cluster", BINARY, "doctor", L4, "--no-egress-check", "--json", check=False, TURNPIKE_API_KEY=key["key"])
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def test_a_host_that_reaches_providers_and_no_gateway(world, key):
    """Egress is open: bypass is possible, and the doctor says so."""
    Authority(world.directory).issue(PROVIDER, file="provider")
    server = subprocess.Popen(
        world.inside("provider", "openssl", "s_server", "-accept", f"{PROVIDER}:8443", "-quiet", "-www",
                     "-cert", world.directory / "provider.pem", "-key", world.directory / "provider.key"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: world.run("lonely", "curl", "-sk", "-o", "/dev/null", f"https://{PROVIDER}:8443", check=False).returncode == 0,
                   10, "the provider answers")
        doctor = world.run("lonely", BINARY, "doctor", L7, "--provider", f"{PROVIDER}:8443", "--json", check=False,
                           TURNPIKE_API_KEY=key["key"])
    finally:
        server.terminate()
        server.wait(10)
    assert doctor.returncode == 1, "the gateway is not reached"
    assert f"{PROVIDER}:8443" in doctor.stdout
