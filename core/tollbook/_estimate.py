"""What a call will cost, told before it is made: tokens by their estimate, prices by the list of today."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from time import time_ns
from typing import Any, cast

import msgspec

from tollbook import pricing, tokens
from tollbook._money import show, to_usd
from tollbook.usage import Usage

Json = Mapping[str, Any]

_LIMITS = (
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tokens_to_sample",
    "maxOutputTokens",
    "maxTokens",
)
"""What requests call the most tokens of an answer."""
_NESTED = ("generationConfig", "generation_config", "inferenceConfig", "options", "config")
_CEILINGS = (
    (r"gpt-3\.?5-turbo-16k", 16_384),
    (r"gpt-3\.?5", 4_096),
    (r"gpt-4o|gpt-4\.5|chatgpt-4o", 16_384),
    (r"gpt-4\.1", 32_768),
    (r"gpt-4-32k", 32_768),
    (r"gpt-4", 8_192),
    (r"o[134](?:-|$)", 100_000),
    (r"gpt-oss", 131_072),
    (r"gpt-[5-9]", 128_000),
    (r"gemini-(?:1\.|2\.0)", 8_192),
    (r"gemini-(?:2\.5|[3-9])", 65_536),
)
"""The longest answer of models whose requests need not limit it, as their makers state it."""
_PROVIDERS = (
    (r"claude", "anthropic"),
    (r"gpt-|o\d|chatgpt|text-embedding-|codex|davinci|babbage|dall-e|sora", "openai"),
    (r"gemini", "gcp.gemini"),
    (r"mistral|codestral|ministral|magistral|devstral|pixtral", "mistral_ai"),
    (r"deepseek-(?:chat|reasoner|v)", "deepseek"),
    (r"grok", "x_ai"),
    (r"command|embed-", "cohere"),
)
"""Who serves a model that is asked for without a provider."""
_USUAL_ANSWER = 500
"""Tokens of an answer of which nothing is known."""
_ANSWERS = ("output", "output_reasoning", "output_citation", "output_image")
"""What an answer may be billed as that asks for no sound."""
_ABOVE_STANDARD = frozenset({"priority", "fast", "ultrafast"})


class Estimate(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """What a call is expected to use and to cost."""

    model: str
    provider: str | None
    """As given, or as the model's name tells; None: neither."""
    input_tokens: int
    band: float
    """The error to expect of `input_tokens`, as a fraction: 0.1 is plus or minus 10 percent. 0: exact."""
    output_tokens: int
    """The answer that `cost` assumes."""
    max_output_tokens: int | None
    """The longest answer that the request or the model allows; None: not known."""
    cost_low: Decimal | None
    """USD, with the least input and an answer of one token; None: unpriced."""
    cost: Decimal | None
    """USD, with the expected input and answer; None: unpriced."""
    cost_max: Decimal | None
    """USD, with the most input and the longest answer; None: unpriced, or no such limit, or not all is counted."""
    method: str
    """How the input was counted, with its version, such as `o200k_base (tiktoken 0.14.0)`."""
    notes: tuple[str, ...] = ()
    """What was assumed, and what is not in the numbers."""

    @property
    def input_tokens_low(self) -> int:
        """`input_tokens` less the error to expect."""
        return max(int(self.input_tokens * (1 - self.band)), 0)

    @property
    def input_tokens_high(self) -> int:
        """`input_tokens` and the error to expect."""
        return ceil(self.input_tokens * (1 + self.band))

    def __str__(self) -> str:
        error = f" ±{self.band:.0%}" if self.band else ""
        most = "no known limit" if self.max_output_tokens is None else f"at most {self.max_output_tokens:,}"
        money = show(self.cost)
        if self.cost is not None:
            top = "unknown" if self.cost_max is None else show(self.cost_max)
            money += f" (from {show(self.cost_low)}, at most {top})"
        notes = "".join(f"; {note}" for note in self.notes)
        return f"{self.model}: {self.input_tokens:,}{error} in, {self.output_tokens:,} out ({most}): {money}{notes}"

    def __repr__(self) -> str:
        return f"<Estimate {self}>"


