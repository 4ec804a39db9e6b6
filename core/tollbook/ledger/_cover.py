"""Spans that bill in place of those below them (usage or cost set by hand on an outer span).

Rare, so this is off the fast path: the traces with such a span are a table of their own, and whatever arrives in one
of them has the whole trace looked at again. So the order in which spans arrive makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tollbook.ledger import _rows, _sums
from tollbook.spans import Record

if TYPE_CHECKING:
    import sqlite3

_TRACE = "SELECT span_id, parent_id, bill, series, start, rest, booking FROM span WHERE trace_id = ?"


def any_covers(database: sqlite3.Connection) -> bool:
    """Whether there is any such span in the ledger."""
    return database.execute("SELECT 1 FROM cover LIMIT 1").fetchone() is not None


def settle(database: sqlite3.Connection, new: Iterable[Record], totals: _sums.Totals, known: bool) -> bool:
    """Decide again which bills count in the traces that spans in `new` belong to, and correct `totals`.

    Args:
        database: In a transaction, with `new` in its tables and counted in `totals`.
        new: The records that arrived.
        totals: What will be added to the roll-ups, by hour, series and booking.
        known: Whether there were any covers before.

    Returns:
        Whether there are any now.
    """
    covering = {record.trace_id for record in new if record.covers and record.bills}
    if covering:
        database.executemany("INSERT OR IGNORE INTO cover VALUES (?)", [(bytes.fromhex(trace),) for trace in covering])
    elif not known:
        return False
    for trace in {record.trace_id for record in new}:
        trace_id = bytes.fromhex(trace)
        if trace in covering or database.execute("SELECT 1 FROM cover WHERE trace_id = ?", (trace_id,)).fetchone():
            _settle_trace(database, trace_id, totals)
    return True


def _settle_trace(database: sqlite3.Connection, trace_id: bytes, totals: _sums.Totals) -> None:
    rows = database.execute(_TRACE, (trace_id,)).fetchall()
    rests = {row[0]: _rows.decode_rest(row[5]) for row in rows}
    parents = {row[0]: row[1] for row in rows}
    covers = {row[0] for row in rows if row[2] != _rows.NO_BILL and rests[row[0]].covers}
    for span_id, parent_id, bill, series, start, _, booking in rows:
        if bill == _rows.NO_BILL:
            continue
        wanted = _rows.COVERED if _is_below(span_id, parent_id, covers, parents) else _rows.BILL
        if wanted == bill:
            continue
        database.execute("UPDATE span SET bill = ? WHERE trace_id = ? AND span_id = ?", (wanted, trace_id, span_id))
        rest = rests[span_id]
        amount = _sums.sums([(rest.usage, rest.cost)])
        sums = totals.setdefault((start // _sums.HOUR, series, booking), [0] * len(_sums.SUMS))
        _sums.combine(sums, amount, 1 if wanted == _rows.BILL else -1)


def _is_below(span: bytes, parent: bytes | None, covers: set[bytes], parents: dict[bytes, bytes | None]) -> bool:
    """Whether a covering span is among `parent` and the spans above it; what claims to be above itself is not."""
    seen = {span}
    while parent is not None and parent not in seen:
        if parent in covers:
            return True
        seen.add(parent)
        parent = parents.get(parent)
    return False
