"""Just enough of HTTP/1.1's server side to answer the SDKs, and to misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Request:
    """A request as it arrived."""

    def __init__(self, method: str, target: str, headers: dict[str, str], content: bytes) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        """Names in lower case."""
        self.content = content
        self.outcome = "unanswered"
        """`sent`, `dropped` (by us, on purpose), `left` (the client went first) or `unanswered`."""

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON sent, or the plain fields of a multipart form."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            body: dict[str, Any] = json.loads(self.content)
            return body
        if kind.startswith("multipart/"):
            message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.content)
            return dict(_field(part) for part in message.get_payload() if not part.get_filename())
        return {}

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.outcome}>"


def _field(part: Message) -> tuple[str, Any]:
    text = part.get_payload(decode=True).decode()
    return str(part.get_param("name", header="content-disposition")), {"true": True, "false": False}.get(text, text)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None if the client has closed it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        content = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, content)


async def _chunks(reader: asyncio.StreamReader) -> Any:
    while size := int((await reader.readline()).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()


def head(status: int, headers: dict[str, str]) -> bytes:
    """The status line and headers of a response."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """`data` as a chunk of a chunked body; no data ends the body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
