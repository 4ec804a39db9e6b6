"""What limits have been used up: counters that follow the spans, and reservations that run ahead of them.

A counter is raised in the transaction that stores a span, and the reservation that the span's call had made is taken
back in the same one: so a call is counted once, as reserved or as spent, whatever crashes in between. A call reserves
the most that it may come to before its request leaves, by one conditional update under the ledger's write lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from tollbook.ledger import _owners
from tollbook.ledger._periods import window_of

if TYPE_CHECKING:
    import sqlite3

    from tollbook.spans import Record

EACH = "*"
"""In `Limit.where`: every value of the dimension has a counter of its own."""

_HOUR = 3_600_000_000_000


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit, as the ledger needs to know it."""

    name: str
    unit: Literal["usd", "tokens", "calls"]
    most: int
    """Pico-dollars, tokens or calls."""
    where: dict[str, str] = {}
    """Dimension to the value that a call must have; `*`: any, and each has a counter of its own."""
    window: str = "lifetime"
    """`call`, `hour`, `day`, `week`, `month`, `lifetime`, or, for one that rolls, a number of hours such as `24h`."""
    zone: str | None = None
    """Whose hours, days, weeks and months: an IANA name; None: this machine's."""
    thresholds: tuple[int, ...] = (50, 80, 100)
    """Percent of `most` at which an alert is due, once per window and holder."""
    definition: dict[str, object] = {}
    """What the layer above wants to know again."""

    @property
    def counter(self) -> str:
        """What the counters are kept under: another scope, window or unit begins anew, another amount does not."""
        where = "&".join(f"{name}={value}" for name, value in sorted(self.where.items()))
        return f"{self.name}|{self.unit}|{self.window}|{self.zone or ''}|{where}"

    @property
    def rolling(self) -> int:
        """Nanoseconds that a rolling window is long; 0 for others."""
        return int(self.window[:-1]) * _HOUR if self.window[:-1].isdigit() else 0


class Want(NamedTuple):
    """What a call needs of one limit."""

    limit: Limit
    holder: str
    amount: int


class Refusal(NamedTuple):
    """Why a call can't be admitted."""

    limit: Limit
    holder: str
    spent: int
    reserved: int
    wanted: int
    resets: int | None
    """Unix nanoseconds at which the window ends; None: never, or bit by bit."""


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


class State(NamedTuple):
    """How much of a limit one holder has used up in one window."""

    limit: Limit
    holder: str
    bucket: int
    """Unix nanoseconds of the window's start."""
    resets: int | None
    spent: int
    reserved: int
    calls: int
    unpriced: int
    """Calls whose cost is not known, which are in no sum of money."""


def dimension(record: Record, name: str) -> str | None:
    """The value of `record` in a dimension that limits know: model, provider, run (its trace) or attribution."""
    if name == "model":
        return record.request_model or record.response_model
    if name == "provider":
        return record.provider
    if name == "run":
        return record.trace_id
    return None if record.attribution is None else record.attribution.get(name)


def holder_of(limit: Limit, record: Record) -> str | None:
    """Whose counter of `limit` a call falls under; None if it falls under none."""
    parts: list[str] = []
    for name, wanted in limit.where.items():
        found = dimension(record, name)
        if found is None or (wanted != EACH and wanted != found):
            return None
        if wanted == EACH:
            parts.append(found)
    return " ".join(parts)


def bucket_of(limit: Limit, start: int) -> int:
    """The start of the window that a call falls into, in Unix nanoseconds."""
    return _bounds(limit, start)[0]


