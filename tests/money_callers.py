"""Many callers at once, each a connection of its own for each call: plain and streamed, some leave before the end."""

import asyncio
import random

from wire_client import Answer, request_bytes

PATIENCE = 60  # seconds


class Told:
    """What one call's caller saw."""

    def __init__(self, user, request, patience, pause):
        self.user, self.request, self.patience, self.pause = user, request, patience, pause
        self.stays = patience == PATIENCE  # he does not mean to leave
        self.answer = None
        self.whole = False                 # the answer came to its end


async def read_answer(reader):
    answer = Answer(await reader.readuntil(b"\r\n\r\n"))
    if answer.header("content-length") is not None:
        answer.body = await reader.readexactly(int(answer.header("content-length")))
        return answer
    while size := int(await reader.readuntil(b"\r\n"), 16):
        answer.body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return answer


async def call(port, key, told):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(key, "POST", "/v1/chat/completions", told.request))
        told.answer = await asyncio.wait_for(read_answer(reader), told.patience)
        told.whole = True
    except (TimeoutError, asyncio.TimeoutError):
        pass  # he leaves
    finally:
        writer.close()


def draw_request(chance, model, user):
    request = {"model": model, "user": user, "messages": [{"role": "user", "content": "w " * chance.randint(10, 200)}]}
    if chance.random() < 0.5:
        request["stream"] = True
    if chance.random() < 0.98:
        request[chance.choice(["max_tokens", "max_completion_tokens"])] = chance.randint(20, 900)
    else:
        request["metadata"] = {"completion": "40"}  # or a few of them would spend all there is
    if chance.random() < 0.2:
        request["n"] = chance.randint(2, 3)
    return request


def draw_unstated(chance, model, user):
    """A call that states no limit of its answer, as most do."""
    request = {"model": model, "user": user, "messages": [{"role": "user", "content": "w " * chance.randint(10, 200)}]}
    if chance.random() < 0.5:
        request["stream"] = True
    if chance.random() < 0.2:
        request["n"] = chance.randint(2, 3)
    return request


def draw_either(chance, model, user):
    return (draw_request if chance.random() < 0.5 else draw_unstated)(chance, model, user)


def run_callers(port, key, model, prefix, callers, rounds, seed, leaving=0.0, request=draw_request):
    """What became of each call, by user. `callers` at a time make `rounds` calls each, the first all at once; of the calls
    `leaving` (a fraction) are not waited for to the end. `request` draws what is sent."""
    chance = random.Random(seed)

    def draw(user):
        return Told(user, request(chance, model, user), chance.uniform(0, 0.3) if chance.random() < leaving else PATIENCE,
                    chance.uniform(0, 0.5))

    calls = [[draw(f"{prefix} {number} {round}") for round in range(rounds)] for number in range(callers)]

    async def caller(number):
        try:
            for round, told in enumerate(calls[number]):
                if round > 0:
                    await asyncio.sleep(told.pause)
                await call(port, key, told)
        except (OSError, EOFError):
            pass  # the gateway is gone

    async def everybody():
        await asyncio.gather(*(caller(number) for number in range(callers)))

    asyncio.run(everybody())
    return {told.user: told for row in calls for told in row}
