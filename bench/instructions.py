#!/usr/bin/env python3
"""Counts the instructions that a call costs in Turnpike, by thread, and in nginx.

Unlike time they come out the same on a busy machine: a change of one per cent is seen in one run.
bench/RESULTS.md tells the method. Callgrind counts; each figure is the difference between a run with more calls
and one with fewer, so that start, first calls and end cancel out.
"""

import argparse
import contextlib
import dataclasses
import http.client
import os
import pathlib
import shutil
import sys
import tempfile

import bench

SLOWER = 60  # times, at most, that callgrind makes a server slower
COLUMNS = ["worker", "import", "access log"]
BEGIN, END = "<!-- instructions -->", "<!-- end of instructions -->"


@dataclasses.dataclass(frozen=True)
class Load:
    """So many calls on each of so many connections: each sends, then each is read."""

    scenario: bench.Scenario
    connections: int
    calls: int

    def total(self):
        return self.connections * self.calls


WARM_UP_CALLS = 4
LOADS = [
    Load(bench.SCENARIOS[0], bench.CONNECTIONS, 64),
    Load(bench.SCENARIOS[1], bench.CONNECTIONS, 16),
    Load(bench.SCENARIOS[-1], bench.STREAM_CONNECTIONS, 6),
]
HISTORY = bench.BENCH / "instructions.csv"


@dataclasses.dataclass(frozen=True)
class Place:
    """What all runs share: the folder, the ports, the key and the binary."""

    folder: pathlib.Path
    values: dict
    key: str
    turnpike: pathlib.Path


# ---------------------------------------------------------------- calling


def drive(port, load, calls, key, translated):
    """The same number of calls on every connection; the answers of a round are awaited together."""
    body = bench.request_body(load.scenario, translated)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(load.connections)]
    for _ in range(calls):
        for connection in connections:
            connection.request("POST", "/v1/chat/completions", body, headers)
        for connection in connections:
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise SystemExit(f"bench: a call was answered with {answer.status}")
    for connection in connections:
        connection.close()


# ---------------------------------------------------------------- counting


def thread_names(pid):
    """The names of a process's threads in the order of their making, which is how callgrind numbers them."""
    tasks = sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))
    return [(task / "comm").read_text().strip() for task in tasks]


def column_of(subject, name):
    """Where a thread of that name is counted."""
    if subject == "nginx" or name.startswith("worker"):
        return "worker"
    return "access log" if name == "access log" else "import"


def read_total(path):
    """The sum of instructions in a callgrind file: its "totals:" or "summary:" line."""
    for line in path.read_text().splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise SystemExit(f"bench: {path} has no total")


def under_callgrind(out, command):
    options = ["--tool=callgrind", "--separate-threads=yes", "--dump-line=no", f"--callgrind-out-file={out}"]
    return ["valgrind", "-q", *options, *map(str, command)]


@contextlib.contextmanager
def served(place, subject, out):
    """One proxy under callgrind; gives its port and its port for streams, and the process that counts."""
    if subject == "nginx":
        config = bench.write_from_template("yardstick.conf", place.folder, place.values)
        command = [nginx_path(), "-p", place.folder, "-c", config]
        ports = place.values["YARDSTICK_PORT"], place.values["YARDSTICK_STREAM_PORT"]
    else:
        config = bench.write_from_template("turnpike.yaml", place.folder, place.values)
        command = [place.turnpike, "serve", "--config", config, "--data", place.folder / "data"]
        ports = (place.values["TURNPIKE_PORT"],) * 2
    with bench.process(under_callgrind(out, command), ports[0], place.folder / f"{subject}.log", bench.turnpike_environment()) as child:
        yield ports, bench.only_child(child.pid) if subject == "nginx" else child.pid


def nginx_path():
    return shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


