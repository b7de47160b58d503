"""A gateway in front of a provider that keeps books, and what tests ask it about money."""

import json
import re

from gateway import Gateway, free_port, wait_until
from money_upstream import INPUT, OUTPUT, MoneyUpstream, dollars, picodollars
from wire_client import Wire

TINY = {"prompt": "1", "completion": "1"}  # what a call of no account reports as its usage


class MoneyGateway:
    def __init__(self, directory, seed=0, pace=0.0, environment=None, **config):
        self.upstream = MoneyUpstream(seed, pace)
        self.gateway = Gateway(directory, {
            "workers": 2,
            "listeners": {"main": {"address": f"127.0.0.1:{free_port()}"}},
            "providers": {"up": self.upstream.provider()},
            "models": {"*": {"targets": [{"provider": "up"}]}},
            **config,
        }, environment).start()
        self.data = str(self.gateway.data)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.upstream.stop()

    # -- administration -----------------------------------------------------------------------------

    def run(self, *arguments, **options):
        """A verb on this gateway's data, e.g. run("budget", "edit", id, "--amount", "2")."""
        return self.gateway.run(*arguments, "--data", self.data, **options)

    def told(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)

    def key(self, name, *more):
        key = self.gateway.create_key(name, *more)
        self.gateway.wait_key(key["key"])
        return key

    def budget(self, key, amount, *scope):
        """The id of a budget of `amount` picodollars, once it is in force for `key`."""
        id = self.told("budget", "create", *scope, "--amount", "0")["id"]
        wait_until(lambda: id in self.probe(key), 5, "the budget is in force")
        if amount > 0:
            self.edit_budget(key, id, amount)
        return id

    def edit_budget(self, key, id, amount):
        def cap():
            found = re.search(rf"{id} .* is (\$[\d.,]+) for each", self.probe(key))
            return found and found.group(1)

        before = cap()
        self.run("budget", "edit", id, "--amount", dollars(amount))
        wait_until(lambda: cap() != before, 5, "the new amount is in force")

    def spent(self, budget):
        return picodollars(self.told("budget", "show", budget)["spent"])

    # -- calls ----------------------------------------------------------------------------------------

    def call(self, key, body, headers=(), path="/v1/chat/completions"):
        """A whole answer. The body is sent as it is when it is bytes; else the model is put in."""
        if isinstance(body, dict):
            body = {"model": self.upstream.model, "messages": [{"role": "user", "content": "hi"}], **body}
        with Wire(self.gateway.port, key=key["key"]) as wire:
            wire.request("POST", path, body, headers)
            return wire.answer()

    def probe(self, key):
        """What is said to a call that is too dear for any budget of these tests; "" when none stops it."""
        answer = self.call(key, {"user": "probe", "max_tokens": 16, "metadata": {"prompt": "0", "completion": "0"},
                                 "messages": [{"role": "user", "content": "x" * 400_000}]})
        return answer.error["message"] if answer.status == 429 else ""

    def affordable(self, left, body):
        """The output tokens that `left` buys beside the input of a body."""
        return (left - len(body) * INPUT) // OUTPUT

    def expect_left(self, key, left, user):
        """Nothing but what was spent is missing: a call that wants more than all is clamped to exactly the tokens that
        `left` buys, or refused if they are not worth it. Returns what the probe itself has cost."""
        body = json.dumps({"model": self.upstream.model, "user": user, "max_tokens": 10**9, "metadata": TINY,
                           "messages": []}).encode()
        answer = self.call(key, body)
        most = self.affordable(left, body)
        if most < 16:
            assert answer.status == 429, f"{most} tokens are left, and it was granted"
            expect_refusal(answer)
            return 0
        assert answer.status == 200, answer.body
        assert int(answer.header("x-turnpike-output-limit")) == most
        return INPUT + OUTPUT

    # -- records ----------------------------------------------------------------------------------------

    def rows(self, users, seconds=60):
        """The records by user, once every one of `users` has its own; never two."""
        def look():
            found = {}
            for row in self.gateway.records():
                user = row["caller_user"]
                if user in users:
                    assert user not in found, f"two records of {user}"
                    found[user] = row
            return found if len(found) == len(users) else None
        return wait_until(look, seconds, "a record of every call")

    def row(self, user):
        return self.rows({user})[user]


def cost(row):
    return picodollars(row["cost_usd"])


def expect_refusal(answer):
    """The shape of a refusal by a budget."""
    error = answer.error
    assert answer.status == 429
    assert error["type"] == error["code"] == "insufficient_quota", error
    assert answer.header("x-should-retry") == "false"
    assert "is left" in error["message"] and "resets at" in error["message"], error
