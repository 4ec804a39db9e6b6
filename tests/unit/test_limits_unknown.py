"""Calls whose cost nobody knows: which of them may have been paid for."""

from __future__ import annotations

import pytest

from tollbook.ledger import may_have_cost
from tollbook.spans import Record
from tollbook.usage import Usage


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"flags": ("no_usage_reported",)}, True),
        ({"status": "timeout", "flags": ("may_be_billed",)}, True),
        ({"status": "timeout"}, True),
        ({"status": "cancelled"}, True),
        ({"status": "abandoned", "stream": True}, True),
        ({"status": "error"}, False),
        ({"status": "error", "flags": ("no_usage_reported",)}, False),
        ({"status": "error", "stream": True}, False),
        ({"status": "error", "stream": True, "flags": ("no_usage_reported",)}, True),
        ({"status": "error", "flags": ("may_be_billed",)}, True),
        ({"status": "error", "usage": Usage({"input": 1})}, True),
        ({"status": "error", "raw": {"prompt_tokens": 1}}, True),
        ({"status": "error", "charge": 1}, True),
    ],
)
def test_only_a_call_that_was_refused_with_an_error_costs_nothing(fields: dict[str, object], expected: bool) -> None:
    assert may_have_cost(Record(trace_id="", span_id="", **fields)) is expected  # type: ignore[arg-type]
