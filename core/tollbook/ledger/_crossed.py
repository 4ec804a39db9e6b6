"""Thresholds of limits that were crossed: once each in a window, and told of by one process."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tollbook.ledger._limit import bucket_of

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._limit import Limit


AGAIN = 600_000_000_000
"""Nanoseconds after which an alert is taken up again that somebody took on and did not confirm: it ended meanwhile."""

TRIES = 5
"""How often an alert is taken on, at most."""

_DUE = "delivered = 0 AND claimed <= ? AND tries < ?"


class Alert(NamedTuple):
    """A threshold that was crossed."""

    id: int
    limit: Limit
    holder: str
    bucket: int
    threshold: int
    at: int
    """Unix nanoseconds."""
    spent: int
    tries: int = 0
    """How often somebody has taken it on to tell of it, and has not confirmed that."""


def note(database: sqlite3.Connection, limit: Limit, holder: str, bucket: int, spent: int) -> None:
    """Remember which thresholds `spent` is past in the window of `bucket`; those that are known stay as they are."""
    now = time.time_ns()
    if limit.rolling:  # it is told of once in its own length, not anew with every hour
        bucket -= bucket % limit.rolling
    for threshold in limit.thresholds:
        # A call of its own is an alert only if it went beyond; a window also if it is just full.
        if spent * 100 >= threshold * limit.most and (limit.window != "call" or spent * 100 > threshold * limit.most):
            database.execute(
                "INSERT OR IGNORE INTO limit_alert (name, holder, bucket, threshold, at, spent, delivered) "
                "VALUES (?, ?, ?, ?, ?, ?, 0)",
                (limit.name, holder, bucket, threshold, now, spent),
            )


def forget(
    database: sqlite3.Connection, name: str, holder: str | None = None, buckets: tuple[int, int] | None = None
) -> int:
    """Forget the alerts of the limit `name`, of all or one holder, in all windows or those between two; how many."""
    first, last = buckets or (-(2**63), 2**63 - 1)
    return database.execute(
        "DELETE FROM limit_alert WHERE name = ? AND holder = coalesce(?, holder) AND bucket BETWEEN ? AND ?",
        (name, holder, first, last),
    ).rowcount


def dearest(database: sqlite3.Connection, limit: Limit, now: int) -> tuple[int, int]:
    """Of a limit per call: the dearest call of today that is past a threshold, and how many went beyond the limit."""
    today = bucket_of(msgspec.structs.replace(limit, window="day"), now)
    query = (
        "SELECT coalesce(max(spent), 0), count(DISTINCT CASE WHEN spent > ? THEN holder END) FROM limit_alert "
        "WHERE name = ? AND at >= ?"
    )
    most, beyond = database.execute(query, (limit.most, limit.name, today)).fetchone()
    return most, beyond


def alerts(
    database: sqlite3.Connection, limits: Iterable[Limit], *, undelivered: bool = False, most: int = 1000
) -> list[Alert]:
    """The thresholds of `limits` that were crossed, or those that are to be told of now, the latest first."""
    known = {each.name: each for each in limits}
    condition = f"WHERE {_DUE}" if undelivered else ""
    query = (
        f"SELECT id, name, holder, bucket, threshold, at, spent, tries FROM limit_alert {condition} "  # noqa: S608 - ours
        "ORDER BY id DESC LIMIT ?"
    )
    rows = database.execute(query, (*(_due() if undelivered else ()), most))
    return [Alert(number, known[name], *rest) for number, name, *rest in rows if name in known]


def claim(database: sqlite3.Connection, alert: int) -> bool:
    """Take it on oneself to tell of an alert, and to `confirm` that soon; False if another process has."""
    query = f"UPDATE limit_alert SET claimed = ?, tries = tries + 1 WHERE id = ? AND {_DUE}"  # noqa: S608 - ours
    return database.execute(query, (time.time_ns(), alert, *_due())).rowcount == 1


def confirm(database: sqlite3.Connection, alert: int) -> None:
    """An alert has been told of: nobody else is to."""
    database.execute("UPDATE limit_alert SET delivered = 1 WHERE id = ?", (alert,))


def _due() -> tuple[int, int]:
    return time.time_ns() - AGAIN, TRIES
