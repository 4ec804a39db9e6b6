"""A budget of the ledger, as something to ask how it stands: for middleware that looks before it leaps."""

from __future__ import annotations

import time
from decimal import Decimal

from tollbook._money import to_usd
from tollbook.budgets._active import budgets
from tollbook.budgets._keeper import keeper, unreachable
from tollbook.ledger import StoreError, holder_of
from tollbook.spans import Record, current_attribution, innermost

_OF_A_CALL = frozenset({"model", "provider"})
"""Dimensions of which nothing is known before a call."""


class LedgerBudget:
    """The budget of this name that holds in this process, whoever set it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def state(self) -> tuple[Decimal, Decimal]:
        """What is spent or reserved of the share that is asked for here (of this user, ...), and the limit, in USD.

        Calls count when they are stored, within about a second of their end. The share of a run is that of the trace
        which is open here.

        Raises:
            ValueError: There is no such budget, its limit is none of money, or whose share it is depends on the call.
            BudgetExceeded: The ledger can't be read, and the budget says to stop then (`on_unreachable`); else nothing
                counts as spent.
        """
        found = budgets().get(self.name)
        if found is None or keeper.ledger is None:
            raise ValueError(f"no budget {self.name!r} holds here: set it, then call tollbook.autolog()")
        limit = found.limit
        if limit.unit != "usd":
            raise ValueError(f"the budget {self.name!r} counts {limit.unit}, not money")
        if limit.window == "call" or not _OF_A_CALL.isdisjoint(limit.where):
            raise ValueError(f"the budget {self.name!r} is that of a call, or of its model: nobody can tell which here")
        run = innermost()
        here = Record(
            trace_id="" if run is None else run.trace_id, span_id="", attribution=current_attribution() or None
        )
        holder = holder_of(limit, here)
        if holder is None:
            return Decimal(0), to_usd(limit.most)
        try:
            used = sum(keeper.ledger().store.limits.used(limit, holder, time.time_ns()))
        except StoreError as error:
            if found.on_unreachable == "stop":
                raise unreachable(found, error) from error
            used = 0
        return to_usd(used), to_usd(limit.most)
