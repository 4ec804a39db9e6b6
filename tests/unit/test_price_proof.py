"""Prices against what others state: a table of late 2024, and providers' own figures of today."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tollbook._money import to_usd
from tollbook.pricing import cost_of
from tollbook.usage import Usage

LATE_2024 = [
    ("anthropic", "claude-3-opus-20240229", "15.00", "75.00"),
    ("anthropic", "claude-3-5-sonnet-20241022", "3.00", "15.00"),
    ("anthropic", "claude-3-5-haiku-20241022", "0.80", "4.00"),
    ("anthropic", "claude-3-haiku-20240307", "0.25", "1.25"),
    ("openai", "gpt-4-turbo", "10.00", "30.00"),
    ("openai", "gpt-4o", "2.50", "10.00"),
    ("openai", "gpt-4o-mini", "0.15", "0.60"),
    ("openai", "gpt-3.5-turbo", "0.50", "1.50"),
    ("openai", "text-embedding-3-large", "0.13", None),
    ("openai", "text-embedding-3-small", "0.02", None),
    ("openai", "text-embedding-ada-002", "0.10", None),
]

OFFICIAL = [
    line.split("\t")
    for line in (Path(__file__).parent / "official_prices.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def cost(provider: str, model: str, day: str, **quantities: int) -> Decimal:
    start = int(datetime.fromisoformat(f"{day}T12:00+00:00").timestamp()) * 10**9
    found = cost_of(Usage(quantities), provider, model, start)
    assert found is not None
    assert found.total is not None
    assert found.status == "exact"
    return to_usd(found.total)


@pytest.mark.parametrize(("provider", "model", "sent", "generated"), LATE_2024)
def test_calls_of_late_2024_cost_what_a_table_of_that_time_says(
    provider: str, model: str, sent: str, generated: str | None
) -> None:
    """Prices have changed and models have gone since; a call is priced by those of its day."""
    assert cost(provider, model, "2024-12-15", input=10**6) == Decimal(sent)
    if generated:
        assert cost(provider, model, "2024-12-15", output=10**6) == Decimal(generated)


def test_the_table_of_official_figures_is_whole() -> None:
    """37 models, each with where its figures were read."""
    assert len(OFFICIAL) == len({row[0] for row in OFFICIAL}) == 37
    assert all(row[6] for row in OFFICIAL)


@pytest.mark.parametrize("row", OFFICIAL, ids=[row[0] for row in OFFICIAL])
def test_prices_are_what_the_provider_states(row: list[str]) -> None:
    """A tenth of a million of each kind, in short contexts, through everything that makes a cost."""
    model, sent, cached, written, written_1h, generated, _, _ = row
    provider = {"c": "anthropic", "g": "gcp.gemini" if model.startswith("gemini") else "openai"}.get(model[0], "openai")
    kinds = {
        "input": sent,
        "input_cache_read": cached,
        "input_cache_write_5m": written,
        "input_cache_write_1h": written_1h,
        "output": generated,
    }
    for bucket, stated in kinds.items():
        if stated != "-":
            assert cost(provider, model, "2026-11-20", **{bucket: 100_000}) * 10 == Decimal(stated), bucket
