"""What limits have been used up: counters that follow the spans, and reservations that run ahead of them.

A counter is raised in the transaction that stores a span, and the reservation that the span's call had made is taken
back in the same one: so a call is counted once, as reserved or as spent, whatever crashes in between. A call reserves
the most that it may come to before its request leaves, by one conditional update under the ledger's write lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from tollbook.ledger import _crossed, _owners
from tollbook.ledger._limit import (
    EACH,
    Limit,
    Refusal,
    State,
    Want,
    amount_of,
    bounds,
    bucket_of,
    holder_of,
    may_have_cost,
)

if TYPE_CHECKING:
    import sqlite3

    from tollbook.spans import Record

Held = dict[tuple[str, str], tuple[str, int]]
"""By span and counter: the holder and the window in which a call had reserved."""

_LONGEST_CALL = 3 * 3_600_000_000_000
"""Nanoseconds that a call may take, at most, where nobody can tell whether its process still lives."""

# -- definitions -------------------------------------------------------------------------------------------------------


def declare(database: sqlite3.Connection, limits: Iterable[Limit]) -> None:
    """Make the ledger watch `limits`; a counter that is new begins with what was spent in its window already.

    A counter that no limit uses any more is forgotten: nothing feeds it. Alerts of a limit that has changed begin anew.
    """
    _forget_unused(database)
    before = {limit.name: limit for limit in limits_of(database)}
    listed = list(limits)
    for limit in listed:
        text = msgspec.json.encode(limit).decode()
        database.execute("INSERT OR REPLACE INTO limit_def VALUES (?, ?)", (limit.name, text))
    _forget_unused(database)
    now = time.time_ns()
    for limit in listed:
        old = before.get(limit.name)
        changed = old is None or msgspec.structs.replace(old, definition={}) != msgspec.structs.replace(
            limit, definition={}
        )
        if changed:
            _crossed.forget(database, limit.name)
        if database.execute("INSERT OR IGNORE INTO limit_watched VALUES (?)", (limit.counter,)).rowcount:
            _begin(database, limit, now)
        elif changed:
            bucket = bucket_of(limit, now)
            for holder, spent, *_ in _sums(database, limit, bucket):
                _crossed.note(database, limit, holder, bucket, spent)


def withdraw(database: sqlite3.Connection, name: str) -> bool:
    """Make the ledger forget the limit `name`, with its counters; whether there was one."""
    found = database.execute("DELETE FROM limit_def WHERE name = ?", (name,)).rowcount
    if found:
        _crossed.forget(database, name)
        _forget_unused(database)
    return bool(found)


def _forget_unused(database: sqlite3.Connection) -> None:
    """Forget the counters that no limit uses: nothing feeds them, so they would say too little when they are again.

    Also what programs reserved in them that did not know yet that there is no such limit any more.
    """
    used = {limit.counter for limit in limits_of(database)}
    for table in ("limit_state", "limit_watched", "reservation"):
        found = database.execute(f"SELECT DISTINCT counter FROM {table}").fetchall()  # noqa: S608 - names of ours
        unused = [each for each in found if each[0] not in used]
        database.executemany(f"DELETE FROM {table} WHERE counter = ?", unused)  # noqa: S608 - as above


def reset(database: sqlite3.Connection, name: str, holder: str | None, now: int) -> bool:
    """Set what was spent of the limit `name` in the window of `now` to nothing.

    Returns:
        Whether there is such a limit, and, if one is named, such a holder in its window.
    """
    found = next((limit for limit in limits_of(database) if limit.name == name), None)
    if found is None:
        return False
    bucket = bucket_of(found, now)
    buckets = bucket - found.rolling, bucket
    changed = database.execute(
        "UPDATE limit_state SET spent = 0, calls = 0, unpriced = 0 "
        "WHERE counter = ? AND holder = coalesce(?, holder) AND bucket BETWEEN ? AND ?",
        (found.counter, holder, *buckets),
    )
    told = _crossed.forget(database, name, holder, buckets)
    return holder is None or changed.rowcount + told > 0


def limits_of(database: sqlite3.Connection) -> list[Limit]:
    """All limits that the ledger watches."""
    return [_decoded(text) for (text,) in database.execute("SELECT definition FROM limit_def ORDER BY name")]


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Limit:
    return msgspec.json.decode(text, type=Limit)


def _begin(database: sqlite3.Connection, limit: Limit, now: int) -> None:
    from tollbook.ledger import _rows
    from tollbook.ledger._dimensions import series_values

    since = now - limit.rolling if limit.rolling else bucket_of(limit, now)
    if limit.window == "call":
        return
    series = series_values(database)
    query = f"SELECT {_rows.READ} FROM span WHERE start >= ? AND bill = {_rows.BILL}"  # noqa: S608 - names of ours
    rows = database.execute(query, (since,))
    _count(database, [limit], (_rows.restore(row, series[row[3]]) for row in rows), {})


# -- spent -------------------------------------------------------------------------------------------------------------


def apply(database: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Count `records`, which are new in the ledger, and take back what their calls had reserved."""
    limits = limits_of(database)
    held: Held = {}
    # Also of limits that are withdrawn by now: a program reserves in them until it knows.
    if database.execute("SELECT 1 FROM reservation LIMIT 1").fetchone():
        by_counter = {limit.counter: limit for limit in limits}
        for record in records:
            _settle(database, by_counter, record, held)
    if limits:
        _count(database, limits, (record for record in records if _counts(record)), held)


