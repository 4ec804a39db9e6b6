"""Who may come in: every request passes here first, and every answer is told what a browser may do with it.

The dashboard listens on this machine, but so do many pages: one in another tab can post to any local port, and one
whose name is made to mean 127.0.0.1 can even read the answers. So a request needs the secret of this start (in the
address once, then in a cookie), a host name that is ours and, where it changes something, an origin that is ours.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""No script and no style but from our own files, and nothing from elsewhere."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

_LONGEST = 64 * 1024
"""Bytes of a form."""

_AGE = 30 * 24 * 3600
"""Seconds that a browser keeps the cookie; the secret is another one at the next start."""


class Door:
    """ASGI middleware that lets in who has the secret."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: Collection[str] | None,
        read_only: bool,
        page: Callable[[str, int], Response],
    ) -> None:
        """Make the door.

        Args:
            app: What lies behind it.
            token: The secret.
            hosts: The names, with their ports, that may be in the address; None: any.
            read_only: Whether nothing may be changed.
            page: Makes the page that says why somebody may not come in: a key and the status.
        """
        self._app = app
        self._token = token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._read_only = read_only
        self._page = page
        # The cookie proves that its owner had the secret, and does not tell it.
        self._proof = hashlib.blake2b(b"tollbook ui", key=hashlib.sha256(self._token).digest()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in known]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        answer = await self._refusal(scope, receive)
        await (self._app if answer is None else answer)(scope, receive, with_headers)

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        """What to answer in place of the page; None: come in."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self._hosts is not None and host not in self._hosts:
            return self._page("host", 421)
        if scope["path"].startswith("/static/"):
            return None
        writes = scope["method"] not in ("GET", "HEAD")
        if writes and not _same_origin(headers, host):
            return self._page("origin", 403)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["path"] == "/login" and writes:
            return await self._log_in(scope, receive)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None:
            if not self._is_token(given):
                return self._page("token", 401)
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            return self._welcome(scope, scope["path"] + (f"?{rest}" if rest else ""))
        if not hmac.compare_digest(_cookie(headers, self._name(scope)).encode(), self._proof.encode()):
            return self._page("token", 401)
        if writes and self._read_only:
            return self._page("read-only", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self._token)

    async def _log_in(self, scope: Scope, receive: Receive) -> Response:
        try:
            fields = dict(await form(receive))
        except ValueError as error:
            return bare(str(error), 400)
        return self._welcome(scope, "/") if self._is_token(fields.get("token", "")) else self._page("token", 401)

    def _welcome(self, scope: Scope, path: str) -> Response:
        # Two slashes would be another host.
        answer = RedirectResponse("/" + path.lstrip("/\\"), 303)
        answer.set_cookie(
            self._name(scope),
            self._proof,
            max_age=_AGE,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
        return answer

    @staticmethod
    def _name(scope: Scope) -> str:
        # A browser sends a host's cookies to all its ports: each dashboard has one of its own.
        return f"tollbook_{(scope.get('server') or ('', 0))[1]}"


def _same_origin(headers: Headers, host: str) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return bool(host) and urlsplit(origin).netloc.lower() == host


def _cookie(headers: Headers, name: str) -> str:
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


async def form(receive: Receive) -> list[tuple[str, str]]:
    """The fields of a posted form, in their order.

    Raises:
        ValueError: It is too long, or no text.
    """
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LONGEST:
            raise ValueError("the form is too long")
        if not message.get("more_body"):
            break
    return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)


def bare(text: str, status: int) -> Response:
    """A page without style, for where no other can be made."""
    from html import escape

    return HTMLResponse(f"<!doctype html><title>Tollbook</title><p>{escape(text)}</p>", status)
