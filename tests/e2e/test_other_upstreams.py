"""Upstreams that are not ours: aimock (an OpenAI-shaped server on Node) and nginx with canned files."""

import json
import os
import shutil
import subprocess
import sys
import threading

import openai
import pytest

from fake_answers import CONTENT, chat_frames
from gateway import Gateway, free_port, plain_config, wait_until
from node_runtime import DIRECTORY, node
from wire_client import Wire, call_once

AIMOCK_CONTENT = "Hello from aimock — 你好."
HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}


@pytest.fixture(scope="module")
def aimock():
    process = subprocess.Popen([node(), "aimock_server.mjs"], cwd=DIRECTORY, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(10)


@pytest.fixture(scope="module")
def aimock_gateway(aimock, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("aimock"), plain_config(aimock)).start()
    yield gateway
    gateway.stop()


@pytest.fixture
def aimock_client(aimock_gateway):
    with openai.OpenAI(base_url=aimock_gateway.url + "/v1", api_key=aimock_gateway.key, max_retries=0) as client:
        yield client


def test_aimock_chat(aimock_client):
    answer = aimock_client.chat.completions.create(model="fast", messages=HELLO)
    assert answer.choices[0].message.content == AIMOCK_CONTENT


def test_aimock_stream_without_usage_asked(aimock_client, aimock_gateway):
    raw = aimock_client.chat.completions.with_raw_response.create(model="fast", messages=HELLO, stream=True)
    chunks = list(raw.parse())
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == AIMOCK_CONTENT
    assert all(c.usage is None for c in chunks)
    assert aimock_gateway.wait_record(raw.headers["x-request-id"])["output_tokens"] > 0


def test_aimock_stream_with_usage_asked(aimock_client):
    chunks = list(aimock_client.chat.completions.create(
        model="fast", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens > 0


def test_aimock_tools(aimock_client):
    with aimock_client.chat.completions.stream(
            model="fast", messages=[{"role": "user", "content": "weather"}], tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Köln"}


def test_aimock_structured_output(aimock_client):
    answer = aimock_client.chat.completions.create(
        model="fast", messages=[{"role": "user", "content": "structured"}], response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == {"city": "Köln", "days": 3}


def test_aimock_responses(aimock_client):
    assert aimock_client.responses.create(model="fast", input="hello").output_text == AIMOCK_CONTENT
    with aimock_client.responses.stream(model="fast", input="hello") as stream:
        assert stream.get_final_response().output_text == AIMOCK_CONTENT


def test_aimock_embeddings(aimock_client):
    answer = aimock_client.embeddings.create(model="fast", input="vector")
    assert answer.data[0].embedding == [0.5, 0.25, -1]


def test_aimock_errors(aimock_client):
    with pytest.raises(openai.RateLimitError) as caught:
        aimock_client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "busy"}])
    assert caught.value.code == "rate_limit_exceeded"


def test_aimock_files(aimock_client):
    content = b'{"custom_id": "1"}\n'
    made = aimock_client.files.create(file=("in.jsonl", content), purpose="batch")
    assert aimock_client.files.content(made.id).read() == content
    assert aimock_client.files.retrieve(made.id).bytes == len(content)
    assert aimock_client.files.delete(made.id).deleted


def test_aimock_images_and_audio(aimock_client):
    assert aimock_client.images.generate(model="gpt-image-1", prompt="gate").data[0].b64_json
    assert aimock_client.audio.speech.create(model="tts-1", voice="alloy", input="hi").read() == b"sound"
    assert aimock_client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", b"x" * 100)).text == "heard"


# -- nginx ----------------------------------------------------------------------------------------

NGINX_CONFIG = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port}; keepalive_requests {keepalive_requests}; keepalive_timeout {keepalive_timeout};
    client_max_body_size 100m;
    location = /v1/chat/completions {{ error_page 404 405 =200 /chat.json; default_type application/json; root {directory}; }}
    location = /chat.json {{ root {directory}; default_type application/json; }}
    location = /v1/responses {{ error_page 404 405 =200 /stream.sse; root {directory}; }}
    location = /stream.sse {{ root {directory}; default_type text/event-stream; types {{ }} }}
  }}
}}
"""


@pytest.fixture
def nginx(tmp_path):
    """start(...) runs one that closes kept connections as often as asked."""
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin"):
        pytest.skip("nginx is not installed")
    running = []

    def start(keepalive_requests=1000, keepalive_timeout="75s"):
        directory = tmp_path / f"nginx{len(running)}"
        directory.mkdir()
        port = free_port()
        (directory / "chat.json").write_text(json.dumps({
            "id": "chatcmpl-nginx", "object": "chat.completion", "created": 1, "model": "canned", "usage": {
                "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, "choices": [{
                    "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": CONTENT}}]}))
        frames = chat_frames({"model": "canned", "stream_options": {"include_usage": True}})
        (directory / "stream.sse").write_bytes(b"".join(frames))
        (directory / "nginx.conf").write_text(NGINX_CONFIG.format(
            directory=directory, port=port, keepalive_requests=keepalive_requests, keepalive_timeout=keepalive_timeout))
        directory.chmod(0o755)
        process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(directory / "nginx.conf"), "-p", str(directory),
                                    "-g", "user root;" if os.geteuid() == 0 else ""], stderr=sys.stderr)
        running.append(process)

        def listens():
            try:
                Wire(port).close()
                return True
            except OSError:
                return False

        wait_until(listens, 10, "nginx listens")
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


def test_nginx_upstream(nginx, start_gateway):
    gateway = start_gateway(plain_config(nginx()))
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(model="fast", messages=HELLO)
        assert raw.parse().choices[0].message.content == CONTENT
        record = gateway.wait_record(raw.headers["x-request-id"])
        assert (record["input_tokens"], record["output_tokens"]) == (3, 4)


@pytest.mark.parametrize("settings", [
    {"keepalive_requests": 3}, {"keepalive_timeout": "5ms"}, {"keepalive_requests": 1}], ids=str)
def test_nginx_that_closes_kept_connections_never_makes_a_502(nginx, start_gateway, settings):
    """A kept connection may die just as the next call takes it. The call goes out again; the caller never learns."""
    gateway = start_gateway(plain_config(nginx(**settings)))
    key = gateway.key
    statuses = []

    def calls():
        with Wire(gateway.port, key=key) as wire:
            for _ in range(100):
                wire.chat("fast")
                statuses.append(wire.answer().status)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 400


def test_nginx_event_stream_from_a_file(nginx, start_gateway):
    """A stream with a Content-Length, all frames in one packet."""
    gateway = start_gateway(plain_config(nginx()))
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.request("POST", "/v1/responses", {"model": "fast", "input": "x", "stream": True})
        answer = wire.answer()
    assert answer.status == 200
    assert CONTENT.split(" ")[0].encode() in answer.body
    assert call_once(gateway.port, gateway.key, "fast").status == 200
