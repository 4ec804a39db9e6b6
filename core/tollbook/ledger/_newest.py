"""Calls in the order in which they came to the ledger, for those who watch it."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.ledger._store import Store
    from tollbook.spans import Record


def newest(store: Store, after: int | None = None, limit: int = 1000) -> tuple[int, list[Record]]:
    """The number of the last call in the ledger that was looked at, and the calls up to it, in the order they came.

    Args:
        store: The ledger.
        after: Only those with a greater number; None: the last ones.
        limit: How many at most.

    Raises:
        StoreError: The ledger can't be read.
    """
    from tollbook.ledger import _rows
    from tollbook.ledger._dimensions import series_values

    with store.reading() as database:
        if database is None:
            return after or 0, []
        series = series_values(database)
        order = "DESC" if after is None else "ASC"
        query = f"SELECT id, {_rows.READ} FROM span WHERE id > ? AND bill != 0 ORDER BY id {order} LIMIT ?"
        rows = database.execute(query, (after or 0, limit)).fetchall()
        if after is None:
            rows.reverse()
        last = rows[-1][0] if rows else after or 0
        return last, [_rows.restore(row[1:], series[row[4]]) for row in rows]
