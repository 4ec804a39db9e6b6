"""The one exception that Tollbook raises in a program: the one that a budget asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from tollbook._money import show, to_usd
from tollbook.spans import Stop


class BudgetExceeded(Stop):  # what programs say: a budget is exceeded
    """A call was not made, since it could have gone beyond a budget that stops calls."""

    def __init__(
        self,
        budget: str,
        *,
        unit: str,
        limit: int,
        spent: int = 0,
        reserved: int = 0,
        wanted: int | None = None,
        holder: str = "",
        resets: int | None = None,
        reason: str = "",
    ) -> None:
        """Amounts are in pico-dollars, tokens or calls, after `unit`."""
        super().__init__(budget)
        self.budget = budget
        """Its name."""
        self.unit = unit
        """`usd`, `tokens` or `calls`."""
        self.holder = holder
        """Whose share of it: the user, the session, ...; empty if all have one."""
        self.limit = _amount(unit, limit)
        self.spent = _amount(unit, spent)
        """In this window, by calls that have ended."""
        self.reserved = _amount(unit, reserved)
        """For calls that are under way, at the most that they may come to."""
        self.wanted = None if wanted is None else _amount(unit, wanted)
        """The most that this call could have come to; None: nobody can tell."""
        self.resets_at = None if resets is None else datetime.fromtimestamp(resets / 1e9, UTC)
        """When the window ends, UTC; None: never, or bit by bit."""
        self.reason = reason
        self._given = (budget, unit, limit, spent, reserved, wanted, holder, resets, reason)

    def __str__(self) -> str:
        whose = f" of {self.holder}" if self.holder else ""
        if self.reason:
            return f"budget {self.budget!r}{whose}: {self.reason}"
        wanted = "" if self.wanted is None else f", and this call may take {self._said(self.wanted)}"
        resets = f"; it begins anew at {self.resets_at:%Y-%m-%d %H:%M} UTC" if self.resets_at else ""
        return (
            f"budget {self.budget!r}{whose}: {self._said(self.spent)} spent and {self._said(self.reserved)} reserved "
            f"of {self._said(self.limit)}{wanted}{resets}"
        )

    def _said(self, amount: Decimal | int) -> str:
        return show(Decimal(amount)) if self.unit == "usd" else f"{amount:,} {self.unit}"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, self._given


def _again(
    budget: str,
    unit: str,
    limit: int,
    spent: int,
    reserved: int,
    wanted: int | None,
    holder: str,
    resets: int | None,
    reason: str,
) -> BudgetExceeded:
    return BudgetExceeded(
        budget,
        unit=unit,
        limit=limit,
        spent=spent,
        reserved=reserved,
        wanted=wanted,
        holder=holder,
        resets=resets,
        reason=reason,
    )


def _amount(unit: str, number: int) -> Decimal | int:
    return to_usd(number) if unit == "usd" else number
