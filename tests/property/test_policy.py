"""Random sequences of calls, edits and clock jumps: src/policy/ must do what the slow reference does.

A failure prints the seed and the shortest sequence found that still fails; POLICY_SEED=N runs that
seed alone, POLICY_SEED=1-500 many more than each test run does.
"""

import os
import pathlib
import random
import subprocess
import zoneinfo

import pytest

from gateway import BINARY
from policy_reference import FOREVER, QUARTER, SECOND, Reference, period

PROGRAM = pathlib.Path(BINARY).resolve().parent / "tests" / "unit" / "policy" / "policy_operations"
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND

SCENARIOS = 16  # of each kind
STEPS = 150
CALLS = 10  # open at once
TICK_AT_LEAST = 14 * MINUTE  # a rolling bucket has a quarter of an hour, and the next one is ready
SOON = 10 * MINUTE
BACK_AT_MOST = 3 * DAY  # as far as periods are kept

TEAMS = ["red", "blue"]
KEYS = ["k1", "k2", "k3"]
MODELS = ["gpt-5", "gpt-5-mini", "o3", "gpt-*"]  # the last: a caller may send anything
TAGS = [{}, {"env": "prod"}, {"env": "dev", "unit": "a"}]

# A zone, and a moment at which something happens to its clock.
MOMENTS = [
    ("UTC", 1835395200),  # 29 February 2028
    ("UTC", 1798675200),  # the end of 2026
    ("Europe/Berlin", 1774738800),  # 23 hours
    ("Europe/Berlin", 1792879200),  # 25 hours
    ("America/Sao_Paulo", 1541300400),  # no midnight
    ("Pacific/Apia", 1325200000),  # the day that was not
    ("Asia/Kolkata", 1795372200),
    ("Africa/Cairo", 1714082400),
    ("America/St_Johns", 1225590000),  # midnight twice
]


def existing(moments):
    return [moment for moment in moments if moment[0] in zoneinfo.available_timezones() | {"UTC"}]


# ---------------------------------------------------------------- making sequences


def subject(draw, scopes):
    scope = draw.choice(scopes)
    names = {"organisation": "", "team": draw.choice(TEAMS), "key": draw.choice(KEYS), "tag": "env"}
    name = names.get(scope) if scope in names else draw.choice([*MODELS, "gpt-*", "*"])
    return scope, name, "prod" if scope == "tag" else ""


def make_budgets(draw, zone, rolling):
    rows = []
    for number in range(draw.randint(1, 5)):
        cap = draw.choice([0, 1, 500, 1000, 5000, 10**24])
        kind = draw.choice(["day", "week", "month", "lifetime"]) if not rolling else "rolling"
        length = draw.choice([HOUR, 3 * HOUR, DAY, 30 * DAY + QUARTER]) if rolling else 0
        mode = draw.choice(["enforce", "enforce", "observe"])
        raised = (0, 0) if draw.random() < 0.8 else (min(cap + 777, 10**24), draw.randrange(2**62))
        rows.append((f"b{number}", *subject(draw, ["organisation", "team", "key", "tag"]), mode, draw.random() < 0.15, cap, *raised, kind, length, zone))
    return rows


def make_limits(draw):
    rows = []
    for number in range(draw.randint(0, 5)):
        kind = draw.choice(["requests", "tokens", "input_tokens", "output_tokens", "concurrent"])
        amount = draw.randint(0, 8) if kind in ("requests", "concurrent") else draw.choice([0, 100, 400, 10**12])
        window = 0 if kind == "concurrent" else draw.choice([SECOND, SECOND + 7, MINUTE, HOUR, DAY])
        mode = draw.choice(["enforce", "enforce", "observe"])
        rows.append((f"l{number}", *subject(draw, ["organisation", "team", "key", "tag", "model"]), mode, kind, amount, window))
    return rows


def edit(draw, rows, amount_at):
    """Other amounts and modes; now and then one is gone, or back."""
    edited = []
    for row in rows:
        if draw.random() < 0.1:
            continue
        row = list(row)
        if draw.random() < 0.3:
            row[amount_at] = draw.choice([0, 3, 200, 2000])
        if draw.random() < 0.2:
            row[4] = draw.choice(["enforce", "observe"])
        edited.append(tuple(row))
    return edited


