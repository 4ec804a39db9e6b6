"""Every way of calling, metered: the host sees what it saw without us, and the ledger says what the cassette says.

The rows are `tests.wire.scenarios`; each runs against the wire twice, without and with `autolog()`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.wire.scenarios import SCENARIOS, Billed, Scenario
from tests.wire.server import Wire

import tollbook
from tollbook import _runtime
from tollbook.spans import Record
from tollbook.usage import CACHE_READS, CACHE_WRITES


@pytest.fixture
def metered(tmp_path) -> Iterator[Any]:
    """Call a function with metering on, and get its result and the records in the ledger, in order of their start."""

    def run(function: Any) -> tuple[Any, list[Record]]:
        tollbook.autolog(store=tmp_path / "matrix.db")
        try:
            result = function()
        finally:
            gc.collect()
            tollbook.autolog(disable=True)
        return result, sorted((r for r in _runtime.store().spans(limit=None) if r.bills), key=lambda r: r.start)

    yield run
    _runtime.stop()


def said(record: Record, expected: Billed) -> Billed:
    """What the record says, in the words of the expectation."""
    usage = record.usage

    def tokens(wanted: Any, number: str) -> Any:
        if usage is None:
            return None
        if usage.source == "estimated" or (number == "output_tokens" and "output" in usage.estimated):
            return "estimated"
        found = getattr(usage, number)
        return found or wanted if wanted is None else found

    details = {
        "cache_read_tokens": sum_of(record, CACHE_READS),
        "cache_write_tokens": sum_of(record, CACHE_WRITES),
        "reasoning_tokens": sum_of(record, ("output_reasoning",)),
        "retries": record.retries,
    }
    cost = None
    if expected.cost_usd is not None and record.cost is not None and record.cost.total_usd is not None:
        same = record.cost.total_usd == Decimal(expected.cost_usd)
        cost = expected.cost_usd if same else str(record.cost.total_usd)
    return Billed(
        record.provider or "",
        record.response_model,
        tokens(expected.input_tokens, "input_tokens"),
        tokens(expected.output_tokens, "output_tokens"),
        record.status,
        record.stream,
        cost,
        {name: details.get(name, count) for name, count in expected.details.items()},
    )


def sum_of(record: Record, buckets: Any) -> int:
    return sum((record.usage.quantities if record.usage else {}).get(name, 0) for name in buckets)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_what_the_host_sees_is_unchanged_and_what_it_cost_is_exact(scenario: Scenario, wire: Wire, metered):
    bare = scenario.against(wire)
    seen, records = metered(lambda: scenario.against(wire))
    assert seen == bare
    assert len(records) == len(scenario.expect), records
    for record, expected in zip(records, scenario.expect, strict=True):
        assert said(record, expected) == expected
