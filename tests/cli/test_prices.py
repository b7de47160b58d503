"""`turnpike prices`: lists, checks, differences, and the cost of calls to the last picodollar."""

import json
import pathlib
import subprocess

import pytest

import command
import price_reference as reference

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PRICES = ROOT / "data/prices.json"
EXAMPLES = json.loads((ROOT / "tests/data/cost-examples.json").read_text())["examples"]


def turnpike(*arguments, code=0, **environment):
    return command.turnpike("prices", *arguments, code=code, **environment)


def cost(text, *arguments, code=0):
    done = subprocess.run([command.BINARY, "prices", "cost", "--json", *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def price(**call):
    call = {"provider": "openai", "model": "gpt-5-mini", "at": "2026-11-22T12:00:00Z", **call}
    return cost(json.dumps(call))[0]


@pytest.fixture
def document():
    return json.loads(PRICES.read_text())


# ---- worked examples ----

@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["id"])
def test_a_worked_example(example):
    answer = cost(json.dumps(example))[0]
    assert answer["cost_usd"] == example["cost_usd"]
    assert answer["lines"] == example["lines"]
    assert answer["basis"] == "reported"
    assert answer["tier_basis_tokens"] == example["tier_basis_tokens"]


@pytest.mark.parametrize("form", [
    lambda calls: json.dumps(calls),
    lambda calls: json.dumps(calls, indent=2),
    lambda calls: "\n".join(map(json.dumps, calls)),
    lambda calls: "\n\n".join(json.dumps(call, indent=1) for call in calls) + "\n",
    lambda calls: "".join(map(json.dumps, calls)),
], ids=["list", "indented list", "lines", "indented objects", "one after another"])
def test_forms_of_input(form):
    answers = cost(form(EXAMPLES))
    assert [answer["cost_usd"] for answer in answers] == [example["cost_usd"] for example in EXAMPLES]
    assert [answer["id"] for answer in answers] == [example["id"] for example in EXAMPLES]


# ---- against the reference ----

@pytest.mark.parametrize("seed", range(4))
def test_random_calls_over_the_whole_catalog(document, seed):
    catalog = reference.Catalog(document)
    calls = list(reference.random_calls(catalog, 5 * len(catalog.models), seed))
    answers = cost("\n".join(json.dumps(call) for call, _ in calls))
    assert len(answers) == len(calls)
    priced = 0
    for (call, expected), answer in zip(calls, answers):
        if expected is None:
            assert answer["basis"] == "unpriced" and answer["cost_usd"] is None and answer["reason"], (call, answer)
            continue
        total, lines = expected
        if total >= 2**63:
            assert answer["basis"] == "unpriced" and "more than one call" in answer["reason"]
            continue
        got = [(line["class"], line["quantity"], line["cost"]) for line in answer["lines"]]
        assert got == [(unit, quantity, reference.text_of(line)) for unit, quantity, line in lines], (call, answer)
        assert answer["cost_usd"] == reference.text_of(total), (call, answer)
        priced += 1
    assert priced > len(calls) / 4


# ---- rules ----

def test_explicit_zero_is_not_missing():
    zero = price(usage={"prompt_tokens": 0, "completion_tokens": 0})
    assert (zero["basis"], zero["cost_usd"], zero["lines"]) == ("reported", "0.000000000000", [])
    none = price(usage=None)
    assert (none["basis"], none["cost_usd"]) == ("none", "0.000000000000")
    assert price(usage={})["basis"] == "none"


@pytest.mark.parametrize("usage", [
    {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}, "completion_tokens": 1},
    {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 6}},
    {"prompt_tokens": -1, "completion_tokens": 1},
    {"prompt_tokens": 1.5, "completion_tokens": 1},
    {"prompt_tokens": "12", "completion_tokens": 1},
    {"prompt_tokens": 2**63, "completion_tokens": 1},
    {"prompt_tokens": 10**14, "completion_tokens": 1},
])
def test_counters_that_cannot_be_are_refused(usage):
    answer = price(usage=usage)
    assert (answer["basis"], answer["cost_usd"], answer["lines"]) == ("unpriced", None, [])
    assert answer["reason"]


