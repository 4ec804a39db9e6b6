"""What a stream gives to the host: without the chunk that only we asked for, and seen to its end."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tollbook import _guard
from tollbook.spans import Call
from tollbook_integrations._body import KEY, finish
from tollbook_integrations._pending import pending

Json = dict[str, Any]


def streams(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """`Stream.__stream__` in place of `original`."""
    closes = _closes(original)

    def __stream__(stream: Any) -> Iterator[Any]:  # noqa: N807 - the name of what it replaces
        call = _call_of(stream)
        items = original(stream)
        return items if call is None or (closes and not call.injected) else _items(call, items)

    return __stream__


def streams_async(original: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    """`AsyncStream.__stream__` in place of `original`."""
    closes = _closes(original)

    def __stream__(stream: Any) -> AsyncIterator[Any]:  # noqa: N807
        call = _call_of(stream)
        items = original(stream)
        return items if call is None or (closes and not call.injected) else _items_async(call, items)

    return __stream__


def _closes(original: Any) -> bool:
    """Whether the SDK closes the response itself when its stream fails; old versions leave it to whoever collects."""
    code = getattr(inspect.unwrap(original), "__code__", None)
    return code is None or not {"close", "aclose"}.isdisjoint(code.co_names)


@_guard.guarded
def _call_of(stream: Any) -> Call | None:
    found = stream.response.extensions.get(KEY)
    return found if found.__class__ is Call else None


def _items(call: Call, items: Iterator[Any]) -> Iterator[Any]:
    try:
        for item in items:
            if call.hide_chunk:
                call.hide_chunk = False
            elif call.first or not _only_usage(item):
                yield item
        finish(call)  # which the closing of the response has done already, unless it could not be followed
    except Exception as error:
        finish(call, error)
        raise


async def _items_async(call: Call, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for item in items:
            if call.hide_chunk:
                call.hide_chunk = False
            elif call.first or not _only_usage(item):
                yield item
        finish(call)  # which the closing of the response has done already, unless it could not be followed
    except Exception as error:
        finish(call, error)
        raise
    finally:
        # An asynchronous generator that is merely dropped is closed later, by the loop.
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


def _only_usage(item: Any) -> bool:
    """Whether it is the chunk that we asked for: looked at only if metering was switched off before the first event."""
    return getattr(item, "choices", None) == [] and getattr(item, "usage", None) is not None


@_guard.guarded
def hide_unread(response: Any, data: Any) -> None:
    """Keep from the host what only we asked for, though its reader failed."""
    call = response.extensions.get(KEY)
    if call is None or not call.injected or data.__class__ is not dict:
        return
    if data.get("usage") is None:
        data.pop("usage", None)
    elif not data.get("choices"):
        call.hide_chunk = True


@_guard.guarded
def link_unclaimed(response: Any) -> None:
    """Keep from the host what only we asked for, though its response could not be followed."""
    call = pending.get()
    if call is not None and call.injected:
        response.extensions.setdefault(KEY, call)
