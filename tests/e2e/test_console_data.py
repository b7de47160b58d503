"""What the pages of the console are made of: figures, live calls, what needs attention, trying a rule, a playground.

All tests share one gateway; each takes a team of its own, so that none counts another's calls.
"""

import itertools
import json
import math
import re
import socket
import types
import urllib.parse

import pytest

from admin_client import PREFIX, AdminClient, UnixConnection
from fake_upstream import FakeUpstream, Gate
from gateway import Gateway, plain_config, wait_until
from wire_client import Wire

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    fake = FakeUpstream()
    gateway = Gateway(tmp_path_factory.mktemp("console"), plain_config(fake.url, workers=2))
    gateway.start()
    done = gateway.run("admin", "key", "create", "--data", str(gateway.data), "--name", "alice", "--role", "owner", "--json")
    try:
        yield types.SimpleNamespace(gateway=gateway, fake=fake, admin=AdminClient(gateway, json.loads(done.stdout)["key"]))
        gateway.stop()
        gateway.check_said()
    finally:
        gateway.kill()
        fake.stop()


@pytest.fixture
def team(house):
    """A team with a key, and ways to call with it."""
    name = f"team{next(NUMBERS)}"
    house.admin.post("/teams", {"name": name, "deny_models": ["denied"]})
    key = house.admin.post("/keys", {"name": f"{name}-key", "team": name})
    house.gateway.wait_key(key["key"])

    def call(model="fast", status=200, **more):
        with Wire(house.gateway.port, key=key["key"]) as wire:
            wire.chat(model, **more)
            answer = wire.answer()
            assert status in (None, answer.status), answer.body[:500]
            return answer

    def records():
        """All of the team; those with which wait_key tried the key are refused ones."""
        return [row for row in house.gateway.records() if row["team"] == name]

    return types.SimpleNamespace(name=name, key=key, call=call, records=records)


def lead_of(house, team):
    key = house.admin.post("/admin_keys", {"name": f"lead of {team}", "role": "team_lead", "team": team})
    return house.admin.as_key(key["key"])


# -- the overview -------------------------------------------------------------------------------


def nearest_rank(times, share):
    return sorted(times)[max(math.ceil(len(times) * share), 1) - 1]


def check_percentiles(shown, times, error):
    assert shown["calls"] == len(times)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        exact = nearest_rank(times, share)
        assert abs(shown[name] - exact) <= exact * error + 0.002, (name, shown[name], exact)


def test_an_overview_is_what_the_log_has(house, team):
    for number in range(12):
        team.call(stream=number % 3 == 0)
    team.call(model="denied", status=403)

    def look():
        answer = house.admin.get("/overview", team=team.name, since="2h")
        return answer if answer["period"]["sums"]["calls"] == len(team.records()) else None

    overview = wait_until(look, what="all calls are counted")
    records = team.records()
    period, error = overview["period"], overview["percentile_error"]
    assert (period["sums"]["served"], period["sums"]["refused"]) == (12, len(records) - 12)
    assert "model_not_allowed" in [row["refusal"] for row in records]
    assert period["sums"]["input_tokens"] == sum(row["input_tokens"] or 0 for row in records)
    check_percentiles(period["duration"], [row["duration_ms"] for row in records if row["outcome"] == "served"], error)
    firsts = [row["first_token_ms"] for row in records if row["first_token_ms"] is not None]
    assert len(firsts) == 4
    check_percentiles(period["first_token"], firsts, error)
    for row in records:
        if row["first_token_ms"] is not None:
            assert row["admitted_ms"] <= row["forwarded_ms"] <= row["first_token_ms"] <= row["duration_ms"]

    assert overview["step"] == "15m" and 8 <= len(overview["series"]) <= 9
    assert sum(point["sums"]["calls"] for point in overview["series"]) == len(records)
    edges = [point["since"] for point in overview["series"]] + [overview["series"][-1]["until"]]
    assert edges == sorted(edges) and edges[0] == period["since"] and edges[-1] == period["until"]
    assert all(a["until"] == b["since"] for a, b in zip(overview["series"], overview["series"][1:]))
    before = overview["before"]
    assert before["until"] == period["since"] and before["sums"]["calls"] == 0
    assert before["cache_share"] is None and before["duration"] == {"calls": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}


