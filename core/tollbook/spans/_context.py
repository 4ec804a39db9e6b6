"""Where the program is: the span that is open here, and the ids of new ones."""

from __future__ import annotations

import time
from contextvars import ContextVar
from random import getrandbits
from typing import Protocol


class Parent(Protocol):
    """What a new span needs to know of the one it is opened in."""

    trace_id: str
    span_id: str | None
    nested: bool
    """Set by whatever is opened inside."""
    own: dict[str, str] | None
    """What it was given by hand to be booked to, which holds for all that is inside, too."""


class Remote:
    """A span of another process, or none at all: only what children take from it."""

    __slots__ = ("nested", "own", "span_id", "trace_id")

    def __init__(self, trace_id: str, span_id: str | None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.nested = False
        self.own: dict[str, str] | None = None


current: ContextVar[Parent | None] = ContextVar("tollbook_current", default=None)
"""The innermost open span of this thread or task."""


def new_trace_id() -> str:
    """32 hex digits that begin with the time in nanoseconds, so that traces sort by their start."""
    return f"{time.time_ns():016x}{getrandbits(64):016x}"


def new_span_id() -> str:
    """16 random hex digits, never all zero."""
    return f"{getrandbits(64) or 1:016x}"


def parse_traceparent(header: str) -> Remote | None:
    """The remote span that a W3C `traceparent` header names; None if it is not valid.

    Source: W3C Trace Context, level 1: `version-traceid-parentid-flags`, lower-case hex.
    """
    fields = header.strip().split("-")
    if len(fields) < 4 or len(fields[0]) != 2 or fields[0] == "ff":
        return None
    trace_id, span_id = fields[1], fields[2]
    for field, size in ((trace_id, 32), (span_id, 16)):
        if len(field) != size or set(field) - set("0123456789abcdef") or set(field) == {"0"}:
            return None
    return Remote(trace_id, span_id)
