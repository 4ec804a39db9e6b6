"""What-if: the same usage at other prices, by figures computed by hand; what has no price is told, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tests.records import call

from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost, cost_of
from tollbook.reports import what_if
from tollbook.spans import Record
from tollbook.usage import Usage

DAY = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *records: Record) -> Store:
    spool = Spool(store.spool)
    for each in records:
        spool.append(each)
    spool.close()
    store.drain()
    return store


def used(model: str, quantities: dict[str, int], provider: str = "openai", **changes: object) -> Record:
    usage = Usage(quantities)
    cost = cost_of(usage, provider, model, DAY)
    values = {"provider": provider, "request_model": model, "response_model": model, "usage": usage, "cost": cost}
    return call(**({"start": DAY} | values | changes))


MILLION = 1_000_000
PLAIN = {"input": MILLION, "input_cache_read": MILLION, "output": MILLION}


def test_another_model_at_the_prices_of_then(store: Store) -> None:
    """gpt-4o: 2.50 + 1.25 + 10.00; gpt-4o-mini: 0.15 + 0.075 + 0.60. Other models cost what they did."""
    put(store, used("gpt-4o", PLAIN), used("gpt-4.1", PLAIN))
    found = what_if(store, model={"gpt-4o": "gpt-4o-mini"})
    rows = {row.model: (row.actual_usd, row.hypothetical_usd, row.changed_calls) for row in found.rows}
    assert rows["gpt-4o"] == (Decimal("13.75"), Decimal("0.825"), 1)
    assert rows["gpt-4.1"][0] == rows["gpt-4.1"][1]
    assert rows["gpt-4.1"][2] == 0
    assert found.total.difference_usd == Decimal("-12.925")
    assert found.changes == ["gpt-4o as gpt-4o-mini"]


def test_every_model_as_itself_costs_what_it_did(store: Store) -> None:
    put(store, *(used("gpt-4o", {"input": n, "output": 3 * n}) for n in range(1, 20)))
    total = what_if(store, model={"*": "gpt-4o"}).total
    assert (total.changed_calls, total.difference) == (19, 0)


def test_nothing_cached(store: Store) -> None:
    """The million cached tokens cost 2.50 instead of 1.25; a call without cached tokens is not changed."""
    put(store, used("gpt-4o", PLAIN), used("gpt-4o", {"input": 10, "output": 10}))
    total = what_if(store, cache=False).total
    assert (total.compared_calls, total.changed_calls, total.difference_usd) == (2, 1, Decimal("1.25"))


def test_a_batch_costs_half(store: Store) -> None:
    put(store, used("gpt-4o", {"input": MILLION, "output": MILLION}))
    found = what_if(store, tier="batch").total
    assert (found.actual_usd, found.hypothetical_usd, found.change) == (Decimal("12.5"), Decimal("6.25"), -0.5)


def test_what_has_no_price_is_told_with_what_it_cost_and_is_in_no_sum(store: Store) -> None:
    put(store, used("gpt-4o", PLAIN), used("gpt-4.1", PLAIN))
    found = what_if(store, model={"gpt-4o": "no-such-model"})
    row = next(row for row in found.rows if row.model == "gpt-4o")
    assert (row.compared_calls, row.actual, row.hypothetical) == (0, 0, 0)
    assert (row.unpriceable_calls, row.unpriceable_actual_usd) == (1, Decimal("13.75"))
    assert found.total.reasons == {"no price for no-such-model": 1}
    assert found.total.difference == 0


def test_a_tier_without_a_price_of_its_own_is_not_taken_for_the_standard_one(store: Store) -> None:
    put(store, used("gpt-3.5-turbo", {"input": MILLION, "output": MILLION}))
    total = what_if(store, tier="flex").total
    assert (total.compared_calls, total.unpriceable_calls) == (0, 1)
    assert total.reasons == {"no price for tier flex of gpt-3.5-turbo": 1}


def test_a_bucket_without_a_price_makes_the_call_unpriceable(store: Store) -> None:
    """Writes to a cache that the other model does not know are no input of it either."""
    put(store, used("claude-sonnet-4-5", {"input": 10, "input_cache_write_1h": 10, "output": 10}, "anthropic"))
    total = what_if(store, model={"claude-sonnet-4-5": "openai/gpt-3.5-turbo"}).total
    assert total.unpriceable_calls == 1
    assert list(total.reasons) == ["no price for input_cache_write_1h of gpt-3.5-turbo"]
    assert what_if(store, model={"*": "openai/gpt-3.5-turbo"}, cache=False).total.compared_calls == 1


def test_calls_of_which_nothing_is_known_are_counted_apart(store: Store) -> None:
    put(store, call(start=DAY, usage=None, cost=None), used("gpt-4o", PLAIN))
    total = what_if(store, tier="batch").total
    assert (total.calls, total.unknown_calls, total.compared_calls) == (2, 1, 1)


def test_a_known_cost_of_unknown_usage_stays_where_nothing_changes(store: Store) -> None:
    """A search that costs 5 a call is the same whatever another model costs; what a tier makes of it nobody knows."""
    put(store, call(start=DAY, usage=None, cost=Cost(total=5 * 10**12, status="manual")), used("gpt-4o", PLAIN))
    total = what_if(store, model={"gpt-4o": "gpt-4o-mini"}).total
    assert (total.unknown_calls, total.compared_calls, total.changed_calls) == (0, 2, 1)
    assert (
        total.actual_usd == 5 + what_if(store, model={"gpt-4o": "gpt-4o"}, where={"model": "gpt-4o"}).total.actual_usd
    )
    for change in ({"tier": "batch"}, {"cache": False}, {"model": {"*": "gpt-4o"}}):
        assert what_if(store, **change).total.unknown_calls == 1  # type: ignore[arg-type]


def test_no_tokens_from_a_cache_are_nothing_cached(store: Store) -> None:
    usage = Usage({"input": MILLION, "input_cache_read": 0, "output": MILLION}, charge=5 * 10**12)
    put(store, call(start=DAY, usage=usage, cost=cost_of(usage, "openai", "gpt-4o", DAY)))
    total = what_if(store, cache=False).total
    assert (total.hypothetical_usd, total.compared_calls, total.changed_calls) == (5, 1, 0)


def test_a_charge_stays_where_nothing_changes_and_is_the_list_price_where_something_does(store: Store) -> None:
    usage = Usage({"input": MILLION, "output": MILLION}, charge=5 * 10**12)
    charged = call(
        start=DAY,
        request_model="gpt-4o",
        response_model="gpt-4o",
        usage=usage,
        cost=cost_of(usage, "openai", "gpt-4o", DAY),
    )
    put(store, charged)
    assert what_if(store, cache=False).total.hypothetical_usd == 5
    assert what_if(store, tier="standard").total.hypothetical_usd == 5
    assert what_if(store, tier="batch").total.hypothetical_usd == Decimal("6.25")


def test_the_period_and_conditions_are_those_of_a_report_and_progress_is_told(store: Store) -> None:
    put(
        store,
        used("gpt-4o", PLAIN, attribution={"feature": "x"}),
        used("gpt-4o", PLAIN, attribution={"feature": "y"}),
        used("gpt-4o", PLAIN, start=DAY - 10**15, attribution={"feature": "x"}),
    )
    told: list[tuple[int, int]] = []
    found = what_if(
        store, tier="batch", since=DAY, where={"feature": "x"}, progress=lambda *numbers: told.append(numbers)
    )
    assert found.total.calls == 1
    assert told == [(1, 1)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [({}, "nothing is changed"), ({"tier": "gold"}, "standard, batch, flex, priority")],
)
def test_what_can_not_be_asked_is_refused(store: Store, asked: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        what_if(store, **asked)  # type: ignore[arg-type]
