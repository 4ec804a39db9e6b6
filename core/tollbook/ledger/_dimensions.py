"""What calls can be grouped and chosen by: how each dimension is read from a series, a span, or an attribution."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tollbook.ledger import _bookings, _rows
from tollbook.spans import DIMENSIONS
from tollbook.spans._attributes import DIMENSIONS as ATTRIBUTES
from tollbook.spans._attribution import LONGEST_VALUE, text_of

if TYPE_CHECKING:
    import sqlite3

TIMES = ("hour", "day", "week", "month")
OF_SERIES = (*_rows.SERIES, "model")
OF_SPANS = (*DIMENSIONS, "tag.NAME", "run", "trace", "name", "attribute.NAME")

Wanted = str | bool | float | Sequence[str | bool | float | None] | None
Where = Mapping[str, Wanted]
"""What must hold, by dimension: a value, or several of which one must hold. None is "not known"."""

Booked = dict[str, str]
"""An attribution; empty if there is none."""

Reader = Callable[[bytes, Any, Booked], str | None]
"""What gives a span's value in a dimension, from its trace id, the rest of its record, and whom it is booked to."""


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


def of_booking(name: str) -> str | None:
    """The dimension of attribution that is meant, under any tool's name for it; None if it is none."""
    if name in DIMENSIONS:
        return name
    kind, _, rest = name.partition(".")
    return (rest or None) if kind == "tag" else ATTRIBUTES.get(rest) if kind == "attribute" else None


def of_span(name: str, database: sqlite3.Connection | None = None) -> Reader:
    """What gives a span's value in the dimension; without a `database`, only whether there is one.

    Raises:
        ValueError: No such dimension.
    """
    if name == "run":
        runs = Runs(database)
        return lambda trace_id, _, __: trace_id.hex() if runs.has(trace_id) else None
    if name == "trace":
        return lambda trace_id, _, __: trace_id.hex()
    if name == "name":
        return lambda _, rest, __: rest.name
    if (booked := of_booking(name)) is not None:
        return lambda _, __, booking: booking.get(booked)
    kind, _, attribute = name.partition(".")
    if kind == "attribute" and attribute:
        return lambda _, rest, __: _attribute(rest, attribute)
    known = ", ".join((*TIMES, *OF_SERIES, *OF_SPANS))
    raise ValueError(f"{name!r} is no dimension of the ledger; there are {known}")


def _attribute(rest: Any, name: str) -> str | None:
    attributes: Mapping[str, object] = rest.attributes or {}
    return _text(attributes.get(name))


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def texts(name: str, wanted: Wanted) -> tuple[str | None, ...]:
    """The values of the dimension of which one must hold, as the ledger has them: for `attribute`, as it keeps them."""
    several: Sequence[Any] = (wanted,) if wanted is None or isinstance(wanted, str | bool | float | int) else wanted
    booked = of_booking(name) is not None
    return tuple(
        [text_of(value)[:LONGEST_VALUE] if booked and value is not None else _text(value) for value in several]
    )


class Bookings:
    """Attributions by their number, each read once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._known: dict[int | None, Booked] = {None: {}}

    def of(self, number: int | None) -> Booked:
        """The attribution with this number; empty for None."""
        found = self._known.get(number)
        if found is None:
            query = "SELECT attribution FROM booking WHERE id = ?"
            found = self._known[number] = _bookings.decode(self._database.execute(query, (number,)).fetchone()[0])
        return found


class Runs:
    """Which traces are runs of an agent: those in which a span of kind `agent` is recorded."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database
        self._known: dict[bytes, bool] = {}

    def has(self, trace_id: bytes) -> bool:
        """Whether the trace is a run."""
        found = self._known.get(trace_id)
        if found is None and self._database is not None:
            if len(self._known) >= _TRACES:
                self._known.clear()
            found = self._known[trace_id] = self._database.execute(_RUN, (trace_id,)).fetchone() is not None
        return bool(found)


_RUN = "SELECT 1 FROM span WHERE trace_id = ? AND series IN (SELECT id FROM series WHERE kind = 'agent') LIMIT 1"
_TRACES = 10_000
"""Traces that are remembered at once."""


class Filter:
    """What `where` says: which series may match, and which spans of them do."""

    def __init__(
        self, where: Where | None, series: Mapping[int, _rows.Key], database: sqlite3.Connection | None = None
    ) -> None:
        """Raises ValueError for a dimension that is not known."""
        self.spans: list[tuple[Reader, frozenset[str | None]]] = []
        self.booked: dict[str, frozenset[str | None]] = {}
        """What of `spans` is asked of attributions alone, by dimension."""
        self.series = dict(series)
        for name, wanted in (where or {}).items():
            values = frozenset(texts(name, wanted))
            of = of_series(name)
            if of is not None:
                self.series = {number: key for number, key in self.series.items() if of(key) in values}
                continue
            self.spans.append((of_span(name, database), values))
            if (booked := of_booking(name)) is not None:
                self.booked[booked] = self.booked.get(booked, values) & values
        self.all = len(self.series) == len(series)

    def sql(self, table: str = "") -> str:
        """A condition on the column `series`."""
        return "true" if self.all else f"{table}series IN ({','.join(map(str, self.series))})"

    def bookings(self) -> tuple[str, list[str]]:
        """A condition on the column `booking` that all matching spans fulfil, and its parameters."""
        conditions = ["true"]
        parameters: list[str] = []
        for name, values in self.booked.items():
            known = [value for value in values if value is not None]
            if not _is_asked(values):
                continue
            conditions.append(
                "booking IN (SELECT b.booking FROM dimension d JOIN value v ON v.dimension = d.id JOIN booked b ON "
                f"b.value = v.id WHERE d.name = ? AND v.text IN ({', '.join('?' * len(known))}))"
            )
            parameters += [name, *known]
        return " AND ".join(conditions), parameters

    def is_told_by_bookings(self) -> bool:
        """Whether the conditions of `sql` and `bookings` are all, so that no span need be looked at."""
        return len(self.spans) == len(self.booked) and all(map(_is_asked, self.booked.values()))

    def accepts(self, trace_id: bytes, rest: Any, booked: Booked) -> bool:
        """Whether a span of a matching series matches."""
        return all(of(trace_id, rest, booked) in values for of, values in self.spans)


_MOST = 500
"""Values that are asked for by parameters of SQL, which has a limit of these."""


def _is_asked(values: frozenset[str | None]) -> bool:
    """Whether SQL is asked for these values; what is booked to none of a dimension has no row to look for."""
    return None not in values and len(values) <= _MOST
