"""The sums that reports read: always equal to the spans they sum up, whatever changes in these.

By hour and series for all calls. In larger blocks of time (`_blocks`) for all calls, for each value of each dimension
of attribution, and for groups. What was booked lately waits in `rollup_new` until enough of it has come together: then
many calls of one value and series are one change.
"""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tollbook.ledger import _bookings, _sums
from tollbook.ledger._blocks import DAY, EVER, MONTH

if TYPE_CHECKING:
    import sqlite3

FOLD = 4096
"""Rows that wait at most, which every report has to read."""

_NAMES = ", ".join(_sums.COLUMNS)
_HOLES = ", ".join("?" * len(_sums.COLUMNS))
_PLUS = ", ".join(f"{name} = {name} + excluded.{name}" for name in _sums.COLUMNS)
_ADD_SERIES = (
    f"INSERT INTO rollup (hour, series, {_NAMES}) VALUES (?, ?, {_HOLES}) "
    f"ON CONFLICT (hour, series) DO UPDATE SET {_PLUS}"
)
_INTO_VALUE = f"INSERT INTO rollup_value (dimension, size, block, value, series, {_NAMES})"
_ADD_VALUE = f"ON CONFLICT (dimension, size, block, value, series) DO UPDATE SET {_PLUS}"
_ADD_BLOCK = f"{_INTO_VALUE} VALUES ({_bookings.NONE}, ?, ?, 0, ?, {_HOLES}) {_ADD_VALUE}"
_WAIT = f"INSERT INTO rollup_new (hour, booking, series, {_NAMES}) VALUES (?, ?, ?, {_HOLES})"


def roll_up(database: sqlite3.Connection, totals: _sums.Totals) -> None:
    """Add `totals` to all roll-ups, inside a transaction of the caller; what they count less is negative."""
    hours: dict[tuple[int, int], list[int]] = {}
    blocks: dict[tuple[int, int, int], list[int]] = {}
    waiting: list[tuple[int | None, ...]] = []
    for (hour, series, booking), sums in totals.items():
        _add(hours, (hour, series), sums)
        if booking is not None:
            waiting.append((hour, booking, series, *_sums.to_columns(sums)))
    for (hour, series), sums in hours.items():
        for size in (DAY, MONTH):
            _add(blocks, (size, hour // size, series), sums)
        _add(blocks, (EVER, 0, series), sums)
    database.executemany(_ADD_SERIES, [(*key, *_sums.to_columns(sums)) for key, sums in hours.items()])
    database.executemany(_ADD_BLOCK, [(*key, *_sums.to_columns(sums)) for key, sums in blocks.items()])
    if waiting:
        database.executemany(_WAIT, waiting)
        if database.execute("SELECT max(id) FROM rollup_new").fetchone()[0] >= FOLD:
            fold(database)


def fold(database: sqlite3.Connection) -> None:
    """Put what waits into the sums of its values: by day at first, since most of it is of one day."""
    sums = ", ".join(f"sum(n.{name}) AS {name}" for name in _sums.COLUMNS)
    database.execute(
        f"CREATE TEMP TABLE folded AS SELECT b.dimension, {_block('n.hour', DAY)} AS day, b.value, n.series, {sums} "
        "FROM rollup_new n CROSS JOIN booked b ON b.booking = n.booking GROUP BY b.dimension, day, b.value, n.series"
    )
    for size, block in ((DAY, "day"), (MONTH, _block("day", MONTH // DAY)), (EVER, "0")):
        which = f"dimension IN (SELECT id FROM dimension WHERE reach < {_bookings.IS_VAST})" if size else "true"
        database.execute(
            f"{_INTO_VALUE} SELECT dimension, {size}, {block}, value, series, {_NAMES} FROM folded WHERE {which} "
            + _ADD_VALUE
        )
    database.execute("DROP TABLE folded")
    database.execute("DELETE FROM rollup_new")


def _block(column: str, size: int) -> str:
    """The block of time, also before 1970, where SQL rounds the other way."""
    return f"({column} - ({column} % {size} + {size}) % {size}) / {size}"


K = TypeVar("K")


def _add(found: dict[K, list[int]], key: K, sums: list[int]) -> None:
    known = found.get(key)
    if known is None:
        found[key] = list(sums)
    else:
        _sums.combine(known, sums)
