"""What caches are worth to a call: figures worked out by hand, against the same call with nothing cached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.commands import said
from tests.records import START, call
from tests.unit.test_report import put

from tollbook.ledger import Store
from tollbook.pricing import CacheImpact, Card, Cost, Tier, cache_impact, cost_of
from tollbook.reports import caching
from tollbook.spans import Record, Trace
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


# ---- over a ledger -----------------------------------------------------------------------------------------------

MINUTE = 60_000_000_000
SONNET = {"provider": "anthropic", "request_model": "claude-sonnet-4-5", "response_model": "claude-sonnet-4-5-20250929"}
T0 = START + 3_600_000_000_000


def at(minute: float, read: int = 0, short: int = 0, long: int = 0, **changes: Any) -> Record:
    """A call of Sonnet 4.5 (3 USD a million uncached, 0.30 read, 3.75 and 6 written)."""
    quantities = {
        "input": 100,
        "input_cache_read": read,
        "input_cache_write_5m": short,
        "input_cache_write_1h": long,
        "input_cache_write": changes.pop("unstated", 0),
        "output": 10,
    }
    usage = Usage({name: quantity for name, quantity in quantities.items() if quantity})
    start = T0 + int(minute * MINUTE)
    cost = cost_of(usage, "anthropic", "claude-sonnet-4-5-20250929", start)
    return call(**{**SONNET, "start": start, "duration": 0, "usage": usage, "cost": cost, **changes})


def feature(name: str) -> dict[str, Any]:
    return {"attribution": {"feature": name}}


def shown(store: Store, **options: Any) -> dict[tuple[str | None, ...], tuple[int, ...]]:
    """Saved, extra, lost (known, guessed) and undecided by key, in micro-dollars."""
    found = caching(store, **options)
    micro = 1_000_000
    rows = {row.key: (row.saved, row.extra, row.lost_known, row.lost_guessed, row.undecided) for row in (*found.rows,)}
    assert all(not number % micro for row in rows.values() for number in row)
    return {key: tuple(number // micro for number in row) for key, row in rows.items()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "ledger.db") as store:
        yield store


def test_what_was_saved_and_spent_is_summed_by_any_dimension(store: Store):
    put(
        store,
        at(0, short=4_000, **feature("a")),
        at(1, read=4_000, **feature("a")),
        at(2, read=4_000, **feature("b")),
        at(3),
        call(start=T0, usage=Usage({"input_cache_read": 10}), cost=Cost(status="unpriced"), response_model="x"),
    )
    # 4,000 x 2.70 / 1,000,000 = 0.0108 saved by each read; 4,000 x 0.75 / 1,000,000 = 0.003 for the write.
    assert shown(store, by=["feature"]) == {
        ("a",): (10_800, 3_000, 0, 0, 0),
        ("b",): (10_800, 0, 0, 0, 0),
        (None,): (0, 0, 0, 0, 0),
    }
    found = caching(store, by=["day"], timezone="utc")
    assert [row.key for row in found.rows] == [("2025-11-21",)]
    total = found.total
    assert (total.calls, total.hit_calls, total.tokens_saved, total.tokens_written) == (4, 3, 8_010, 4_000)
    assert (str(total.cost_saved), total.unknown_calls) == ("0.021600000000", 1)
    assert caching(store, where={"feature": "b"}).total.hit_calls == 1


@pytest.mark.parametrize(
    ("after", "known", "guessed"),
    [
        ([], 3_000, 0),
        ([at(4, read=10, **feature("a"))], 0, 0),
        ([at(6, read=10, **feature("a"))], 3_000, 0),  # it was gone by then
        ([at(4, read=10, **feature("b"))], 0, 3_000),  # something was read, but by another feature
        ([at(4, read=10, **feature("a"), response_model="claude-haiku-4-5")], 3_000, 0),
    ],
)
def test_a_write_is_lost_if_nobody_reads_while_it_lives(store: Store, after: list[Record], known: int, guessed: int):
    put(store, at(0, short=4_000, **feature("a")), *after)
    assert shown(store, by=["feature"])["a",][1:] == (3_000, known, guessed, 0)


def test_a_call_that_reads_and_writes_reads_what_was_there_before(store: Store):
    put(store, at(0, short=4_000), at(1, read=4_000, short=8_000), at(2, read=12_000, long=1_000))
    # Read: 16,000 x 2.70; written: 4,000 and 8,000 x 0.75, and 1,000 x 3.00, which alone nobody read. That is not
    # known for certain, since its own call read something within the same minute.
    assert shown(store, by=[])[()] == (43_200, 12_000, 0, 3_000, 0)


def test_a_write_of_unstated_lifetime_is_lost_by_guess_only(store: Store):
    put(store, at(0, unstated=4_000))
    assert shown(store, by=[])[()][2:] == (0, 3_000, 0)


def test_what_others_read_is_seen_although_the_report_leaves_them_out(store: Store):
    put(store, at(0, short=4_000, **feature("a"), status="error"), at(1, read=4_000, **feature("a")))
    assert shown(store, by=[], where={"status": "error"}) == {(): (0, 3_000, 0, 0, 0)}


def test_what_still_lives_at_the_end_is_not_decided(store: Store):
    put(store, at(0, long=1_000))
    assert shown(store, by=[], until=T0 + 59 * MINUTE)[()][2:] == (0, 0, 3_000)
    assert shown(store, by=[], until=T0 + 61 * MINUTE)[()][2:] == (3_000, 0, 0)


def test_an_empty_ledger_has_saved_nothing(store: Store):
    assert caching(store).rows == []
    with pytest.raises(ValueError, match="no dimension"):
        caching(store, by=["colour"])


# ---- on the command line -----------------------------------------------------------------------------------------


def test_the_command_prints_every_form(store: Store):
    put(store, at(0, short=4_000, **feature("=a")), at(1, read=4_000, **feature("=a")), at(9, short=8, **feature("b")))
    path = ["report", "--store", str(store.path), "--cache", "--by", "feature"]
    text = said(*path)
    assert "$0.0108" in text
    assert "lost on writes that were not read while they lived: $0.000006 known" in text
    rows = json.loads(said(*path, "--json"))["rows"]
    assert rows[0] | {"store": None} == {
        "feature": "=a",
        "calls": 2,
        "hit_calls": 1,
        "tokens_saved": 4_000,
        "cost_saved_usd": "0.0108",
        "tokens_written": 4_000,
        "write_extra_usd": "0.003",
        "lost_known_usd": "0",
        "lost_guessed_usd": "0",
        "undecided_usd": "0",
        "unknown_calls": 0,
        "others": 0,
        "store": None,
    }
    assert said(*path, "--csv").splitlines()[1] == "'=a,2,1,4000,0.0108,4000,0.003,0,0,0,0"
    assert "| =a | 2 | 1 | 4,000 | 0.0108 | 4,000 | 0.003 | 0 |" in said(*path, "--md")
    assert "1 others" in said(*path, "--top", "1")


def test_the_command_says_so_where_no_cache_was_used(store: Store):
    put(store, call(usage=Usage({"input": 5})))
    assert "No call read from a cache" in said("report", "--store", str(store.path), "--cache")
