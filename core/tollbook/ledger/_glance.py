"""What was spent lately, for prompts, which ask once a second: read with little code and few rows.

It is what `Store.summary` says, without what that needs to answer all other questions.
"""

# ruff: noqa: S608 - only words of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook.ledger._database import explained, open_reading

if TYPE_CHECKING:
    import sqlite3

_HOUR, _MICRO, _BILL, _EVER = 3_600_000_000_000, 1_000_000, 1, 0
"""Of `_sums`, `_rows` and `_blocks`, which load the types of records."""

_COST = "json_extract(rest, '$.cost.total')"
_SUMMED = "series, calls, total_cost_micro AS micro, total_cost_pico AS pico"
_SINCE = f"""SELECT {_SUMMED} FROM rollup WHERE hour >= ?1 UNION ALL
    SELECT series, 1, coalesce({_COST} / {_MICRO}, 0), coalesce({_COST} % {_MICRO}, 0) FROM span
    WHERE start >= ?2 AND start < ?1 * {_HOUR} AND bill = {_BILL}"""
_TRACE = f"""SELECT series, 1 AS calls, coalesce({_COST} / {_MICRO}, 0) AS micro,
    coalesce({_COST} % {_MICRO}, 0) AS pico FROM span WHERE trace_id = ?1 AND bill = {_BILL}"""
_BOOKED = f"""SELECT {_SUMMED} FROM rollup_value
    WHERE dimension = ?1 AND size = {_EVER} AND block = 0 AND value = ?2 UNION ALL
    SELECT {_SUMMED} FROM rollup_new WHERE booking IN (SELECT booking FROM booked WHERE value = ?2)"""


class Spent:
    """What some calls cost."""

    __slots__ = ("cost", "missing")

    def __init__(self, cost: int | None, *, missing: bool) -> None:
        self.cost = cost
        """Pico-dollars; None: of no call it is known, and of one that did not fail it could be."""
        self.missing = missing
        """Whether something that has no known price is missing from it."""


class Glance:
    """A ledger, for a moment."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def last(self) -> tuple[bytes, str | None] | None:
        """The trace and the session of the call that came last; None if there is none."""
        query = """SELECT trace_id, (SELECT json_extract(attribution, '$.session') FROM booking WHERE id = booking)
            FROM span WHERE bill != 0 ORDER BY id DESC LIMIT 1"""
        found = self._database.execute(query).fetchone()
        return found and (found[0], found[1])

    def since(self, start: int) -> Spent:
        """What all calls since then cost, in Unix nanoseconds."""
        return self._add_up(_SINCE, -(-start // _HOUR), start)

    def session(self, name: str) -> Spent:
        """What all calls of the session cost."""
        query = "SELECT d.id, v.id FROM dimension d JOIN value v ON v.dimension = d.id WHERE d.name = ? AND v.text = ?"
        found = self._database.execute(query, ("session", name)).fetchone()
        return self._add_up(_BOOKED, *found) if found else Spent(0, missing=False)

    def trace(self, trace_id: bytes) -> Spent:
        """What the calls of a trace that count cost."""
        return self._add_up(_TRACE, trace_id)

    def _add_up(self, rows: str, *parameters: int | bytes) -> Spent:
        query = f"""SELECT s.priced, s.source IS NULL AND s.status IN ('error', 'timeout'), sum(micro), sum(pico)
            FROM ({rows}) AS r JOIN series s ON s.id = r.series GROUP BY 1, 2 HAVING sum(calls)"""
        cost = 0
        known = missing = unknown = False
        for how, failed, micro, pico in self._database.execute(query, parameters):
            cost += micro * _MICRO + pico
            missing |= how in ("unpriced", "partial")
            known |= how not in ("unpriced", None)
            unknown |= how is None and not failed
        return Spent(None if (missing or unknown) and not known else cost, missing=missing)


@contextmanager
def glance(path: Path) -> Generator[Glance | None]:
    """The ledger at `path`, to be looked at; None if there is none.

    Raises:
        StoreError: It can't be read.
    """
    with explained(path):
        if not path.exists() or not path.stat().st_size:
            yield None
            return
        database = open_reading(path)
        try:
            database.execute("BEGIN")
            yield Glance(database)
        finally:
            database.close()