def test_an_overview_is_filtered(house, team):
    team.call()
    team.call(model="default")

    def calls(**more):
        return house.admin.get("/overview", team=team.name, **more)["period"]["sums"]["served"]

    wait_until(lambda: calls() == 2, what="both are counted")
    assert calls(model="fast") == calls(model="default") == 1
    assert calls(key=team.key["id"]) == 2 and calls(key="nobody") == 0
    assert calls(provider=house.admin.get("/targets")["items"][0]["provider"]) == 2
    assert calls(since="30d", step="day", timezone="Europe/Berlin") == 2
    lead = lead_of(house, team.name)
    assert lead.get("/overview")["period"]["sums"]["served"] == 2
    assert lead.get("/overview", status=403, team="others").field == "team"


@pytest.mark.parametrize("query,field", [({"since": "yesterday"}, "since"), ({"until": "2020-01-01"}, "until"), ({"step": "fortnight"}, "step"),
                                         ({"since": "90d", "step": "15m"}, "step"), ({"timezone": "Mars/Olympus"}, "timezone"),
                                         ({"tag": "prod"}, "tag")])
def test_a_wrong_question_about_the_overview(house, query, field):
    assert house.admin.get("/overview", status=400, **query).field == field


# -- calls as they finish -----------------------------------------------------------------------


class Events:
    """A reader of GET /events."""

    def __init__(self, admin, receive_buffer=None, headers=None, **query):
        self.connection = UnixConnection(admin.gateway.data / "admin.sock")
        self.connection.connect()
        if receive_buffer:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.connection.request("GET", f"{PREFIX}/events?{urllib.parse.urlencode(query)}",
                                headers={"authorization": f"Bearer {admin.key}", **(headers or {})})
        self.answer = self.connection.getresponse()

    def __enter__(self):
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.getheader("content-type") == "text/event-stream"
        assert self.answer.getheader("cache-control") == "no-store" and self.answer.getheader("x-accel-buffering") == "no"
        assert self.answer.readline() == b"retry: 2000\n" and self.answer.readline() == b"\n"
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """The next event: its fields."""
        fields = {}
        while (line := self.answer.readline()) != b"\n":
            assert line, "the stream has ended"
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = json.loads(value) if name == "data" else value
        return fields if fields else self.next()

    def call(self):
        event = self.next()
        assert event["event"] == "call", event
        return event["data"]


def test_calls_are_shown_as_they_finish(house, team):
    with Events(house.admin, team=team.name, outcome="served") as served, Events(house.admin, team=team.name, status="4xx") as refused:
        first = team.call().request_id
        denied = team.call(model="denied", status=403).request_id
        second = team.call(stream=True).request_id
        shown = [served.call(), served.call()]
        assert sorted(row["id"] for row in shown) == sorted([first, second])
        assert refused.call()["id"] == denied
    for row in shown:
        assert house.admin.get(f"/exchanges/{row['id']}") == row


def test_who_comes_back_sees_what_he_missed(house, team):
    with Events(house.admin, team=team.name, outcome="served") as events:
        seen = team.call().request_id
        event = events.next()
        assert event["data"]["id"] == seen
    missed = {team.call().request_id for _ in range(3)}
    for query, headers in (({}, {"last-event-id": event["id"]}), ({"last_event_id": event["id"]}, {})):
        with Events(house.admin, team=team.name, outcome="served", headers=headers, **query) as events:
            shown = {events.call()["id"] for _ in range(3)}
            while not missed <= shown:  # the last one seen may be shown again
                shown.add(events.call()["id"])
            assert shown <= {seen, *missed}
            live = team.call().request_id
            missed.add(live)
            assert live in (events.call()["id"], *shown)


def test_a_lead_sees_the_calls_of_the_team(house, team):
    lead = lead_of(house, team.name)
    assert lead.get("/events", status=403, team="others").field == "team"
    with Events(lead, outcome="served") as events:
        house.gateway.wait_key(house.gateway.key)
        with Wire(house.gateway.port, key=house.gateway.key) as wire:
            wire.chat("fast")
            assert wire.answer().status == 200
        mine = team.call().request_id
        assert events.call()["id"] == mine


