"""The most that a call may come to, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook import _estimate, tokens
from tollbook.pricing import _catalog
from tollbook.tokens._methods import frame

if TYPE_CHECKING:
    from tollbook.spans import Record

Json = Mapping[str, Any]

_PLAIN = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options"}
    | {"stop", "seed", "user", "frequency_penalty", "presence_penalty", "metadata", "store", "system"}
    | {"tools", "tool_choice", "parallel_tool_calls"}
)
_TURN = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "refusal"})
"""What a message may have that uses a tool, or tells what one has found."""
_LONGEST = 100_000
"""Bytes up to which no price list has a tier for longer requests."""
_HOUR = 3_600_000_000_000
"""Nanoseconds."""

_encode = msgspec.json.Encoder().encode


class _Bound(msgspec.Struct, frozen=True, gc=False):
    """The most that chats of one model with one limit can cost, in pico-dollars."""

    until: int
    """Unix nanoseconds of the hour's end: then prices are asked for again."""
    empty: int
    """Without a message."""
    message: int
    """More for each message, however short."""
    byte: int
    """More for each byte of text, which is no less than a token."""
    call: int
    """Tokens more for each use of a tool."""
    tools: int
    """Tokens more where there are tools."""


_known: dict[tuple[object, ...], _Bound] = {}
"""By provider, model and limit."""
_catalog.on_forget.append(_known.clear)


def plain_worst(record: Record, request: Json) -> int | None:
    """As `worst` in pico-dollars, for a chat of texts and tools; None if it is more than that.

    Every call of a block that has a budget in money waits for it. Texts take no longer for being longer; tools and
    their uses are as long as their JSON is.
    """
    messages: Any = request.get("messages")
    if messages.__class__ is not list or not request.keys() <= _PLAIN:
        return None
    limit = request.get("max_completion_tokens")
    if limit is None:
        limit = request.get("max_tokens")
    if limit.__class__ is not int and limit is not None:
        return None
    key = (record.provider, record.request_model, limit)
    bound = _known.get(key)
    if (bound is None or record.start >= bound.until) and (bound := _learn(key, record, limit)) is None:
        return None
    size = 0
    more = "tools" in request or "system" in request
    for each in () if more else messages:
        text: Any = each.get("content") if each.__class__ is dict else None
        if text.__class__ is not str or len(each) != 2 or "role" not in each:
            more = True
            break
        size += len(text) if text.isascii() else 4 * len(text)
    if more:
        size = _size(bound, request)
    if not 0 <= size <= _LONGEST:
        return None
    return bound.empty + bound.message * len(messages) + bound.byte * size


def _size(bound: _Bound, request: Json) -> int:
    """The most bytes that the texts, tools and uses of tools of a chat are as long as; -1 if it may hold more."""
    system = request.get("system", "")
    if system.__class__ is not str:
        return -1
    size = len(system) if system.isascii() else 4 * len(system)
    turns: list[Any] = []
    for each in request["messages"]:
        if each.__class__ is not dict or "role" not in each:
            return -1
        text = each.get("content")
        if len(each) == 2 and text.__class__ is str:
            size += len(text) if text.isascii() else 4 * len(text)
        elif (text is None or text.__class__ is str) and _TURN.issuperset(each):
            turns.append(each)
        else:
            return -1
    if not turns and "tools" not in request:
        return size
    more = _of_tools(bound, turns, request.get("tools"))
    return -1 if more is None else size + more


def _of_tools(bound: _Bound, turns: list[Any], tools: Any) -> int | None:
    """The most tokens of messages that use tools, and of the tools; None where they may hold more than texts."""
    for tool in tools or ():
        if tool.__class__ is not dict or "cache_control" in tool:
            return None
        kind = tool.get("type", "custom")
        if "function" not in tool if kind == "function" else kind != "custom" or "input_schema" not in tool:
            return None  # the provider's own, which may add anything
    uses = 0
    for turn in turns:
        used = turn.get("tool_calls")
        if used is not None and used.__class__ is not list:
            return None
        uses += len(used or ()) + 1
    try:
        total = len(_encode(turns)) + 16 * len(turns) + bound.call * uses if turns else 0
        # The rules for the structure of tools count up to 3 tokens for what is 2 bytes of JSON, and are doubled.
        return total + 4 * len(_encode(tools)) + bound.tools if tools else total
    except (TypeError, ValueError, RecursionError):  # an object that is no JSON
        return None


def _learn(key: tuple[object, ...], record: Record, limit: int | None) -> _Bound | None:
    """From the most that three requests can cost: it grows evenly with messages and with bytes."""
    model = record.request_model

    def of(*texts: str) -> int | None:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
        if limit is not None:
            body["max_tokens"] = limit
        return _estimate.worst_case(record.provider, model, body)

    one, two, long = of(""), of("", ""), of("x" * 1000)
    if one is None or two is None or long is None:
        return None
    if len(_known) > 1000:
        _known.clear()
    message, adds = two - one, frame(model)
    byte = -(-(long - one) // 1000)
    until = (record.start // _HOUR + 1) * _HOUR
    found = _known[key] = _Bound(until, one - message, message, byte, 60 + adds.call, 2 * adds.tools + 400)
    return found


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
