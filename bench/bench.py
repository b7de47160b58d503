#!/usr/bin/env python3
"""Measures Turnpike beside nginx as a plain reverse proxy, in one run on one machine.

bench/RESULTS.md tells the method. The rounds of the two alternate, so that a machine that grows
slower or faster does so for both; each figure is the median of the rounds. CPU is what the kernel
has accounted to the measured process (all its threads) over the round, divided by its calls.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import string
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
TURNPIKE = ROOT / "build" / "turnpike"
RESULTS = BENCH / "RESULTS.md"

CONNECTIONS = 64
STREAM_CONNECTIONS = 32
STREAM_FRAMES = 200
FRAME_BYTES = 384  # upstream.conf writes that many at a time, so each frame is a write and a chunk of its own
EVENT_BYTES = 160  # the same of Anthropic's stream, whose events say less
WARM_UP_SECONDS = 1
START_SECONDS = 10  # until a server must accept; a healthy one needs 0.05
POLL_SECONDS = 0.0005  # between looks whether it does
COLD_STARTS = 20
IDLE_SECONDS = 2  # after which what the start needed for itself has been given back
DRAIN_SECONDS = 15
TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    request_bytes: int
    stream: bool = False


SCENARIOS = [
    Scenario("1 KB", 1 << 10),
    Scenario("32 KB", 32 << 10),
    Scenario("256 KB", 256 << 10),
    Scenario("2 MB", 2 << 20),
    Scenario(f"stream of {STREAM_FRAMES} frames", 1 << 10, stream=True),
]


TRANSLATING = "turnpike, from Anthropic"


@dataclasses.dataclass
class Subject:
    """A proxy under measurement: where it listens, and whose CPU counts."""

    name: str
    pid: int
    port: int
    stream_port: int
    translates: bool = False  # its streams come from a provider of another dialect

    def cpu_seconds(self):
        """utime + stime of the process with all its threads, the ended ones too (proc(5))."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclasses.dataclass
class Round:
    calls_per_second: float
    p50_microseconds: float
    p99_microseconds: float
    cpu_microseconds: float


# ---------------------------------------------------------------- what is sent and answered


def request_body(scenario, translated=False):
    """A chat call of that size whose model comes last, where it is hardest to find."""
    head = '{"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"'
    model = ("translated" if translated else "streamed") if scenario.stream else "fast"
    tail = '"}],"temperature":0.7,"max_tokens":256,' + ('"stream":true,' if scenario.stream else "") + f'"model":"{model}"}}'
    words = "the quick brown fox jumps over the lazy dog and "
    room = scenario.request_bytes - len(head) - len(tail)
    return head + (words * (room // len(words) + 1))[:room] + tail


def chat_answer():
    content = "A turnpike is a gate on a road where every traveller is let through, counted and charged. " * 6
    return json.dumps(
        {
            "id": "chatcmpl-CkQ0vE5fZ1Jx9rT2bYw7mNpA4sLdG",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 219,
                "completion_tokens": 124,
                "total_tokens": 343,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
            },
            "service_tier": "default",
            "system_fingerprint": "fp_560af6e559",
        }
    )


def stream_answer():
    """STREAM_FRAMES chunks, then the chunk with usage and the end, as OpenAI sends them: padded to one size."""

    def chunk(**fields):
        common = {
            "id": "chatcmpl-CkQ0vE5fZ1Jx9rT2bYw7mNpA4sLdG",
            "object": "chat.completion.chunk",
            "created": 1760000000,
            "model": "gpt-4o-mini-2024-07-18",
            "service_tier": "default",
            "system_fingerprint": "fp_560af6e559",
        }
        line = "data: " + json.dumps(common | fields | {"obfuscation": ""}, separators=(",", ":"))
        return line[:-2] + "x" * (FRAME_BYTES - len(line) - 2) + line[-2:] + "\n\n"

    def choice(delta, reason=None):
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]

    frames = [chunk(choices=choice({"role": "assistant", "content": ""}), usage=None)]
    frames += [chunk(choices=choice({"content": f" word{n}"}), usage=None) for n in range(STREAM_FRAMES - 2)]
    frames.append(chunk(choices=choice({}, "stop"), usage=None))
    frames.append(chunk(choices=[], usage={"prompt_tokens": 219, "completion_tokens": 198, "total_tokens": 417}))
    return "".join(frames) + "data: [DONE]\n\n"


