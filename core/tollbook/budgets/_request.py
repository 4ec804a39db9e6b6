"""How large a chat is, by its bytes and its parts: read in a hurry, and shared by all that bounds what calls may take.

It reads less than `tollbook.tokens.most_of` does, and never finds less in what it reads: mostly it takes the JSON as it
is, after a look at which kinds of things are in there. What it does not know raises one of `MISTAKES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tollbook.tokens._methods import frame
from tollbook.tokens._most import KEYS, MESSAGE, RESULTS, SCHEMA, TEXTS, TOOL_PROMPT, USE, WHOLE, given

Json = Mapping[str, Any]

MISTAKES = (LookupError, AttributeError, TypeError, ValueError, RecursionError)
"""What is raised by a request that is not known here, or is no JSON."""

_AS_JSON = ("tool_choice", "response_format", "output_config", "output_format", "text", "reasoning")
"""Keys whose values the model may be shown as they are."""
_CONTENT = ("system", "instructions")
_LEFT = frozenset(
    {"n", "best_of", "suffix", "service_tier", "speed", "inference_geo", "modalities", "functions", "function_call"}
    | {"context_management", "prompt_cache_retention", "prompt_cache_options"}
)
"""Keys whose values change what a call costs, and are not read here."""
_CHAT = KEYS["messages"] - _LEFT
_RESPONSES = KEYS["responses"] - _LEFT
BARE = _CHAT.difference(_AS_JSON, _CONTENT, ["cache_control"])
"""Keys of a chat that has nothing but messages and tools: all others of these add nothing, whatever their values."""
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_OWN = frozenset({"function", "custom"})
"""Kinds of tools that are the program's own."""
_FRAME = 32
"""Tokens that frame a message, and name its sender."""
_RESULTS = frozenset({"tool", "function"})
"""Who says what a tool has found."""
_is_turn = frozenset({"role", "content", "tool_calls", "tool_call_id", "name", "refusal"}).issuperset
_is_message = MESSAGE.issuperset

_encode = msgspec.json.Encoder().encode


class Size(NamedTuple):
    """What was found in a request."""

    size: int
    """Tokens of the input, at most, without what a request and a message have at least."""
    messages: int
    limit: int | None
    """Tokens of the answer."""
    caches: str
    """The longest lifetime of a cache that it asks for: `1h`, `5m` or empty."""


class _Tools:
    """Tools that calls of late had more than once, as an agent's have, and the tokens that each are.

    It takes half as long to compare tools as to write their JSON, and what the program has changed is seen by both.
    """

    def __init__(self) -> None:
        self.known: tuple[tuple[Any, ...], tuple[int, ...]] = (), ()
        """Copies of them, and their sizes."""
        self._once: set[int] = set()

    def note(self, encoded: bytes, size: int) -> None:
        """Some were seen: keep a copy, if it was not for the first time."""
        mark = hash(encoded)
        if mark in self._once:
            shown, sizes = self.known
            self.known = (msgspec.json.decode(encoded), *shown[:3]), (size, *sizes[:3])
            return
        if len(self._once) > 1000:
            self._once.clear()
        self._once.add(mark)


tools_of_late = _Tools()


def with_tools(model: str | None) -> int:
    """Tokens that a chat has more where there are tools."""
    return 2 * frame(model).tools + TOOL_PROMPT


def size_of(request: Json, model: str | None) -> Size:
    """Read a chat in the words of Chat Completions, Messages or Responses.

    Args:
        request: Its JSON.
        model: As requested.

    Raises:
        MISTAKES: It has something that is not known here, or that costs more than its JSON.
    """
    known = _RESPONSES if request.get("messages") is None else _CHAT
    if not known.issuperset(request):
        request = {key: value for key, value in given(request).items() if value is not None}
        if not known.issuperset(request):
            raise ValueError
    size, asks, count = _messages(request, USE + frame(model).call)
    tools = request.get("tools")
    if tools is not None:
        more, shown = _tools(tools)
        size += more + with_tools(model)
        asks += shown
    if not BARE.issuperset(request):
        more, shown = _rest(request)
        size += more
        asks += shown
    caches = ("1h" if b'"1h"' in asks else "5m") if b'"cache_control"' in asks else ""
    return Size(size, count, _limit(request), caches)


