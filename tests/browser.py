"""What a browser does on the wire, without one: cookies kept as their attributes say, and the fields that tell
which page asks. For tests of how the console's door is guarded; real browsers are elsewhere."""

import http.client
import http.cookies
import json


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.bytes = status, fields, body

    def field(self, name):
        """The one field of that name, or None."""
        found = self.all(name)
        assert len(found) <= 1, (name, found)
        return found[0] if found else None

    def all(self, name):
        return [value for given, value in self.fields if given.lower() == name]

    @property
    def json(self):
        return json.loads(self.bytes)

    @property
    def code(self):
        return self.json["error"]["code"]


class Browser:
    """One browser with a page of the console at `origin` open."""

    def __init__(self, origin, context=None):
        self.origin, self.context = origin, context
        self.scheme, _, self.host = origin.partition("://")
        self.cookies = {}  # name to http.cookies.Morsel

    def connect(self):
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, timeout=20, context=self.context)
        return http.client.HTTPConnection(self.host, timeout=20)

    def send(self, method, path, body=None, headers=None, cookies=True):
        """Sends what it is told, and keeps the cookies of the answer."""
        headers = dict(headers or {})
        if cookies and self.cookies:
            headers.setdefault("cookie", "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items()))
        connection = self.connect()
        try:
            connection.request(method, path, body=body if body is None or isinstance(body, str) else json.dumps(body), headers=headers)
            got = connection.getresponse()
            answer = Answer(got.status, got.getheaders(), got.read())
        finally:
            connection.close()
        for line in answer.all("set-cookie"):
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer

    def page(self, path="/console/", **headers):
        """Goes to a page, as if it had been typed."""
        return self.send("GET", path, headers={"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "accept-encoding": "gzip, br", **headers})

    def fetch(self, method, path, body=None, **headers):
        """What the console's page sends, which is to a place of its own origin."""
        fields = {"sec-fetch-site": "same-origin", "x-turnpike-console": "1"}
        if method not in ("GET", "HEAD"):
            fields["origin"] = self.origin
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.send(method, path, body, {name: value for name, value in fields.items() if value is not None})
