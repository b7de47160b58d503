"""An upstream that does what it is told, on raw sockets.

By default it answers like OpenAI (fake_answers.py). A test that wants something else registers a script:

    async def reset_after_head(call):
        await call.body()
        call.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\n12")
        call.reset()

    script = fake.script(reset_after_head)
    client.chat.completions.create(model=script.token, ...)

A script's token is a word that appears nowhere else; the call whose bytes contain it (as model name, in the path, in a
header, anywhere) is that script's. Scripts run on the fake's own thread and event loop; `call` holds what was received, to
the byte, and `Gate` lets a test hold a script at a point for as long as it wants.

All public attributes of Call may be read by the test's thread; its methods belong to scripts.
"""

import asyncio
import hashlib
import json
import re
import secrets
import socket
import struct
import threading
import time

import fake_answers

TOKEN = re.compile(rb"fake-[0-9a-f]{12}")
TOKEN_SCAN_LIMIT = 16 << 20  # no test puts a token deeper into a body than this


class Gone(Exception):
    """The other side closed while a script was reading from it."""


class Gate:
    """A point at which a script waits for the test. `reached` tells the test that the script is there."""

    def __init__(self, fake):
        self._loop = fake.loop
        self._open = asyncio.Event()
        self.reached = threading.Event()

    def open(self):
        self._loop.call_soon_threadsafe(self._open.set)

    async def wait(self):
        self.reached.set()
        await self._open.wait()


class Connection(asyncio.Protocol):
    def __init__(self, fake):
        self.fake = fake
        self.received = bytearray()  # not yet taken by a call
        self.ended = False           # the other side sent its end, or is gone
        self.lost = threading.Event()
        self.lost_at = None
        self.on_next_data = None     # "reset" or "close": what to do when the next request's first byte comes
        self.calls = 0
        self._wakeup = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    # asyncio.Protocol
    def connection_made(self, transport):
        self.transport = transport
        self.opened_at = time.monotonic()
        with self.fake.changed:
            self.fake.connections.append(self)
            self.fake.changed.notify_all()
        self.task = asyncio.ensure_future(self.serve())

    def data_received(self, data):
        if self.on_next_data:
            action, self.on_next_data = self.on_next_data, None
            with self.fake.changed:
                self.fake.refused_bytes.append(bytes(data))
                self.fake.changed.notify_all()
            self.reset() if action == "reset" else self.transport.close()
            return
        self.received += data
        self._wakeup.set()

    def eof_received(self):
        self.ended = True
        self._wakeup.set()
        return self.fake.allow_half_open

    def connection_lost(self, error):
        self.ended = True
        self.lost_at = time.monotonic()
        self.lost.set()
        self._wakeup.set()
        self._writable.set()
        with self.fake.changed:
            self.fake.changed.notify_all()

    def pause_writing(self):
        self._writable.clear()

    def resume_writing(self):
        self._writable.set()

    # for calls
    async def more(self):
        """Waits for more bytes; raises Gone at the end."""
        if self.ended:
            raise Gone()
        self._wakeup.clear()
        await self._wakeup.wait()

    async def drain(self):
        await self._writable.wait()
        await asyncio.sleep(0)  # a script that writes without end lets the others, and its own connection's end, come in between
        if self.lost.is_set() or self.transport.is_closing():
            raise Gone()

    def reset(self):
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            try:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.transport.abort()

    async def serve(self):
        try:
            while not self.lost.is_set():
                call = Call(self)
                await call.read_head()
                script = await call.find_script()
                self.calls += 1
                call.number = self.calls
                self.fake.note_call(call, script)
                try:
                    await (script.handler if script else fake_answers.respond)(call)
                    if not self.transport.is_closing():
                        await call.body()  # what the script left unread belongs to this call, not to the next
                finally:
                    call.finished.set()
                    with self.fake.changed:
                        self.fake.changed.notify_all()
                if self.transport.is_closing():
                    return
        except Gone:
            self.transport.close()
        except asyncio.CancelledError:
            self.transport.abort()
        except Exception as problem:  # a script's own mistake must fail its test, not hang it
            self.fake.problems.append(problem)
            self.transport.abort()


