"""A caller on a raw socket: sends exactly the bytes it is given and reads answers piece by piece."""

import json
import socket
import time


class Closed(Exception):
    """The other side closed before what was waited for had come."""


class Answer:
    def __init__(self, head):
        lines = head[:-4].split(b"\r\n")
        self.version, status, *_ = lines[0].decode("latin-1").split(" ", 2)
        self.status = int(status)
        self.headers = [(n.lower(), v.strip()) for n, _, v in (line.decode("latin-1").partition(":") for line in lines[1:])]
        self.body = b""
        self.trailers = []

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n == name), default)

    def header_all(self, name):
        return [v for n, v in self.headers if n == name]

    def json(self):
        return json.loads(self.body)

    @property
    def request_id(self):
        return self.header("x-request-id")

    @property
    def error(self):
        """The error object, whose four keys must all be there."""
        error = self.json()["error"]
        assert set(error) >= {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str) and error["message"]
        return error


def request_bytes(key, method, path, body=b"", headers=(), length=True, version="HTTP/1.1", host=True):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} {version}"]
    if host:
        lines.append("Host: gateway.test")
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body or (length and method in ("POST", "PUT", "PATCH")):
        lines.append("Content-Type: application/json")
        if length:
            lines.append(f"Content-Length: {len(body)}")
    lines += [f"{n}: {v}" for n, v in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Wire:
    def __init__(self, port, host="127.0.0.1", timeout=15, tls=None, receive_buffer=None, key=None):
        self.key = key
        raw = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        raw.connect((host, port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def request(self, method, path, body=b"", headers=(), length=True, version="HTTP/1.1", host=True):
        """Sends a request; `headers` come after our own. Answers are read with answer()."""
        self.send(self.bytes_of(method, path, body, headers, length, version, host))

    def bytes_of(self, *request, **more):
        return request_bytes(self.key, *request, **more)

    def chat(self, model, stream=False, headers=(), **more):
        self.request("POST", "/v1/chat/completions", {
            "model": model, "messages": [{"role": "user", "content": "hi"}], **({"stream": True} if stream else {}), **more},
            headers)

    # -- reading --------------------------------------------------------------------------------

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(self.buffer[:2000])
        self.buffer += data

    def read_until(self, mark):
        while mark not in self.buffer:
            self.more()
        end = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def read_exactly(self, size):
        parts, have = [self.buffer], len(self.buffer)
        while have < size:
            data = self.socket.recv(1 << 20)
            if not data:
                self.buffer = b"".join(parts)
                raise Closed(self.buffer[:2000])
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def head(self, interim=False):
        """The next answer's head; 1xx heads are skipped unless wanted."""
        while True:
            answer = Answer(self.read_until(b"\r\n\r\n"))
            if interim or answer.status >= 200:
                return answer

    def chunk(self):
        """The next chunk's bytes; b"" at the end (trailers are read and dropped)."""
        size = int(self.read_until(b"\r\n").split(b";")[0], 16)
        if size:
            data = self.read_exactly(size)
            assert self.read_exactly(2) == b"\r\n"
            return data
        while self.read_until(b"\r\n") != b"\r\n":
            pass
        return b""

    def answer(self, to="POST"):
        """A whole answer. `to` is the request's method: an answer to HEAD has no body."""
        answer = self.head()
        if to == "HEAD" or answer.status in (204, 304):
            return answer
        if "chunked" in answer.header("transfer-encoding", ""):
            chunks = []
            while chunk := self.chunk():
                chunks.append(chunk)
            answer.body = b"".join(chunks)
        elif answer.header("content-length") is not None:
            answer.body = self.read_exactly(int(answer.header("content-length")))
        else:
            answer.body = self.rest()
        return answer

    def rest(self):
        """Everything until the other side closes; a reset counts as an end, too."""
        parts = [self.buffer]
        self.buffer = b""
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                break
            if not data:
                break
            parts.append(data)
        return b"".join(parts)

    def closed(self, seconds=10):
        """True when the other side closes (cleanly or by reset) within the time, sending nothing more."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def silent(self, seconds):
        """True when nothing comes, not even an end, for the time."""
        self.socket.settimeout(seconds)
        try:
            self.more()
            return False
        except TimeoutError:
            return not self.buffer
        except (Closed, ConnectionResetError):
            return False
        finally:
            self.socket.settimeout(15)

    def frames(self):
        """The frames of a chunked event stream, each with the time of its arrival."""
        pending = b""
        while chunk := self.chunk():
            pending += chunk
            while b"\n\n" in pending:
                frame, pending = pending.split(b"\n\n", 1)
                yield frame + b"\n\n", time.monotonic()
        assert pending == b"", pending


def call_once(port, key, model, **more):
    """One chat call on a connection of its own."""
    with Wire(port, key=key) as wire:
        wire.chat(model, **more)
        return wire.answer()
