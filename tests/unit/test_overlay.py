"""The facts of prices that come with Tollbook: each one, and what it costs."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

import tollbook
from tollbook._money import to_usd
from tollbook.pricing import cost_of
from tollbook.usage import Usage

FILE = Path(tollbook.__file__).with_name("pricing") / "overlay.toml"
FACTS = tomllib.loads(FILE.read_text(encoding="utf-8"), parse_float=Decimal)["model"]

M = 1_000_000


class Case(NamedTuple):
    """A call, and what it cost by hand."""

    fact: str
    provider: str
    model: str
    day: str
    quantities: dict[str, int]
    usd: str
    context: dict[str, str] | None = None


CASES = [
    Case("claude-sonnet-5-5 cache reads before the cut", "anthropic", "claude-sonnet-5-5", "2026-10-06",
         {"input": M, "input_cache_read": M, "output": M}, "12.20"),
    Case("gemini-3.6-flash before the cut", "gcp.gemini", "gemini-3.6-flash", "2026-08-12",
         {"input": M, "input_cache_read": M, "output": M}, "9.15"),
    Case("deepseek aliases", "deepseek", "deepseek-chat", "2025-10-01",
         {"input": M, "input_cache_read": M, "output": M}, "0.728"),
    Case("deepseek aliases", "deepseek", "deepseek-reasoner", "2026-05-01",
         {"input": M, "input_cache_read": M, "output": M}, "0.448"),
    Case("deepseek aliases", "deepseek", "deepseek-chat", "2026-11-20",
         {"input": M, "input_cache_read": M, "output": M}, "0.4228"),
    Case("gpt-4o-audio-preview audio", "openai", "gpt-4o-audio-preview-2024-12-17", "2025-03-01",
         {"input": M, "input_audio": M, "output": M, "output_audio": M}, "132.5"),
    Case("openai cache writes for 12 hours", "openai", "gpt-6.1-terra", "2026-11-20",
         {"input": 100_000, "input_cache_write_12h": 100_000}, "0.35"),
    Case("openai cache writes for 12 hours", "openai", "gpt-6.1-sol", "2026-11-20",
         {"input_cache_write_12h": 100_000}, "0.5"),
    Case("xai tools", "x_ai", "grok-4.6", "2026-11-20",
         {"input": 100_000, "web_search": 1000, "social_search": 1000, "code_execution": 1000,
          "attachment_search": 1000, "file_search": 1000}, "27.70"),
    Case("anthropic web fetch", "anthropic", "claude-sonnet-4-5", "2026-11-20",
         {"input": 100_000, "web_fetch": 7, "web_search": 100}, "1.30"),
    Case("claude-mythos-5", "anthropic", "claude-mythos-5", "2026-11-20",
         {"input": M, "input_cache_read": M, "input_cache_write_5m": M, "input_cache_write_1h": M, "output": M,
          "web_search": 1000}, "103.50"),
    Case("claude-mythos-5", "anthropic", "claude-mythos-5", "2026-07-20", {"input": M, "output": M}, "30",
         {"processing": "batch"}),
    Case("claude-mythos-5-1", "anthropic", "claude-mythos-5-1", "2026-11-20",
         {"input": M, "input_cache_read": M, "input_cache_write_5m": M, "input_cache_write_1h": M, "output": M},
         "92.75"),
    Case("ft:gpt-4.1", "openai", "ft:gpt-4.1-2025-04-14:acme::abc", "2026-11-20",
         {"input": M, "input_cache_read": M, "output": M}, "15.75"),
    Case("ft:gpt-4.1-mini", "openai", "ft:gpt-4.1-mini-2025-04-14:acme::abc", "2026-11-20",
         {"input": M, "input_cache_read": M, "output": M}, "4.20"),
    Case("ft:gpt-4.1-nano", "openai", "ft:gpt-4.1-nano-2025-04-14:acme::abc", "2026-11-20",
         {"input": M, "input_cache_read": M, "output": M}, "1.05"),
    Case("ft:o4-mini", "openai", "ft:o4-mini-2025-04-16:acme::abc", "2026-11-20",
         {"input": M, "input_cache_read": M, "output": M}, "21"),
    Case("sora-2", "openai", "sora-2", "2026-11-20", {"output_video_ms": 8000}, "0.80"),
    Case("free variants at OpenRouter", "openrouter", "deepseek/deepseek-r1:free", "2026-11-20",
         {"input": M, "output": M, "output_reasoning": M}, "0"),
    Case("openai batches", "openai", "gpt-5-2025-08-07", "2026-03-01",
         {"input": M, "input_cache_read": M, "output": M}, "5.6875", {"service_tier": "batch"}),
    Case("openai batches, cache reads not cheaper", "openai", "gpt-4o-2024-08-06", "2025-03-01",
         {"input": M, "input_cache_read": M, "output": M}, "7.50", {"processing": "batch"}),
    Case("anthropic batches", "anthropic", "claude-3-5-sonnet-20241022", "2024-12-01",
         {"input": M, "input_cache_read": M, "input_cache_write_5m": M, "output": M}, "11.025",
         {"processing": "batch"}),
    Case("anthropic batches", "anthropic", "claude-sonnet-5-5", "2026-10-01",
         {"input": M, "input_cache_read": M, "output": M}, "6.10", {"processing": "batch"}),
    Case("google batches, cache reads not cheaper", "gcp.gemini", "gemini-2.5-flash", "2025-10-01",
         {"input": M, "input_cache_read": M, "output": M}, "1.43", {"processing": "batch"}),
    Case("google batches", "gcp.gemini", "gemini-3.6-flash", "2026-08-01",
         {"input": M, "input_cache_read": M, "output": M}, "4.575", {"processing": "batch"}),
    Case("openai flex at its launch", "openai", "o3-2025-04-16", "2025-05-01",
         {"input": M, "output": M}, "25", {"service_tier": "flex"}),
    Case("openai flex at its launch, o4-mini", "openai", "o4-mini", "2025-05-01",
         {"input": M, "input_cache_read": M, "output": M}, "2.888", {"service_tier": "flex"}),
    Case("openai priority, twice the price", "openai", "gpt-5.1", "2026-08-01",
         {"input": M, "input_cache_read": M, "output": M}, "22.75", {"service_tier": "priority"}),
    Case("openai priority, gpt-5.5", "openai", "gpt-5.5-2026-04-23", "2026-08-01",
         {"input": 100_000, "input_cache_read": 100_000, "output": M}, "76.375", {"service_tier": "priority"}),
    Case("openai priority, gpt-5-mini", "openai", "gpt-5-mini", "2026-08-01",
         {"input": M, "input_cache_read": M, "output": M}, "4.095", {"service_tier": "priority"}),
    Case("openai priority, gpt-4.1", "openai", "gpt-4.1", "2026-08-01",
         {"input": M, "input_cache_read": M, "output": M}, "18.375", {"service_tier": "priority"}),
    Case("openai ultrafast", "openai", "gpt-6.1-sol", "2026-11-20",
         {"input": 100_000, "input_cache_read": 100_000, "output": M}, "61.26", {"service_tier": "ultrafast"}),
    Case("openai regions", "openai", "gpt-6.1-terra", "2026-11-20",
         {"input": 100_000, "output": M, "web_search": 1000}, "15.61", {"region": "eu"}),
    Case("openai regions", "openai", "gpt-6.1-sol", "2026-11-20", {"input": 100_000, "output": M}, "67.32",
         {"region": "us", "service_tier": "ultrafast"}),
    Case("anthropic in the US", "anthropic", "claude-opus-4-6", "2026-11-20",
         {"input": M, "input_cache_write_1h": M, "output": M, "web_search": 1000}, "54", {"inference_geo": "us"}),
    Case("anthropic in the US", "anthropic", "claude-opus-5-5", "2026-11-20", {"input": M, "output": M}, "13.20",
         {"inference_geo": "us", "service_tier": "batch"}),
    Case("xai in the US", "x_ai", "grok-4.6", "2026-11-20", {"input": 100_000, "output": 100_000}, "0.88",
         {"region": "us"}),
    # by the names that responses have: dated snapshots
    Case("claude-sonnet-5-5 cache reads before the cut", "anthropic", "claude-sonnet-5-5-20260928", "2026-10-06",
         {"input_cache_read": M}, "0.20"),
    Case("gemini-3.6-flash before the cut", "gcp.vertex_ai", "gemini-3.6-flash-001", "2026-08-12",
         {"input": M}, "1.50"),
    Case("openai cache writes for 12 hours", "openai", "gpt-6.1-sol-2026-09-29", "2026-11-20",
         {"input_cache_write_12h": 100_000}, "0.5"),
    Case("openai ultrafast", "openai", "gpt-6-astra-2026-09-10", "2026-11-20", {"input": 100_000}, "6",
         {"service_tier": "ultrafast"}),
    Case("openai regions", "openai", "gpt-6.1-terra-2026-10-15", "2026-11-20", {"input": 100_000}, "0.11",
         {"region": "eu"}),
    Case("openai regions", "openai", "gpt-5.4-2026-03-05", "2026-11-20",
         {"input": 100_000, "input_cache_read": 100_000, "output": 10_000}, "0.4675", {"region": "eu"}),
    Case("openai regions", "openai", "gpt-5.6-luna", "2026-11-20", {"input": 100_000}, "0.011",
         {"region": "us", "processing": "batch"}),
    Case("claude-mythos-5", "anthropic", "claude-mythos-5-20260609", "2026-11-20", {"input": M}, "10"),
    Case("claude-mythos-5-1", "anthropic", "claude-mythos-5-1-20260901", "2026-11-20", {"input_cache_read": M}, "0.25"),
    Case("google batches, cache reads not cheaper", "gcp.gemini", "gemini-2.5-flash-preview-09-2025", "2025-10-01",
         {"input": M, "input_audio": M}, "0.65", {"processing": "batch"}),
    Case("anthropic batches of models that the list has no batches of", "anthropic", "claude-opus-4-1-20250805",
         "2026-11-20", {"input": M, "output": M}, "45", {"processing": "batch"}),
    Case("anthropic batches of models that the list has no batches of", "anthropic", "claude-3-haiku-20240307",
         "2026-11-20", {"input": M, "output": M}, "0.75", {"service_tier": "batch"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{case.fact}, {case.model}, {case.day}" for case in CASES])
def test_a_fact_costs_what_its_source_says(case: Case) -> None:
    """To the last digit, and nothing about it is assumed."""
    start = int(datetime.fromisoformat(f"{case.day}T12:00+00:00").timestamp()) * 10**9
    cost = cost_of(Usage(case.quantities), case.provider, case.model, start, case.context)
    assert cost is not None
    assert cost.total is not None, cost
    assert to_usd(cost.total) == Decimal(case.usd)
    assert (cost.status, cost.assumptions) == ("exact", ())


@pytest.mark.parametrize("fact", FACTS, ids=[fact["name"] for fact in FACTS])
def test_a_fact_is_dated_sourced_checked_and_tested(fact: dict[str, object]) -> None:
    """From when it holds, where it was read, when that was looked at last, and a case above that it decides."""
    assert fact["start_time"]
    assert re.fullmatch(r"https://\S+", str(fact["source"]))
    checked = datetime.fromisoformat(str(fact["checked"])).date()
    assert checked <= datetime.now(UTC).date()
    assert fact["name"] in {case.fact for case in CASES}


LEFT_ALONE = [
    Case("", "anthropic", "claude-sonnet-5-5", "2026-10-07", {"input_cache_read": M}, "0.10"),
    Case("", "gcp.gemini", "gemini-3.6-flash", "2026-08-13", {"input": M}, "0.75"),
    Case("", "deepseek", "deepseek-chat", "2025-09-28", {"input": M}, "0.27"),
    Case("", "openai", "gpt-4o-audio-preview-2024-12-17", "2025-03-01", {"input": M}, "2.50"),
    Case("", "azure.ai.openai", "gpt-6.1-terra", "2026-11-20", {"input": 100_000}, "0.1"),
    Case("", "anthropic", "claude-sonnet-4-5", "2026-11-20", {"input": 100_000}, "0.30"),
    Case("", "openai", "gpt-5", "2026-11-20", {"input": M}, "0.625", {"processing": "batch"}),
]


@pytest.mark.parametrize("case", LEFT_ALONE, ids=[f"{case.model}, {case.day}" for case in LEFT_ALONE])
def test_what_a_fact_is_not_about_costs_as_listed(case: Case) -> None:
    """Other times, other quantities, other platforms: the price list's figure."""
    start = int(datetime.fromisoformat(f"{case.day}T12:00+00:00").timestamp()) * 10**9
    cost = cost_of(Usage(case.quantities), case.provider, case.model, start, case.context)
    assert cost is not None
    assert cost.total is not None
    assert to_usd(cost.total) == Decimal(case.usd)


def test_cheaper_and_dearer_regions_are_not_guessed() -> None:
    """A region of a model without a regional price is noted, and priced as the model's standard."""
    start = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 10**9
    cost = cost_of(Usage({"input": M}), "openai", "gpt-4o", start, {"region": "eu"})
    assert cost is not None
    assert cost.assumptions == ("region=eu priced as standard",)
