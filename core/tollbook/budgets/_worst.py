"""The most that a call may come to, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook import _estimate
from tollbook.pricing import _catalog
from tollbook.tokens._methods import frame
from tollbook.tokens._most import given

if TYPE_CHECKING:
    from tollbook.spans import Record

Json = Mapping[str, Any]

_PLAIN = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options"}
    | {"stop", "seed", "user", "frequency_penalty", "presence_penalty", "metadata", "store", "system"}
    | {"tools", "tool_choice", "parallel_tool_calls"}
)
_is_plain = _PLAIN.issuperset
_TURN = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "refusal"})
"""What a message may have that uses a tool, or tells what one has found."""
_LONGEST = 100_000
"""Bytes up to which no price list has a tier for longer requests."""
_NO_BOUND = _LONGEST + 1
_HALF_HOUR = 1_800_000_000_000
"""Nanoseconds. Prices that depend on the time of day change no more often."""

_encode = msgspec.json.Encoder().encode


class _Bound(msgspec.Struct, frozen=True, gc=False):
    """The most that chats of one model with one limit can cost, in pico-dollars."""

    until: int
    """Unix nanoseconds of the half hour's end: then prices are asked for again."""
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
"""By provider, model, limit, and what else selects the price."""
_catalog.on_forget.append(_known.clear)
_tools: tuple[tuple[Any, ...], tuple[int, ...]] = (), ()
"""Copies of the tools that calls of late had more than once, as an agent's have, and the tokens that each are: it takes
half as long to compare tools as to write their JSON, and what the program may have changed is seen by both."""
_once: set[int] = set()
"""Hashes of tools that were seen."""


def plain_worst(record: Record, request: Json) -> int | None:
    """As `worst` in pico-dollars, for a chat of texts and tools; None if it is more than that.

    Every call of a block that has a budget in money waits for it. Texts take no longer for being longer; tools and
    their uses are as long as their JSON is.
    """
    messages: Any = request.get("messages")
    if messages.__class__ is not list or not (_is_plain(request) or _is_plain(request := given(request))):
        return None
    limit = request.get("max_tokens")
    if "max_completion_tokens" in request:
        if limit is not None:
            return None
        limit = request["max_completion_tokens"]
    if limit.__class__ is not int and limit is not None:
        return None
    context = record.context
    key: tuple[object, ...] = (record.provider, record.request_model, limit)
    if context is not None:  # a price of its own
        key += tuple(context.items())
    bound = _known.get(key)
    if (bound is None or record.start >= bound.until) and (bound := _learn(key, record, limit)) is None:
        return None
    size = 0
    turns: list[Any] = []
    for each in messages:
        text: Any = each.get("content") if each.__class__ is dict else None
        if text.__class__ is str and len(each) == 2 and "role" in each:
            size += len(text) if text.isascii() else 4 * len(text)
        else:
            turns.append(each)
    if "tools" in request:
        tools: Any = request["tools"]
        shown, sizes = _tools
        try:
            size += sizes[shown.index(tools)] + bound.tools
        except (ValueError, TypeError, RecursionError):  # they are not among those
            size += _of_tools(tools) + bound.tools
    if turns or "system" in request or "tool_choice" in request:
        size += _more(bound, turns, request)
    return None if size > _LONGEST else bound.empty + bound.message * len(messages) + bound.byte * size


def _more(bound: _Bound, turns: list[Any], request: Json) -> int:
    """The most tokens of what a chat has beside plain texts and tools; `_NO_BOUND`: it may hold more than texts."""
    size = 0
    try:
        if turns:
            size += _of_turns(bound, turns)
        if "tool_choice" in request:
            size += 2 * len(_encode(request["tool_choice"]))
        if "system" in request:
            size += _of_text(request["system"])
    except (AttributeError, TypeError, ValueError, RecursionError):  # or is no JSON
        return _NO_BOUND
    return size


def _of_text(text: Any) -> int:
    """The most tokens of a text.

    Raises:
        ValueError: It is none.
    """
    if text.__class__ is not str:
        raise ValueError
    return len(text) if text.isascii() else 4 * len(text)


def _of_tools(tools: Any) -> int:
    """The most tokens of the tools that a chat may use; `_NO_BOUND`: nothing bounds them.

    One of the provider's own may add anything, and one that is cached costs what text does not.
    """
    global _tools
    if tools.__class__ is not list:
        return _NO_BOUND
    try:
        for tool in tools:
            kind = tool.get("type", "custom")
            own = "function" in tool if kind == "function" else kind == "custom" and "input_schema" in tool
            if not own or "cache_control" in tool:
                return _NO_BOUND
        found = _encode(tools)
    except (AttributeError, TypeError, ValueError, RecursionError):  # or is no JSON
        return _NO_BOUND
    size = 2 * len(found)  # their structure is 3 tokens at times for what is 2 bytes of JSON
    mark = hash(found)
    if mark not in _once:
        if len(_once) > 1000:
            _once.clear()
        _once.add(mark)
        return size
    shown, sizes = _tools
    _tools = (msgspec.json.decode(found), *shown[:3]), (size, *sizes[:3])
    return size


def _of_turns(bound: _Bound, turns: list[Any]) -> int:
    """The most tokens of messages that use tools.

    Raises:
        ValueError: They may hold more than texts.
    """
    uses = 0
    for turn in turns:
        if turn.__class__ is not dict or "role" not in turn or not _TURN.issuperset(turn):
            raise ValueError
        text, used = turn.get("content"), turn.get("tool_calls")
        if not (text is None or text.__class__ is str) or not (used is None or used.__class__ is list):
            raise ValueError
        uses += len(used or ()) + 1
    return len(_encode(turns)) + 16 * len(turns) + bound.call * uses


def _learn(key: tuple[object, ...], record: Record, limit: int | None) -> _Bound | None:
    """From the most that three requests can cost: it grows evenly with messages and with bytes."""
    model = record.request_model

    def of(*texts: str) -> int | None:
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
        if limit is not None:
            body["max_tokens"] = limit
        return _estimate.worst_case(record.provider, model, body, context=record.context)

    one, two, long = of(""), of("", ""), of("x" * 1000)
    if one is None or two is None or long is None:
        return None
    if len(_known) > 1000:
        _known.clear()
    message, adds = two - one, frame(model)
    byte = -(-(long - one) // 1000)
    until = (record.start // _HALF_HOUR + 1) * _HALF_HOUR
    found = _known[key] = _Bound(until, one - message, message, byte, 60 + adds.call, 2 * adds.tools + 400)
    return found


def worst(unit: str, record: Record, request: Mapping[str, Any]) -> int | None:
    """The most of `unit` (`usd`: pico-dollars, or `tokens`) that a call can come to; None: nothing bounds it."""
    model, operation = record.request_model, record.operation
    if unit != "usd":
        return _estimate.most_tokens(model, request, operation)
    plain = plain_worst(record, request)
    if plain is not None:
        return plain
    return _estimate.worst_case(record.provider, model, request, operation=operation, context=record.context)