def test_of_too_many_calls_the_number_is_told(house, team):
    """More than is sent in a second: nothing is lost uncounted."""
    with Events(house.admin, team=team.name, outcome="served") as events:
        count = 400
        with Wire(house.gateway.port, key=team.key["key"]) as wire:
            for _ in range(count):
                wire.chat("fast")
            for _ in range(count):
                assert wire.answer().status == 200
        shown = unsent = 0
        while shown + unsent < count:
            event = events.next()
            if event["event"] == "call":
                shown += 1
            else:
                assert event["event"] == "unsent" and event["data"]["too_slow"] is False
                assert event["data"]["served"] == event["data"]["calls"]
                unsent += event["data"]["calls"]
        assert shown + unsent == count and shown >= 20


def test_as_many_watch_as_may(house):
    watching = []
    try:
        for _ in range(16):
            watching.append(Events(house.admin).__enter__())
        full = house.admin.get("/events", status=409)
        assert full.code == "too_many"
    finally:
        for events in watching:
            events.__exit__()
    with wait_until(lambda: (events := Events(house.admin)).answer.status == 200 and events, what="a place is free again"):
        pass


@pytest.mark.parametrize("query,field", [({"status": "9xx"}, "status"), ({"last_event_id": "x"}, "last_event_id"), ({"outcome": "good"}, "outcome"),
                                         ({"model": "m" * 300}, None)])
def test_a_wrong_question_about_events(house, query, field):
    assert house.admin.get(f"/events?{urllib.parse.urlencode(query)}", status=400).field == field


# -- from a figure to the very calls ------------------------------------------------------------


def test_from_a_figure_to_the_very_calls(house, team):
    tagged = house.admin.post("/keys", {"name": f"{team.name}-tagged", "team": team.name, "tags": {"app": team.name}})
    house.gateway.wait_key(tagged["key"])
    mine = team.call().request_id
    with Wire(house.gateway.port, key=tagged["key"]) as wire:
        wire.chat("default")
        theirs = wire.answer().request_id

    def figure(**filter):
        return house.admin.get("/overview", **filter)["period"]["sums"]["served"]

    wait_until(lambda: figure(team=team.name) == 2, what="both are counted")
    for filter, ids in (({"team": team.name}, [theirs, mine]), ({"tag": f"app={team.name}"}, [theirs]), ({"key": team.key["id"]}, [mine]),
                        ({"team": team.name, "provider": "up"}, [theirs, mine]), ({"team": team.name, "model": "fast"}, [mine]),
                        ({"team": team.name, "provider": "nobody"}, []), ({"key": "nobody"}, []), ({"key": team.key["name"]}, [mine])):
        found = house.admin.get("/exchanges", outcome="served", **filter)["data"]
        assert [row["id"] for row in found] == ids, filter
        if "name" not in filter.get("key", ""):
            assert figure(**{name: team.key["id"] if name == "key" and value == team.key["name"] else value for name, value in filter.items()}) == len(ids)
    page = house.admin.get("/exchanges", team=team.name, outcome="served", limit=1)
    assert [row["id"] for row in page["data"]] == [theirs]
    page = house.admin.get("/exchanges", team=team.name, outcome="served", limit=1, cursor=page["next_cursor"])
    assert [row["id"] for row in page["data"]] == [mine] and page["next_cursor"] is None
    assert house.admin.get("/exchanges", status=400, tag="app").field == "tag"


# -- the story of a call ------------------------------------------------------------------------


def detail_of(house, request_id):
    house.gateway.wait_record(request_id)
    return house.admin.get(f"/exchanges/{request_id}/detail")


def test_the_story_of_a_good_call(house, team):
    request_id = team.call(stream=True).request_id
    story = detail_of(house, request_id)
    record = story["call"]
    assert record == house.admin.get(f"/exchanges/{request_id}")
    assert [step["name"] for step in story["steps"]] == ["decide", "send", "wait", "relay"]
    assert story["steps"][0]["from_ms"] == 0 and story["steps"][-1]["until_ms"] == record["duration_ms"]
    assert all(a["until_ms"] == b["from_ms"] for a, b in zip(story["steps"], story["steps"][1:]))
    attempt, = story["attempts"]
    assert (attempt["provider"], attempt["status"], attempt["error"], attempt["left"]) == (record["provider"], 200, None, None)
    assert story["error"] is None and story["observed"] == [] and story["parts"] == []
    explained = json.loads(house.gateway.run("prices", "explain", request_id, "--data", str(house.gateway.data), "--json").stdout)
    assert story["cost"]["recorded_usd"] == explained["recorded_cost_usd"] == record["cost_usd"]
    assert story["cost"]["lines"] == explained["lines"] and story["cost"]["lines"]
    assert story["cost"]["cost_usd"] == record["cost_usd"]


