"""Cohere's API, version 2, as scripts for fake_upstream.py, with the official SDK as judge of both directions: what a gateway
sends must be what the SDK could have sent, and the SDK must read what is answered here.
"""

import inspect
import json

import cohere
import cohere.types
import pydantic
from cohere.v2.client import V2Client
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse

KEY = "cohere-key-of-the-test"
TOKENS = {"billed_units": {"input_tokens": 20, "output_tokens": 7}, "tokens": {"input_tokens": 496, "output_tokens": 9}}
EVENTS = pydantic.TypeAdapter(V2ChatStreamResponse)

# -- the judge ------------------------------------------------------------------------------------


def known(value, path="body"):
    """Fails where the SDK's type has no member for something that was there."""
    if isinstance(value, pydantic.BaseModel):
        assert not value.model_extra, f"{path}: {type(value).__name__} has no {sorted(value.model_extra)}"
        for name in type(value).model_fields:
            known(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            known(entry, f"{path}[{index}]")


def check(method, body):
    """The SDK's method takes these members, each of its type."""
    parameters = inspect.signature(method, eval_str=True).parameters
    body = {name: value for name, value in body.items() if name != "stream"}  # of another method
    assert not body.keys() - parameters.keys(), f"the SDK has no {sorted(body.keys() - parameters.keys())}"
    for name, parameter in parameters.items():
        required = parameter.default is inspect.Parameter.empty and name != "self"
        assert not required or name in body, f"the SDK needs {name}"
        if name in body:
            known(pydantic.TypeAdapter(parameter.annotation).validate_python(body[name], strict=False), name)


def check_chat(body):
    check(V2Client.chat, body)
    roles = [message["role"] for message in body["messages"]]
    assert roles and set(roles) <= {"user", "assistant", "system", "tool"}, roles
    asked = {call["id"] for message in body["messages"] for call in message.get("tool_calls") or []}
    answered = {message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"}
    assert answered <= asked, f"results of calls that nobody made: {answered - asked}"


def check_embed(body):
    check(V2Client.embed, body)
    assert body["input_type"] in ("search_document", "search_query", "classification", "clustering"), body["input_type"]
    assert body["embedding_types"] == ["float"] and 1 <= len(body["texts"]) <= 96


# -- answers --------------------------------------------------------------------------------------


def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def answer(*words, calls=(), plan=None, thinking=None, finish="COMPLETE", usage=TOKENS):
    content = [{"type": "thinking", "thinking": thinking}] if thinking else []
    content += [{"type": "text", "text": text} for text in words]
    message = {"role": "assistant", **({"content": content} if content else {}),
               **({"tool_calls": list(calls), "tool_plan": plan} if calls else {})}
    value = {"id": "29f14a5a", "finish_reason": finish, "message": message, "usage": usage}
    known(V2ChatResponse.model_validate(value), "answer")
    return value


def event(kind, index=None, message=None, **delta):
    value = {"type": kind, **({} if index is None else {"index": index})}
    if message is not None or delta:
        value["delta"] = {**({} if message is None else {"message": message}), **delta}
    known(EVENTS.validate_python(value), kind)
    return f"event: {kind}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


START = event("message-start", message={"role": "assistant"})


def text(index, *pieces, kind="text"):
    return [event("content-start", index, {"content": {"type": kind, kind: ""}}),
            *(event("content-delta", index, {"content": {kind: piece}}) for piece in pieces), event("content-end", index)]


def calling(index, id, name, *pieces):
    return [event("tool-call-start", index, {"tool_calls": call(id, name, "")}),
            *(event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}}) for piece in pieces),
            event("tool-call-end", index)]


def plan(*pieces):
    return [event("tool-plan-delta", message={"tool_plan": piece}) for piece in pieces]


def end(finish="COMPLETE", usage=TOKENS, **more):
    return event("message-end", finish_reason=finish, usage=usage, **more)


def embeddings(vectors, billed):
    value = {"id": "5807ee2e", "response_type": "embeddings_by_type", "embeddings": {"float": vectors},
             "texts": ["text"] * len(vectors), "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": billed}}}
    known(cohere.types.EmbedByTypeResponse.model_validate(value), "embeddings")
    return value


# -- scripts --------------------------------------------------------------------------------------


async def received(request):
    await request.body()
    assert request.header("authorization") == f"Bearer {KEY}", "not the provider's own key"
    assert request.target in ("/v2/chat", "/v2/embed"), request.target
    (check_chat if request.target == "/v2/chat" else check_embed)(request.json())


def telling(value, status=200, headers=()):
    async def tell(request):
        await received(request)
        request.answer(value, status, headers)
    return tell


def streaming(frames, size=None):
    """Answers with these events, cut into pieces of `size` bytes."""
    async def stream(request):
        await received(request)
        assert request.json()["stream"] is True
        data = b"".join(frames)
        request.write_stream_head()
        for start in range(0, len(data), size or len(data)):
            await request.send_chunk(data[start:start + (size or len(data))])
        request.end_chunks()
    return stream
