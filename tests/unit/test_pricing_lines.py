"""The rows behind a cost, and what holds for costs of any usage."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.pricing import Card, Cost, Line, Tier, card, cost_of, lines
from tollbook.pricing._card import identified
from tollbook.pricing._price import _general
from tollbook.usage import BUCKETS, Part, Usage

TODAY = 1_795_262_400 * 10**9  # 2026-11-21T12:00Z

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-image-1"),
    ("openai", "gpt-realtime"),
    ("openai", "whisper-1"),
    ("anthropic", "claude-sonnet-4-5"),
    ("groq", "whisper-large-v3"),
    ("openrouter", "google/gemini-2.5-flash"),  # writes at a rate that is no whole number
    ("perplexity", "sonar"),
    ("nobody", "nothing"),
]

quantity = st.integers(min_value=0, max_value=10**7)
quantities = st.dictionaries(st.sampled_from([*BUCKETS, "holograms"]), quantity, max_size=8)
parts = st.lists(
    st.builds(Part, st.just("part"), quantities, st.sampled_from([None, "gpt-4o", "gpt-99"])), max_size=2
).map(tuple)
charges = st.none() | st.integers(min_value=0, max_value=10**15)
usages = st.builds(Usage, quantities, parts=parts, charge=charges)


@given(st.sampled_from(MODELS), usages)
def test_lines_add_up_to_the_total_to_the_last_digit(model: tuple[str, str], usage: Usage) -> None:
    cost = cost_of(usage, *model, TODAY)
    assert cost is not None
    rows = lines(usage, cost)
    assert sum(row.amount or 0 for row in rows) == (cost.total or 0)
    listed = cost.listed if usage.charge is not None else cost.total
    if listed is not None:
        assert listed == sum(row.amount or 0 for row in rows if row.bucket != "charge")
        assert listed == (cost.input or 0) + (cost.output or 0) + cost.other


@given(st.sampled_from(MODELS), usages)
def test_what_has_no_price_is_in_the_status_and_in_no_sum(model: tuple[str, str], usage: Usage) -> None:
    cost = cost_of(usage, *model, TODAY)
    assert cost is not None
    rows = lines(usage, cost)
    missing = [row for row in rows if row.amount is None and row.bucket != "charge"]
    if usage.charge is None:
        assert (cost.status in {"partial", "unpriced"}) == bool(missing or cost.total is None)
        assert (cost.status == "unpriced") == (cost.total is None)
    else:
        assert (cost.status, cost.total) == ("exact", usage.charge)


@given(st.sampled_from(MODELS), quantities)
def test_the_quick_way_and_the_general_way_agree(model: tuple[str, str], used: dict[str, int]) -> None:
    for usage in (Usage(used), Usage(used, charge=7), Usage(used, source="estimated")):
        assert cost_of(usage, *model, TODAY) == _general(usage, *model, TODAY, None)


tokens = st.dictionaries(
    st.sampled_from(["input", "input_cache_read", "input_cache_write_5m", "output", "output_reasoning"]),
    st.integers(min_value=0, max_value=20_000),
    min_size=1,
)


@given(st.sampled_from(MODELS[:2]), tokens, tokens)
def test_below_a_tier_costs_add_up_as_quantities_do(
    model: tuple[str, str], one: dict[str, int], other: dict[str, int]
) -> None:
    both = {name: one.get(name, 0) + other.get(name, 0) for name in one | other}
    totals = []
    for used in (one, other, both):
        cost = cost_of(Usage(used), *model, TODAY)
        assert cost is not None
        assert cost.total is not None
        totals.append(cost.total)
    assert totals[0] + totals[1] == totals[2]


@given(st.sampled_from(MODELS[:2]), tokens)
def test_below_a_tier_twice_the_quantities_cost_twice_as_much(model: tuple[str, str], used: dict[str, int]) -> None:
    once = cost_of(Usage(used), *model, TODAY)
    twice = cost_of(Usage({name: 2 * n for name, n in used.items()}), *model, TODAY)
    assert once is not None
    assert twice is not None
    assert twice.total == 2 * (once.total or 0)


def test_a_line_states_the_rate_the_card_and_the_model() -> None:
    usage = Usage({"input": 20, "input_cache_read": 100, "output": 0})
    cost = cost_of(usage, "openai", "gpt-4o-2024-08-06", TODAY)
    assert cost is not None
    found = card("openai", "gpt-4o", TODAY)
    assert found is not None
    assert lines(usage, cost) == [
        Line("input", 20, 2_500_000, 50_000_000, found.id, "gpt-4o"),
        Line("input_cache_read", 100, 1_250_000, 125_000_000, found.id, "gpt-4o"),
    ]
    assert lines(usage, cost)[0].usd == Decimal("0.00005")


def test_lines_are_made_from_the_cards_that_a_ledger_kept() -> None:
    """Another process, which has not priced this call, sees the same rows."""
    kept = identified(
        Card(
            id="",
            provider="p",
            model="m",
            layer="user",
            source="test",
            rates={"input": (1, 3)},
            tiers=(Tier(10, "gte", {"input": 2}),),
        )
    )
    usage = Usage({"input": 5}, parts=(Part("second", {"input": 10}),))
    cost = Cost(total=22, input=22, output=0, cards=(kept.id, kept.id))
    rows = lines(usage, cost, {kept.id: kept})
    assert [(row.bucket, row.quantity, row.rate, row.amount, row.part) for row in rows] == [
        ("input", 5, (1, 3), 2, ""),
        ("input", 10, 2, 20, "second"),
    ]
    with pytest.raises(LookupError):
        lines(usage, cost, {})


def test_the_providers_charge_and_the_programs_own_figure_are_lines_too() -> None:
    usage = Usage({"input": 1000}, charge=2_600_000_000)
    cost = cost_of(usage, "openai", "gpt-4o", TODAY)
    assert cost is not None
    assert [(row.bucket, row.amount) for row in lines(usage, cost)] == [
        ("input", 2_500_000_000),
        ("charge", 100_000_000),
    ]
    assert [row.bucket for row in lines(Usage({}), Cost(total=5, status="manual"))] == ["manual"]


def test_a_usage_that_states_no_quantity_is_unpriced_and_a_known_zero_costs_nothing() -> None:
    assert cost_of(Usage({}, flags=("negative",)), "openai", "gpt-4o", TODAY) == Cost(status="unpriced")
    zero = cost_of(Usage({"input": 0}), "openai", "gpt-4o", TODAY)
    assert zero is not None
    assert (zero.total, zero.status) == (0, "exact")


def test_the_price_of_a_usage_that_contradicts_itself_is_no_exact_one() -> None:
    cost = cost_of(Usage({"input": 10}, flags=("parts_exceed_input",)), "openai", "gpt-4o", TODAY)
    assert cost is not None
    assert (cost.total, cost.status) == (25_000_000, "estimated")