def test_the_story_of_a_refusal(house, team):
    story = detail_of(house, team.call(model="denied", status=403).request_id)
    assert [step["name"] for step in story["steps"]] in (["decide", "refuse"], ["refuse"])
    error = story["error"]
    assert (error["from"], error["status"], error["code"]) == ("turnpike", 403, "model_not_allowed")
    assert error["type"] and "model" in error["message"] and story["call"]["id"] in error["message"]
    assert story["attempts"] == [] and story["cost"]["lines"] == []


def test_the_story_of_a_call_from_where_it_may_not_come(house, team):
    rule = house.admin.post("/network_rules", {"team": team.name, "deny": "127.0.0.0/8", "mode": "enforce"})["id"]
    answer = wait_until(lambda: (tried := team.call(status=None)).status == 403 and tried, what="the rule holds")
    story = detail_of(house, answer.request_id)
    step, = story["steps"]
    assert story["call"]["rule"] == story["error"]["rule"] == rule
    assert step["name"] == "refuse" and step["text"] == f"{rule} refused it (network_not_allowed), before limits and budgets were asked"
    house.admin.delete(f"/network_rules/{rule}")


def test_the_story_of_a_call_whose_first_target_failed(house, team):
    async def limited(call):
        await call.body()
        call.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    answer = team.call(model=house.fake.script(limited).token, status=500)
    story = detail_of(house, answer.request_id)
    assert story["attempts"] and story["attempts"][-1]["status"] == 500
    assert (story["error"]["from"], story["error"]["status"]) == ("provider", 500)
    assert story["call"]["attempts"] >= len(story["attempts"])


def test_a_lead_hears_the_stories_of_the_team(house, team):
    lead = lead_of(house, team.name)
    mine = team.call().request_id
    with Wire(house.gateway.port, key=house.gateway.key) as wire:
        wire.chat("fast")
        other = wire.answer().request_id
    house.gateway.wait_record(other)
    assert lead.get(f"/exchanges/{mine}/detail")["call"]["team"] == team.name
    lead.get(f"/exchanges/{other}/detail", status=404)
    lead.get("/exchanges/req_none/detail", status=404)


# -- what needs attention -----------------------------------------------------------------------


def attention_of(admin, kind, **query):
    return [item for item in admin.get("/attention", **query)["data"] if item["kind"] == kind]


def test_a_budget_that_ends_needs_attention(house, team):
    budget = house.admin.post("/budgets", {"team": team.name, "amount": "0.000001", "soft": True})
    assert house.admin.get(f"/budgets/{budget['id']}")["used_up_at"] is None
    team.call()
    item, = wait_until(lambda: attention_of(house.admin, "budget_near_end", team=team.name), what="it is spent")
    assert (item["subject_kind"], item["subject"], item["team"], item["severity"]) == ("budget", budget["id"], team.name, "warning")
    assert budget["id"] in item["command"] and budget["id"] in item["page"] and team.name in item["text"] and "1" in item["text"]
    assert re.search(r": \$[\d.]+ of \$0\.0000010 is spent \(\d+ %\)", item["text"])
    assert house.admin.get(f"/budgets/{budget['id']}")["used_up_at"] is not None
    house.admin.patch(f"/budgets/{budget['id']}", {"soft": False})
    item, = attention_of(house.admin, "budget_used_up", team=team.name)
    assert item["severity"] == "urgent" and not attention_of(house.admin, "budget_near_end", team=team.name)
    lead = lead_of(house, team.name)
    assert attention_of(lead, "budget_used_up") == [item]
    assert lead.get("/attention", status=403, team="others").field == "team"
    house.admin.delete(f"/budgets/{budget['id']}")


