"""A middleware for LangChain's agents that keeps a run inside its budget; imported when it is first used."""

# ruff: noqa: ARG002 - the arguments of a hook are LangChain's

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol

from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from tollbook._money import from_usd, plain, to_usd
from tollbook.spans import innermost, watch

log = logging.getLogger("tollbook")

MESSAGE = "I have to stop here: the budget for this task is used up."


class Budget(Protocol):
    """Something that knows how much of it is spent."""

    def state(self) -> tuple[Decimal, Decimal]:
        """What is spent, and the limit, in USD."""
        ...


class RunBudget:
    """What one run may cost: the trace that is open where it is asked, from the first time on."""

    def __init__(self, limit: Decimal) -> None:
        self.limit = limit

    def state(self) -> tuple[Decimal, Decimal]:
        """What the run has spent so far, as far as its price is known, and the limit, in USD."""
        spent = watch()
        if spent is None:
            log.warning("tollbook sees no run here: BudgetMiddleware needs tollbook.autolog(), or a CallbackHandler")
            return Decimal(0), self.limit
        return spent.usd, self.limit


class BudgetMiddleware(AgentMiddleware[Any, Any]):
    """Keeps an agent's run inside a budget: it warns, then takes a cheaper model, then ends the run with a message.

    A run is ended between two calls, so it may come to a little more than its limit: by the call that passed it.
    Calls whose price is not known are in no sum, and so in no budget.

    `create_agent(model, tools, middleware=[BudgetMiddleware("0.50", model=cheaper)])`
    """

    def __init__(
        self,
        budget: Budget | Decimal | float | str,
        *,
        warn_at: float = 0.8,
        model: BaseChatModel | None = None,
        downgrade_at: float = 0.5,
        message: str = MESSAGE,
        on_warning: Callable[[Decimal, Decimal], object] | None = None,
    ) -> None:
        """Say what the limit is, and what happens on the way there.

        Args:
            budget: What one run may cost in USD; or a `tollbook.budget(...)`; or a budget of the ledger, as
                `tollbook.budgets.LedgerBudget(name)`; or anything else with such a `state`.
            warn_at: The share of the limit from which on the log says so, once per run.
            model: The cheaper model; None: the run keeps its own.
            downgrade_at: The share of the limit from which on the cheaper model is asked.
            message: What the agent answers when the limit is reached.
            on_warning: Called with what is spent and the limit, in USD, in place of the log.

        Raises:
            ValueError: The limit is no amount of money, or not above zero.
        """
        super().__init__()
        self.budget: Budget = budget if not isinstance(budget, (Decimal, float, int, str)) else _limited(budget)
        self.warn_at, self.downgrade_at = Decimal(str(warn_at)), Decimal(str(downgrade_at))
        self.cheaper, self.message, self.on_warning = model, message, on_warning
        self._warned: dict[str, None] = {}

    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Begin to count."""
        self.budget.state()
        return None

    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Begin to count."""
        self.budget.state()
        return None

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End the run if its budget is used up; warn if it nearly is."""
        spent, limit = self.budget.state()
        if spent >= limit:
            return {"jump_to": "end", "messages": [AIMessage(self.message)]}
        if spent >= limit * self.warn_at:
            self._warn_once(spent, limit)
        return None

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End the run if its budget is used up; warn if it nearly is."""
        return self.before_model(state, runtime)

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Ask the cheaper model, if it is time for it."""
        return handler(self._within(request))

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask the cheaper model, if it is time for it."""
        return await handler(self._within(request))

    def _within(self, request: Any) -> Any:
        if self.cheaper is None:
            return request
        spent, limit = self.budget.state()
        return request.override(model=self.cheaper) if spent >= limit * self.downgrade_at else request

    def _warn_once(self, spent: Decimal, limit: Decimal) -> None:
        run = innermost()
        trace = "" if run is None else run.trace_id
        if trace in self._warned:
            return
        self._warned[trace] = None
        while len(self._warned) > _MOST:
            del self._warned[next(iter(self._warned))]
        if self.on_warning is not None:
            self.on_warning(spent, limit)
        else:
            log.warning("tollbook: the run %s has spent %s of %s USD", trace, plain(spent), plain(limit))


_MOST = 1000


def _limited(limit: Decimal | float | str) -> RunBudget:
    pico = from_usd(repr(limit) if isinstance(limit, float) else limit)
    if pico <= 0:
        raise ValueError(f"a budget is an amount of USD above zero, and not {limit}")
    return RunBudget(to_usd(pico))