@pytest.mark.parametrize("call, words", [
    ({"model": "gpt-99"}, "this model"),
    ({"provider": "nobody"}, "this model"),
    ({"service": "ultrafast"}, "this service"),
    ({"model": "gpt-5.5", "service": "priority", "usage": {"prompt_tokens": 272001, "completion_tokens": 1}}, "this many"),
    ({"provider": "deepseek", "model": "deepseek-flash", "at": "2026-09-09T23:59:59Z"}, "that time"),
    ({"model": "text-embedding-3-small"}, "a unit"),
])
def test_unpriced_is_never_zero(call, words):
    answer = price(**{"usage": {"prompt_tokens": 5, "completion_tokens": 5}, **call})
    assert (answer["basis"], answer["cost_usd"]) == ("unpriced", None)
    assert words in answer["reason"]


@pytest.mark.parametrize("provider, model, found", [
    ("openai", "gpt-5-mini-2025-08-07", True),
    ("openai", "gpt-5-mini-2031-01-01", False),  # its dates are listed, and this is none of them
    ("openai", "gpt-4o-2023-05-13", False),
    ("openai", "gpt-6.2-sol-2026-10-30", True),  # no date is listed: one price
    ("azure", "gpt-5-mini-2025-08-07", True),  # listed by OpenAI
    ("azure", "gpt-5-mini-2031-01-01", False),
    ("openai", "ft:gpt-4.1-2025-04-14:acme::abc123", True),
    ("openai", "ft:gpt-5:acme::abc123", False),  # never the price of the base
    ("bedrock", "apac.amazon.nova-pro-v1:0", True),
    ("bedrock", "us-gov.anthropic.claude-opus-4-8", False),
    ("bedrock", "global.amazon.nova-pro-v1:0", False),
    ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-8", True),
    ("google", "models/gemini-2.5-pro", True),
])
def test_names_that_lead_to_a_model(provider, model, found):
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    assert (price(provider=provider, model=model, usage=usage)["basis"] == "reported") == found


def test_fine_tuned_has_its_own_price():
    usage = {"prompt_tokens": 1000000, "completion_tokens": 0}
    tuned = price(model="ft:gpt-4.1-2025-04-14:acme::x", usage=usage)["cost_usd"]
    assert tuned != price(model="gpt-4.1", usage=usage)["cost_usd"]


def test_ticks_are_what_xai_bills():
    usage = {"prompt_tokens": 200000, "prompt_tokens_details": {"cached_tokens": 150000}, "completion_tokens": 100,
             "completion_tokens_details": {"reasoning_tokens": 900}, "cost_in_usd_ticks": 1900000001}
    answer = price(provider="xai", model="grok-4.3", usage=usage)
    assert (answer["basis"], answer["cost_usd"], answer["computed_usd"]) == ("provider_cost", "0.190000000100", "0.190000000000")
    unknown = price(provider="xai", model="grok-99", usage=usage)
    assert (unknown["basis"], unknown["cost_usd"]) == ("provider_cost", "0.190000000100")
    assert "computed_usd" not in unknown


def test_mistral_spells_the_cached_counter_three_ways():
    made = [{"num_cached_tokens": 60}, {"prompt_tokens_details": {"cached_tokens": 60}}, {"prompt_token_details": {"cached_tokens": 60}}]
    answers = [price(provider="mistral", model="mistral-large-latest",
                     usage={"prompt_tokens": 100, "completion_tokens": 1, **more}) for more in made]
    assert len({json.dumps(answer["lines"]) for answer in answers}) == 1


def test_the_answer_tells_the_service():
    usage = {"input_tokens": 777, "output_tokens": 111, "speed": "fast"}
    assert price(provider="anthropic", model="claude-opus-5", usage=usage)["service"] == "fast"
    usage["inference_geo"] = "us"
    assert price(provider="anthropic", model="claude-opus-5", usage=usage)["lines"][0]["factor"] == "1.1"


def test_compaction_counts():
    entry = {"input_tokens": 100, "output_tokens": 10}
    usage = {**entry, "iterations": [{"type": "compaction", "input_tokens": 5000, "output_tokens": 200}, {"type": "message", **entry}]}
    lines = price(provider="anthropic", model="claude-opus-5", usage=usage)["lines"]
    assert [(line["class"], line["quantity"]) for line in lines] == [("input", 5100), ("output", 210)]


