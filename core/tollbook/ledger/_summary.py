"""Sums over calls, by any dimension: whole hours from the roll-ups, the rest from the spans themselves."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tollbook._money import to_usd
from tollbook.ledger import _bookings, _rows, _sums
from tollbook.ledger._blocks import Cell, cells
from tollbook.ledger._dimensions import (
    TIMES,
    Booked,
    Bookings,
    Filter,
    Reader,
    Where,
    of_booking,
    of_series,
    of_span,
    series_values,
)
from tollbook.ledger._numbers import NUMBERS, numbers, told
from tollbook.ledger._periods import periods
from tollbook.ledger._rolled import Kinds, Rolled, Sums, Targets, Values

if TYPE_CHECKING:
    import sqlite3

_CALLS, _INPUT, _OUTPUT, _COST = map(NUMBERS.index, ("calls", "input_tokens", "output_tokens", "total_cost"))

_MANY = 1000
"""Calls that are added up at once."""


class Row(msgspec.Struct, gc=False):
    """Sums over the calls that share a key. Amounts of money are pico-dollars, with views in USD."""

    key: dict[str, str | None]
    """The value of each dimension that was asked for; None: not known."""
    calls: int = 0
    """Calls whose bill counts."""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    """Part of `input_tokens`."""
    cache_write_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of `output_tokens`."""
    charged_calls: int = 0
    """Calls whose cost is the provider's or the program's own figure."""
    listed_calls: int = 0
    """Those of them whose whole list price is known."""
    input_cost: int = 0
    output_cost: int = 0
    other_cost: int = 0
    """Tools, requests, and all else that is neither sent nor generated."""
    total_cost: int = 0
    """Over the calls whose cost is known. Where a provider stated its charge, the parts need not add up to it."""
    listed_cost: int = 0
    """What these come to by the list."""
    listed_difference: int = 0
    """What they cost beyond it; below it, if negative."""
    errors: int = 0
    """Of these, how many ended in an error or a timeout."""
    abandoned: int = 0
    """Calls that the host gave up: cancelled ones, and streams that it stopped reading."""
    known: int = 0
    """Calls whose usage is known."""
    estimated_usage: int = 0
    """Those of them whose usage was estimated, wholly or in part."""
    unpriced: int = 0
    """Calls with usage, but of a model without a known price. They are not in the cost."""
    unpriced_tokens: int = 0
    """The tokens of these calls."""
    unknown: int = 0
    """Calls of which no cost is known at all, most of them without usage. They are not in the cost."""
    silent: int = 0
    """Those of them that did not fail, and of which the usage is not known either."""
    partial: int = 0
    """Calls that used something without a known price, which is not in their cost."""
    estimated: int = 0
    """Calls whose usage was estimated, wholly or in part, or whose price was assumed. They are in the cost."""
    estimated_cost: int = 0
    """Their part of `total_cost`."""

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    @property
    def total_usd(self) -> Decimal | None:
        """`total_cost` in USD; None if no call's cost is known."""
        return None if self.calls == self.unpriced + self.unknown else to_usd(self.total_cost)

    @property
    def input_usd(self) -> Decimal | None:
        """`input_cost` in USD; None if no call's cost is known."""
        return None if self.total_usd is None else to_usd(self.input_cost)

    @property
    def output_usd(self) -> Decimal | None:
        """`output_cost` in USD; None if no call's cost is known."""
        return None if self.total_usd is None else to_usd(self.output_cost)

    @property
    def other_usd(self) -> Decimal | None:
        """`other_cost` in USD; None if no call's cost is known."""
        return None if self.total_usd is None else to_usd(self.other_cost)

    @property
    def estimated_usd(self) -> Decimal:
        """`estimated_cost` in USD."""
        return to_usd(self.estimated_cost)


