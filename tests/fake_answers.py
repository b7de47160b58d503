"""What the fake upstream answers when no script says otherwise: OpenAI's endpoints, in small.

Answers are fixed (CONTENT, usage figures), so that a test can state what must arrive. Stored objects (files, batches,
responses, vector stores ...) live in `fake.objects`, each fake its own: an object is known only to the upstream that made it.
"""

import base64
import email.parser
import email.policy
import json
import secrets
import struct
import urllib.parse

CONTENT = "Grüße from the fake — 你好 🚦."
PIECES = ["Grüße", " from", " the fake", " — 你好", " 🚦", "."]
CREATED = 1790000000
PROMPT_TOKENS = 11
COMPLETION_TOKENS = 7
CHAT_USAGE = {
    "prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                  "rejected_prediction_tokens": 0},
}
RESPONSE_USAGE = {
    "input_tokens": PROMPT_TOKENS, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
    "output_tokens": COMPLETION_TOKENS, "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}
EMBEDDING = [0.5, -0.25, 0.125, 1.0]  # exact in float32
SPEECH = bytes(range(256)) * 300
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(200)).decode()
RATE_HEADERS = [("x-request-id", "req_00000000000000000000000000000001"), ("openai-processing-ms", "5"),
                ("x-ratelimit-remaining-requests", "99"), ("x-ratelimit-reset-requests", "120ms")]


def new_id(prefix):
    return prefix + secrets.token_hex(12)


def frame(value, event=None):
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data}\n\n".encode()


def error(message, kind="invalid_request_error", code=None, param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


async def respond(call):
    await call.body()
    path, _, query = call.target.partition("?")
    path = urllib.parse.unquote(path)
    segments = [s for s in path.split("/") if s]
    if segments[:1] == ["v1"]:
        segments = segments[1:]
    whole = call.method + " /" + "/".join(segments)
    if whole in ENDPOINTS:
        return await ENDPOINTS[whole](call)
    if segments and segments[0] in COLLECTIONS:
        return await stored(call, segments)
    if segments and segments[0] == "models" and call.method == "GET":
        return call.answer(model("/".join(segments[1:])))
    call.answer(error(f"fake has no {whole}"), 404)


# -- chat -----------------------------------------------------------------------------------------


def sample(schema, names=None):
    """A value that fits a JSON schema of the simple kind that SDKs make from classes."""
    names = names or schema.get("$defs", {})
    if "$ref" in schema:
        return sample(names[schema["$ref"].rpartition("/")[2]], names)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(inner, names) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema["items"], names)]
    return {"integer": 42, "number": 1.5, "boolean": True}.get(kind, "sample")


def chat_content(request):
    format = request.get("response_format") or {}
    if format.get("type") == "json_schema":
        return json.dumps(sample(format["json_schema"]["schema"]))
    return CONTENT


def wants_tool(request):
    return bool(request.get("tools")) and request["messages"][-1]["role"] == "user"


def tool_calls(request):
    return [{"id": f"call_{i}", "type": "function",
             "function": {"name": tool["function"]["name"],
                          "arguments": json.dumps(sample(tool["function"].get("parameters") or {"type": "object"}))}}
            for i, tool in enumerate(request["tools"])]


async def chat(call):
    request = call.json()
    if request.get("stream"):
        return await call.stream(chat_frames(request), RATE_HEADERS)
    message = {"role": "assistant", "content": chat_content(request), "refusal": None, "annotations": []}
    finish = "stop"
    if wants_tool(request):
        message.update(content=None, tool_calls=tool_calls(request))
        finish = "tool_calls"
    call.answer({
        "id": new_id("chatcmpl-"), "object": "chat.completion", "created": CREATED, "model": request["model"],
        "choices": [{"index": i, "message": message, "logprobs": None, "finish_reason": finish}
                    for i in range(request.get("n") or 1)],
        "usage": CHAT_USAGE, "service_tier": "default", "system_fingerprint": "fp_fake"}, headers=RATE_HEADERS)


