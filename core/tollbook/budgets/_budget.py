"""What a budget is: whose spending, in which window, how much, and what happens at the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tollbook.ledger import Limit

Action = Literal["warn", "callback", "webhook", "stop", "downgrade", "ask"]
ACTIONS: tuple[Action, ...] = ("warn", "callback", "webhook", "stop", "downgrade", "ask")
ASKING = frozenset({"stop", "downgrade", "ask"})
"""Actions that look at a call before it is made."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One budget."""

    limit: Limit
    """Whose spending is counted, in which window, and up to what."""
    action: Action = "warn"
    """What happens: `warn` logs each threshold; `callback` and `webhook` tell, too; `stop` refuses a call that could
    go beyond; `downgrade` asks a cheaper model instead; `ask` leaves it to the program."""
    ceiling: int | None = None
    """The most that one call is taken to need, in the limit's unit, where the request itself sets no bound, or in
    place of its bound."""
    downgrade: dict[str, str] = {}
    """Model to cheaper model."""
    downgrade_at: int = 100
    """Percent of the limit from which on the cheaper model is asked."""
    on_unpriced: Literal["stop", "allow"] = "stop"
    """A call of which nobody can tell what it may cost."""
    on_unreachable: Literal["stop", "allow"] = "stop"
    """A ledger that can't be asked."""
    on_stream: Literal["count", "stop"] = "count"
    """A stream that goes beyond while it runs: count it, or cut it."""
    webhook: str | None = None
    """Where alerts are posted to."""
    secret: str | None = None
    """The environment variable with the key by which these posts are signed."""
    callback: Callable[[Any], object] | None = None
    """Called in this process with each `BudgetAlert`, or, for `ask`, with the question."""
    source: str = ""
    """The file it comes from, or `code`."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.limit.name

    @property
    def asks(self) -> bool:
        """Whether calls wait for its answer before they are made."""
        return self.action in ASKING


def stored(budget: Budget) -> Limit:
    """The budget's limit with all that other processes need to know of the budget."""
    kept = {
        "action": budget.action,
        "ceiling": budget.ceiling,
        "downgrade": budget.downgrade,
        "downgrade_at": budget.downgrade_at,
        "on_unpriced": budget.on_unpriced,
        "on_unreachable": budget.on_unreachable,
        "on_stream": budget.on_stream,
        "webhook": budget.webhook,
        "secret": budget.secret,
        "source": budget.source,
    }
    return msgspec.structs.replace(
        budget.limit,
        keeps_unknown=budget.asks and budget.on_unpriced == "stop",
        definition={k: v for k, v in kept.items() if v not in (None, {}, "")},
    )


def restored(limit: Limit) -> Budget:
    """The budget that was `stored`; its callback stays in the process that set it."""
    fields: dict[str, Any] = dict(limit.definition)
    return Budget(limit=msgspec.structs.replace(limit, keeps_unknown=False, definition={}), **fields)
