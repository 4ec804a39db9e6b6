"""What providers and programs say that calls cost, beside what the price lists say: in the sums, in old ledgers too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.older import downgrade
from tests.records import START, call

from tollbook.ledger import Row, Spool, Store
from tollbook.pricing import Cost
from tollbook.usage import Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *batch: Any) -> None:
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    assert store.drain() == len(batch)


def used(charge: int | None = None) -> Usage:
    return Usage({"input": 10}, charge=charge)


CALLS: tuple[tuple[Usage | None, Cost | None], ...] = (
    (used(), Cost(total=30)),  # by the list alone
    (used(charge=70), Cost(total=70, listed=100)),  # cheaper than the list
    (used(charge=0), Cost(total=0, listed=1_000_000_000_000_000_000)),  # given for nothing
    (used(charge=5), Cost(total=5)),  # a model that no list has
    (used(), Cost(total=9, status="manual", listed=4)),  # the program's own figure
    (None, Cost(total=2, status="manual")),  # ... and no usage
    (
        used(charge=8),
        Cost(total=8, listed=3, assumptions=("no price for holograms",)),
    ),  # the list price leaves out some
    (used(), Cost(status="unpriced")),
    (used(), None),
)


def charged(rows: list[Row]) -> tuple[int, ...]:
    names = ("calls", "charged_calls", "listed_calls", "listed_cost", "listed_difference", "total_cost")
    return tuple(sum(getattr(row, name) for row in rows) for name in names)


EXPECTED = (9, 6, 3, 10**18 + 104, -(10**18) - 25, 124)


def test_sums_say_how_much_was_charged_in_place_of_which_list_price(store: Store) -> None:
    """Only what has both a charge and a whole list price is compared, and to the last digit."""
    put(store, *[call(usage=usage, cost=cost) for usage, cost in CALLS])
    assert charged(store.summary()) == EXPECTED
    assert charged(store.summary(["trace"])) == EXPECTED, "from the spans as from the roll-ups"
    assert charged(store.summary(["priced", "hour"], since=START)) == EXPECTED


def test_a_covered_charge_is_in_no_sum(store: Store) -> None:
    trace = {"trace_id": "ab" * 16}
    put(
        store, call(**trace, span_id="11" * 8, parent_id="22" * 8, usage=used(charge=70), cost=Cost(total=70, listed=9))
    )
    assert charged(store.summary())[1:5] == (1, 1, 9, 61)
    put(store, call(**trace, span_id="22" * 8, covers=True, usage=None, cost=Cost(total=5, status="manual")))
    assert charged(store.summary()) == (1, 1, 0, 0, 0, 5)


def test_an_older_ledger_gets_these_sums_for_what_it_holds(store: Store) -> None:
    put(store, *[call(usage=usage, cost=cost) for usage, cost in CALLS])
    put(store, *[call(usage=used(charge=1), cost=Cost(total=1, listed=2), start=START + n * 10**13) for n in range(3)])
    before = store.summary(["hour", "priced"], zone="UTC")
    store.close()
    downgrade(store.path, 1)
    put(store, call(provider="later"))
    assert store.summary(["hour", "priced"], where={"provider": "openai"}, zone="UTC") == before