# ---- wrong input ----

def test_what_cannot_be_read_names_its_line():
    good = json.dumps(EXAMPLES[0])
    text = "\n".join([good, "{broken", good, '{"model": "x"}', "[1, " + good + "]", '{"provider": 5}'])
    answers = cost(text, code=1)
    assert [answer.get("error", {}).get("line") for answer in answers] == [None, 2, None, 4, 5, None, 6]
    assert answers[4]["error"]["index"] == 0
    assert "provider" in answers[3]["error"]["message"]


@pytest.mark.parametrize("more, word", [
    ({"service": "express"}, "service"), ({"at": "yesterday"}, "at"), ({"at": "2026-02-30"}, "at"), ({"usage": 5}, "usage"),
    ({"context": []}, "context"), ({"context": {"extra": {"widgets": 1}}}, "widgets"),
    ({"context": {"extra": {"image": -1}}}, "image"), ({"context": {"extra": {"image": 0.5}}}, "image"),
    ({"context": {"size": 5}}, "size"), ({"model": ""}, "model"),
])
def test_wrong_members(more, word):
    call = {"provider": "openai", "model": "gpt-5-mini", "usage": {"prompt_tokens": 1}, **more}
    assert word in cost(json.dumps(call), code=1)[0]["error"]["message"]


def test_hostile_input():
    assert cost("") == []
    assert cost("\n \n") == []
    assert "no JSON" in cost("[" * 100000, code=1)[0]["error"]["message"]
    assert "no JSON" in cost("\0", code=1)[0]["error"]["message"]


def test_cost_for_people():
    done = subprocess.run([command.BINARY, "prices", "cost"], input=json.dumps(EXAMPLES[2]), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "gpt-5.5 standard>272000" in done.stdout and "0.840000000000 US dollars (reported)" in done.stdout


# ---- list, show, diff ----

def test_list_filters():
    rows = [json.loads(line) for line in turnpike("list", "--json", "--provider", "openai", "--mode", "embedding").stdout.splitlines()]
    assert rows and all((row["provider"], row["mode"]) == ("openai", "embedding") for row in rows)
    assert "claude-opus-5" in turnpike("list", "CLAUDE", "opus").stdout
    assert len(turnpike("list", "--json", "--retired").stdout.splitlines()) == 339


def test_show(document):
    shown = json.loads(turnpike("show", "gpt-5.5-2026-04-23", "--provider", "openai", "--json").stdout)
    model = next(model for model in document["models"] if (model["provider"], model["model"]) == ("openai", "gpt-5.5"))
    assert shown["cards"] == model["cards"]
    assert "gpt-5.5" in turnpike("show", "gpt-5.5").stdout
    assert "no price is known" in turnpike("show", "gpt-99", code=1).stderr


def test_diff(tmp_path, document):
    document["models"][0]["cards"][0]["prices"]["input"] = "9.99"
    gone = document["models"].pop()
    document["models"].append({**gone, "model": "brand-new", "aliases": []})
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(document))
    changes = [json.loads(line) for line in turnpike("diff", file, "--json").stdout.splitlines()]
    assert [change["change"] for change in changes] == ["changed", "removed", "added"]
    assert (changes[0]["class"], changes[0]["after"]) == ("input", "9.99")
    assert "3 changes" in turnpike("diff", file).stdout
    assert "0 changes" in turnpike("diff", file, "--catalog", file).stdout
    assert cost(json.dumps({**EXAMPLES[0]}), "--catalog", file)[0]["catalog"].startswith("2026-11-22+")


# ---- check ----

def problems(tmp_path, document, code=1):
    file = tmp_path / "prices.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return json.loads(turnpike("check", file, "--json", code=code).stdout)["problems"]


def small():
    return {"schema": 1, "as_of": "2026-11-22", "currency": "USD",
            "windows": {"night": {"tz": "UTC", "weekdays": [1, 2], "hours": [["01:00", "04:00"]]}},
            "providers": {"p": {"dialect": "openai", "multipliers": {"up": {"when": {"location": ["here"]}, "factor": "1.1", "scope": "tokens"}}}},
            "models": [{"provider": "p", "model": "m", "mode": "chat", "cards": [{"service": "standard", "prices": {"input": "1.00"}}]}]}


