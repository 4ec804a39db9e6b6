"""`@trace`: a span around every call of a function, whatever kind of function it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from tollbook import _guard
from tollbook.spans._context import current
from tollbook.spans._scope import Scope, scoped
from tollbook.spans._span import start_span

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
    title = name or str(getattr(function, "__name__", "function"))

    def begin() -> Scope:
        opened = start_span(title, kind=kind, **attributes)
        return Scope(current, opened, _guard.guarded(opened.end))

    return scoped(function, begin)
