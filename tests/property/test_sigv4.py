"""Random requests: src/provider/sigv4.c must sign as botocore, AWS's own Python library, does.

SIGV4_SEED=N runs that seed alone.
"""

import datetime
import json
import os
import pathlib
import random
import string
import subprocess
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from gateway import BINARY

PROGRAM = pathlib.Path(BINARY).resolve().parent / "tests" / "unit" / "provider" / "provider_sign"
REQUESTS = 300
MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/abc+def=",
    "mödel 模型",
]
REGIONS = ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]


def characters(draw, alphabet, least, most):
    return "".join(draw.choice(alphabet) for _ in range(draw.randint(least, most)))


def query(draw):
    everything = string.ascii_letters + string.digits + "-._~ /:=+%&ü"
    pairs = [(characters(draw, everything, 1, 6), characters(draw, everything, 0, 8)) for _ in range(draw.choice([0, 0, 1, 2, 5]))]
    return "&".join(f"{urllib.parse.quote(key, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for key, value in pairs)


def target(draw):
    path = draw.choice(["/", f"/model/{urllib.parse.quote(draw.choice(MODELS), safe='-_.~')}/converse-stream", "/a//b/./c/../d/", "/openai/v1/chat/completions"])
    return path + (f"?{pairs}" if (pairs := query(draw)) else "")


def headers(draw):
    lines = [("content-type", draw.choice(["application/json", "application/x-www-form-urlencoded; charset=utf-8"]))]
    for _ in range(draw.randint(0, 4)):
        name = draw.choice(["X-Amzn-Bedrock-Trace", "x-amz-meta-b", "X-Amz-Meta-A", "accept"])
        lines.append((name, " " * draw.randint(0, 2) + characters(draw, "ab  ,;=\"", 1, 12) + " " * draw.randint(0, 2)))
    draw.shuffle(lines)
    return lines


def make(draw):
    return {
        "id": characters(draw, string.ascii_uppercase + string.digits, 16, 20),
        "secret": characters(draw, string.ascii_letters + string.digits + "+/", 40, 40),
        "token": draw.choice(["", characters(draw, string.ascii_letters + "+/=", 100, 400)]),
        "method": draw.choice(["GET", "POST", "PUT"]),
        "host": draw.choice(["bedrock-runtime.us-east-1.amazonaws.com", "localhost:4566", "[::1]:80"]),
        "target": target(draw),
        "lines": headers(draw),
        "body": draw.choice(["", "{}", characters(draw, "abcäöü模\n\t\"{}", 1, 5000)]),
        "region": draw.choice(REGIONS),
        "service": draw.choice(["bedrock", "bedrock-mantle", "sts"]),
        "time": draw.randint(1_600_000_000, 2_000_000_000),
    }


def botocores(ask, monkeypatch):
    """The headers that botocore adds."""
    now = datetime.datetime.fromtimestamp(ask["time"], datetime.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    request = botocore.awsrequest.AWSRequest(ask["method"], f"http://{ask['host']}{ask['target']}", data=ask["body"].encode())
    for name, value in ask["lines"]:
        request.headers.add_header(name, value)
    request.headers["host"] = ask["host"]
    credentials = botocore.credentials.Credentials(ask["id"], ask["secret"], ask["token"] or None)
    botocore.auth.SigV4Auth(credentials, ask["service"], ask["region"]).add_auth(request)
    return {name.lower(): request.headers[name] for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization") if name in request.headers}


def ours(asks):
    lines = [json.dumps(ask | {"lines": "".join(f"{name}: {value}\r\n" for name, value in ask["lines"])}) for ask in asks]
    answer = subprocess.run([PROGRAM], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60, check=True)
    blocks = answer.stdout.split("\n\n")[:-1]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_signs_as_botocore_does(monkeypatch):
    seed = int(os.environ.get("SIGV4_SEED") or random.randrange(1 << 30))
    print("seed", seed)
    draw = random.Random(seed)
    asks = [make(draw) for _ in range(REQUESTS)]
    answers = ours(asks)
    assert len(answers) == REQUESTS
    for ask, answer in zip(asks, answers, strict=True):
        assert answer == botocores(ask, monkeypatch), ask
