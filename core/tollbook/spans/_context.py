"""Where the program is: the span that is open here, and the ids of new ones."""

from __future__ import annotations

import os
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

    @property
    def lent(self) -> dict[str, str] | None:
        """What a framework books it to, and all that is inside, where the program says nothing else."""

    @property
    def watched(self) -> bool:
        """Whether `place` must be asked where a call belongs: it has ended, or is in a framework's model call."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more inside, although it may still be the current one somewhere."""
        ...

    @property
    def above(self) -> Parent | None:
        """What it was opened in."""

    @property
    def claim(self) -> Claim | None:
        """The innermost model call of a framework that what is inside belongs to."""


class Claim:
    """A model call as a framework sees it: whether the paid calls behind it have been metered below."""

    __slots__ = ("calls", "embeds", "open", "outer", "room")

    def __init__(self, outer: Claim | None, *, embeds: bool = False, room: int = 1) -> None:
        self.outer = outer
        """The framework's model call that this one is made in."""
        self.embeds = embeds
        """Whether it makes embeddings; a chat with a semantic cache makes some, too, and is not paid for by them."""
        self.room = room
        """How many paid calls it is; a further one is somebody else's."""
        self.calls = 0
        """How many were metered inside."""
        self.open = 0
        """How many of a framework's model calls are open inside, and of its kind: each bills at its own end."""

    def opens(self, model_calls: int, *, embeds: bool) -> None:
        """Note that so many more of a framework's model calls are open inside this one, and so inside all around it."""
        claim: Claim | None = self
        while claim is not None:
            if claim.embeds is embeds:
                claim.open += model_calls
            claim = claim.outer

    def take(self, operation: str | None) -> None:
        """Note a paid call that is metered inside this one, and so inside all around it."""
        claim: Claim | None = self
        while claim is not None:
            if (operation == "embeddings") is claim.embeds:
                claim.calls += 1
            claim = claim.outer


class Remote:
    """A span of another process, or none at all: only what children take from it."""

    __slots__ = ("nested", "own", "span_id", "trace_id")
    watched = False
    closed = False
    above: Parent | None = None
    claim: Claim | None = None

    def __init__(self, trace_id: str, span_id: str | None) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.nested = False
        self.own: dict[str, str] | None = None

    @property
    def lent(self) -> dict[str, str] | None:
        """Nothing; a request that is being answered lends what is known of it."""
        return None


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


ENVIRONMENT = "TOLLBOOK_CONTEXT"
"""The environment variable by which a process continues what the one that started it was at: a `traceparent` header,
a semicolon, and a `baggage` header, either of which may be empty."""

_began_in = parse_traceparent(os.environ.get(ENVIRONMENT, "").partition(";")[0])
current: ContextVar[Parent | None] = ContextVar("tollbook_current", default=_began_in)
"""The innermost open span of this thread or task; at first, that of the process that started this one."""


def opened(found: Parent | None) -> Parent | None:
    """The innermost of `found` and what is above it that still takes something inside."""
    while found is not None and found.closed:
        found = found.above
    return found


def innermost() -> Parent | None:
    """The innermost span that is open here.

    What has ended may still be the current one, where a framework ended it in another context than that of its start.
    """
    return opened(current.get())


def place(found: Parent, operation: str | None) -> tuple[Parent | None, bool]:
    """The parent of a new paid call where `found` is the current one, and whether a framework's model call is told."""
    parent = opened(found)
    if parent is None or (claim := parent.claim) is None:
        return parent, False
    claim.take(operation)
    return parent, True


def new_trace_id() -> str:
    """32 hex digits that begin with the time in nanoseconds, so that traces sort by their start."""
    return f"{time.time_ns():016x}{getrandbits(64):016x}"


def new_span_id() -> str:
    """16 random hex digits, never all zero."""
    return f"{getrandbits(64) or 1:016x}"
