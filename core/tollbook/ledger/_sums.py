"""What is added up over calls, and how: integers only, so that parts make their whole to the last digit."""

from __future__ import annotations

from collections.abc import Sequence

from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage
from tollbook.usage._buckets import BUCKETS, CACHE_READS, CACHE_WRITES, INPUT_TOKENS, LARGEST, OUTPUT_TOKENS

TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COUNTS = ("calls", *TOKENS, "charged_calls", "listed_calls")
MONEY = ("input_cost", "output_cost", "other_cost", "total_cost", "listed_cost", "listed_difference")
SUMS = COUNTS + MONEY
"""What a list of sums holds, in this order. Money in pico-dollars; cached tokens are part of the input, reasoning
is part of the output; of how many calls something is not known is told by their series.

`charged_calls` are those whose cost is the provider's or the program's own figure. `listed_calls` are those of them
whose whole list price is known beside it, which sums up in `listed_cost`; what they cost beyond it (or below, if
negative) is `listed_difference`."""

MICRO = 1_000_000
"""Pico-dollars per micro-dollar. Sums of money are kept as whole micro-dollars and a rest of pico-dollars, since 64
bits of pico-dollars end at 9.2 million dollars, where SQLite's sums would fail or turn into floats."""

HOUR = 3_600_000_000_000
"""Nanoseconds."""

Call = tuple[Usage | None, Cost | None]

Totals = dict[tuple[int, int, int | None], list[int]]
"""Sums by hour (since 1970, UTC), series, and booking (None: booked to nobody)."""

_BUCKETS = dict.fromkeys(BUCKETS, 0)
_PARTS = (
    INPUT_TOKENS,
    INPUT_TOKENS & CACHE_READS,
    INPUT_TOKENS & CACHE_WRITES,
    OUTPUT_TOKENS,
    frozenset({"output_reasoning"}),
)


def sums(calls: Sequence[Call]) -> list[int]:
    """The values of `SUMS` over calls, of which at least the usage and the cost are known or None."""
    buckets = _BUCKETS.copy()
    paid_input = paid_output = paid_other = paid_total = 0
    charged = listed = listed_cost = difference = 0
    for usage, cost in calls:
        if usage is not None:
            for bucket, quantity in usage.quantities.items():
                if bucket in buckets:  # a plain dict and this question are faster than a defaultdict
                    buckets[bucket] += quantity
            for part in usage.parts:
                for bucket, quantity in part.quantities.items():
                    if bucket in buckets:
                        buckets[bucket] += quantity
        if cost is not None and cost.total is not None:
            paid_input += cost.input or 0
            paid_output += cost.output or 0
            paid_other += cost.other
            paid_total += cost.total
            if cost.status == "manual" or (usage is not None and usage.charge is not None):
                charged += 1
                if cost.listed is not None and wholly_listed(cost):
                    listed += 1
                    listed_cost += cost.listed
                    difference += cost.total - cost.listed
    tokens = [sum(buckets[bucket] for bucket in names) for names in _PARTS]
    counts = [len(calls), *tokens, charged, listed]
    return [*counts, paid_input, paid_output, paid_other, paid_total, listed_cost, difference]


def summable(record: Record) -> bool:
    """Whether the quantities and amounts of `record` are such that sums over millions of them fit into 64 bits."""
    usage, cost = record.usage, record.cost
    if usage is not None and usage.largest() > LARGEST:
        return False
    amounts = [record.charge, None if usage is None else usage.charge]
    if cost is not None:
        amounts += cost.total, cost.input, cost.output, cost.other, cost.listed
    return all(amount is None or -(2**63) <= amount < 2**63 for amount in amounts)


def wholly_listed(cost: Cost) -> bool:
    """Whether all that was used has a list price, so that `cost.listed` leaves nothing out."""
    return not any(note.startswith("no price for ") for note in cost.assumptions)


def combine(totals: list[int], more: Sequence[int], times: int = 1) -> None:
    """Add `more` to `totals`, `times` times."""
    for slot, quantity in enumerate(more):
        totals[slot] += times * quantity


def to_columns(values: Sequence[int]) -> list[int]:
    """The values of `SUMS` as a roll-up's row keeps them: each amount of money in two numbers."""
    columns = list(values[: len(COUNTS)])
    for amount in values[len(COUNTS) :]:
        columns += divmod(amount, MICRO)
    return columns


def from_columns(columns: Sequence[int]) -> list[int]:
    """The inverse of `to_columns`, also for columns that were added up."""
    found = list(columns[: len(COUNTS)])
    for place in range(len(COUNTS), len(COLUMNS), 2):
        found.append(columns[place] * MICRO + columns[place + 1])  # noqa: PERF401 - twice as fast as it would be
    return found


COLUMNS: tuple[str, ...] = COUNTS + tuple(f"{name}_{unit}" for name in MONEY for unit in ("micro", "pico"))
"""A roll-up's columns, as `to_columns` fills them."""