def test_a_small_list_is_good(tmp_path):
    assert problems(tmp_path, small(), code=0) == []


def put(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    document[last] = value


CARD = ["models", 0, "cards", 0]


@pytest.mark.parametrize("path, value, place, words", [
    (["extra"], 1, "extra", "no such key"),
    (["schema"], 2, "schema", "must be 1"),
    (["as_of"], "2026-13-01", "as_of", "no date"),
    (["currency"], "EUR", "currency", "not USD"),
    (["models", 0, "mod"], 1, "models[0] p/m: mod", "did you mean 'mode'"),
    (["models", 0, "mode"], "telepathy", "models[0] p/m: mode", "not known"),
    (["models", 0, "provider"], "q", "models[0] q/m: provider", "no provider"),
    (["models", 0, "model"], "a b", "models[0] p/a b: model", "without white space"),
    (["models", 0, "context_window"], 0, "models[0] p/m: context_window", "between 1"),
    (["models", 0, "context_window"], 1.5, "models[0] p/m: context_window", "whole number"),
    (["models", 0, "multipliers"], ["down"], "models[0] p/m: multipliers[0]", "no such multiplier"),
    (["models", 0, "aliases"], ["m"], "models[0] p/m: aliases[0]", "already"),
    (["models", 0, "cards"], [], "models[0] p/m: cards", "1 to 256"),
    ([*CARD, "service"], "express", "models[0] p/m: cards[0].service", "none of standard"),
    ([*CARD, "window"], "noon", "models[0] p/m: cards[0].window", "no window"),
    ([*CARD, "from"], "2026-02-30", "models[0] p/m: cards[0].from", "no date"),
    ([*CARD, "upto_input_tokens"], "5", "models[0] p/m: cards[0].upto_input_tokens", "whole number"),
    ([*CARD, "prices"], {"inputs": "1"}, "models[0] p/m: cards[0].prices.inputs", "no such class"),
    ([*CARD, "prices", "input"], 1.5, "models[0] p/m: cards[0].prices.input", "lose digits"),
    ([*CARD, "prices", "input"], "-1", "models[0] p/m: cards[0].prices.input", "sign"),
    ([*CARD, "prices", "input"], "1e3", "models[0] p/m: cards[0].prices.input", "exponent"),
    ([*CARD, "prices", "input"], "0.00011550000000000002", "models[0] p/m: cards[0].prices.input", "more than 12 decimals"),
    ([*CARD, "prices", "input"], "100001", "models[0] p/m: cards[0].prices.input", "more than anything costs"),
    ([*CARD, "prices", "input"], "1000000000001", "models[0] p/m: cards[0].prices.input", "10^12"),
    (["providers", "p", "dialect"], "klingon", "providers.p.dialect", "no dialect"),
    (["providers", "p", "multipliers", "up", "factor"], "0", "providers.p.multipliers.up.factor", "above 0"),
    (["providers", "p", "multipliers", "up", "factor"], "1.00001", "providers.p.multipliers.up.factor", "4 decimals"),
    (["providers", "p", "multipliers", "up", "when"], {"mood": ["x"]}, "providers.p.multipliers.up.when.mood", "no multiplier"),
    (["providers", "p", "request_fee"], {"n": {"low": "1", "medium": "1", "high": "1"}}, "providers.p.request_fee.n", "no such model"),
    (["windows", "night", "tz"], "Asia/Shanghai", "windows.night.tz", "UTC"),
    (["windows", "night", "hours"], [["04:00", "01:00"]], "windows.night.hours[0]", "before it begins"),
    (["windows", "night", "hours"], [["4:00", "25:00"]], "windows.night.hours[0]", "must be"),
    (["windows", "night", "weekdays"], [0], "windows.night.weekdays[0]", "Monday"),
    (["classes"], {"widget": {"per": 1, "unit": "w", "side": "in"}}, "classes.widget", "no such class"),
    (["classes"], {"input": {"per": 1000, "unit": "token", "side": "in"}}, "classes.input", "differs"),
    (["models"], {}, "models", "must be a list, and is an object"),
    (["providers"], None, "providers", "must be an object"),
])
def test_each_problem_names_its_place(tmp_path, path, value, place, words):
    document = small()
    put(document, path, value)
    told = problems(tmp_path, document)
    assert any(line.startswith(place + ": ") and words in line for line in told), told


@pytest.mark.parametrize("cards", [
    [{}, {}],
    [{"above_input_tokens": 5}, {"at_or_above_input_tokens": 6}],
    [{"from": "2026-01-01"}, {"until": "2026-01-02"}],
    [{"upto_input_tokens": 5}, {}],
    [{"window": "night"}, {"window": "night"}],
])
def test_overlapping_cards(tmp_path, cards):
    document = small()
    document["models"][0]["cards"] = [{"service": "standard", "prices": {"input": "1"}, **card} for card in cards]
    assert "models[0] p/m: cards[1]: overlaps cards[0]" in problems(tmp_path, document)[0]


@pytest.mark.parametrize("cards", [
    [{"until": "2026-01-01"}, {"from": "2026-01-01"}],
    [{}, {"window": "night"}, {"above_input_tokens": 5}, {"service": "batch"}],
])
def test_cards_that_stand_beside_each_other(tmp_path, cards):
    document = small()
    document["models"][0]["cards"] = [{"service": "standard", "prices": {"input": "1"}, **card} for card in cards]
    assert problems(tmp_path, document, code=0) == []


@pytest.mark.parametrize("card, words", [
    ({"from": "2026-01-02", "until": "2026-01-02"}, "not after"),
    ({"above_input_tokens": 10, "upto_input_tokens": 10}, "never be used"),
    ({"above_input_tokens": 10, "at_or_above_input_tokens": 10}, "no other threshold"),
])
def test_cards_that_make_no_sense(tmp_path, card, words):
    document = small()
    document["models"][0]["cards"][0].update(card)
    assert any(words in line for line in problems(tmp_path, document))


def test_a_name_twice(tmp_path):
    document = small()
    document["models"].append({**document["models"][0], "aliases": ["n"]})
    document["models"].append({**document["models"][0], "model": "n"})
    told = problems(tmp_path, document)
    assert [line.split(":")[0] for line in told] == ["models[1] p/m", "models[2] p/n"]


def test_several_problems_at_once(tmp_path):
    document = small()
    document["models"] = [{**document["models"][0], "model": f"m{i}", "mode": "x", "status": "y"} for i in range(100)]
    assert len(problems(tmp_path, document)) == 50
    done = turnpike("check", tmp_path / "prices.json", code=1)
    assert "200 problems, of which the first 50 are told" in done.stdout


@pytest.mark.parametrize("text, words", [
    ("", "no JSON"), ("[]", "must be an object"), ("{}", "is missing"), ('{"schema": 1,\n "as_of": }', "line 2"),
    ('{"a":' * 200000, "no JSON"), ('{"schema": 1, "schema": 1}', "given twice"), ("{\"x\": 1}\n{}", "line 2"),
])
def test_files_that_are_no_list(tmp_path, text, words):
    assert any(words in line for line in problems(tmp_path, text))


def test_deep_nesting_in_what_is_not_known(tmp_path):
    deep = "[" * 100000 + "]" * 100000
    text = json.dumps(small())[:-1] + f', "sources": {deep}, "oops": {deep}}}'
    assert problems(tmp_path, text) == ["oops: there is no such key here"]


def test_a_huge_file(tmp_path):
    file = tmp_path / "prices.json"
    with file.open("wb") as out:
        out.truncate(100 << 20)
    assert "larger than 16 MiB" in turnpike("check", file, code=1).stdout


def test_no_file(tmp_path):
    assert "none.json: No such file" in turnpike("check", tmp_path / "none.json", code=2).stderr
    assert turnpike("list", "--catalog", tmp_path / "none.json", code=1).stdout == ""


def test_terminal_orders_in_a_file_are_not_printed(tmp_path):
    document = small()
    document["models"][0]["\x1b[31mred"] = 1
    problems(tmp_path, document)
    assert "\x1b" not in turnpike("check", tmp_path / "prices.json", code=1).stdout