class Summary:
    """One question to the ledger."""

    def __init__(self, database: sqlite3.Connection, by: Sequence[str], where: Where | None) -> None:
        """Raises ValueError for a dimension that is not known, or more than one of time."""
        self._database = database
        self._filter = Filter(where, series_values(database), database)
        self._by = tuple(by)
        self._time = [name for name in by if name in TIMES]
        if len(self._time) > 1:
            raise ValueError(f"one of {', '.join(TIMES)} at a time")
        of_series_: dict[str, Callable[[_rows.Key], str | None]] = {}
        self._of_spans: dict[str, Reader] = {}
        for name in by:
            if (of := of_series(name)) is not None:
                of_series_[name] = of
            elif name not in TIMES:
                self._of_spans[name] = of_span(name, database)
        self._kinds = Kinds(self._filter.series, list(of_series_.values()))
        self._names = (*self._time, *of_series_, *self._of_spans)
        self._booked = [of_booking(name) for name in self._of_spans]
        """The dimensions of attribution that are asked for, in the order of `_of_spans`; None: it is none of these."""
        self._bookings = Bookings(database)
        self._sums = Sums()
        self._told: dict[int, tuple[bool, ...]] = {}

    def rows(self, since: int | None, until: int | None, zone: str | None) -> list[Row]:
        """The sums for each key, by time if that was asked for, then the dearest first."""
        names: list[str] = []
        pieces: list[tuple[int, int]] = []
        edges = self._edges()
        if edges is None:
            return []
        for name, start, end in self._periods(edges, since, until, zone):
            names.append(name)
            pieces.append((start, end))
        self._read(pieces, edges)
        return [row for _, row in self._to_rows(names)]

    def each(self, pieces: Sequence[tuple[int, int]]) -> list[list[Row]]:
        """The sums for each key in each piece of time, from a start to an end that is not included."""
        found: list[list[Row]] = [[] for _ in pieces]
        edges = self._edges()
        if edges is not None:
            self._read(pieces, edges)
            for piece, row in self._to_rows([""] * len(pieces)):
                found[piece].append(row)
        return found

    def _edges(self) -> tuple[int, int] | None:
        """The first and the last start of all spans; None if there are none."""
        query = "SELECT (SELECT min(start) FROM span), (SELECT max(start) FROM span)"
        first, last = self._database.execute(query).fetchone()
        return None if first is None else (first, last)

    def _periods(
        self, edges: tuple[int, int], since: int | None, until: int | None, zone: str | None
    ) -> Iterator[tuple[str, int, int]]:
        first, last = edges
        # Where nothing lies outside, the interval takes in whole hours, which the roll-ups have ready.
        start = first - first % _sums.HOUR if since is None or since <= first else since
        end = last + _sums.HOUR - last % _sums.HOUR if until is None or until > last else until
        return periods(self._time[0], start, end, zone) if self._time else iter([("", start, end)])

    def _read(self, pieces: Sequence[tuple[int, int]], edges: tuple[int, int]) -> None:
        """Sum up each piece of time, mostly from roll-ups."""
        begin, end = edges[0] // _sums.HOUR, edges[1] // _sums.HOUR + 1
        whole = [(-(-start // _sums.HOUR) <= begin, stop // _sums.HOUR >= end) for start, stop in pieces]
        rolled = self._rolled(whole=whole == [(True, True)])
        from_roll_ups: dict[Cell, Targets] = {}
        for period, (start, stop) in enumerate(pieces):
            first, last = -(-start // _sums.HOUR), stop // _sums.HOUR
            if rolled is None or first >= last:
                self._from_spans(start, stop, period)
                continue
            self._from_spans(start, first * _sums.HOUR, period)
            self._from_spans(last * _sums.HOUR, stop, period)
            for cell, sign in cells(first, last, begin, end):
                targets = from_roll_ups.setdefault(cell, {})
                targets[period] = targets.get(period, 0) + sign
        if rolled is not None:
            rolled(from_roll_ups)

    def _rolled(self, *, whole: bool) -> Callable[[dict[Cell, Targets]], None] | None:
        """What reads the roll-ups that can answer, of the whole time or of parts; None if none can."""
        asked = {*self._booked, *self._filter.booked}
        if None in asked or len(self._filter.spans) > len(self._filter.booked):
            return None
        query = f"SELECT name, id, reach FROM dimension WHERE name IN ({', '.join('?' * len(asked))})"
        known = self._database.execute(query, list(asked)).fetchall()
        if not known:
            return lambda found: self._from_roll_ups(found, _bookings.NONE)
        if len(known) == 1:
            ((name, dimension, reach),) = known
            if reach == _bookings.IS_VAST and not whole:
                return None
            return lambda found: self._from_roll_ups(found, dimension, name)
        if all(reach == _bookings.IS_NARROW for _, _, reach in known):
            return lambda found: self._from_roll_ups(found, _bookings.GROUP)
        return None

    def _from_roll_ups(self, found: dict[Cell, Targets], dimension: int, name: str = "") -> None:
        if dimension == _bookings.NONE and self._label({}) is None:
            return
        # What is booked has sums by day and more.
        here = {cell: of for cell, of in found.items() if cell.size != 1 or dimension == _bookings.NONE}
        rolled = Rolled(self._database, self._filter, self._kinds, dimension, self._label, name)
        rolled.read(here, self._sums)
        rolled.read_new(here, self._sums)
        for cell, targets in found.items():
            if cell in here:
                continue
            start, end = (block * cell.size * _sums.HOUR for block in (cell.first, cell.last))
            for period, sign in targets.items():
                self._from_spans(start, end, period, sign)

    def _label(self, booked: Booked) -> Values | None:
        """The values of an attribution; None if it is filtered out."""
        wanted = self._filter.booked
        if wanted and any(booked.get(name) not in values for name, values in wanted.items()):
            return None
        return tuple([booked.get(name or "") for name in self._booked])

    def _from_spans(self, start: int, end: int, period: int, sign: int = 1) -> None:
        if start >= end:
            return
        calls: dict[tuple[int, Values], list[_sums.Call]] = {}
        where, parameters = self._filter.bookings()
        query = (
            "SELECT series, trace_id, rest, booking FROM span "
            f"WHERE start >= ? AND start < ? AND bill = {_rows.BILL} AND {self._filter.sql()} AND {where}"
        )
        for series, trace_id, text, booking in self._database.execute(query, (start, end, *parameters)):
            rest, booked = _rows.decode_rest(text), self._bookings.of(booking)
            if self._filter.spans and not self._filter.accepts(trace_id, rest, booked):
                continue
            values = tuple([of(trace_id, rest, booked) for of in self._of_spans.values()])
            found = calls.setdefault((series, values), [])
            found.append((rest.usage, rest.cost))
            if len(found) >= _MANY:
                self._add(period, series, values, found, sign)
                found.clear()
        for (series, values), found in calls.items():
            self._add(period, series, values, found, sign)

    def _add(self, period: int, series: int, values: Values, calls: Sequence[_sums.Call], sign: int) -> None:
        true = self._told.get(series)
        if true is None:
            true = self._told[series] = told(self._filter.series[series])
        found = numbers(true, _sums.sums(calls))
        self._sums.add((period, self._kinds.of_series[series], values), found, sign)

    def _to_rows(self, periods_: Sequence[str]) -> list[tuple[int, Row]]:
        """Rows with the number of their period, by which they are sorted; then the dearest first."""
        # What has no calls was somewhere else.
        found = [(key, sums) for key, sums in self._sums.found.items() if sums[_CALLS]]
        found.sort(key=_dearness, reverse=True)
        if self._time or len(periods_) > 1:
            found.sort(key=_period)
        order = [self._names.index(name) for name in self._by]
        in_order = order == list(range(len(order)))
        kinds, by = self._kinds.kinds, self._by
        rows: list[tuple[int, Row]] = []
        for (period, kind, booked), sums in found:
            values = (periods_[period], *kinds[kind], *booked) if self._time else (*kinds[kind], *booked)
            ordered = values if in_order else tuple([values[number] for number in order])
            rows.append((period, Row(dict(zip(by, ordered, strict=True)), *sums)))
        return rows


_Found = tuple[tuple[int, int, Values], Sequence[int]]


def _dearness(found: _Found) -> tuple[int, int, int]:
    sums = found[1]
    return sums[_COST], sums[_INPUT] + sums[_OUTPUT], sums[_CALLS]


def _period(found: _Found) -> int:
    return found[0][0]
