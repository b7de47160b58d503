#!/usr/bin/env python3
"""Makes a store with many calls, for measuring `turnpike usage` and `turnpike preview`.

    bench/make_usage_store.py --turnpike build/turnpike --data /var/tmp/usage --calls 10000000
    time build/turnpike usage --data /var/tmp/usage --by team,day --since 7d
    time build/turnpike preview --config bench/preview.yaml --data /var/tmp/usage --since 90d

`turnpike key create` makes the store, so that its tables are those of that build. The rows of calls
are put in directly; the rollups are made of them by SQL, which knows nothing of the code that keeps
them (so the sums are an independent count). Calls are spread over --days with a working day's shape,
and over keys as a few large ones and many small.
"""

import argparse
import json
import math
import os
import pathlib
import random
import re
import sqlite3
import subprocess
import time

MODELS = [("gpt-5-mini", "openai"), ("gpt-5", "openai"), ("claude-sonnet", "anthropic"), ("text-embedding", "openai"),
          ("gemini-flash", "google"), ("llama-70b", "vllm")]
RECORDED = ["started_at", "key_id", "team", "model", "target_model", "provider", "tags", "outcome", "status", "input_tokens",
            "output_tokens", "cached_input_tokens", "cost", "cost_state", "price_service", "calls", "duration",
            "finished_at", "method", "endpoint", "listener", "source", "bytes_received", "attempts", "refusal", "units",
            "usage_source", "admitted", "asked_input", "asked_output", "first_token"]
