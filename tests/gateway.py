"""A gateway process under test: its config, its life, its keys, its records.

A Gateway owns one `turnpike serve` process and one data folder. Whoever starts one calls `stop()`,
which fails when the process said anything that no healthy process says (a sanitizer report, a failed
`ensure`) or left with a code other than 0 after SIGTERM.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("TURNPIKE_BIN", str(ROOT / "build" / "turnpike"))

# What a healthy process never writes. (The `turnpike:` ones are base/ensure.c's.)
UNHEALTHY = re.compile(
    r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:"
    r"|SUMMARY: UndefinedBehaviorSanitizer|turnpike: bug at |turnpike: out of memory"
)

START_SECONDS = 20  # under sanitizers on a busy two-core machine; a release binary needs 0.05
DRAIN_SECONDS = 40

SANITIZERS = {
    # the quarantine (freed memory kept back) is small, so that tests can measure memory under AddressSanitizer, too
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:quarantine_size_mb=8:thread_local_quarantine_size_kb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0",
}

_next_port = None


def free_port():
    """A port that nothing listens on. Each pytest-xdist worker walks a range of its own, below the
    range from which the kernel takes ports for outgoing connections, so two never pick the same."""
    global _next_port
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "0"
    first = 14000 + 4000 * (int(worker) % 4)
    if _next_port is None:
        _next_port = first + os.getpid() % 3000
    while True:
        _next_port = first + (_next_port + 1 - first) % 4000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _next_port))
            except OSError:
                continue
            return _next_port


def memory_is_measurable():
    """False for a binary with ThreadSanitizer, whose shadow memory is many times what it shadows."""
    binary = pathlib.Path(BINARY)
    return not binary.exists() or b"__tsan_init" not in binary.read_bytes()


def wait_until(condition, seconds=10.0, what="the condition"):
    """Polls `condition` until it is true and returns its value; for states of other processes which
    tell nobody when they change."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def yaml(config):
    """The config in the form people write: a section a line, flow style inside."""

    def flow(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(k)}: {flow(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(flow(v) for v in value) + "]"
        return json.dumps(value)

    lines = []
    for section, value in config.items():
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            lines.append(f"{section}:")
            lines += [f"  {json.dumps(name)}: {flow(row)}" for name, row in value.items()]
        else:
            lines.append(f"{section}: {flow(value)}")
    return "\n".join(lines) + "\n"


def plain_config(upstream_url, workers=1, **more):
    """The config of the manual's first page, pointed at an upstream."""
    return {
        "workers": workers,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {"up": {"type": "openai", "base_url": upstream_url + "/v1", "api_key": "env:UPSTREAM_KEY"}},
        "models": {"fast": {"targets": [{"provider": "up", "model": "gpt-4o-mini"}]},
                   "*": {"targets": [{"provider": "up"}]}},
        **more,
    }


class Unhealthy(AssertionError):
    """The process said or did something that no healthy one does."""


class Gateway:
    def __init__(self, directory, config, environment=None, binary=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.config_file = self.directory / "turnpike.yaml"
        self.binary = binary or BINARY
        self.environment = {**os.environ, **SANITIZERS, "UPSTREAM_KEY": "sk-upstream-test"}
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy",
                     "OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
            self.environment.pop(name, None)
        self.environment.update(environment or {})
        self.process = None
        self.lines = []  # stdout, a line each
        self._said = threading.Condition()
        self.data.mkdir(parents=True, exist_ok=True)
        self.write_config(config)

    # -- config ---------------------------------------------------------------------------------

    def write_config(self, config):
        """Replaces the file in one step, as editors and config tools do."""
        self.config = config
        text = config if isinstance(config, str) else yaml(config)
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self.config_file)

    @property
    def port(self):
        address = next(iter(self.config["listeners"].values()))["address"]
        return int(address.rsplit(":", 1)[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # -- life -----------------------------------------------------------------------------------

    def start(self):
        self.stderr_file = open(self.directory / "stderr", "ab")
        self.lines = []
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", str(self.config_file), "--data", str(self.data)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr_file,
            env=self.environment, cwd=self.directory)
        self._reader = threading.Thread(target=self._read_stdout, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        if not self.wait_line(self._is_ready, START_SECONDS):
            code = self.process.poll()
            self.kill()
            raise Unhealthy(f"no ready line (exit code {code}); stdout {self.lines[-5:]}\n{self.stderr()[-4000:]}")
        return self

    def _is_ready(self, line):
        """The ready line names the addresses. The access log is JSON objects, which it is not."""
        return not line.startswith("{") and any(
            row["address"].rsplit(":", 1)[-1] in line for row in self.config["listeners"].values())

    def _read_stdout(self, pipe):
        for line in pipe:
            with self._said:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self.lines.append("")  # wakes whoever waits for a line that will not come
            self._said.notify_all()

    def wait_line(self, wanted, seconds=10):
        """The first stdout line for which wanted(line), or None when the process ended or time is up."""
        end = time.monotonic() + seconds
        seen = 0
        with self._said:
            while True:
                for line in self.lines[seen:]:
                    seen += 1
                    if line and wanted(line):
                        return line
                if self.process.poll() is not None and not self._reader.is_alive():
                    return None
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._said.wait(min(left, 0.2))

    def stderr(self):
        return (self.directory / "stderr").read_text("utf-8", "replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=DRAIN_SECONDS):
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def kill(self):
        """SIGKILL: what a power cut or the OOM killer does. Nothing is checked but what was said."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.wait_exit()
        self.check_said()

    def stop(self):
        """SIGTERM, and everything a healthy end is."""
        if self.process is None:
            return
        ended_early = self.process.poll()
        if ended_early is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait_exit()
            raise Unhealthy(f"SIGTERM: still running after {DRAIN_SECONDS} s\n{self.stderr()[-4000:]}")
        self.check_said()
        process, self.process = self.process, None
        if ended_early is not None and ended_early != 0:
            raise Unhealthy(f"died by itself with {ended_early}\n{self.stderr()[-4000:]}")
        if code != 0:
            raise Unhealthy(f"exit code {code} after SIGTERM\n{self.stderr()[-4000:]}")
        process.stdout.close()
        self.stderr_file.close()

    def check_said(self):
        said = self.stderr() + "\n".join(self.lines)
        if UNHEALTHY.search(said):
            found = UNHEALTHY.search(said).start()
            raise Unhealthy(said[max(0, found - 200):found + 6000])

    # -- the command line -----------------------------------------------------------------------

    def run(self, *arguments, check=True, seconds=30, input=None):
        """Runs a verb of the command line; fails on a sanitizer report, and on a code other than 0 if `check`."""
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, timeout=seconds,
                              env=self.environment, cwd=self.directory, input=input)
        if UNHEALTHY.search(done.stderr + done.stdout):
            raise Unhealthy(f"{arguments}: {done.stderr[:6000]}")
        if check:
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def create_key(self, name="test", *more):
        """{"id": ..., "key": ...} of a new key; works whether or not the server runs."""
        done = self.run("key", "create", "--data", str(self.data), "--name", name, *more, "--json")
        return json.loads(done.stdout)

    @property
    def key(self):
        """The secret of one key that the tests of this gateway share."""
        if not hasattr(self, "_key"):
            self._key = self.create_key("shared")["key"]
            self.wait_key(self._key)
        return self._key

    def wait_key(self, key):
        """Waits until every worker knows the key (within a second, says the manual)."""
        # Something stored that is not there: no provider is asked, and who has no key hears 401.
        wait_until(lambda: all(self.get("/v1/responses/resp_none", key)[0] != 401 for _ in range(8)), 5, "the new key is known")

    def get(self, path, key=None, headers=None, port=None):
        """One plain GET on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            headers = dict(headers or {})
            if key:
                headers["Authorization"] = f"Bearer {key}"
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    # -- records --------------------------------------------------------------------------------

    def records(self):
        """Every record that `turnpike log` prints now."""
        done = self.run("log", "--data", str(self.data), "--json")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def wait_record(self, request_id, seconds=10):
        """The one record of a request id. There must never be two."""

        def find():
            found = [row for row in self.records() if row["id"] == request_id]
            assert len(found) <= 1, f"{len(found)} records of {request_id}: {found}"
            return found[0] if found else None

        return wait_until(find, seconds, f"a record of {request_id}")

    def resident_kib(self):
        """Resident memory of the process now, in KiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))
