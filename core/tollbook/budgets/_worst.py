"""The most that a call may come to, before it is made.

Nearly every call of a budget waits for this. So prices are asked for once for each model and limit, as three numbers: a
bound grows evenly with bytes and messages. What is left is to look at the request, closer where it is more than texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook import _estimate
from tollbook.budgets._request import BARE, MISTAKES, size_of, tools_of_late, with_tools
from tollbook.pricing import _catalog

if TYPE_CHECKING:
    from tollbook.spans import Record

Json = Mapping[str, Any]

_is_bare = (BARE | {"system"}).issuperset
_LONGEST = (2_000_000, 250_000, 190_000, 120_000)
"""Bytes up to which a price may be even; where it is not, it is up to the last, which no tier for long requests is
below."""
_SHORT = 100_000
_HALF_HOUR = 1_800_000_000_000
"""Nanoseconds. Prices that depend on the time of day change no more often."""


class _Bound(msgspec.Struct, frozen=True, gc=False):
    """The most that chats of one model with one limit can come to, in pico-dollars or tokens."""

    until: int
    """Unix nanoseconds of the half hour's end: then prices are asked for again."""
    longest: int
    """Bytes that it holds for."""
    empty: int
    """Without a message."""
    message: int
    """More for each message, however short."""
    byte: int
    """More for each byte of text, which is no less than a token."""
    tools: int
    """Tokens more where there are tools."""


_known: dict[tuple[object, ...], _Bound] = {}
"""By unit, provider, model, limit, the cache that is asked for, and what else selects the price."""
_even: dict[tuple[object, ...], int] = {}
"""By the same without the limit, and until when: the bytes up to which the price is even."""
_catalog.on_forget += [_known.clear, _even.clear]


def plain_worst(record: Record, request: Json, unit: str = "usd") -> int | None:
    """As `worst`, for a chat of texts and tools; None if it is more than that.

    Texts take no longer for being longer, and tools that calls had before no longer than to be compared. All else takes
    as long as its JSON is.
    """
    messages: Any = request.get("messages")
    if messages.__class__ is not list or not _is_bare(request):
        return _closer(record, request, unit)
    limit = request.get("max_tokens") if "max_completion_tokens" not in request else _limit(request)
    if limit.__class__ is not int and limit is not None:
        return _closer(record, request, unit)
    context = record.context
    key: tuple[object, ...] = (unit, record.provider, record.request_model, limit, "")
    if context is not None:  # a price of its own
        key += tuple(context.items())
    bound = _known.get(key)
    if (bound is None or record.start >= bound.until) and (bound := _learn(key, record, limit)) is None:
        return None
    size = 0
    for each in messages:
        text: Any = each.get("content") if each.__class__ is dict else None
        if text.__class__ is not str or len(each) != 2 or "role" not in each:
            return _closer(record, request, unit)
        size += len(text) if text.isascii() else 4 * len(text)
    if "system" in request:
        text = request["system"]
        if text.__class__ is not str:
            return _closer(record, request, unit)
        size += len(text) if text.isascii() else 4 * len(text)
    if "tools" in request:
        shown, sizes = tools_of_late.known
        try:
            size += sizes[shown.index(request["tools"])] + bound.tools
        except MISTAKES:  # they are not among those
            return _closer(record, request, unit)
    return None if size > bound.longest else bound.empty + bound.message * len(messages) + bound.byte * size


def _limit(request: Json) -> Any:
    """The one limit of the answer; of two, none that is a number."""
    limit = request.get("max_tokens")
    return request["max_completion_tokens"] if limit is None else "two"


def _closer(record: Record, request: Json, unit: str) -> int | None:
    """As `plain_worst`, of a chat with more than plain messages, in the words of any of the three APIs."""
    if record.operation not in {"chat", None}:
        return None
    try:
        seen = size_of(request, record.request_model)
    except MISTAKES:
        return None
    caches = seen.caches if unit == "usd" else ""
    context = record.context
    key: tuple[object, ...] = (unit, record.provider, record.request_model, seen.limit, caches)
    if context is not None:
        key += tuple(context.items())
    bound = _known.get(key)
    if (bound is None or record.start >= bound.until) and (bound := _learn(key, record, seen.limit)) is None:
        return None
    return None if seen.size > bound.longest else bound.empty + bound.message * seen.messages + bound.byte * seen.size


def _learn(key: tuple[object, ...], record: Record, limit: int | None) -> _Bound | None:
    """From the most that a few requests can come to: it grows evenly with messages and with bytes."""
    unit, _, model, _, caches, *_ = key

    def of(*texts: str) -> int | None:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
        if limit is not None:
            body["max_tokens"] = limit
        if caches:
            body["cache_control"] = {"type": "ephemeral", "ttl": caches}
        return _careful(str(unit), record, body)

    one, two, long = of(""), of("", ""), of("x" * 1000)
    if one is None or two is None or long is None:
        return None
    for table in (_known, _even):
        if len(table) > 1000:
            table.clear()
    message = two - one
    byte = -(-(long - one) // 1000)
    until = (record.start // _HALF_HOUR + 1) * _HALF_HOUR
    alike = (until, *key[:3], *key[4:])
    if (longest := _even.get(alike)) is None:
        longest = next((n for n in _LONGEST if (most := of("x" * n)) is not None and most <= one + byte * n), _SHORT)
        _even[alike] = longest
    found = _Bound(until, longest, one - message, message, byte, with_tools(record.request_model))
    _known[key] = found
    return found


def worst(unit: str, record: Record, request: Json) -> int | None:
    """The most of `unit` (`usd`: pico-dollars, or `tokens`) that a call can come to; None: nothing bounds it."""
    plain = plain_worst(record, request, unit)
    return _careful(unit, record, request) if plain is None else plain


def _careful(unit: str, record: Record, request: Json) -> int | None:
    model, operation = record.request_model, record.operation
    if unit != "usd":
        return _estimate.most_tokens(model, request, operation)
    return _estimate.worst_case(record.provider, model, request, operation=operation, context=record.context)
