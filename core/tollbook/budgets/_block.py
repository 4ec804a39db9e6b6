"""`with tollbook.budget(usd=0.50): ...`: a budget for a block of code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tollbook.budgets._budget import Budget
from tollbook.budgets._keeper import keeper
from tollbook.budgets._local import LocalBudget
from tollbook.budgets._parse import budget_from
from tollbook.spans import _gate, _sink


def budget(
    *,
    usd: Decimal | float | str | None = None,
    tokens: int | None = None,
    calls: int | None = None,
    name: str = "block",
    action: str = "stop",
    ceiling: Decimal | float | str | None = None,
    downgrade: Mapping[str, str] | None = None,
    downgrade_at: int = 100,
    on_unpriced: str = "stop",
    on_stream: str = "count",
    callback: Callable[[Any], object] | None = None,
) -> LocalBudget:
    """A budget for what is called in a `with` block, in any of its tasks, and in threads by `propagate`.

    Each call reserves the most that it may come to, and gives back what it did not use when it has ended; so calls
    that run at once can't overspend together. The block's `spent` and `remaining` can be read at any time.

    Args:
        usd: The most that may be spent; or
        tokens: the most tokens, sent and generated; or
        calls: the most calls.
        name: What the error calls it.
        action: `stop` raises `BudgetExceeded` in place of the call; `downgrade` asks a cheaper model first; `ask`
            calls `callback` with a `Question`, and makes the call if it returns true.
        ceiling: The most that one call is taken to need, in place of the bound that its request sets.
        downgrade: Model to cheaper model.
        downgrade_at: Percent of the budget from which on the cheaper model is asked.
        on_unpriced: `stop` or `allow` calls of which nobody can tell what they may cost.
        on_stream: `count` what a stream takes beyond what was reserved, or `stop` the stream.
        callback: For `ask`.

    Raises:
        ValueError: Not exactly one limit, or a setting that makes no sense; the message names it.

    >>> with budget(usd=0.50) as run:  # doctest: +SKIP
    ...     agent.run("Find the cheapest flight")
    >>> run.spent  # doctest: +SKIP
    """
    settings = usd, tokens, calls, name, action, ceiling, downgrade_at, on_unpriced, on_stream
    try:
        made = _known(*settings) if downgrade is None and callback is None else _made(*settings, downgrade, callback)
    except TypeError:  # a setting that has no hash, which is none
        made = _made(*settings, downgrade, callback)
    keeper.used = True
    _sink.booked = keeper.saw
    if _gate.gate is None:
        _gate.gate = keeper
    return LocalBudget(made)


def _made(
    usd: Decimal | float | str | None,
    tokens: int | None,
    calls: int | None,
    name: str,
    action: str,
    ceiling: Decimal | float | str | None,
    downgrade_at: int,
    on_unpriced: str,
    on_stream: str,
    downgrade: Mapping[str, str] | None = None,
    callback: Callable[[Any], object] | None = None,
) -> Budget:
    given: dict[str, Any] = {
        "usd": usd,
        "tokens": tokens,
        "calls": calls,
        "name": name,
        "action": action,
        "ceiling": ceiling,
        "downgrade": downgrade,
        "downgrade_at": downgrade_at,
        "on_unpriced": on_unpriced,
        "on_stream": on_stream,
    }
    made, problems = budget_from({key: value for key, value in given.items() if value is not None}, "code", callback)
    if made is None:
        raise ValueError("; ".join(f"{field}: {what}" for field, what in problems))
    if not made.asks:
        raise ValueError("action: expected stop, downgrade or ask, for a block of code")
    return made


_known = lru_cache(maxsize=64, typed=True)(_made)
"""Each run of an agent begins a block with the settings of the last one."""