def _counts(record: Record) -> bool:
    return record.bills and not record.covers


def _settle(database: sqlite3.Connection, limits: Mapping[str, Limit], record: Record, held: Held) -> None:
    """Take back what the call had reserved; or keep it as spent, where the limit does so and its cost is not known.

    Puts into `held` where it was reserved.
    """
    unknown = _counts(record) and may_have_cost(record)
    for counter, holder, bucket, amount in _take_back(database, "span = ?", bytes.fromhex(record.span_id)):
        held[record.span_id, counter] = holder, bucket
        limit = limits.get(counter)
        if unknown and limit is not None and limit.keeps_unknown and amount_of(limit, record) is None:
            database.execute(
                "UPDATE limit_state SET spent = spent + ? WHERE counter = ? AND holder = ? AND bucket = ?",
                (amount, counter, holder, bucket),
            )
            _crossed.note(database, limit, holder, bucket, used(database, limit, holder, bucket)[0])


def _count(database: sqlite3.Connection, limits: Sequence[Limit], records: Iterable[Record], held: Held) -> None:
    counters = [limit.counter for limit in limits]
    sums: dict[tuple[int, str, int], list[int]] = {}
    alone: list[tuple[Limit, str, int]] = []
    for record in records:
        for index, limit in enumerate(limits):
            # It counts where it was reserved: its answer may be read by another run, for nobody, or on another day.
            place = held.get((record.span_id, counters[index]))
            holder = holder_of(limit, record) if place is None else place[0]
            if holder is None:
                continue
            amount = amount_of(limit, record)
            if limit.window == "call":
                alone.append((limit, record.span_id, amount or 0))
                continue
            bucket = bucket_of(limit, record.start) if place is None else place[1]
            found = sums.setdefault((index, holder, bucket), [0, 0, 0])
            found[0] += amount or 0
            found[1] += 1
            found[2] += amount is None
    for (index, holder, bucket), (spent, calls, unpriced) in sums.items():
        limit = limits[index]
        database.execute(
            "INSERT INTO limit_state VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT (counter, holder, bucket) DO UPDATE SET "
            "spent = spent + excluded.spent, calls = calls + excluded.calls, unpriced = unpriced + excluded.unpriced",
            (limit.counter, holder, bucket, spent, calls, unpriced),
        )
        total, _ = used(database, limit, holder, bucket)
        _crossed.note(database, limit, holder, bucket, total)
    for limit, span, amount in alone:
        _crossed.note(database, limit, span, 0, amount)


def used(
    database: sqlite3.Connection, limit: Limit, holder: str, bucket: int, until: int | None = None
) -> tuple[int, int]:
    """What is spent and what is reserved in the window of `bucket`; if it rolls, that which ends with it, or later."""
    first, last = bucket - limit.rolling, bucket if until is None else until
    query = (
        "SELECT coalesce(sum(spent), 0), coalesce(sum(reserved), 0) FROM limit_state "
        "WHERE counter = ? AND holder = ? AND bucket BETWEEN ? AND ?"
    )
    spent, reserved = database.execute(query, (limit.counter, holder, first, last)).fetchone()
    return spent, reserved


# -- reserved ----------------------------------------------------------------------------------------------------------