def test_a_network_that_bounces_needs_attention(house, team):
    for _ in range(12):
        team.call(model="denied", status=403)
    item, = wait_until(lambda: attention_of(house.admin, "network_bouncing", team=team.name), what="the bounces are counted")
    assert item["subject"] == "127.0.0.0/24" and "model_not_allowed" in item["text"] and item["advice"]
    bounce = item["page"].rpartition("/")[2]
    assert house.admin.get(f"/bounces/{bounce}")["calls"] >= 10


def test_calls_without_a_price_need_attention(house, team):
    team.call(model="a-model-nobody-priced")
    item, = wait_until(lambda: attention_of(house.admin, "model_unpriced", team=team.name), what="the call is counted")
    assert item["subject"] == "a-model-nobody-priced" and item["text"].startswith("1 calls ")


def test_a_key_that_expires_needs_attention(house, team):
    assert not attention_of(house.admin, "key_expiring", team=team.name)
    house.admin.patch(f"/keys/{team.key['id']}", {"expires_at": "3d"})
    team.call()
    item, = wait_until(lambda: attention_of(house.admin, "key_expiring", team=team.name), what="its use is known")
    assert (item["subject"], item["team"]) == (team.key["id"], team.name) and team.key["name"] in item["text"]
    house.admin.patch(f"/keys/{team.key['id']}", {"expires_at": None})
    assert not attention_of(house.admin, "key_expiring", team=team.name)


def test_the_most_urgent_comes_first(house):
    answer = house.admin.get("/attention")
    order = ["urgent", "warning", "notice"]
    severities = [order.index(item["severity"]) for item in answer["data"]]
    assert severities == sorted(severities) and answer["left_out"] >= 0


# -- a rule before it is saved ------------------------------------------------------------------


def test_a_rule_is_tried_before_it_is_saved(house, team):
    for _ in range(3):
        last = team.call().request_id
    served = len([row for row in team.records() if row["outcome"] == "served"])
    before = house.admin.get("/network_rules")["data"], house.admin.get("/audit")["data"]

    def effect(body, **query):
        return house.admin.post("/network_rules/preview", body, status=200, **query)

    # What is not imported yet is in the journals, and read too.
    found = effect({"team": team.name, "deny": "127.0.0.0/8"}, since="1h")
    assert (found["newly_refused"], found["newly_allowed"], found["unknown"]) == (served, 0, 0)
    row, = found["refused"]
    assert (row["key"], row["key_name"], row["team"], row["calls"]) == (team.key["id"], team.key["name"], team.name, served)
    assert row["network"] == "127.0.0.0/24" and row["example"] == last
    assert found["asked_since"] == found["since"] and found["calls_left_out"] == 0
    assert effect({"key": team.key["id"], "deny": "127.0.0.1"})["newly_refused"] == served
    assert effect({"team": team.name, "deny": "10.0.0.0/8"})["newly_refused"] == 0
    assert (house.admin.get("/network_rules")["data"], house.admin.get("/audit")["data"]) == before

    rule = house.admin.post("/network_rules", {"team": team.name, "deny": "127.0.0.0/8", "mode": "observe"})
    assert effect({}, rule=rule["id"])["newly_refused"] == served
    assert effect({"allow": "127.0.0.0/8"}, rule=rule["id"])["newly_refused"] == 0
    assert house.admin.get(f"/network_rules/{rule['id']}") == rule
    house.admin.delete(f"/network_rules/{rule['id']}")


@pytest.mark.parametrize("body,query,code,field", [
    ({"deny": "10.0.0.0/8"}, {}, "missing_member", None), ({"team": "nobody", "deny": "10.0.0.0/8"}, {}, "invalid_value", "team"),
    ({"team": "TEAM", "deny": "10.0.0.0.0"}, {}, "invalid_value", "deny"), ({"team": "TEAM", "denny": "10.0.0.0/8"}, {}, "unknown_member", None),
    ({"team": "TEAM", "deny": "10.0.0.0/8"}, {"since": "400d"}, "invalid_value", "since")])
def test_a_wrong_rule_is_not_tried(house, team, body, query, code, field):
    body = {name: team.name if value == "TEAM" else value for name, value in body.items()}
    answer = house.admin.post("/network_rules/preview", body, status=400, **query)
    assert (answer.code, answer.field) == (code, field), answer.message


def test_who_may_not_make_rules_tries_none(house, team):
    lead_of(house, team.name).post("/network_rules/preview", {"team": team.name, "deny": "10.0.0.0/8"}, status=403)


