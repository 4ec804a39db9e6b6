"""ASGI: what is called while a request is answered is booked to its route, user, session and organization.

app.add_middleware(TollbookMiddleware, user="x-user-id", session="x-session-id")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tollbook_integrations._request import Asked, Kind, Request, fallback, received

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
Of = str | Callable[[Scope], object] | None
"""The name of a header, or a function of the scope; None: nothing."""


class TollbookMiddleware:
    """An ASGI application that books what another one calls while it answers a request; websockets are left alone.

    All calls of a request are one trace, to the end of its body and of its background tasks. The functions are asked
    when a call is made, until they know something, so what inner middleware finds out (`scope["user"]`) is there.
    Within the application, `tollbook.attribute` holds over what the middleware says.
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
            feature: `route` for the template of the route, as Starlette and FastAPI choose it (`/users/{id}`; a mounted
                application's own part of it); without one, the method and the first segment of the path (`GET /users`).
            agent: The name of a header, or a function of the scope that gives the value or None; so are all below.
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

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        request = received(self._kind, scope, scope.get("headers", [])) if scope["type"] == "http" else None
        if request is None:
            await self.app(scope, receive, send)
            return
        tokens = request.enter()
        try:
            await self.app(scope, receive, send)
        finally:
            Request.leave(tokens)


def _header(name: str) -> Asked:
    wanted = name.lower().encode("latin-1")

    def read(scope: Scope) -> str | None:
        return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted), None)

    return read


def _route(scope: Scope) -> str | None:
    # FastAPI keeps the whole template of a route of an included router apart.
    kept: Any = scope.get("fastapi") or {}
    whole: Any = kept.get("effective_route_context")
    path = getattr(whole, "path", None) or getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


def _plain(scope: Scope) -> str:
    return fallback(scope.get("method", "GET"), scope.get("path", ""))