def _bounds(limit: Limit, start: int) -> tuple[int, int | None]:
    if limit.window == "lifetime":
        return 0, None
    if limit.rolling:
        return start - start % _HOUR, None
    # No time zone changes its clock within a quarter of an hour of UTC's, so a quarter lies in one window.
    quarter = _HOUR // 4
    return _window_at(limit.window, limit.zone, start // quarter)


@lru_cache(maxsize=1024)
def _window_at(window: str, zone: str | None, quarter: int) -> tuple[int, int]:
    return window_of(window, quarter * (_HOUR // 4), zone)


def amount_of(limit: Limit, record: Record) -> int | None:
    """What a finished call takes of `limit`; None: its cost is not known."""
    if limit.unit == "calls":
        return 1
    if limit.unit == "tokens":
        return None if record.usage is None else record.usage.total_tokens
    return None if record.cost is None else record.cost.total


def may_have_cost(record: Record) -> bool:
    """Whether a call whose cost is not known may have been paid for.

    All but a call that the provider refused with an error, and no usage: not one that ended without an answer, as
    when the time was up, and not a stream that broke.
    """
    if record.status != "error" or "may_be_billed" in record.flags:
        return True
    if record.usage is not None or record.raw is not None or record.charge is not None:
        return True
    return record.stream and "no_usage_reported" in record.flags


# -- definitions -------------------------------------------------------------------------------------------------------


def declare(database: sqlite3.Connection, limits: Iterable[Limit]) -> None:
    """Make the ledger watch `limits`; a counter that is new begins with what was spent in its window already."""
    for limit in limits:
        text = msgspec.json.encode(limit).decode()
        database.execute("INSERT OR REPLACE INTO limit_def VALUES (?, ?)", (limit.name, text))
        known = database.execute("SELECT 1 FROM limit_watched WHERE counter = ?", (limit.counter,)).fetchone()
        if not known:
            database.execute("INSERT INTO limit_watched VALUES (?)", (limit.counter,))
            _begin(database, limit)


def withdraw(database: sqlite3.Connection, name: str) -> bool:
    """Make the ledger forget the limit `name`, with its counters; whether there was one."""
    found = [limit for limit in limits_of(database) if limit.name == name]
    for limit in found:
        for table in ("limit_state", "limit_watched", "reservation"):
            database.execute(f"DELETE FROM {table} WHERE counter = ?", (limit.counter,))  # noqa: S608 - names of ours
        database.execute("DELETE FROM limit_alert WHERE name = ?", (name,))
        database.execute("DELETE FROM limit_def WHERE name = ?", (name,))
    return bool(found)


def reset(database: sqlite3.Connection, name: str, holder: str | None, now: int) -> bool:
    """Set what was spent of the limit `name` in the window of `now` to nothing; whether there is such a limit."""
    found = [limit for limit in limits_of(database) if limit.name == name]
    for limit in found:
        bucket = bucket_of(limit, now)
        database.execute(
            "UPDATE limit_state SET spent = 0, calls = 0, unpriced = 0 "
            "WHERE counter = ? AND holder = coalesce(?, holder) AND bucket BETWEEN ? AND ?",
            (limit.counter, holder, bucket - limit.rolling, bucket),
        )
        database.execute(
            "DELETE FROM limit_alert WHERE name = ? AND holder = coalesce(?, holder) AND bucket BETWEEN ? AND ?",
            (name, holder, bucket - limit.rolling, bucket),
        )
    return bool(found)


def limits_of(database: sqlite3.Connection) -> list[Limit]:
    """All limits that the ledger watches."""
    return [_decoded(text) for (text,) in database.execute("SELECT definition FROM limit_def ORDER BY name")]


@lru_cache(maxsize=1024)
def _decoded(text: str) -> Limit:
    return msgspec.json.decode(text, type=Limit)


def _begin(database: sqlite3.Connection, limit: Limit) -> None:
    from tollbook.ledger import _rows
    from tollbook.ledger._dimensions import series_values

    now = time.time_ns()
    since = now - limit.rolling if limit.rolling else bucket_of(limit, now)
    if limit.window == "call":
        return
    series = series_values(database)
    query = f"SELECT {_rows.READ} FROM span WHERE start >= ? AND bill = {_rows.BILL}"  # noqa: S608 - names of ours
    rows = database.execute(query, (since,))
    _count(database, [limit], (_rows.restore(row, series[row[3]]) for row in rows))


# -- spent -------------------------------------------------------------------------------------------------------------


def apply(database: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Count `records`, which are new in the ledger, and take back what their calls had reserved."""
    limits = limits_of(database)
    if not limits:
        return
    _count(database, limits, (record for record in records if record.bills and not record.covers))
    if database.execute("SELECT 1 FROM reservation LIMIT 1").fetchone():
        for record in records:
            release(database, bytes.fromhex(record.span_id))


def _count(database: sqlite3.Connection, limits: Sequence[Limit], records: Iterable[Record]) -> None:
    sums: dict[tuple[int, str, int], list[int]] = {}
    alone: list[tuple[Limit, str, int]] = []
    for record in records:
        for index, limit in enumerate(limits):
            holder = holder_of(limit, record)
            if holder is None:
                continue
            amount = amount_of(limit, record)
            if limit.window == "call":
                alone.append((limit, record.span_id, amount or 0))
                continue
            found = sums.setdefault((index, holder, bucket_of(limit, record.start)), [0, 0, 0])
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
        # A window that rolls is told of once in its own length, not anew with every hour.
        _alert(database, limit, holder, bucket - bucket % limit.rolling if limit.rolling else bucket, total)
    for limit, span, amount in alone:
        _alert(database, limit, span, 0, amount)


def used(database: sqlite3.Connection, limit: Limit, holder: str, bucket: int) -> tuple[int, int]:
    """What is spent and what is reserved in the window of `bucket`, or that ends with it if it rolls."""
    first = bucket - limit.rolling
    query = (
        "SELECT coalesce(sum(spent), 0), coalesce(sum(reserved), 0) FROM limit_state "
        "WHERE counter = ? AND holder = ? AND bucket BETWEEN ? AND ?"
    )
    spent, reserved = database.execute(query, (limit.counter, holder, first, bucket)).fetchone()
    return spent, reserved


def _alert(database: sqlite3.Connection, limit: Limit, holder: str, bucket: int, spent: int) -> None:
    now = time.time_ns()
    for threshold in limit.thresholds:
        # A call of its own is an alert only if it went beyond; a window also if it is just full.
        if spent * 100 >= threshold * limit.most and (limit.window != "call" or spent * 100 > threshold * limit.most):
            database.execute(
                "INSERT OR IGNORE INTO limit_alert (name, holder, bucket, threshold, at, spent, delivered) "
                "VALUES (?, ?, ?, ?, ?, ?, 0)",
                (limit.name, holder, bucket, threshold, now, spent),
            )


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
        bucket, end = _bounds(limit, start)
        held = database.execute(
            "INSERT OR IGNORE INTO reservation VALUES (?, ?, ?, ?, ?, ?, ?)",
            (span, limit.counter, holder, bucket, amount, start, owner),
        )
        if not held.rowcount:
            continue  # it was asked for before
        full = amount > limit.most
        if not full and limit.rolling:
            full = sum(used(database, limit, holder, bucket)) + amount > limit.most
        if not full:
            found = database.execute(
                "INSERT INTO limit_state VALUES (?, ?, ?, 0, ?, 0, 0) ON CONFLICT (counter, holder, bucket) "
                "DO UPDATE SET reserved = reserved + excluded.reserved WHERE spent + reserved + excluded.reserved <= ?",
                (limit.counter, holder, bucket, amount, limit.most),
            )
            full = found.rowcount == 0
        if full:
            return Refusal(limit, holder, *used(database, limit, holder, bucket), amount, end)
    return None


def release(database: sqlite3.Connection, span: bytes) -> None:
    """Take back all that was reserved under `span`; nothing if there is nothing."""
    _give_back(database, "span = ?", span)


def release_ended(database: sqlite3.Connection, owners: Iterable[str]) -> None:
    """Take back what processes had reserved that have ended, once all that they recorded is in the ledger."""
    for each in owners:
        _give_back(database, "owner = ?", each)


def _give_back(database: sqlite3.Connection, condition: str, value: object) -> None:
    query = f"DELETE FROM reservation WHERE {condition} RETURNING counter, holder, bucket, amount"  # noqa: S608 - ours
    for counter, holder, bucket, amount in database.execute(query, (value,)).fetchall():
        database.execute(
            "UPDATE limit_state SET reserved = reserved - ? WHERE counter = ? AND holder = ? AND bucket = ?",
            (amount, counter, holder, bucket),
        )


def ended_owners(database: sqlite3.Connection, ended: Callable[[str], bool] = _owners.has_ended) -> list[str]:
    """The processes that hold reservations and live no more. Ask before draining, give back after it."""
    return [name for (name,) in database.execute("SELECT DISTINCT owner FROM reservation") if ended(name)]


# -- reading -----------------------------------------------------------------------------------------------------------


def states(database: sqlite3.Connection, now: int) -> list[State]:
    """How much of each limit is used up in the windows of `now` (Unix nanoseconds), the fullest first."""
    found: list[State] = []
    for limit in limits_of(database):
        bucket, end = (0, None) if limit.window == "call" else _bounds(limit, now)
        query = (
            "SELECT holder, sum(spent), sum(reserved), sum(calls), sum(unpriced) FROM limit_state "
            "WHERE counter = ? AND bucket BETWEEN ? AND ? GROUP BY holder"
        )
        rows = database.execute(query, (limit.counter, bucket - limit.rolling, bucket)).fetchall()
        if not rows and EACH not in limit.where.values():
            rows = [("", 0, 0, 0, 0)]
        found += [State(limit, holder, bucket, end, *numbers) for holder, *numbers in rows]
    found.sort(key=lambda state: (state.limit.name, -state.spent - state.reserved))
    return found


def alerts(database: sqlite3.Connection, *, undelivered: bool = False, limit: int = 1000) -> list[Alert]:
    """The thresholds that were crossed, the latest first."""
    known = {each.name: each for each in limits_of(database)}
    condition = "WHERE delivered = 0" if undelivered else ""
    query = (
        f"SELECT id, name, holder, bucket, threshold, at, spent FROM limit_alert {condition} "  # noqa: S608 - ours
        "ORDER BY id DESC LIMIT ?"
    )
    return [
        Alert(number, known[name], *rest) for number, name, *rest in database.execute(query, (limit,)) if name in known
    ]


def claim(database: sqlite3.Connection, alert: int) -> bool:
    """Take it on oneself to tell of an alert; False if another process has."""
    return (
        database.execute("UPDATE limit_alert SET delivered = 1 WHERE id = ? AND delivered = 0", (alert,)).rowcount == 1
    )
