"""The life of one paid call, from its start to exactly one end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import getrandbits
from time import perf_counter_ns, time_ns
from typing import Any

from tollbook import _guard
from tollbook.pricing import Cost, cost_of
from tollbook.spans import _sink
from tollbook.spans._context import current
from tollbook.spans._record import Record
from tollbook.tokens import estimate_output, estimate_request
from tollbook.usage import Usage, merge, read, selectors

Json = dict[str, Any]
Counted = Callable[[Json], dict[str, int] | None]

open_streams: dict[int, Call] = {}
"""Calls whose answer is still being read, so that they can be ended when the program exits."""

_STANDARD = frozenset({None, "", "auto", "default", "standard", "standard_only"})


class Call:
    """One call that an SDK makes: what is known of it so far, and what its record will say.

    Whoever sees the call sets fields; `end` may be called by anyone, any number of times, and the first wins.
    """

    __slots__ = (
        "_open",
        "_started",
        "characters",
        "claimed",
        "complete",
        "convention",
        "counted",
        "failure",
        "first",
        "hide_chunk",
        "injected",
        "lines",
        "raw",
        "reader",
        "record",
        "request",
        "scan",
        "tier",
        "tools",
        "url",
    )

    def __init__(
        self,
        record: Record,
        convention: str,
        reader: Callable[[Call, Json], None],
        url: str = "",
        request: Json | None = None,
        counted: Counted | None = None,
    ) -> None:
        parent = current.get()
        started = time_ns()
        record.start = started
        record.bills = True
        record.span_id = f"{getrandbits(64):016x}"
        if parent is None:
            record.trace_id = f"{started // 1_000_000:012x}{getrandbits(80):020x}"
        else:
            record.trace_id = parent.trace_id
            record.parent_id = parent.span_id
            parent.nested = True
        self.record = record
        self.convention = convention
        self.url = url
        self.request = request
        """The request's JSON, held only while the call is open, read only if its usage must be estimated."""
        self.counted = counted
        """Counts what is billed by the request itself (characters, images) where no usage is ever reported."""
        self.reader = reader
        """Takes a decoded body or streamed event, and sets what it tells."""
        self.claimed = False
        """Whether an HTTP response belongs to the call."""
        self.scan: Callable[[bytes], None] | None = None
        """Takes the bytes of a body that the host reads past the SDK's own parser."""
        self.failure: BaseException | None = None
        """What broke off the body."""
        self.raw: Json | None = None
        self.tools: dict[str, int] | None = None
        """Uses of the provider's tools that the answer lists and its usage does not count."""
        self.tier: str | None = None
        self.first = 0
        self.characters = 0
        self.complete = False
        self.injected = False
        """Whether the usage was asked for by us, in a chunk of its own that the host must not see."""
        self.lines = False
        """Whether the body is JSON lines, each the result of another call (a batch)."""
        self.hide_chunk = False
        self._open = [True]
        self._started = perf_counter_ns()

    def saw_usage(self, raw: Json) -> None:
        """Take a usage object; of several, later fields replace earlier ones."""
        self.raw = raw if self.raw is None else merge(self.raw, raw)

    def identify(self, response_id: str) -> None:
        """Make the record's identity the response's own, so that it is booked once however often it is read."""
        digest = hashlib.blake2b(f"{self.record.provider}\n{response_id}".encode(), digest_size=24).hexdigest()
        self.record.trace_id, self.record.span_id = digest[:32], digest[32:]
        self.record.parent_id = None

    @property
    def ended(self) -> bool:
        """Whether the call has its record."""
        return not self._open

    def drop(self) -> None:
        """End the call without a record: it turned out to be none, or another record carries it."""
        self._open.clear()
        open_streams.pop(id(self), None)

    def end(self, status: str = "ok", error: str | None = None) -> None:
        """End the call and write its record, unless it has ended already."""
        try:
            self._open.pop()  # atomic: of two threads that end a call, one gets here
        except IndexError:
            return
        try:
            self._write(status, error)
        except Exception:  # noqa: BLE001 - the guard: nothing of ours reaches the host
            _guard.report("tollbook.spans.Call.end")

    def _write(self, status: str, error: str | None) -> None:
        record = self.record
        record.duration = perf_counter_ns() - self._started
        record.status = status
        record.error = error
        if record.stream:
            open_streams.pop(id(self), None)
            if self.first:
                record.first_chunk = self.first - self._started
        raw = self.raw
        usage = None if raw is None else read(self.convention, raw)
        if usage is None or (record.stream and not self.complete):
            usage = self._without_report(usage)
        if usage is not None:
            if self.tools:
                usage.quantities = {**self.tools, **usage.quantities}
            record.usage = usage
            context = self._context(raw)
            if context is not None:
                record.context = context
            record.cost = self._price(usage, context)
        self.request = None
        _sink.emit(record)

    def _context(self, raw: Json | None) -> dict[str, str] | None:
        """What selects the price, as it was served."""
        context = self.record.context
        found = None if raw is None else selectors(self.convention, raw)
        if found:
            context = {**context, **found} if context else found
        if self.tier not in _STANDARD:
            context = {**(context or {}), "service_tier": str(self.tier)}
        return context

    def _price(self, usage: Usage, context: dict[str, str] | None) -> Cost | None:
        record = self.record
        model = record.response_model or record.request_model
        cost = cost_of(usage, record.provider, model, record.start, context)
        if cost is not None and cost.total is None and record.request_model not in (None, model):
            # A platform may answer with the bare name of a model that it sells under a name of its own.
            other = cost_of(usage, record.provider, record.request_model, record.start, context)
            if other is not None and other.total is not None:
                return other
        return cost

    def _without_report(self, reported: Usage | None) -> Usage | None:
        """The usage of a call whose answer gave none, or was cut before its end."""
        record = self.record
        if reported is None and self.counted is not None and self.request is not None and record.status == "ok":
            quantities = self.counted(self.request)
            return None if quantities is None else Usage(quantities, method="counted from the request")
        if not (record.stream and self.claimed):
            return reported
        if reported is None:
            record.flags += ("no_usage_reported",)
            return estimate_request(self.request or {}, self.characters)
        if self.complete:
            return reported
        return estimate_output(reported, self.characters)
