"""What caches were worth: tokens and money saved, spent extra on writes, and lost on writes that nobody read.

A write is lost if nobody read from a cache of its model while it lived. That is known as far as this ledger has all
calls of the account. Where the model's caches were read meanwhile, but not by calls with the same feature, agent,
organization and key, it is guessed. So it is for writes of unstated lifetime, which are given an hour. Any read counts
for all that was written before it, so what is called lost is the least that was.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook._money import plain, to_usd
from tollbook.ledger._scan import Progress, Scan, Values
from tollbook.pricing import cache_impact
from tollbook.reports._period import zone
from tollbook.reports._report import checked, checked_where, period
from tollbook.spans import Cards

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where
    from tollbook.pricing import CacheImpact
    from tollbook.spans import Record

_MINUTE = 60_000_000_000
LIFETIMES = {
    "input_cache_write_5m": 5 * _MINUTE,
    "input_cache_write_30m": 30 * _MINUTE,
    "input_cache_write_1h": 60 * _MINUTE,
    "input_cache_write_12h": 720 * _MINUTE,
}
"""How long what was written lives if nobody reads it, in nanoseconds; other buckets: `_UNSTATED`."""
_UNSTATED = 60 * _MINUTE

CACHING_COLUMNS = (
    "calls",
    "hit_calls",
    "tokens_saved",
    "cost_saved_usd",
    "tokens_written",
    "write_extra_usd",
    "lost_known_usd",
    "lost_guessed_usd",
    "undecided_usd",
    "unknown_calls",
)
"""The numbers of a row in JSON and CSV, in their order; new ones are added at the end."""


class CachingRow(msgspec.Struct, kw_only=True):
    """What caches were worth to the calls of one group that had to do with any. Money is pico-dollars inside."""

    key: Values
    others: int = 0
    """How many groups this row sums up because they are not shown; 0: it is a group."""
    calls: int = 0
    """Calls that read from a cache or wrote to one."""
    hit_calls: int = 0
    tokens_saved: int = 0
    """Tokens read from caches."""
    saved: int = 0
    """What these cost less than uncached."""
    tokens_written: int = 0
    extra: int = 0
    """What these cost more than uncached."""
    lost_known: int = 0
    """Part of `extra`: writes that no call of the model read while they lived."""
    lost_guessed: int = 0
    """Part of `extra`: writes that were read, if at all, by calls booked to something else."""
    undecided: int = 0
    """Part of `extra`: writes that can still be read, or could when the period ended."""
    unknown_calls: int = 0
    """Calls of which a price is not known; their tokens are in the row, their money is not."""

    @property
    def cost_saved(self) -> Decimal:
        """`saved` in USD."""
        return to_usd(self.saved)

    @property
    def write_extra(self) -> Decimal:
        """`extra` in USD."""
        return to_usd(self.extra)

    def numbers(self) -> dict[str, Any]:
        """The values of `CACHING_COLUMNS`; money as decimal text, since a float would not be exact."""
        money = {
            "cost_saved_usd": self.saved,
            "write_extra_usd": self.extra,
            "lost_known_usd": self.lost_known,
            "lost_guessed_usd": self.lost_guessed,
            "undecided_usd": self.undecided,
        }
        return {
            column: plain(to_usd(money[column])) if column in money else getattr(self, column)
            for column in CACHING_COLUMNS
        }

    def add(self, other: CachingRow) -> None:
        """Add another row's numbers."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_NUMBERS = tuple(name for name in CachingRow.__struct_fields__ if name not in ("key", "others"))


