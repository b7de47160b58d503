"""An upstream that keeps every byte it gets, and readers who make of those bytes what they can.

The strict reader is h11. The lax ones do what servers in the field have been seen to do: end lines with a bare LF, join folded
lines, forgive a space before the colon, take the first or the last of two lengths, prefer a length to a coding or the other way
round, take anything with "chunked" in it for chunked. Where they all read the same, nobody can be made to read something else.
"""

import asyncio
import re
import threading

import h11

ANSWER = (b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,'
          b'"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
          b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')


class Unreadable(AssertionError):
    """A reader made nothing of the bytes."""


class KeepingUpstream:
    """Answers each message that h11 finds; `connections` holds what came, one bytearray each."""

    def __init__(self):
        self.connections = []
        self.refused = []  # what h11 said of bytes that it would not read
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop).result()
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def take(self):
        """What has come since the last time, by connection."""
        taken = [bytes(data) for data in self.connections if data]
        for data in self.connections:
            data.clear()
        return taken

    async def _serve(self, reader, writer):
        received, parser = bytearray(), h11.Connection(h11.SERVER)
        self.connections.append(received)
        try:
            while data := await reader.read(1 << 16):
                received += data
                parser.receive_data(data)
                while isinstance(event := parser.next_event(), (h11.Request, h11.Data, h11.EndOfMessage)):
                    if isinstance(event, h11.EndOfMessage):
                        writer.write(self._answer(parser))
                        parser.start_next_cycle()
        except (h11.RemoteProtocolError, h11.LocalProtocolError) as problem:
            self.refused.append((str(problem), bytes(received)))
        except ConnectionError:
            pass
        finally:
            writer.close()

    @staticmethod
    def _answer(parser):
        head = h11.Response(status_code=200, headers=[("content-type", "application/json"), ("content-length", str(len(ANSWER)))])
        return parser.send(head) + parser.send(h11.Data(ANSWER)) + parser.send(h11.EndOfMessage())


# ---------------------------------------------------------------- readers


def read_strictly(data):
    """[(method, target, body)] as h11 reads it."""
    parser, messages = h11.Connection(h11.SERVER), []
    parser.receive_data(data)
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as problem:
            raise Unreadable(f"{problem}: {data!r}") from problem
        if isinstance(event, h11.Request):
            messages.append([event.method.decode(), event.target.decode(), b""])
        elif isinstance(event, h11.Data):
            messages[-1][2] += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            parser.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            parser.send(h11.EndOfMessage())
            parser.start_next_cycle()
        else:
            return [tuple(message) for message in messages]


LAX = [{"prefer": prefer, "length": length} for prefer in ("length", "chunked") for length in (0, -1)]


def read_laxly(data, prefer, length):
    """The same as somebody reads it who forgives. `prefer`: "length" or "chunked"; `length`: which of several, 0 or -1."""
    messages = []
    while data.strip(b"\r\n"):
        head, data = split_head(data)
        lines = unfold(head)
        method, target = (lines[0].split() + [b"", b""])[:2]
        lengths, chunked = framing(lines[1:])
        if chunked and (prefer == "chunked" or not lengths):
            body, data = read_chunks(data)
        else:
            size = lengths[length] if lengths else 0
            body, data = data[:size], data[size:]
        messages.append((method.decode("latin-1"), target.decode("latin-1"), body))
    return messages


def split_head(data):
    end = re.search(rb"\r?\n\r?\n", data.lstrip(b"\r\n"))
    data = data.lstrip(b"\r\n")
    if not end:
        raise Unreadable(data)
    return data[:end.start()], data[end.end():]


def unfold(head):
    """Lines end at LF; one that begins with white space goes on with the one before it."""
    lines = []
    for line in re.split(rb"\r?\n|\r", head):
        if lines and line[:1] in (b" ", b"\t"):
            lines[-1] += b" " + line.strip()
        else:
            lines.append(line)
    return lines


def framing(lines):
    """The lengths that stand there, and whether anything says "chunked"."""
    lengths, chunked = [], False
    for line in lines:
        name, _, value = line.partition(b":")
        name = re.sub(rb"[^a-z-]", b"", name.lower().replace(b"_", b"-"))
        if name == b"content-length":
            lengths += [int(number) for number in re.findall(rb"\d+", value)]
        elif name == b"transfer-encoding":
            chunked = chunked or b"chunked" in value.lower()
    return lengths, chunked


def read_chunks(data):
    body = b""
    while True:
        line, _, data = data.partition(b"\n")
        digits = re.match(rb"\s*(?:0x)?([0-9a-fA-F]*)", line)[1]
        size = int(digits or b"0", 16)
        if size == 0:
            break
        body += data[:size]
        data = re.sub(rb"\A\r?\n", b"", data[size:])
    while data:  # trailers
        line, _, data = data.partition(b"\n")
        if not line.strip():
            break
    return body, data
