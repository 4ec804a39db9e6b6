"""Tollbook: what every LLM call costs, exactly, with one line, without getting in the way.

    import tollbook
    tollbook.autolog()

Importing this package imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook._ask import advise, forecast, report, unusual, what_if
    from tollbook._estimate import Estimate, estimate
    from tollbook._instrument import autolog
    from tollbook._prices import CostResult, Price, cost, price
    from tollbook._runtime import (
        budget_status,
        flush,
        get_last_active_trace_id,
        get_session,
        get_trace,
        remove_budget,
        reprice,
        set_budgets,
    )
    from tollbook._salt import user_pseudonym
    from tollbook.budgets import BudgetAlert, BudgetError, BudgetExceeded, budget
    from tollbook.pricing import add_prices
    from tollbook.reports import Advice
    from tollbook.spans import (
        Session,
        Span,
        Trace,
        attribute,
        attribute_process,
        child_environment,
        continue_process,
        continue_trace,
        current_attribution,
        extract,
        get_current_active_span,
        inject,
        propagate,
        record,
        span,
        start_span,
        trace,
    )
    from tollbook.usage import Usage

__version__ = "0.1.0"
__all__ = [
    "Advice",
    "BudgetAlert",
    "BudgetError",
    "BudgetExceeded",
    "CostResult",
    "Estimate",
    "Price",
    "Session",
    "Span",
    "Trace",
    "Usage",
    "add_prices",
    "advise",
    "attribute",
    "attribute_process",
    "autolog",
    "budget",
    "budget_status",
    "child_environment",
    "continue_process",
    "continue_trace",
    "cost",
    "current_attribution",
    "estimate",
    "extract",
    "flush",
    "forecast",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_session",
    "get_trace",
    "inject",
    "price",
    "propagate",
    "record",
    "remove_budget",
    "report",
    "reprice",
    "set_budgets",
    "span",
    "start_span",
    "trace",
    "unusual",
    "user_pseudonym",
    "what_if",
]


__getattr__ = lazily(
    __name__,
    _ask="advise forecast report unusual what_if",
    _estimate="Estimate estimate",
    _instrument="autolog",
    _runtime="budget_status flush get_last_active_trace_id get_session get_trace remove_budget reprice set_budgets",
    _prices="CostResult Price cost price",
    budgets="BudgetAlert BudgetError BudgetExceeded budget",
    notebook="load_ipython_extension unload_ipython_extension",
    pricing="add_prices",
    reports="Advice",
    _salt="user_pseudonym",
    spans="Session Span Trace attribute attribute_process child_environment continue_process continue_trace "
    "current_attribution extract get_current_active_span inject propagate record span start_span trace",
    usage="Usage",
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
