"""Prices for a program: `tollbook.price` and `tollbook.cost`."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tollbook
from tollbook import _prices, pricing
from tollbook._money import to_usd
from tollbook.usage import BUCKETS, Part, Usage

# ---- price ---------------------------------------------------------------------------------------------------


def test_a_price_is_in_dollars_per_million_tokens_and_says_where_it_is_from() -> None:
    found = tollbook.price("gpt-4o")
    assert found is not None
    assert (found.input, found.cache_read, found.output) == (Decimal("2.5"), Decimal("1.25"), Decimal(10))
    assert (found.provider, found.model, found.layer) == ("openai", "gpt-4o", "genai-prices")
    assert found.source.startswith("genai-prices ")
    assert str(found.prices["web_search"]) == "$10.00 / 1k calls"
    assert "input 2.50" in repr(found)
    assert "output 10.00 USD / 1M tokens" in repr(found)


def test_a_price_holds_as_of_a_day() -> None:
    at = [tollbook.price("gemini-3-flash-preview", at=day) for day in ("2026-11-20", date(2026, 11, 20))]
    assert at[0] == at[1]
    assert at[0] is not None
    assert at[0].at == datetime(2026, 11, 20, tzinfo=UTC)


def test_what_is_served_beside_the_model_selects_a_price() -> None:
    plain, batch = (
        tollbook.price("gpt-4o", at="2026-11-01"),
        tollbook.price("gpt-4o", at="2026-11-01", processing="batch"),
    )
    assert plain is not None
    assert plain.input is not None
    assert batch is not None
    assert batch.input == plain.input / 2
    assert batch.context == {"processing": "batch"}


def test_tiers_have_all_their_prices() -> None:
    found = tollbook.price("gpt-6.1-sol", at="2026-11-01")
    assert found is not None
    (tier,) = found.tiers
    assert (tier.threshold, tier.operator) == (272_000, "gt")
    assert (tier.prices["input"].usd, tier.prices["output"].usd) == (Decimal(4), Decimal(15))


@pytest.mark.parametrize(
    "name", ["gpt-4oo", "gpt-4o-fast", "our-own", "", "/", "openai/", "openai/nope", "a/b/c", "é\x1b"]
)
def test_a_name_that_nobody_sells_has_no_price(name: str) -> None:
    assert tollbook.price(name) is None


def test_the_maker_of_a_model_is_meant_where_no_provider_is_named() -> None:
    """Google resells Anthropic's models, OpenRouter everybody's: neither makes the name ambiguous."""
    for name, maker in (("claude-sonnet-4-5", "anthropic"), ("gemini-2.5-pro", "google"), ("gpt-4o", "openai")):
        found = tollbook.price(name)
        assert found is not None
        assert found.provider == maker


def test_a_provider_before_the_name_is_meant() -> None:
    slug = tollbook.price("openrouter/anthropic/claude-sonnet-4.5")
    assert slug is not None
    assert (slug.provider, slug.model) == ("openrouter", "anthropic/claude-sonnet-4.5")
    plain, prefixed = tollbook.price("gpt-4o", at="2026-11-01"), tollbook.price("openai/gpt-4o", at="2026-11-01")
    assert plain == prefixed
    assert plain is not None


def test_a_model_that_several_sell_needs_a_provider() -> None:
    with pytest.raises(ValueError, match=r"glm-5 has a price at several providers.*zai, zhipuai"):
        tollbook.price("glm-5")
    assert tollbook.price("glm-5", provider="zai") is not None


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", ""])
def test_what_is_no_time_is_an_error(at: str) -> None:
    with pytest.raises(ValueError, match="not a date or time"):
        tollbook.price("gpt-4o", at=at)


def test_times_without_a_zone_are_utc() -> None:
    moment = datetime(2026, 11, 1, 14, 30, 0, 5, tzinfo=UTC)
    nanoseconds = 1_793_543_400_000_005_000
    assert _prices.instant(moment) == _prices.instant(moment.replace(tzinfo=None)) == nanoseconds
    assert _prices.instant(moment.astimezone(timezone(timedelta(hours=5)))) == nanoseconds
    assert _prices.instant("2026-11-01T14:30:00.000005Z") == nanoseconds
    assert _prices.instant(date(1969, 12, 31)) == -86_400_000_000_000


@given(rate=st.integers(0, 10**16), bucket=st.sampled_from(sorted(BUCKETS)))
def test_a_unit_price_is_exact(rate: int, bucket: str) -> None:
    unit = _prices.unit_price(bucket, rate)
    assert unit.usd == to_usd(rate) * unit.per


def test_asking_tells_no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(pricing._catalog, "on_new_card", [told.append])
    tollbook.price("o3", at="2025-08-08", processing="batch")
    sum(1 for _ in pricing.entries(time.time_ns(), "openai"))
    assert told == []


def test_a_bucket_that_costs_as_what_it_is_a_kind_of_is_not_told_of_twice() -> None:
    found = tollbook.price("gpt-4o")
    assert found is not None
    assert "input_image" in found.prices
    assert list(found.distinct()) == ["input", "input_cache_read", "output", "web_search", "file_search"]


# ---- cost ----------------------------------------------------------------------------------------------------


def test_a_cost_has_lines_that_add_up() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 300}}
    found = tollbook.cost(usage, "gpt-4o", at="2024-12-01", convention="openai.chat")
    assert (found.total, found.input, found.output) == (Decimal("0.002225"), Decimal("0.002125"), Decimal("0.0001"))
    assert found.status == "exact"
    assert found.listed == found.total
    assert {row.bucket: (row.quantity, row.amount) for row in found.lines} == {
        "input": (700, Decimal("0.00175")),
        "input_cache_read": (300, Decimal("0.000375")),
        "output": (10, Decimal("0.0001")),
    }
    assert all(row.source and row.source.startswith("genai-prices") for row in found.lines)
    assert repr(found).startswith("<CostResult $0.002225 exact: input 700 at $2.50 / 1M tokens")


def test_usage_may_be_ours_a_mapping_or_a_model_of_the_sdk() -> None:
    class Reported:
        def model_dump(self, mode: str) -> dict[str, int]:
            return {"prompt_tokens": 10, "completion_tokens": 1}

    same = [
        tollbook.cost(Usage({"input": 10, "output": 1}), "gpt-4o"),
        tollbook.cost({"input_tokens": 10, "output_tokens": 1}, "openai/gpt-4o"),
        tollbook.cost(Reported(), "gpt-4o", provider="openai", convention="openai.chat"),
    ]
    assert {each.total for each in same} == {Decimal("0.000035")}


def test_what_the_usage_says_of_its_tier_counts_unless_it_is_said_otherwise() -> None:
    usage = {"input_tokens": 100_000, "output_tokens": 0, "service_tier": "batch"}
    at, words = "2026-11-01", "anthropic.messages"
    assert tollbook.cost(usage, "claude-sonnet-4-5", at=at, convention=words).total == Decimal("0.15")
    assert tollbook.cost(usage, "claude-sonnet-4-5", at=at, convention=words, service_tier="standard").total == Decimal(
        "0.3"
    )


def test_an_unknown_model_costs_an_unknown_amount_and_says_so() -> None:
    for provider in (None, "our-server"):
        found = tollbook.cost({"input_tokens": 5}, "our-own", provider=provider)
        assert (found.total, found.input, found.output, found.other, found.listed) == (None,) * 5
        assert found.status == "unpriced"
        assert found.assumptions[-1].startswith("no price is known for our-own")
        assert [(row.bucket, row.amount, row.price) for row in found.lines] == [("input", None, None)]
        assert "unpriced" in repr(found)


def test_what_the_provider_charged_is_the_cost_and_the_list_stands_beside_it() -> None:
    usage = {"prompt_tokens": 500, "completion_tokens": 60, "cost": 0.0031}
    found = tollbook.cost(usage, "anthropic/claude-sonnet-4.5", provider="openrouter", convention="openai.chat")
    assert (found.total, found.listed) == (Decimal("0.0031"), Decimal("0.0024"))
    assert sum(row.amount or 0 for row in found.lines) == found.total
    assert found.lines[-1].bucket == "charge"


@pytest.mark.parametrize("usage", [{}, {"no": "usage"}, None, 5, "text", [1]])
def test_what_is_no_usage_is_an_error(usage: Any) -> None:
    with pytest.raises(ValueError, match="not a usage object"):
        tollbook.cost(usage, "gpt-4o")


NO_USAGES: list[tuple[dict[str, Any], str]] = [
    ({"quantities": {"input": -5}}, "input must be a whole number, 0 or more, and not -5"),
    ({"quantities": {"input": 5.5}}, "input must be"),
    ({"quantities": {"input": float("nan")}}, "input must be"),
    ({"quantities": {"input": True}}, "input must be"),
    ({"quantities": {"input": None}}, "input must be"),
    ({"quantities": {"inputs": 5}}, "there is no bucket 'inputs'"),
    ({"quantities": {"input": 1 << 41}}, "must not exceed"),
    ({"quantities": {}, "parts": (Part("advisor", {"output": -1}),)}, "output must be"),
    ({"quantities": {"input": 5}, "charge": -5}, "charge must be"),
    ({"quantities": {"input": 5}, "charge": 1.5}, "charge must be"),
    ({"quantities": {"input": 5}, "charge": 10**19}, "too much money"),
]


@pytest.mark.parametrize(("fields", "wrong"), NO_USAGES)
def test_a_usage_that_can_t_be_is_refused_where_it_is_handed_in(fields: dict[str, Any], wrong: str) -> None:
    """Written down, it would give a negative cost, or a line that nobody can read back."""
    usage = Usage(**fields)
    with pytest.raises(ValueError, match=wrong):
        tollbook.cost(usage, "gpt-4o")
    with pytest.raises(ValueError, match=wrong):
        tollbook.record(model="gpt-4o", provider="openai", usage=usage)
    with tollbook.span("ask", kind="llm") as span, pytest.raises(ValueError, match=wrong):
        span.set_usage(usage)


@pytest.mark.parametrize("model", [None, 5, b"gpt-4o"])
def test_what_is_no_name_is_an_error(model: Any) -> None:
    with pytest.raises(TypeError, match="model must be a model's name"):
        tollbook.price(model)


@pytest.mark.parametrize("at", [0, 1.5, True])
def test_a_time_of_another_type_is_an_error(at: Any) -> None:
    with pytest.raises(TypeError, match="at must be a date"):
        tollbook.price("gpt-4o", at=at)


def test_what_selects_a_price_is_a_text_and_none_says_nothing() -> None:
    nothing: Any = None
    assert tollbook.price("gpt-4o", service_tier=nothing) == tollbook.price("gpt-4o")
    assert tollbook.cost({"input_tokens": 1}, "gpt-4o", service_tier=nothing).status == "exact"
    wrong: Any = ["flex"]
    with pytest.raises(TypeError, match="service_tier must be a text"):
        tollbook.price("gpt-4o", service_tier=wrong)


def test_an_unknown_convention_is_an_error() -> None:
    with pytest.raises(ValueError, match="convention"):
        tollbook.cost({"input_tokens": 1}, "gpt-4o", convention="nope")


quantities = st.dictionaries(st.sampled_from(sorted(BUCKETS)), st.integers(0, 10**9), min_size=1, max_size=6)


@given(used=quantities, model=st.sampled_from(["openai/gpt-6.1-sol", "claude-sonnet-4-5", "gpt-realtime", "whisper-1"]))
def test_the_lines_are_quantity_times_price_and_their_sum_is_the_total(used: dict[str, int], model: str) -> None:
    found = tollbook.cost(Usage(used), model, at="2026-11-01")
    for row in found.lines:
        if row.price is not None:
            assert row.amount == row.price.usd * row.quantity / row.price.per
    if found.total is not None:
        assert found.total == sum(row.amount or 0 for row in found.lines)
