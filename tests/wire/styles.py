"""How hosts use what an SDK gives them: each way once synchronously, once asynchronously.

Each takes `call`, which makes the call, and returns what the host saw as plain data. A list that ends with an
exception is what a stream gave before it broke.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.wire.seen import headers, seen

Call = Callable[[], Any]
FEW = 3
"""After how many chunks an impatient host stops."""


class Style(NamedTuple):
    """One way to use a result."""

    sync: Callable[[Call], Any]
    asynchronous: Callable[[Call], Awaitable[Any]]


# ---- one object ----------------------------------------------------------------------------------------------


def _value(call: Call) -> Any:
    return seen(call())


async def _avalue(call: Call) -> Any:
    return seen(await call())


# ---- streams -------------------------------------------------------------------------------------------------


def _drain(stream: Any) -> list[Any]:
    got = []
    try:
        got.extend(seen(chunk) for chunk in stream)
    except Exception as error:
        got.append(seen(error))
    return got


async def _adrain(stream: Any) -> list[Any]:
    got = []
    try:
        async for chunk in stream:
            got.append(seen(chunk))  # noqa: PERF401 - a comprehension would lose them to an exception
    except Exception as error:
        got.append(seen(error))
    return got


def _stream(call: Call) -> Any:
    return _drain(call())


async def _astream(call: Call) -> Any:
    return await _adrain(await call())


def _stream_with(call: Call) -> Any:
    with call() as stream:
        return _drain(stream)


async def _astream_with(call: Call) -> Any:
    async with await call() as stream:
        return await _adrain(stream)


def _few(stream: Any) -> list[Any]:
    got = []
    for chunk in stream:
        got.append(seen(chunk))
        if len(got) == FEW:
            break
    return got


async def _afew(stream: Any) -> list[Any]:
    got = []
    async for chunk in stream:
        got.append(seen(chunk))
        if len(got) == FEW:
            break
    return got


def _close(call: Call) -> Any:
    stream = call()
    got = _few(stream)
    stream.close()
    return got


async def _aclose(call: Call) -> Any:
    stream = await call()
    got = await _afew(stream)
    await stream.close()
    return got


def _break(call: Call) -> Any:
    with call() as stream:
        return _few(stream)


async def _abreak(call: Call) -> Any:
    async with await call() as stream:
        return await _afew(stream)


def _drop(call: Call) -> Any:
    stream = call()
    got = _few(stream)
    del stream
    gc.collect()
    return got


async def _adrop(call: Call) -> Any:
    stream = await call()
    got = await _afew(stream)
    del stream
    gc.collect()
    await _settled()
    return got


async def _settled() -> None:
    """Let the loop close what was collected: generators close others, each in a task of its own."""
    for _ in range(5):
        await asyncio.sleep(0)
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=1)


async def _cancel(call: Call) -> Any:
    got: list[Any] = []
    enough = asyncio.Event()

    async def host() -> None:
        async for chunk in await call():
            got.append(seen(chunk))
            if len(got) == FEW:
                enough.set()

    task = asyncio.ensure_future(host())
    read = asyncio.ensure_future(enough.wait())
    await asyncio.wait({task, read}, return_when=asyncio.FIRST_COMPLETED)
    read.cancel()
    await asyncio.sleep(0.01)  # let the task wait for a chunk that does not come
    task.cancel()
    result = await asyncio.gather(task, return_exceptions=True)
    return [*got, seen(result[0])]


def _never(call: Call) -> Any:
    raise NotImplementedError("threads can't be cancelled")


# ---- raw responses -------------------------------------------------------------------------------------------


def _head(response: Any) -> dict[str, Any]:
    return {"status": response.status_code, "headers": headers(response)}


async def _parsed(response: Any) -> Any:
    found = response.parse()
    return await found if inspect.isawaitable(found) else found


def _raw(call: Call) -> Any:
    response = call()
    return {**_head(response), "parsed": seen(response.parse()), "again": seen(response.parse())}


async def _araw(call: Call) -> Any:
    response = await call()
    return {**_head(response), "parsed": seen(await _parsed(response)), "again": seen(await _parsed(response))}


def _raw_unparsed(call: Call) -> Any:
    return _head(call())


async def _araw_unparsed(call: Call) -> Any:
    return _head(await call())


def _raw_stream(call: Call) -> Any:
    response = call()
    return {**_head(response), "chunks": _drain(response.parse())}


async def _araw_stream(call: Call) -> Any:
    response = await call()
    return {**_head(response), "chunks": await _adrain(await _parsed(response))}


def reading(read: Callable[[Any], Any]) -> Callable[[Call], Any]:
    def inside(call: Call) -> Any:
        with call() as response:
            return {**_head(response), "read": seen(read(response))}

    return inside


def areading(read: Callable[[Any], Awaitable[Any]]) -> Callable[[Call], Awaitable[Any]]:
    async def inside(call: Call) -> Any:
        async with call() as response:
            return {**_head(response), "read": seen(await read(response))}

    return inside


async def _aparse(response: Any) -> Any:
    return await response.parse()


async def _alines(response: Any) -> Any:
    return [line async for line in response.iter_lines()]


async def _abytes(response: Any) -> Any:
    return b"".join([part async for part in response.iter_bytes()])


async def _atext(response: Any) -> Any:
    return await response.text()


async def _parse_stream(response: Any) -> Any:
    return await _adrain(await response.parse())


async def _nothing(_: Any) -> None:
    return None


# ---- helpers that open when entered --------------------------------------------------------------------------

FINALS = ("get_final_completion", "get_final_response", "get_final_message")


def _final(stream: Any) -> Any:
    return getattr(stream, next(name for name in FINALS if hasattr(stream, name)))


def _helper(call: Call) -> Any:
    with call() as stream:
        events = _drain(stream)
        return {"events": events, "final": seen(_final(stream)())}


async def _ahelper(call: Call) -> Any:
    async with call() as stream:
        events = await _adrain(stream)
        return {"events": events, "final": seen(await _final(stream)())}


def _helper_final(call: Call) -> Any:
    with call() as stream:
        return seen(_final(stream)())


async def _ahelper_final(call: Call) -> Any:
    async with call() as stream:
        return seen(await _final(stream)())


def _helper_break(call: Call) -> Any:
    with call() as stream:
        return _few(stream)


async def _ahelper_break(call: Call) -> Any:
    async with call() as stream:
        return await _afew(stream)


def _text_stream(call: Call) -> Any:
    with call() as stream:
        return list(stream.text_stream)


async def _atext_stream(call: Call) -> Any:
    async with call() as stream:
        return [text async for text in stream.text_stream]


STYLES = {
    "value": Style(_value, _avalue),
    "stream": Style(_stream, _astream),
    "stream-with": Style(_stream_with, _astream_with),
    "close": Style(_close, _aclose),
    "break": Style(_break, _abreak),
    "drop": Style(_drop, _adrop),
    "cancel": Style(_never, _cancel),
    "raw": Style(_raw, _araw),
    "raw-unparsed": Style(_raw_unparsed, _araw_unparsed),
    "raw-stream": Style(_raw_stream, _araw_stream),
    "streaming-parse": Style(reading(lambda r: r.parse()), areading(_aparse)),
    "streaming-parse-stream": Style(reading(lambda r: _drain(r.parse())), areading(_parse_stream)),
    "streaming-lines": Style(reading(lambda r: list(r.iter_lines())), areading(_alines)),
    "streaming-bytes": Style(reading(lambda r: b"".join(r.iter_bytes())), areading(_abytes)),
    "streaming-text": Style(reading(lambda r: r.text()), areading(_atext)),
    "streaming-unread": Style(reading(lambda r: None), areading(_nothing)),
    "helper": Style(_helper, _ahelper),
    "helper-final": Style(_helper_final, _ahelper_final),
    "helper-break": Style(_helper_break, _ahelper_break),
    "text-stream": Style(_text_stream, _atext_stream),
}