class CachingReport(msgspec.Struct, kw_only=True):
    """What caches were worth in a period, group by group."""

    by: tuple[str, ...]
    rows: list[CachingRow]
    """Those that saved most first."""
    total: CachingRow
    store: str
    period: str

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, its keys always in the same order."""
        return {
            "by": list(self.by),
            "period": self.period,
            "store": self.store,
            "rows": [
                {**dict(zip(self.by, row.key, strict=True)), **row.numbers(), "others": row.others} for row in self.rows
            ],
            "total": self.total.numbers(),
        }


def caching(
    store: Store,
    *,
    by: Iterable[str] = ("provider", "model"),
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    top: int | None = None,
    where: Where | None = None,
    progress: Progress | None = None,
) -> CachingReport:
    """What caches were worth, by list prices of each call's own time; arguments and errors as for `report`.

    It reads the calls themselves, not their sums. See this module for what counts as lost.
    """
    names = checked(by)
    checked_where(where or {})
    zone_name, first, last = period(since, until, timezone)
    scan = Scan(
        store,
        names,
        since=first,
        until=last,
        where=where,
        zone=zone_name,
        others=True,
        cached=True,
        progress=progress,
    )
    counted = Caching(store)
    for seen in scan:
        counted.see(seen.key, seen.record)
    now = time.time_ns()
    counted.finish(now if last is None else min(now, last))
    rows = sorted(counted.rows.values(), key=lambda row: (-row.saved, -row.tokens_saved, [v or "" for v in row.key]))
    total = _together(rows, names)
    if top is not None and len(rows) > top:
        other = _together(rows[top:], names)
        other.others = len(rows) - top
        rows = [*rows[:top], other]
    return CachingReport(
        by=names, rows=rows, total=total, store=str(store.path), period=_period(first, last, zone(zone_name))
    )


def _together(rows: Iterable[CachingRow], names: tuple[str, ...]) -> CachingRow:
    total = CachingRow(key=(None,) * len(names))
    for row in rows:
        total.add(row)
    return total


def _period(since: int | None, until: int | None, place: Any) -> str:
    def at(nanoseconds: int) -> str:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC).astimezone(place).strftime("%Y-%m-%d %H:%M")

    if since is None and until is None:
        return "all time"
    return f"{'the beginning' if since is None else at(since)} to {'now' if until is None else at(until)}"


class _Write(msgspec.Struct):
    """Tokens that were written to a cache, by calls of one row within one minute."""

    row: CachingRow
    start: int
    """Minute."""
    expires: int
    """Unix nanoseconds."""
    stated: bool
    """Whether the lifetime is."""
    extra: int


class Caching:
    """Rows that grow with each call that is seen; calls come by their start."""

    def __init__(self, store: Store) -> None:
        self.rows: dict[Values, CachingRow] = {}
        self._card = Cards(store)
        self._reads: dict[Values, list[int]] = {}
        """Minutes in which caches of a model were read."""
        self._writes: dict[Values, list[_Write]] = {}
        """Those that nobody read so far, by model and by whom they are booked to."""

    def see(self, key: Values | None, record: Record) -> None:
        """Take in one call; `key` is None for one that others must know of, and that no row counts."""
        if record.usage is None:
            return
        impact = cache_impact(record.usage, record.cost, self._card)
        if not impact.read_tokens and not impact.write_tokens:
            return
        booked = record.attribution or {}
        model = (record.provider, record.response_model or record.request_model)
        group = (*model, *map(booked.get, ("feature", "agent", "org", "key")))
        writes = self._expire(group, model, record.start)
        if impact.read_tokens:
            writes.clear()
            minutes = self._reads.setdefault(model, [])
            if not minutes or minutes[-1] != record.start // _MINUTE:
                minutes.append(record.start // _MINUTE)
        if key is not None:
            row = self.rows.get(key)
            if row is None:
                row = self.rows[key] = CachingRow(key=key)
            _count(row, impact)
            if impact.extra:
                writes.append(_written(row, record, impact.extra))
        self._writes[group] = writes

    def _expire(self, group: Values, model: Values, now: int) -> list[_Write]:
        """The writes of the group that still live; the others are counted as lost."""
        alive: list[_Write] = []
        for write in self._writes.pop(group, ()):
            if write.expires > now:
                alive.append(write)
            elif write.stated and not self._was_read(model, write):
                write.row.lost_known += write.extra
            else:
                write.row.lost_guessed += write.extra
        return alive

    def _was_read(self, model: Values, write: _Write) -> bool:
        minutes = self._reads.get(model, [])
        place = bisect_left(minutes, write.start)
        return place < len(minutes) and minutes[place] <= write.expires // _MINUTE

    def finish(self, now: int) -> None:
        """Judge what was written and is not judged yet, as of `now`."""
        for group in list(self._writes):
            for write in self._expire(group, group[:2], now):
                write.row.undecided += write.extra


def _count(row: CachingRow, impact: CacheImpact) -> None:
    row.calls += 1
    row.hit_calls += impact.read_tokens > 0
    row.tokens_saved += impact.read_tokens
    row.tokens_written += impact.write_tokens
    row.saved += impact.saved or 0
    row.extra += impact.extra or 0
    row.unknown_calls += impact.saved is None or impact.extra is None


def _written(row: CachingRow, record: Record, extra: int) -> _Write:
    assert record.usage is not None
    found = [name for name, quantity in record.usage.quantities.items() if quantity and "cache_write" in name]
    lifetime = max((LIFETIMES.get(name, _UNSTATED) for name in found), default=_UNSTATED)
    return _Write(
        row=row,
        start=record.start // _MINUTE,
        expires=record.start + record.duration + lifetime,
        stated=bool(found) and all(name in LIFETIMES for name in found),
        extra=extra,
    )
