"""Streams that are cut where a budget ends: only where it says so, and by an estimate, since usage comes last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tollbook import pricing, tokens
from tollbook.budgets._budget import Budget
from tollbook.budgets._exceeded import BudgetExceeded

if TYPE_CHECKING:
    from tollbook.spans import Call

_CHARACTERS = 4
"""A token is taken to be so many characters."""


def cut_at(call: Call, budget: Budget, room: int, request: Mapping[str, Any]) -> None:
    """Let the stream of `call` end with `BudgetExceeded` when its text has used up `room`, in the budget's unit.

    What was sent is estimated, too, where that is possible. Where no price is known, the stream is not cut.
    """
    most = _characters(call, budget, room, request)
    if most is None:
        return
    read = call.reader

    def reader(call: Call, data: dict[str, Any]) -> None:
        read(call, data)
        if call.characters > most and call.stop is None:
            limit = budget.limit
            call.stop = BudgetExceeded(
                limit.name,
                unit=limit.unit,
                limit=limit.most,
                spent=limit.most,
                reason="the stream was cut, since what it has brought so far takes all that was left",
            )
            call.failed = "BudgetExceeded"

    call.reader = reader


def _characters(call: Call, budget: Budget, room: int, request: Mapping[str, Any]) -> int | None:
    record = call.record
    most = tokens.most_of(request, record.request_model, record.operation)
    sent = 0 if most is None else most.sent // _CHARACTERS  # not known: the answer alone decides
    if budget.limit.unit == "tokens":
        return max(room - sent, 0) * _CHARACTERS
    if record.provider is None or record.request_model is None:
        return None
    card = pricing.card(record.provider, record.request_model, record.start, record.context)
    rates = {} if card is None else card.rates
    paid, made = (rates.get(name) for name in ("input", "output"))
    if not isinstance(paid, int) or not isinstance(made, int) or not made:
        return None
    return max(room - sent * paid, 0) // made * _CHARACTERS
