"""Anthropic's Messages API as scripts for fake_upstream.py, with the official SDK's own types as judge of both directions:
what a gateway sends must be what the SDK could have sent, and what is answered here must be what the SDK could have read.
"""

import functools
import json
import types
import typing

import anthropic.types
import pydantic
import typing_extensions
from anthropic.types import message_count_tokens_params, message_create_params

MESSAGE_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"
REQUEST_ID = "req_011CSHoEeqs5C35K2UUqR7Fy"
USAGE = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 15,
         "service_tier": "standard"}
HEADERS = [("request-id", REQUEST_ID), ("anthropic-ratelimit-requests-limit", "4000"),
           ("anthropic-ratelimit-requests-remaining", "3999"),
           ("anthropic-ratelimit-requests-reset", "2000-01-01T00:00:00Z")]

_event_type = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)


# -- the judge ------------------------------------------------------------------------------------


class Misfit(AssertionError):
    """A value that is none of the SDK's type."""


@functools.cache
def _fields(kind):
    return typing_extensions.get_type_hints(kind, include_extras=True)


def _fit_object(value, kind, path):
    fields = _fields(kind)
    if not isinstance(value, dict):
        raise Misfit(f"{path}: {value!r} is no {kind.__name__}")
    free = "extra" in getattr(kind, "__pydantic_config__", {})
    if not free and value.keys() - fields.keys():
        raise Misfit(f"{path}: {kind.__name__} has no {sorted(value.keys() - fields.keys())}")
    # The classes' own sets of required members know nothing, as their annotations are strings.
    needed = {name for name, inner in fields.items() if typing.get_origin(inner) is typing_extensions.Required}
    if needed - value.keys():
        raise Misfit(f"{path}: {kind.__name__} needs {sorted(needed - value.keys())}")
    for name, inner in value.items():
        if name in fields:
            _fit(inner, fields[name], f"{path}.{name}")


def _fit_any(value, kinds, path):
    problems = []
    for kind in kinds:
        try:
            return _fit(value, kind, path)
        except Misfit as problem:
            problems.append(str(problem))
    raise Misfit(max(problems, key=len, default=f"{path}: nothing fits"))


