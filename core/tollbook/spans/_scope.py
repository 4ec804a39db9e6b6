"""A value that holds while some code runs: around a block, or around every call of a function of any kind."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextvars import Context, ContextVar, Token
from types import CoroutineType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


class Around(Protocol):
    """What holds while some code runs. It runs in steps, and is ended once."""

    def run(self, step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`step(*args, **kwargs)`, inside."""

    async def wait(self, step: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        """What `step(*args, **kwargs)` comes to when it is awaited, inside."""

    def end(self, error: BaseException | None = None) -> None:
        """The code has ended, with `error` if it raised."""


class Scope:
    """A value of a variable, as what holds around some code."""

    __slots__ = ("_end", "_value", "_variable")

    def __init__(
        self, variable: ContextVar[Any], value: Any, end: Callable[[BaseException | None], object] | None = None
    ) -> None:
        self._variable = variable
        self._value = value
        self._end = end

    def run(self, step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`step(*args, **kwargs)`, where the value holds."""
        token = self._variable.set(self._value)
        try:
            return step(*args, **kwargs)
        finally:
            self._leave(token)

    async def wait(self, step: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        """What `step(*args, **kwargs)` comes to, where the value holds until then."""
        token = self._variable.set(self._value)
        try:
            return await step(*args, **kwargs)
        finally:
            self._leave(token)

    def _leave(self, token: Token[Any]) -> None:
        # In another context than that in which it was set there is nothing to undo.
        with contextlib.suppress(ValueError):
            self._variable.reset(token)

    def end(self, error: BaseException | None = None) -> None:
        """The code has ended, with `error` if it raised."""
        if self._end is not None:
            self._end(error)


class Copied:
    """A context that nobody else is in, as what holds around some code: all variables, as they were elsewhere."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self, step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`step(*args, **kwargs)`, in the context."""
        return self._context.run(step, *args, **kwargs)

    async def wait(self, step: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        """What `step(*args, **kwargs)` comes to, all of whose steps are in the context."""
        return await _Awaited(self, self.run(step, *args, **kwargs))

    def end(self, error: BaseException | None = None) -> None:
        """Nothing is left to do."""


class _Awaited:
    """An awaitable whose steps are all inside of something; what they wait for goes to the event loop as it is."""

    __slots__ = ("_around", "_awaited")

    def __init__(self, around: Around, awaited: Awaitable[Any]) -> None:
        self._around = around
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        return _steps(self._around, self._around.run(self._awaited.__await__))


def scoped(function: Callable[P, R], begin: Callable[[], Around]) -> Callable[P, R]:
    """`function` inside of something of its own at every call; it stays the kind of function that it is.

    A generator is inside only while it runs, not while its consumer does; so is a coroutine that a function returns.
    """
    if isinstance(function, (staticmethod, classmethod)):
        # Decorated before it is bound: what is inside is the function, and the class wants the descriptor back.
        descriptor = cast("Any", function)
        return cast("Callable[P, R]", type(descriptor)(scoped(descriptor.__func__, begin)))
    wrapped = cast("Callable[..., Any]", function)

    def plain(*args: Any, **kwargs: Any) -> Any:
        around = begin()
        try:
            result = around.run(wrapped, *args, **kwargs)
        except BaseException as error:
            around.end(error)
            raise
        if isinstance(result, CoroutineType):  # what hid it was another decorator, as of many SDKs' async methods
            return _awaited(around, cast("Any", result))
        around.end()
        return result

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with _ending(begin()) as around:
            return await around.wait(wrapped, *args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        with _ending(begin()) as around:
            return (yield from _steps(around, wrapped(*args, **kwargs)))

    async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with _ending(begin()) as around:
            inner = wrapped(*args, **kwargs)
            step: Callable[..., Any] = inner.asend
            sent: Any = None
            while True:
                try:
                    item = await around.wait(step, sent)
                except StopAsyncIteration:
                    return
                try:
                    step, sent = inner.asend, (yield item)
                except BaseException as error:  # noqa: BLE001 - what is thrown is the generator's, also that it is closed
                    step, sent = inner.athrow, error

    kinds = (
        (inspect.isasyncgenfunction, async_generator),
        (inspect.isgeneratorfunction, generator),
        (inspect.iscoroutinefunction, coroutine),
    )
    called: Any = type(function).__call__  # of an object that is called like a function
    inside: Any = next((inside for is_one, inside in kinds if is_one(function) or is_one(called)), plain)
    return cast("Callable[P, R]", functools.wraps(function)(inside))


async def _awaited(around: Around, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that was begun inside comes to, all of whose steps are inside, too."""
    with _ending(around):
        return await around.wait(lambda: coroutine)


class _ending:  # noqa: N801 - used as a function
    """Ends what holds around some code with that code."""

    __slots__ = ("_around",)

    def __init__(self, around: Around) -> None:
        self._around = around

    def __enter__(self) -> Around:
        return self._around

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._around.end(error)


def _steps(around: Around, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """`inner`, whose steps are all inside."""
    step: Callable[..., Any] = inner.send
    sent: Any = None
    while True:
        try:
            item = around.run(step, sent)
        except StopIteration as stop:
            return stop.value
        try:
            step, sent = inner.send, (yield item)
        except BaseException as error:  # noqa: BLE001 - as above
            step, sent = inner.throw, error