# -- the playground -----------------------------------------------------------------------------


class Play:
    """An answer of POST /playground as it came: no shape of the admin API when a model gives it."""

    def __init__(self, admin, body, headers=None, **query):
        connection = UnixConnection(admin.gateway.data / "admin.sock")
        connection.request("POST", f"{PREFIX}/playground?{urllib.parse.urlencode(query)}", json.dumps(body),
                           {"authorization": f"Bearer {admin.key}", "content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        self.status, self.headers = answer.status, {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()
        connection.close()

    @property
    def json(self):
        return json.loads(self.body)


HELLO = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}


def test_a_call_from_the_playground_goes_the_whole_road(house, team):
    answer = Play(house.admin, HELLO, team=team.name)
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"], answer.body
    call_id = answer.headers["x-turnpike-call-id"]
    assert call_id.startswith("req_") and call_id != answer.headers["x-request-id"]
    assert answer.headers["x-turnpike-target"] == "up/gpt-4o-mini" and answer.headers["cache-control"] == "no-store"
    record = house.gateway.wait_record(call_id)
    assert (record["team"], record["key_name"], record["listener"]) == (team.name, "console alice", "(console)")
    assert record["tags"]["console"] and record["cost_usd"] != "0.000000000000" and record["outcome"] == "served"
    again = Play(house.admin, HELLO, team=team.name)
    assert house.gateway.wait_record(again.headers["x-turnpike-call-id"])["key_id"] == record["key_id"]
    made, = [row for row in house.admin.get("/audit", kind="key", object=record["key_id"])["data"]]
    assert made["action"] == "create" and made["after"]["expires_at"]

    refused = Play(house.admin, {**HELLO, "model": "denied"}, team=team.name)
    assert refused.status == 403 and refused.json["error"]["code"] == "model_not_allowed"
    assert house.gateway.wait_record(refused.headers["x-turnpike-call-id"])["outcome"] == "refused"


def test_a_stream_from_the_playground_is_passed_on(house, team):
    answer = Play(house.admin, {**HELLO, "stream": True}, team=team.name)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.rstrip().endswith(b"data: [DONE]") and answer.body.count(b"data: ") > 2
    assert house.gateway.wait_record(answer.headers["x-turnpike-call-id"])["streamed"]


def test_other_endpoints_and_large_bodies_can_be_tried(house, team):
    answer = Play(house.admin, {"model": "text-embedding-3-small", "input": "hi"}, endpoint="/embeddings", team=team.name)
    assert answer.status == 200 and answer.json["data"][0]["embedding"]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (3 << 20)}}
    answer = Play(house.admin, {**HELLO, "messages": [{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}]}, team=team.name)
    assert answer.status == 200, answer.body[:500]


def test_who_leaves_the_playground_ends_the_call(house, team):
    gate = Gate(house.fake)

    async def slow(call):
        await call.body()
        await gate.wait()
        call.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    connection = UnixConnection(house.gateway.data / "admin.sock")
    connection.request("POST", f"{PREFIX}/playground?team={team.name}", json.dumps({**HELLO, "model": house.fake.script(slow).token}),
                       {"authorization": f"Bearer {house.admin.key}"})
    assert gate.reached.wait(10)
    house.admin.get("/me")  # others are answered meanwhile
    connection.close()
    wait_until(lambda: [row for row in team.records() if row["outcome"] == "cancelled" and row["listener"] == "(console)"], what="the call has ended")
    gate.open()


def test_a_lead_plays_as_its_team(house, team):
    lead = lead_of(house, team.name)
    record = house.gateway.wait_record(Play(lead, HELLO).headers["x-turnpike-call-id"])
    assert (record["team"], record["key_name"]) == (team.name, f"console lead of {team.name}")
    assert Play(lead, HELLO, team="others").status == 403
    finance = house.admin.post("/admin_keys", {"name": "fred", "role": "finance"})
    assert Play(house.admin.as_key(finance["key"]), HELLO).status == 403
    for query, field in (({"team": "nobody"}, "team"), ({"endpoint": "/files"}, "endpoint"), ({"endpoint": "/turnpike/v1/token"}, "endpoint")):
        wrong = Play(house.admin, HELLO, **query)
        assert (wrong.status, wrong.json["error"]["field"]) == (400, field)
