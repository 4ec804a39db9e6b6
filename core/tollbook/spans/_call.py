"""The life of one paid call, from its start to exactly one end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import getrandbits
from time import perf_counter_ns, time_ns
from typing import Any
from weakref import WeakValueDictionary

from tollbook import _guard, tokens, usage
from tollbook._money import from_usd
from tollbook.spans import _attribution, _joins, _sink
from tollbook.spans._attribution import here
from tollbook.spans._complete import defer, price
from tollbook.spans._context import current, place
from tollbook.spans._record import Record
from tollbook.usage import Usage

Json = dict[str, Any]
Counted = Callable[[Json], dict[str, int] | None]

open_streams: WeakValueDictionary[int, Call] = WeakValueDictionary()
"""Calls whose answer is still being read, so that they can be ended when the program exits. The response holds them."""

_STANDARD = (None, "default", "standard", "", "auto", "standard_only")
"""A tuple, since what a server says may be anything, also what has no hash."""


class Call:
    """One call that an SDK makes: what is known of it so far, and what its record will say.

    Whoever sees the call sets fields; `end` may be called by anyone, any number of times, and the first wins.
    """

    # Defaults of the class, since most calls set few of them, and making a call is on the host's path.
    claimed = False
    """Whether an HTTP response belongs to the call."""
    placed = False
    """Whether a framework's model call knows that this one is metered."""
    identified = False
    """Whether the answer has named its model."""
    first = 0
    """When the first event came, on the performance counter."""
    characters = 0
    """Text seen in a stream, by its length only."""
    complete = False
    """Whether the answer was seen to its end."""
    raw: Json | None = None
    """The usage as reported so far."""
    gateway = False
    """Whether it goes to a host that is no known provider's own, which may state a charge in its headers."""
    tier: str | None = None
    """The service tier that the response names."""
    tools: dict[str, int] | None = None
    """Uses of the provider's tools that the answer lists and its usage does not count."""
    injected = False
    """Whether the usage was asked for by us, in a chunk of its own that the host must not see."""
    hide_chunk = False
    """Whether the event read last was that chunk."""
    scan: Callable[[bytes], None] | None = None
    """Takes the bytes of a body that the host reads past the SDK's own parser."""
    reading = False
    """Whether the next piece of the body is being waited for."""
    closed = False
    """Whether the body was closed while its last piece was being waited for."""
    failed: str | None = None
    """The provider's word for why it failed to answer, where the answer says so."""
    reserved = 0
    """What a budget reserved for the call, for `settle` to find."""
    settle: Callable[[Call, Record | None], None] | None = None
    """Told of the call and its record when it has ended, or of None if there will be none. It must not raise, and may
    find the usage still to be read."""
    undo: Callable[[], None] | None = None
    """Gives back what was reserved for the call in the ledger, if no record of this identity will do it."""
    move: Callable[[str], Callable[[], None]] | None = None
    """Puts what was reserved in the ledger under the id of another span, and gives what then gives it back."""
    stop: Exception | None = None
    """What the host gets in place of the next event: a budget that cuts streams."""

    def __init__(
        self,
        record: Record,
        convention: str,
        reader: Callable[[Call, Json], None],
        request: Json | None = None,
        counted: Counted | None = None,
    ) -> None:
        """Start a call now, inside the span that is open here.

        Args:
            record: What is known of it; identity and times are filled in.
            convention: Of the usage that will be reported.
            reader: Takes a decoded body or streamed event, and sets what it tells.
            request: The request's JSON, held only while the call is open, and read only if its usage must be
                estimated.
            counted: Counts what is billed by the request itself (characters, images) where no usage is reported.
        """
        record.start = started = time_ns()
        record.bills = True
        # One number of the time and one of chance make both ids: this is the fastest way to hex digits.
        digits = (started << 64 | getrandbits(64)).to_bytes(16, "big").hex()
        record.span_id = digits[16:]
        parent = current.get()
        if parent is not None and parent.watched:
            parent, self.placed = place(parent, record.operation)
        if parent is None:
            record.trace_id = digits
            booked = here.get()
            record.attribution = _attribution.everywhere if booked is None else booked
        else:
            record.attribution = _attribution.of_call(parent.own, parent.lent)
            record.trace_id = parent.trace_id
            record.parent_id = parent.span_id
            parent.nested = True
        self.record = record
        self.convention = convention
        self.reader = reader
        self.request = request
        self.counted = counted
        self._open = [True]
        self._started = perf_counter_ns()

    def saw_usage(self, raw: Json) -> None:
        """Take a usage object; of several, later fields replace earlier ones."""
        if raw and isinstance(raw, dict):  # pyright: ignore[reportUnnecessaryIsInstance] - a server may say anything
            self.raw = raw if self.raw is None else usage.merge(self.raw, raw)

    def saw_charge(self, said: str | None) -> None:
        """Take what the answer says beside its usage that it cost, in USD; None and what is no price are left alone."""
        if said is None or said.lower() in {"", "none", "null"}:
            return
        try:
            charge = from_usd(said)
        except ValueError:
            charge = -1
        if charge < 0:
            self.record.flags += ("refused_charge",)
        else:
            self.record.charge = charge

    def identify(self, response_id: str) -> None:
        """Make the record's identity the response's own, so that it is booked once however often it is read."""
        trace_id, span_id = _identity(self.record, response_id)
        if (asked := _asked.pop(span_id, None)) is not None:
            self.record.attribution = asked
        if (waiting := _waiting.pop(span_id, None)) is not None:
            self.settle, self.reserved = waiting.settle, waiting.reserved
        elif self.move is not None:
            _guard.guarded(self.move)(span_id)
        self.undo = self.move = None  # the record of this identity takes back what is under it
        self.record.trace_id, self.record.span_id, self.record.parent_id = trace_id, span_id, None

    def wait_for(self, response_id: str) -> None:
        """Keep what is reserved, and whom it is for, until the answer is read: by another call, or another process."""
        _, span_id = _identity(self.record, response_id)
        if self.record.attribution:
            _asked.setdefault(span_id, self.record.attribution)  # it may be read before it is ready
            while len(_asked) > _MOST:
                _asked.pop(next(iter(_asked)))
        if self.settle is None and self.move is None:
            return
        rest = Call.__new__(Call)  # which none begins with
        rest.settle, rest.reserved = self.settle, self.reserved
        if self.move is not None:
            rest.undo = _guard.guarded(self.move)(span_id)
        self.settle = self.move = self.undo = None
        _waiting[span_id] = rest
        while len(_waiting) > _MOST:
            _waiting.pop(next(iter(_waiting))).give_back()

    def ended_without_answer(self, response_id: str) -> None:
        """Give back what was kept for an answer that will not come."""
        _, span_id = _identity(self.record, response_id)
        _asked.pop(span_id, None)
        if (waiting := _waiting.pop(span_id, None)) is not None:
            waiting.give_back()

    @property
    def ended(self) -> bool:
        """Whether the call has its record."""
        return not self._open

    def drop(self) -> None:
        """End the call without a record: it turned out to be none, or another record carries it."""
        self._open.clear()
        open_streams.pop(id(self), None)
        self.give_back()

    def give_back(self) -> None:
        """Give back what budgets have reserved for the call."""
        undo, settle = self.undo, self.settle
        self.undo = self.move = self.settle = None
        if undo is not None:
            _guard.guarded(undo)()
        if settle is not None:
            settle(self, None)

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
        if self.failed is not None and status == "ok":
            status, error = "error", self.failed
        if status != "ok":
            record.status, record.error = status, error
        if record.stream:
            open_streams.pop(id(self), None)
            if self.first:
                record.first_chunk = self.first - self._started
        if self.tier not in _STANDARD:
            self._note_tier(record)
        raw = self.raw
        whole = self.complete or not record.stream
        if raw is None or not whole or self.tools or not defer(record, self.convention, raw):
            self._use(record, raw, whole)
        self.request = None
        if self.settle is not None:
            self.settle(self, record)
        _sink.last_trace_id = record.trace_id
        if _joins.on or _sink.observer is not None:
            self._tell(record)
        _sink.sink(record)

    def _note_tier(self, record: Record) -> None:
        tier: Any = self.tier
        if isinstance(tier, (str, int)):
            record.context = {**(record.context or {}), "service_tier": str(tier)}

    def _tell(self, record: Record) -> None:
        """Tell frameworks that may have seen the call, too, and whoever counts what is spent."""
        if _joins.on and not self.placed:
            # What was closed may have been so by the garbage collector, which runs anywhere.
            if record.status != "abandoned":
                for seen in _joins.readers:
                    seen(self)
            if record.response_id is not None and not self.placed:
                _joins.call_ended(record)
        if _sink.observer is not None:
            _sink.observer(record)

    def _use(self, record: Record, raw: Json | None, whole: bool) -> None:
        """Say in the record what was used and what it cost, where that can't wait."""
        used = None if raw is None else usage.read(self.convention, raw)
        if used is None or not whole:
            used = self._without_report(used)
        if used is None and record.charge is not None:
            used = Usage({})
        if used is not None:
            if self.tools:
                used.quantities = {**self.tools, **used.quantities}
            price(record, used, self.convention, raw)

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
            return self._estimated()
        if self.complete:
            return reported
        return tokens.estimate_output(reported, self.characters, record.response_model or record.request_model)

    @_guard.guarded  # a call is recorded also where its tokens can't be told
    def _estimated(self) -> Usage:
        from tollbook._estimate import tokenizer_of

        record = self.record
        model = record.response_model or record.request_model
        settings = tokenizer_of(record.provider, model, record.start)
        return tokens.estimate_request(self.request or {}, self.characters, record.provider, model, settings)


