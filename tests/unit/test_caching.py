"""What caches are worth to a call: figures worked out by hand, against the same call with nothing cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import call
from tests.unit.test_report import put

from tollbook.ledger import Store
from tollbook.pricing import CacheImpact, Card, Cost, Tier, cache_impact, cost_of
from tollbook.spans import Trace
from tollbook.usage import Part, Usage

RATES: dict[str, Any] = {
    "input": 3_000_000,
    "input_cache_read": 300_000,
    "input_cache_write_5m": 3_750_000,
    "input_cache_write_1h": 6_000_000,
    "output": 15_000_000,
}
"""Pico-dollars a token: 3, 0.30, 3.75, 6 and 15 USD a million."""

CARD = Card(id="c1", provider="p", model="m", layer="user", source="test", rates=RATES)
DEAR = Card(
    id="c2",
    provider="p",
    model="tiered",
    layer="user",
    source="test",
    rates=RATES,
    tiers=(Tier(10_000, "gt", {**RATES, "input": 6_000_000, "input_cache_read": 600_000}),),
)
ODD = Card(
    id="c3", provider="p", model="odd", layer="user", source="test", rates={"input": (10, 3), "input_cache_read": 1}
)
CARDS = {card.id: card for card in (CARD, DEAR, ODD)}


def impact(quantities: dict[str, int], *cards: str, parts: tuple[Part, ...] = ()) -> CacheImpact:
    return cache_impact(Usage(quantities, parts=parts), Cost(total=1, cards=cards), CARDS.get)


@pytest.mark.parametrize(
    ("quantities", "card", "read", "written", "saved", "extra"),
    [
        ({"input": 500}, "c1", 0, 0, 0, 0),
        ({"input": 100, "input_cache_read": 1_200}, "c1", 1_200, 0, 1_200 * 2_700_000, 0),
        ({"input": 100, "input_cache_write_5m": 2_000}, "c1", 0, 2_000, 0, 2_000 * 750_000),
        ({"input_cache_write_5m": 10, "input_cache_write_1h": 20}, "c1", 0, 30, 0, 10 * 750_000 + 20 * 3_000_000),
        ({"input_cache_read": 5, "input_cache_write_1h": 7}, "c1", 5, 7, 5 * 2_700_000, 7 * 3_000_000),
        # 10,000 tokens sent are below the tier, 10,001 in it, cached ones included.
        ({"input_cache_read": 10_000}, "c2", 10_000, 0, 10_000 * 2_700_000, 0),
        ({"input_cache_read": 10_001}, "c2", 10_001, 0, 10_001 * 5_400_000, 0),
        # 2 x 10/3 = 6.67, rounded to 7, minus 2.
        ({"input_cache_read": 2}, "c3", 2, 0, 5, 0),
        # What has no price is not known to save nothing.
        ({"input_audio_cache_read": 9}, "c1", 9, 0, None, 0),
        ({"input_cache_write": 9, "input_cache_read": 1}, "c1", 1, 9, 2_700_000, None),
        ({"input_cache_read": 9}, "gone", 9, 0, None, 0),
    ],
)
def test_a_call_saves_what_cached_tokens_cost_less_than_uncached(
    quantities: dict[str, int], card: str, read: int, written: int, saved: int | None, extra: int | None
):
    assert impact(quantities, card) == CacheImpact(read, written, saved, extra)


def test_each_part_of_a_response_has_its_own_card():
    parts = (Part("advisor", {"input_cache_read": 10_001}, "tiered"), Part("compaction", {"input": 3}))
    assert impact({"input_cache_read": 10}, "c1", "c2", "c1", parts=parts) == CacheImpact(
        read_tokens=10_011, saved=10 * 2_700_000 + 10_001 * 5_400_000
    )


def test_without_a_card_nothing_is_known_of_the_money():
    for cost in (None, Cost(status="unpriced"), Cost(total=5, status="manual")):
        found = cache_impact(Usage({"input_cache_read": 4}), cost, CARDS.get)
        assert (found.read_tokens, found.saved, found.extra) == (4, None, 0)


@given(*(st.integers(0, 10**7),) * 4)
def test_the_uncached_cost_is_what_was_paid_and_saved_less_what_was_spent_extra(
    plain: int, read: int, short: int, long: int
):
    quantities = {
        "input": plain,
        "input_cache_read": read,
        "input_cache_write_5m": short,
        "input_cache_write_1h": long,
    }
    paid = sum(quantity * RATES[name] for name, quantity in quantities.items())
    found = impact(quantities, "c1")
    assert found.saved is not None
    assert found.extra is not None
    assert paid + found.saved - found.extra == sum(quantities.values()) * RATES["input"]


def test_a_span_tells_what_caches_were_worth_to_it(tmp_path: Path):
    usage = Usage({"input": 300, "input_cache_read": 1_200, "output": 10})
    cost = cost_of(usage, "anthropic", "claude-sonnet-4-5", call().start)
    with Store(tmp_path / "ledger.db") as store:
        put(store, call(trace_id="ab" * 16, provider="anthropic", usage=usage, cost=cost))
        span = Trace(store.trace("ab" * 16), store).data.spans[0]
    assert span.get_attribute("llm.cache.hit") is True
    assert span.get_attribute("llm.cache.tokens_saved") == 1_200
    assert span.get_attribute("llm.cache.cost_saved_usd") == 0.00324  # 1,200 x (3.00 - 0.30) / 1,000,000
    assert span.attributes["llm.cache.tokens_written"] == 0
    assert span.attributes["llm.cache.write_extra_usd"] == 0


def test_what_the_program_says_of_its_cache_comes_first():
    said = Trace([call(attributes={"llm.cache.hit": True, "llm.cache.cost_saved_usd": 0.018})]).data.spans[0]
    assert (said.get_attribute("llm.cache.cost_saved_usd"), said.attributes["llm.cache.hit"]) == (0.018, True)


def test_a_call_without_usage_says_nothing_of_caches():
    span = Trace([call(usage=None, cost=None)]).data.spans[0]
    assert span.get_attribute("llm.cache.hit") is None
    assert not any(name.startswith("llm.cache") for name in span.attributes)
