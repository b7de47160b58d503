"""Limits and budgets, slow and obviously right: what src/policy/ is compared with.

Everything is a list that is summed anew each time. Money and tokens are Python's integers, calendars
its zoneinfo.
"""

import datetime
import zoneinfo

SECOND = 10**9
QUARTER = 900 * SECOND
FOREVER = 2**64 - 1
SLOTS = 60  # of a limit's window
SHARE = 8  # a call that states no limit of its answer gets that part of what is left
SHORT_WAIT = SECOND  # longer ones are not told when calls under way may end before
BUCKETS = 96  # of a rolling budget, at most

_UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)


# ---------------------------------------------------------------- calendars


def day_start(zone, day):
    """The first quarter of an hour, in seconds, at which the local date is `day` or later."""
    midnight = (datetime.datetime(day.year, day.month, day.day, tzinfo=_UTC) - _EPOCH) // datetime.timedelta(seconds=1)
    for instant in range(midnight - 27 * 3600, midnight + 27 * 3600, 900):
        if (_EPOCH + datetime.timedelta(seconds=instant)).astimezone(zone).date() >= day:
            return instant
    raise AssertionError("no such day")


_periods = {}


def period(kind, zone_name, wall):
    """Start and end, in nanoseconds, of the day, week or month in which `wall` lies."""
    if kind == "lifetime":
        return 0, FOREVER
    for start, end in _periods.setdefault((kind, zone_name), []):
        if start <= wall < end:
            return start, end
    zone = zoneinfo.ZoneInfo(zone_name)
    day = (_EPOCH + datetime.timedelta(seconds=wall // SECOND)).astimezone(zone).date()
    one = datetime.timedelta(days=1)
    # A clock set back over midnight shows yesterday's date again: the day that has begun counts.
    while day_start(zone, day + one) * SECOND <= wall:
        day += one
    if kind == "day":
        first, following = day, day + one
    elif kind == "week":
        first = day - day.weekday() * one
        following = first + 7 * one
    else:
        first = day.replace(day=1)
        following = (first + 32 * one).replace(day=1)
    found = day_start(zone, first) * SECOND, day_start(zone, following) * SECOND
    _periods[kind, zone_name].append(found)
    return found


# ---------------------------------------------------------------- rules


class Limit:
    """kind "concurrent": `events` has the calls under way. Else each call: the slot in which it was admitted, its count, and
    what of that is only held."""

    def __init__(self, row):
        self.id, self.scope, self.name, self.value, self.mode, self.kind = row[:6]
        self.amount, self.window = row[6:]
        self.events = []  # [slot, count, held], kept alive by calls too
        self.latest = 0

    def applies(self, call):
        if self.scope == "model":
            pattern = self.name
            if pattern.endswith("*"):
                return call["model"].startswith(pattern[:-1])
            return call["model"] == pattern
        return applies(self, call)

    def slot_length(self):
        return -(-self.window // SLOTS)

    def counting(self, now):
        self.latest = max(self.latest, now)
        if self.kind == "concurrent":
            return self.events
        oldest = self.latest // self.slot_length() - SLOTS
        return [event for event in self.events if event[0] >= oldest]

    def used(self, now):
        return sum(event[1] for event in self.counting(now))

    def held(self):
        return sum(event[2] for event in self.events)

    def of_tokens(self):
        return self.kind not in ("requests", "concurrent")

    def counts_input(self):
        return self.kind in ("tokens", "input_tokens")

    def counts_output(self):
        return self.kind in ("tokens", "output_tokens")

    def fit(self, ask, now):
        """What is left, the least that a call needs of it for its input and for its answer, the most that its answer may have."""
        left = max(0, self.amount - self.used(now))
        input_least = output_least = 0
        most = ask["output"]
        if self.counts_input():
            input_least = min(ask["input"], self.amount // SHARE) if ask["hidden"] else ask["input"]
        if self.counts_output():
            output_least = min(ask["output"], max(ask["least"], min(ask["usual"], self.amount // SHARE)))
            room = max(0, left - input_least)
            if ask["usual"] and ask["output"]:
                room = min(room, max(room // SHARE, output_least))
            most = min(most, room)
        return left, input_least, output_least, most

    def amount_for(self, ask, output, now):
        left, input_least, _, _ = self.fit(ask, now)
        output = output if self.counts_output() else 0
        if not self.counts_input():
            return output
        return (min(ask["input"], max(left - output, input_least)) if ask["hidden"] else ask["input"]) + output

    def token_wait(self, ask, now):
        wait = self.wait(ask, now)
        soon = self.used(now) - self.held() + ask <= self.amount
        return 0 if soon and SHORT_WAIT < wait < FOREVER else wait

    def wait(self, ask, now):
        if ask > self.amount:
            return FOREVER
        if self.kind == "concurrent":
            return 0
        events = self.counting(now)
        # It can only become free when a slot leaves; try each such instant.
        for slot in sorted({event[0] for event in events}):
            if sum(event[1] for event in events if event[0] > slot) + ask <= self.amount:
                return (slot + SLOTS + 1) * self.slot_length() - now
        raise AssertionError("it is full, and of nothing")

    def reset(self, now):
        slots = [event[0] for event in self.counting(now) if event[1] > 0]
        return (max(slots) + SLOTS + 1) * self.slot_length() - now if slots else 0

    def take(self, ask, now):
        # A call from before the newest that was seen counts with that one.
        event = [0 if self.kind == "concurrent" else max(now, self.latest) // self.slot_length(), ask, ask if self.of_tokens() else 0]
        self.events.append(event)
        return event


class Budget:
    def __init__(self, row):
        self.id, self.scope, self.name, self.value, self.mode, self.soft = row[:6]
        self.cap, self.raised_cap, self.raised_until, self.period, self.rolling, self.zone = row[6:]
        self.holds = []  # [period's start, held or spent, spent]
        self.closed = set()

    def applies(self, call):
        return applies(self, call)

    def binds(self):
        return self.mode == "enforce" and not self.soft

    def cap_at(self, wall):
        return self.raised_cap if wall < self.raised_until else self.cap

    def bucket_length(self):
        return -(-(self.rolling // QUARTER) // BUCKETS) * QUARTER

    def start_at(self, wall):
        if self.period == "rolling":
            return wall - wall % self.bucket_length()
        return period(self.period, self.zone, wall)[0]

    def tick(self, wall):
        if self.period == "rolling":
            for start, _, _ in self.holds:
                if start + self.bucket_length() + self.rolling <= wall:
                    self.closed.add(start)

    def counting(self, wall):
        if self.period == "rolling":
            return [hold for hold in self.holds if hold[0] not in self.closed]
        start = self.start_at(wall)
        return [hold for hold in self.holds if hold[0] == start]

    def used(self, wall):
        return sum(hold[1] for hold in self.counting(wall))

    def spent(self, wall):
        return sum(hold[2] for hold in self.counting(wall))

    def resets_at(self, needed, wall):
        cap = self.cap_at(wall)
        if cap == 0 or needed > cap:
            return FOREVER
        if self.period != "rolling":
            return period(self.period, self.zone, wall)[1]
        holds = self.counting(wall)
        for start in sorted({hold[0] for hold in holds}):
            if sum(hold[1] for hold in holds if hold[0] > start) + needed <= cap:
                return start + self.bucket_length() + self.rolling
        raise AssertionError("it is full, and of nothing")


def applies(rule, call):
    if rule.scope == "organisation":
        return True
    if rule.scope == "tag":
        return call["tags"].get(rule.name) == rule.value
    return call[rule.scope] == rule.name


# ---------------------------------------------------------------- the whole


class Reference:
    def __init__(self):
        self.budgets, self.limits, self.calls = {}, {}, {}

    def rules(self, budgets, limits, wall):
        """Rows by id: a rule that was there keeps what it counted."""
        for kept, rows, make in ((self.budgets, budgets, Budget), (self.limits, limits, Limit)):
            before = dict(kept)
            kept.clear()
            for row in rows:
                rule = make(row)
                if rule.id in before:
                    old = before[rule.id]
                    if make is Budget:
                        rule.holds, rule.closed = old.holds, old.closed
                    else:
                        rule.events, rule.latest = old.events, old.latest
                kept[rule.id] = rule
        self.tick(wall)

    def tick(self, wall):
        for budget in self.budgets.values():
            budget.tick(wall)

    def admit(self, number, call):
        now = call["now"]
        limits = [limit for limit in self.limits.values() if limit.applies(call)]
        of_calls = [limit for limit in limits if not limit.of_tokens()]
        full = [limit for limit in of_calls if limit.used(now) >= limit.amount]
        refusing = [(limit.wait(1, now), limit) for limit in full if limit.mode == "enforce"]
        self.calls[number] = {"call": call, "limits": limits, "taken": [], "holds": [],
                              "observed": {f"{limit.id}:0" for limit in full if limit.mode == "observe"}}
        if refusing:
            return self.refused(refusing, now)
        for limit in of_calls:
            self.calls[number]["taken"].append((limit, limit.take(1, now)))
        return "allowed", set(self.calls[number]["observed"])

    @staticmethod
    def refused(refusing, now):
        longest = max(wait for wait, _ in refusing)
        return "refused", longest, {limit.id: max(0, limit.amount - limit.used(now)) for wait, limit in refusing if wait == longest}

    def tokens(self, number, ask):
        entry = self.calls[number]
        now = entry["call"]["now"]
        limits = [limit for limit in entry["limits"] if limit.of_tokens()]
        refusing, output = [], ask["output"]
        for limit in limits:
            left, input_least, output_least, most = limit.fit(ask, now)
            if limit.mode == "enforce":
                output = min(output, most)
                if input_least + output_least > left:
                    refusing.append((limit.token_wait(input_least + output_least, now), limit))
        if refusing:
            return self.refused(refusing, now)
        if output < ask["output"]:
            output = min(output, ask["clamp"])
        observed = set()
        for limit in limits:
            left, input_least, output_least, most = limit.fit(ask, now)
            allowed = output
            if limit.mode == "observe":
                fits = input_least + output_least <= left
                allowed = min(output, most if fits else output_least)
                if not fits:
                    observed.add(f"{limit.id}:0")
                elif limit.counts_output() and most < output:
                    observed.add(f"{limit.id}:{most}")
            event = limit.take(limit.amount_for(ask, allowed, now), now)
            entry["taken"].append((limit, event))
            entry.setdefault("answers", []).append((event, allowed if limit.counts_output() else 0))
            # The promise.
            assert limit.mode == "observe" or event[1] == 0 or limit.used(now) <= limit.amount
        entry["observed"] |= observed
        return "allowed", output, set(entry["observed"])

    def trim(self, entry, output):
        """The answer is limited further: what was held for more goes back."""
        for event, held in entry.get("answers", []):
            less = max(0, held - output)
            event[1] -= less
            event[2] -= less

    def reserve(self, number, input_cost, price, output, minimum):
        entry = self.calls[number]
        wall = entry["call"]["wall"]
        budgets = [budget for budget in self.budgets.values() if budget.applies(entry["call"])]
        needed = input_cost + price * min(minimum, output)

        def has_room(budget):
            cap = budget.cap_at(wall)
            return cap > 0 and (needed == 0 or budget.used(wall) + needed <= cap)

        refusing = [budget for budget in budgets if budget.binds() and not has_room(budget)]
        if refusing:
            return "refused", {
                budget.id: (max(0, budget.cap_at(wall) - budget.used(wall)), budget.resets_at(needed, wall)) for budget in refusing
            }
        tokens = output
        for budget in budgets:
            left = budget.cap_at(wall) - budget.used(wall)
            if budget.binds() and input_cost + price * tokens > left and price > 0:
                tokens = max(0, (left - input_cost) // price)
        amount = input_cost + price * tokens
        self.trim(entry, tokens)
        observed = {f"{budget.id}:0" for budget in budgets if budget.mode == "observe" and not budget.soft and not has_room(budget)}
        for budget in budgets:
            hold = [budget.start_at(wall), amount, 0]
            budget.holds.append(hold)
            entry["holds"].append(hold)
        for budget in budgets:  # the promise
            assert not budget.binds() or amount == 0 or budget.used(wall) <= budget.cap_at(wall)
        return "granted", amount, tokens, observed

    def settle(self, number, state, cost, known, input_tokens, output_tokens):
        entry = self.calls.pop(number)
        for limit, event in entry["taken"]:
            if limit.kind == "concurrent":
                limit.events.remove(event)
            elif limit.of_tokens():
                event[2] = 0
                if known:
                    event[1] = input_tokens * limit.counts_input() + output_tokens * limit.counts_output()
        for hold in entry["holds"]:
            hold[1] = hold[2] = {"known": cost, "none": 0, "unknown": hold[1]}[state]

    def rates(self, number, now):
        """Of each kind the smallest remainder, and those limits that have it."""
        found = []
        for kinds in (("requests",), ("tokens", "input_tokens", "output_tokens")):
            limits = [limit for limit in self.calls[number]["limits"] if limit.kind in kinds and limit.mode == "enforce"]
            rows = [(limit.amount, max(0, limit.amount - limit.used(now)), limit.reset(now)) for limit in limits]
            smallest = min((row[1] for row in rows), default=None)
            found.append([row for row in rows if row[1] == smallest])
        return found
