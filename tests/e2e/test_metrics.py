"""/metrics, read by Prometheus's own parser."""

import json

from prometheus_client.parser import text_string_to_metric_families


def read(gateway):
    status, headers, body = gateway.get("/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def value(families, name, sample=None, **labels):
    return sum(s.value for s in families[name].samples
               if s.name == (sample or s.name) and labels.items() <= s.labels.items())


def test_the_parser_takes_all_of_it(gateway, client):
    client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "hi"}])
    families = read(gateway)
    for family in families.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
    assert value(families, "turnpike_keys") >= 1
    assert value(families, "turnpike_workers") == 2
    facts = json.loads(gateway.run("version", "--json").stdout)
    assert value(families, "turnpike_build_info", **{label: facts[label] for label in ("version", "commit", "compiler")}) == 1
    assert value(families, "process_resident_memory_bytes") > 1e6
    assert value(families, "process_start_time_seconds") > 1.7e9


def test_calls_are_counted(gateway, client):
    labels = {"endpoint": "/chat/completions", "status": "200"}
    before = read(gateway)
    was = value(before, "turnpike_requests", **labels) if "turnpike_requests" in before else 0
    for _ in range(3):
        client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "hi"}])
    after = read(gateway)
    assert value(after, "turnpike_requests", "turnpike_requests_total", **labels) >= was + 3
    assert value(after, "turnpike_request_duration_seconds", "turnpike_request_duration_seconds_count",
                 endpoint="/chat/completions") >= 3
    assert value(after, "turnpike_tokens", **{"provider": "up", "class": "input"}) > 0
