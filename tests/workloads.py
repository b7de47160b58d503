"""Callers without a key, for tests: rules for them, tokens of a fake issuer and of a real OIDC provider."""

import contextlib
import json
import subprocess

import openai
import pytest

from gateway import Gateway, plain_config
from node_runtime import DIRECTORY, node

HELLO = [{"role": "user", "content": "hello"}]
CALLERS = [
    {"claims": {"sub": "system:serviceaccount:prod:*", "/kubernetes.io/namespace": "prod"}, "team": "search",
     "name": "{/kubernetes.io/serviceaccount/name}", "tags": {"env": "prod", "pod": "{/kubernetes.io/pod/name}"}},
    {"claims": {"repository": "example/*", "ref": "refs/heads/main"}, "team": "pipelines", "name": "{repository}",
     "models": ["fast"]},
    {"claims": {"sub": "homeless"}, "team": "nobody-made-it"},
    {"claims": {"sub": "robot"}, "team": "robots"},
]


def start_with(tmp_path, upstream, issuers, workers=1, teams=("search", "pipelines", "robots"), **more):
    config = plain_config(upstream.url, workers=workers, issuers=issuers, **more)
    gateway = Gateway(tmp_path, config)
    for team in teams:
        gateway.run("team", "create", team, "--data", str(gateway.data))
    return gateway.start()


def terms(issuer, **more):
    return {"issuer": issuer.says, "audiences": ["turnpike"], "callers": CALLERS, **more}


def client_of(gateway, token, retries=0):
    return openai.OpenAI(base_url=gateway.url + "/v1", api_key=token, max_retries=retries)


def ask(gateway, token, model="fast"):
    with client_of(gateway, token) as client:
        return client.chat.completions.with_raw_response.create(model=model, messages=HELLO)


def refusal(gateway, token, model="fast"):
    """(status, code, message, headers) of a call that must be refused."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(gateway, token, model)
    error = caught.value
    return error.status_code, error.body["code"], error.body["message"], error.response.headers


@contextlib.contextmanager
def real_provider():
    """An OIDC provider that is not ours: `url`, `token(kid, seconds, **claims)`, `say(order)`."""
    process = subprocess.Popen([node(), "oidc_server.mjs"], cwd=DIRECTORY, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)

    class Provider:
        url = process.stdout.readline().strip()

        def token(self, kid="rsa", seconds=600, **claims):
            return self.say({"claims": claims, "kid": kid, "seconds": seconds})

        def say(self, order):
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

    yield Provider()
    process.stdin.close()
    process.wait(10)
