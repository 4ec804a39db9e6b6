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
        days: How many days before today are judged.
        by: The dimensions in which to look for what moved.
        timezone: An IANA name, `utc`, or `local` (the default).
        where: What must hold for a call, as in `Store.summary`.
        now: The current time if absent.

    Raises:
        ValueError: No such time zone or dimension.
        StoreError: The ledger can't be read.
    """
    zone_name, _, _ = period(None, None, timezone)
    names = tuple(by)
    history = whole_days(store, exact(now or datetime.now(UTC)), days + 7 * WEEKS, zone_name, where)
    found: list[UnusualDay] = []
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
            moved = _movers(store, day, before, names, where, zone_name)
            found.append(UnusualDay(day.date, day.cost, usual, spread, len(before), score, moved))
    return found[::-1]


def _movers(
    store: Store, day: Day, before: list[Day], names: tuple[str, ...], where: Where | None, zone_name: str | None
) -> list[Mover]:
    up = 1 if day.cost >= median(each.cost for each in before) else -1
    found: list[Mover] = []
    for name in names:

        def costs(of: Day, name: str = name) -> dict[str | None, int]:
            rows = store.summary([name], since=of.start, until=of.end, where=where, zone=zone_name)
            return {row.key[name]: row.total_cost for row in rows}

        here, there = costs(day), [costs(each) for each in before]
        values = set(here).union(*there)
        movers = [
            Mover(name, value, here.get(value, 0), round(median(each.get(value, 0) for each in there)))
            for value in values
        ]
        most = max(movers, key=lambda mover: (up * (mover.cost - mover.usual), mover.value or ""), default=None)
        # Where nothing is attributed, that says nothing.
        if most is not None and up * (most.cost - most.usual) > 0 and (most.value is not None or len(values) > 1):
            found.append(most)
    found.sort(key=lambda mover: (-abs(mover.cost - mover.usual), names.index(mover.dimension)))
    return found
