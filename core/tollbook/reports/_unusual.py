"""Days that cost much more or less than their weekday used to, and who or what moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook._money import plain, show, to_usd
from tollbook.reports._forecast import Day, whole_days
from tollbook.reports._period import exact
from tollbook.reports._report import period

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where

WEEKS, LEAST = 8, 4
"""How many of the same weekday before a day it is compared with, and how many it needs."""

MOST = 36_600
"""Days that can be judged: a hundred years."""

SCORE = 3.5
"""From which score on, up or down, a day is unusual: the usual limit of the modified z-score."""

_FLOOR_SHARE, _FLOOR = 20, 10_000_000_000
"""The spread counts for at least the twentieth part of the median, and a cent: else a steady history damns a trifle."""


class Mover(msgspec.Struct, frozen=True):
    """One value of a dimension on an unusual day. Amounts in pico-dollars."""

    dimension: str
    value: str | None
    """None: not known, or not attributed."""
    cost: int
    usual: int
    """The median of its costs on the days that the day is compared with; 0 where it was not there."""

    @property
    def difference_usd(self) -> Decimal:
        """`cost` - `usual` in USD."""
        return to_usd(self.cost - self.usual)

    def as_dict(self) -> dict[str, Any]:
        """As plain data; money as exact decimal text."""
        return {
            "dimension": self.dimension,
            "value": self.value,
            "cost_usd": plain(to_usd(self.cost)),
            "usual_usd": plain(to_usd(self.usual)),
            "difference_usd": plain(self.difference_usd),
        }


class UnusualDay(msgspec.Struct, frozen=True):
    """A day far from what its weekday used to cost. Amounts in pico-dollars."""

    day: str
    cost: int
    usual: int
    """The median of the same weekdays before it."""
    spread: int
    """The median of their distances from `usual`, or the least that counts for one."""
    compared: int
    """How many days these are."""
    score: float
    """0.6745 * (cost - usual) / spread."""
    movers: list[Mover]
    """What moved in the day's direction, for each dimension what moved most, the greatest difference first."""

    @property
    def cost_usd(self) -> Decimal:
        """`cost` in USD."""
        return to_usd(self.cost)

    @property
    def usual_usd(self) -> Decimal:
        """`usual` in USD."""
        return to_usd(self.usual)

    @property
    def arithmetic(self) -> str:
        """How the score comes about, in numbers."""
        name = datetime.fromisoformat(self.day).strftime("%A")
        difference = f"({show(self.cost_usd)} - {show(self.usual_usd)})"
        return (
            f"0.6745 x {difference} / {show(to_usd(self.spread))} = {self.score:.1f}; usual is the median of the last "
            f"{self.compared} {name}s, then their median distance from it"
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain data; money as exact decimal text."""
        return {
            "day": self.day,
            "cost_usd": plain(self.cost_usd),
            "usual_usd": plain(self.usual_usd),
            "spread_usd": plain(to_usd(self.spread)),
            "compared_days": self.compared,
            "score": self.score,
            "arithmetic": self.arithmetic,
            "movers": [mover.as_dict() for mover in self.movers],
        }


def unusual(
    store: Store,
    *,
    days: int = 30,
    by: Iterable[str] = ("model", "feature", "user"),
    timezone: str | None = None,
    where: Where | None = None,
    now: datetime | None = None,
) -> list[UnusualDay]:
    """Which of the last whole days were unusual, the latest first, each with what moved.

    A day is compared with up to eight of the same weekday before it, and needs four. Its score is robust: medians, so
    that one unusual day does not hide the next.

    Args:
        store: The ledger.
        days: How many days before today are judged, at most `MOST`.
        by: The dimensions in which to look for what moved.
        timezone: An IANA name, `utc`, or `local` (the default).
        where: What must hold for a call, as in `Store.summary`.
        now: The current time if absent.

    Raises:
        ValueError: No such time zone or dimension, or too many days.
        StoreError: The ledger can't be read.
    """
    if days > MOST:
        raise ValueError(f"the last {MOST:,} days can be judged, not {days:,}")
    zone_name, _, _ = period(None, None, timezone)
    names = tuple(by)
    history = whole_days(store, exact(now or datetime.now(UTC)), days + 7 * WEEKS, zone_name, where)
    found: list[UnusualDay] = []
    compared: list[tuple[Day, list[Day]]] = []
    for place in range(max(len(history) - days, 0), len(history)):
        before = [history[n] for n in range(place - 7 * WEEKS, place, 7) if n >= 0]
        if len(before) < LEAST:
            continue
        day = history[place]
        usual = round(median(each.cost for each in before))
        distance = round(median(abs(each.cost - usual) for each in before))
        spread = max(distance, usual // _FLOOR_SHARE, _FLOOR)
        score = 0.6745 * (day.cost - usual) / spread
        if abs(score) >= SCORE:
            found.append(UnusualDay(day.date, day.cost, usual, spread, len(before), score, []))
            compared.append((day, before))
    for each, moved in zip(found, _movers(store, compared, names, where), strict=True):
        each.movers.extend(moved)
    return found[::-1]


def _movers(
    store: Store, compared: list[tuple[Day, list[Day]]], names: tuple[str, ...], where: Where | None
) -> list[list[Mover]]:
    """What moved on each of these days, against the days that it is compared with."""
    found: list[list[Mover]] = [[] for _ in compared]
    periods = list(dict.fromkeys((each.start, each.end) for day, before in compared for each in (day, *before)))
    for name in names if periods else ():
        sums = store.summaries([name], periods, where=where)
        costs = {
            period: {row.key[name]: row.total_cost for row in rows} for period, rows in zip(periods, sums, strict=True)
        }
        for movers, (day, before) in zip(found, compared, strict=True):
            up = 1 if day.cost >= median(each.cost for each in before) else -1
            most = _most(name, up, costs[day.start, day.end], [costs[each.start, each.end] for each in before])
            if most is not None:
                movers.append(most)
    for movers in found:
        movers.sort(key=lambda mover: (-abs(mover.cost - mover.usual), names.index(mover.dimension)))
    return found


def _most(name: str, up: int, here: dict[str | None, int], there: list[dict[str | None, int]]) -> Mover | None:
    """What of the dimension moved most in the day's direction; None: nothing did, or nothing is attributed."""
    values = set(here).union(*there)
    movers = [
        Mover(name, value, here.get(value, 0), round(median(each.get(value, 0) for each in there))) for value in values
    ]
    most = max(movers, key=lambda mover: (up * (mover.cost - mover.usual), mover.value or ""), default=None)
    if most is None or up * (most.cost - most.usual) <= 0 or (most.value is None and len(values) == 1):
        return None
    return most
