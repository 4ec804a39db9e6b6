"""Where finished spans go: set once by the runtime, replaced by tests and by `capture`."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable

from tollbook import _guard
from tollbook.spans._record import Record

Sink = Callable[[Record], None]


waiting: deque[Record] = deque(maxlen=1000)
"""Records that were finished while the runtime was starting, in a place that could not wait for it."""


def first(record: Record) -> None:
    """Start the runtime, and give it the record."""
    waiting.append(record)
    # The runtime lies above this layer, so it is found by name, and puts itself in `sink`.
    importlib.import_module("tollbook._runtime").begin()
    if sink is not first:
        pass_on()


def pass_on() -> None:
    """Give the sink what was waiting for it."""
    while waiting:
        try:
            record = waiting.popleft()
        except IndexError:  # another thread was faster
            return
        sink(record)


sink: Sink = first

observer: Sink | None = None
"""Gets each record before the sink does; None where nobody counts what is spent."""

booked: Sink | None = None
"""Gets, before the sink does, each record that is none of a metered SDK's call; None where no block has a budget."""

unsaid: list[Callable[[], object]] = []
"""Called before the ledger is read, to write what has ended without a word of it."""

last_trace_id: str | None = None
"""The trace of the record written last by this process."""


def emit(record: Record) -> None:
    """Write one finished record; a failure is ours alone."""
    global last_trace_id
    last_trace_id = record.trace_id
    try:
        if observer is not None:
            observer(record)
        if booked is not None:
            booked(record)
        sink(record)
    except Exception:  # noqa: BLE001 - the guard: the program that ended a span has no part in it
        _guard.report("tollbook.spans.emit")
