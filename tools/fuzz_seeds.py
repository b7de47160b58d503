"""Seeds for the fuzz targets of the translators, made of the golden conversations.

The form is that of tests/fuzz/translator.h: a byte of choices, the caller's request, a zero byte, the
provider's answer. Frames of AWS's event stream become lines, so that a changed byte does not break a CRC.
"""

import pathlib
import struct

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "providers"

OTHER, STREAM, EMBEDDINGS, RESPONSES, ERROR, THIRD, RESET = 1, 2, 4, 8, 16, 32, 64
ENDPOINTS = {"/v1/chat/completions": 0, "/v1/responses": RESPONSES, "/v1/embeddings": EMBEDDINGS}

# Of which golden family, with which of the target's families: as its file lists them.
SOURCES = {
    "anthropic": [("anthropic", 0)],
    "bedrock": [("bedrock", 0)],
    "cohere": [("cohere", 0)],
    "compatible": [("openai", 0)],
    "gemini": [("gemini", 0), ("vertex", OTHER)],
    "voyage": [("voyage", 0)],
}
QUIRKS = {"mistral": 0, "chat-only": OTHER, "together": OTHER, "deepseek": THIRD}


def read(case, name):
    path = case / name
    return path.read_bytes() if path.exists() else b""


def frame_lines(data):
    """Lines "EVENT JSON" of whole frames; of one that was cut off nothing."""
    lines = []
    while len(data) >= 16:
        length, headers_length = struct.unpack(">II", data[:8])
        if length > len(data) or length < 16:
            break
        headers, names = data[12 : 12 + headers_length], {}
        while headers:
            name = headers[1 : 1 + headers[0]].decode()
            rest = headers[1 + headers[0] :]
            size = struct.unpack(">H", rest[1:3])[0]
            names[name], headers = rest[3 : 3 + size].decode(), rest[3 + size :]
        event = names.get(":event-type")
        name = event if event is not None else "!" + names.get(":exception-type", "error")
        lines.append(name.encode() + b" " + data[12 + headers_length : length - 4])
        data = data[length:]
    return b"\n".join(lines)


def answer_of(case):
    """Choices and body."""
    plain, coded = read(case, "answer.http"), read(case, "answer.hex")
    head, _, body = (plain or coded).partition(b"\n\n")
    if coded:
        body = bytes.fromhex("".join(body.decode().split()))
    if b"vnd.amazon.eventstream" in head:
        return STREAM, frame_lines(body)
    choice = STREAM if b"text/event-stream" in head else 0
    return choice | (0 if head.startswith(b"2") or not head else ERROR), body


def endpoint_of(case):
    target = read(case, "endpoint.txt").decode().strip() or "/v1/chat/completions"
    return target.split("?")[0]


def seed(case, choice):
    settings = dict(line.split("=", 1) for line in read(case, "settings.txt").decode().splitlines() if line)
    stream, body = answer_of(case)
    choice |= QUIRKS.get(settings.get("quirks"), 0) | ENDPOINTS[endpoint_of(case)] | stream
    if settings.get("end") == "reset":
        choice |= RESET
    return bytes([choice]) + read(case, "request.json") + b"\0" + body


def write(name, folder):
    """Writes the seeds of a target into `folder`; returns whether there are any."""
    for family, choice in SOURCES.get(name, []):
        folder.mkdir(parents=True, exist_ok=True)
        for case in sorted(path for path in (GOLDEN / family).iterdir() if path.is_dir()):
            if endpoint_of(case) in ENDPOINTS:  # the target makes no others
                (folder / f"{family}-{case.name}").write_bytes(seed(case, choice))
    return name in SOURCES
