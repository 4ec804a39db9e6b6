"""The traces and sessions of a ledger, page by page: the latest or the dearest first."""

# ruff: noqa: S608 - only words of our own are put into SQL; values are parameters

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import msgspec

from tollbook._money import to_usd
from tollbook.ledger import _rows
from tollbook.ledger._dimensions import Bookings, Filter, Where, series_values
from tollbook.ledger._sums import MICRO

if TYPE_CHECKING:
    import sqlite3

Order = Literal["time", "cost"]

_COST = f"CASE WHEN bill = {_rows.BILL} THEN json_extract(rest, '$.cost.total') END AS cost"
# Pico-dollars beyond 64 bits would end SQLite's sum(), so micro-dollars and what is left of them are added up apart.
_SUMS = (
    f"trace_id, min(start) AS start, sum(bill = {_rows.BILL}) AS calls, count(cost) AS priced, "
    f"sum(cost / {MICRO}) AS micro, sum(cost % {MICRO}) AS pico"
)
_REST = f"((pico % {MICRO} + {MICRO}) % {MICRO})"
_WHOLE = f"(micro + (pico - {_REST}) / {MICRO})"


_END = (1 << 63) - 1


class TraceSum(msgspec.Struct, frozen=True):
    """One trace: what those of its spans come to that were asked for."""

    trace_id: str
    start: int
    """Of the first of these spans, in Unix nanoseconds."""
    calls: int
    """Calls among them whose bill counts."""
    priced_calls: int
    """Those of them whose cost is known."""
    cost: int | None
    """What these cost, in pico-dollars; None: no cost is known."""
    cursor: str
    """What `Store.traces` takes as `after`, to go on behind this trace."""

    @property
    def cost_usd(self) -> Decimal | None:
        """`cost` in USD; None if it is not known."""
        return None if self.cost is None else to_usd(self.cost)


class Latest(NamedTuple):
    """A session, where its latest call stands."""

    session_id: str
    last: int
    """Start of the latest of its spans that were asked for, in Unix nanoseconds."""
    cursor: str
    """What `Store.sessions` takes as `after`, to go on behind this session."""


