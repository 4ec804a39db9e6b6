"""Budgets of one block of code, in this process alone: `with budget(usd=0.50): ...`."""

from __future__ import annotations

import threading
from collections import deque
from contextvars import ContextVar
from decimal import Decimal
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook import _guard
from tollbook._money import to_usd
from tollbook.budgets._budget import Budget
from tollbook.budgets._worst import plain_worst
from tollbook.ledger import amount_of, may_have_cost
from tollbook.spans import Record, complete

if TYPE_CHECKING:
    from tollbook.spans import Call

_MANY = 1000
"""Calls that are kept until they are reckoned, at most."""

active: ContextVar[tuple[LocalBudget, ...]] = ContextVar("tollbook_budgets", default=())
"""The blocks that this code is in, the outermost first."""


class _Ended(msgspec.Struct, gc=False, frozen=True):
    """A call that has ended: no more of its record than is needed to tell what it took.

    There may be a thousand of them, and it is fresh memory for each that takes the time, not the work.
    """

    reserved: int
    took: int | None
    raw: Any = None
    """Usage as it was reported, which is not read yet; None: `took` is known."""
    convention: str | None = None
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    start: int = 0
    context: dict[str, str] | None = None
    charge: int | None = None


_ONE = _Ended(1, 1)
_unasked: Any = SimpleNamespace(reserved=0)
"""A call that nobody was asked for."""


class LocalBudget:
    """What one block may spend; also says what it has spent.

    Its calls are counted as they end, whichever thread or task of the block makes them.
    """

    __slots__ = (
        "_ended",
        "_lock",
        "_most",
        "_unit",
        "budget",
        "calls_ended",
        "calls_unpriced",
        "fixed",
        "held",
        "only_counts",
        "used",
    )

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.used = 0
        """By calls that have ended, in whole units of the limit: pico-dollars, tokens or calls."""
        self.held = 0
        """For calls that are under way, at the most that they may come to."""
        self.calls_ended = 0
        self.calls_unpriced = 0
        self.fixed = 1 if budget.limit.unit == "calls" else budget.ceiling
        """What every call is taken to need; None: each what its request says."""
        self.only_counts = budget.downgrade_at == 100 and budget.on_stream != "stop"
        """Whether nothing but its count decides of a plain call."""
        self._ended: deque[_Ended] = deque()
        """Calls that have ended and are not reckoned yet."""
        self._lock = threading.Lock()
        self._most = budget.limit.most
        self._unit = budget.limit.unit

    @property
    def spent(self) -> Decimal | int:
        """By calls that have ended, in USD, tokens or calls."""
        self._all()
        return self._said(self.used)

    @property
    def calls(self) -> int:
        """Calls that have ended."""
        self._all()
        return self.calls_ended

    @property
    def unpriced(self) -> int:
        """Of these, those whose cost is not known, and is in no sum."""
        self._all()
        return self.calls_unpriced

    @property
    def reserved(self) -> Decimal | int:
        """For calls that are under way, at the most that they may come to, in USD, tokens or calls."""
        self._all()
        return self._said(self.held)

    @property
    def remaining(self) -> Decimal | int:
        """What is left, in USD, tokens or calls; below zero if calls took more than they could."""
        self._all()
        return self._said(self.budget.limit.most - self.used - self.held)

    def _said(self, amount: int) -> Decimal | int:
        return to_usd(amount) if self.budget.limit.unit == "usd" else amount

    def state(self) -> tuple[Decimal, Decimal]:
        """What is spent, and the limit, in USD: as middleware asks.

        Raises:
            ValueError: The limit is none of money.
        """
        if self.budget.limit.unit != "usd":
            raise ValueError(f"the budget {self.budget.name!r} counts {self.budget.limit.unit}, not money")
        self._all()
        return to_usd(self.used), to_usd(self.budget.limit.most)

    def admits(self, call: Call) -> bool:
        """Whether there is room for `call` in the usual case: its count alone decides, and its bound is plain to see.

        False says nothing but that it must be looked at closely. All calls of a block pass here, so what `take` does
        is written out.
        """
        if not self.only_counts:
            return False
        amount = self.fixed
        if amount is None:
            request = call.request
            if request is None or (amount := plain_worst(call.record, request, self._unit)) is None:
                return False
        with self._lock:
            held = self.held + amount
            if self.used + held > self._most:
                return False
            self.held = held
        call.reserved = amount
        call.settle = self.settle
        return True

    def take(self, amount: int, *, beyond: bool = False) -> bool:
        """Reserve `amount`, if there is room for it; `beyond`: also if there is none."""
        with self._lock:
            held = self.held + amount
            if self.used + held > self._most:
                # What calls took that have ended is only reckoned now: most blocks never come near their limit.
                self._reckon()
                held = self.held + amount
                if self.used + held > self._most and not beyond:
                    return False
            self.held = held
            return True

    def room(self) -> int:
        """What is left, in whole units, once calls that have ended count as what they took."""
        with self._lock:
            self._reckon()
            return self._most - self.used - self.held

    def give_back(self, amount: int) -> None:
        """Undo `take`."""
        with self._lock:
            self.held -= amount

    def settle(self, call: Call, record: Record | None) -> None:
        """A call that has reserved here has ended: with its record, or with None if it was none."""
        if record is None:
            self.give_back(call.reserved)
            return
        limit = self.budget.limit
        if limit.unit == "calls":
            self._ended.append(_ONE)
        elif record.raw is None:
            took = amount_of(limit, record)
            self._ended.append(_Ended(call.reserved, 0 if took is None and not may_have_cost(record) else took))
        else:
            ended = _Ended(
                call.reserved,
                None,
                record.raw,
                record.convention,
                record.provider,
                record.request_model,
                record.response_model,
                record.start,
                record.context,
                record.charge,
            )
            self._ended.append(ended)
        if len(self._ended) >= _MANY:
            self._all()

    def add(self, record: Record) -> None:
        """Count what has reserved nothing here, since nobody was asked before it was made."""
        if self.budget.limit.unit == "calls":
            self._ended.append(_Ended(0, 1))
        else:
            self.settle(_unasked, record)

    def _reckon(self) -> None:
        """Put what calls took that have ended in place of what was reserved for them."""
        while self._ended:  # calls that end meanwhile are put at its end, without the lock
            ended = self._ended.popleft()
            self.held -= ended.reserved
            self.calls_ended += 1
            took = _guard.guarded(_took)(self.budget, ended)
            if took is None:
                self.calls_unpriced += 1
                took = 0 if self.budget.on_unpriced == "allow" else ended.reserved
            self.used += took

    def _all(self) -> None:
        with self._lock:
            self._reckon()

    def __enter__(self) -> LocalBudget:
        active.set((*active.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Nothing is kept by block: one may be used by many threads and tasks at once.
        blocks = active.get()
        for place in range(len(blocks) - 1, -1, -1):
            if blocks[place] is self:
                active.set((*blocks[:place], *blocks[place + 1 :]))
                return

    def __repr__(self) -> str:
        return f"<budget {self.budget.name!r}: {self.remaining} left>"


def _took(budget: Budget, ended: _Ended) -> int | None:
    """What a call took of `budget`, whose usage may still be as it was reported."""
    if ended.raw is None:
        return ended.took
    record = Record(
        trace_id="",
        span_id="",
        raw=ended.raw,
        convention=ended.convention,
        provider=ended.provider,
        request_model=ended.request_model,
        response_model=ended.response_model,
        start=ended.start,
        context=ended.context,
        charge=ended.charge,
    )
    complete(record)
    return amount_of(budget.limit, record)
