"""What a call costs, worked out slowly and obviously: exact fractions over the catalog's JSON.

The reference that `turnpike prices cost` is compared with. It shares nothing with the program but the catalog file.
Quantities come first here (disjoint, by class), and the usage object of a dialect is made from them; so the program's
reading of usage is tested against what the usage was made of.
"""

import datetime
import random
from fractions import Fraction

STEP = Fraction(1, 10**12)
TOKENS_IN = ("input", "cached_input", "cache_write", "cache_write_1h", "cache_write_12h", "audio_input", "cached_audio_input",
             "image_input", "cached_image_input", "video_input")


def instant(text):
    if len(text) == 10:
        text += "T00:00:00Z"
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def round_half_even(value):
    """To 12 decimals, as an integer of picodollars. Python's round of a Fraction is half to even."""
    return round(value / STEP)


def text_of(picodollars):
    return f"{picodollars // 10**12}.{picodollars % 10**12:012d}"


class Catalog:
    def __init__(self, document):
        self.document = document
        self.classes = document["classes"]
        self.models = document["models"]

    def in_window(self, name, at):
        window = self.document["windows"][name]
        clock = at.strftime("%H:%M")
        return at.isoweekday() in window["weekdays"] and any(begin <= clock < end for begin, end in window["hours"])

    def card(self, model, service, at, basis):
        def threshold(card):
            if "above_input_tokens" in card:
                return card["above_input_tokens"] + 1
            return card.get("at_or_above_input_tokens", 0)

        fitting = [
            card for card in model["cards"]
            if card["service"] == service
            and basis >= threshold(card)
            and basis <= card.get("upto_input_tokens", 10**30)
            and ("from" not in card or instant(card["from"]) <= at)
            and ("until" not in card or at < instant(card["until"]))
            and ("window" not in card or self.in_window(card["window"], at))
        ]
        return max(fitting, key=lambda card: ("window" in card, threshold(card), card.get("from", "")), default=None)

    def fee(self, model):
        return self.document["providers"][model["provider"]].get("request_fee", {}).get(model["model"])

    def variant(self, model, unit, context):
        provider = self.document["providers"][model["provider"]]
        best = None
        for variant in model.get("variants", []) + provider.get("tool_variants", []):
            def holds(key, wanted):
                if key == "family":
                    rest = model["model"][len(wanted):]
                    return model["model"].startswith(wanted) and not rest[:1].isdigit()
                if key == "reasoning_model":
                    return wanted == context.get(key, "reasoning" in model.get("capabilities", []))
                return context.get(key) == wanted

            if variant["class"] == unit and all(holds(*pair) for pair in variant["match"].items()):
                if best is None or len(variant["match"]) > len(best["match"]):
                    best = variant
        return best and best["price"]

    def price(self, model, card, unit, context):
        """The price of a class, as text, or None."""
        if unit == "request" and self.fee(model):
            return self.fee(model)[context.get("search_context_size", "low")]
        variant = self.variant(model, unit, context)
        if variant is not None and (unit not in card["prices"] or "family" not in str(variant)):
            return variant
        if unit in card["prices"]:
            return card["prices"][unit]
        if unit == "web_search" and self.fee(model):
            return "0.00"
        return self.document["providers"][model["provider"]].get("tools", {}).get(unit)

    def factor(self, model, context):
        factor = Fraction(1)
        for name in model.get("multipliers", []):
            multiplier = self.document["providers"][model["provider"]]["multipliers"][name]
            if all(context.get(key) in values for key, values in multiplier["when"].items()):
                factor *= Fraction(multiplier["factor"])
        return factor

    def cost(self, model, service, at, quantities, context):
        """(total in picodollars, lines) or None: unpriced. Lines are (class, quantity, cost)."""
        card = self.card(model, service, at, sum(quantities.get(unit, 0) for unit in TOKENS_IN))
        if card is None:
            return None if any(quantities.values()) else (0, [])
        billed = {}
        if self.fee(model) and not quantities.get("request"):
            quantities = {**quantities, "request": 1}
        for unit, quantity in quantities.items():
            if not quantity:
                continue
            while unit is not None and self.price(model, card, unit, context) is None:
                unit = self.classes[unit].get("fallback")
            if unit is None:
                return None
            billed[unit] = billed.get(unit, 0) + Fraction(quantity)
        lines = []
        for unit, row in self.classes.items():
            if unit not in billed:
                continue
            factor = self.factor(model, context) if row["unit"] == "token" else 1
            exact = billed[unit] * Fraction(self.price(model, card, unit, context)) * factor / row["per"]
            lines.append((unit, billed[unit], round_half_even(exact)))
        return sum(line[2] for line in lines), lines


