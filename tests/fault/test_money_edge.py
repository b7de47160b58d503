"""A thousand callers at the edge of a budget: not a picodollar over it, no call lost, nothing held for ever.

`TURNPIKE_LONG=1` makes ten times as many calls, and all scopes in both modes.
"""

import os

import pytest

from gateway import wait_until
from money_callers import run_callers
from money_gateway import MoneyGateway, cost, expect_refusal
from money_upstream import picodollars

LONG = bool(os.environ.get("TURNPIKE_LONG"))
CALLERS = 1_000
ROUNDS = 20 if LONG else 2
CAP = 20 * 10**9  # picodollars: some eighty calls at their worst

SCOPES = {
    "organisation": lambda key: ["--organisation"],
    "team": lambda key: ["--team", "team team"],
    "key": lambda key: ["--key", key["id"]],
    "tag": lambda key: ["--tag", "feature=tag"],
}


@pytest.fixture(scope="module", params=["finish", "cancel"])
def edge(request, tmp_path_factory):
    edge = MoneyGateway(tmp_path_factory.mktemp("edge"), request.param, 0.02, abandoned_calls=request.param)
    edge.abandoned = request.param
    yield edge
    edge.stop()


def expect_clamp(row, served, answer):
    """The limit sent upstream is the one in record and header."""
    limit = row["output_clamp"]
    stated = [served.request[name] for name in ("max_completion_tokens", "max_tokens") if name in served.request]
    assert stated == [limit], (served.request, limit)
    assert limit >= 16
    if answer is not None:
        assert answer.header("x-turnpike-output-limit") == str(limit)


def expect_billed(edge, row, entry):
    """What a call that reached the provider has cost."""
    if edge.abandoned == "cancel" and row["cost_state"] != "priced":
        assert row["outcome"] == "cancelled" and row["cost_state"] == "estimated", row
    else:
        assert row["cost_state"] == "priced", row
        assert cost(row) == entry.cost, (row, entry.usage)
    assert cost(row) <= picodollars(row["cost_reserved_usd"])


@pytest.mark.slow
@pytest.mark.parametrize("scope", SCOPES)
def test_a_thousand_callers_at_the_edge(edge, scope):
    if edge.abandoned == "cancel" and not LONG and scope != "key":
        pytest.skip("in the long form: TURNPIKE_LONG=1")
    key = edge.key(f"edge {scope}", "--team", f"team {scope}", "--tag", f"feature={scope}")
    budget = edge.budget(key, CAP, *SCOPES[scope](key))
    assert edge.spent(budget) == 0
    told = run_callers(edge.gateway.port, key["key"], edge.upstream.model, f"{edge.abandoned} {scope}", CALLERS, ROUNDS,
                       seed=scope, leaving=0.15)
    wait_until(lambda: not edge.upstream.under_way(), 30, "the provider has served all")
    reached = {user: entry for user, entry in edge.upstream.books().items() if user in told}
    assert all(one.whole for one in told.values() if one.stays)
    assert not set(edge.upstream.twice) & set(told)
    # A caller who left before his request was read has no record, and no call upstream.
    rows = edge.rows(set(reached) | {user for user, one in told.items() if one.whole})

    refused = [one for one in told.values() if one.whole and one.answer.status != 200]
    for one in refused:
        expect_refusal(one.answer)
        assert one.user not in reached
        assert rows[one.user]["outcome"] == "refused" and cost(rows[one.user]) == 0
    # The edge was reached, and not by the first few: how many fit depends on who comes first.
    assert len(refused) > 100 and len(reached) > 30, (len(refused), len(reached))

    clamped = [user for user in reached if rows[user]["output_clamp"] is not None]
    for user in clamped:
        expect_clamp(rows[user], reached[user], told[user].answer)
    assert clamped
    for user, entry in reached.items():
        expect_billed(edge, rows[user], entry)

    spent = sum(cost(row) for row in rows.values())
    assert spent <= CAP
    if edge.abandoned == "finish":
        assert spent == sum(entry.cost for entry in reached.values()), "the ledger and the provider agree"
    # Nothing is held any more, and an edit keeps what was spent.
    edge.edit_budget(key, budget, 2 * CAP)
    edge.expect_left(key, 2 * CAP - spent, f"last {edge.abandoned} {scope}")
    edge.rows({f"last {edge.abandoned} {scope}"})
    edge.run("budget", "delete", budget)
    wait_until(lambda: not edge.probe(key), 5, "the budget is gone")
