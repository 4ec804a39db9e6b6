"""What a period will have cost by its end: what is known, and what days like those that remain used to cost."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tollbook._money import plain, to_usd
from tollbook.ledger._periods import window_of
from tollbook.reports._period import exact, there, wall, zone
from tollbook.reports._report import period

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where

DAYS = 56
"""Days back that are looked at: eight of each weekday."""

LEAST = 14
"""Whole days of records that a projection needs: two of each weekday."""

COVERAGE = 0.8
"""How many of such forecasts the interval is meant to hold for."""

_DRAWS, _BLOCK = 2000, 7


class Day(msgspec.Struct, frozen=True):
    """What one whole day cost."""

    date: str
    """ISO, of the time zone that was asked for."""
    cost: int
    """Pico-dollars."""
    start: int
    """Unix nanoseconds."""
    end: int
    """Unix nanoseconds, not included."""

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return date.fromisoformat(self.date).weekday()


class Forecast(msgspec.Struct, frozen=True):
    """What a period has cost, and what it will have cost by its end. Amounts in pico-dollars, with views in USD."""

    period: Literal["day", "week", "month"]
    start: int
    """Unix nanoseconds."""
    end: int
    """Unix nanoseconds, not included."""
    now: int
    timezone: str | None
    """Of the days; None: this machine's."""
    known: int
    """What the period has cost so far."""
    unpriced_calls: int
    """Calls of the period so far that have no known price, in whole or in part, and are in no sum."""
    days: list[Day]
    """The whole days that the projection is made from, the earliest first."""
    to_come: int | None
    """The projection of what remains; None: there are fewer than `LEAST` whole days of records."""
    low: int | None
    """The lower end of the interval around `known` + `to_come`."""
    high: int | None
    recent: int | None
    """The last seven whole days; None: there are fewer than 14."""
    earlier: int | None
    """The seven days before them."""
    store: str

    @property
    def enough(self) -> bool:
        """Whether there is a projection."""
        return self.to_come is not None

    @property
    def expected(self) -> int | None:
        """`known` + `to_come`."""
        return None if self.to_come is None else self.known + self.to_come

    @property
    def known_usd(self) -> Decimal:
        """`known` in USD."""
        return to_usd(self.known)

    @property
    def expected_usd(self) -> Decimal | None:
        """`expected` in USD; an estimate."""
        return _usd(self.expected)

    @property
    def low_usd(self) -> Decimal | None:
        """`low` in USD."""
        return _usd(self.low)

    @property
    def high_usd(self) -> Decimal | None:
        """`high` in USD."""
        return _usd(self.high)

    @property
    def trend(self) -> float | None:
        """The last seven whole days against the seven before, 0.1 for a tenth more; None: not known, or of nothing."""
        if self.recent is None or not self.earlier:
            return None
        return (self.recent - self.earlier) / self.earlier

    @property
    def method(self) -> str:
        """How the projection is made, in words."""
        if not self.enough:
            return f"no projection: it needs {LEAST} whole days of records before today, and there are {len(self.days)}"
        return (
            f"each remaining day as the mean of its weekday over the last {len(self.days)} whole days, the rest of "
            f"today in proportion; the interval holds {COVERAGE:.0%} of {_DRAWS:,} sums of past deviations from these "
            f"means, drawn in blocks of {_BLOCK} days"
        )

    def as_dict(self) -> dict[str, Any]:
        """The forecast as plain data; money as decimal text, None where there is no projection."""
        return {
            "period": self.period,
            "start_ns": self.start,
            "end_ns": self.end,
            "now_ns": self.now,
            "timezone": self.timezone,
            "known_usd": plain(self.known_usd),
            "expected_usd": plain(self.expected_usd),
            "low_usd": plain(self.low_usd),
            "high_usd": plain(self.high_usd),
            "coverage": COVERAGE if self.enough else None,
            "unpriced_calls": self.unpriced_calls,
            "days_used": len(self.days),
            "last_7_days_usd": plain(_usd(self.recent)),
            "previous_7_days_usd": plain(_usd(self.earlier)),
            "trend": self.trend,
            "method": self.method,
            "store": self.store,
            "days": [{"day": day.date, "cost_usd": plain(to_usd(day.cost))} for day in self.days],
        }


def _usd(pico: int | None) -> Decimal | None:
    return None if pico is None else to_usd(pico)