def anthropic_stream_answer():
    """The same words as Anthropic sends them; every event is padded with spaces, as its own are."""

    def event(**fields):
        text = f"event: {fields['type']}\ndata: " + json.dumps(fields, separators=(",", ":"))
        return text[:-1] + " " * (-(len(text) + 2) % EVENT_BYTES) + "}\n\n"

    usage = {"input_tokens": 219, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    events = [event(type="message_start", message=message)]
    events.append(event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}))
    for n in range(STREAM_FRAMES - 2):
        events.append(event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": f" word{n}"}))
    events.append(event(type="content_block_stop", index=0))
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events.append(event(type="message_delta", delta=end, usage={"output_tokens": 198}))
    return "".join(events) + event(type="message_stop")


# ---------------------------------------------------------------- processes


def free_ports(count):
    """Ports that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_from_template(name, folder, values):
    target = folder / name
    target.write_text(string.Template((BENCH / name).read_text()).safe_substitute(values))
    return target


def pinned(cpus, command):
    """The command, held to those CPUs."""
    return ["taskset", "-c", ",".join(map(str, cpus)), *map(str, command)]


@contextlib.contextmanager
def process(command, port, output, environment=None):
    """A server from the moment it accepts on `port`; asked to end by SIGTERM afterwards."""
    with open(output, "ab") as sink:
        child = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
    try:
        wait_for(child, port, output)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise SystemExit(f"bench: {command} did not end within {DRAIN_SECONDS} s of SIGTERM")


def wait_for(child, port, output):
    end = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
            # Where nobody listens yet, the kernel may give us the very port we call: we would meet ourselves.
            if probe.getsockname() != probe.getpeername():
                return
        if child.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"bench: a server did not start; it said:\n{pathlib.Path(output).read_text()[-2000:]}")
        time.sleep(POLL_SECONDS)


def only_child(pid):
    """The one worker of an nginx master."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if len(children) == 1:
            return int(children[0])
        time.sleep(0.01)
    raise SystemExit("bench: nginx has not started one worker")


def make_key(data):
    answer = subprocess.run(
        [TURNPIKE, "key", "create", "--data", data, "--name", "bench", "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)["key"]


# ---------------------------------------------------------------- measuring


def call_once(port, body, key):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, content


def check_answer(subject, scenario, key):
    """The figures mean something only if the proxy does its work: one call is looked at whole."""
    body = request_body(scenario, subject.translates)
    status, content = call_once(subject.stream_port if scenario.stream else subject.port, body, key)
    if scenario.stream:
        frames = content.count('"content":" word')
        right = frames == STREAM_FRAMES - 2 and content.endswith("data: [DONE]\n\n")
    else:
        right = content == chat_answer()
    if status != 200 or not right:
        raise SystemExit(f"bench: {subject.name} answered {scenario.name} with {status}:\n{content[:1000]}")


def body_file(folder, scenario, translated):
    return folder / f"body-{SCENARIOS.index(scenario)}{'-translated' if translated else ''}.json"


def wrk(subject, scenario, seconds, folder, key, cpus):
    port = subject.stream_port if scenario.stream else subject.port
    command = ["wrk", "-t", 1, "-c", STREAM_CONNECTIONS if scenario.stream else CONNECTIONS, "-d", f"{seconds}s"]
    command += ["--timeout", "10s", "-s", BENCH / "post.lua", f"http://127.0.0.1:{port}/v1/chat/completions"]
    command += ["--", body_file(folder, scenario, subject.translates), key]
    answer = subprocess.run(pinned(cpus, command), capture_output=True, text=True)
    line = next((line for line in answer.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"bench: wrk failed:\n{answer.stdout}{answer.stderr}")
    result = json.loads(line.removeprefix("RESULT "))
    if result["failed"] or not result["requests"]:
        raise SystemExit(f"bench: {subject.name}, {scenario.name}: {result['failed']} of {result['requests']} calls failed")
    return result


def make_round(result, cpu_seconds):
    return Round(
        calls_per_second=result["requests"] / (result["microseconds"] / 1e6),
        p50_microseconds=result["p50"],
        p99_microseconds=result["p99"],
        cpu_microseconds=cpu_seconds * 1e6 / result["requests"],
    )


def measure_in_turn(subjects, scenario, seconds, folder, key, cpus):
    """One round of each: the calls of each, and what they cost."""
    for subject in subjects:
        wrk(subject, scenario, WARM_UP_SECONDS, folder, key, cpus)
        before = subject.cpu_seconds()
        result = wrk(subject, scenario, seconds, folder, key, cpus)
        yield subject, result["requests"], make_round(result, subject.cpu_seconds() - before)


def measure_together(subjects, scenario, seconds, folder, key, cpus):
    """The same with all of them at work at the same time: what slows the machine slows each alike."""
    with concurrent.futures.ThreadPoolExecutor() as pool:

        def call(length):
            return list(pool.map(lambda subject: wrk(subject, scenario, length, folder, key, cpus), subjects))

        call(WARM_UP_SECONDS)
        before = [subject.cpu_seconds() for subject in subjects]
        results = call(seconds)
    for subject, start, result in zip(subjects, before, results):
        yield subject, result["requests"], make_round(result, subject.cpu_seconds() - start)


def median_round(rounds):
    return Round(*(statistics.median(getattr(each, field.name) for each in rounds) for field in dataclasses.fields(Round)))


def cold_starts(folder, values, key, body, cpus):
    """Milliseconds from exec to the whole of the first 200, the store and key being there already."""
    config = folder / "turnpike.yaml"
    times = []
    for _ in range(COLD_STARTS):
        output = folder / "cold.log"
        began = time.monotonic()
        command = pinned(cpus, [TURNPIKE, "serve", "--config", config, "--data", folder / "data"])
        with process(command, values["TURNPIKE_PORT"], output, turnpike_environment()):
            status, _ = call_once(values["TURNPIKE_PORT"], body, key)
            times.append((time.monotonic() - began) * 1000)
        if status != 200:
            raise SystemExit(f"bench: the first call after a start was answered with {status}")
    return times


def footprint(folder, values, cpus):
    """What it weighs before anybody calls: resident megabytes, and those of the stripped binary."""
    command = pinned(cpus, [TURNPIKE, "serve", "--config", folder / "turnpike.yaml", "--data", folder / "data"])
    with process(command, values["TURNPIKE_PORT"], folder / "idle.log", turnpike_environment()) as child:
        time.sleep(IDLE_SECONDS)
        idle = Subject("turnpike", child.pid, 0, 0).memory_mb()
    stripped = folder / "turnpike.stripped"
    subprocess.run(["strip", "-o", stripped, TURNPIKE], check=True)
    return {"idle_mb": idle, "stripped_mb": stripped.stat().st_size / (1 << 20)}


def progress(text):
    """One line that replaces itself, for someone who waits at a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)


def turnpike_environment():
    return os.environ | {"UPSTREAM_KEY": "sk-bench"}


def recorded_calls(data):
    """How many served calls the ledger holds."""
    answer = subprocess.run([TURNPIKE, "log", "--data", data, "--json"], capture_output=True, text=True, check=True)
    return answer.stdout.count("\n")


# ---------------------------------------------------------------- the run


def port_values(folder):
    """What the templates of the configurations are filled in with."""
    names = ["CHAT_PORT", "STREAM_PORT", "YARDSTICK_PORT", "YARDSTICK_STREAM_PORT", "TURNPIKE_PORT"]
    values = dict(zip(names, free_ports(len(names))))
    sizes = {"FRAME_BYTES": FRAME_BYTES, "EVENT_BYTES": EVENT_BYTES}
    return values | sizes | {"FOLDER": str(folder), "USER": "user root;" if os.geteuid() == 0 else ""}


def write_answers(folder):
    (folder / "chat.json").write_text(chat_answer())
    (folder / "stream.sse").write_text(stream_answer())
    (folder / "messages.sse").write_text(anthropic_stream_answer())


def run(options, folder):
    values = port_values(folder)
    cpus = sorted(os.sched_getaffinity(0))
    proxy_cpus, other_cpus = cpus[:1], cpus[1:] or cpus

    write_answers(folder)
    for scenario in SCENARIOS:
        for translated in (False, True):
            body_file(folder, scenario, translated).write_text(request_body(scenario, translated))

    with contextlib.ExitStack() as stack:

        def nginx(name, cpus, port):
            config = write_from_template(f"{name}.conf", folder, values)
            command = pinned(cpus, [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", folder, "-c", config])
            return stack.enter_context(process(command, port, folder / f"{name}.log"))

        nginx("upstream", other_cpus, values["CHAT_PORT"])
        yardstick = nginx("yardstick", proxy_cpus, values["YARDSTICK_PORT"])
        subjects = [Subject("nginx", only_child(yardstick.pid), values["YARDSTICK_PORT"], values["YARDSTICK_STREAM_PORT"])]
        key = "none"
        cold, weight = [], None
        if not options.nginx_only:
            config = write_from_template("turnpike.yaml", folder, values)
            key = make_key(folder / "data")
            cold = cold_starts(folder, values, key, request_body(SCENARIOS[0]), proxy_cpus)
            weight = footprint(folder, values, proxy_cpus)
            command = pinned(proxy_cpus, [TURNPIKE, "serve", "--config", config, "--data", folder / "data"])
            turnpike = stack.enter_context(
                process(command, values["TURNPIKE_PORT"], folder / "turnpike.access.log", turnpike_environment())
            )
            ports = (values["TURNPIKE_PORT"],) * 2
            subjects.append(Subject("turnpike", turnpike.pid, *ports))
            subjects.append(Subject(TRANSLATING, turnpike.pid, *ports, translates=True))

        rows = []
        for scenario in SCENARIOS:
            if options.only and options.only not in scenario.name:
                continue
            # Of one process the time cannot be divided between two callers.
            players = [subject for subject in subjects if not subject.translates or (scenario.stream and not options.together)]
            for subject in players:
                check_answer(subject, scenario, key)
            rounds = {subject.name: [] for subject in players}
            calls = dict.fromkeys(rounds, 0)
            for number in range(options.rounds):
                progress(f"{scenario.name}: round {number + 1} of {options.rounds}")
                order = players if number % 2 == 0 else players[::-1]
                measure = measure_together if options.together else measure_in_turn
                for subject, count, measured in measure(order, scenario, options.seconds, folder, key, other_cpus):
                    calls[subject.name] += count
                    rounds[subject.name].append(measured)
            for subject in players:
                rows.append(
                    {
                        "scenario": scenario.name,
                        "proxy": subject.name,
                        "calls": calls[subject.name],
                        "memory_mb": subject.memory_mb(),
                        **dataclasses.asdict(median_round(rounds[subject.name])),
                        "rounds": [dataclasses.asdict(each) for each in rounds[subject.name]],
                    }
                )
        progress("")

    # The server has drained: what it served must be in its ledger.
    recorded = None
    if not options.nginx_only:
        recorded = recorded_calls(folder / "data")
        measured = sum(row["calls"] for row in rows if row["proxy"] != "nginx")
        if recorded < measured:
            raise SystemExit(f"bench: {measured} calls measured, {recorded} in the ledger")
    return {"rows": rows, "cold_start_milliseconds": cold, "footprint": weight, "recorded": recorded}


# ---------------------------------------------------------------- telling


def machine():
    def first_line(*command):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            answer = subprocess.run(command, capture_output=True, text=True)
            return (answer.stdout + answer.stderr).partition("\n")[0].strip()
        return "unknown"

    cpu = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    changed = " with changes" if first_line("git", "-C", ROOT, "status", "--porcelain", "src") else ""
    return {
        "when": time.strftime("%Y-%m-%d"),
        "cpu": f"{cpu}, {len(os.sched_getaffinity(0))} cores",
        "kernel": platform.release(),
        "turnpike": first_line("git", "-C", ROOT, "describe", "--always", "--tags") + changed,
        "nginx": first_line("/usr/sbin/nginx", "-v").rpartition("/")[2],
        "compiler": first_line("cc", "--version"),
    }


def table(report):
    """One line a scenario and proxy; the ratio is Turnpike's CPU per call to nginx's."""
    yardstick = {row["scenario"]: row["cpu_microseconds"] for row in report["rows"] if row["proxy"] == "nginx"}
    lines = [
        "| request | proxy | requests/s | p50 ms | p99 ms | CPU µs/request | × nginx | MB resident |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['scenario']} | {row['proxy']} | {row['calls_per_second']:.0f} | {row['p50_microseconds'] / 1000:.2f} "
            f"| {row['p99_microseconds'] / 1000:.2f} | {row['cpu_microseconds']:.1f} "
            f"| {row['cpu_microseconds'] / yardstick[row['scenario']]:.2f} | {row['memory_mb']:.1f} |"
        )
    passed, translated = ([row for row in report["rows"] if row["proxy"] == name and "stream" in row["scenario"]] for name in ("turnpike", TRANSLATING))
    if translated:
        ratio = translated[0]["cpu_microseconds"] / passed[0]["cpu_microseconds"]
        lines += ["", f"Translating Anthropic's stream takes {ratio:.2f} times the CPU of passing OpenAI's (the bar is 2)."]
    cold = sorted(report["cold_start_milliseconds"])
    if cold:
        lines += [
            "",
            f"From start to the whole of the first 200, {len(cold)} starts: median {statistics.median(cold):.1f} ms, "
            f"slowest {cold[-1]:.1f} ms.",
            f"Idle, with one worker, it has {report['footprint']['idle_mb']:.1f} MB resident; the stripped binary has "
            f"{report['footprint']['stripped_mb']:.1f} MB.",
        ]
    return "\n".join(lines)


def facts(report):
    about = report["machine"]
    return (
        f"{about['when']}, {about['cpu']}, Linux {about['kernel']}; Turnpike {about['turnpike']} ({about['compiler']}), "
        f"nginx {about['nginx']}; {report['options']['rounds']} rounds of {report['options']['seconds']} s each."
    )


def write_results(figures, begin="<!-- figures -->", end="<!-- end of figures -->"):
    """Replaces what stands between the two marks of RESULTS.md."""
    text = RESULTS.read_text()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    RESULTS.write_text(f"{before}{begin}\n{figures}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], prog="./dev bench", epilog="With --instructions: counts instructions instead; `./dev bench --instructions --help`."
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each scenario and proxy (default: 5)")
    parser.add_argument("--seconds", type=int, default=4, help="of each round (default: 4)")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/RESULTS.md")
    parser.add_argument("--only", help="one scenario: a part of its name, such as '1 KB'; not to be written")
    parser.add_argument(
        "--together", action="store_true", help="all proxies at the same time: on a busy machine the ratios hold, the rest does not"
    )
    parser.add_argument("--nginx-only", action="store_true", help="measure only the yardstick")
    options = parser.parse_args()
    if (options.only or options.together) and options.write:
        parser.error("bench/RESULTS.md takes whole runs alone: without --only and --together")

    folder = ROOT / "build" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = run(options, folder)
    report |= {"machine": machine(), "options": {"rounds": options.rounds, "seconds": options.seconds}}
    (ROOT / "build" / "bench.json").write_text(json.dumps(report, indent=2) + "\n")
    figures = f"{facts(report)}\n\n{table(report)}"
    print(figures)
    if options.write:
        write_results(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
