"""The limits of a test and of a session: budgets that hold for all of the process while a test runs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollbook._clean import clean
from tollbook._money import show, to_usd
from tollbook.budgets import Budget, BudgetExceeded, LocalBudget, budget, keeper

if TYPE_CHECKING:
    from tollbook.testing._capture import Captured

SESSION = "--tollbook-budget"
MARKED = "@pytest.mark.tollbook"
_LEAST: dict[str, Any] = {"usd": "0.000000000001", "tokens": 1, "calls": None}


class Watched(LocalBudget):
    """A budget that remembers whether it refused a call, for a program that catches all exceptions."""

    __slots__ = ("refused",)

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self.only_counts = False  # each call goes through `take`
        self.refused = False

    def take(self, amount: int, *, beyond: bool = False) -> bool:
        """Reserve `amount`, if there is room for it after all that has ended."""
        self._all()
        taken = super().take(amount, beyond=beyond)
        self.refused = self.refused or not taken
        return taken


def limit(name: str, unit: str, most: Any, *, reserve: bool = False, on_unpriced: str = "stop") -> Watched:
    """A budget for a test: it refuses calls once it is used up.

    Args:
        name: What the error calls it.
        unit: `usd`, `tokens` or `calls`.
        most: How many; USD as `Decimal`, number or text.
        reserve: Refuse a call as soon as it could go beyond, if it came to the most that its request allows.
        on_unpriced: With `reserve`, what to do about a call of which nobody can tell that.

    Raises:
        ValueError: No such amount.
    """
    ceiling = None if reserve else _LEAST[unit]
    given: dict[str, Any] = {unit: most}
    return Watched(budget(**given, name=name, ceiling=ceiling, on_unpriced=on_unpriced).budget)


class Limits:
    """What one test may come to: the arguments of its marker."""

    def __init__(
        self,
        name: str,
        usd: Any = None,
        tokens: int | None = None,
        calls: int | None = None,
        reserve: bool = False,
        on_unpriced: str = "stop",
    ) -> None:
        """Raises ValueError for what is no amount."""
        given = {"usd": usd, "tokens": tokens, "calls": calls}
        self.budgets = [
            limit(name, unit, most, reserve=reserve, on_unpriced=on_unpriced)
            for unit, most in given.items()
            if most is not None
        ]
        self._allow_unpriced = on_unpriced == "allow"

    def broken(self, captured: Captured) -> str | None:
        """Which limit the test has broken, as a sentence; None: none."""
        came_to: dict[str, Decimal | int] = {"usd": captured.usd, "tokens": captured.tokens, "calls": captured.calls}
        for each in self.budgets:
            unit, most = each.budget.limit.unit, each.budget.limit.most
            allowed: Decimal | int = to_usd(most) if unit == "usd" else most
            marker = f"{MARKED} allows {_said(unit, allowed)}"
            if came_to[unit] > allowed:
                return f"the test's model calls came to {_said(unit, came_to[unit])}, and {marker}"
            if each.refused:
                return f"a model call was refused, which the test did not notice: {marker}, and that was used up"
            if unit == "usd" and captured.unpriced and not self._allow_unpriced:
                models = sorted({clean(str(call.model)) for call in captured if call.unpriced})
                return (
                    f"nobody can tell what the test cost: there is no price for {', '.join(models)}. Define one "
                    "(tollbook prices add), or mark the test with tollbook(..., on_unpriced='allow')"
                )
        return None


def explain(error: BudgetExceeded, what: str) -> None:
    """Say in an error that a limit of ours raised whose limit that is."""
    if error.reason:
        return
    said = [f"{what} allows {_said(error.unit, error.limit)}; spent: {_said(error.unit, error.spent)}"]
    if error.reserved:
        said.append(f"reserved: {_said(error.unit, error.reserved)}")
    if error.wanted not in (None, 1, to_usd(1)):  # more than the least that stands for any call
        said.append(f"this call may take {_said(error.unit, error.wanted or 0)}")
    error.reason = "; ".join(said)


def _said(unit: str, amount: Decimal | int) -> str:
    return show(Decimal(amount)) if unit == "usd" else f"{amount:,} {unit if amount != 1 else unit[:-1]}"


def enter(blocks: Sequence[LocalBudget]) -> None:
    """Let these hold for all of the process, in place of those before."""
    from tollbook.spans import _gate

    keeper.everywhere = tuple(blocks)
    if blocks and _gate.gate is None:
        _gate.gate = keeper


class SessionBudget:
    """What all tests together may spend, in all processes that run them: they share a file.

    A test sees what others had spent when it began; so tests that run at once can go beyond together, by what they
    themselves spend.
    """

    def __init__(self, usd: str, path: Path) -> None:
        """Raises ValueError if `usd` is no amount."""
        self._usd = usd
        self._path = path
        self.block = self.begin()

    def begin(self) -> Watched:
        """A test begins: what is left for it, after what all have spent."""
        self.block = limit(SESSION, "usd", self._usd)
        with contextlib.suppress(FileNotFoundError):
            self.block.used = sum(map(int, self._path.read_text(encoding="ascii").split()))
        return self.block

    def add(self, pico: int) -> None:
        """A test has ended that spent so much, in pico-dollars."""
        if pico:
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{pico}\n")