class Call:
    """One request, as received."""

    def __init__(self, connection):
        self.connection = connection
        self.fake = connection.fake
        self.raw = b""            # head and body exactly as they came, chunk framing included
        self.head = b""
        self.method = self.target = self.version = ""
        self.headers = []         # (name in lower case, value) in order
        self.content = None       # the body without transfer coding, once read whole
        self.trailers = []
        self.body_length = 0      # of the body so far, readable while it is still coming
        self.finished = threading.Event()
        self.number = 0           # of this call on its connection, from 1
        self._raw = bytearray()
        self._body = bytearray()
        self._state = "head"

    # -- reading --------------------------------------------------------------------------------

    async def read_head(self):
        data = self.connection.received
        while (end := data.find(b"\r\n\r\n")) < 0:
            await self.connection.more()
        self.head = bytes(data[:end + 4])
        del data[:end + 4]
        self._raw += self.head
        lines = self.head[:-4].split(b"\r\n")
        self.method, self.target, self.version = lines[0].decode("latin-1").split(" ", 2)
        for line in lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            self.headers.append((name.lower(), value.strip()))
        self.chunked = "chunked" in self.header("transfer-encoding", "").lower()
        self._left = int(self.header("content-length", "0"))
        self._state = "chunk size" if self.chunked else "length"

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n == name), default)

    def header_all(self, name):
        return [v for n, v in self.headers if n == name]

    async def find_script(self):
        """The script whose token this call bears. Reads the body no further than to the token."""
        scanned = 0
        while True:
            received = self.raw if self._state == "done" else self._raw
            for token in TOKEN.findall(received, max(0, scanned - 20)):
                script = self.fake.scripts.get(token.decode())
                if script:
                    return script
            scanned = len(received)
            if self._state == "done" or scanned > TOKEN_SCAN_LIMIT or not self.fake.scripts:
                return None
            if not self._step():
                if self._state == "done":
                    continue
                await self.connection.more()

    def _step(self):
        """Takes what has arrived of the body. False when nothing could be taken."""
        data = self.connection.received
        if self._state == "done":
            return False
        if self._state == "length":
            if self._left == 0:
                self._finish()
                return False
            return self._take(self._left) > 0 and (self._left > 0 or self._finish())
        if self._state == "chunk data":
            taken = self._take(self._left)
            if self._left == 0:
                self._state = "chunk end"
            return taken > 0
        if self._state == "chunk end":
            if len(data) < 2:
                return False
            self._framing(2)
            self._state = "chunk size"
            return True
        end = data.find(b"\r\n")  # a chunk's size line or a trailer line
        if end < 0:
            return False
        line = bytes(data[:end])
        self._framing(end + 2)
        if self._state == "chunk size":
            self._left = int(line.split(b";")[0], 16)
            self._state = "chunk data" if self._left else "trailers"
        elif line:
            self.trailers.append(line)
        else:
            self._finish()
        return True

    def _take(self, limit):
        data = self.connection.received
        piece = bytes(data[:limit])
        del data[:limit]
        self._raw += piece
        self._body += piece
        self._left -= len(piece)
        self.body_length = len(self._body)
        return len(piece)

    def _framing(self, size):
        self._raw += self.connection.received[:size]
        del self.connection.received[:size]

    def _finish(self):
        self._state = "done"
        self.raw = bytes(self._raw)
        self.content = bytes(self._body)
        self._raw.clear()
        self._body.clear()
        return True

    async def body(self):
        """The whole body, without transfer coding."""
        while self._state != "done":
            if not self._step() and self._state != "done":
                await self.connection.more()
        return self.content

    async def body_part(self, size):
        """Waits until at least `size` bytes of the body have come."""
        while self._state != "done" and self.body_length < size:
            if not self._step() and self._state != "done":
                await self.connection.more()
        return bytes(self._body) if self._state != "done" else self.content

    def json(self):
        return json.loads(self.content)

    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    def pause_reading(self):
        self.connection.transport.pause_reading()

    def resume_reading(self):
        self.connection.transport.resume_reading()

    # -- writing --------------------------------------------------------------------------------

    def write(self, data):
        self.connection.transport.write(data)

    async def send(self, data):
        self.write(data)
        await self.connection.drain()

    def write_head(self, status=200, headers=(), reason="Whatever"):
        lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in headers]
        self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def answer(self, value, status=200, headers=(), content_type="application/json"):
        """A whole answer with a length."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.write_head(status, [("Content-Type", content_type), ("Content-Length", len(body)), *headers])
        self.write(body)

    def write_stream_head(self, headers=()):
        self.write_head(200, [("Content-Type", "text/event-stream; charset=utf-8"),
                              ("Transfer-Encoding", "chunked"), *headers])

    def write_chunk(self, data):
        self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def send_chunk(self, data):
        self.write_chunk(data)
        await self.connection.drain()

    def end_chunks(self):
        self.write(b"0\r\n\r\n")

    async def stream(self, frames, headers=()):
        """A whole event stream, a chunk for each frame."""
        self.write_stream_head(headers)
        for frame in frames:
            await self.send_chunk(frame)
        self.end_chunks()

    def reset(self):
        """RST, as a process that died with unread data or a broken middlebox does."""
        self.connection.reset()

    def close(self):
        """FIN, after what was written."""
        self.connection.transport.close()

    async def flushed(self):
        """Waits until the kernel has taken all that was written, so that a following reset cuts nothing before it."""
        while self.connection.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    async def gone(self):
        """Waits until the other side is gone."""
        try:
            while True:
                await self.connection.more()
        except Gone:
            pass


class Script:
    def __init__(self, fake, handler):
        self.token = "fake-" + secrets.token_hex(6)
        self.handler = handler
        self.calls = []
        self._fake = fake

    @property
    def model(self):
        return self.token

    def wait_calls(self, count=1, seconds=10):
        """Waits until `count` calls have come; returns them."""
        with self._fake.changed:
            if not self._fake.changed.wait_for(lambda: len(self.calls) >= count, seconds):
                raise AssertionError(f"the upstream got {len(self.calls)} calls, not {count}")
        return self.calls

    def call(self, seconds=10):
        """The first call, once it has been answered."""
        call = self.wait_calls(1, seconds)[0]
        assert call.finished.wait(seconds), "the upstream has not finished its answer"
        return call


class FakeUpstream:
    """`url` is its address. `tls` is an ssl.SSLContext for https."""

    def __init__(self, tls=None, host="127.0.0.1", unix_path=None):
        self.tls = tls
        self.host = host
        self.unix_path = unix_path
        self.scripts = {}
        self.calls = []
        self.connections = []
        self.refused_bytes = []   # what arrived on a connection that was told to die on it
        self.problems = []        # exceptions in scripts
        self.objects = {}         # stored objects of fake_answers
        self.changed = threading.Condition()
        self.allow_half_open = False
        self.remember_calls = True
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        started = threading.Event()
        self._thread_started = started
        self._thread.start()
        if not started.wait(10):
            raise RuntimeError("the fake upstream did not start")

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._listen())
        self._thread_started.set()
        self.loop.run_forever()

    async def _listen(self, port=0):
        if self.unix_path:
            self.server = await self.loop.create_unix_server(lambda: Connection(self), self.unix_path)
            return
        self.server = await self.loop.create_server(lambda: Connection(self), self.host, port, ssl=self.tls, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    def in_loop(self, coroutine, seconds=10):
        """Runs a coroutine on the fake's loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def script(self, handler):
        script = Script(self, handler)
        self.scripts[script.token] = script
        return script

    def gate(self):
        async def make():
            return Gate(self)
        return self.in_loop(make())

    def note_call(self, call, script):
        with self.changed:
            if script:
                script.calls.append(call)
            elif self.remember_calls:
                self.calls.append(call)
            self.changed.notify_all()

    def open_connections(self):
        return [c for c in self.connections if not c.lost.is_set()]

    def stop_listening(self):
        """Refuses new connections from now on; those open stay."""
        async def close():
            self.server.close()
        self.in_loop(close())

    def listen_again(self):
        self.in_loop(self._listen(self.port))

    def drop_connections(self):
        """Resets every open connection."""
        async def drop():
            for connection in self.open_connections():
                connection.reset()
        self.in_loop(drop())

    def stop(self):
        async def end():
            self.server.close()
            tasks = [connection.task for connection in self.connections if not connection.task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.in_loop(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