def forecast(
    store: Store,
    *,
    period: Literal["day", "week", "month"] = "month",
    timezone: str | None = None,
    where: Where | None = None,
    now: datetime | None = None,
) -> Forecast:
    """What the day, week or month that we are in will have cost by its end.

    Args:
        store: The ledger.
        period: Which end is meant.
        timezone: An IANA name, `utc`, or `local` (the default): of which place.
        where: What must hold for a call, as in `Store.summary`.
        now: The current time if absent.

    Raises:
        ValueError: No such period, time zone or dimension.
        StoreError: The ledger can't be read.
    """
    if period not in ("day", "week", "month"):
        raise ValueError(f"a forecast is of a day, week or month, not {period!r}")
    zone_name, _, _ = _period(None, None, timezone)
    at = exact(now or datetime.now(UTC))
    start, end = window_of(period, at, zone_name)
    so_far = store.summary(since=start, until=at, where=where, zone=zone_name)
    days = whole_days(store, at, DAYS, zone_name, where)
    to_come = spread = None
    if len(days) >= LEAST:
        remaining = _remaining(at, end, zone(zone_name))
        means = _means(days)
        to_come = round(sum(means[weekday] * part for weekday, part in remaining))
        spread = _spread(days, means, [part for _, part in remaining])
    known = sum(row.total_cost for row in so_far)
    expected = None if to_come is None else known + to_come
    return Forecast(
        period=period,
        start=start,
        end=end,
        now=at,
        timezone=zone_name,
        known=known,
        unpriced_calls=sum(row.unpriced + row.partial for row in so_far),
        days=days,
        to_come=to_come,
        low=None if expected is None or spread is None else max(known, expected + spread[0]),
        high=None if expected is None or spread is None else max(known, expected + spread[1]),
        recent=sum(day.cost for day in days[-7:]) if len(days) >= LEAST else None,
        earlier=sum(day.cost for day in days[-14:-7]) if len(days) >= LEAST else None,
        store=str(store.path),
    )


_period = period


def whole_days(store: Store, at: int, number: int, zone_name: str | None, where: Where | None = None) -> list[Day]:
    """The last days before that of `at`, at most so many, from the first on that the ledger has whole; 0 is a cost."""
    place = zone(zone_name)
    today = wall(at, place).replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [there(today - timedelta(days=back), place) for back in range(number, -1, -1)]
    rows = store.summary(["day"], since=edges[0], until=edges[-1], where=where, zone=zone_name)
    costs = {row.key["day"]: row.total_cost for row in rows}
    names = [(today - timedelta(days=back)).date().isoformat() for back in range(number, 0, -1)]
    days = [Day(name, costs.get(name, 0), *edges[n : n + 2]) for n, name in enumerate(names)]
    # The first day with a record may be a part of one, unless there was something before it.
    seen = next((n for n, day in enumerate(days) if day.date in costs), len(days))
    before = store.summary(until=edges[0], where=where, zone=zone_name)
    return days if before else days[seen + 1 :]


def _remaining(at: int, end: int, place: tzinfo | None) -> list[tuple[int, float]]:
    """Weekday and part of each day that is left, the rest of today first."""
    found: list[tuple[int, float]] = []
    day = wall(at, place).replace(hour=0, minute=0, second=0, microsecond=0)
    while (start := there(day, place)) < end:
        after = there(day + timedelta(days=1), place)
        found.append((day.weekday(), (after - max(at, start)) / (after - start)))
        day += timedelta(days=1)
    return found


def _means(days: list[Day]) -> dict[int, float]:
    by_weekday: dict[int, list[int]] = {}
    for day in days:
        by_weekday.setdefault(day.weekday, []).append(day.cost)
    return {weekday: sum(costs) / len(costs) for weekday, costs in by_weekday.items()}


def _spread(days: list[Day], means: dict[int, float], parts: list[float]) -> tuple[int, int]:
    """The lower and the upper end of the interval, as differences from what is expected.

    Deviations of past days from their means are drawn in blocks, since what happens on one day often goes on the next.
    The means were made from these days themselves, which makes deviations too small: they are made larger by as much.
    """
    weeks = len(days) / 7
    scale = ((weeks + 1) / max(weeks - 1, 1)) ** 0.5
    deviations = [(day.cost - means[day.weekday]) * scale for day in days]
    sums = [0.0, *accumulate(deviations + deviations)]
    whole = len(parts) - 1
    draw = random.Random(len(days)).randrange  # the same question has the same answer
    totals: list[float] = []
    for _ in range(_DRAWS):
        total, left = deviations[draw(len(days))] * parts[0], whole
        while left > 0:
            length, first = min(left, _BLOCK), draw(len(days))
            total += sums[first + length] - sums[first]
            left -= length
        totals.append(total)
    totals.sort()
    edge = round(_DRAWS * (1 - COVERAGE) / 2)
    return round(totals[edge]), round(totals[-1 - edge])
