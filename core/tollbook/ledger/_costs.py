"""What each call, trace, run or session cost, read from the spans themselves."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tollbook.ledger import _rows
from tollbook.ledger._dimensions import (
    TIMES,
    Booked,
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


_COST = "json_extract(rest, '$.cost.total')"
_Call = tuple[Key, Any, int | None]
"""Whose it is, which trace, run or session it is part of (None: that is not asked), and what it cost."""


class Costs(msgspec.Struct):
    """Costs in pico-dollars, one for each call, trace, run or session; None: no cost of it is known."""

    rows: dict[Key, list[int | None]]
    """What lies in each combination of values: of a trace that lies in several, the part that is in each."""
    others: list[int | None]
    """What lies in all combinations together that were not asked for apart."""
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
    apart: Collection[Key] | None = None,
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
        apart: The combinations of values that are asked for; None: all.
        progress: Told now and then how many calls were read, and of how many.

    Raises:
        ValueError: No such dimension or time zone.
        StoreError: The ledger can't be read.
    """
    number = sum(row.calls for row in store.summary(since=since, until=until, where=where)) if progress else 0
    with store.reading() as database:
        if database is None:
            return Costs({}, [], [])
        return _Reading(database, per, by, where).read(since, until, zone, apart, progress, number)


class _Reading:
    def __init__(self, database: sqlite3.Connection, per: str, by: Sequence[str], where: Where | None) -> None:
        self._database = database
        self._filter = Filter(where, series_values(database), database)
        self._bookings = Bookings(database)
        self._unit = of_span(per, database) if per != "call" else None
        self._by = by
        self._parts = [self._part(name) for name in by if name not in TIMES]
        self._time = next((place for place, name in enumerate(by) if name in TIMES), None)
        self._starts: list[int] = []
        self._names: list[str] = []
        asked = [name for name in (*by, *(where or {})) if name not in TIMES and of_series(name) is None]
        self._is_booked = bool(asked) or per == "session"
        """Whether anything is asked of attributions."""
        self._is_short = all(map(of_booking, asked))
        """Whether nothing else is asked of spans, so that SQL can take the cost out of each."""

    def read(
        self,
        since: int | None,
        until: int | None,
        zone: str | None,
        apart: Collection[Key] | None,
        progress: Progress | None,
        number: int,
    ) -> Costs:
        first, last = self._edges(since, until)
        if self._time is not None:
            for name, start, _ in periods(self._by[self._time], first, last, zone):
                self._names.append(name)
                self._starts.append(start)
        booked, parameters = self._filter.bookings()
        query = (
            f"SELECT start, series, trace_id, booking, {_COST if self._is_short else 'rest'} FROM span "
            f"WHERE start >= ? AND start < ? AND bill = {_rows.BILL} AND {self._filter.sql()} AND {booked}"
        )
        rows = _counted(self._database.execute(query, (first, last, *parameters)), progress, number)
        calls = self._short(rows) if self._is_short else self._whole(rows)
        return _each(calls, apart) if self._unit is None else _together(calls, apart)

    def _short(self, rows: Iterator[Sequence[Any]]) -> Iterator[_Call]:
        """The calls, of which no record is read."""
        keys = {} if self._is_booked else {number: self._key(number, b"", None, {}) for number in self._filter.series}
        for start, series, trace, booking, amount in rows:
            booked = self._bookings.of(booking) if self._is_booked else {}
            if not self._filter.spans or self._filter.accepts(trace, None, booked):
                key = keys.get(series) or self._key(series, trace, None, booked)
                unit = None if self._unit is None else self._unit(trace, None, booked)
                yield key if self._time is None else self._timed(key, start), unit, amount

    def _whole(self, rows: Iterator[Sequence[Any]]) -> Iterator[_Call]:
        """The calls, each of which is looked at."""
        for start, series, trace, booking, text in rows:
            rest, booked = _rows.decode_rest(text), self._bookings.of(booking)
            if not self._filter.spans or self._filter.accepts(trace, rest, booked):
                key = self._key(series, trace, rest, booked)
                unit = None if self._unit is None else self._unit(trace, rest, booked)
                amount = None if rest.cost is None else rest.cost.total
                yield key if self._time is None else self._timed(key, start), unit, amount

    def _key(self, series: int, trace: bytes, rest: Any, booked: Booked) -> Key:
        """The values in all dimensions but those of time."""
        return tuple([part(series, trace, rest, booked) for part in self._parts])

    def _part(self, name: str) -> Callable[[int, bytes, Any, Booked], str | None]:
        if (of := of_series(name)) is not None:
            values = {number: of(key) for number, key in self._filter.series.items()}
            return lambda series, _, __, ___: values[series]
        read = of_span(name, self._database)
        return lambda _, trace, rest, booked: read(trace, rest, booked)

    def _timed(self, key: Key, start: int) -> Key:
        return (*key[: self._time], self._names[bisect_right(self._starts, start) - 1], *key[self._time :])

    def _edges(self, since: int | None, until: int | None) -> tuple[int, int]:
        query = "SELECT (SELECT min(start) FROM span), (SELECT max(start) FROM span)"
        first, last = self._database.execute(query).fetchone()
        if first is None:
            return 0, 0
        return first if since is None else max(first, since), last + 1 if until is None else min(last + 1, until)


def _counted(rows: Iterator[Sequence[Any]], progress: Progress | None, number: int) -> Iterator[Sequence[Any]]:
    """The rows, with word of how many there were."""
    if progress is None:
        yield from rows
        return
    for count, row in enumerate(rows):
        if not count % _STEP:
            progress(min(count, number), number)
        yield row
    progress(number, number)


def _each(calls: Iterator[_Call], apart: Collection[Key] | None) -> Costs:
    """The costs of calls, each by itself."""
    rows: dict[Key, list[int | None]] = {}
    for key, _, amount in calls:
        found = rows.get(key)
        if found is None:
            found = rows[key] = []
        found.append(amount)
    whole = list(chain.from_iterable(rows.values()))
    if apart is None:
        return Costs(rows, [], whole)
    others = list(chain.from_iterable(amounts for key, amounts in rows.items() if key not in apart))
    return Costs({key: amounts for key, amounts in rows.items() if key in apart}, others, whole)


def _together(calls: Iterator[_Call], apart: Collection[Key] | None) -> Costs:
    """The costs of traces, runs or sessions; calls that are part of none are left out."""
    rows: dict[Key, dict[Any, int | None]] = {}
    others: dict[Any, int | None] = {}
    whole: dict[Any, int | None] = {}
    for key, unit, amount in calls:
        if unit is None:
            continue
        row = rows.setdefault(key, {}) if apart is None or key in apart else others
        for found in (row, whole):
            known = found.get(unit)
            found[unit] = amount if known is None else known if amount is None else known + amount
    return Costs(
        {key: list(found.values()) for key, found in rows.items()}, list(others.values()), list(whole.values())
    )
