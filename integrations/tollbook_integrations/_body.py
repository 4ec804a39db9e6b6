"""Bodies that the host reads itself: seen as they pass, without being read ahead, held back or copied."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec

from tollbook import _guard
from tollbook._late import later
from tollbook.spans import Call, status_of

KEY = "tollbook.call"
GUARD = "tollbook.guard"
BATCH = "batch"
"""The convention of a body that is JSON lines, each the result of another call, which the reader books."""
_LARGEST = 8 << 20
"""Bytes of a JSON body that are kept to look for its usage."""
_TAIL = 4096
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_metered: dict[type, type] = {}


def read_json(call: Call, body: bytes) -> None:
    """Let the call's reader see a whole JSON body.

    A long body (embeddings, images) has its usage at the end, and only the end is decoded.
    """
    if len(body) > 16 * _TAIL:
        tail = body[-_TAIL:]
        start = tail.rfind(b'"usage"')
        if start >= 0:
            try:
                call.reader(call, _decode(b"{" + tail[start:]))
            except msgspec.DecodeError:
                pass
            else:
                return
    try:
        call.reader(call, _decode(body))
    except msgspec.DecodeError:
        return


def read_whole(call: Call, response: Any) -> None:
    """Let the call's reader see the body of `response`, which the SDK has read and not parsed."""
    if call.convention == BATCH:
        if b'"custom_id"' in response.content[:_TAIL]:
            results = _Lines(call, b"")
            results(response.content)
            results.finish()
        call.drop()
        return
    kind = response.headers.get("content-type", "")
    if "json" in kind:
        read_json(call, response.content)
    elif "event-stream" in kind:  # a whole stream, as test doubles and recordings of HTTP give it
        lines = _Lines(call, b"data:")
        lines(response.content)
        lines.finish()
        call.hide_chunk = False  # the SDK has not come to it yet


class _Lines:
    """JSON objects in lines that begin with `prefix`, of a body that nobody parses through the SDK.

    Each chunk is parsed when the next one arrives: by then the SDK's own parser has come, if it is coming at all.
    """

    __slots__ = ("_call", "_prefix", "_rest")

    def __init__(self, call: Call, prefix: bytes) -> None:
        self._call = call
        self._prefix = prefix
        self._rest = b""

    def __call__(self, chunk: bytes) -> None:
        cut = self._rest.rfind(b"\n")
        if cut >= 0:
            self._parse(self._rest[:cut])
            self._rest = self._rest[cut + 1 :]
        self._rest += chunk

    def finish(self) -> None:
        self._parse(self._rest)
        self._rest = b""

    def _parse(self, block: bytes) -> None:
        call, prefix = self._call, self._prefix
        for line in block.split(b"\n"):
            if line.startswith(prefix):
                try:
                    event = _decode(line[len(prefix) :])
                except msgspec.DecodeError:
                    continue  # `[DONE]`, or a line that is no JSON object
                call.reader(call, event)