def make_steps(seed, rolling):
    draw = random.Random(seed)
    zone, moment = draw.choice(existing(MOMENTS))
    budgets, limits = make_budgets(draw, zone, rolling), make_limits(draw)
    steps = [("clock", moment * SECOND - draw.randrange(3 * HOUR)), ("rules", budgets, limits)]
    paces = [0, 10**7, SECOND, 20 * SECOND, 10 * MINUTE, HOUR, 9 * HOUR]
    for _ in range(STEPS):
        what = draw.random()
        number = draw.randrange(CALLS)
        if what < 0.18:
            steps.append(("time", draw.randrange(draw.choice(paces) + 1)))
        elif what < 0.25:  # to the very instant of a change, or to just before it
            steps.append(("until", draw.choice(["retry", "reset"]), draw.choice([0, 0, 1])))
        elif what < 0.28 and not rolling:
            steps.append(("jump", draw.choice([40 * DAY, DAY, -HOUR, -DAY, -BACK_AT_MOST])))
        elif what < 0.31:
            steps.append(("rules", edit(draw, budgets, 6), edit(draw, limits, 6)))
        elif what < 0.65:
            call = (draw.choice(TEAMS), draw.choice(KEYS), draw.choice(TAGS), draw.choice(MODELS))
            steps.append(("admit", number, call))
            output, least = draw.choice([0, 20, 300, 5000]), draw.choice([0, 1, 16])
            steps.append(("tokens", number, {
                "input": draw.choice([0, 10, 90, 300]), "hidden": draw.random() < 0.15, "output": output,
                "least": draw.choice([least, output]), "usual": draw.choice([0, 0, 30]), "clamp": draw.choice([output, 40])}))
            if draw.random() < 0.2:
                steps.append(("time", draw.randrange(SOON)))
            ask = (draw.choice([0, 1, 80, 700]), draw.choice([0, 1, 7]), draw.choice([0, 5, 100, draw.randrange(1000)]), draw.choice([0, 1, 16]))
            steps.append(("reserve", number, *ask))
        elif what < 0.92:
            state = draw.choice(["known", "known", "none", "unknown"])
            steps.append(("settle", number, state, draw.random(), draw.random() < 0.7, draw.choice([0, 5, 200]), draw.choice([0, 9, 400])))
        else:
            steps.append((draw.choice(["budgets", "limits", "rates"]), number))
    return steps


# ---------------------------------------------------------------- running them


class Run:
    """Goes through the steps with the reference; collects the program's lines, and a check for each answer."""

    def __init__(self):
        self.reference = Reference()
        self.lines, self.checks = [], []
        self.wall = self.ticked = 0
        self.now = 5 * SECOND
        self.retry_at = 0
        self.open = {}  # number: "admitted", what was granted, or "refused"
        self.before_rules = set()  # calls admitted under other rules

    def say(self, line, check):
        self.lines.append(" ".join(str(word) if word != "" else "-" for word in line))
        self.checks.append(check)

    def expect(self, line, answer="ok"):
        self.say(line, lambda got: got == answer or answer)

    def tick(self):
        self.ticked = self.wall
        self.reference.tick(self.wall)
        self.expect(("tick", self.wall))

    def step(self, step):
        getattr(self, "do_" + step[0])(*step[1:])

    def do_clock(self, wall):
        self.wall = self.ticked = wall

    def do_time(self, elapsed):
        self.now += elapsed
        self.wall += elapsed
        if self.wall - self.ticked >= TICK_AT_LEAST:
            self.tick()

    def do_until(self, what, before):
        """To the instant at which a call that was refused fits, or at which the first budget begins anew."""
        left = self.retry_at - self.now
        budget = next(iter(self.reference.budgets.values()), None)
        if what == "reset" and budget is not None and budget.period in ("day", "week", "month"):
            left = period(budget.period, budget.zone, self.wall)[1] - self.wall
        if before <= left <= 40 * DAY:
            self.do_time(left - before)

    def do_jump(self, by):
        self.wall += by
        self.tick()

    def do_rules(self, budgets, limits):
        for row in budgets:
            self.expect(("budget", *row[:5], int(row[5]), *row[6:]))
        for row in limits:
            self.expect(("limit", *row))
        self.ticked = self.wall
        self.before_rules |= set(self.open)
        self.reference.rules(budgets, limits, self.wall)
        self.expect(("rules", self.wall))

    def do_admit(self, number, names):
        if number in self.open or not self.wall:
            return
        team, key, tags, model = names
        call = {"team": team, "key": key, "tags": tags, "model": model, "wall": self.wall, "now": self.now}
        answer = self.reference.admit(number, call)
        json_tags = "{" + ",".join(f'"{name}":"{value}"' for name, value in tags.items()) + "}"
        self.open[number] = "refused" if answer[0] == "refused" else "admitted"
        self.say(("admit", number, self.wall, self.now, team, key, json_tags, model), self.like(answer, ["allowed", "observed"]))

    def do_tokens(self, number, ask):
        if self.open.get(number) != "admitted" or number in self.before_rules:
            return
        answer = self.reference.tokens(number, ask)
        self.open[number] = "refused" if answer[0] == "refused" else "held"
        words = ["allowed", str(answer[1]), "observed"]
        fields = (ask["input"], int(ask["hidden"]), ask["output"], ask["least"], ask["usual"], ask["clamp"])
        self.say(("tokens", number, *fields), self.like(answer, words))

    def like(self, answer, allowed):
        """A check that the program says what the reference said."""
        if answer[0] == "refused" and answer[1] != FOREVER:
            self.retry_at = self.now + answer[1]

        def check(got):
            words = got.split()
            if answer[0] == "allowed":
                return words[:len(allowed)] == allowed and set(words[len(allowed):]) == answer[-1] or answer
            good = words[0] == "refused" and words[1] in answer[2]
            return good and (int(words[2]), int(words[3])) == (answer[2][words[1]], answer[1]) or answer

        return check

    def do_reserve(self, number, *ask):
        if self.open.get(number) != "held":
            return
        if abs(self.wall - self.reference.calls[number]["call"]["wall"]) > SOON or number in self.before_rules:
            return  # a call reserves soon after it was admitted
        answer = self.reference.reserve(number, *ask)
        self.open[number] = answer[1] if answer[0] == "granted" else "refused"

        def check(got):
            words = got.split()
            if answer[0] == "granted":
                observed = {word for word in words[4:] if word.startswith("b")}
                return words[0] == "granted" and (int(words[1]), int(words[2])) == answer[1:3] and observed == answer[3] or answer
            # Of several that refuse, the one told resets last; of those the one with the least left.
            worst = max(answer[1].values(), key=lambda row: (row[1], -row[0]))
            told = words[0] == "refused" and answer[1].get(words[1])
            return told == worst and (int(words[2]), int(words[3])) == worst or answer

        self.say(("reserve", number, *ask), check)

    def do_settle(self, number, state, share, known, input_tokens, output_tokens):
        if number not in self.open:
            return
        granted = self.open.pop(number)
        self.before_rules.discard(number)
        cost = int(granted * share) if isinstance(granted, int) else 0
        self.reference.settle(number, state, cost, known, input_tokens, output_tokens)
        code = {"known": 0, "none": 1, "unknown": 2}[state]
        self.expect(("settle", number, code, cost, int(known), input_tokens, output_tokens))

    def do_budgets(self, _=0):
        words = ["budgets"]
        for budget in self.reference.budgets.values():
            words += [budget.id, budget.used(self.wall), budget.spent(self.wall), budget.cap_at(self.wall)]
        self.expect(("budgets", self.wall), " ".join(map(str, words)))

    def do_limits(self, _=0):
        words = ["limits"]
        for limit in self.reference.limits.values():
            words += [limit.id, limit.used(self.now)]
        self.expect(("limits", self.now), " ".join(map(str, words)))

    def do_rates(self, number):
        if number not in self.open:
            return
        requests, tokens = self.reference.rates(number, self.now)
        rows = [[" ".join(map(str, row)) for row in found] or ["none"] for found in (requests, tokens)]
        answers = {f"rates {first} {second}" for first in rows[0] for second in rows[1]}
        self.say(("rates", number, self.now), lambda got: got in answers or answers)

    def finish(self):
        for number in list(self.open):
            self.do_settle(number, "none", 0, False, 0, 0)
        self.do_budgets()
        self.do_limits()
        for budget in self.reference.budgets.values():
            assert budget.used(self.wall) == budget.spent(self.wall)