class Page:
    """One question; `read` asks it for traces, `sessions` for those."""

    def __init__(self, database: sqlite3.Connection, where: Where | None, since: int | None, until: int | None) -> None:
        """Raises ValueError for a dimension that is not known."""
        self._database = database
        chosen, bookings = Filter(where, series_values(database), database), Bookings(database)
        booked, self._parameters = chosen.bookings()
        # Only edges that there are: SQLite would take those of all time for a reason to use the index.
        edges = [f"start >= {since}"] * (since is not None) + [f"start < {until}"] * (until is not None)
        self._fits = " AND ".join([*edges, chosen.sql(), booked])
        if not chosen.is_told_by_bookings():
            self._fits += " AND fits(trace_id, rest, booking)"

            def fits(trace_id: bytes, rest: str, booking: int | None) -> bool:
                return chosen.accepts(trace_id, _rows.decode_rest(rest), bookings.of(booking))

            database.create_function("fits", 3, fits)

    def read(self, order: Order, limit: int, after: str | None) -> list[TraceSum]:
        """The traces of the page."""
        return self._latest(limit, after) if order == "time" else self._dearest(limit, after)

    def _latest(self, limit: int, after: str | None) -> list[TraceSum]:
        """Each trace stands where its last span does that fits, so that no page repeats one of another page."""
        start, number = (_END, _END) if after is None else _numbers(after)
        query = (
            f"SELECT trace_id, start, id FROM span AS s WHERE start <= ? AND (start, id) < (?, ?) AND {self._fits} "
            "AND NOT EXISTS (SELECT 1 FROM span WHERE trace_id = s.trace_id AND (start, id) > (s.start, s.id) "
            f"AND {self._fits}) ORDER BY start DESC, id DESC LIMIT ?"
        )
        values = (start, start, number, *self._parameters, *self._parameters, limit)
        found = {row[0]: f"{row[1]}.{row[2]}" for row in self._database.execute(query, values)}
        query = f"SELECT {_SUMS} FROM (SELECT *, {_COST} FROM span WHERE trace_id = ? AND {self._fits})"
        return [
            _to_sum(self._database.execute(query, (trace_id, *self._parameters)).fetchone(), cursor)
            for trace_id, cursor in found.items()
        ]

    def _dearest(self, limit: int, after: str | None) -> list[TraceSum]:
        # All that fits is read: what a trace costs is known only when its last span has been seen.
        behind, values = "true", tuple[Any, ...]()
        if after is not None:
            cost, trace_id = _place(after)
            if cost is None:
                behind, values = "pico IS NULL AND trace_id > ?", (trace_id,)
            else:
                place, values = f"({_WHOLE}, {_REST})", (*divmod(cost, MICRO), *divmod(cost, MICRO), trace_id)
                behind = f"(pico IS NULL OR {place} < (?, ?) OR ({place} = (?, ?) AND trace_id > ?))"
        # The limit keeps SQLite from reading the cost anew for each sum, and the plus from going through the table in
        # the order of ids, which is none of the disk's.
        spans = f"SELECT trace_id, start, bill, {_COST} FROM span WHERE {self._fits} LIMIT -1"
        query = (
            f"SELECT * FROM (SELECT {_SUMS} FROM ({spans}) GROUP BY +trace_id) WHERE {behind} "
            f"ORDER BY pico IS NULL, {_WHOLE} DESC, {_REST} DESC, trace_id LIMIT ?"
        )
        rows = self._database.execute(query, (*self._parameters, *values, limit))
        return [_to_sum(row, None) for row in rows]

    def sessions(self, limit: int, after: str | None) -> list[Latest]:
        """The sessions of the page. Each stands where its last span does that fits, as traces do."""
        ask = self._database.execute
        dimension = ask("SELECT id FROM dimension WHERE name = 'session'").fetchone()
        if dimension is None:
            return []
        start, number = (_END, _END) if after is None else _numbers(after)
        query = (
            "SELECT start, id, (SELECT value FROM booked WHERE booked.booking = span.booking AND dimension = ?) "
            f"FROM span WHERE start <= ? AND (start, id) < (?, ?) AND {self._fits} ORDER BY start DESC, id DESC"
        )
        later = (
            "SELECT 1 FROM span WHERE booking IN (SELECT booking FROM booked WHERE value = ?) "
            f"AND start >= ? AND (start, id) >= (?, ?) AND {self._fits} LIMIT 1"
        )
        found: list[Latest] = []
        seen: set[int] = set()
        for last, span, value in ask(query, (*dimension, start, start, number, *self._parameters)):
            if value is None or value in seen:
                continue
            seen.add(value)
            if after is not None and ask(later, (value, start, start, number, *self._parameters)).fetchone():
                continue  # it stands on a page before
            name: str = ask("SELECT text FROM value WHERE id = ?", (value,)).fetchone()[0]
            found.append(Latest(name, last, f"{last}.{span}"))
            if len(found) >= limit:
                break
        return found


def _to_sum(row: tuple[Any, ...], cursor: str | None) -> TraceSum:
    trace_id, start, calls, priced, micro, pico = row
    cost = None if pico is None else micro * MICRO + pico
    if cursor is None:
        cursor = f"{'' if cost is None else cost}.{trace_id.hex()}"
    return TraceSum(trace_id.hex(), start, calls, priced, cost, cursor)


def checked(order: str) -> Order:
    """The order, if it is one.

    Raises:
        ValueError: It is none.
    """
    if order not in get_args(Order):
        raise ValueError(f"traces come in the order of {' or '.join(get_args(Order))}, not of {order!r}")
    return order  # type: ignore[return-value]


def _numbers(cursor: str) -> tuple[int, int]:
    left, _, right = cursor.partition(".")
    try:
        start, number = int(left), int(right)
    except ValueError:
        raise _wrong(cursor) from None
    if max(abs(start), abs(number)) >> 63:
        raise _wrong(cursor)
    return start, number


def _place(cursor: str) -> tuple[int | None, bytes]:
    left, _, right = cursor.partition(".")
    try:
        cost, trace_id = int(left) if left else None, bytes.fromhex(right)
    except ValueError:
        raise _wrong(cursor) from None
    if not trace_id or (cost is not None and abs(cost // MICRO) >> 63):
        raise _wrong(cursor)
    return cost, trace_id


def _wrong(cursor: str) -> ValueError:
    return ValueError(f"{cursor!r} is no place among traces in this order: give `after` the cursor of a trace before")