def count(place, subject, load, calls):
    """Instructions of one run from start to end, by column. Callgrind's files stay in the folder until the next run."""
    out = place.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with served(place, subject, out / "%p") as (ports, pid):
        drive(ports[load.scenario.stream], load, calls, place.key, subject == bench.TRANSLATING)
        names = thread_names(pid)
    totals = dict.fromkeys(COLUMNS, 0)
    for path in out.glob(f"{pid}-*"):
        number = int(path.name.rpartition("-")[2])
        name = names[number - 1] if number <= len(names) else ""
        totals[column_of(subject, name)] += read_total(path)
    return totals


def measure(place, subject, load):
    """Instructions a call, by column."""
    fewer = count(place, subject, load, WARM_UP_CALLS)
    more = count(place, subject, load, WARM_UP_CALLS + load.calls)
    return {column: (more[column] - fewer[column]) / load.total() for column in COLUMNS}


def run(place, loads, subjects):
    rows = []
    for load in loads:
        for subject in subjects:
            if subject == bench.TRANSLATING and not load.scenario.stream:
                continue
            bench.progress(f"{load.scenario.name}: {subject}")
            rows.append({"scenario": load.scenario.name, "proxy": subject, **measure(place, subject, load)})
    bench.progress("")
    return rows


# ---------------------------------------------------------------- telling


def table(rows):
    totals = {(row["scenario"], row["proxy"]): sum(row[column] for column in COLUMNS) for row in rows}
    lines = ["| request | proxy | worker | import and the rest | access log | all | × nginx |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        total = totals[row["scenario"], row["proxy"]]
        yardstick = totals.get((row["scenario"], "nginx"))
        cells = [row["scenario"], row["proxy"], *(f"{row[column]:,.0f}" for column in COLUMNS), f"{total:,.0f}"]
        cells.append(f"{total / yardstick:.2f}" if yardstick else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def remember(about, rows):
    """One line a run in the history: what a change of the code did to the counts, commit by commit."""
    lines = HISTORY.read_text().splitlines() if HISTORY.exists() else ["date,commit,request,proxy,worker,import,access log"]
    for row in rows:
        counts = ",".join(f"{row[column]:.0f}" for column in COLUMNS)
        lines.append(f"{about['when']},{about['turnpike']},{row['scenario']},{row['proxy']},{counts}")
    HISTORY.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="./dev bench --instructions")
    parser.add_argument("--instructions", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--binary", type=pathlib.Path, default=bench.TURNPIKE, help="count this one instead of build/turnpike")
    parser.add_argument("--only", help="one scenario: a part of its name, such as '1 KB'")
    parser.add_argument("--turnpike-only", action="store_true", help="leave nginx out")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/RESULTS.md and bench/instructions.csv")
    options = parser.parse_args()

    bench.TURNPIKE = options.binary.resolve()
    bench.START_SECONDS *= SLOWER
    bench.DRAIN_SECONDS *= SLOWER
    bench.POLL_SECONDS *= SLOWER
    loads = [load for load in LOADS if not options.only or options.only in load.scenario.name]
    subjects = ["turnpike", bench.TRANSLATING] if options.turnpike_only else ["nginx", "turnpike", bench.TRANSLATING]
    with tempfile.TemporaryDirectory(prefix="turnpike-bench-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        values = bench.port_values(folder)
        bench.write_answers(folder)
        config = bench.write_from_template("upstream.conf", folder, values)
        command = [nginx_path(), "-p", folder, "-c", config]
        stack.enter_context(bench.process(command, values["CHAT_PORT"], folder / "upstream.log"))
        rows = run(Place(folder, values, bench.make_key(folder / "data"), bench.TURNPIKE), loads, subjects)
    about = bench.machine()
    facts = f"{about['when']}; Turnpike {about['turnpike']} ({about['compiler']}), nginx {about['nginx']}."
    print(f"{facts}\n\n{table(rows)}")
    if options.write:
        bench.write_results(f"{facts}\n\n{table(rows)}", BEGIN, END)
        remember(about, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
