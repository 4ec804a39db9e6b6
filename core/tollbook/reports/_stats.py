"""What one call, trace, run or session costs: mean, median and 95th percentile, in whole pico-dollars."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook._money import plain, to_usd
from tollbook.ledger._costs import Per, costs

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where
    from tollbook.reports._report import Report

STATISTICS = ("per", "units", "units_without_cost", "mean_usd", "p50_usd", "p95_usd", "max_usd")
"""The numbers of a `Distribution` in JSON and CSV."""


class Distribution(msgspec.Struct, frozen=True):
    """What the calls, traces, runs or sessions of a row cost, each by itself, in pico-dollars."""

    per: Per
    units: int
    """How many there are with a known cost; the numbers are theirs."""
    units_without_cost: int
    """How many there are of which no cost is known at all."""
    sum: int
    p50: int
    """The smallest cost that at least half of them do not exceed: one that occurred, not one in between."""
    p95: int
    max: int

    @property
    def mean_usd(self) -> Decimal | None:
        """The mean in USD, rounded half to even at a pico-dollar; None if there are none."""
        if not self.units:
            return None
        whole, rest = divmod(self.sum, self.units)
        up = 2 * rest > self.units or (2 * rest == self.units and whole % 2)
        return to_usd(whole + (1 if up else 0))

    @property
    def p50_usd(self) -> Decimal | None:
        """The median in USD; None if there are none."""
        return to_usd(self.p50) if self.units else None

    @property
    def p95_usd(self) -> Decimal | None:
        """The 95th percentile in USD; None if there are none."""
        return to_usd(self.p95) if self.units else None

    @property
    def max_usd(self) -> Decimal | None:
        """The most that one cost, in USD; None if there are none."""
        return to_usd(self.max) if self.units else None

    def as_dict(self) -> dict[str, Any]:
        """The values of `STATISTICS`; money as exact decimal text."""
        found = {name: getattr(self, name) for name in STATISTICS}
        return {name: plain(value) if name.endswith("_usd") else value for name, value in found.items()}


def distribution(per: Per, amounts: Iterable[int], without: int = 0) -> Distribution:
    """What these amounts come to."""
    ordered = sorted(amounts)
    number = len(ordered)
    if not number:
        return Distribution(per, 0, without, 0, 0, 0, 0)
    half, most = ordered[(number + 1) // 2 - 1], ordered[-(-95 * number // 100) - 1]
    return Distribution(per, number, without, sum(ordered), half, most, ordered[-1])


def add_stats(
    store: Store,
    report: Report,
    per: Per,
    where: Where | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Give each row of the report, and its total, the distribution of what one call, trace, run or session costs."""
    shown = {row.key: row for row in report.rows if not row.others}
    found = costs(store, per, report.by, report.since, report.until, where, report.timezone, shown, progress)
    for row in report.rows:
        row.stats = _of(per, found.others if row.others else found.rows.get(row.key, ()))
    report.total.stats = _of(per, found.total)


def _of(per: Per, amounts: Iterable[int | None]) -> Distribution:
    several = list(amounts)
    known = [amount for amount in several if amount is not None]
    return distribution(per, known, len(several) - len(known))
