"""`@trace`: a span around every call of a function, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, ParamSpec, TypeVar, cast, overload

from tollbook.spans._span import Span, enter, leave, span, start_span

P = ParamSpec("P")
R = TypeVar("R")


@overload
def trace(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def trace(
    *, name: str | None = None, kind: str = "span", span_type: str | None = None, **attributes: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def trace(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    kind: str = "span",
    span_type: str | None = None,
    **attributes: Any,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """A span around every call of the decorated function, coroutine function, generator or async generator.

    A generator's span is the current one only while the generator runs, not while its consumer does.

    Args:
        function: The function, where the decorator is used without arguments.
        name: Name of the span; the function's name if absent.
        kind: `agent`, `chain`, `tool`, `retriever`, `llm` or `span`.
        span_type: MLflow's word for `kind`.
        attributes: As for `Span.set_attribute`.
    """
    if function is None:

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            return _traced(function, name, span_type or kind, attributes)

        return decorate
    return _traced(function, name, span_type or kind, attributes)


def _traced(function: Callable[P, R], name: str | None, kind: str, attributes: dict[str, Any]) -> Callable[P, R]:
    wrapped = cast("Callable[..., Any]", function)
    title = name or str(getattr(function, "__name__", "function"))

    def start() -> Span:
        return start_span(title, kind=kind, **attributes)

    def plain(*args: Any, **kwargs: Any) -> Any:
        with span(title, kind=kind, **attributes):
            return wrapped(*args, **kwargs)

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with span(title, kind=kind, **attributes):
            return await wrapped(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        return (yield from _generator(start, wrapped(*args, **kwargs)))

    def async_generator(*args: Any, **kwargs: Any) -> Any:
        return _async_generator(start, wrapped(*args, **kwargs))

    if inspect.isasyncgenfunction(function):
        traced: Any = async_generator
    elif inspect.isgeneratorfunction(function):
        traced = generator
    elif inspect.iscoroutinefunction(function):
        traced = coroutine
    else:
        traced = plain
    return cast("Callable[P, R]", functools.wraps(function)(traced))


def _generator(start: Callable[[], Span], inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    opened = start()
    step: Callable[[], Any] = functools.partial(next, inner)
    try:
        while True:
            token = enter(opened)
            try:
                item = step()
            except StopIteration as stop:
                opened.end()
                return stop.value
            finally:
                leave(token)
            try:
                step = functools.partial(inner.send, (yield item))
            except GeneratorExit:
                token = enter(opened)
                try:
                    inner.close()
                finally:
                    leave(token)
                raise
            except BaseException as error:  # noqa: BLE001 - the consumer throws into the generator, which gets it
                step = functools.partial(inner.throw, error)
    except BaseException as error:
        opened.end(error)
        raise


async def _async_generator(start: Callable[[], Span], inner: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    opened = start()
    step: Callable[[], Any] = functools.partial(anext, inner)
    try:
        while True:
            token = enter(opened)
            try:
                item = await step()
            except StopAsyncIteration:
                opened.end()
                return
            finally:
                leave(token)
            try:
                step = functools.partial(inner.asend, (yield item))
            except GeneratorExit:
                token = enter(opened)
                try:
                    await inner.aclose()
                finally:
                    leave(token)
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                step = functools.partial(inner.athrow, error)
    except BaseException as error:
        opened.end(error)
        raise
