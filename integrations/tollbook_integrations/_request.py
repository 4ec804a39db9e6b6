"""A request that a server answers: whom it, and all that is called while it is answered, is booked to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from typing import Any

from tollbook import _guard
from tollbook.spans import Carried, Remote, _attribution, current, innermost, restore
from tollbook.spans._context import new_trace_id

Source = Any
"""What a framework knows of a request: a scope, an environ, a request object."""
Asked = Callable[[Source], object]
"""Tells a dimension of a request; None: it is not known, or not yet."""

FIRST = 64
"""Characters that are kept of the first segment of a path."""


def fallback(method: object, path: object) -> str:
    """The method and the first segment of the path: what a request is called that has no route."""
    segment = str(path).lstrip("/").partition("/")[0][:FIRST]
    return f"{method} /{segment if segment.isprintable() else '?'}"


class Kind:
    """How one kind of middleware reads requests, and what the program wants to know of them."""

    __slots__ = ("asked", "functions", "plain", "trust")

    def __init__(
        self,
        dimensions: Mapping[str, str | Asked | None],
        *,
        header: Callable[[str], Asked],
        route: Asked,
        plain: Asked,
        trust: bool,
    ) -> None:
        """Say what to book requests to.

        Args:
            dimensions: As the middleware was given them: name to a header's name, or to a function of the request.
            header: Makes a function that reads the header of a name.
            route: Reads the template of the route that was chosen; None: none, or none yet.
            plain: What a request is called that has no route.
            trust: Whether the headers of the request are those of a service of one's own.

        Raises:
            ValueError: A name that is no dimension's, or one that is neither a header's name nor a function, or an
                async one.
        """
        self.asked: dict[str, Asked] = {}
        self.plain: Asked | None = None
        self.functions = any(map(callable, dimensions.values()))
        """Whether functions of the program are asked."""
        for name, wanted in dimensions.items():
            if wanted is None:
                continue
            if inspect.iscoroutinefunction(wanted):
                raise ValueError(f"{name} is asked for in the midst of a call, so its function can't be async")
            if name == "feature" and wanted == "route":
                self.asked[name], self.plain = route, plain
            elif isinstance(wanted, str):
                self.asked[name] = header(wanted)
            elif callable(wanted):
                self.asked[name] = wanted
            else:
                raise ValueError(f"{name} is the name of a header or a function of the request, not {wanted!r}")
        _attribution.said(dict.fromkeys(self.asked, "x"))
        self.trust = trust


class Request(Remote):
    """One request: a trace of its own, or a part of the caller's, which lends what is known of it by now.

    Frameworks find the route and the user while they answer. So both are asked for when a call is made, until they are
    known. What the program says with `attribute` inside holds over it.
    """

    __slots__ = ("_asked", "_found", "_kind", "_source", "attribution")

    def __init__(self, kind: Kind, source: Source, headers: Sequence[tuple[str | bytes, str | bytes]]) -> None:
        carried = Carried.of_headers(headers) if kind.trust else None
        remote = None if carried is None else carried.remote
        outer = innermost() if remote is None else remote
        if outer is None:
            super().__init__(new_trace_id(), None)
        else:
            super().__init__(outer.trace_id, outer.span_id)
        before = _attribution.held() or {}
        taken = {} if carried is None else carried.attribution
        self._kind = kind
        self._source = source
        # What the caller says holds; what this process is booked to holds where the request says nothing.
        self._asked = {name: asked for name, asked in kind.asked.items() if name not in taken}
        self._found = {name: value for name, value in before.items() if name in self._asked}
        under = {name: value for name, value in before.items() if name not in self._asked}
        self.attribution = under if carried is None else carried.over(under) or {}
        if outer is not None:
            self.own = outer.own
            self._found = {**(outer.lent or {}), **self._found}

    @property
    def lent(self) -> dict[str, str] | None:
        """What is known of the request by now."""
        if self._asked:
            self._ask()
        if self._kind.plain is not None and "feature" in self._asked:
            return {**self._found, "feature": str(self._kind.plain(self._source))}
        return self._found or None

    def _ask(self) -> None:
        for name, asked in list(self._asked.items()):
            self._ask_for(name, asked)

    @_guard.guarded  # the program's functions are asked in the midst of a call, which they must not stop
    def _ask_for(self, name: str, asked: Asked) -> None:
        try:
            value = asked(self._source)
        except (LookupError, AttributeError):  # nobody is logged in, or not yet
            return
        if _attribution.text_of(value):
            # A new dictionary each time: calls hold the one that they were made with.
            self._found = _attribution.clean({name: value}, self._found)
            self._asked.pop(name, None)

    def settle(self) -> None:
        """Ask now for what is not known yet: the framework is about to forget it."""
        if self._asked:
            self._ask()

    def enter(self) -> tuple[Token[Any], Token[Any]]:
        """Book what is called from here on to the request."""
        return _attribution.here.set(self.attribution), current.set(self)

    @staticmethod
    def leave(tokens: tuple[Token[Any], Token[Any]]) -> None:
        """Undo `enter`."""
        for token in reversed(tokens):
            restore(token)


def received(kind: Kind, source: Source, headers: Sequence[tuple[str | bytes, str | bytes]]) -> Request | None:
    """The request, unless we fail to make it."""
    return _guard.guarded(Request)(kind, source, headers)
