"""`turnpike usage` against sums that Python makes of `turnpike log --json`."""

import collections
import csv
import datetime
import importlib.util
import io
import json
import pathlib
import random
import sqlite3
import sys
import zoneinfo
from decimal import Decimal

import pytest

from command import BINARY, turnpike

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SUMS = {"calls": "calls", "input_tokens": "input_tokens", "output_tokens": "output_tokens",
        "cached_input_tokens": "cached_input_tokens"}
UTC = datetime.timezone.utc


def run_script(*arguments):
    spec = importlib.util.spec_from_file_location("make_usage_store", ROOT / "bench" / "make_usage_store.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before, sys.argv = sys.argv, ["make_usage_store", *map(str, arguments)]
    try:
        module.main()
    finally:
        sys.argv = before


def encoded_model(name):
    """As a record holds it: field 13, a text."""
    return bytes([13 << 2 | 1, len(name)]) + name.encode()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A store of three thousand calls in six days; some unpriced, some estimated, one hostile model."""
    data = tmp_path_factory.mktemp("usage")
    run_script("--turnpike", BINARY, "--data", data, "--calls", 3000, "--days", 6, "--keys", 7, "--teams", 3)
    with sqlite3.connect(data / "turnpike.db") as store:
        (model,) = store.execute("SELECT model FROM usage_series WHERE id = 2").fetchone()
        store.create_function("rename", 1, lambda record: record.replace(encoded_model(model), encoded_model('=HYPERLINK("x")')))
        store.execute("UPDATE exchanges SET record = rename(record) WHERE series = 2")
        store.execute("UPDATE usage_series SET model = '=HYPERLINK(\"x\")' WHERE id = 2")
    return data


@pytest.fixture(scope="module")
def log(data):
    return [json.loads(line) for line in turnpike("log", "--data", data, "--json").stdout.splitlines()]


def usage(data, *arguments):
    return json.loads(turnpike("usage", "--data", data, "--json", *arguments).stdout)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def local_label(record, step, zone):
    local = instant(record["started_at"]).astimezone(zone)
    if step == "week":
        local -= datetime.timedelta(days=local.weekday())
    return local.strftime({"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}[step])


def value_of(record, word, zone):
    if word in ("hour", "day", "week", "month"):
        return local_label(record, word, zone)
    if word.startswith("tag:"):
        return (record["tags"] or {}).get(word[4:], "")
    return record[{"key": "key_id", "service": "price_service"}.get(word, word)] or ""


def slow_sums(log, words, zone, since=None, until=None, keep=lambda record: True):
    groups = collections.defaultdict(collections.Counter)
    for record in log:
        at = instant(record["started_at"])
        if (since and at < since) or (until and at >= until) or not keep(record):
            continue
        group = groups[tuple(value_of(record, word, zone) for word in words)]
        for shown, field in SUMS.items():
            group[shown] += record[field] or 0
        group["cost"] += Decimal(record["cost_usd"] or 0)
        for outcome in ("served", "refused"):
            group[outcome] += record["outcome"] == outcome
    return groups


def check(answer, words, expected):
    shown = {tuple(row[word] for word in words): row for row in answer["rows"]}
    assert set(shown) == set(expected)
    for group, sums in expected.items():
        row = shown[group]
        assert Decimal(row["cost_usd"]) == sums["cost"]
        assert {name: row[name] for name in (*SUMS, "served", "refused")} == {name: sums[name] for name in (*SUMS, "served", "refused")}
    assert Decimal(answer["total"]["cost_usd"]) == sum((sums["cost"] for sums in expected.values()), Decimal(0))


ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Australia/Lord_Howe"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("words", [["day"], ["team", "hour"], ["week", "model"], ["month"], ["key", "tag:env", "day"]])
def test_sums_by_time_in_a_zone(data, log, zone, words):
    answer = usage(data, "--since", "all", "--timezone", zone, "--by", ",".join(words))
    check(answer, words, slow_sums(log, words, zoneinfo.ZoneInfo(zone)))


def test_sums_between_any_instants(data, log):
    chance = random.Random(3)
    first = instant(log[0]["started_at"])
    for _ in range(25):
        bounds = sorted(first + datetime.timedelta(seconds=chance.randrange(-86400, 7 * 86400)) for _ in range(2))
        bounds = [at.replace(microsecond=0) for at in bounds]
        words = chance.sample(["team", "key", "model", "target_model", "provider", "service", "tag:app", "day"], chance.randrange(1, 4))
        answer = usage(data, "--since", bounds[0].strftime("%Y-%m-%dT%H:%M:%SZ"), "--until",
                       bounds[1].strftime("%Y-%m-%dT%H:%M:%SZ"), "--by", ",".join(words))
        check(answer, words, slow_sums(log, words, UTC, *bounds))


def test_filters(data, log):
    for arguments, keep in [
        (["--team", "team-1"], lambda r: r["team"] == "team-1"),
        (["--team", "team-1", "--team", "team-2"], lambda r: r["team"] in ("team-1", "team-2")),
        (["--model", "gpt-*"], lambda r: r["model"].startswith("gpt-") or r["target_model"].startswith("gpt-")),
        (["--provider", "openai", "--tag", "env=prod"], lambda r: r["provider"] == "openai" and r["tags"]["env"] == "prod"),
        (["--tag", "env=prod", "--tag", "app=app-1"], lambda r: r["tags"] == {"env": "prod", "app": "app-1"}),
    ]:
        check(usage(data, "--since", "all", "--by", "team,model", *arguments), ["team", "model"],
              slow_sums(log, ["team", "model"], UTC, keep=keep))


def test_csv_is_exact_and_no_formula(data, log):
    text = turnpike("usage", "--data", data, "--since", "all", "--by", "model,key", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = slow_sums(log, ["model", "key"], UTC)
    assert len(rows) == len(expected)
    for row in rows:
        assert not row["model"].startswith("=")
        sums = expected[(row["model"].removeprefix("'"), row["key"])]
        assert Decimal(row["cost_usd"]) == sums["cost"] and len(row["cost_usd"].split(".")[1]) == 12
    assert any(row["model"] == "'=HYPERLINK(\"x\")" for row in rows)


# FOCUS 1.2: column, type, whether it may be null. Those in force for a seller of usage.
FOCUS = {
    "BilledCost": ("decimal", False), "BillingAccountId": ("string", False), "BillingAccountName": ("string", True),
    "BillingCurrency": ("currency", False), "BillingPeriodEnd": ("time", False), "BillingPeriodStart": ("time", False),
    "ChargeCategory": ({"Usage", "Purchase", "Tax", "Credit", "Adjustment"}, False), "ChargeClass": ({"Correction"}, True),
    "ChargeDescription": ("string", True), "ChargeFrequency": ({"One-Time", "Recurring", "Usage-Based"}, False),
    "ChargePeriodEnd": ("time", False), "ChargePeriodStart": ("time", False), "ConsumedQuantity": ("decimal", True),
    "ConsumedUnit": ("string", True), "ContractedCost": ("decimal", False), "ContractedUnitPrice": ("decimal", True),
    "EffectiveCost": ("decimal", False), "InvoiceIssuerName": ("string", False), "ListCost": ("decimal", False),
    "ListUnitPrice": ("decimal", True), "PricingCategory": ({"Standard", "Dynamic", "Committed", "Other"}, True),
    "PricingQuantity": ("decimal", True), "PricingUnit": ("string", True), "ProviderName": ("string", False),
    "PublisherName": ("string", False), "RegionId": ("string", True), "RegionName": ("string", True),
    "ResourceId": ("string", True), "ResourceName": ("string", True), "ResourceType": ("string", True),
    "ServiceCategory": ({"AI and Machine Learning"}, False), "ServiceName": ("string", False),
    "ServiceSubcategory": ({"Generative AI"}, False), "SkuId": ("string", True), "SkuMeter": ("string", True),
    "SkuPriceId": ("string", True), "SubAccountId": ("string", True), "SubAccountName": ("string", True),
    "SubAccountType": ("string", True), "Tags": ("tags", True),
}


def check_focus_value(column, value):
    kind, nullable = FOCUS[column]
    if value == "":
        assert nullable, column
    elif kind == "decimal":
        assert Decimal(value).is_finite() and "e" not in value.lower()
    elif kind == "time":
        datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    elif kind == "currency":
        assert value == "USD"
    elif kind == "tags":
        assert all(isinstance(v, str) for v in json.loads(value).values())
    elif isinstance(kind, set):
        assert value in kind


def test_focus(data, log):
    text = turnpike("usage", "--data", data, "--since", "all", "--format", "focus").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [name for name in rows[0] if not name.startswith("x_")] == list(FOCUS)
    for row in rows:
        for column in FOCUS:
            check_focus_value(column, row[column])
        start, end = (datetime.datetime.strptime(row[f"ChargePeriod{name}"], "%Y-%m-%dT%H:%M:%SZ") for name in ("Start", "End"))
        first, last = (datetime.datetime.strptime(row[f"BillingPeriod{name}"], "%Y-%m-%dT%H:%M:%SZ") for name in ("Start", "End"))
        assert first <= start < end <= last
        assert end - start == datetime.timedelta(days=1) and start.hour == start.minute == 0  # also where the first call was at noon
        assert row["SkuPriceId"].startswith(row["SkuId"] + "/")
        assert row["BilledCost"] == row["EffectiveCost"] == row["ListCost"] == row["ContractedCost"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == sum(Decimal(r["cost_usd"] or 0) for r in log)
    by_team = collections.Counter()
    for row in rows:
        by_team[row["SubAccountId"]] += int(row["x_InputTokens"])
    assert by_team == collections.Counter({group[0]: sums["input_tokens"] for group, sums in slow_sums(log, ["team"], UTC).items()})


def test_unpriced_is_said_and_never_free(tmp_path):
    run_script("--turnpike", BINARY, "--data", tmp_path, "--calls", 50, "--days", 1, "--keys", 1, "--teams", 1, "--models", 2)
    with sqlite3.connect(tmp_path / "turnpike.db") as store:
        for table in ("usage_quarters", "usage_days"):
            store.execute(f"UPDATE {table} SET unpriced = served, cost_usd = 0, cost_picos = 0 WHERE series = 1")
        calls = store.execute("SELECT sum(served) FROM usage_days WHERE series = 1").fetchone()[0]
        model = store.execute("SELECT model FROM usage_series WHERE id = 1").fetchone()[0]
    done = turnpike("usage", "--data", tmp_path, "--since", "all")
    line = next(line for line in done.stdout.splitlines() if line.startswith(model + " "))
    assert "unpriced" in line and "$" not in line and f"{calls} calls unpriced" in line
    assert f"{calls} calls have no price" in done.stderr
    row = next(row for row in usage(tmp_path, "--since", "all")["rows"] if row["model"] == model)
    assert row["cost_usd"] is None and row["unpriced"] == calls


def test_table_has_totals_and_names(data):
    text = turnpike("usage", "--data", data, "--since", "all", "--by", "team").stdout
    lines = text.splitlines()
    assert lines[0].split() == ["TEAM", "CALLS", "INPUT", "CACHED", "OUTPUT", "COST", "NOTE"]
    assert lines[-1].startswith("total") and "$" in lines[-1]


def test_nothing_found_teaches(data, tmp_path):
    out = turnpike("usage", "--data", data, "--team", "nobody").stdout
    assert "No calls that match" in out and "--since all" in out
    assert usage(data, "--team", "nobody")["rows"] == []
    turnpike("key", "create", "--data", tmp_path, "--name", "x")
    assert "No calls" in turnpike("usage", "--data", tmp_path).stdout
    assert "no store yet" in turnpike("usage", "--data", tmp_path / "none", code=1).stderr


@pytest.mark.parametrize("arguments, words", [
    (["--by", "colour"], "--by colour"),
    (["--by", "team,team"], "each once"),
    (["--by", "day,hour"], "one step of time"),
    (["--by", "tag:"], "--by tag:"),
    (["--by", ""], "--by"),
    (["--since", "yesterday"], "yesterday is no time"),
    (["--since", "2026-02-30"], "2026-02-30 is no time"),
    (["--until", "2026-04-31T10:00:00Z"], "2026-04-31T10:00:00Z is no time"),
    (["--since", "1d", "--until", "2d"], "--until is not after --since"),
    (["--timezone", "Mars/Olympus"], "no time zone Mars/Olympus"),
    (["--timezone", "../../etc/passwd"], "no time zone"),
    (["--format", "xml"], "xml is no format"),
    (["--format", "csv", "--json"], "contradict"),
    (["--format", "focus", "--by", "team"], "groups of its own"),
    (["--tag", "env"], "NAME=VALUE"),
])
def test_wrong_command_lines_say_so(data, arguments, words):
    assert words in turnpike("usage", "--data", data, *arguments, code=2).stderr


def test_unknown_key(data):
    assert "there is no key" in turnpike("usage", "--data", data, "--key", "nope", code=1).stderr
    assert "No calls that match" in turnpike("usage", "--data", data, "--key", "first").stdout
