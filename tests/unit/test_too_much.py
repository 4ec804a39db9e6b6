"""Quantities and amounts that can't be true: refused where the program says them, and no sum is ever lost to them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import call

import tollbook
from tollbook._money import PICO
from tollbook.ledger import Limit, Spool, Store, open_store
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import INPUT_TOKENS, Part, Usage
from tollbook.usage._buckets import LARGEST


def put(store: Store, *batch: Record) -> None:
    """Record and drain."""
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    store.drain()


GIVEN: list[tuple[Any, dict[str, Any]]] = [
    (Usage({"input": 2**62}), {}),
    (Usage({"input": 1}, parts=(Part("advisor", {"output": 2**62}),)), {}),
    (Usage({"input": 1}, charge=2**63), {}),
    ({"input_tokens": 2**53, "output_tokens": 1}, {}),
    ({"input_tokens": "1" * 25, "output_tokens": 1}, {}),
    ({"prompt_tokens": 2**62, "completion_tokens": 1}, {"convention": "openai.chat"}),
    ({"input_tokens": 1}, {"cost": 9_000_000}),
]


@pytest.mark.parametrize(("usage", "more"), GIVEN)
def test_more_than_one_call_can_be_is_refused_where_the_program_says_it(usage: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too much"):
        tollbook.record(model="m", provider="p", usage=usage, **more)


def test_parts_of_a_cost_that_come_to_too_much_are_refused() -> None:
    with pytest.raises(ValueError, match="too much"):
        tollbook.start_span("s").set_cost(None, input=8_000_000, output=8_000_000)


IN_A_JOURNAL = [
    Usage({"input": 2**62}),
    Usage({"input": -(2**62)}),
    Usage({"input": 5}, parts=(Part("advisor", {"output": 2**53}),)),
]


@pytest.mark.parametrize("usage", IN_A_JOURNAL)
@pytest.mark.parametrize("apart", [False, True])
def test_a_quantity_that_cant_be_true_is_kept_aside_and_no_sum_overflows(
    tmp_path: Path, usage: Usage, *, apart: bool
) -> None:
    """Neither in one drain nor over several, where SQLite would make a float of the sum."""
    several = [call(usage=usage) for _ in range(3)]
    with open_store(tmp_path / "ledger.db") as store:
        for batch in [[each] for each in several] if apart else [several]:
            put(store, *batch, call(usage=Usage({"input": 120})))
        (row,) = store.summary()
        assert (row.calls, row.input_tokens) == ((3, 360) if apart else (1, 120))
        assert type(row.input_tokens) is int
        assert store.health().rejected == 3


@pytest.mark.parametrize(
    "record",
    [
        call(cost=Cost(total=10**30)),
        call(cost=Cost(total=1, listed=-(2**63) - 1)),
        call(cost=Cost(total=1, other=2**64 - 1)),
        call(usage=Usage({"input": 5}, charge=2**63)),
        call(raw={"prompt_tokens": 5, "completion_tokens": 5}, convention="openai.chat", charge=10**30, cost=None),
    ],
)
def test_an_amount_that_cant_be_true_is_kept_aside_and_no_sum_overflows(tmp_path: Path, record: Record) -> None:
    with open_store(tmp_path / "ledger.db") as store:
        spool = Spool(store.spool)
        spool.append(call())
        with next(store.spool.iterdir()).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
        assert store.drain() == 1
        assert store.health().rejected == 1


def test_the_largest_quantities_are_summed_up_exactly(tmp_path: Path) -> None:
    largest = dict.fromkeys(sorted(INPUT_TOKENS), LARGEST)
    with open_store(tmp_path / "ledger.db") as store:
        for _ in range(3):
            put(store, *[call(usage=Usage(largest), cost=None) for _ in range(40)])
        (row,) = store.summary()
        assert row.input_tokens == 120 * len(largest) * LARGEST


def test_calls_that_cost_millions_do_not_stop_a_ledger_with_limits(tmp_path: Path) -> None:
    with open_store(tmp_path / "ledger.db") as store:
        store.limits.declare([Limit(name="all", unit="usd", most=PICO)])
        put(store, *[call(start=time.time_ns(), cost=Cost(total=8_000_000 * PICO)) for _ in range(3)])
        (row,) = store.summary()
        (state,) = store.limits.states()
    assert (row.calls, row.total_cost) == (3, 24_000_000 * PICO)
    assert (state.calls, state.spent > state.limit.most) == (3, True)


def test_what_was_reported_never_costs_more_than_a_record_can_hold(tmp_path: Path) -> None:
    """The tokens are believed; what they would come to is not known."""
    dear = {"prompt_tokens": LARGEST - 5, "completion_tokens": 4, "total_tokens": LARGEST - 1}
    record = call(raw=dear, convention="openai.chat", usage=None, cost=None, response_model="gpt-4")
    with open_store(tmp_path / "ledger.db") as store:
        put(store, record)
        (found,) = store.spans()
        (row,) = store.summary()
    assert found.usage == Usage({"input": LARGEST - 5, "output": 4})
    assert found.cost is not None
    assert (found.cost.total, found.cost.status) == (None, "unpriced")
    assert "more than" in found.cost.assumptions[0]
    assert (row.unpriced, row.input_tokens) == (1, LARGEST - 5)


@pytest.mark.parametrize(
    ("convention", "raw"),
    [
        ("openai.chat", {"prompt_tokens": 1, "completion_tokens": 1, "cost": 1e30}),
        ("openai.chat", {"prompt_tokens": 1, "completion_tokens": 1, "cost": 5e6, "cost_details": {"x": 1}}),
    ],
)
def test_a_charge_that_cant_be_true_is_not_believed(convention: str, raw: dict[str, Any]) -> None:
    usage = tollbook.usage.read(convention, raw)  # type: ignore[attr-defined]
    assert usage is not None
    assert usage.charge is None
