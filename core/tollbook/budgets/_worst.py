"""The most that a call may come to, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tollbook import _estimate, tokens

if TYPE_CHECKING:
    from tollbook.spans import Record

_PLAIN = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options"}
    | {"stop", "seed", "user", "frequency_penalty", "presence_penalty", "metadata", "store", "system"}
)
_LONGEST = 100_000
"""Bytes up to which no price list has a tier for longer requests."""

_HOUR = 3_600_000_000_000
"""Nanoseconds."""

_known: dict[tuple[object, ...], tuple[int, int, int]] = {}
"""By provider, model, limit and hour: what an empty message costs at most, a message more, and a byte more."""


def plain_worst(record: Record, request: Mapping[str, Any]) -> int | None:
    """As `worst` in pico-dollars, for a chat of texts only; None if it is more than that.

    Every call of a block that has a budget in money waits for it: one pass, and nothing that is longer for a longer
    text.
    """
    messages: Any = request.get("messages")
    if messages.__class__ is not list or not _PLAIN.issuperset(request):
        return None
    system = request.get("system", "")
    if system.__class__ is not str:
        return None
    size = len(system) if system.isascii() else 4 * len(system)
    for each in messages:
        if each.__class__ is not dict or len(each) != 2 or "role" not in each:
            return None
        text = each.get("content")
        if text.__class__ is not str:
            return None
        size += len(text) if text.isascii() else 4 * len(text)
    if size > _LONGEST:
        return None
    limit = request.get("max_completion_tokens")
    if limit is None:
        limit = request.get("max_tokens")
    if limit.__class__ is not int and limit is not None:
        return None
    key = (record.provider, record.request_model, limit, record.start // _HOUR)
    found = _known.get(key)
    if found is None:
        found = _learn(record.provider, record.request_model, limit)
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


def worst(unit: str, record: Record, request: Mapping[str, Any]) -> int | None:
    """The most of `unit` (`usd`: pico-dollars, or `tokens`) that a call can come to; None: nothing bounds it."""
    model = record.request_model
    if unit == "usd":
        plain = plain_worst(record, request)
        return _estimate.worst_case(record.provider, model, request) if plain is None else plain
    if not model:
        return None
    sent = tokens.most_tokens(tokens.content_of(request), model)
    answer = _estimate.limit_of(request)
    if answer is None:
        answer = _estimate.usual_limit(model)
    return None if sent is None or answer is None else sent + answer