def chat_frames(request, pieces=None, usage=CHAT_USAGE, id=None):
    """The frames of a streamed chat answer, with a usage frame if the request asks for one."""
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    base = {"id": id or new_id("chatcmpl-"), "object": "chat.completion.chunk", "created": CREATED, "model": request["model"],
            "service_tier": "default", "system_fingerprint": None}

    def chunk(choices, **more):
        return frame({**base, "choices": choices, **({"usage": None} if with_usage else {}), **more})

    def delta(value, finish=None, index=0):
        return chunk([{"index": index, "delta": value, "logprobs": None, "finish_reason": finish}])

    frames = []
    for index in range(request.get("n") or 1):
        frames.append(delta({"role": "assistant", "content": None if wants_tool(request) else "", "refusal": None}, index=index))
        if wants_tool(request):
            for i, tool in enumerate(tool_calls(request)):
                arguments = tool["function"].pop("arguments")
                first = {**tool, "index": i, "function": {**tool["function"], "arguments": ""}}
                frames.append(delta({"tool_calls": [first]}, index=index))
                middle = len(arguments) // 2
                for part in (arguments[:middle], arguments[middle:]):
                    frames.append(delta({"tool_calls": [{"index": i, "function": {"arguments": part}}]}, index=index))
            frames.append(delta({}, "tool_calls", index))
        else:
            content = chat_content(request)
            parts = pieces or (PIECES if content == CONTENT else [content[:5], content[5:]])
            frames += [delta({"content": piece}, index=index) for piece in parts]
            frames.append(delta({}, "stop", index))
    if with_usage:
        frames.append(chunk([], usage=usage))
    return frames + [frame("[DONE]")]


async def completions(call):
    request = call.json()
    base = {"id": new_id("cmpl-"), "object": "text_completion", "created": CREATED, "model": request["model"]}
    usage = {k: CHAT_USAGE[k] for k in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if request.get("stream"):
        with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
        none = {"usage": None} if with_usage else {}
        frames = [frame({**base, "choices": [{"text": piece, "index": 0, "logprobs": None, "finish_reason": None}], **none})
                  for piece in PIECES]
        frames.append(frame({**base, "choices": [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}], **none}))
        if with_usage:
            frames.append(frame({**base, "choices": [], "usage": usage}))
        return await call.stream(frames + [frame("[DONE]")])
    call.answer({**base, "choices": [{"text": CONTENT, "index": 0, "logprobs": None, "finish_reason": "stop"}], "usage": usage})


async def embeddings(call):
    request = call.json()
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    vector = EMBEDDING
    if request.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<4f", *EMBEDDING)).decode()
    call.answer({"object": "list", "model": request["model"],
                 "data": [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(texts))],
                 "usage": {"prompt_tokens": 5 * len(texts), "total_tokens": 5 * len(texts)}})


async def moderations(call):
    request = call.json()
    count = len(request["input"]) if isinstance(request["input"], list) else 1
    names = ["hate", "harassment", "self-harm", "sexual", "violence"]
    call.answer({"id": new_id("modr-"), "model": request.get("model", "omni-moderation-latest"),
                 "results": [{"flagged": False, "categories": dict.fromkeys(names, False),
                              "category_scores": dict.fromkeys(names, 0.01), "category_applied_input_types": {}}] * count})


def model(name):
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}


async def models(call):
    call.answer({"object": "list", "data": [model("gpt-4o-mini"), model("org/model-with-slash")]})


# -- responses ------------------------------------------------------------------------------------


