"""An issuer of tokens on this machine, for what a well-behaved one does not do: wrong tokens, keys that
change, silence. How often it was asked is in `asked`, what it says is set by attributes:

    down   a status instead of any answer
    hold   an Event: answers wait until it is set
    keys   {kid: private key}, all of them published
    jwks   bytes instead of the set of keys
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

CURVES = {"secp256r1": ("P-256", 32, "ES256"), "secp384r1": ("P-384", 48, "ES384"), "secp521r1": ("P-521", 66, "ES512")}


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size):
    return encode(value.to_bytes(size, "big"))


def jwk(kid, key):
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": number(numbers.n, (numbers.n.bit_length() + 7) // 8), "e": "AQAB"}
    curve, size, _ = CURVES[key.curve.name]
    numbers = public.public_numbers()
    return {"kty": "EC", "kid": kid, "use": "sig", "crv": curve, "x": number(numbers.x, size), "y": number(numbers.y, size)}


def sign(key, algorithm, data):
    if algorithm == "none":
        return b""
    if algorithm == "HS256":  # with the public key, which everybody has
        secret = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hmac.digest(secret, data, "sha256")
    digest = getattr(hashes, "SHA" + algorithm[2:5])()
    if algorithm.startswith("ES"):
        der = key.sign(data, ec.ECDSA(digest))
        if algorithm.endswith("-der"):
            return der
        size = CURVES[key.curve.name][1]
        return b"".join(part.to_bytes(size, "big") for part in utils.decode_dss_signature(der))
    return key.sign(data, padding.PKCS1v15(), digest)


def make_token(key, header, claims, algorithm=None):
    """`header` and `claims` are dicts, or the text itself."""
    parts = [encode((part if isinstance(part, str) else json.dumps(part)).encode()) for part in (header, claims)]
    signed = ".".join(parts).encode()
    return ".".join([*parts, encode(sign(key, algorithm or header["alg"], signed))])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        issuer = self.server.issuer
        with issuer.changed:
            issuer.asked.append(self.path)
            issuer.headers.append(dict(self.headers))
            issuer.changed.notify_all()
        issuer.hold.wait(60)
        status, answer = (issuer.down, b"{}") if issuer.down else (200, issuer.answer(self.path))
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            self.close_connection = True


class FakeIssuer:
    def __init__(self):
        self.asked, self.headers = [], []
        self.changed = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()
        self.down, self.jwks = None, None
        self.keys = {"rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
                     "curve": ec.generate_private_key(ec.SECP256R1())}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.issuer = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.says = self.url  # what it says of itself
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path):
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.says, "jwks_uri": self.url + "/keys"}).encode()
        return self.jwks if self.jwks is not None else self.set_of_keys()

    def set_of_keys(self):
        return json.dumps({"keys": [jwk(kid, key) for kid, key in self.keys.items()]}).encode()

    def asked_for_keys(self):
        return sum(path == "/keys" for path in self.asked)

    def wait_asked(self, count, seconds=20):
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked_for_keys() >= count, seconds), f"asked {self.asked}"

    def claims(self, **more):
        now = int(time.time())
        claims = {"iss": self.says, "sub": "robot", "aud": "turnpike", "iat": now, "exp": now + 600, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid="curve", algorithm=None, key=None, header=None, **claims):
        key = key or self.keys[kid]
        usual = "RS256" if isinstance(key, rsa.RSAPrivateKey) else CURVES[key.curve.name][2]
        header = {"alg": usual, "kid": kid, "typ": "JWT", **(header or {})}
        return make_token(key, header, self.claims(**claims), algorithm or header["alg"])


def kubernetes_claims(namespace, account, pod="pod-0"):
    """The claims of a projected service account token."""
    return {"aud": ["turnpike"], "sub": f"system:serviceaccount:{namespace}:{account}",
            "jti": hashlib.sha256(pod.encode()).hexdigest()[:32],
            "kubernetes.io": {"namespace": namespace, "node": {"name": "node-1", "uid": "6b1d"},
                              "pod": {"name": pod, "uid": "1c0e"}, "serviceaccount": {"name": account, "uid": "77aa"}}}