# What may be in a call of a provider of the dialect, and how its usage object is written.

def tokens(chance):
    """Mostly ordinary sizes, now and then at the edge of a tier or huge."""
    return chance.choice((0, 1, 7, 128, 999, 20_000, chance.randrange(300_000), 100_000, 100_001, 200_000, 272_000, 272_001,
                          chance.randrange(10**9)))


def some(chance, *units):
    return {unit: tokens(chance) for unit in units if chance.random() < 0.6}


def openai(chance, names=("prompt_tokens", "completion_tokens")):
    q = some(chance, "input", "cached_input", "cache_write", "audio_input", "cached_audio_input", "image_input",
             "cached_image_input", "output", "reasoning_output", "audio_output", "image_output")
    get = lambda *units: sum(q.get(unit, 0) for unit in units)  # noqa: E731
    first, second = names
    details = {"cached_tokens": get("cached_input", "cached_audio_input", "cached_image_input"),
               "cache_write_tokens": get("cache_write"),
               "audio_tokens": get("audio_input", "cached_audio_input"),
               "image_tokens": get("image_input", "cached_image_input"),
               "cached_tokens_details": {"text_tokens": get("cached_input"), "audio_tokens": get("cached_audio_input"),
                                         "image_tokens": get("cached_image_input")}}
    made = {"reasoning_tokens": get("reasoning_output"), "audio_tokens": get("audio_output"),
            "image_tokens": get("image_output")}
    whole_in = get("input", "cached_input", "cache_write", "audio_input", "cached_audio_input", "image_input",
                   "cached_image_input")
    whole_out = get("output", "reasoning_output", "audio_output", "image_output")
    return q, {first: whole_in, second: whole_out, "total_tokens": whole_in + whole_out, f"{first}_details": details,
               f"{second}_details": made}


def responses(chance):
    return openai(chance, ("input_tokens", "output_tokens"))


def anthropic(chance):
    q = some(chance, "input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning_output", "web_search")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    usage = {"input_tokens": get("input"), "cache_read_input_tokens": get("cached_input"),
             "cache_creation_input_tokens": get("cache_write") + get("cache_write_1h"),
             "output_tokens": get("output") + get("reasoning_output"),
             "output_tokens_details": {"thinking_tokens": get("reasoning_output")},
             "server_tool_use": {"web_search_requests": get("web_search"), "web_fetch_requests": 0}}
    if get("cache_write_1h") or chance.random() < 0.5:
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": get("cache_write"),
                                   "ephemeral_1h_input_tokens": get("cache_write_1h")}
    return q, usage


def gemini(chance):
    q = some(chance, "input", "cached_input", "audio_input", "cached_audio_input", "image_input", "video_input", "output",
             "reasoning_output", "image_output")
    get = lambda *units: sum(q.get(unit, 0) for unit in units)  # noqa: E731
    tool = min(get("input"), 50)
    details = [{"modality": "TEXT", "tokenCount": get("input", "cached_input") - tool},
               {"modality": "AUDIO", "tokenCount": get("audio_input", "cached_audio_input")},
               {"modality": "DOCUMENT", "tokenCount": get("image_input")},
               {"modality": "VIDEO", "tokenCount": get("video_input")}]
    return q, {"promptTokenCount": get("input", "cached_input", "audio_input", "cached_audio_input", "image_input",
                                       "video_input") - tool,
               "toolUsePromptTokenCount": tool, "promptTokensDetails": details,
               "cachedContentTokenCount": get("cached_input", "cached_audio_input"),
               "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": get("cached_audio_input")}],
               "candidatesTokenCount": get("output", "image_output"),
               "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": get("image_output")}],
               "thoughtsTokenCount": get("reasoning_output")}


def bedrock(chance):
    q = some(chance, "input", "cached_input", "cache_write", "cache_write_1h", "output")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    return q, {"inputTokens": get("input"), "cacheReadInputTokens": get("cached_input"),
               "cacheWriteInputTokens": get("cache_write") + get("cache_write_1h"),
               "cacheDetails": [{"ttl": "1h", "inputTokens": get("cache_write_1h")},
                                {"ttl": "5m", "inputTokens": get("cache_write")}],
               "outputTokens": get("output")}


