"""How budgets stand: what is spent, what is reserved, and where the window will end if it goes on like this."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook._money import plain, show, to_usd
from tollbook.budgets._budget import Budget, restored
from tollbook.ledger import EACH

if TYPE_CHECKING:
    from tollbook.ledger import State, Store

_EARLY = 20
"""A window of which less than one part in so many has passed is too young for a forecast."""


class BudgetStatus(msgspec.Struct, frozen=True):
    """How one budget stands, for one holder, in its present window. Amounts in USD (`Decimal`), tokens or calls.

    Of a budget per call, `spent` is the dearest call that was counted today and is past a threshold, and `calls` how
    many of these went beyond.
    """

    budget: Budget
    holder: str
    """Whose share it is; empty if all have one."""
    limit: Decimal | int
    spent: Decimal | int
    reserved: Decimal | int
    calls: int
    unpriced: int
    """Calls whose cost is not known: in no sum, or, where the budget stops calls, at what was reserved for them."""
    window_start: datetime | None
    resets_at: datetime | None
    """UTC; None: never, or bit by bit."""
    forecast: Decimal | int | None
    """What will be spent when the window ends, if it goes on as until now; None: too early, or it has no end."""

    @property
    def name(self) -> str:
        """The budget's name."""
        return self.budget.name

    @property
    def percent(self) -> float:
        """How much of the limit is spent."""
        return float(self.spent / self.limit * 100)

    @property
    def exceeded(self) -> bool:
        """Whether nothing is left; of a budget per call: whether a call that was counted today went beyond."""
        if self.budget.limit.window == "call":
            return self.spent > self.limit
        return self.spent >= self.limit

    def _repr_html_(self) -> str:
        """How full it is, for notebooks."""
        from tollbook import _html

        def said(amount: Decimal | int) -> str:
            return show(amount) if isinstance(amount, Decimal) else f"{amount:,} {self.budget.limit.unit}"

        words = [f"{said(self.spent)} of {said(self.limit)} spent"]
        words += [f"{said(self.reserved)} reserved"] if self.reserved else []
        words += [f"{said(self.forecast)} foreseen"] if self.forecast is not None else []
        words += [f"{self.unpriced:,} calls unpriced"] if self.unpriced else []
        words += [f"begins anew {self.resets_at:%Y-%m-%d %H:%M} UTC"] if self.resets_at else []
        colour = _html.RED if self.exceeded else _html.AMBER if self.percent >= 80 else _html.BLUE
        filled = f"{_html.bar(self.percent / 100, colour, 320)} &nbsp;{self.percent:.1f} %"
        whose = f" · {self.holder}" if self.holder else ""
        return _html.box(f"{self.name}{whose}", " · ".join(words), filled)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, with money as decimal text."""
        limit = self.budget.limit

        def said(amount: Decimal | int | None) -> str | int | None:
            return plain(amount) if isinstance(amount, Decimal) else amount

        return {
            "name": self.name,
            "holder": self.holder,
            "unit": limit.unit,
            "scope": limit.where,
            "window": limit.window,
            "zone": limit.zone,
            "action": self.budget.action,
            "limit": said(self.limit),
            "spent": said(self.spent),
            "reserved": said(self.reserved),
            "percent": round(self.percent, 2),
            "exceeded": self.exceeded,
            "forecast": said(self.forecast),
            "calls": self.calls,
            "unpriced_calls": self.unpriced,
            "window_start": None if self.window_start is None else self.window_start.isoformat(),
            "resets_at": None if self.resets_at is None else self.resets_at.isoformat(),
        }


def budget_status(store: Store, now: int | None = None) -> list[BudgetStatus]:
    """How all budgets of a ledger stand, the fullest holder of each first.

    Args:
        store: The ledger, drained.
        now: Unix nanoseconds; None: now.

    Raises:
        StoreError: The ledger can't be read.
    """
    moment = time.time_ns() if now is None else now
    return [_status(state, moment) for state in store.limits.states(moment)]


def _status(state: State, now: int) -> BudgetStatus:
    limit = state.limit

    def amount(number: int) -> Decimal | int:
        return to_usd(number) if limit.unit == "usd" else number

    start = None if limit.window in ("lifetime", "call") or limit.rolling else state.bucket
    forecast = None
    if start is not None and state.resets is not None:
        passed, whole = now - start, state.resets - start
        if passed * _EARLY >= whole:
            forecast = amount(state.spent * whole // passed)
    return BudgetStatus(
        budget=restored(limit),
        holder=state.holder,
        limit=amount(limit.most),
        spent=amount(state.spent),
        reserved=amount(state.reserved),
        calls=state.calls,
        unpriced=state.unpriced,
        window_start=_time(start),
        resets_at=_time(state.resets) if start is not None else None,
        forecast=forecast,
    )


def scope_of(budget: Budget) -> str:
    """Whose spending a budget counts, in words."""
    where = budget.limit.where
    return ", ".join(f"each {name}" if value == EACH else f"{name} {value}" for name, value in where.items()) or "all"


def window_of(budget: Budget) -> str:
    """In which window, in words."""
    limit = budget.limit
    if limit.rolling:
        return f"last {limit.window}"
    return limit.window if limit.zone is None else f"{limit.window}, {limit.zone}"


def _time(nanoseconds: int | None) -> datetime | None:
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)
