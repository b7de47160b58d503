"""Google's Gemini API on loopback, as AI Studio and Vertex AI serve it: a test puts answers in a row, and looks at what was
asked. Google's own SDK (google-genai) is the judge of both: its types take no member that they do not know."""

import base64
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.genai import types


def judge(kind, value):
    """The value as Google's SDK understands it; fails on what it does not know."""
    return kind.model_validate_json(json.dumps(value))


def judge_request(body):
    """A generateContent body, member by member."""
    kinds = {
        "contents": lambda contents: [judge(types.Content, content) for content in contents],
        "systemInstruction": lambda content: judge(types.Content, content),
        "tools": lambda tools: [judge(types.Tool, tool) for tool in tools],
        "toolConfig": lambda config: judge(types.ToolConfig, config),
        "generationConfig": lambda config: judge(types.GenerationConfig, config),
        "serviceTier": lambda tier: types.ServiceTier(tier),
        "labels": lambda labels: {str(key): str(value) for key, value in labels.items()},
    }
    for member, value in body.items():
        kinds[member](value)
    assert body["contents"], "contents may not be empty"
    for content in body["contents"]:
        assert content["role"] in ("user", "model") and content["parts"], content


def usage(prompt, candidates, thoughts=None, **more):
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates}
    if thoughts is not None:
        counts["thoughtsTokenCount"] = thoughts
    return {**counts, "totalTokenCount": prompt + candidates + (thoughts or 0), **more}


def candidate(*parts, finish=None, index=0, **more):
    made = {"content": {"role": "model", "parts": list(parts)}, "index": index, **more}
    return {**made, "finishReason": finish} if finish else made


def response(*candidates, counts=None, model="gemini-3-flash-preview", **more):
    made = {"candidates": list(candidates), "modelVersion": model, "responseId": "resp-of-google", **more}
    if counts:
        made["usageMetadata"] = counts
    judge(types.GenerateContentResponse, made)
    return made


def error(code, status, message, *details):
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def retry_in(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


class Whole:
    def __init__(self, body, status=200, headers=()):
        self.body, self.status, self.headers = body, status, dict(headers)

    def send(self, handler):
        data = json.dumps(self.body, ensure_ascii=False).encode()
        handler.send_response(self.status)
        for name, value in {"content-type": "application/json; charset=UTF-8", **self.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


class Stream:
    """Frames as server-sent events, in pieces of `cut` bytes. `end`: "close" in order, "reset" in the middle of it, or
    "wait" until the caller's side is gone."""

    def __init__(self, *frames, cut=None, end="close", newline="\r\n"):
        self.text = "".join(f"data: {json.dumps(frame, ensure_ascii=False)}{newline}{newline}" for frame in frames)
        self.cut, self.end = cut, end
        self.gone = threading.Event()

    def send(self, handler):
        data = self.text.encode()
        size = self.cut or len(data)
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
        if self.end == "wait":
            self.wait(handler)
        elif self.end == "close":
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    def wait(self, handler):
        """Sends comments until nobody takes them."""
        handler.connection.settimeout(10)
        try:
            for _ in range(500):
                handler.wfile.write(b"3\r\n: \n\r\n")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            self.gone.set()


class Asked:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def parts(self):
        return [part for content in self.body["contents"] for part in content["parts"]]


class FakeGemini:
    def __init__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fake.take(self, Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))

            def log_message(self, *arguments):
                pass

        self.answers = queue.Queue()
        self.asked = []
        self.problems = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, handler, asked):
        self.asked.append(asked)
        method = asked.path.split("?")[0].rsplit(":", 1)[-1]
        try:
            if method in ("generateContent", "streamGenerateContent"):
                judge_request(asked.body)
        except Exception as problem:  # told at the end of the test, which cannot see this thread
            self.problems.append(f"{problem}: {json.dumps(asked.body)[:2000]}")
        try:
            self.answers.get_nowait().send(handler)
        except OSError:
            handler.close_connection = True
        except queue.Empty:
            Whole(error(500, "INTERNAL", "the test has no answer for this call"), 500).send(handler)

    def answer(self, *answers):
        """What the next calls get, one after another."""
        for answer in answers:
            self.answers.put(answer if isinstance(answer, (Whole, Stream)) else Whole(answer))
        return answers[-1]

    @property
    def last(self):
        return self.asked[-1]

    def check(self):
        assert not self.problems, self.problems
        assert self.answers.empty(), "an answer was not asked for"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def signature(text):
    """As the API encodes one."""
    return base64.b64encode(text.encode()).decode()
