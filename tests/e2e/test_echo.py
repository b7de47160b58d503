"""POST /turnpike/v1/echo: what arrived of a call, told to who sent it: exactly that, no secret, and a stream on request."""

import hashlib
import http.client
import json
import time

import pytest

from gateway import Gateway, free_port, plain_config, wait_until

PATH = "/turnpike/v1/echo"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, fake):
    config = plain_config(fake.url, networks={"here": {"ranges": ["127.0.0.0/8"]}})
    config["listeners"] = {"main": {"address": f"127.0.0.1:{free_port()}"}}
    gateway = Gateway(tmp_path_factory.mktemp("echo"), config).start()
    yield gateway
    gateway.stop()


def ask(gateway, query="", body=b"", key=None, method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request(method, PATH + query, body, {"Authorization": f"Bearer {key or gateway.key}",
                                                    **{name.replace("_", "-"): value for name, value in headers.items()}})
    return connection, connection.getresponse()


def told(gateway, *arguments, **more):
    connection, answer = ask(gateway, *arguments, **more)
    body = answer.read()
    connection.close()
    assert answer.status == 200, body
    assert answer.headers["x-turnpike-echo-sha256"] == hashlib.sha256(body).hexdigest()
    return json.loads(body), answer


def test_what_arrives(gateway):
    body = '{"text": "Grüße ☃", "n": 1.0}'.encode()
    echo, answer = told(gateway, "?probe=a%20b&probe=&subscription-key=s3cret", body, Content_Type="text/weird; charset=utf-7",
                        Traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01", X_Unknown="hush-hush")
    assert (echo["object"], echo["method"], echo["path"], echo["http_version"]) == ("turnpike.echo", "POST", PATH, "1.1")
    assert echo["query"] == [{"name": "probe", "value": "a%20b"}, {"name": "probe", "value": ""}, {"name": "subscription-key", "length": 6}]
    assert echo["source"] == {"address": "127.0.0.1", "network": "here", "forwarder": None}
    assert echo["listener"] == {"name": "main", "tls": False}
    assert echo["body"] == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "framing": "content-length"}
    seen = {header["name"]: header for header in echo["headers"]}
    assert [header["name"] for header in echo["headers"]][:3] == ["Host", "Accept-Encoding", "Content-Length"]
    assert seen["Content-Type"]["value"] == "text/weird; charset=utf-7" and seen["Traceparent"]["value"].startswith("00-1")
    assert seen["X-Unknown"] == {"name": "X-Unknown", "length": 9}
    for header in echo["answer_headers"]:
        assert answer.headers[header["name"]] == header["value"]
    assert gateway.wait_record(echo["request_id"])["bytes_received"] == len(body)


def test_no_secret_comes_back(gateway):
    secrets = {"Cookie": "session=c00kie", "X-Api-Key": "k3y", "Proxy-Authorization": "Basic cHJveHk=", "Cf-Access-Client-Secret": "cl0ud",
               "Referer": "https://u:p@x/?token=abc", "Baggage": "session=b4ggage"}
    connection, answer = ask(gateway, **secrets)
    body = answer.read().decode()
    connection.close()
    assert not [value for value in [*secrets.values(), gateway.key] if value in body]
    by_name = {header["name"]: header for header in json.loads(body)["headers"]}
    assert by_name["Authorization"] == {"name": "Authorization", "present": True, "proof": "key", "id": gateway.key.split("_")[1][:12]}
    assert by_name["Cookie"] == {"name": "Cookie", "length": len("session=c00kie")}


def test_no_body_and_chunks(gateway):
    assert told(gateway)[0]["body"] == {"bytes": 0, "sha256": hashlib.sha256().hexdigest(), "framing": "none"}
    chunks = [b"x" * 70_000, b"y", b"z" * 200_000]
    body = told(gateway, "", iter(chunks))[0]["body"]
    whole = b"".join(chunks)
    assert body == {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest(), "framing": "chunked"}


def refused(gateway, *arguments, **more):
    connection, answer = ask(gateway, *arguments, **more)
    error = json.loads(answer.read())["error"]
    connection.close()
    return answer.status, error


def test_bounds(gateway):
    largest = 4 << 20
    assert told(gateway, "", b"a" * largest)[0]["body"]["bytes"] == largest
    status, error = refused(gateway, "", b"a" * (largest + 1))
    assert status == 413 and str(largest) in error["message"]
    status, error = refused(gateway, "", iter([b"a" * largest, b"a"]))
    assert status == 413
    for query in ("?events=101", "?events=-1", "?events=many", "?events=3&interval_ms=1800001", "?interval_ms=99999999999999999999"):
        status, error = refused(gateway, query)
        assert status == 400 and "interval_ms" in error["message"], query


def test_strangers_hear_nothing(gateway):
    status, error = refused(gateway, key="tpk_wrong")
    assert status == 401
    assert refused(gateway, method="GET")[0] == 405


def events_of(answer):
    """The data of each event, and when it came."""
    for line in answer:
        if line.startswith(b"data: "):
            yield line[6:].strip(), time.monotonic()


def test_a_stream(gateway):
    connection, answer = ask(gateway, "?events=4&interval_ms=200", b"{}")
    assert answer.headers["content-type"].startswith("text/event-stream") and answer.headers["x-should-retry"] == "false"
    events = list(events_of(answer))
    connection.close()
    echo = json.loads(events[0][0])
    assert echo["body"]["bytes"] == 2
    sent = [json.loads(data) for data, _ in events[1:-1]]
    assert [event["index"] for event in sent] == [1, 2, 3, 4] and events[-1][0] == b"[DONE]"
    # By the gateway's own clock none is early; that they are not late is no test's to say on a busy machine.
    assert all(event["sent_us"] >= 200_000 * place for place, event in enumerate(sent))
    assert sent[0]["sent_us"] < 200_000
    record = gateway.wait_record(echo["request_id"])
    assert (record["outcome"], record["status"], record["streamed"]) == ("served", 200, True)
    assert float(record["cost_usd"] or 0) == 0


def test_who_leaves_ends_it(gateway):
    connection, answer = ask(gateway, "?events=2&interval_ms=600000")
    echo = json.loads(next(events_of(answer))[0])
    answer.close()
    connection.close()
    assert gateway.wait_record(echo["request_id"])["outcome"] == "cancelled"


def test_so_many_and_no_more(gateway):
    held = [ask(gateway, "?events=2&interval_ms=600000") for _ in range(64)]
    try:
        assert {answer.status for _, answer in held} == {200}
        status, error = refused(gateway, "?events=2&interval_ms=1")
        assert status == 503 and error["code"] == "overloaded"
        assert told(gateway)[0]["object"] == "turnpike.echo"
    finally:
        for connection, answer in held:
            answer.close()
            connection.close()

    def takes_one():
        connection, answer = ask(gateway, "?events=2&interval_ms=1")
        answer.read()
        connection.close()
        return answer.status == 200

    wait_until(takes_one, 10, "the places are free again")


def test_a_drain_does_not_wait_for_it(fake, tmp_path):
    gateway = Gateway(tmp_path, plain_config(fake.url)).start()
    try:
        connection, answer = ask(gateway, "?events=2&interval_ms=600000")
        events = events_of(answer)
        next(events)
        gateway.signal(15)
        rest = [data for data, _ in events]
        connection.close()
        assert b"ended_early" in rest[-2] and rest[-1] == b"[DONE]"
    finally:
        gateway.stop()
