"""A batch of records, put into the tables so that every sum stays true."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from tollbook.ledger import _bookings, _cover, _limits, _rows, _sums
from tollbook.ledger._rollups import roll_up
from tollbook.spans import Record, complete

if TYPE_CHECKING:
    import sqlite3

# Python's sqlite3 takes a third of a microsecond to bind `None` or `bytes`, since it looks for an adapter first. So a
# row has neither: ids are bytearrays, and what is not there is another value that is never stored.
_VALUES = "(?, ?, NULLIF(?, ''), ?, ?, ?, ?, ?, NULLIF(?, 0))"
_INSERT = f"INSERT OR IGNORE INTO span ({_rows.COLUMNS}) VALUES {_VALUES}"
_TOGETHER = 100
"""Rows that one statement inserts: half the time that each alone takes, and not beyond the 999 parameters that every
SQLite takes. With each statement the interpreter is another thread's, and its memory another processor's."""
_FEW = 4
"""Rows that are inserted one by one."""
_INSERT_TOGETHER = f"{_INSERT}{f', {_VALUES}' * (_TOGETHER - 1)}"
_FIND_SERIES = "SELECT id FROM series WHERE " + " AND ".join(f"{name} IS ?" for name in _rows.SERIES)
_NEW_SERIES = f"INSERT INTO series ({', '.join(_rows.SERIES)}) VALUES ({', '.join('?' * len(_rows.SERIES))})"

_CACHED = 10_000
"""Series whose numbers are kept in memory, at most."""

Row = tuple[Any, ...]


class SeriesIds:
    """The numbers of series and of attributions, looked up in the ledger once each, and what rate cards it has."""

    __slots__ = ("_database", "bookings", "cards", "known")

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.known: dict[_rows.Key, int] = {}
        self.bookings = _bookings.Bookings(database)
        self.cards: set[str] = set()
        """Ids of cards that the ledger has; it may have others."""

    def forget(self) -> None:
        """Look all up again: a transaction was undone, which may have been what made some."""
        self.known.clear()
        self.bookings.known.clear()
        self.cards.clear()

    def find(self, key: _rows.Key) -> int:
        """The number of the series with these values, which is made if there is none."""
        found = self._database.execute(_FIND_SERIES, key).fetchone()
        number = int(found[0]) if found else int(self._database.execute(_NEW_SERIES, key).lastrowid or 0)
        if len(self.known) >= _CACHED:
            self.known.clear()
        self.known[key] = number
        return number


class Batch:
    """Records on their way into the tables, inside one transaction of the caller.

    It is given a few at a time, which takes a tenth less, since what is needed again is still near the processor; and
    closed in the end.
    """

    __slots__ = (
        "_covers",
        "_database",
        "_kept",
        "_limits",
        "_records",
        "_rows",
        "_series",
        "_totals",
        "cards",
        "latest",
        "new",
        "refused",
    )

    def __init__(self, database: sqlite3.Connection, series: SeriesIds) -> None:
        self.new = 0
        """Records that the ledger did not have."""
        self.refused: list[Record] = []
        """Those that can't be stored (an id that is not hexadecimal, a number beyond 64 bits, too much for a call)."""
        self.latest: tuple[int, str] | None = None
        """When the last of the new ones ended (Unix nanoseconds), and its trace; None: none is new."""
        self.cards: set[tuple[str, ...]] = set()
        """The rate cards by which the new ones were priced."""
        self._database = database
        self._series = series
        self._covers = _cover.any_covers(database)
        self._limits = _limits.limits_of(database)
        self._records: list[Record] = []
        self._rows: list[Row] = []
        self._kept: list[Record] = []
        self._totals: _sums.Totals = {}

    def add(self, records: list[Record]) -> None:
        """Put `records` into the tables; what is in the ledger already is left out."""
        too_much: list[Record] = []
        for record in records:
            if (record.raw is None or record.charge is not None) and not _sums.summable(record):
                too_much.append(record)
            elif record.raw is not None:
                complete(record)  # what is read, and what its price comes to, is never too much
        records = self._refuse(records, too_much)
        rows, refused = _to_rows(records, self._series)
        records = self._refuse(records, refused)
        self._records += records
        self._rows += rows
        while len(self._rows) >= _TOGETHER:
            self._store(self._records[:_TOGETHER], self._rows[:_TOGETHER])
            del self._records[:_TOGETHER], self._rows[:_TOGETHER]

    def _refuse(self, records: list[Record], refused: list[Record]) -> list[Record]:
        """Those of `records` that are not refused."""
        if not refused:
            return records
        self.refused += refused
        bad = set(map(id, refused))
        return [record for record in records if id(record) not in bad]

    def _store(self, records: list[Record], rows: list[Row]) -> None:
        """Put no more into the tables than one statement inserts."""
        database = self._database
        try:
            new = _insert(database, rows)
        except OverflowError:  # nothing was inserted
            self.refused += [record for record, row in zip(records, rows, strict=True) if not _fits(row)]
            records = [record for record, row in zip(records, rows, strict=True) if _fits(row)]
            rows = [row for row in rows if _fits(row)]
            new = _insert(database, rows)
        if new != len(rows):
            records, rows = _inserted(database, new, records, rows)
        if not records:
            return
        self.new += len(records)
        for key, found in _add_up(records, rows).items():
            _sums.combine(self._totals.setdefault(key, [0] * len(_sums.SUMS)), found)
        self._covers = _cover.settle(database, records, self._totals, self._covers)
        self.cards.update({record.cost.cards for record in records if record.cost is not None})
        last = max([(record.start + record.duration, record.trace_id) for record in records])
        self.latest = last if self.latest is None else max(self.latest, last)
        if self._limits:
            self._kept += records

    def close(self) -> None:
        """Make all sums true of what was added."""
        if self._rows:
            self._store(self._records, self._rows)
        roll_up(self._database, self._totals)
        if self._kept:
            paid = sum(record.cost.total or 0 for record in self._kept if record.cost is not None)
            # What is spent of a limit is one number of 64 bits, which are 9.2 million dollars.
            for some in [self._kept] if paid < 2**63 else [[record] for record in self._kept]:
                _limits.apply(self._database, some)


