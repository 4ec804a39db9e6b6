"""WSGI: what is called while a request is answered is booked to its route, user, session and organization.

app.wsgi_app = TollbookMiddleware(app.wsgi_app, user="x-user-id", session="x-session-id")
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

from tollbook_integrations._request import Asked, Kind, Request, fallback, received

Environ = MutableMapping[str, Any]
App = Callable[[Any, Any], Iterable[bytes]]
Of = str | Callable[[Environ], object] | None
"""The name of a header, or a function of the environ; None: nothing."""


class TollbookMiddleware:
    """A WSGI application that books what another one calls while it answers a request.

    All calls of a request are one trace, to the end of its body. The functions are asked when a call is made and when
    the answer begins, until they know something, and within the application: `flask.g` and `flask.session` are there.
    There, `tollbook.attribute` holds over what the middleware says.
    """

    def __init__(
        self,
        app: App,
        *,
        feature: Of = "route",
        agent: Of = None,
        user: Of = None,
        org: Of = None,
        session: Of = None,
        key: Of = None,
        trust_baggage: bool = False,
        **tags: Of,
    ) -> None:
        """Wrap an application.

        Args:
            app: The application that answers.
            feature: `route` for the rule of the route, as Flask chooses it (`/users/<id>`); without one, the method and
                the first segment of the path (`GET /users`).
            agent: The name of a header, or a function of the environ that gives the value or None; so are all below.
            user: Kept as a pseudonym, unless `autolog(hash_users=False)`.
            org: The customer, tenant or team.
            session: The conversation.
            key: The name of an API key, never the key itself.
            trust_baggage: Whether requests come from services of your own only, so that the trace and the attribution
                in their headers hold (`tollbook.inject`), over what is said here.
            tags: Any other dimension.

        Raises:
            ValueError: A value that is neither a header's name nor a function.
        """
        self.app = app
        named: dict[str, str | Asked | None] = {
            "feature": feature, "agent": agent, "user": user, "org": org, "session": session, "key": key, **tags
        }  # fmt: skip
        self._kind = Kind(named, header=_header, route=_route, plain=_plain, trust=trust_baggage)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        carried = [(name, str(environ.get(key, ""))) for name, key in _CARRIED]
        request = received(self._kind, environ, carried)
        if request is None:
            return self.app(environ, start_response)

        def start(*arguments: Any, **named: Any) -> Any:
            # The body may be made when the framework has left the request; here it is still in it.
            request.settle()
            return start_response(*arguments, **named)

        tokens = request.enter()
        try:
            body = self.app(environ, start)
        finally:
            Request.leave(tokens)
        files = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(files, type) and isinstance(body, files)):
            return body  # nothing is called while it is sent, and servers know such bodies by their type
        return _Body(body, request)


_CARRIED: tuple[tuple[str | bytes, str], ...] = (("traceparent", "HTTP_TRACEPARENT"), ("baggage", "HTTP_BAGGAGE"))


class _Body:
    """The body of an answer, each piece of which is made within its request."""

    def __init__(self, body: Iterable[bytes], request: Request) -> None:
        self._body = body
        self._pieces: Iterator[bytes] | None = None
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        tokens = self._request.enter()
        try:
            if self._pieces is None:
                self._pieces = iter(self._body)
            return next(self._pieces)
        finally:
            Request.leave(tokens)

    def close(self) -> None:
        """Close the body, within its request, too."""
        close = getattr(self._body, "close", None)
        if close is None:
            return
        tokens = self._request.enter()
        try:
            close()
        finally:
            Request.leave(tokens)


def _header(name: str) -> Asked:
    key = name.upper().replace("-", "_")
    key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
    return lambda environ: environ.get(key)


def _route(environ: Environ) -> str | None:
    flask: Any = sys.modules.get("flask")
    if flask is None or not flask.has_request_context() or flask.request.environ is not environ:
        return None
    rule = flask.request.url_rule
    return None if rule is None else str(rule.rule)


def _plain(environ: Environ) -> str:
    return fallback(environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO", ""))
