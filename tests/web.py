"""Servers for tests: they ask an application in this process, as the specifications of ASGI and WSGI say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

from tollbook.spans import Call, Record

Headers = dict[str, str]


def call() -> Record:
    """A call that is made here."""
    made = Call(Record(trace_id="", span_id=""), "openai.chat", lambda *_: None)
    made.end()
    return made.record


def booked() -> dict[str, str] | None:
    """What a call that is made here is booked to."""
    return call().attribution


async def ask_asgi(app: Any, path: str = "/", headers: Headers | None = None, method: str = "GET") -> bytes:
    """The body of an answer."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test")] + [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    sent: list[bytes] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.sleep(3600)  # the client stays
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(sent)


def ask_wsgi(app: Any, path: str = "/", headers: Headers | None = None, method: str = "GET") -> bytes:
    """The body of an answer."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    setup_testing_defaults(environ)
    body: Iterable[bytes] = app(environ, lambda status, headers, error=None: None)
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