_MOST = 1000
_waiting: dict[str, Call] = {}
"""What is reserved for answers that are made in the background, by the span's id that their record will have."""
_asked: dict[str, dict[str, str]] = {}
"""Whom these answers are booked to, by the same: those who asked for them, and not who reads them."""


def _identity(record: Record, response_id: str) -> tuple[str, str]:
    """Ids of trace and span of the one record that an answer has, whoever reads it."""
    digest = hashlib.blake2b(
        f"{record.provider}\n{response_id}".encode("utf-8", "backslashreplace"), digest_size=24
    ).hexdigest()
    return digest[:32], digest[32:]


# Instances share one table of names while Python can foresee them, and each that gets another one late has a table of
# its own, for half a microsecond. So the first instance has all names that any may get.
_first: Any = object.__new__(Call)
for _name in ("record", "convention", "reader", "request", "counted", "_open", "_started"):
    setattr(_first, _name, None)
for _name, _default in vars(Call).items():
    if _default is None or isinstance(_default, int):
        setattr(_first, _name, None)

_plainly: Any = vars(Call)["_write"]


def _with_prefix(self: Call, status: str, error: str | None) -> None:
    from tollbook.spans import _prefix

    if self.request is not None:
        _guard.guarded(_prefix.note)(self.record, self.request)
    _plainly(self, status, error)


def hash_prefixes(*, on: bool) -> None:
    """Put hashes of how requests begin into the records of calls from now on, or no more.

    It changes how calls are written, so that a program that does not want it has not even a question on its way.
    """
    how: Any = _with_prefix if on else _plainly
    Call._write = how  # type: ignore[method-assign]