def _to_rows(records: list[Record], series: SeriesIds) -> tuple[list[Row], list[Record]]:
    # The loop that all records pass: what it uses is local, and what is called is written in C.
    rows: list[Row] = []
    refused: list[Record] = []
    unhex, known, encode = bytearray.fromhex, series.known, _rows.encode
    booked, key_of = series.bookings.known, _bookings.key
    fields_of, rest_of, make_rest, derived = _rows.fields_of, _rows.rest_of, _rows.Rest, _rows.derived
    for record in records:
        key = fields_of(record) + derived(record.usage, record.cost, record.context)
        number = known.get(key) or series.find(key)
        parent, attribution = record.parent_id, record.attribution
        booking = 0
        if attribution is not None:
            booking = booked.get(key_of(attribution)) or series.bookings.find(attribution)
        try:
            row = (
                unhex(record.trace_id),
                unhex(record.span_id),
                "" if parent is None else unhex(parent),
                number,
                record.start,
                record.duration,
                1 if record.bills else 0,
                encode(make_rest(*rest_of(record))).decode(),
                booking,
            )
        except (ValueError, OverflowError):
            refused.append(record)
        else:
            rows.append(row)
    return rows, refused


def _insert(database: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Insert those rows, no more than one statement inserts, that are not there; how many these were.

    Raises:
        OverflowError: One has a number beyond 64 bits; then none is inserted.
    """
    if len(rows) > _FEW:
        values = [*chain.from_iterable(rows)]
        # The statement is always the same: the last row is there already when it comes again.
        values += rows[-1] * (_TOGETHER - len(rows))
        return database.execute(_INSERT_TOGETHER, values).rowcount
    if not all(map(_fits, rows)):
        raise OverflowError
    return database.executemany(_INSERT, rows).rowcount if rows else 0


def _fits(row: Row) -> bool:
    """Whether all numbers of a row are of 64 bits."""
    return all(-(2**63) <= value < 2**63 for value in row if value.__class__ is int)


def _inserted(
    database: sqlite3.Connection, new: int, records: list[Record], rows: list[Row]
) -> tuple[list[Record], list[Row]]:
    """Those of the records that were inserted last, and their rows: `new` of them; the ledger has had the others."""
    ids = set(database.execute("SELECT trace_id, span_id FROM span ORDER BY id DESC LIMIT ?", (new,)))
    found: dict[tuple[bytes, bytes], tuple[Record, Row]] = {}
    for record, row in zip(records, rows, strict=True):
        key = bytes(row[0]), bytes(row[1])
        if key in ids:
            found.setdefault(key, (record, row))
    return [record for record, _ in found.values()], [row for _, row in found.values()]


def _add_up(records: Sequence[Record], rows: Sequence[Row]) -> _sums.Totals:
    """The sums over those records that bill."""
    calls: dict[tuple[int, int, int], list[_sums.Call]] = {}
    for record, row in zip(records, rows, strict=True):
        if row[6]:
            key = row[4] // _sums.HOUR, row[3], row[8]
            found = calls.get(key)
            if found is None:
                found = calls[key] = []
            found.append((record.usage, record.cost))
    return {(hour, series, booking or None): _sums.sums(found) for (hour, series, booking), found in calls.items()}
