"""What calls cost at bundled prices: figures computed by hand from the prices in each row's comment."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from tollbook.pricing import Cost, cost_of, lines
from tollbook.usage import Part, Usage


def at(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * 10**9


TODAY = at("2026-11-21")


def priced(
    provider: str | None,
    model: str | None,
    quantities: dict[str, int],
    *,
    day: str = "2026-11-21",
    context: dict[str, str] | None = None,
    parts: tuple[Part, ...] = (),
    charge: int | None = None,
) -> Cost:
    usage = Usage(quantities, parts=parts, charge=charge)
    cost = cost_of(usage, provider, model, at(day), context)
    assert cost is not None
    # Holds for every row of this file: the rows behind a cost add up to it.
    assert sum(line.amount or 0 for line in lines(usage, cost)) == (cost.total or 0)
    return cost


OPUS = "claude-opus-4-8"
SONNET = "claude-sonnet-4-5"

EXACT = [
    # 45 x 0.15 + 14 x 0.60 micro-dollars, and so on
    ("openai", "gpt-4o-mini", {"input": 45, "output": 14}, "0.00001515"),
    ("openai", "gpt-4o-mini", {"input": 39, "output": 8}, "0.00001065"),
    ("openai", "gpt-4o-mini", {"input": 84, "output": 22}, "0.0000258"),
    # 20 x 2.50 + 100 x 1.25 + 30 x 10
    ("openai", "gpt-4o", {"input": 20, "input_cache_read": 100, "output": 30}, "0.000475"),
    ("openai", "gpt-4o", {"input": 86, "input_cache_read": 1920, "output": 300}, "0.005615"),
    # 20 x 3 + 100 x 3.75 + 200 x 6 + 1000 x 0.30 + 50 x 15
    (
        "anthropic",
        SONNET,
        {
            "input": 20,
            "input_cache_write_5m": 100,
            "input_cache_write_1h": 200,
            "input_cache_read": 1000,
            "output": 50,
        },
        "0.002685",
    ),
    (
        "anthropic",
        SONNET,
        {"input": 3, "input_cache_write_5m": 25, "input_cache_read": 13216, "output": 12},
        "0.00424755",
    ),
    ("anthropic", SONNET, {"input": 10_000, "input_cache_read": 90_000, "output": 1000}, "0.072"),
    # cache lifetimes: 600k x 6.25 + 400k x 10; 344,139 x 10; 200 x 6
    ("anthropic", OPUS, {"input_cache_write_5m": 600_000, "input_cache_write_1h": 400_000}, "7.75"),
    ("anthropic", OPUS, {"input_cache_write_1h": 344_139}, "3.44139"),
    ("anthropic", SONNET, {"input_cache_write_1h": 200}, "0.0012"),
    # reasoning is part of the output's price, not on top of it: 14,746 x 30 + 1,944 x 180
    ("openai", "gpt-5.4-pro", {"input": 14_746, "output": 584, "output_reasoning": 1360}, "0.7923"),
    # tools: 3 x 10 / 1000; no search, no cost
    ("anthropic", SONNET, {"input": 0, "web_search": 3}, "0.03"),
    ("anthropic", SONNET, {"input": 0, "web_search": 0}, "0"),
    # images: 150 x 5 + 8000 x 40; sound by its length: 4 s of 0.36 per hour
    ("openai", "gpt-image-1", {"input": 150, "output_image": 8000}, "0.32075"),
    ("openai", "whisper-1", {"input_audio_ms": 4000}, "0.0004"),
    # cached sound has its own price: 1000 x 32 + 100 x 0.40 + 10 x 64 + 5 x 4 + 3 x 0.40
    (
        "openai",
        "gpt-realtime",
        {"input_audio": 1000, "input_audio_cache_read": 100, "output_audio": 10, "input": 5, "input_cache_read": 3},
        "0.0327012",
    ),
    # characters: 500 x 30 / 1M
    ("openai", "tts-1-hd", {"input_characters": 500}, "0.015"),
    # a fee per request, whether the usage counts it or not: 10 x 1 + 10 x 1 + 12 / 1000
    ("perplexity", "sonar", {"input": 10, "output": 10}, "0.01202"),
    ("perplexity", "sonar", {"input": 10, "output": 10, "requests": 2}, "0.02402"),
    ("openai", "text-embedding-3-small", {"input": 8}, "0.00000016"),
    ("openai", "o1", {"output": 1000}, "0.06"),
    ("azure.ai.openai", "gpt-5.6-sol", {"input_cache_write": 1000}, "0.005"),
]


@pytest.mark.parametrize(("provider", "model", "quantities", "usd"), EXACT)
def test_known_quantities_at_known_prices(provider: str, model: str, quantities: dict[str, int], usd: str) -> None:
    cost = priced(provider, model, quantities)
    assert cost.total_usd == Decimal(usd)
    assert (cost.status, cost.assumptions, cost.listed) == ("exact", (), None)


def test_the_sum_is_split_by_direction() -> None:
    cost = priced("openai", "gpt-4o-mini", {"input": 84, "output": 22, "web_search": 1})
    assert cost.input_usd == Decimal("0.0000126")
    assert cost.output_usd == Decimal("0.0000132")
    assert cost.other == 10**10
    assert cost.total == 12_600_000 + 13_200_000 + 10**10


@pytest.mark.parametrize(
    ("day", "usd"),
    # 1000 x 5 + 1000 x 0.50 + 100 x 30 until the price cut of 2026-08-21, then 4, 0.40 and 20
    [("2026-08-20", "0.0085"), ("2026-08-21", "0.0064"), ("2026-08-22", "0.0064")],
)
def test_a_call_is_priced_as_of_its_start(day: str, usd: str) -> None:
    quantities = {"input": 1000, "input_cache_read": 1000, "output": 100}
    assert priced("openai", "gpt-5.6-sol", quantities, day=day).total_usd == Decimal(usd)
    assert priced("openai", "gpt-5.6-sol", quantities, day=day).total_usd == Decimal(usd)


@pytest.mark.parametrize(
    ("clock", "rate"), [("00:29:59", 135), ("00:30:00", 270), ("16:29:59", 270), ("16:30:00", 135), ("23:59:59", 135)]
)
def test_a_price_by_the_time_of_day_is_that_of_the_start(clock: str, rate: int) -> None:
    start = int(datetime.fromisoformat(f"2025-06-20T{clock}+00:00").timestamp()) * 10**9
    cost = cost_of(Usage({"input": 1000}), "deepseek", "deepseek-chat", start)
    assert cost is not None
    assert cost.total == rate * 10**6


TIERS = [
    # at 3 and 15 up to 200,000 tokens sent, at 6 and 22.50 beyond: the whole request, not what lies above
    (SONNET, {"input": 200_000, "output": 1000}, "0.615"),
    (SONNET, {"input": 200_001, "output": 1000}, "1.222506"),
    # tokens read from and written to a cache count: 8 / 0.8 / 10 / 30 beyond 272,000, else 4 / 0.4 / 5 / 20
    ("gpt-5.6-sol", {"input": 270_000, "input_cache_read": 5000, "input_cache_write": 3000, "output": 100}, "2.197"),
    ("gpt-5.6-sol", {"input": 264_000, "input_cache_read": 5000, "input_cache_write": 3000, "output": 100}, "1.075"),
    # what is generated does not count
    ("gpt-5.6-sol", {"input": 272_000, "output": 100_000}, "3.088"),
]


@pytest.mark.parametrize(("model", "quantities", "usd"), TIERS)
def test_a_long_context_reprices_the_whole_request(model: str, quantities: dict[str, int], usd: str) -> None:
    provider = "anthropic" if model == SONNET else "openai"
    assert priced(provider, model, quantities).total_usd == Decimal(usd)


def test_a_part_is_a_request_of_its_own_and_of_its_own_length() -> None:
    # 23,000 x 3 + 1,000 x 15 + 180,000 x 3 + 3,500 x 15: the two together would pass the threshold of 200,000
    part = Part("compaction", {"input": 180_000, "output": 3500})
    cost = priced("anthropic", SONNET, {"input": 23_000, "output": 1000}, parts=(part,))
    assert cost.total_usd == Decimal("0.6765")
    assert cost.status == "exact"
    assert len(cost.cards) == 2


def test_a_part_by_another_model_is_priced_at_that_models_rates() -> None:
    # 1000 x 3 + 100 x 5
    part = Part("advisor", {"input": 100}, model=OPUS)
    cost = priced("anthropic", SONNET, {"input": 1000}, parts=(part,))
    assert cost.total_usd == Decimal("0.0035")
    assert len(set(cost.cards)) == 2


def test_a_part_without_a_price_leaves_the_rest_priced_and_says_so() -> None:
    part = Part("image_generation", {"output_image": 100}, model="gpt-image-99")
    cost = priced("openai", "gpt-4o", {"input": 1000}, parts=(part,))
    assert (cost.total_usd, cost.status) == (Decimal("0.0025"), "partial")
    assert cost.assumptions == ("no price for gpt-image-99",)
    assert cost.cards[1] == ""


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99"),
        ("openai", "gpt-5.6-sol-fast"),  # an unknown variant is not the model
        ("anthropic", "claude-sonnet-4-5-fast"),
        ("llm.example.com", "gpt-4o"),  # an unknown server is not the vendor
        ("myopenai.internal", "gpt-4o"),
        (None, "gpt-4o"),
        ("openai", None),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"),
    ],
)
def test_what_has_no_price_is_unpriced_and_never_zero(provider: str | None, model: str | None) -> None:
    cost = priced(provider, model, {"input": 1000, "output": 10})
    assert cost == Cost(status="unpriced")
    assert (cost.total, cost.input, cost.output) == (None, None, None)


def test_no_usage_has_no_cost() -> None:
    assert cost_of(None, "openai", "gpt-4o", TODAY) is None


def test_a_bucket_without_a_price_makes_the_cost_partial() -> None:
    cost = priced("anthropic", SONNET, {"input": 1000, "input_cache_write_12h": 5, "output_video_ms": 7})
    assert (cost.total_usd, cost.status) == (Decimal("0.003"), "partial")
    assert cost.assumptions == ("no price for input_cache_write_12h", "no price for output_video_ms")


def test_a_bucket_that_nobody_knows_makes_the_cost_partial() -> None:
    cost = priced("anthropic", SONNET, {"input": 1000, "holograms": 5})
    assert (cost.total_usd, cost.status) == (Decimal("0.003"), "partial")


def test_a_call_of_which_nothing_is_priced_is_unpriced_though_the_model_is_known() -> None:
    cost = priced("anthropic", SONNET, {"output_video_ms": 7})
    assert (cost.total, cost.status) == (None, "unpriced")
    assert cost.assumptions == ("no price for output_video_ms",)


def test_a_bucket_of_quantity_zero_needs_no_price() -> None:
    cost = priced("anthropic", SONNET, {"input": 1000, "output_video_ms": 0})
    assert (cost.total_usd, cost.status) == (Decimal("0.003"), "exact")


def test_a_cache_write_of_unstated_lifetime_is_priced_as_the_shortest_and_says_so() -> None:
    cost = priced("anthropic", SONNET, {"input_cache_write": 1000})
    assert (cost.total_usd, cost.status) == (Decimal("0.00375"), "estimated")
    assert cost.assumptions == ("input_cache_write priced as input_cache_write_5m",)


def test_a_cache_write_of_unstated_lifetime_needs_no_assumption_where_there_is_one_price() -> None:
    assert priced("openai", "gpt-5.6-sol", {"input_cache_write": 1000}).status == "exact"


def test_sound_at_the_price_of_text_is_said_to_be_an_assumption() -> None:
    cost = priced("openai", "gpt-4o-audio-preview", {"input_audio": 1000}, day="2024-10-10")
    assert (cost.total_usd, cost.status) == (Decimal("0.0025"), "estimated")
    assert cost.assumptions == ("input_audio priced as input",)


def test_the_providers_charge_is_the_total_and_the_list_price_is_kept_beside_it() -> None:
    cost = priced("openai", "gpt-4o", {"input": 1000}, charge=2_600_000_000)
    assert (cost.total, cost.listed, cost.input, cost.status) == (2_600_000_000, 2_500_000_000, 2_500_000_000, "exact")


@pytest.mark.parametrize("charge", [0, 4_200_000_000])
def test_the_providers_charge_prices_a_model_that_no_list_has(charge: int) -> None:
    cost = priced("llm.example.com", "own", {"input": 1000}, charge=charge)
    assert (cost.total, cost.listed, cost.input, cost.status) == (charge, None, None, "exact")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-search-preview", "own"])
def test_a_charge_for_what_nobody_counted_has_no_list_price(model: str) -> None:
    cost = priced("openai", model, {}, charge=7)
    assert (cost.total, cost.listed, cost.input, cost.status) == (7, None, None, "exact")
    assert priced("openai", model, {}) == Cost(status="unpriced")


def test_the_providers_charge_holds_for_parts_and_partial_lists_too() -> None:
    part = Part("compaction", {"input": 1000})
    cost = priced("anthropic", SONNET, {"input": 1000, "holograms": 1}, parts=(part,), charge=10**10)
    assert (cost.total, cost.listed, cost.status) == (10**10, 6 * 10**9, "exact")


@pytest.mark.parametrize(
    "usage", [Usage({"input": 10}, source="estimated"), Usage({"input": 10}, estimated=("input",))]
)
def test_the_cost_of_estimated_usage_is_estimated(usage: Usage) -> None:
    cost = cost_of(usage, "openai", "gpt-4o", TODAY)
    assert cost is not None
    assert (cost.total_usd, cost.status) == (Decimal("0.000025"), "estimated")


def test_the_cost_of_estimated_usage_of_many_parts_is_estimated() -> None:
    usage = Usage({"input": 10}, source="estimated", parts=(Part("compaction", {"input": 10}),))
    cost = cost_of(usage, "openai", "gpt-4o", TODAY)
    assert cost is not None
    assert (cost.total_usd, cost.status) == (Decimal("0.00005"), "estimated")


def test_a_clip_shorter_than_the_least_that_is_billed_costs_the_least() -> None:
    # 0.111 per hour, at least 10 seconds; 10 s are 308,333,333 1/3 pico-dollars
    assert priced("groq", "whisper-large-v3", {"input_audio_ms": 4000}).total == 308_333_333
    assert priced("groq", "whisper-large-v3", {"input_audio_ms": 20_000}).total == 616_666_667
