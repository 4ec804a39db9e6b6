"""The most that a call may come to, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any

from tollbook import _estimate, tokens

_PLAIN = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options"}
    | {"stop", "seed", "user", "frequency_penalty", "presence_penalty", "metadata", "store", "system"}
)
_MESSAGE = frozenset({"role", "content"})
_LONGEST = 100_000
"""Bytes up to which no price list has a tier for longer requests."""

_known: dict[tuple[object, ...], tuple[int, int, int]] = {}
"""By provider, model, limit and day: what an empty message costs at most, a message more, and a byte more."""


def _plain(provider: str | None, model: str | None, request: Mapping[str, Any]) -> int | None:
    """As `worst` in pico-dollars, quickly, for a chat of texts only; None if it is more than that."""
    messages: Any = request.get("messages")
    if messages.__class__ is not list or not request.keys() <= _PLAIN:
        return None
    texts: list[Any] = [
        request.get("system") or "",
        *(each.get("content") for each in messages if each.keys() == _MESSAGE),
    ]
    if len(texts) != len(messages) + 1 or not all(text.__class__ is str for text in texts):
        return None
    size = sum(len(text) if text.isascii() else 4 * len(text) for text in texts)
    if size > _LONGEST:
        return None
    limit = _estimate.limit_of(request)
    key = (provider, model, limit, time() // 3600)
    found = _known.get(key)
    if found is None:
        found = _learn(provider, model, limit)
        if found is None:
            return None
        if len(_known) > 1000:
            _known.clear()
        _known[key] = found
    return found[0] + found[1] * len(messages) + found[2] * size


def _learn(provider: str | None, model: str | None, limit: int | None) -> tuple[int, int, int] | None:
    """From the most that three requests can cost: it grows evenly with messages and with bytes."""

    def of(*texts: str) -> int | None:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
        if limit is not None:
            body["max_tokens"] = limit
        return _estimate.worst_case(provider, model, body)

    one, two, long = of(""), of("", ""), of("x" * 1000)
    if one is None or two is None or long is None:
        return None
    message, byte = two - one, -(-(long - one) // 1000)
    return one - message, message, byte


def worst(unit: str, provider: str | None, model: str | None, request: Mapping[str, Any]) -> int | None:
    """The most of `unit` (`usd`: pico-dollars, or `tokens`) that a request can come to; None: nothing bounds it."""
    if unit == "usd":
        plain = _plain(provider, model, request)
        return _estimate.worst_case(provider, model, request) if plain is None else plain
    if not model:
        return None
    sent = tokens.most_tokens(tokens.content_of(request), model)
    answer = _estimate.limit_of(request)
    if answer is None:
        answer = _estimate.usual_limit(model)
    return None if sent is None or answer is None else sent + answer
