"""Tools that the provider runs itself: billed by the call, told by the answer's items alone."""

import json

import pytest

from gateway import plain_config
from wire_client import Wire

ITEMS = [{"id": "ws_1", "type": "web_search_call", "status": "completed"},
         {"id": "ws_2", "type": "web_search_call", "status": "completed"},
         {"id": "fs_1", "type": "file_search_call", "status": "completed"},
         {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": 'no call: "id":"ws_9"'}]}]
ANSWER = {"id": "resp_1", "object": "response", "status": "completed", "output": ITEMS,
          "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}}
PRICES = {"input": "1.00", "output": "2.00", "web_search": "10.00", "file_search": "2.50"}


async def whole(call):
    call.answer(ANSWER)


async def stream(call):
    frames = [{"type": f"response.output_item.{state}", "item": item} for state in ("added", "done") for item in ITEMS]
    frames.append({"type": "response.completed", "response": ANSWER})
    await call.stream([f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in frames])


@pytest.mark.parametrize("answer", [whole, stream])
def test_calls_are_billed_once_each(answer, start_gateway, fake):
    script = fake.script(answer)
    config = plain_config(fake.url)
    config["providers"]["up"]["pricing"] = {"models": {script.model: PRICES}}
    gateway = start_gateway(config)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.request("POST", "/v1/responses", {"model": script.model, "input": "x", "stream": answer is stream,
                                               "tools": [{"type": "web_search"}, {"type": "file_search"}]})
        got = wire.answer()
    assert got.status == 200
    record = gateway.wait_record(got.header("x-request-id"))
    assert record["units"] == {"input": 1000, "output": 100, "web_search": 2, "file_search": 1}
    assert record["cost_usd"] == "0.023700000000"  # 0.001 + 0.0002 + 2 * 0.01 + 0.0025
    assert record["cost_state"] == "priced"


def test_a_tool_without_a_price_leaves_the_call_unpriced(start_gateway, fake):
    script = fake.script(whole)
    config = plain_config(fake.url)
    config["providers"]["up"]["pricing"] = {"models": {script.model: {"input": "1.00", "output": "2.00"}}}
    gateway = start_gateway(config)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.request("POST", "/v1/responses", {"model": script.model, "input": "x", "tools": [{"type": "web_search"}]})
        got = wire.answer()
    record = gateway.wait_record(got.header("x-request-id"))
    assert (record["cost_state"], record["cost_usd"]) == ("unpriced", None)
    assert record["units"]["web_search"] == 2
