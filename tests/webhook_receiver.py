"""A receiver of webhooks: it keeps what it gets, and checks signatures as Standard Webhooks asks receivers to."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from gateway import wait_until

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
TOKEN = "a-token-in-the-url"


class Receiver:
    """An HTTP server that keeps what it gets. `answers` are statuses, or functions of the handler, in turn; then 204."""

    def __init__(self, *answers, port=0, context=None):
        self.answers = list(answers)
        self.messages = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.messages.append((dict(self.headers), self.path, body, time.time()))
                answer = receiver.answers.pop(0) if receiver.answers else 204
                if callable(answer):
                    answer(self)
                else:
                    self.send_response(answer)
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.scheme = "http"
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks/{TOKEN}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self, count, seconds=15):
        wait_until(lambda: len(self.messages) >= count, seconds, f"{count} messages")
        return [json.loads(body) for _, _, body, _ in self.messages]


def fields(message):
    return {name.lower(): value for name, value in message[0].items()}


def check_signature(message, secret=SECRET):
    """What Standard Webhooks asks receivers to do."""
    headers, body = fields(message), message[2]
    assert abs(int(headers["webhook-timestamp"]) - message[3]) < 60
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert hmac.compare_digest(wanted, headers["webhook-signature"])
