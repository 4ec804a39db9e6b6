"""Whom spans are booked to: each attribution that occurred is one row, and each of its values another.

A dimension begins narrow. It is wide once it has more than `NARROW` values, and vast beyond `WIDE`, and stays so. What
an attribution says in narrow dimensions is its group, which has sums of its own, so that two narrow dimensions can be
asked for at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3

NARROW, WIDE, GROUPS = 500, 20_000, 2000
"""The most values of a narrow and of a wide dimension; and of groups, before the widest dimension leaves them."""

IS_NARROW, IS_WIDE, IS_VAST = 0, 1, 2
"""The column `reach` of a dimension."""

NONE, GROUP = 0, 1
"""Dimensions by number: that of all calls, whose only value is 0, and that of groups. The others have names."""

_CACHED = 10_000
"""Attributions whose numbers are kept in memory, at most."""

encode = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder(dict[str, str]).decode

Attribution = dict[str, str]


def key(attribution: Attribution) -> tuple[str, ...]:
    """What `Bookings.known` knows an attribution by; the order of its dimensions may make it two."""
    return (*attribution, *attribution.values())


class Bookings:
    """The numbers of attributions, looked up in the ledger once each."""

    __slots__ = ("_database", "known")

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.known: dict[tuple[str, ...], int] = {}
        """Must be cleared when a transaction is undone: it may have been what made one."""

    def find(self, attribution: Attribution) -> int:
        """The number of this attribution, which is made if there is none."""
        text = encode(attribution)
        query = "SELECT id FROM booking WHERE attribution = CAST(? AS TEXT)"
        found = self._database.execute(query, (text,)).fetchone()
        number = int(found[0]) if found else make(self._database, attribution)
        if len(self.known) >= _CACHED:
            self.known.clear()
        self.known[key(attribution)] = number
        return number


def make(database: sqlite3.Connection, attribution: Attribution) -> int:
    """A new row for this attribution, and for those of its values that are new."""
    query = "INSERT INTO booking (attribution) VALUES (CAST(? AS TEXT))"
    number = int(database.execute(query, (encode(attribution),)).lastrowid or 0)
    narrow: Attribution = {}
    values: list[tuple[int, int, int]] = []
    for name, text in attribution.items():
        dimension, reach = _dimension(database, name)
        values.append((number, dimension, _value(database, dimension, text)))
        if reach == IS_NARROW:
            narrow[name] = text
    if narrow:
        values.append((number, GROUP, _value(database, GROUP, encode(narrow).decode())))
    database.executemany("INSERT INTO booked (booking, dimension, value) VALUES (?, ?, ?)", values)
    return number


def _dimension(database: sqlite3.Connection, name: str) -> tuple[int, int]:
    found = database.execute("SELECT id, reach FROM dimension WHERE name = ?", (name,)).fetchone()
    if found is None:
        return int(database.execute("INSERT INTO dimension (name) VALUES (?)", (name,)).lastrowid or 0), IS_NARROW
    return int(found[0]), int(found[1])


def _value(database: sqlite3.Connection, dimension: int, text: str) -> int:
    found = database.execute("SELECT id FROM value WHERE dimension = ? AND text = ?", (dimension, text)).fetchone()
    if found is not None:
        return int(found[0])
    number = database.execute("INSERT INTO value (dimension, text) VALUES (?, ?)", (dimension, text)).lastrowid
    database.execute("UPDATE dimension SET members = members + 1 WHERE id = ?", (dimension,))
    query = "SELECT members, reach FROM dimension WHERE id = ?"
    members, reach = database.execute(query, (dimension,)).fetchone()
    if dimension == GROUP:
        if members > GROUPS:
            _part_with_one(database)
    elif (members > NARROW and reach == IS_NARROW) or (members > WIDE and reach == IS_WIDE):
        database.execute("UPDATE dimension SET reach = reach + 1 WHERE id = ?", (dimension,))
        if reach == IS_WIDE:
            # Its days have about as many rows as spans: all that is kept of it are the sums over all time.
            database.execute("DELETE FROM rollup_value WHERE dimension = ? AND size > 0", (dimension,))
    return int(number or 0)


def _part_with_one(database: sqlite3.Connection) -> None:
    """The narrow dimension with the most values makes no groups any more."""
    query = "SELECT id FROM dimension WHERE reach = 0 AND id > ? ORDER BY members DESC LIMIT 1"
    database.execute(f"UPDATE dimension SET reach = 1 WHERE id = ({query})", (GROUP,))  # noqa: S608 - our own words
    database.execute("UPDATE dimension SET members = 0 WHERE id = ?", (GROUP,))
