"""Prices by what was served beside the model: tier, batch, speed, region."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from tollbook.pricing import card, cost_of
from tollbook.usage import Usage


def at(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * 10**9


def usd(
    provider: str, model: str, context: dict[str, str] | None, day: str = "2026-11-21"
) -> tuple[Decimal | None, str]:
    """The cost of 1000 tokens sent and 100 generated, and its status."""
    cost = cost_of(Usage({"input": 1000, "output": 100}), provider, model, at(day), context)
    assert cost is not None
    return cost.total_usd, cost.status


STANDARD = (Decimal("0.003"), "exact")  # gpt-6.1-sol: 1000 x 2 + 100 x 10


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (None, STANDARD),
        ({}, STANDARD),
        ({"service_tier": "default"}, STANDARD),
        ({"service_tier": "standard", "speed": "standard", "region": "global", "processing": "standard"}, STANDARD),
        ({"service_tier": "priority"}, (Decimal("0.006"), "exact")),
        ({"service_tier": "fast"}, (Decimal("0.006"), "exact")),
        ({"service_tier": "flex"}, (Decimal("0.0015"), "exact")),
        ({"processing": "batch"}, (Decimal("0.0015"), "exact")),
        ({"service_tier": "batch"}, (Decimal("0.0015"), "exact")),
        ({"traffic_type": "ON_DEMAND"}, STANDARD),
        ({"traffic_type": "ON_DEMAND_FLEX"}, (Decimal("0.0015"), "exact")),
        ({"inference_geo": "not_available"}, STANDARD),
    ],
)
def test_a_listed_variant_has_its_own_price(context: dict[str, str] | None, expected: tuple[Decimal, str]) -> None:
    assert usd("openai", "gpt-6.1-sol", context) == expected


def test_anthropics_fast_mode_has_its_own_price() -> None:
    # claude-opus-4-8: 10 and 50 instead of 5 and 25
    assert usd("anthropic", "claude-opus-4-8", {"speed": "fast"}) == (Decimal("0.015"), "exact")


@pytest.mark.parametrize("tier", ["hyperfast", "scale", "something-new"])
def test_an_unknown_tier_is_priced_as_standard_and_says_so(tier: str) -> None:
    cost = cost_of(
        Usage({"input": 1000, "output": 100}), "openai", "gpt-6.1-sol", at("2026-11-21"), {"service_tier": tier}
    )
    assert cost is not None
    assert (cost.total_usd, cost.status) == (Decimal("0.003"), "estimated")
    assert cost.assumptions == (f"service_tier={tier} priced as standard",)


def test_an_unlisted_region_is_noted_beside_a_tier_that_is_listed() -> None:
    context = {"region": "us", "service_tier": "flex"}
    cost = cost_of(Usage({"input": 1000, "output": 100}), "openai", "gpt-5.1", at("2026-11-21"), context)
    assert cost is not None
    assert (cost.total_usd, cost.assumptions) == (Decimal("0.001125"), ("region=us priced as standard",))


def test_a_batch_is_priced_as_a_batch_whatever_tier_it_names() -> None:
    for context in (
        {"processing": "batch", "service_tier": "priority"},
        {"service_tier": "priority", "processing": "batch"},
    ):
        found = card("openai", "gpt-6.1-sol", at("2026-11-21"), context)
        assert found is not None
        assert found.context == {"processing": "batch"}
        assert found.assumptions == ("service_tier=priority priced as batch",)


def test_a_variant_is_used_before_the_list_dates_it_if_the_standard_price_was_the_same() -> None:
    # gpt-5.6-sol since 2026-08-21: 4 and 20, half of it with flex, which the list has since 2026-10-12
    assert usd("openai", "gpt-5.6-sol", {"service_tier": "flex"}, "2026-10-12") == (Decimal("0.003"), "exact")
    assert usd("openai", "gpt-5.6-sol", {"service_tier": "flex"}, "2026-09-01") == (Decimal("0.003"), "estimated")
    found = card("openai", "gpt-5.6-sol", at("2026-09-01"), {"service_tier": "flex"})
    assert found is not None
    assert found.assumptions == ("service_tier=flex priced as of 2026-10-12, the first day listed",)


def test_a_variant_is_not_used_before_its_date_if_the_standard_price_was_another() -> None:
    assert usd("openai", "gpt-5.6-sol", {"service_tier": "flex"}, "2026-08-01") == (Decimal("0.008"), "estimated")


def test_a_list_lends_its_standard_prices_only() -> None:
    """Azure's models that are listed at OpenAI only have OpenAI's prices, but not those of its tiers."""
    found = card("azure.ai.openai", "gpt-4o", at("2026-11-21"), {"service_tier": "priority"})
    assert found is not None
    assert (found.provider, found.rates["input"]) == ("openai", 2_500_000)
    assert found.assumptions == ("service_tier=priority priced as standard",)


def test_a_tier_multiplies_every_bucket() -> None:
    standard = card("openai", "gpt-6.1-sol", at("2026-11-21"))
    priority = card("openai", "gpt-6.1-sol", at("2026-11-21"), {"service_tier": "priority"})
    assert standard is not None
    assert priority is not None
    for bucket in ("input", "input_cache_read", "input_cache_write", "output", "output_reasoning"):
        assert priority.rates[bucket] == 2 * standard.rates[bucket]
        assert priority.tiers[0].rates[bucket] == 2 * standard.tiers[0].rates[bucket]


def test_gpt_4o_mini_priority() -> None:
    # 9 x 0.25 + 2 x 1
    cost = cost_of(
        Usage({"input": 9, "output": 2}), "openai", "gpt-4o-mini", at("2026-11-21"), {"service_tier": "priority"}
    )
    assert cost is not None
    assert cost.total_usd == Decimal("0.00000425")
