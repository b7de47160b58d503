"""GET /v1/models: names of the configuration, and behind its patterns what each provider says it has.

Providers are asked when somebody asks for the first time, not before; each in its own words, page by page.
"""

import http.server
import json
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import openai
import pytest

from gateway import Gateway, free_port

AWS = botocore.credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CLAUDES = [f"claude-{index}" for index in range(5)]
GEMINIS = [f"gemini-{index}" for index in range(4)]


class Listing(http.server.BaseHTTPRequestHandler):
    """Every provider's list, by the path; what was asked is noted."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        lists = self.server.lists
        url = urllib.parse.urlsplit(self.path)
        with lists.lock:
            lists.asked.append(self.path)
            broken = lists.broken
        try:
            status, value = (503, {"error": {"message": "down"}}) if broken else lists.answer(self, url.path, dict(
                urllib.parse.parse_qsl(url.query)))
        except AssertionError as problem:
            lists.problems.append(problem)
            status, value = 500, {"error": {"message": str(problem)}}
        if lists.gate:
            lists.gate.wait(20)
        if self.server.lists.closing:
            self.close_connection = True
            return
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Lists:
    def __init__(self):
        self.lock, self.asked, self.problems, self.gate = threading.Lock(), [], [], None
        self.broken = self.closing = False
        self.models = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "o1"]
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listing)
        self.server.lists = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def count(self, part):
        with self.lock:
            return sum(part in path for path in self.asked)

    def answer(self, request, path, query):
        family, _, rest = path.removeprefix("/").partition("/")
        return getattr(self, family)(request, rest, query)

    def openai(self, request, path, query):
        assert path == "v1/models" and request.headers["authorization"] == "Bearer the-key"
        return 200, {"object": "list", "data": [{"id": name, "object": "model", "created": 1700000000 + index, "owned_by": "them"}
                                                for index, name in enumerate(self.models)]}

    def bare(self, request, path, query):
        return 200, [{"id": "meta/llama-9", "created": 0, "pricing": {"input": 1}}, {"type": "chat"}, 7]

    def none(self, request, path, query):
        return 404, {"error": {"message": "no such path"}}

    def anthropic(self, request, path, query):
        """Two to a page, whatever was asked for."""
        assert path == "v1/models" and request.headers["x-api-key"] == "the-key" and request.headers["anthropic-version"]
        start = CLAUDES.index(query["after_id"]) + 1 if "after_id" in query else 0
        page = CLAUDES[start:start + 2]
        return 200, {"data": [{"type": "model", "id": name, "display_name": name, "created_at": "2026-02-19T00:00:00Z"} for name in page],
                     "has_more": start + 2 < len(CLAUDES), "first_id": page[0], "last_id": page[-1]}

    def gemini(self, request, path, query):
        assert path == "v1beta/models" and request.headers["x-goog-api-key"] == "the-key"
        start = int(query.get("pageToken", "a/=0").removeprefix("a/="))
        models = [{"name": f"models/{name}", "supportedGenerationMethods": ["generateContent", "countTokens"]}
                  for name in GEMINIS[start:start + 3]]
        models.append({"name": "models/imagen-9", "supportedGenerationMethods": ["predict"]})
        return 200, {"models": models, **({"nextPageToken": f"a/={start + 3}"} if start + 3 < len(GEMINIS) else {})}

    def cohere(self, request, path, query):
        assert path == "v1/models" and request.headers["authorization"] == "Bearer the-key"
        return 200, {"models": [{"name": "command-a", "endpoints": ["chat"]}, {"name": "rerank-v4", "endpoints": ["rerank"]},
                                {"name": "embed-v4.0", "endpoints": ["embed"]}]}

    def bedrock(self, request, path, query):
        self.check_signature(request)
        if path == "foundation-models":
            shape = botocore.session.Session().get_service_model("bedrock").operation_model("ListFoundationModels")
            assert shape.http["requestUri"] == "/" + path
            return 200, {"modelSummaries": [
                {"modelId": "amazon.nova-pro-v1:0", "inferenceTypesSupported": ["ON_DEMAND"], "outputModalities": ["TEXT"],
                 "modelLifecycle": {"status": "ACTIVE"}},
                {"modelId": "anthropic.claude-opus-4-8", "inferenceTypesSupported": ["INFERENCE_PROFILE"], "outputModalities": ["TEXT"]},
                {"modelId": "stability.image-9", "inferenceTypesSupported": ["ON_DEMAND"], "outputModalities": ["IMAGE"]},
                {"modelId": "amazon.titan-embed-text-v2:0", "inferenceTypesSupported": ["ON_DEMAND"], "outputModalities": ["EMBEDDING"]}]}
        assert path == "inference-profiles" and query["maxResults"] == "1000"
        first = "nextToken" not in query
        assert first or query["nextToken"] == "t+/="
        name = "us.anthropic.claude-opus-4-8" if first else "eu.anthropic.claude-opus-4-8"
        return 200, {"inferenceProfileSummaries": [
            {"inferenceProfileId": name, "status": "ACTIVE", "createdAt": "2026-02-19T00:00:00Z", "type": "SYSTEM_DEFINED"}],
            **({"nextToken": "t+/="} if first else {})}

    def check_signature(self, request):
        authorization = request.headers["authorization"]
        parts = dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(","))
        names = parts["SignedHeaders"].split(";")
        again = botocore.awsrequest.AWSRequest(method="GET", url=f"http://{request.headers['host']}{request.path}",
                                               headers={name: request.headers[name] for name in names})
        again.context["timestamp"] = request.headers["x-amz-date"]
        auth = botocore.auth.SigV4Auth(AWS, "bedrock", "us-east-1")
        assert parts["Signature"] == auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)


@pytest.fixture
def lists():
    lists = Lists()
    yield lists
    lists.closing = True
    if lists.gate:
        lists.gate.set()
    lists.server.shutdown()
    lists.server.server_close()
    assert not lists.problems, lists.problems


def provider(lists, name, path, **more):
    kind = {"bare": "openai", "none": "openai"}.get(name, name)
    return {"type": kind, "base_url": f"{lists.url}/{name}{path}", **({} if more else {"api_key": "env:UPSTREAM_KEY"}), **more}


def start(directory, lists, models, workers=1, **providers):
    return Gateway(directory, {
        "workers": workers,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {name: provider(lists, name, *(path if isinstance(path, tuple) else (path,)))
                      if not isinstance(path, dict) else path for name, path in providers.items()},
        "models": models,
    }, {"UPSTREAM_KEY": "the-key", "AWS_TEST_ID": AWS.access_key, "AWS_TEST_SECRET": AWS.secret_key}).start()


def client(gateway, key=None):
    return openai.OpenAI(base_url=gateway.url + "/v1", api_key=key or gateway.key, max_retries=0, timeout=30)


def names(gateway, key=None):
    return [model.id for model in client(gateway, key).models.list().data]


def to(provider, **more):
    return {"targets": [{"provider": provider}], **more}


def test_nobody_is_asked_before_somebody_asks(tmp_path, lists):
    gateway = start(tmp_path, lists, {"fast": {"targets": [{"provider": "openai", "model": "gpt-4o"}]}, "*": to("openai")}, openai="/v1")
    try:
        assert lists.count("") == 0
        got = client(gateway).models.list().data
        assert [model.id for model in got] == ["fast", *lists.models]
        assert [(model.created, model.owned_by) for model in got][:3] == [(0, "openai"), (1700000000, "openai"), (1700000001, "openai")]
        for _ in range(5):
            assert names(gateway) == ["fast", *lists.models]
        assert lists.count("/openai/v1/models") == 1
    finally:
        gateway.stop()


def test_each_family_in_its_own_words(tmp_path, lists):
    signed = {"type": "bedrock", "base_url": lists.url + "/bedrock", "aws": {"region": "us-east-1"}, "credentials": [
        {"name": "main", "aws": {"access_key_id": "env:AWS_TEST_ID", "secret_access_key": "env:AWS_TEST_SECRET"}}]}
    targets = ["openai", "anthropic", "gemini", "cohere", "bedrock", "bare", "none"]
    gateway = start(tmp_path, lists, {"*": {"targets": [{"provider": name} for name in targets]}}, openai="/v1", anthropic="/v1",
                    gemini="/v1beta", cohere="/v2", bedrock=signed, bare="", none="")
    try:
        wanted = [*lists.models, *CLAUDES, *GEMINIS, "command-a", "embed-v4.0", "amazon.nova-pro-v1:0", "amazon.titan-embed-text-v2:0",
                  "us.anthropic.claude-opus-4-8", "eu.anthropic.claude-opus-4-8", "meta/llama-9"]
        assert names(gateway) == wanted
        got = {model.id: model for model in client(gateway).models.list().data}
        assert (got["claude-3"].created, got["claude-3"].owned_by) == (1771459200, "anthropic")
        assert got["us.anthropic.claude-opus-4-8"].created == 1771459200
        assert lists.count("/anthropic/") == 3 and lists.count("/gemini/") == 2 and lists.count("/bedrock/") == 3
        assert client(gateway).models.retrieve("meta/llama-9").owned_by == "bare"
    finally:
        gateway.stop()


def test_patterns_and_rules_decide_what_is_listed(tmp_path, lists):
    """A name is listed where its row leads to that provider, and its key and team may use it."""
    gateway = start(tmp_path, lists, {
        "gpt-4o": {"targets": [{"provider": "none", "model": "other"}]},
        "gpt-*": to("openai"), "claude-*": to("anthropic"), "local-*": {"targets": [{"provider": "openai", "model": "o1"}]},
    }, openai="/v1", anthropic="/v1", none="")
    try:
        assert names(gateway) == ["gpt-4o", "gpt-4o-mini", *CLAUDES]
        gateway.run("team", "create", "search", "--model", "claude-*")
        limited = gateway.create_key("limited", "--model", "gpt-*")["key"]
        teamed = gateway.create_key("teamed", "--team", "search", "--model", "claude-1", "--model", "gpt-*")["key"]
        gateway.wait_key(limited), gateway.wait_key(teamed)
        assert names(gateway, limited) == ["gpt-4o", "gpt-4o-mini"]
        assert names(gateway, teamed) == ["claude-1"]
        assert client(gateway, teamed).models.retrieve("claude-1").created == 1771459200
        with pytest.raises(openai.NotFoundError):
            client(gateway, teamed).models.retrieve("claude-2")
        # An alias that the provider takes and does not list.
        assert client(gateway).models.retrieve("claude-latest").id == "claude-latest"
    finally:
        gateway.stop()


def test_a_provider_that_is_down_takes_nothing_from_the_others(tmp_path, lists):
    dead = {"type": "openai", "base_url": f"http://127.0.0.1:{free_port()}/v1", "api_key": "env:UPSTREAM_KEY"}
    gateway = start(tmp_path, lists, {"fast": to("dead"), "gpt-*": to("dead"), "*": to("openai")}, openai="/v1", dead=dead)
    try:
        assert names(gateway) == ["fast", "text-embedding-3-small", "o1"]
        assert names(gateway) == ["fast", "text-embedding-3-small", "o1"]
        assert gateway.stderr().count("provider dead does not tell which models it has") == 1
    finally:
        gateway.stop()


def test_callers_wait_together_for_the_first_answer(tmp_path, lists):
    lists.gate = threading.Event()
    gateway = start(tmp_path, lists, {"*": to("openai")}, workers=2, openai="/v1")
    try:
        gateway.wait_key(gateway.key)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(names(gateway))) for _ in range(12)]
        for thread in threads:
            thread.start()
        while lists.count("") == 0:
            threading.Event().wait(0.01)
        lists.gate.set()
        for thread in threads:
            thread.join()
        assert answers == [lists.models] * 12 and lists.count("") == 1
    finally:
        gateway.stop()


def test_a_caller_who_leaves_while_it_waits(tmp_path, lists):
    lists.gate = threading.Event()
    gateway = start(tmp_path, lists, {"*": to("openai")}, openai="/v1")
    try:
        with pytest.raises(openai.APITimeoutError):
            client(gateway).with_options(timeout=0.3).models.list()
        lists.gate.set()
        assert names(gateway) == lists.models
    finally:
        gateway.stop()


def test_stopping_does_not_wait_for_a_provider(tmp_path, lists):
    lists.gate = threading.Event()
    gateway = start(tmp_path, lists, {"*": to("openai")}, openai="/v1")
    with pytest.raises(openai.APITimeoutError):
        client(gateway).with_options(timeout=0.5).models.list()
    gateway.stop()


def test_too_many_are_cut(tmp_path, lists):
    lists.models = [f"m{index}" for index in range(10500)]
    gateway = start(tmp_path, lists, {"*": to("openai")}, openai="/v1")
    try:
        assert len(names(gateway)) == 10000
        assert "provider openai has more models than are listed" in gateway.stderr()
    finally:
        gateway.stop()