def response_object(request, status="completed"):
    id = new_id("resp_")
    if request.get("tools"):
        tool = request["tools"][0]
        item = {"id": new_id("fc_"), "type": "function_call", "call_id": "call_0", "name": tool["name"], "status": "completed",
                "arguments": json.dumps(sample(tool.get("parameters") or {"type": "object"}))}
    else:
        format = (request.get("text") or {}).get("format") or {}
        text = json.dumps(sample(format["schema"])) if format.get("type") == "json_schema" else CONTENT
        item = {"id": new_id("msg_"), "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]}
    return {
        "id": id, "object": "response", "created_at": CREATED, "status": status, "error": None, "incomplete_details": None,
        "instructions": request.get("instructions"), "metadata": request.get("metadata") or {}, "model": request["model"],
        "output": [item], "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto",
        "tools": request.get("tools") or [], "top_p": 1.0, "usage": RESPONSE_USAGE, "background": request.get("background", False),
        "store": request.get("store", True), "text": request.get("text") or {"format": {"type": "text"}}, "truncation": "disabled",
    }


async def responses(call):
    request = call.json()
    answer = response_object(request, "queued" if request.get("background") else "completed")
    call.fake.objects[answer["id"]] = {**answer, "input": request.get("input")}
    if request.get("stream"):
        return await call.stream(response_frames(answer))
    call.answer(answer)


def response_frames(answer):
    number = iter(range(10_000))

    def event(kind, **fields):
        return frame({"type": kind, "sequence_number": next(number), **fields}, kind)

    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    item = answer["output"][0]
    place = {"item_id": item["id"], "output_index": 0}
    frames = [event("response.created", response=begun), event("response.in_progress", response=begun)]
    if item["type"] == "function_call":
        text = item["arguments"]
        frames.append(event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "arguments": ""}))
        frames += [event("response.function_call_arguments.delta", **place, delta=part) for part in (text[:4], text[4:])]
        frames.append(event("response.function_call_arguments.done", **place, name=item["name"], arguments=text))
    else:
        text = item["content"][0]["text"]
        place["content_index"] = 0
        empty = {**item["content"][0], "text": ""}
        frames.append(event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []}))
        frames.append(event("response.content_part.added", **place, part=empty))
        parts = PIECES if text == CONTENT else [text[:4], text[4:]]
        frames += [event("response.output_text.delta", **place, delta=part, logprobs=[]) for part in parts]
        frames.append(event("response.output_text.done", **place, text=text, logprobs=[]))
        frames.append(event("response.content_part.done", **place, part=item["content"][0]))
    frames.append(event("response.output_item.done", output_index=0, item=item))
    frames.append(event("response.completed", response=answer))
    return frames


# -- images and audio -----------------------------------------------------------------------------


async def images(call):
    call.answer({"created": CREATED, "data": [{"b64_json": IMAGE}], "output_format": "png",
                 "usage": {"input_tokens": 9, "output_tokens": 100, "total_tokens": 109,
                           "input_tokens_details": {"text_tokens": 9, "image_tokens": 0}}})


async def speech(call):
    """Audio comes in chunks without a length, as OpenAI sends it."""
    call.write_head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")])
    for start in range(0, len(SPEECH), 5000):
        await call.send_chunk(SPEECH[start:start + 5000])
    call.end_chunks()


async def transcription(call):
    form = multipart(call)
    if form.get("response_format", b"json") in (b"text", b"srt", b"vtt"):
        return call.answer(b"a transcript\n", content_type="text/plain")
    call.answer({"text": f"heard {len(form['file'])} bytes", "usage": {"type": "duration", "seconds": 3}})


def multipart(call):
    """The parts of a multipart body, name to bytes; the names of files under NAME.filename."""
    head = b"Content-Type: " + call.header("content-type").encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + call.content)
    form = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        form[name] = part.get_payload(decode=True)
        if part.get_filename():
            form[name + ".filename"] = part.get_filename()
    return form


# -- stored objects -------------------------------------------------------------------------------

# collection: (id prefix, object name)
COLLECTIONS = {
    "files": ("file-", "file"), "uploads": ("upload_", "upload"), "batches": ("batch_", "batch"),
    "vector_stores": ("vs_", "vector_store"), "responses": ("resp_", "response"), "conversations": ("conv_", "conversation"),
    "fine_tuning": ("ftjob-", "fine_tuning.job"), "containers": ("cntr_", "container"), "chat": ("chatcmpl-", "chat.completion"),
}


