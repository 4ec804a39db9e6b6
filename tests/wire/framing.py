"""How bytes lie on the wire: server-sent events, AWS event streams, gzip, and chunks with odd borders."""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Any

ODD = (1, 7, 64, 3, 200, 11, 512)
"""Chunk sizes that split events, UTF-8 sequences and line ends, and put several events into one chunk."""


def sse(event: dict[str, Any], newline: str = "\n") -> bytes:
    """One event as `text/event-stream` has it: `{"event": name, "data": object or text}`, or `{"comment": text}`."""
    if "comment" in event:
        return f": {event['comment']}{newline}{newline}".encode()
    data = event["data"]
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    lines = [f"event: {event['event']}"] if event.get("event") else []
    lines += [f"data: {line}" for line in text.split("\n")]
    return "".join(line + newline for line in [*lines, ""]).encode()


def aws(event: dict[str, Any]) -> bytes:
    """One event as a frame of `application/vnd.amazon.eventstream`: lengths, checksums, headers, payload."""
    inner = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":")).encode()
    payload = json.dumps({"bytes": base64.b64encode(inner).decode()}).encode()
    names = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    # Total length, length of the headers, checksum of these two; the rest; checksum of all before it.
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", binascii.crc32(frame))


def cut(pieces: Iterable[bytes], how: str) -> Iterator[bytes]:
    """The same bytes in other chunks: `event` (one each), `one` (all in one) or `odd` (see `ODD`)."""
    if how == "event":
        yield from pieces
        return
    body = b"".join(pieces)
    if how == "one":
        yield body
        return
    start = 0
    for size in cycle(ODD):
        if start >= len(body):
            return
        yield body[start : start + size]
        start += size


def gzipped(pieces: Iterable[bytes], *, ends: bool) -> Iterator[bytes]:
    """The pieces compressed, each flushed so that a reader gets it at once; without the trailer unless it `ends`."""
    squeeze = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    if ends:
        yield squeeze.flush()