def _fit(value, kind, path):
    """The SDK's types are TypedDicts, which nothing checks at run time, and pydantic lets unknown members pass."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if typing_extensions.is_typeddict(kind):
        _fit_object(value, kind, path)
    elif origin is typing.Literal:
        if value not in inner:
            raise Misfit(f"{path}: {value!r} is none of {inner}")
    elif origin in (typing.Union, types.UnionType):
        _fit_any(value, inner, path)
    elif origin in (typing.Annotated, typing_extensions.Required):
        _fit(value, inner[0], path)
    elif origin is dict:
        if not isinstance(value, dict):
            raise Misfit(f"{path}: {value!r} is no object")
    elif origin is not None:  # Iterable, List, the SDK's own sequence
        if not isinstance(value, list):
            raise Misfit(f"{path}: {value!r} is no list")
        for index, entry in enumerate(value):
            _fit(entry, inner[0], f"{path}[{index}]")
    elif kind is not object and not isinstance(value, (int, float) if kind is float else kind):
        raise Misfit(f"{path}: {value!r} is no {kind}")


# Models up to 4.6 take them, which the SDK of today has forgotten.
SAMPLING = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (1, 500)}


def check_request(body):
    """Fails unless the SDK could have sent this body, with nothing in it that its types do not know."""
    for name, (low, high) in SAMPLING.items():
        assert low <= body.get(name, low) <= high, f"{name}: {body[name]}"
    judged = {name: value for name, value in body.items() if name not in SAMPLING}
    kind = (message_create_params.MessageCreateParamsStreaming if body.get("stream")
            else message_create_params.MessageCreateParamsNonStreaming)
    _fit(judged, kind, "body")
    for message in body["messages"]:
        assert message["content"], f"an empty message: {message}"
    return body


def check_count(body):
    """The same of a request to count tokens."""
    _fit(body, message_count_tokens_params.MessageCountTokensParams, "body")


# -- answers --------------------------------------------------------------------------------------


def text(value):
    return {"type": "text", "text": value}


def thinking(value, signature):
    return {"type": "thinking", "thinking": value, "signature": signature}


def tool_use(id, name, input):
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def message(content, stop="end_turn", usage=None, **more):
    value = {"id": MESSAGE_ID, "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": content,
             "stop_reason": stop, "stop_sequence": None, "usage": {**USAGE, **(usage or {})}, **more}
    anthropic.types.Message.model_validate(value)
    return value


def error(kind, words, **more):
    return {"type": "error", "error": {"type": kind, "message": words, **more}, "request_id": REQUEST_ID}


def frame(event):
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _deltas(block, size):
    """A block as it starts, and what follows in pieces of `size` characters."""
    def cut(value, make):
        return [make(value[at:at + size]) for at in range(0, len(value), size)]

    if block["type"] == "text":
        # The API tells of sources before and behind the words.
        sources = [{"type": "citations_delta", "citation": one} for one in block.get("citations", [])]
        return {**block, "text": "", **({"citations": []} if sources else {})}, \
            sources[:1] + cut(block["text"], lambda t: {"type": "text_delta", "text": t}) + sources[1:]
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, \
            cut(block["thinking"], lambda t: {"type": "thinking_delta", "thinking": t}) + \
            [{"type": "signature_delta", "signature": block["signature"]}]
    if block["type"] == "tool_use":
        written = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": ""}] + \
            cut(written, lambda t: {"type": "input_json_delta", "partial_json": t})
    return block, []


def events(content, stop="end_turn", usage=None, size=7, **more):
    """The events of a message, each one checked by the SDK."""
    usage = {**USAGE, **(usage or {})}
    start = {**usage, "output_tokens": 1}
    start.pop("server_tool_use", None)
    made = [{"type": "message_start", "message": {
        "id": MESSAGE_ID, "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": start}}]
    for index, block in enumerate(content):
        begun, deltas = _deltas(block, size)
        made.append({"type": "content_block_start", "index": index, "content_block": begun})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    end = {name: count for name, count in usage.items() if name.endswith("tokens") or name == "server_tool_use"
           or name == "output_tokens_details"}
    made.append({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None, **more}, "usage": end})
    made.append({"type": "message_stop"})
    for event in made:
        _event_type.validate_python(event)
    made.insert(2, {"type": "ping"})
    return made


# -- scripts --------------------------------------------------------------------------------------


class Answer:
    """A script that answers every call with one message, as a stream where that is asked for. Keeps the bodies."""

    def __init__(self, content, stop="end_turn", usage=None, pieces=None, **more):
        self.content, self.stop, self.usage, self.pieces, self.more = content, stop, usage, pieces, more
        self.bodies, self.headers = [], []

    async def __call__(self, call):
        await call.body()
        assert call.method == "POST" and call.target == "/v1/messages", call.target
        assert call.header("anthropic-version") == "2023-06-01"
        assert call.header("x-api-key") == "sk-upstream-test"
        assert call.header("authorization") is None, "the caller's key went on"
        body = check_request(call.json())
        self.bodies.append(body)
        self.headers.append(dict(call.headers))
        if not body.get("stream"):
            call.answer(message(self.content, self.stop, self.usage, **self.more), headers=HEADERS)
            return
        raw = b"".join(map(frame, events(self.content, self.stop, self.usage, **self.more)))
        call.write_stream_head(HEADERS)
        for piece in (self.pieces(raw) if self.pieces else [raw]):
            await call.send_chunk(piece)
        call.end_chunks()


def failing(status, value, headers=(), content_type="application/json"):
    """A script that answers with an error."""
    async def answer(call):
        await call.body()
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        call.answer(raw, status, [*HEADERS[:1], *headers], content_type)
    return answer


def streaming(made, ending="end"):
    """A script that streams exactly these events (or raw bytes); `ending`: end, cut (no last chunk), reset."""
    async def answer(call):
        await call.body()
        call.write_stream_head(HEADERS)
        for event in made:
            await call.send_chunk(event if isinstance(event, bytes) else frame(event))
        if ending == "end":
            call.end_chunks()
            return
        await call.flushed()
        call.reset() if ending == "reset" else call.close()
    return answer
