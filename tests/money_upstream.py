"""A provider that keeps its own books: what it has served, by the caller's `user`, to the last token.

What a call gets is drawn from a seed and the call's `user`, so that a run can be repeated. A call may say more in its
`metadata`: `{"prompt": "11", "completion": "7"}` are the counts to report, `"pace": "0.01"` are seconds before each frame,
`"first": "0.2"` seconds before the head. Answers use anything up to the whole limit that was sent, so that a gateway that
reserves too little is found out. When the other side leaves, the provider goes on and counts all the same.

`PRICES` are own prices to configure for `model`, `cost_of` is what a usage costs by them, in picodollars.
"""

import asyncio
import dataclasses
import json
import random
import threading

from fake_answers import frame
from fake_upstream import FakeUpstream, Gone

PRICES = {"input": "0.15", "cached_input": "0.075", "output": "0.60"}
INPUT, CACHED, OUTPUT = 150_000, 75_000, 600_000  # the same, in picodollars for a token
MOST_OUTPUT = 2_000                               # tokens of a choice, when the call does not say
PIECES = 6                                        # content frames of a stream


def cost_of(usage):
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return (usage["prompt_tokens"] - cached) * INPUT + cached * CACHED + usage["completion_tokens"] * OUTPUT


def picodollars(text):
    """A record's decimal dollars, exactly."""
    whole, _, fraction = text.partition(".")
    assert len(fraction) <= 12, text
    return int(whole) * 10**12 + int(fraction.ljust(12, "0"))


def dollars(amount):
    """The other way round."""
    return f"{amount // 10**12}.{amount % 10**12:012d}"


def usage_of(prompt, cached, completion, reasoning=0):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0}}


def limit_of(request):
    """Tokens that one choice may have: the widest reading of what was sent."""
    stated = [request[name] for name in ("max_completion_tokens", "max_tokens") if request.get(name) is not None]
    return max(stated) if stated else MOST_OUTPUT


@dataclasses.dataclass
class Served:
    user: str
    request: dict
    body: bytes
    usage: dict = None      # once it is known: at the end
    finished: bool = False  # all of it was written, whether or not anybody read it
    left: bool = False      # the other side went away before that

    @property
    def cost(self):
        return cost_of(self.usage) if self.usage else 0


class MoneyUpstream:
    def __init__(self, seed=0, pace=0.0):
        self.fake = FakeUpstream()
        self.fake.remember_calls = False
        self.seed = seed
        self.pace = pace
        self.served = {}      # user: Served
        self.twice = []       # users that came more than once
        self._lock = threading.Lock()
        script = self.fake.script(self._serve)
        script.calls = Forgetful()
        self.model = script.token

    @property
    def url(self):
        return self.fake.url

    def provider(self, **more):
        """The row of `providers` that points here."""
        return {"type": "openai", "base_url": self.url + "/v1", "api_key": "env:UPSTREAM_KEY",
                "pricing": {"models": {self.model: PRICES}}, **more}

    def stop(self):
        self.fake.stop()

    def books(self):
        """A copy of what was served so far."""
        with self._lock:
            return dict(self.served)

    def under_way(self):
        with self._lock:
            return [entry for entry in self.served.values() if not entry.finished]

    # -- serving ----------------------------------------------------------------------------------

    def _draw(self, request, body):
        hints = request.get("metadata") or {}
        chance = random.Random(f"{self.seed} {request.get('user')}")
        choices = request.get("n") or 1
        most = limit_of(request) * choices
        # Often all that may be used: the worst case is no theory.
        completion = most if chance.random() < 0.3 else chance.randint(1, most)
        prompt = chance.randint(len(body) // 6, len(body) // 2)
        prompt = int(hints.get("prompt", prompt))
        completion = int(hints.get("completion", completion))
        cached = prompt // 2 if chance.random() < 0.3 else 0
        return usage_of(prompt, cached, completion, completion // 4)

    async def _serve(self, call):
        body = await call.body()
        request = json.loads(body)
        user = request.get("user", "")
        entry = Served(user, request, body)
        with self._lock:
            if user in self.served:
                self.twice.append(user)
            self.served[user] = entry
        hints = request.get("metadata") or {}
        usage = self._draw(request, body)
        await asyncio.sleep(float(hints.get("first", self.pace)))
        pace = float(hints.get("pace", self.pace))
        if request.get("stream"):
            await self._stream(call, entry, usage, pace)
        else:
            await asyncio.sleep(pace)
            await self._plain(call, entry, usage)
        with self._lock:
            entry.usage = usage
            entry.finished = True

    async def _write(self, call, entry, data):
        """Goes on without a reader."""
        if entry.left:
            return
        try:
            await call.send(data)
        except Gone:
            entry.left = True

    async def _plain(self, call, entry, usage):
        request = entry.request
        message = {"role": "assistant", "content": "word " * 8, "refusal": None, "annotations": []}
        answer = json.dumps({
            "id": "chatcmpl-money", "object": "chat.completion", "created": 1790000000, "model": request["model"],
            "choices": [{"index": i, "message": message, "logprobs": None, "finish_reason": "stop"}
                        for i in range(request.get("n") or 1)],
            "usage": usage, "service_tier": "default"}).encode()
        await self._write(call, entry, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                          % (len(answer), answer))

    async def _stream(self, call, entry, usage, pace):
        request = entry.request
        with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
        base = {"id": "chatcmpl-money", "object": "chat.completion.chunk", "created": 1790000000, "model": request["model"],
                "service_tier": "default"}

        async def say(choices, **more):
            data = frame({**base, "choices": choices, **({"usage": None} if with_usage else {}), **more})
            await self._write(call, entry, b"%x\r\n%s\r\n" % (len(data), data))

        await self._write(call, entry, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in range(PIECES):
            if pace:
                await asyncio.sleep(pace)
            await say([{"index": 0, "delta": {"content": f"word{piece} "}, "logprobs": None, "finish_reason": None}])
        await say([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}])
        if with_usage:
            await say([], usage=usage)
        await self._write(call, entry, b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


class Forgetful(list):
    """A script's calls, which nobody asks for: a thousand bodies need not be kept."""

    def append(self, call):
        pass
