"""What the code in a block called and what that cost, in a ledger of its own that is gone afterwards."""

from __future__ import annotations

import contextlib
import copy
import gc
import tempfile
from collections.abc import Generator, Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, overload

from tollbook._clean import clean
from tollbook._money import show, to_usd
from tollbook.testing import _replays

if TYPE_CHECKING:
    from tollbook.ledger import Ledger
    from tollbook.spans import Record
    from tollbook.usage import Usage


class CapturedCall:
    """One paid call that has ended."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record
        """All that is known of it."""

    @property
    def provider(self) -> str | None:
        """Such as `openai` or `anthropic`."""
        return self.record.provider

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked."""
        return self.record.response_model or self.record.request_model

    @property
    def usage(self) -> Usage | None:
        """What it used; None if that is not known."""
        return self.record.usage

    @property
    def tokens(self) -> int | None:
        """Sent and generated; None if that is not known."""
        return None if self.record.usage is None else self.record.usage.total_tokens

    @property
    def cost(self) -> Decimal | None:
        """In USD, exactly; None if unpriced."""
        return None if self.record.cost is None else self.record.cost.total_usd

    @property
    def status(self) -> str:
        """`ok`, `error`, `timeout`, `cancelled` or `abandoned`."""
        return self.record.status

    @property
    def estimated(self) -> bool:
        """Whether its usage or its price is an estimate."""
        return self.record.cost is not None and self.record.cost.status == "estimated"

    @property
    def unpriced(self) -> bool:
        """Whether it used something of which the cost is not known."""
        cost = self.record.cost
        return self.record.usage is not None and (cost is None or cost.status in ("unpriced", "partial"))

    @property
    def replayed(self) -> bool:
        """Whether a cassette answered: then the cost is what the call would have cost."""
        return _replays.FLAG in self.record.flags

    def __repr__(self) -> str:
        tokens = "unknown" if self.tokens is None else f"{self.tokens:,}"
        replayed = ", replayed" if self.replayed else ""
        cost = "cost unknown" if self.cost is None else show(self.cost)
        model = clean(str(self.model))
        return f"<call {model}: {tokens} tokens, {cost}, {clean(self.status)}{replayed}>"