class _Whole:
    """A JSON body that the host reads piece by piece, or that is read before the SDK parses it."""

    __slots__ = ("_call", "_chunks", "_size")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._chunks: list[bytes] = []
        self._size = 0

    def __call__(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= _LARGEST:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def finish(self) -> None:
        if self._chunks:
            read_json(self._call, b"".join(self._chunks))
            self._call.complete = True


class _Dropped:
    """Ends the call of a response that was dropped without being closed."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __del__(self) -> None:
        _dropped(self._call)


@_guard.guarded
def _dropped(call: Call) -> None:
    """Nobody reads on; most likely it is the garbage collector that says so."""
    if not call.ended:
        later(functools.partial(finish, call))


def follow(call: Call, response: Any) -> None:
    """End `call` when the body of `response` ends, and look at what passes if the SDK does not parse it.

    The response stays the object that it is. Until its body ends it is of a subclass of its class, in which closing
    and reading pass through here.
    """
    kind = response.headers.get("content-type", "")
    if call.convention == BATCH:
        call.scan = _Lines(call, b"")
    elif "event-stream" in kind:
        call.scan = _Lines(call, b"data:")
    elif "json" in kind:
        call.scan = _Whole(call)
    response.extensions[GUARD] = _Dropped(call)
    base: type = response.__class__
    try:
        metered = _metered.get(base)
        if metered is None:
            metered = _metered[base] = _subclass(base)
        response.__class__ = metered
    except (TypeError, AttributeError):
        return  # a class of the host's own that can't be extended: the call ends when its response is dropped


@_guard.guarded
def finish(call: Call, error: BaseException | None = None) -> None:
    """The body has ended, by `error` if one is given."""
    if call.ended:
        return
    finish: Callable[[], None] | None = getattr(call.scan, "finish", None)
    if finish is not None:
        finish()
    if call.convention == BATCH:
        call.drop()
    elif call.complete:
        call.end()
    elif error is not None:
        call.end(status_of(error), type(error).__name__)
    else:
        call.end("abandoned" if call.record.stream else "ok")


def _closed(response: Any, base: type) -> None:
    """The body of `response` has ended: it is again what it was."""
    if not response.is_closed:
        return  # it was closed in the wrong way, and is still open
    error = sys.exception()
    if response.__class__ is _metered.get(base):
        response.__class__ = base
    call: Call | None = response.extensions.get(KEY)
    if call is None:
        return
    if call.reading:
        call.closed = True  # the last bytes, or the error that ended them, are still on their way through us
        return
    if isinstance(error, GeneratorExit):
        _dropped(call)
    else:
        finish(call, error if error is not None and _concerns(error) else None)


def _concerns(error: BaseException) -> bool:
    """Whether the error being handled is why the body is closed, and not the host's own affair.

    That is so if it just passes through the SDK's stream, whatever raised it there, or if it ends the whole task.
    """
    trace = error.__traceback__
    streaming = trace is not None and trace.tb_frame.f_code.co_name == "__stream__"
    return streaming or status_of(error) == "cancelled"


def _subclass(base: Any) -> type:
    closed = _guard.guarded(_closed)

    class Metered(base):  # type: ignore[misc]
        __slots__ = ()
        __doc__ = base.__doc__

        def close(self) -> None:
            try:
                base.close(self)
            finally:
                closed(self, base)

        async def aclose(self) -> None:
            try:
                await base.aclose(self)
            finally:
                closed(self, base)

        def iter_bytes(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
            call, chunks = self.extensions.get(KEY), base.iter_bytes(self, *args, **kwargs)
            return chunks if call is None else _tee(call, chunks)

        def aiter_bytes(self, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            call, chunks = self.extensions.get(KEY), base.aiter_bytes(self, *args, **kwargs)
            return chunks if call is None else _atee(call, chunks)

        def __reduce_ex__(self, protocol: Any) -> Any:
            # A copy has no call, and is of the class that its original really is; newer protocols check that it is not.
            self.__class__ = base
            try:
                return base.__reduce_ex__(self, min(protocol, 1))
            finally:
                self.__class__ = Metered

    Metered.__name__, Metered.__qualname__, Metered.__module__ = base.__name__, base.__qualname__, base.__module__
    return Metered


def _look(call: Call, chunk: bytes) -> None:
    scan = call.scan
    if scan is not None:
        try:
            scan(chunk)
        except Exception:  # noqa: BLE001 - the guard: what passes reaches the host whatever we make of it
            call.scan = None
            _guard.report("tollbook_integrations.scan")


def _tee(call: Call, chunks: Iterator[bytes]) -> Iterator[bytes]:
    call.reading = True
    try:
        for chunk in chunks:
            call.reading = False
            if call.scan is not None:
                _look(call, chunk)
                if call.stop is not None:
                    raise call.stop  # noqa: TRY301 - a budget cuts this stream, which the host reads itself
            yield chunk
            call.reading = True
    except BaseException as error:
        _read(call, error)
        raise
    _read(call, None)


async def _atee(call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    call.reading = True
    try:
        async for chunk in chunks:
            call.reading = False
            if call.scan is not None:
                _look(call, chunk)
                if call.stop is not None:
                    raise call.stop  # noqa: TRY301 - a budget cuts this stream, which the host reads itself
            yield chunk
            call.reading = True
    except BaseException as error:
        _read(call, error)
        raise
    finally:
        # An asynchronous generator that is merely dropped is closed later, by the loop.
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    _read(call, None)


@_guard.guarded
def _read(call: Call, error: BaseException | None) -> None:
    """Nothing more comes, of which httpx (unlike httpx2) tells the response only if there was no error."""
    call.reading = False
    if isinstance(error, GeneratorExit):
        _dropped(call)
    elif error is not None or call.closed:
        finish(call, error)
