"""A value that holds while some code runs: around a block, or around every call of a function of any kind."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar, Token
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


class Scope:
    """One use of a value: it is `enter`ed and left as often as its code runs and pauses, and ended once."""

    __slots__ = ("_end", "_value", "_variable")

    def __init__(
        self, variable: ContextVar[Any], value: Any, end: Callable[[BaseException | None], object] | None = None
    ) -> None:
        self._variable = variable
        self._value = value
        self._end = end

    def enter(self) -> Token[Any]:
        """Make the value the one that holds here."""
        return self._variable.set(self._value)

    def leave(self, token: Token[Any]) -> None:
        """Undo `enter`; in another context than that of `enter` there is nothing to undo."""
        try:
            self._variable.reset(token)
        except ValueError:
            return

    def end(self, error: BaseException | None = None) -> None:
        """The code has ended, with `error` if it raised."""
        if self._end is not None:
            self._end(error)


def scoped(function: Callable[P, R], begin: Callable[[], Scope]) -> Callable[P, R]:
    """`function` in a scope of its own at every call, be it plain, a coroutine, a generator or an async generator.

    A generator's scope holds only while the generator runs, not while its consumer does.
    """
    if isinstance(function, (staticmethod, classmethod)):
        # Decorated before it is bound: what is inside is the function, and the class wants the descriptor back.
        descriptor = cast("Any", function)
        return cast("Callable[P, R]", type(descriptor)(scoped(descriptor.__func__, begin)))
    wrapped = cast("Callable[..., Any]", function)

    def plain(*args: Any, **kwargs: Any) -> Any:
        scope = begin()
        token = scope.enter()
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            scope.leave(token)
            scope.end(error)
            raise
        scope.leave(token)
        scope.end()
        return result

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        scope = begin()
        token = scope.enter()
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            scope.leave(token)
            scope.end(error)
            raise
        scope.leave(token)
        scope.end()
        return result

    def generator(*args: Any, **kwargs: Any) -> Any:
        return (yield from _generator(begin, wrapped(*args, **kwargs)))

    def async_generator(*args: Any, **kwargs: Any) -> Any:
        return _async_generator(begin, wrapped(*args, **kwargs))

    if inspect.isasyncgenfunction(function):
        inside: Any = async_generator
    elif inspect.isgeneratorfunction(function):
        inside = generator
    elif inspect.iscoroutinefunction(function):
        inside = coroutine
    else:
        inside = plain
    return cast("Callable[P, R]", functools.wraps(function)(inside))


def _generator(begin: Callable[[], Scope], inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    scope = begin()
    step: Callable[[], Any] = functools.partial(next, inner)
    try:
        while True:
            token = scope.enter()
            try:
                item = step()
            except StopIteration as stop:
                scope.end()
                return stop.value
            finally:
                scope.leave(token)
            try:
                step = functools.partial(inner.send, (yield item))
            except GeneratorExit:
                token = scope.enter()
                try:
                    inner.close()
                finally:
                    scope.leave(token)
                raise
            except BaseException as error:  # noqa: BLE001 - the consumer throws into the generator, which gets it
                step = functools.partial(inner.throw, error)
    except BaseException as error:
        scope.end(error)
        raise


async def _async_generator(begin: Callable[[], Scope], inner: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    scope = begin()
    step: Callable[[], Any] = functools.partial(anext, inner)
    try:
        while True:
            token = scope.enter()
            try:
                item = await step()
            except StopAsyncIteration:
                scope.end()
                return
            finally:
                scope.leave(token)
            try:
                step = functools.partial(inner.asend, (yield item))
            except GeneratorExit:
                token = scope.enter()
                try:
                    await inner.aclose()
                finally:
                    scope.leave(token)
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                step = functools.partial(inner.athrow, error)
    except BaseException as error:
        scope.end(error)
        raise