class Captured(Sequence[CapturedCall]):
    """The calls of a block that have ended, in order of their start, and their sums.

    It can be read at any time, also from other threads, and keeps what it has when the block has ended.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._kept: list[CapturedCall] = []

    def _calls(self) -> list[CapturedCall]:
        ledger = self._ledger
        if ledger is None:
            return self._kept
        if not ledger.store.spool.exists():  # nothing was recorded, so nothing needs a database
            return []
        ledger.store.drain()
        return _billed(ledger.store.spans(limit=None))

    def keep(self, records: Sequence[Record] | None = None) -> None:
        """Hold on to `records`, or else to what is in the ledger, which is about to go."""
        self._kept = self._calls() if records is None else _billed(records)
        self._ledger = None

    @overload
    def __getitem__(self, index: int) -> CapturedCall: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedCall]: ...
    def __getitem__(self, index: int | slice) -> CapturedCall | list[CapturedCall]:
        return self._calls()[index]

    def __len__(self) -> int:
        return len(self._calls())

    def __bool__(self) -> bool:
        return True  # a capture without calls is one all the same

    @property
    def calls(self) -> int:
        """How many paid calls have ended, those that failed included."""
        return len(self._calls())

    @property
    def usd(self) -> Decimal:
        """The exact sum of all known costs in USD; `unpriced` says how many calls are not in it."""
        return _usd(self._calls())

    @property
    def tokens(self) -> int:
        """Sent and generated, as far as known."""
        return sum(call.tokens or 0 for call in self._calls())

    @property
    def by_model(self) -> dict[str | None, Decimal]:
        """Model to the exact sum of its known costs in USD, the most expensive first."""
        by_name: dict[str | None, list[CapturedCall]] = {}
        for call in self._calls():
            by_name.setdefault(call.model, []).append(call)
        sums = {name: _usd(calls) for name, calls in by_name.items()}
        return dict(sorted(sums.items(), key=lambda item: (item[1].copy_negate(), item[0] or "")))

    @property
    def unpriced(self) -> int:
        """How many calls used something of which the cost is not known."""
        return sum(call.unpriced for call in self._calls())

    @property
    def estimated(self) -> int:
        """How many calls have an estimate in their usage or price."""
        return sum(call.estimated for call in self._calls())

    @property
    def replayed(self) -> int:
        """How many calls a cassette answered; they count as what they would have cost."""
        return sum(call.replayed for call in self._calls())

    def __repr__(self) -> str:
        calls = self._calls()
        return f"<captured {len(calls)} calls: {show(_usd(calls))}>"


def _billed(records: Iterable[Record]) -> list[CapturedCall]:
    """Those that count, in order of their start."""
    from tollbook.spans._trace import billed

    ordered = sorted(records, key=lambda r: (r.trace_id, r.start, r.span_id))
    found = [r for _, trace in groupby(ordered, key=lambda r: r.trace_id) for r in billed(list(trace))]
    return [CapturedCall(r) for r in sorted(found, key=lambda r: (r.start, r.span_id))]


def _usd(calls: Sequence[CapturedCall]) -> Decimal:
    return to_usd(sum(c.record.cost.total or 0 for c in calls if c.record.cost is not None))


@contextlib.contextmanager
def capture() -> Generator[Captured]:
    """Meter all of this process while a block runs, and give its calls; the user's ledger does not see them.

    Metering is on inside, whether or not `autolog` has been called, and as before after it. Blocks may be nested: a
    call counts in all that it is made in. Calls that a cassette of vcrpy answers count too, marked as `replayed`.

    >>> with capture() as calls:
    ...     record = tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1000})
    >>> calls.usd, calls.calls
    (Decimal('0.000150000000'), 1)
    """
    from tollbook import _runtime

    _replays.watch()
    with (
        tempfile.TemporaryDirectory(prefix="tollbook-", ignore_cleanup_errors=True) as folder,
        _runtime.aside(Path(folder) / "ledger.db", _replays.mark) as ledger,
    ):
        captured = Captured(ledger)
        try:
            with _metering():
                yield captured
        finally:
            captured.keep()


@contextlib.contextmanager
def watch() -> Generator[Captured]:
    """As `capture`, but the user's ledger has the calls, too, and metering stays on; to be read after the block."""
    from tollbook import _runtime
    from tollbook.spans import _sink, complete

    _runtime.start()
    records: list[Record] = []
    inner = _sink.sink

    def sink(record: Record) -> None:
        records.append(copy.copy(record))
        inner(record)

    captured = Captured(None)
    _sink.sink = sink
    try:
        _switch_on()
        yield captured
    finally:
        if _sink.sink is sink:
            _sink.sink = inner
        for record in records:
            complete(record)
        captured.keep(records)


def _switch_on() -> list[str]:
    """Switch on every integration that is not on yet; their names."""
    import tollbook
    from tollbook._instrument import integrations
    from tollbook.spans import _attribution

    mine = [name for name, each in integrations().items() if not _is_on(each.state())]
    if mine:
        tollbook.autolog(only=mine, hash_users=_attribution.hash_users)
    return mine


@contextlib.contextmanager
def _metering() -> Generator[None]:
    """Every integration on that is not on yet; what was open at the end is closed, so that it is counted here."""
    import tollbook
    from tollbook.spans import open_streams

    before = set(open_streams)
    mine = _switch_on()
    try:
        yield
    finally:
        if set(open_streams) - before:
            gc.collect()  # those that the program has dropped
        for key, call in list(open_streams.items()):
            if key not in before:
                call.end("ok" if call.complete else "abandoned")
        if mine:
            tollbook.autolog(disable=True, only=mine)


def _is_on(state: dict[str, str]) -> bool:
    return any(how == "on" or how.startswith("waiting") for how in state.values())