def reserve(database: sqlite3.Connection, span: bytes, wants: Sequence[Want], start: int, owner: str) -> Refusal | None:
    """Set aside what a call may come to, in a transaction of the caller, who undoes it on a refusal.

    Args:
        database: In a transaction that holds the write lock.
        span: The id of the call's span: what is reserved under it is taken back when that span is stored.
        wants: What is needed, by limit.
        start: When the call starts, Unix nanoseconds: its windows are those of then.
        owner: The process, as `_owners.owner` names it.
    """
    for limit, holder, amount in wants:
        bucket, end = bounds(limit, start)
        # A call that waited, or whose clock is behind, must fit into the windows of those that began after it, too.
        until = bucket + limit.rolling
        if amount > limit.most:  # it may be too much to write down
            return Refusal(limit, holder, *used(database, limit, holder, bucket, until), amount, end)
        held = database.execute(
            "INSERT OR IGNORE INTO reservation VALUES (?, ?, ?, ?, ?, ?, ?)",
            (span, limit.counter, holder, bucket, amount, start, owner),
        )
        if not held.rowcount:
            continue  # it was asked for before
        full = limit.rolling > 0 and sum(used(database, limit, holder, bucket, until)) + amount > limit.most
        if not full:
            found = database.execute(
                "INSERT INTO limit_state VALUES (?, ?, ?, 0, ?, 0, 0) ON CONFLICT (counter, holder, bucket) "
                "DO UPDATE SET reserved = reserved + excluded.reserved WHERE spent + reserved + excluded.reserved <= ?",
                (limit.counter, holder, bucket, amount, limit.most),
            )
            full = found.rowcount == 0
        if full:
            return Refusal(limit, holder, *used(database, limit, holder, bucket, until), amount, end)
    return None


def move(database: sqlite3.Connection, span: bytes, other: bytes) -> None:
    """Put what was reserved under `span` under `other`, whose record will take it back."""
    database.execute("UPDATE OR IGNORE reservation SET span = ? WHERE span = ?", (other, span))


def release(database: sqlite3.Connection, span: bytes) -> None:
    """Take back all that was reserved under `span`; nothing if there is nothing."""
    _take_back(database, "span = ?", span)


def release_ended(database: sqlite3.Connection, owners: Iterable[str]) -> None:
    """Take back what processes had reserved that have ended, once all that they recorded is in the ledger."""
    for each in owners:
        _take_back(database, "owner = ?", each)


def _take_back(database: sqlite3.Connection, condition: str, value: object) -> list[tuple[str, str, int, int]]:
    """What was reserved so, which is reserved no more: counter, holder, bucket, amount."""
    query = f"DELETE FROM reservation WHERE {condition} RETURNING counter, holder, bucket, amount"  # noqa: S608 - ours
    found = database.execute(query, (value,)).fetchall()
    for counter, holder, bucket, amount in found:
        database.execute(
            "UPDATE limit_state SET reserved = reserved - ? WHERE counter = ? AND holder = ? AND bucket = ?",
            (amount, counter, holder, bucket),
        )
    return found


def ended_owners(
    database: sqlite3.Connection, ended: Callable[[str], bool] = _owners.has_ended, now: int | None = None
) -> list[str]:
    """The processes that hold reservations and live no more. Ask before draining, give back after it.

    Of one of another container, or from before the machine began anew, that can't be told: it has ended if it has made
    no call for longer than any takes. What such a call still costs is counted all the same when it ends.
    """
    expired = (time.time_ns() if now is None else now) - _LONGEST_CALL
    found = database.execute("SELECT owner, max(at) FROM reservation GROUP BY owner").fetchall()
    return [name for name, last in found if ended(name) or (last < expired and not _owners.can_tell(name))]


# -- reading -----------------------------------------------------------------------------------------------------------


def states(database: sqlite3.Connection, now: int) -> list[State]:
    """How much of each limit is used up in the windows of `now` (Unix nanoseconds), the fullest first.

    Of one per call: the dearest call of today that is past a threshold, and how many went beyond.
    """
    found: list[State] = []
    for limit in limits_of(database):
        if limit.window == "call":
            most, calls = _crossed.dearest(database, limit, now)
            found.append(State(limit, "", 0, None, most, 0, calls, 0))
            continue
        bucket, end = bounds(limit, now)
        rows = _sums(database, limit, bucket)
        if not rows and EACH not in limit.where.values():
            rows = [("", 0, 0, 0, 0)]
        found += [State(limit, holder, bucket, end, *numbers) for holder, *numbers in rows]
    found.sort(key=lambda state: (state.limit.name, -state.spent - state.reserved))
    return found


def _sums(database: sqlite3.Connection, limit: Limit, bucket: int) -> list[tuple[str, int, int, int, int]]:
    """Holder, spent, reserved, calls and unpriced calls in the window of `bucket`, or that ends with it."""
    query = (
        "SELECT holder, sum(spent), sum(reserved), sum(calls), sum(unpriced) FROM limit_state "
        "WHERE counter = ? AND bucket BETWEEN ? AND ? GROUP BY holder"
    )
    return database.execute(query, (limit.counter, bucket - limit.rolling, bucket)).fetchall()