def estimate(
    messages: str | Sequence[Any] | Json,
    model: str,
    *,
    provider: str | None = None,
    max_tokens: int | None = None,
    tools: Sequence[Any] | None = None,
    output_tokens: int | None = None,
) -> Estimate:
    """What a call will use and cost, before it is made. Nothing is asked from the network.

    Prices are the list's of now, without discounts for what a cache will hold. In a thread that runs an event loop it
    takes a few milliseconds: long text is sampled, and a tokenizer that is not loaded yet is loaded in the background,
    while the text is counted by its bytes. Elsewhere it is loaded first.

    Args:
        messages: A text; the messages of OpenAI's chats or Anthropic's, or the input of OpenAI's Responses; or the
            whole request as a dict, with `messages`, `system`, `tools`, `max_tokens` and so on.
        model: As in the request.
        provider: `gen_ai.provider.name`, such as `azure.ai.openai`; None: as the model's name tells.
        max_tokens: The longest answer; None: as the request says, or else the model's own limit, if that is known.
        tools: As in the request.
        output_tokens: The answer that you expect; None: half of the limit that was set, at most 500 tokens.

    Raises:
        TypeError: `messages` is no text, list or dict, or `model` no text.
        ValueError: `model` is empty, or a number of tokens is negative.
    """
    request = _request(messages, model, tools)
    for name, number in (("max_tokens", max_tokens), ("output_tokens", output_tokens)):
        if number is not None and (not isinstance(number, int) or number < 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{name} must be a number of tokens, not {number!r}")
    provider = provider or provider_of(model)
    now = time_ns()
    content = tokens.content_of(request)
    counted = tokens.estimate_content(content, provider, model, settings=tokenizer_of(provider, model, now))
    notes = [flag.replace("_", " ") for flag in counted.flags]
    limit = max_tokens if max_tokens is not None else limit_of(request)
    most = limit if limit is not None else usual_limit(model)
    if limit is None and most:
        notes.append("the longest answer is the model's own limit")
    if output_tokens is None:
        output_tokens = min(_USUAL_ANSWER, -(-limit // 2) if limit is not None else most or _USUAL_ANSWER)
        if most == 0:
            output_tokens = 0
        else:
            notes.append(f"an answer of {output_tokens} tokens is assumed")
    choices = tokens.answers_of(request)
    if provider is None:
        notes.append("name the provider to have a price")
    context = _context(request)

    def price(sent: int, generated: int) -> Decimal | None:
        used = Usage({"input": sent, "output": generated * choices} if most != 0 else {"input": sent})
        cost = pricing.cost_of(used, provider, model, now, context)
        return None if cost is None or cost.total is None or cost.status == "partial" else to_usd(cost.total)

    found = Estimate(
        model, provider, counted.tokens, counted.band, output_tokens * choices,
        None if most is None else most * choices, None, None, None, counted.said, tuple(notes),
    )  # fmt: skip
    highest = None
    if most is not None and not counted.flags:
        highest = price(found.input_tokens_high, most)
    return msgspec.structs.replace(
        found,
        cost_low=price(found.input_tokens_low, min(1, output_tokens)),
        cost=price(found.input_tokens, output_tokens),
        cost_max=highest,
    )


def worst_case(
    provider: str | None,
    model: str | None,
    request: Json,
    ceiling: int | None = None,
    *,
    operation: str | None = None,
    context: Mapping[str, str] | None = None,
) -> int | None:
    """The most that a request can cost in pico-dollars; None if there is no such bound, or no price.

    It is quick, and errs upwards: a token is taken to be no more than one byte, all input to be written to the dearest
    cache that the request asks for, and the answer to be as long as allowed. Nothing bounds a request with files, with
    tools that the provider runs, that continues a conversation stored there, or that has anything not known here.

    Args:
        provider: `gen_ai.provider.name`, or a host.
        model: As requested.
        request: Its JSON.
        ceiling: The longest answer where the request sets no limit; None: the model's own limit, if that is known.
        operation: `gen_ai.operation.name`; None: as the request looks.
        context: What selects a price and is known beside the request, such as the region of the host.
    """
    if not provider or not model:
        return None
    most = tokens.most_of(request, model, operation)
    limit = longest_answer(request, model, operation, ceiling)
    if most is None or limit is None:
        return None
    now = time_ns()
    asked = {**(context or {}), **(_context(request) or {})} or None
    card = pricing.card(provider, model, now, asked)
    if card is None:
        return None
    claude = tokens.claude_version(model) is not None
    inputs = ["input"]
    for bucket in card.rates:
        if bucket.startswith("input_cache_write"):
            lifetime = bucket.removeprefix("input_cache_write").removeprefix("_")
            if lifetime in most.caches or (not claude and lifetime != "12h"):
                inputs.append(bucket)
        elif bucket == "input_image" and most.images:
            inputs.append(bucket)
    outputs = [bucket for bucket in _ANSWERS if bucket in card.rates] if limit else []
    if limit and not outputs:
        return None
    worst: int | None = None
    for one in _priced_apart(card, inputs):
        for other in _priced_apart(card, outputs) or [""]:
            quantities = {one: most.sent, other: limit * most.answers} if other else {one: most.sent}
            cost = pricing.cost_of(Usage(quantities), provider, model, now, asked)
            if cost is None or cost.total is None or cost.status == "partial":
                return None
            worst = max(worst or 0, cost.total)
    return worst


def _priced_apart(card: pricing.Card, buckets: list[str]) -> list[str]:
    """One for each price among `buckets`: most cost the same."""
    found: dict[object, str] = {}
    for bucket in buckets:
        rates = [card.rates.get(bucket), card.minimum.get(bucket), *(tier.rates.get(bucket) for tier in card.tiers)]
        found.setdefault(tuple(rates), bucket)
    return list(found.values())


def most_tokens(model: str | None, request: Json, operation: str | None = None) -> int | None:
    """The most tokens that a request can use, sent and generated; None if there is no such bound."""
    if not model:
        return None
    most = tokens.most_of(request, model, operation)
    limit = longest_answer(request, model, operation)
    return None if most is None or limit is None else most.sent + limit * most.answers


def tokenizer_of(provider: str | None, model: str | None, start: int) -> Mapping[str, Any] | None:
    """What a definition says of a model's tokenizer; None: nothing."""
    return pricing.tokenizer_of(provider, model, start) if model else None


def provider_of(model: str) -> str | None:
    """Who serves `model`, as far as its name tells."""
    name = tokens.base_name(model)
    return next((provider for pattern, provider in _PROVIDERS if re.match(pattern, name)), None)


def limit_of(request: Json) -> int | None:
    """The most tokens of one answer that a request allows; None: it sets no limit."""
    places = [request, *(cast("Json", inner) for key in _NESTED if isinstance(inner := request.get(key), Mapping))]
    found = (place.get(name) for place in places for name in _LIMITS)
    return next((limit for limit in found if isinstance(limit, int) and limit >= 0), None)


def longest_answer(request: Json, model: str, operation: str | None = None, ceiling: int | None = None) -> int | None:
    """The most tokens of one answer, by the highest limit that a request sets, or else `ceiling`, or the model's own.

    None: not known.
    """
    if operation == "embeddings":
        return 0
    asked: list[Any] = [request.get(name) for name in _LIMITS]
    found = [limit for limit in asked if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0]
    if found:
        return max(found)
    return ceiling if ceiling is not None else usual_limit(model)


def usual_limit(model: str) -> int | None:
    """The longest answer that a model gives; None: not known."""
    name = tokens.base_name(model)
    if "embed" in name or "rerank" in name or "moderation" in name:
        return 0
    return next((most for pattern, most in _CEILINGS if re.match(pattern, name)), None)


def _request(messages: Any, model: Any, tools: Any) -> Json:
    """The request that `messages` are, or are part of."""
    if not isinstance(model, str):
        raise TypeError(f"model must be a model's name, not {type(model).__name__}")
    if not model.strip():
        raise ValueError("model is empty: name the model that the request will name")
    if isinstance(messages, Mapping):
        request = dict(cast("Json", messages))
        if not any(key in request for key in ("messages", "input", "prompt", "contents")):
            request = {"messages": [request]}  # one message
    elif isinstance(messages, (str, list, tuple)):
        request = {"messages": cast("Any", messages)}
    else:
        raise TypeError(
            f"messages must be a text, a list of messages or a request as a dict, not {type(messages).__name__}"
        )
    if tools is not None:
        request["tools"] = tools
    return {"model": model, **request}


def _context(request: Json) -> dict[str, str] | None:
    """What the request asks for that costs more than the plain price. Discounts are certain only when served."""
    context: dict[str, str] = {}
    tier: Any = request.get("service_tier")
    if isinstance(tier, str) and tier in _ABOVE_STANDARD:
        context["service_tier"] = tier
    for key in ("speed", "inference_geo"):
        if isinstance(value := request.get(key), str):
            context[key] = value
    return context or None
