"""Token servers and metadata servers of Google, Azure and AWS, on one port of this machine.

What was asked is in `asked`, in order; what comes back is set by attributes:

    down      a status instead of any answer (503: out of order)
    hold      an Event: answers wait until it is set
    body      bytes instead of the JSON
    lifetime  seconds that a token holds
"""

import datetime
import http.server
import json
import threading
import urllib.parse

ROLE = "models-role"


class Ask:
    def __init__(self, method, path, headers, body):
        url = urllib.parse.urlsplit(path)
        self.method, self.path, self.body = method, url.path, body
        self.target = path
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.form = dict(urllib.parse.parse_qsl(body.decode("latin-1"))) if b"=" in body else {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fake = self.server.fake
        ask = Ask(self.command, self.path, self.headers, body)
        with fake.changed:
            fake.asked.append(ask)
            fake.changed.notify_all()
        fake.hold.wait(60)
        status, answer = (fake.down, b"{}") if fake.down else fake.answer(ask)
        if fake.body is not None and status == 200:
            answer = fake.body
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = serve


class FakeTokens:
    def __init__(self):
        self.asked = []
        self.changed = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()
        self.down, self.body, self.lifetime = None, None, 3600
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.fake = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    def wait_asked(self, count, seconds=20):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, seconds), f"asked {len(self.asked)} times"

    def until(self):
        return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def token(self):
        """token-1, token-2, …: as many as tokens were asked for."""
        return f"token-{len(self.asked)}"

    def keys(self, token_name="Token"):
        return {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", token_name: self.token(), "Expiration": self.until()}

    def answer(self, ask):
        if ask.path == "/latest/api/token":
            good = ask.method == "PUT" and ask.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
            return (200, b"imds-session") if good else (400, b"")
        if ask.path.startswith("/latest/meta-data/iam/security-credentials/"):
            if ask.headers.get("x-aws-ec2-metadata-token") != "imds-session":
                return 401, b""
            role = ask.path.rsplit("/", 1)[1]
            return 200, json.dumps({"Code": "Success", **self.keys()}).encode() if role else ROLE.encode()
        if ask.path == "/container":
            return 200, json.dumps(self.keys()).encode()
        if ask.path.startswith("/sts"):
            fields = "".join(f"<{name}>{value}</{name}>" for name, value in self.keys("SessionToken").items())
            return 200, f"<AssumeRoleResponse><Result><Credentials>{fields}</Credentials></Result></AssumeRoleResponse>".encode()
        if ask.path.startswith("/impersonate"):
            return 200, json.dumps({"accessToken": f"impersonated-{len(self.asked)}", "expireTime": self.until()}).encode()
        if ask.path == "/subject":
            return 200, json.dumps({"value": "subject-by-url"}).encode()
        if ask.path.startswith("/metadata/identity"):  # Azure, whose numbers are texts
            return 200, json.dumps({"access_token": self.token(), "expires_in": str(self.lifetime), "token_type": "Bearer"}).encode()
        return 200, json.dumps({"access_token": self.token(), "expires_in": self.lifetime, "token_type": "Bearer"}).encode()
