"""Context that grows with each step of an agent: what is sent again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from tollbook.reports._advice import Advice, Step, said, usd
from tollbook.reports._signals import Model, about, model_of

if TYPE_CHECKING:
    from tollbook.ledger._scan import Seen
    from tollbook.spans import Record

STEPS = 3
"""Calls of one agent and model that show a trend, at least."""


class _Growth(msgspec.Struct):
    runs: int = 0
    calls: int = 0
    steps: int = 0
    growth: int = 0
    """Tokens from the first call to the last, over all runs."""
    sent: int = 0
    again: int = 0
    """Tokens that were there one step before, at most."""
    cost: int = 0
    again_cost: int = 0
    unknown: int = 0
    """Calls whose input has no known cost."""


class GrowingContext:
    """Takes in runs of agents, one after another."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Model], _Growth] = {}

    def see(self, spans: Sequence[Seen]) -> None:
        """Take in all spans of one run."""
        by_id = {seen.record.span_id: seen.record for seen in spans}
        calls: dict[tuple[str, Model], list[Record]] = {}
        for seen in spans:
            record = seen.record
            agent = _agent(record, by_id)
            if seen.key is not None and agent is not None and record.usage is not None and record.usage.input_tokens:
                calls.setdefault((agent.span_id, model_of(record)), []).append(record)
        for (agent_id, model), found in calls.items():
            if len(found) >= STEPS:
                self._add((by_id[agent_id].name, model), found)

    def _add(self, key: tuple[str, Model], calls: Sequence[Record]) -> None:
        sent = [0 if call.usage is None else call.usage.input_tokens for call in calls]
        grown = self._found.setdefault(key, _Growth())
        grown.runs += 1
        grown.calls += len(sent)
        grown.steps += len(sent) - 1
        grown.growth += sent[-1] - sent[0]
        grown.sent += sum(sent)
        for n, call in enumerate(calls):
            known = None if call.cost is None or call.cost.total is None else call.cost.input
            cost = known or 0
            grown.unknown += known is None
            again = min(sent[n - 1], sent[n]) if n else 0
            grown.cost += cost
            grown.again += again
            grown.again_cost += cost * again // sent[n]

    def advice(self) -> Iterator[Advice]:
        """One for each agent and model whose context grew."""
        for (name, model), found in self._found.items():
            if found.growth <= 0:
                continue
            each = found.growth // found.steps
            priced = found.unknown < found.calls
            more = f", without {found.unknown:,} calls of unknown cost" if found.unknown and priced else ""
            part = (
                f"{said(found.again_cost)} of {said(found.cost)}{more}" if priced else "not known: they have no price"
            )
            yield Advice(
                signal="growing_context",
                about=about(model, agent=name),
                text=f"{name} sends {model[1]} {each:,} tokens more with each step",
                arithmetic=(
                    Step(f"runs with {STEPS} calls or more", f"{found.runs:,}"),
                    Step("tokens from the first call to the last", f"{found.growth:,} in {found.steps:,} steps"),
                    Step("tokens sent", f"{found.sent:,}"),
                    Step("of these, as many as the step before sent", f"{found.again:,}"),
                    Step("their part of what the input cost", part),
                ),
                basis="guessed",
                guess="that a call repeats what the one before it sent",
                calls=found.calls,
                cost=usd(found.cost) if priced else None,
                saving=usd(found.again_cost) if priced else None,
            )


def _agent(record: Record, by_id: dict[str, Record]) -> Record | None:
    """The innermost agent that the call is inside of."""
    seen: set[str] = set()
    above = by_id.get(record.parent_id or "")
    while above is not None and above.span_id not in seen:
        if above.kind == "agent":
            return above
        seen.add(above.span_id)
        above = by_id.get(above.parent_id or "")
    return None