def _rest(request: Json) -> tuple[int, bytes]:
    """Tokens of all but messages and tools, and the JSON that may ask for a cache."""
    size, asks = 0, b""
    for name in _CONTENT:
        value: Any = request.get(name)
        if value.__class__ is str:
            size += _text(value)
        elif value is not None:
            if _parts(value):
                raise ValueError  # not texts alone
            asks += _encode(value)
    if (cache := request.get("cache_control")) is not None:
        asks += _encode({"cache_control": cache})
    for name in _AS_JSON:
        if (value := request.get(name)) is not None:
            shown = _encode(value)
            if b'"cache_control"' in shown:
                raise ValueError
            size += 2 * len(shown) + (SCHEMA if b"schema" in shown else 0)
    if (reasoning := request.get("reasoning")) is not None and reasoning.get("mode") not in {None, "standard"}:
        raise ValueError
    return size + len(asks), asks


def _limit(request: Json) -> int | None:
    limits: list[Any] = [limit for name in _LIMITS if (limit := request.get(name)) is not None]
    if len(limits) > 1 or (limits and limits[0].__class__ is not int):
        raise ValueError
    return limits[0] if limits else None


def _text(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _messages(request: Json, each_use: int) -> tuple[int, bytes, int]:
    """Tokens of the messages; the JSON that may ask for a cache; and how many they are."""
    messages: Any = request.get("messages")
    chat = messages is not None
    if not chat:
        messages = request["input"]
        if messages.__class__ is str:
            return _text(messages) + _FRAME, b"", 1
    if messages.__class__ is not list:
        raise ValueError
    size = uses = 0
    others: list[Any] = []
    parted = False
    for each in messages:
        text: Any = each.get("content")
        if text.__class__ is str and len(each) == 2 and "role" in each:
            size += _text(text)
            continue
        others.append(each)
        if (text is None or text.__class__ is str) and "role" in each and _is_turn(each):
            uses += _calls(each) + (each["role"] in _RESULTS)  # as below, at once
        else:
            uses += _message(each, text) if chat else _item(each, text)
            parted = True
    if not others:
        return size, b"", len(messages)
    encoded = _encode(others)
    size += len(encoded) + _FRAME * len(others) + each_use * uses
    return size, encoded if parted else b"", len(messages)


def _message(item: Any, content: Any) -> int:
    """How many uses of tools a message has, or results of them."""
    if "role" not in item or not (_is_message(item) or _is_message(_said(item))):
        raise ValueError
    uses = _calls(item) + (item["role"] in _RESULTS) + ("function_call" in item)
    return uses if content is None or content.__class__ is str else uses + _parts(content)


def _item(item: Any, content: Any) -> int:
    """How many an item of Responses has, or is."""
    kind = item.get("type")
    if kind is None or kind == "message":
        return _message(item, content)
    if kind != "reasoning":
        return _part(item)
    if item["encrypted_content"].__class__ is not str:
        raise ValueError  # the provider keeps it
    return 0


def _calls(item: Any) -> int:
    calls: Any = item.get("tool_calls")
    if calls is None:
        return 0
    if calls.__class__ is not list:
        raise ValueError
    return len(calls)


def _said(item: Json) -> list[str]:
    return [key for key, value in item.items() if value is not None]


def _parts(content: Any) -> int:
    """How many uses of tools, or results, are among the parts of a content."""
    if content.__class__ is not list:
        raise ValueError
    uses = 0
    for part in content:
        if part.__class__ is not str:
            uses += _part(part)
    return uses


def _part(part: Any) -> int:
    kind = part["type"]
    if kind in TEXTS:
        text = part.get("text")
        if (part["refusal"] if text is None else text).__class__ is not str:
            raise ValueError
        return 0
    if kind in WHOLE:
        return 1
    inside: Any = part.get(RESULTS[kind])
    if "citations" in part:
        raise ValueError  # it is cut into sentences
    return 1 if inside is None or inside.__class__ is str else 1 + _parts(inside)


def _tools(tools: Any) -> tuple[int, bytes]:
    """The most tokens of the tools that a chat may use, and the JSON that asks for a cache."""
    shown, sizes = tools_of_late.known
    try:
        return sizes[shown.index(tools)], b""
    except MISTAKES:
        pass
    if tools.__class__ is not list:
        raise ValueError
    for tool in tools:
        kind = tool.get("type")
        if kind not in _OWN and (kind is not None or "input_schema" not in tool):
            raise ValueError  # the provider's own, which may add anything, and have a fee
    encoded = _encode(tools)
    size = 2 * len(encoded)  # their structure is 3 tokens at times for what is 2 bytes of JSON
    if b'"cache_control"' in encoded:
        return size, encoded
    tools_of_late.note(encoded, size)
    return size, b""
