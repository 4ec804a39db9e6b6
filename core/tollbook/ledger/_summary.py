"""Sums over calls, by any dimension: whole hours from the roll-ups, the rest from the spans themselves."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook._money import to_usd
from tollbook.ledger import _rows, _sums
from tollbook.ledger._periods import Period, periods
from tollbook.spans import DIMENSIONS
from tollbook.spans._attributes import DIMENSIONS as ATTRIBUTES

if TYPE_CHECKING:
    import sqlite3

TIMES = ("hour", "day", "month")
OF_SERIES = (*_rows.SERIES, "model")
OF_SPANS = (*DIMENSIONS, "tag.NAME", "trace", "name", "attribute.NAME")

Where = Mapping[str, str | bool | Sequence[str | None] | None]
"""What must hold, by dimension: a value, or several of which one must hold. None is "not known"."""

_MANY = 1000
"""Calls that are added up at once."""

Values = tuple[str | None, ...]


class Row(msgspec.Struct, kw_only=True):
    """Sums over the calls that share a key. Amounts of money are pico-dollars, with views in USD."""

    key: dict[str, str | None]
    """The value of each dimension that was asked for; None: not known."""
    calls: int = 0
    """Calls whose bill counts."""
    errors: int = 0
    """Of these, how many ended in an error or a timeout."""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    """Part of `input_tokens`."""
    cache_write_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of `output_tokens`."""
    input_cost: int = 0
    output_cost: int = 0
    other_cost: int = 0
    """Tools, requests, and all else that is neither sent nor generated."""
    total_cost: int = 0
    """Over the calls whose cost is known. Where a provider stated its charge, the parts need not add up to it."""
    charged_calls: int = 0
    """Calls whose cost is the provider's or the program's own figure."""
    listed_calls: int = 0
    """Those of them whose whole list price is known."""
    listed_cost: int = 0
    """What these come to by the list."""
    listed_difference: int = 0
    """What they cost beyond it; below it, if negative."""
    unpriced: int = 0
    """Calls with usage, but of a model without a known price. They are not in the cost."""
    unpriced_tokens: int = 0
    """The tokens of these calls."""
    unknown: int = 0
    """Calls of which no cost is known at all, most of them without usage. They are not in the cost."""
    partial: int = 0
    """Calls that used something without a known price, which is not in their cost."""
    estimated: int = 0
    """Calls whose usage was estimated, wholly or in part. They are in the cost."""
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


def series_values(database: sqlite3.Connection) -> dict[int, _rows.Key]:
    """The values of all series by their number."""
    found = database.execute(f"SELECT id, {', '.join(_rows.SERIES)} FROM series")
    return {row[0]: row[1:] for row in found}


def of_series(name: str) -> Callable[[_rows.Key], str | None] | None:
    """What gives a series' value in the dimension; None if it is none of a series."""
    if name == "model":
        request, response = _rows.SERIES.index("request_model"), _rows.SERIES.index("response_model")
        return lambda key: key[request] if key[response] is None else key[response]
    if name == "stream":
        index = _rows.SERIES.index(name)
        return lambda key: "true" if key[index] else "false"
    if name in _rows.SERIES:
        index = _rows.SERIES.index(name)
        return lambda key: key[index]
    return None


def of_span(name: str) -> Callable[[bytes, Any], str | None]:
    """What gives a span's value in the dimension, from its trace id and the rest of its record.

    Raises:
        ValueError: No such dimension.
    """
    if name == "trace":
        return lambda trace_id, _: trace_id.hex()
    if name == "name":
        return lambda _, rest: rest.name
    if name in DIMENSIONS:
        return _booked(name)
    kind, _, attribute = name.partition(".")
    if kind == "tag" and attribute:
        return _booked(attribute)
    if kind == "attribute" and attribute in ATTRIBUTES:
        return _booked(ATTRIBUTES[attribute])
    if kind == "attribute" and attribute:
        return lambda _, rest: _attribute(rest, attribute)
    known = ", ".join((*TIMES, *OF_SERIES, *OF_SPANS))
    raise ValueError(f"{name!r} is no dimension of the ledger; there are {known}")


def _booked(dimension: str) -> Callable[[bytes, Any], str | None]:
    def of(_: bytes, rest: Any) -> str | None:
        booked: dict[str, str] | None = rest.attribution
        return None if booked is None else booked.get(dimension)

    return of


def _attribute(rest: Any, name: str) -> str | None:
    attributes: Mapping[str, object] = rest.attributes or {}
    return _text(attributes.get(name))


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


class Filter:
    """What `where` says: which series may match, and which spans of them do."""

    def __init__(self, where: Where | None, series: Mapping[int, _rows.Key]) -> None:
        """Raises ValueError for a dimension that is not known."""
        self.spans: list[tuple[Callable[[bytes, Any], str | None], frozenset[str | None]]] = []
        self.series = dict(series)
        for name, wanted in (where or {}).items():
            several = () if wanted is None or isinstance(wanted, str | bool) else wanted
            values = frozenset(map(_text, several or (wanted,)))
            of = of_series(name)
            if of is None:
                self.spans.append((of_span(name), values))
            else:
                self.series = {number: key for number, key in self.series.items() if of(key) in values}
        self.all = len(self.series) == len(series)

    def sql(self) -> str:
        """A condition on the column `series`."""
        return "1" if self.all else f"series IN ({','.join(map(str, self.series))})"

    def accepts(self, trace_id: bytes, rest: Any) -> bool:
        """Whether a span of a matching series matches."""
        return all(of(trace_id, rest) in values for of, values in self.spans)