SOURCES = [f"10.{place % 7}.{place % 29}.{place % 251}" for place in range(2000)]
OUTCOMES = ["", "served", "refused"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
QUARTER, DAY = 900 * 10**9, 86400 * 10**9


def make_keys(turnpike, data, keys, teams):
    subprocess.run([turnpike, "key", "create", "--data", data, "--name", "first", "--team", "team-0"], check=True,
                   stdout=subprocess.DEVNULL)
    return [(f"key{number:09d}", f"team-{number % teams}") for number in range(keys)]


def make_series(database, keys, models):
    """The series and, beside each, how often it is used."""
    series, weights = [], []
    for rank, (key, team) in enumerate(keys):
        tags = json.dumps({"env": "prod" if rank % 3 else "test", "app": f"app-{rank % 17}"}, separators=(",", ":"))
        for place in range(models):
            model, provider = MODELS[(rank + place) % len(MODELS)]
            series.append((len(series) + 1, key, team, model, model + "-2026", provider, "standard", tags))
            weights.append(1 / (rank + 1) ** 0.7 / (place + 1))
    database.executemany("INSERT INTO usage_series (id, key_id, team, model, target_model, provider, service, tags)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", series)
    return series, weights


def calls(series, weights, count, start, days):
    """In the order of time. Four in five in twelve hours of the day."""
    chosen = random.choices(range(len(series)), weights, k=count)
    times = sorted(start + random.randrange(days) * DAY
                   + (int(random.triangular(6, 20, 13) * 3600e9) if random.random() < 0.8 else random.randrange(DAY))
                   for _ in range(count))
    for place, at in zip(chosen, times):
        number, key, team, model, target, provider, service, tags = series[place]
        tokens_in = int(math.exp(random.gauss(6.5, 1.2)))
        tokens_out = int(math.exp(random.gauss(5, 1)))
        served = random.random() < 0.97
        took = int(math.exp(random.gauss(7.3, 0.9)) * 10**6) if served else 300_000
        yield (int(at // 10**6).to_bytes(6, "big") + os.urandom(10), at, key, team, model, target, provider, tags,
               "served" if served else "refused", 200 if served else 429, tokens_in if served else None,
               tokens_out if served else None, 0, tokens_in * 250_000 + tokens_out * 2_000_000 if served else None,
               "priced" if served else "none", service, 1, took, at + took, "POST", "/chat/completions",
               "main", SOURCES[place % len(SOURCES)], tokens_in * 4, 1 if served else 0,
               "" if served else "rate_limit_exceeded",
               f'{{"input":{tokens_in},"output":{tokens_out}}}' if served else "", 1 if served else 0, 40_000,
               tokens_in * 4, tokens_out * 2, took // 4 if served and place % 2 else None, number)


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def encoder():
    """What src/store/record.h calls the encoding of a record's fields, for those of RECORDED."""
    rows = re.findall(r"^FIELD\((\d+), (\w+), (\w+),", (ROOT / "src/tables/ledger_fields.def").read_text(), re.M)
    fields = {name: (int(number), kind) for number, kind, name in rows}

    def encode(*values):
        record = b""
        for name, value in zip(RECORDED, values):
            number, kind = fields[name]
            if value is None or value == "":
                continue
            if kind == "OUTCOME":  # usage_source is a number already
                value = OUTCOMES.index(value)
            if isinstance(value, str):
                text = value.encode()
                record += varint(number << 2 | 1) + varint(len(text)) + text
            else:
                record += varint(number << 2) + varint(value)
        return record

    return encode


def bucket(microseconds):
    """As src/store/histogram.c has it: 16 for each power of two."""
    if microseconds < 16:
        return microseconds
    shift = microseconds.bit_length() - 5
    return shift * 16 + (microseconds >> shift)


class Histogram:
    """An aggregate: what src/store/histogram.h calls the encoding."""

    def __init__(self):
        self.counts = {}

    def step(self, nanoseconds):
        if nanoseconds is not None:
            place = bucket(nanoseconds // 1000)
            self.counts[place] = self.counts.get(place, 0) + 1

    def finalize(self):
        out, following = b"", 0
        for place in sorted(self.counts):
            out += varint(place - following) + varint(self.counts[place])
            following = place + 1
        return out or None


def fill_rollups(database):
    database.create_aggregate("histogram", 1, Histogram)
    special = {"calls": "sum(calls)", "served": "sum(outcome = 'served')", "refused": "sum(outcome = 'refused')",
               "unpriced": "sum(cost_state = 'unpriced')", "estimated": "sum(cost_state = 'estimated')",
               "failed": "0", "cancelled": "0", "interrupted": "0", "duration_us": "sum(duration / 1000)",
               "cost_usd": "sum(coalesce(cost, 0)) / 1000000000000", "cost_picos": "sum(coalesce(cost, 0)) % 1000000000000",
               "adjusted_usd": "0", "adjusted_picos": "0", "series": "series",
               "durations": "histogram(iif(outcome = 'served', duration, NULL))",
               "first_tokens": "histogram(iif(outcome = 'served', first_token, NULL))"}
    for table, length in (("usage_quarters", QUARTER), ("usage_totals", QUARTER), ("usage_days", DAY)):
        special["series"] = "0" if table == "usage_totals" else "series"
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = [f"started_at / {length}" if name == "bucket" else special.get(name, f"sum(coalesce({name}, 0))" if name in RECORDED else "0")
                  for name in columns]
        database.execute(f"INSERT INTO {table} SELECT {', '.join(values)} FROM calls GROUP BY 1, 2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turnpike", default="build/turnpike")
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--teams", type=int, default=40)
    parser.add_argument("--models", type=int, default=4, help="of each key")
    options = parser.parse_args()
    random.seed(7)
    keys = make_keys(options.turnpike, options.data, options.keys, options.teams)
    database = sqlite3.connect(options.data / "turnpike.db", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    series, weights = make_series(database, keys, options.models)
    start = int(time.time()) * 10**9 // DAY * DAY - (options.days - 1) * DAY
    columns = ["id", *RECORDED, "series"]
    database.execute(f"CREATE TEMP TABLE calls ({', '.join(columns)})")
    database.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * len(columns))})",
                         calls(series, weights, options.calls, start, options.days))
    database.create_function("encode", len(RECORDED), encoder())
    database.execute("INSERT INTO exchanges (id, started_at, series, record)"
                     f" SELECT id, started_at, series, encode({', '.join(RECORDED)}) FROM calls")
    fill_rollups(database)
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for table in ("exchanges", "usage_series", "usage_quarters", "usage_days"):
        print(f"{table}: {database.execute(f'SELECT count(*) FROM {table}').fetchone()[0]:,} rows")


if __name__ == "__main__":
    main()
