"""What each call, trace, run or session cost, read from the spans themselves."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tollbook.ledger import _rows
from tollbook.ledger._dimensions import (
    TIMES,
    Bookings,
    Filter,
    Where,
    of_booking,
    of_series,
    of_span,
    series_values,
)
from tollbook.ledger._periods import periods

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._store import Store

Key = tuple[str | None, ...]
Per = Literal["call", "trace", "run", "session"]
Progress = Callable[[int, int], None]

_STEP = 20_000
"""Calls between two reports of progress."""


class _Total(msgspec.Struct, gc=False):
    total: int | None = None


class _Paid(msgspec.Struct, gc=False):
    cost: _Total | None = None


_decode_paid = msgspec.json.Decoder(_Paid).decode
"""Only the cost, which is three times as fast as all of it."""


class Costs(msgspec.Struct):
    """Costs in pico-dollars, one for each call, trace, run or session; None: no cost of it is known."""

    rows: dict[Key, list[int | None]]
    """What lies in each combination of values: of a trace that lies in several, the part that is in each."""
    total: list[int | None]
    """Over all of them."""


def costs(
    store: Store,
    per: Per,
    by: Sequence[str] = (),
    since: int | None = None,
    until: int | None = None,
    where: Where | None = None,
    zone: str | None = None,
    progress: Progress | None = None,
) -> Costs:
    """What each call, trace, run of an agent or session cost. Calls that belong to no run, or session, are in none.

    Args:
        store: The ledger.
        per: What is looked at as one.
        by: Dimensions, as in `Store.summary`.
        since: Unix nanoseconds of the earliest start.
        until: Unix nanoseconds that the start must lie before.
        where: As in `Store.summary`.
        zone: As in `Store.summary`.
        progress: Told now and then how many calls were read, and of how many.

    Raises:
        ValueError: No such dimension or time zone.
        StoreError: The ledger can't be read.
    """
    number = sum(row.calls for row in store.summary(since=since, until=until, where=where)) if progress else 0
    with store.reading() as database:
        if database is None:
            return Costs({}, [])
        return _Reading(database, per, by, where).read(since, until, zone, progress, number)


class _Reading:
    def __init__(self, database: sqlite3.Connection, per: str, by: Sequence[str], where: Where | None) -> None:
        self._database = database
        self._filter = Filter(where, series_values(database), database)
        self._bookings = Bookings(database)
        self._per = per
        self._unit = of_span(per, database) if per != "call" else None
        self._by = by
        self._time = next((name for name in by if name in TIMES), None)
        self._starts: list[int] = []
        self._names: list[str] = []
        readers = {name: of_span(name, database) for name in by if name not in TIMES and of_series(name) is None}
        # What is asked of attributions alone needs no more of a span than its cost.
        names = [*readers, *self._filter_names(where)]
        self._decode: Callable[[Any], Any] = _decode_paid if all(map(of_booking, names)) else _rows.decode_rest
        self._parts = [self._part(name, readers.get(name)) for name in by]

    def _filter_names(self, where: Where | None) -> list[str]:
        return [name for name in (where or {}) if of_series(name) is None]

    def _part(self, name: str, reader: Any) -> Callable[[int, int, bytes, Any, Any], str | None]:
        if name in TIMES:
            return lambda start, _, __, ___, ____: self._names[bisect_right(self._starts, start) - 1]
        if reader is not None:
            return lambda _, __, trace, rest, booked: reader(trace, rest, booked)
        of = of_series(name)
        assert of is not None
        values = {number: of(key) for number, key in self._filter.series.items()}
        return lambda _, series, __, ___, ____: values[series]

    def read(
        self, since: int | None, until: int | None, zone: str | None, progress: Progress | None, number: int
    ) -> Costs:
        first, last = self._edges(since, until)
        if self._time is not None:
            for name, start, _ in periods(self._time, first, last, zone):
                self._names.append(name)
                self._starts.append(start)
        booked, parameters = self._filter.bookings()
        query = (
            "SELECT start, series, trace_id, rest, booking FROM span "
            f"WHERE start >= ? AND start < ? AND bill = {_rows.BILL} AND {self._filter.sql()} AND {booked}"
        )
        rows: dict[Key, dict[Any, int | None]] = {}
        whole: dict[Any, int | None] = {}
        for count, (start, series, trace, text, booking) in enumerate(
            self._database.execute(query, (first, last, *parameters))
        ):
            if progress is not None and not count % _STEP:
                progress(min(count, number), number)
            rest, attribution = self._decode(text), self._bookings.of(booking)
            if self._filter.spans and not self._filter.accepts(trace, rest, attribution):
                continue
            unit: Any = count if self._unit is None else self._unit(trace, rest, attribution)
            if unit is None:
                continue
            amount = None if rest.cost is None else rest.cost.total
            key = tuple([part(start, series, trace, rest, attribution) for part in self._parts])
            for found in (rows.setdefault(key, {}), whole):
                known = found.get(unit)
                found[unit] = amount if known is None else known if amount is None else known + amount
        if progress is not None:
            progress(number, number)
        return Costs({key: list(found.values()) for key, found in rows.items()}, list(whole.values()))

    def _edges(self, since: int | None, until: int | None) -> tuple[int, int]:
        query = "SELECT (SELECT min(start) FROM span), (SELECT max(start) FROM span)"
        first, last = self._database.execute(query).fetchone()
        if first is None:
            return 0, 0
        return first if since is None else max(first, since), last + 1 if until is None else min(last + 1, until)