class Summary:
    """One question to the ledger."""

    def __init__(self, database: sqlite3.Connection, by: Sequence[str], where: Where | None) -> None:
        """Raises ValueError for a dimension that is not known, or more than one of time."""
        self._database = database
        self._filter = Filter(where, series_values(database))
        self._by = tuple(by)
        self._time = [name for name in by if name in TIMES]
        if len(self._time) > 1:
            raise ValueError(f"one of {', '.join(TIMES)} at a time")
        self._of_series = {name: of for name in by if (of := of_series(name)) is not None}
        self._of_spans = {name: of_span(name) for name in by if name not in TIMES and name not in self._of_series}
        self._rows: dict[Values, Row] = {}

    def rows(self, since: int | None, until: int | None, zone: str | None) -> list[Row]:
        """The sums for each key, by time if that was asked for, then the dearest first."""
        for name, start, end in self._periods(since, until, zone):
            for series, values, sums in self._cells(start, end):
                self._add(name, series, values, sums)
        found = [row for row in self._rows.values() if row.calls]
        found.sort(key=lambda row: (-row.total_cost, -row.total_tokens, -row.calls))
        if self._time:
            found.sort(key=lambda row: row.key[self._time[0]] or "")
        return found

    def _periods(self, since: int | None, until: int | None, zone: str | None) -> Iterable[Period]:
        first, last = self._database.execute("SELECT min(start), max(start) FROM span").fetchone()
        if first is None:
            return ()
        # Where nothing lies outside, the interval takes in whole hours, which the roll-ups have ready.
        start = first - first % _sums.HOUR if since is None or since <= first else since
        end = last + _sums.HOUR - last % _sums.HOUR if until is None or until > last else until
        return periods(self._time[0], start, end, zone) if self._time else [("", start, end)]

    def _cells(self, start: int, end: int) -> Iterator[tuple[int, Values, Sequence[int]]]:
        """Sums from `start` to `end`, by series and by what only spans tell."""
        if self._of_spans or self._filter.spans:
            yield from self._from_spans(start, end)
            return
        first, last = -(-start // _sums.HOUR), end // _sums.HOUR
        if first >= last:
            yield from self._from_spans(start, end)
            return
        yield from self._from_spans(start, first * _sums.HOUR)
        yield from self._from_rollups(first, last)
        yield from self._from_spans(last * _sums.HOUR, end)

    def _from_rollups(self, first: int, last: int) -> Iterator[tuple[int, Values, Sequence[int]]]:
        sums = ", ".join(f"sum({name})" for name in _sums.COLUMNS)
        query = (
            f"SELECT series, {sums} FROM rollup WHERE hour >= ? AND hour < ? AND {self._filter.sql()} GROUP BY series"
        )
        for series, *columns in self._database.execute(query, (first, last)):
            yield series, (), _sums.from_columns(columns)

    def _from_spans(self, start: int, end: int) -> Iterator[tuple[int, Values, Sequence[int]]]:
        if start >= end:
            return
        calls: dict[tuple[int, Values], list[_sums.Call]] = {}
        query = (
            "SELECT series, trace_id, rest FROM span "
            f"WHERE start >= ? AND start < ? AND bill = {_rows.BILL} AND {self._filter.sql()}"
        )
        for series, trace_id, text in self._database.execute(query, (start, end)):
            rest = _rows.decode_rest(text)
            if self._filter.spans and not self._filter.accepts(trace_id, rest):
                continue
            values = tuple([of(trace_id, rest) for of in self._of_spans.values()])
            found = calls.setdefault((series, values), [])
            found.append((rest.usage, rest.cost))
            if len(found) >= _MANY:
                yield series, values, _sums.sums(found)
                found.clear()
        for (series, values), found in calls.items():
            yield series, values, _sums.sums(found)

    def _add(self, period: str, series: int, values: Values, sums: Sequence[int]) -> None:
        key = self._filter.series[series]
        found: dict[str, str | None] = dict.fromkeys(self._time, period)
        found.update((name, of(key)) for name, of in self._of_series.items())
        found.update(zip(self._of_spans, values, strict=True))
        ordered = tuple([found[name] for name in self._by])
        row = self._rows.get(ordered)
        if row is None:
            row = self._rows[ordered] = Row(key=dict(zip(self._by, ordered, strict=True)))
        add_to_row(row, key, sums)


def add_to_row(row: Row, key: _rows.Key, sums: Sequence[int]) -> None:
    """Add the sums over calls of a series to `row`; what is true of all of a series' calls follows from its values."""
    values = dict(zip(_rows.SERIES, key, strict=True))
    more = dict(zip(_sums.SUMS, sums, strict=True))
    for name, quantity in more.items():
        setattr(row, name, getattr(row, name) + quantity)
    calls = more["calls"]
    if values["status"] in ("error", "timeout"):
        row.errors += calls
    if values["priced"] == "unpriced":
        row.unpriced += calls
        row.unpriced_tokens += more["input_tokens"] + more["output_tokens"]
    elif values["priced"] is None:
        row.unknown += calls
    elif values["priced"] == "partial":
        row.partial += calls
    if "estimated" in (values["source"], values["priced"]):
        row.estimated += calls
        row.estimated_cost += more["total_cost"]
