"""A fake that is not ours for every family that it speaks: `@copilotkit/aimock` as Anthropic, Gemini and Bedrock, and in front of
the gateway the official SDKs, for Python here and for Node in node/native.mjs.
"""

import json
import os
import subprocess

import openai
import pytest

from gateway import Gateway, free_port
from node_runtime import DIRECTORY, node

SAID = "Hello from aimock — 你好."
MODELS = {"claude-sonnet-4-6": "anthropic", "gemini-2.5-flash": "gemini", "us.anthropic.claude-haiku-4-5-20251001-v1:0": "bedrock"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    process = subprocess.Popen([node(), "aimock_server.mjs"], cwd=DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    gateway = Gateway(tmp_path_factory.mktemp("aimock"), {
        "workers": 1,
        "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {"anthropic": {"type": "anthropic", "base_url": url + "/v1", "api_key": "env:UPSTREAM_KEY"},
                      "gemini": {"type": "gemini", "base_url": url + "/v1beta", "api_key": "env:UPSTREAM_KEY"},
                      "bedrock": {"type": "bedrock", "base_url": url, "aws": {"region": "us-east-1"}, "api_key": "env:UPSTREAM_KEY"}},
        "models": {model: {"targets": [{"provider": provider}]} for model, provider in MODELS.items()},
    }).start()
    yield gateway
    gateway.stop()
    process.stdin.close()
    process.wait(10)


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:
        yield client


def user(words):
    return [{"role": "user", "content": words}]


@pytest.mark.parametrize("model", MODELS)
def test_chat_and_responses(client, model):
    whole = client.chat.completions.create(model=model, max_tokens=50, messages=user("hello"))
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (SAID, "stop")
    chunks = list(client.chat.completions.create(model=model, max_tokens=50, messages=user("hello"), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == SAID and len(chunks) > 3
    assert client.responses.create(model=model, max_output_tokens=50, input="hello").output_text == SAID
    with client.responses.stream(model=model, max_output_tokens=50, input="hello") as stream:
        assert stream.get_final_response().output_text == SAID


@pytest.mark.parametrize("model", MODELS)
def test_tools(client, model):
    whole = client.chat.completions.create(model=model, max_tokens=50, messages=user("weather"), tools=[WEATHER])
    with client.chat.completions.stream(model=model, max_tokens=50, messages=user("weather"), tools=[WEATHER]) as stream:
        streamed = stream.get_final_completion()
    for answer in (whole, streamed):
        call = answer.choices[0].message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Köln"})
        assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("model", MODELS)
def test_errors(client, model):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model=model, max_tokens=50, messages=user("busy"))


@pytest.mark.parametrize("model", MODELS)
def test_node(gateway, model):
    done = subprocess.run([node(), "--test", "--test-reporter=spec", "--test-timeout=60000", "native.mjs"], cwd=DIRECTORY, env={
        **os.environ, "OPENAI_BASE_URL": gateway.url + "/v1", "OPENAI_API_KEY": gateway.key, "MODEL": model},
        capture_output=True, text=True, timeout=110)
    assert done.returncode == 0 and "pass 0" not in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