def made(call, collection):
    prefix, kind = COLLECTIONS[collection]
    id = new_id(prefix)
    if collection == "files":
        form = multipart(call)
        return {"id": id, "object": kind, "bytes": len(form["file"]), "created_at": CREATED, "filename": form["file.filename"],
                "purpose": form["purpose"].decode(), "status": "processed"}, form["file"]
    request = call.json() if call.content else {}
    value = {"id": id, "object": kind, "created_at": CREATED, "status": "pending", **request}
    if collection == "uploads":
        value["expires_at"] = CREATED + 3600
    if collection == "batches":
        value.update(status="validating", request_counts={"total": 0, "completed": 0, "failed": 0})
    if collection == "vector_stores":
        value.update(status="completed", usage_bytes=0,
                     file_counts={"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0})
    return value, None


async def stored(call, segments):
    collection = segments[0]
    prefix, kind = COLLECTIONS[collection]
    objects, contents = call.fake.objects, call.fake.objects.setdefault("contents", {})
    if len(segments) == 1:
        if call.method == "POST":
            value, content = made(call, collection)
            objects[value["id"]] = value
            contents[value["id"]] = content
            return call.answer(value)
        rows = [v for k, v in objects.items() if k != "contents" and v.get("object") == kind]
        return call.answer({"object": "list", "data": rows, "first_id": rows[0]["id"] if rows else None,
                            "last_id": rows[-1]["id"] if rows else None, "has_more": False})
    id = segments[1]
    if id not in objects:
        return call.answer(error(f"No such {kind}: {id}", code="not_found"), 404)
    value = objects[id]
    action = call.method + " " + "/".join(segments[2:])
    if action == "GET ":
        return call.answer(value)
    if action == "POST ":
        value.update(call.json())
        return call.answer(value)
    if action == "DELETE ":
        del objects[id]
        return call.answer({"id": id, "object": kind + ".deleted" if kind == "vector_store" else kind, "deleted": True})
    if action == "GET content":
        return call.answer(contents[id], content_type="application/octet-stream")
    if action == "POST cancel":
        value["status"] = "cancelling" if collection == "batches" else "cancelled"
        return call.answer(value)
    if action == "POST parts":
        part = new_id("part_")
        contents[part] = multipart(call)["data"]
        return call.answer({"id": part, "object": "upload.part", "created_at": CREATED, "upload_id": id})
    if action == "POST complete":
        joined = b"".join(contents[part] for part in call.json()["part_ids"])
        file = {"id": new_id("file-"), "object": "file", "bytes": len(joined), "created_at": CREATED,
                "filename": value["filename"], "purpose": value["purpose"], "status": "processed"}
        objects[file["id"]], contents[file["id"]] = file, joined
        value.update(status="completed", file=file)
        return call.answer(value)
    if action == "GET input_items":
        return call.answer({"object": "list", "data": [{"id": new_id("msg_"), "type": "message", "role": "user", "status": "completed",
                                                        "content": [{"type": "input_text", "text": str(value.get("input"))}]}],
                            "first_id": "a", "last_id": "a", "has_more": False})
    if action == "POST files":
        row = {"id": call.json()["file_id"], "object": "vector_store.file", "created_at": CREATED, "status": "completed",
               "vector_store_id": id, "usage_bytes": 1, "last_error": None}
        return call.answer(row)
    if action == "POST search":
        return call.answer({"object": "vector_store.search_results.page", "search_query": [call.json()["query"]], "data": [],
                            "has_more": False, "next_page": None})
    call.answer(error(f"fake has no {action} of {kind}"), 404)


ENDPOINTS = {
    "POST /chat/completions": chat,
    "POST /completions": completions,
    "POST /embeddings": embeddings,
    "POST /moderations": moderations,
    "POST /responses": responses,
    "GET /models": models,
    "POST /images/generations": images,
    "POST /images/edits": images,
    "POST /images/variations": images,
    "POST /audio/speech": speech,
    "POST /audio/transcriptions": transcription,
    "POST /audio/translations": transcription,
}