def fails(steps):
    """What went wrong, as text; None when all is well."""
    run = Run()
    for step in steps:
        run.step(step)
    run.finish()
    done = subprocess.run([PROGRAM], input="\n".join(run.lines) + "\n", capture_output=True, text=True, timeout=60)
    answers = done.stdout.splitlines()
    for line, check, got in zip(run.lines, run.checks, answers, strict=False):
        verdict = check(got)
        if verdict is not True:
            return f"{line}\n  answered: {got}\n  reference: {verdict}"
    if done.returncode != 0 or len(answers) != len(run.lines):
        return f"ended with {done.returncode} after {len(answers)} of {len(run.lines)} lines: {done.stderr[-2000:]}"
    return None


def shrink(steps):
    """Leaves out what is not needed to fail: ever smaller pieces."""
    size = len(steps) // 2
    while size:
        at = 1  # the clock stays
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if fails(shorter):
                steps = shorter
            else:
                at += size
        size //= 2
    return steps


def seeds():
    first, _, last = os.environ.get("POLICY_SEED", f"1-{SCENARIOS}").partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.skipif(not PROGRAM.exists(), reason="made by a build with tests")
@pytest.mark.parametrize("rolling", [False, True], ids=["calendar", "rolling"])
def test_policy_is_the_reference(rolling):
    for seed in seeds():
        steps = make_steps(seed, rolling)
        if fails(steps):
            shortest = shrink(steps)
            listing = "\n".join(map(repr, shortest))
            pytest.fail(f"POLICY_SEED={seed}\n{listing}\n{fails(shortest)}")


@pytest.mark.skipif(not PROGRAM.exists(), reason="made by a build with tests")
def test_periods_are_those_of_the_reference():
    draw = random.Random(7)
    lines, expected = [], []
    for zone, moment in existing(MOMENTS):
        for kind in ("day", "week", "month"):
            for _ in range(4):
                wall = (moment + draw.randrange(-40 * 86400, 40 * 86400)) * SECOND
                lines.append(f"period {kind} {zone} {wall}")
                expected.append("period {} {}".format(*period(kind, zone, wall)))
    done = subprocess.run([PROGRAM], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60)
    for line, answer, got in zip(lines, expected, done.stdout.splitlines(), strict=True):
        assert got == answer or got == "no zone", line
