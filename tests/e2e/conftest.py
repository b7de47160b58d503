"""The official Python SDK in both its forms, so that each test is written once and runs with both."""

import asyncio
import inspect

import openai
import pytest


class Sync:
    kind = openai.OpenAI

    def __init__(self, **options):
        self.client = self.kind(**options)

    def done(self, value):
        """The value of a call."""
        return value

    def items(self, stream):
        return list(stream)

    def watch(self, manager):
        """(events, the helper stream) of one of the SDK's stream helpers, run to its end."""
        with manager as stream:
            return [event for event in stream], stream

    def first(self, stream, count):
        """Takes `count` items and closes the stream, as a caller who goes away does."""
        taken = []
        for item in stream:
            taken.append(item)
            if len(taken) == count:
                break
        stream.close()
        return taken

    def close(self):
        self.client.close()


class Async:
    def __init__(self, **options):
        self.loop = asyncio.new_event_loop()
        self.client = openai.AsyncOpenAI(**options)

    def done(self, value):
        async def wait():
            return await value
        return self.loop.run_until_complete(wait()) if inspect.isawaitable(value) else value

    def items(self, stream):
        async def collect():
            opened = await stream if inspect.isawaitable(stream) else stream
            return [item async for item in opened]
        return self.loop.run_until_complete(collect())

    def watch(self, manager):
        async def collect():
            async with manager as stream:
                return [event async for event in stream], stream
        return self.loop.run_until_complete(collect())

    def first(self, stream, count):
        async def take():
            opened = await stream if inspect.isawaitable(stream) else stream
            taken = []
            async for item in opened:
                taken.append(item)
                if len(taken) == count:
                    break
            await opened.close()
            return taken
        return self.loop.run_until_complete(take())

    def close(self):
        self.loop.run_until_complete(self.client.close())
        self.loop.close()


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def sdk(request, gateway):
    sdk = request.param(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0, timeout=30)
    yield sdk
    sdk.close()
