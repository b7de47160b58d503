"""A client of the admin API that holds every answer against the OpenAPI document of the same gateway.

An AdminClient knows one gateway and one admin key. Each call checks: the path and method are documented
(or the answer is 404 or 405), the parameters are documented, the status is, and the body fits its schema.
`AdminClient.seen` collects the operations that were answered with success.
"""

import http.client
import json
import socket
import urllib.parse

import jsonschema
import referencing
from referencing.jsonschema import DRAFT202012

PREFIX = "/admin/v1"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.bytes = status, headers, body

    @property
    def json(self):
        return json.loads(self.bytes)

    @property
    def code(self):
        return self.json["error"]["code"]

    @property
    def field(self):
        return self.json["error"]["field"]

    @property
    def message(self):
        return self.json["error"]["message"]


class AdminClient:
    def __init__(self, gateway, key=None, connect=None):
        self.gateway = gateway
        self.key = key
        self.connect = connect or (lambda: UnixConnection(gateway.data / "admin.sock"))
        self.seen = set()
        self._document = None

    def as_key(self, key):
        """The same door with another key; both collect in one `seen`."""
        other = AdminClient(self.gateway, key, self.connect)
        other._document, other.seen = self.document, self.seen
        return other

    # -- the document ---------------------------------------------------------------------------

    @property
    def document(self):
        if self._document is None:
            self._document = json.loads(self.raw("GET", PREFIX + "/openapi.json").bytes)
        return self._document

    def operations(self):
        return {operation["operationId"] for methods in self.document["paths"].values()
                for operation in methods.values()}

    def _operation(self, method, path):
        """The documented operation of a path, or None. A {id} stands for one segment."""
        parts = path.split("/")
        for pattern, methods in self.document["paths"].items():
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(w in (p, "{id}") for w, p in zip(wanted, parts)):
                return methods.get("get" if method == "HEAD" else method.lower())
        return None

    def _check(self, method, target, answer):
        path, _, query = target.partition("?")
        operation = self._operation(method, path)
        if operation is None:
            assert answer.status in (204, 401, 404, 405), (method, target, answer.status)
            return self._check_content(self.document["components"]["responses"]["Problem"], answer)
        if answer.status < 400:
            documented = {row["name"] for row in operation["parameters"] if row["in"] == "query"}
            assert set(urllib.parse.parse_qs(query)) <= documented, target
            self.seen.add(operation["operationId"])
        response = operation["responses"].get(str(answer.status))
        if response is None:
            assert answer.status >= 400, (method, target, answer.status)
            response = self.document["components"]["responses"]["Problem"]
        if method != "HEAD":
            self._check_content(response, answer)

    def _check_content(self, response, answer):
        if "content" not in response or answer.status == 204:
            assert answer.bytes == b"", answer.bytes
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        schema = response["content"][media_type]["schema"]
        if media_type != "application/json":
            return
        registry = referencing.Registry().with_resource(
            "urn:admin", referencing.Resource(self.document, DRAFT202012))
        schema = json.loads(json.dumps(schema).replace('"#/', '"urn:admin#/'))
        jsonschema.Draft202012Validator(
            schema, registry=registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(answer.json)

    # -- calls ----------------------------------------------------------------------------------

    def raw(self, method, target, body=None, headers=None):
        connection = self.connect()
        try:
            headers = dict(headers or {})
            if self.key:
                headers.setdefault("authorization", f"Bearer {self.key}")
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def call(self, method, path, body=None, status=200, headers=None, **query):
        target = PREFIX + path
        if query:
            target += ("&" if "?" in target else "?") + urllib.parse.urlencode(query)
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        answer = self.raw(method, target, data, headers)
        assert answer.status == status, f"{method} {target}: {answer.status} {answer.bytes[:1000]}"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["cache-control"] == "no-store"
        self._check(method, target, answer)
        return answer

    def get(self, path, status=200, **query):
        answer = self.call("GET", path, status=status, **query)
        return answer.json if status == 200 else answer

    def post(self, path, body=None, status=201, **query):
        answer = self.call("POST", path, body, status=status, **query)
        return answer.json if status < 300 else answer

    def patch(self, path, body, status=200, headers=None):
        answer = self.call("PATCH", path, body, status=status, headers=headers)
        return answer.json if status == 200 else answer

    def delete(self, path, status=204, **query):
        answer = self.call("DELETE", path, status=status, **query)
        return answer.json if status == 200 else answer
