"""Django: what is called while a request is answered is booked to its route, user, session and organization.

MIDDLEWARE = [..., "tollbook_integrations.django.TollbookMiddleware"]
TOLLBOOK = {"user": lambda request: request.user.pk, "session": "x-session-id"}
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tollbook_integrations._request import Asked, Kind, Request, fallback, received

SETTING = "TOLLBOOK"
"""The name of the setting."""

_NAME = "_tollbook"
"""The attribute of Django's request that is our own."""


class TollbookMiddleware:
    """A middleware of Django, for WSGI and ASGI, which books what a view calls, to the end of a streamed answer.

    All calls of a request are one trace. What to book to is in the setting `TOLLBOOK`: dimension to the name of a
    header or to a function of the request; `trust_baggage` as for ASGI. `feature` is `route` by default, which is
    `request.resolver_match.route`, or the method and the first segment of the path where there is none. The functions
    are asked when a call is made, until they know something, so what inner middleware finds out (`request.user`) is
    there; of an async view, before it is called, in a thread where Django's database may be used.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        """Wrap what answers, as Django does.

        Raises:
            ValueError: A value that is neither a header's name nor a function.
        """
        # By name, since Django has no types.
        settings: Any = importlib.import_module("django.conf").settings
        sync: Any = importlib.import_module("asgiref.sync")
        said: dict[str, Any] = {"feature": "route", **getattr(settings, SETTING, {})}
        trust = bool(said.pop("trust_baggage", False))
        self.get_response = get_response
        self._kind = Kind(said, header=_header, route=_route, plain=_plain, trust=trust)
        self._awaits = bool(sync.iscoroutinefunction(get_response))
        self._is_async: Callable[[Any], bool] = sync.iscoroutinefunction
        self.process_view: Any = self._before_view
        """Django's hook, as it wants it here."""
        if self._awaits:
            sync.markcoroutinefunction(self)
            self._in_thread: Any = sync.sync_to_async(Request.settle)
            self.process_view = self._before_view_later

    def __call__(self, request: Any) -> Any:
        """Answer a request."""
        found = received(self._kind, request, list(request.headers.items()))
        if found is None:
            return self.get_response(request)
        if self._kind.functions:
            setattr(request, _NAME, found)
        if self._awaits:
            return self._later(request, found)
        tokens = found.enter()
        try:
            response = self.get_response(request)
        finally:
            Request.leave(tokens)
        return _streamed(response, found)

    def _before_view(self, request: Any, view: Any, *_: Any) -> None:
        """Ask before an async view begins: within it, Django's database (`request.user`) is not to be had."""
        if (found := self._unasked(request, view)) is not None:
            found.settle()

    async def _before_view_later(self, request: Any, view: Any, *_: Any) -> None:
        if (found := self._unasked(request, view)) is not None:
            await self._in_thread(found)

    def _unasked(self, request: Any, view: Any) -> Request | None:
        # Taken off again: each holds the other, and a request should go when it is over.
        held: dict[str, Any] = request.__dict__
        found: Request | None = held.pop(_NAME, None)
        return found if self._is_async(view) else None

    async def _later(self, request: Any, found: Request) -> Any:
        tokens = found.enter()
        try:
            response = await self.get_response(request)
        finally:
            Request.leave(tokens)
        return _streamed(response, found)


def _streamed(response: Any, request: Request) -> Any:
    """The response, whose body is made within its request where it is made while it is sent."""
    http: Any = sys.modules.get("django.http")
    if http is None or not getattr(response, "streaming", False) or isinstance(response, http.FileResponse):
        return response
    pieces = response.streaming_content
    response.streaming_content = _async_pieces(pieces, request) if response.is_async else _pieces(pieces, request)
    return response


def _pieces(pieces: Any, request: Request) -> Iterator[Any]:
    found = iter(pieces)
    while True:
        tokens = request.enter()
        try:
            piece = next(found)
        except StopIteration:
            return
        finally:
            Request.leave(tokens)
        yield piece


async def _async_pieces(pieces: Any, request: Request) -> AsyncIterator[Any]:
    found = aiter(pieces)
    while True:
        tokens = request.enter()
        try:
            piece = await anext(found)
        except StopAsyncIteration:
            return
        finally:
            Request.leave(tokens)
        yield piece


def _header(name: str) -> Asked:
    return lambda request: request.headers.get(name)


def _route(request: Any) -> str | None:
    found = getattr(request, "resolver_match", None)
    return None if found is None else f"/{found.route}"


def _plain(request: Any) -> str:
    return fallback(request.method, request.path_info)
