"""What Amazon Bedrock's runtime answers: event-stream frames, whole answers, errors; and who signed.

Handlers are scripts for FakeUpstream. Each checks the request before it answers: its body against botocore's model of
the operation, its signature (or bearer token) as AWS would.
"""

import base64
import json
import struct
import urllib.parse
import zlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import botocore.validate

MODEL = botocore.session.Session().get_service_model("bedrock-runtime")
REGION = "us-east-1"
CREDENTIALS = botocore.credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session-token")
BEARER = "bedrock-api-key-of-the-test"
STREAM_TYPE = "application/vnd.amazon.eventstream"

# -- frames ----------------------------------------------------------------------------------------


def frame(headers, payload=b""):
    block = b"".join(bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
                     for name, value in headers)
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    body = prelude + block + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind, **payload):
    return frame([(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")],
                 json.dumps({**payload, "p": "abcdefgh"}).encode())


def exception(kind, **payload):
    return frame([(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")],
                 json.dumps(payload).encode())


def delta(index, **value):
    return event("contentBlockDelta", contentBlockIndex=index, delta=value)


def text(index, *pieces):
    return [delta(index, text=piece) for piece in pieces] + [event("contentBlockStop", contentBlockIndex=index)]


def call(index, id, name, *pieces):
    start = event("contentBlockStart", contentBlockIndex=index, start={"toolUse": {"toolUseId": id, "name": name}})
    deltas = [delta(index, toolUse={"input": piece}) for piece in pieces]
    return [start, *deltas, event("contentBlockStop", contentBlockIndex=index)]


def thought(index, words, signature):
    return [delta(index, reasoningContent={"text": words}), delta(index, reasoningContent={"signature": signature}),
            event("contentBlockStop", contentBlockIndex=index)]


def turn(*blocks, stop="end_turn", usage=None, usage_first=False, tier=None):
    """A whole stream. `blocks` are lists of frames."""
    more = {"serviceTier": {"type": tier}} if tier else {}
    ends = [event("messageStop", stopReason=stop),
            event("metadata", usage=usage or usage_of(9, 4), metrics={"latencyMs": 12}, **more)]
    return [event("messageStart", role="assistant"), *sum(blocks, []), *(reversed(ends) if usage_first else ends)]


def usage_of(inputs, outputs, **more):
    return {"inputTokens": inputs, "outputTokens": outputs, "totalTokens": inputs + outputs, **more}


def answer(*content, stop="end_turn", usage=None, **more):
    return {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": stop,
            "usage": usage or usage_of(9, 4), "metrics": {"latencyMs": 12}, **more}


# -- judges ----------------------------------------------------------------------------------------


def decoded(value, shape):
    """JSON as it went over the wire, in the form that botocore's callers give: blobs as bytes."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{shape.name} has no {unknown}"
        return {key: decoded(item, shape.members[key]) for key, item in value.items()}
    if shape.type_name == "list":
        return [decoded(item, shape.member) for item in value]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    return value


def check_shape(value, shape):
    report = botocore.validate.ParamValidator().validate(decoded(value, shape), shape)
    assert not report.has_errors(), report.generate_report()


def check_request(operation, model, body):
    """botocore itself would send this body, for this model."""
    check_shape({"modelId": model, **body}, MODEL.operation_model(operation).input_shape)


OPERATIONS = {"count-tokens": "CountTokens", "converse": "Converse", "converse-stream": "ConverseStream", "invoke": "InvokeModel"}


def split_target(target):
    """(model, operation) of "/model/ID/converse"; the id must be in one segment."""
    _, model, operation = target.rsplit("/model/", 1)[0], *target.rsplit("/model/", 1)[1].split("/")
    return urllib.parse.unquote(model), OPERATIONS[operation]


def check_signature(request, credentials=CREDENTIALS, region=REGION, service="bedrock"):
    """The signature is the one that botocore makes of the same request."""
    authorization = request.header("authorization")
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "AWS4-HMAC-SHA256", authorization
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "content-type", "x-amz-security-token"} <= set(signed), signed
    assert not {"user-agent", "connection", "traceparent", "accept-encoding"} & set(signed), signed
    assert request.header("x-amz-security-token") == credentials.token
    again = botocore.awsrequest.AWSRequest(
        method=request.method, url=f"http://{request.header('host')}{request.target}", data=request.content,
        headers={name: request.header(name) for name in signed})
    again.context["timestamp"] = request.header("x-amz-date")
    auth = botocore.auth.SigV4Auth(credentials, service, region)
    wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    scope = f"{credentials.access_key}/{request.header('x-amz-date')[:8]}/{region}/{service}/aws4_request"
    assert parts["Credential"] == scope
    assert parts["Signature"] == wanted


# -- scripts ----------------------------------------------------------------------------------------


async def received(request):
    """Reads and judges a request; returns (model, body)."""
    await request.body()
    model, operation = split_target(request.target)
    if operation != "InvokeModel":
        check_request(operation, model, request.json())
    if request.header("authorization") != f"Bearer {BEARER}":
        check_signature(request)
    return model, request.json()


def streaming(frames, size=None, hold=None):
    """Answers with these frames, cut into pieces of `size` bytes; `hold` is waited for before the end."""
    async def stream(request):
        await received(request)
        data = b"".join(frames)
        request.write_head(200, [("Content-Type", STREAM_TYPE), ("x-amzn-RequestId", "3f1a"), ("Transfer-Encoding", "chunked")])
        for start in range(0, len(data), size or len(data)):
            await request.send_chunk(data[start:start + (size or len(data))])
        if hold:
            await hold(request)
        request.end_chunks()
    return stream


def telling(value, status=200, headers=()):
    """Answers with this JSON."""
    async def tell(request):
        await received(request)
        request.answer(value, status, [("x-amzn-RequestId", "3f1a"), *headers])
    return tell


def failing(status, kind, message):
    return telling({"message": message}, status, [("x-amzn-ErrorType", f"{kind}:http://internal.amazon.com/coral/")])