def deepseek(chance):
    q = some(chance, "input", "cached_input", "output", "reasoning_output")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    return q, {"prompt_tokens": get("input") + get("cached_input"), "prompt_cache_hit_tokens": get("cached_input"),
               "prompt_cache_miss_tokens": get("input"), "completion_tokens": get("output") + get("reasoning_output"),
               "completion_tokens_details": {"reasoning_tokens": get("reasoning_output")}}


def xai(chance):
    q = some(chance, "input", "cached_input", "output", "reasoning_output")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    if chance.random() < 0.5:
        return q, {"prompt_tokens": get("input") + get("cached_input"), "completion_tokens": get("output"),
                   "prompt_tokens_details": {"cached_tokens": get("cached_input")},
                   "completion_tokens_details": {"reasoning_tokens": get("reasoning_output")}}
    return q, {"input_tokens": get("input") + get("cached_input"), "output_tokens": get("output") + get("reasoning_output"),
               "input_tokens_details": {"cached_tokens": get("cached_input")},
               "output_tokens_details": {"reasoning_tokens": get("reasoning_output")}}


def perplexity(chance):
    q = some(chance, "input", "output", "reasoning_output", "citation_output", "web_search")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    return q, {"prompt_tokens": get("input"), "completion_tokens": get("output"), "reasoning_tokens": get("reasoning_output"),
               "citation_tokens": get("citation_output"), "num_search_queries": get("web_search")}


def cohere(chance):
    q = some(chance, "input", "output", "search_unit")
    get = lambda unit: q.get(unit, 0)  # noqa: E731
    return q, {"billed_units": {"input_tokens": get("input"), "output_tokens": get("output"),
                                "search_units": get("search_unit")}, "tokens": {"input_tokens": 10**9}}


MAKERS = {"openai": openai, "anthropic": anthropic, "gemini": gemini, "bedrock": bedrock, "deepseek": deepseek, "xai": xai,
          "perplexity": perplexity, "cohere": cohere}

CONTEXTS = ({}, {}, {"data_residency": "eu"}, {"inference_geo": "us"}, {"deployment": "data_zone"}, {"location": "regional"},
            {"endpoint_region": "us"}, {"data_residency": "mars"}, {"size": "1024x1792", "quality": "hd"}, {"resolution": "4k"},
            {"search_context_size": "high"}, {"tool": "web_search_preview"}, {"tool": "attachment_search"})
MOMENTS = ("2026-11-22T12:00:00Z", "2026-11-23T02:30:00Z", "2026-11-23T04:00:00Z", "2026-11-23T00:59:59Z", "2026-08-20T23:59:59Z",
           "2026-08-21T00:00:00Z", "2026-07-01T00:00:00Z", "2027-03-01T00:00:00Z", "2026-12-31T23:59:59Z", "2025-01-01T00:00:00Z")
EXTRAS = ("image", "video_second", "audio_seconds_in", "char_input", "page", "web_search", "file_search", "code_session",
          "x_search", "request", "text_message", "input_image_each")


def random_calls(catalog, count, seed):
    """(input object, expected) of so many calls, each model at least once."""
    chance = random.Random(seed)
    for number in range(count):
        model = catalog.models[number % len(catalog.models)]
        provider = catalog.document["providers"][model["provider"]]
        dialect = next((dialect for part, dialect in provider.get("dialect_for", {}).items()
                        if part in model["model"]), provider["dialect"])
        make = chance.choice((openai, responses)) if dialect == "openai" else MAKERS[dialect]
        quantities, usage = make(chance)
        context = dict(chance.choice(CONTEXTS))
        if chance.random() < 0.4:
            unit = chance.choice(EXTRAS)
            amount = chance.randrange(1, 5000)
            context["extra"] = {unit: amount}
            quantities = {**quantities, unit: quantities.get(unit, 0) + amount}
        service = chance.choice(("standard", "standard", "standard", *(card["service"] for card in model["cards"])))
        at = chance.choice(MOMENTS)
        call = {"provider": model["provider"], "model": chance.choice([model["model"], *model.get("aliases", [])]),
                "service": service, "at": at, "usage": usage, "context": context}
        yield call, catalog.cost(model, service, instant(at), quantities, context)
