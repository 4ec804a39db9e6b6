"""Budgets: limits on what may be spent, that hold across threads and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.budgets._active import budgets, declare, forget, obey, refresh, withdraw
    from tollbook.budgets._alerts import BudgetAlert, deliver, described, wait
    from tollbook.budgets._block import budget
    from tollbook.budgets._budget import Budget, restored, stored
    from tollbook.budgets._exceeded import BudgetExceeded
    from tollbook.budgets._files import BudgetError, Source, load_budgets
    from tollbook.budgets._keeper import Question, keeper
    from tollbook.budgets._local import LocalBudget
    from tollbook.budgets._parse import budget_from, short
    from tollbook.budgets._shared import LedgerBudget
    from tollbook.budgets._status import BudgetStatus, budget_status, scope_of, window_of

__all__ = [
    "Budget",
    "BudgetAlert",
    "BudgetError",
    "BudgetExceeded",
    "BudgetStatus",
    "LedgerBudget",
    "LocalBudget",
    "Question",
    "Source",
    "budget",
    "budget_from",
    "budget_status",
    "budgets",
    "declare",
    "deliver",
    "described",
    "forget",
    "keeper",
    "load_budgets",
    "obey",
    "refresh",
    "restored",
    "scope_of",
    "short",
    "stored",
    "wait",
    "window_of",
    "withdraw",
]

__getattr__ = lazily(
    __name__,
    _active="budgets declare forget obey refresh withdraw",
    _alerts="BudgetAlert deliver described wait",
    _block="budget",
    _budget="Budget restored stored",
    _exceeded="BudgetExceeded",
    _files="BudgetError Source load_budgets",
    _keeper="Question keeper",
    _local="LocalBudget",
    _parse="budget_from short",
    _shared="LedgerBudget",
    _status="BudgetStatus budget_status scope_of window_of",
)
