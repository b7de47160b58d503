"""The built-in model: the first call works with no account and no network."""

import json
import os
import subprocess

import openai
import pytest

from gateway import BINARY, Gateway, free_port

HELLO = [{"role": "user", "content": "Hello, who are you?"}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("demo"), {
        "workers": 1, "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
        "providers": {"demo": {"type": "demo"}}, "models": {"demo": {"targets": [{"provider": "demo"}]}}}).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def demo_client(demo):
    with openai.OpenAI(base_url=demo.url + "/v1", api_key=demo.key, max_retries=0) as client:
        yield client


def test_whole(demo_client, demo):
    answer = demo_client.chat.completions.create(model="demo", messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    record = demo.wait_record(answer._request_id)
    assert record["output_tokens"] == answer.usage.completion_tokens


def test_stream(demo_client):
    with demo_client.chat.completions.stream(model="demo", messages=HELLO) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert text and final.choices[0].message.content == text


def test_stream_usage(demo_client):
    chunks = list(demo_client.chat.completions.create(model="demo", messages=HELLO, stream=True))
    assert all(c.choices for c in chunks)
    chunks = list(demo_client.chat.completions.create(
        model="demo", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0


def test_calls_a_tool(demo_client):
    question = [{"role": "user", "content": "What is the weather in Rome? Use get_weather."}]
    first = demo_client.chat.completions.create(model="demo", messages=question, tools=[WEATHER], tool_choice="required")
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    second = demo_client.chat.completions.create(model="demo", tools=[WEATHER], messages=[
        *question, first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}])
    assert second.choices[0].message.content


def test_responses(demo_client):
    with demo_client.responses.stream(model="demo", input="Hello") as stream:
        assert stream.get_final_response().output_text
    assert demo_client.responses.create(model="demo", input="Hello").output_text


def test_quick_start(tmp_path):
    """`turnpike serve --quick-start`, as ./dev run has it: base URL, a key shown once, and a curl line that works when pasted."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_BASE_URL"))}
    address = f"127.0.0.1:{free_port()}"  # the default, 8080, may be somebody's
    process = subprocess.Popen([BINARY, "serve", "--quick-start", "--listen", address, "--data", str(tmp_path / "data")], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment, cwd=tmp_path)
    try:
        said, command = [], []
        for line in process.stdout:
            said.append(line)
            if line.startswith("curl ") or command:
                command.append(line)
                if not line.rstrip().endswith("\\"):
                    break
        done = subprocess.run(["sh", "-c", "".join(command)], capture_output=True, text=True, timeout=20)
        assert '"content"' in done.stdout, (said, done)
        assert any(f"http://{address}/v1" in line for line in said)
        audit = subprocess.run([BINARY, "audit", "--json", "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=20)
        link, entry = map(json.loads, audit.stdout.splitlines())
        assert (link["action"], link["object"], link["after"]) == ("create", "sign_in_code", {"role": "owner", "team": None})
        assert (entry["action"], entry["object"], entry["after"]["name"]) == ("create", "key", "quick-start")
        assert entry["after"]["expires_at"] is not None
    finally:
        process.terminate()
        process.stdout.read()
        assert process.wait(20) == 0
        process.stdout.close()
