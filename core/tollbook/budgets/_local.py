"""Budgets of one block of code, in this process alone: `with budget(usd=0.50): ...`."""

from __future__ import annotations

import threading
from contextvars import ContextVar, Token
from decimal import Decimal
from types import TracebackType

from tollbook._money import to_usd
from tollbook.budgets._budget import Budget
from tollbook.ledger import amount_of
from tollbook.spans import Record

active: ContextVar[tuple[LocalBudget, ...]] = ContextVar("tollbook_budgets", default=())
"""The blocks that this code is in, the outermost first."""


class LocalBudget:
    """What one block may spend; also says what it has spent.

    Its calls are counted as they end, whichever thread or task of the block makes them.
    """

    __slots__ = ("_lock", "_tokens", "budget", "calls", "held", "unpriced", "used")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.used = 0
        """By calls that have ended, in whole units of the limit: pico-dollars, tokens or calls."""
        self.held = 0
        """For calls that are under way, at the most that they may come to."""
        self.calls = 0
        self.unpriced = 0
        """Calls whose cost is not known, and is in no sum."""
        self._lock = threading.Lock()
        self._tokens: list[Token[tuple[LocalBudget, ...]]] = []

    @property
    def spent(self) -> Decimal | int:
        """By calls that have ended, in USD, tokens or calls."""
        return self._said(self.used)

    @property
    def reserved(self) -> Decimal | int:
        """For calls that are under way, at the most that they may come to, in USD, tokens or calls."""
        return self._said(self.held)

    @property
    def remaining(self) -> Decimal | int:
        """What is left, in USD, tokens or calls; below zero if calls took more than they could."""
        return self._said(self.budget.limit.most - self.used - self.held)

    def _said(self, amount: int) -> Decimal | int:
        return to_usd(amount) if self.budget.limit.unit == "usd" else amount

    def take(self, amount: int) -> bool:
        """Reserve `amount`, if there is room for it."""
        with self._lock:
            if self.used + self.held + amount > self.budget.limit.most:
                return False
            self.held += amount
            return True

    def give_back(self, amount: int) -> None:
        """Undo `take`."""
        with self._lock:
            self.held -= amount

    def settle(self, amount: int, record: Record) -> None:
        """Put what the call took in place of what was reserved for it."""
        took = amount_of(self.budget.limit, record)
        with self._lock:
            self.held -= amount
            self.used += took or 0
            self.calls += 1
            self.unpriced += took is None

    def __enter__(self) -> LocalBudget:
        self._tokens.append(active.set((*active.get(), self)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            active.reset(self._tokens.pop())
        except ValueError:  # a generator that is closed in another context than that of its start
            return

    def __repr__(self) -> str:
        return f"<budget {self.budget.name!r}: {self.remaining} left>"
