"""Hundreds of callers at the edge of a limit of tokens, most of whom state no limit of their answers: never a token above it.

What counts is what the provider says that it served. Windows are of an hour, so that nothing leaves them meanwhile.
`TURNPIKE_LONG=1` makes a thousand callers, all kinds in both modes.
"""

import os

import pytest

from gateway import wait_until
from money_callers import draw_either, draw_unstated, run_callers
from money_gateway import MoneyGateway, cost

LONG = bool(os.environ.get("TURNPIKE_LONG"))
CALLERS = 1_000 if LONG else 200
ROUNDS = 6 if LONG else 3

KINDS = {
    # option: how much, what of the provider's usage counts
    "--tokens": (40_000, lambda usage: usage["prompt_tokens"] + usage["completion_tokens"]),
    "--input-tokens": (12_000, lambda usage: usage["prompt_tokens"]),
    "--output-tokens": (30_000, lambda usage: usage["completion_tokens"]),
}
SCOPES = {
    "--tokens": lambda key: ["--key", key["id"]],
    "--input-tokens": lambda key: ["--organisation"],
    "--output-tokens": lambda key: ["--tag", "feature=answers"],
}


@pytest.fixture(scope="module", params=["finish", "cancel"])
def edge(request, tmp_path_factory):
    edge = MoneyGateway(tmp_path_factory.mktemp("edge"), request.param, 0.02, abandoned_calls=request.param)
    edge.abandoned = request.param
    yield edge
    edge.stop()


def make_limit(edge, key, *words):
    """The id of a limit, once it is in force: it is made with nothing to give, and then widened."""
    *scope, kind, amount = words
    id = edge.told("limit", "create", *scope, kind, "0", "--per", "1h")["id"]
    wait_until(lambda: id in probe(edge, key), 5, "the limit is in force")
    edge.run("limit", "edit", id, kind, str(amount))
    wait_until(lambda: id not in probe(edge, key), 5, "the new amount is in force")
    return id


def probe(edge, key):
    """What is said to a call of a few tokens; "" when it was served."""
    answer = edge.call(key, {"user": "probe", "max_tokens": 1, "metadata": {"prompt": "0", "completion": "0"}})
    return answer.error["message"] if answer.status == 429 else ""


def expect_refusal(answer):
    error = answer.error
    assert answer.status == 429, answer.body
    if error["code"] == "call_exceeds_limit":
        assert answer.header("x-should-retry") == "false"
        return
    assert error["code"] == "rate_limit_exceeded" and error["type"] == "rate_limit_error", error
    assert answer.header("x-should-retry") == "true"
    assert 1 <= int(answer.header("retry-after")) <= 3700
    assert "are left" in error["message"] and "this call wants" in error["message"], error
    assert int(answer.header("x-ratelimit-remaining-tokens")) < int(answer.header("x-ratelimit-limit-tokens"))


def expect_clamps(rows, reached, told):
    """Each limit that was sent upstream is in the record, and told in the answer's head."""
    clamped = [user for user in reached if rows[user]["output_clamp"] is not None]
    for user in clamped:
        limit, request, answer = rows[user]["output_clamp"], reached[user].request, told[user].answer
        assert limit >= 16
        assert [request[name] for name in ("max_completion_tokens", "max_tokens") if name in request] == [limit]
        assert answer is None or answer.header("x-turnpike-output-limit") == str(limit)
    return clamped


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_callers_at_the_edge(edge, kind):
    if edge.abandoned == "cancel" and not LONG and kind != "--tokens":
        pytest.skip("in the long form: TURNPIKE_LONG=1")
    amount, counted = KINDS[kind]
    key = edge.key(f"edge {kind}", "--team", f"team {kind}", "--tag", "feature=answers")
    limit = make_limit(edge, key, *SCOPES[kind](key), kind, amount)
    told = run_callers(edge.gateway.port, key["key"], edge.upstream.model, f"{edge.abandoned} {kind}", CALLERS, ROUNDS,
                       seed=kind, leaving=0.15 if edge.abandoned == "finish" else 0.0, request=draw_either)
    wait_until(lambda: not edge.upstream.under_way(), 30, "the provider has served all")
    reached = {user: entry for user, entry in edge.upstream.books().items() if user in told}
    rows = edge.rows(set(reached) | {user for user, one in told.items() if one.whole})
    edge.run("limit", "delete", limit)

    served = sum(counted(entry.usage) for entry in reached.values())
    assert served <= amount, f"{served} of {amount}"
    # It could be used all the same: by many, and nearly up.
    assert served > amount * 0.7 and len(reached) > 20, (served, len(reached))
    refused = [one for one in told.values() if one.whole and one.answer.status != 200]
    assert len(refused) > 20
    for one in refused:
        expect_refusal(one.answer)
        assert one.user not in reached and cost(rows[one.user]) == 0
    clamped = expect_clamps(rows, reached, told)
    assert clamped if kind != "--input-tokens" else not clamped


@pytest.mark.slow
@pytest.mark.parametrize("pace", [0.0, 0.05], ids=["at once", "slow"])
def test_forty_at_once_without_a_limit_of_their_own(edge, pace):
    """Forty calls of a chat, none of which says how long its answer may be, under 10,000 tokens an hour."""
    if edge.abandoned == "cancel":
        pytest.skip("nobody leaves")
    key = edge.key(f"forty {pace}")
    limit = make_limit(edge, key, "--key", key["id"], "--tokens", 10_000)

    def draw(chance, model, user):
        return {**draw_unstated(chance, model, user), "metadata": {"pace": str(pace)}}

    told = run_callers(edge.gateway.port, key["key"], edge.upstream.model, f"forty {pace}", 40, 1, seed=7, request=draw)
    wait_until(lambda: not edge.upstream.under_way(), 30, "the provider has served all")
    reached = {user: entry for user, entry in edge.upstream.books().items() if user in told}
    served = sum(entry.usage["prompt_tokens"] + entry.usage["completion_tokens"] for entry in reached.values())
    assert served <= 10_000
    assert len(reached) >= 7, "an eighth of what is left each, in the worst case of three choices"
    for one in told.values():
        assert one.whole
        if one.answer.status != 200:
            expect_refusal(one.answer)
    edge.run("limit", "delete", limit)
