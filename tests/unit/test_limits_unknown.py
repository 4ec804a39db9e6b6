"""Calls whose cost nobody knows: which of them may have been paid for, and what limits make of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.limits import CENT, call, put, reserve, used

from tollbook._money import PICO
from tollbook.ledger import Limit, Store, may_have_cost, open_store
from tollbook.spans import Record
from tollbook.usage import Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


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


def test_a_limit_that_stops_keeps_what_was_reserved_for_a_call_of_unknown_cost(store: Store) -> None:
    """Once, however often the span comes; it counts as unpriced still, and thresholds see it."""
    dollar = Limit(name="all", unit="usd", most=PICO, keeps_unknown=True, thresholds=(50,))
    store.limits.declare([dollar])
    assert reserve(store, dollar, 1, cents=60)
    timed_out = call(1, None, status="timeout", flags=("may_be_billed",))
    put(store, timed_out)
    assert used(store) == [("", 60, 0)]
    put(store, timed_out)
    [state] = store.limits.states()
    assert (state.spent, state.reserved, state.calls, state.unpriced) == (60 * CENT, 0, 1, 1)
    assert not reserve(store, dollar, 2, cents=50)
    [alert] = store.limits.alerts()
    assert (alert.threshold, alert.spent) == (50, 60 * CENT)


def test_a_call_that_was_refused_gives_all_back_and_one_that_has_a_price_takes_that(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO, keeps_unknown=True)
    store.limits.declare([dollar])
    assert reserve(store, dollar, 1)
    assert reserve(store, dollar, 2)
    refused = call(1, None, status="error")
    refused.usage = None
    put(store, refused, call(2, 5))
    assert used(store) == [("", 5, 0)]


def test_tokens_that_nobody_reported_are_kept_and_a_limit_that_allows_the_unknown_keeps_nothing(store: Store) -> None:
    tokens = Limit(name="tokens", unit="tokens", most=100 * CENT, keeps_unknown=True)
    dollar = Limit(name="usd", unit="usd", most=PICO)
    store.limits.declare([tokens, dollar])
    assert reserve(store, tokens, 1)
    assert reserve(store, dollar, 2)
    quiet, other = call(1, None, flags=("no_usage_reported",)), call(2, None)
    quiet.usage = None
    put(store, quiet, other)
    found = {state.limit.name: (state.spent, state.reserved) for state in store.limits.states()}
    assert found == {"tokens": (30 * CENT + 15, 0), "usd": (0, 0)}
