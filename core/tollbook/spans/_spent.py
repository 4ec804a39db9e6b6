"""What runs that are watched have spent so far, counted in this process as their calls end.

The ledger knows it, too, but only after the journal has been read. Nothing is counted that nobody watches.
"""

from __future__ import annotations

import copy
from decimal import Decimal

from tollbook import _guard
from tollbook._money import to_usd
from tollbook.spans import _sink
from tollbook.spans._complete import complete
from tollbook.spans._context import innermost
from tollbook.spans._record import Record

MOST = 1000
"""Traces that are watched at a time; the oldest is forgotten first."""


class Spent:
    """What the calls of one trace have cost since it is watched."""

    __slots__ = ("calls", "pico", "tokens", "unpriced")

    def __init__(self) -> None:
        self.pico = 0
        """The sum of all known costs, in pico-dollars."""
        self.tokens = 0
        self.calls = 0
        self.unpriced = 0
        """How many of the calls have no known cost, and are in no sum of money."""

    @property
    def usd(self) -> Decimal:
        """The exact sum of all known costs."""
        return to_usd(self.pico)


_watched: dict[str, Spent] = {}


def watch() -> Spent | None:
    """What the trace that is open here has spent since it was first watched; None outside of any."""
    here = innermost()
    if here is None:
        return None
    found = _watched.get(here.trace_id)
    if found is None:
        found = _watched[here.trace_id] = Spent()
        _sink.observer = _count
        while len(_watched) > MOST:
            del _watched[next(iter(_watched))]
    return found


@_guard.guarded
def _count(record: Record) -> None:
    spent = _watched.get(record.trace_id)
    if spent is None or not record.bills or record.covers:  # what covers others was counted with these
        return
    priced = copy.copy(record)
    complete(priced)
    spent.calls += 1
    if priced.usage is not None:
        spent.tokens += priced.usage.total_tokens
    if priced.cost is None or priced.cost.total is None:
        spent.unpriced += 1
    else:
        spent.pico += priced.cost.total
