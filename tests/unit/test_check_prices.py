"""The development command that says which facts of prices are to be looked at again."""

from __future__ import annotations

import importlib.util
import json
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tollbook.pricing._definition import Definition
from tollbook.pricing._places import overlay

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_prices", ROOT / "tools" / "check_prices.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def facts(name: str) -> list[Definition]:
    return [each for each in overlay().definitions if each.name == name]


def test_a_fact_is_due_when_its_check_is_older_than_so_many_days(tool: ModuleType) -> None:
    """The 45th day is still good."""
    (fact,) = facts("sora-2")
    assert fact.checked == "2026-11-21"
    assert not list(tool.stale([fact], date(2027, 1, 5), 45))
    (line,) = tool.stale([fact], date(2027, 1, 6), 45)
    assert "sora-2: checked 2026-11-21" in line


@pytest.mark.parametrize(
    ("name", "key", "entry", "says"),
    [
        ("sora-2", "openai/sora-2", {"output_cost_per_second": 0.10}, None),
        ("sora-2", "openai/sora-2", {"output_cost_per_second": 0.12}, "output_video_ms"),
        ("claude-mythos-5", "claude-mythos-5", {"input_cost_per_token": 1e-05}, None),
        ("claude-mythos-5", "claude-mythos-5", {"input_cost_per_token": 1.2e-05}, "10 here, 12 there"),
        ("ft:gpt-4.1", "ft:gpt-4.1-2025-04-14", {"output_cost_per_token": 1.1e-05}, "12 here, 11 there"),
        ("openai ultrafast", "gpt-6.1-sol", {"input_cost_per_token_ultrafast": 1.2e-05}, None),
        ("openai ultrafast", "gpt-6.1-sol", {"input_cost_per_token_ultrafast": 1e-05}, "12 here, 10 there"),
        (
            "anthropic in the US",
            "claude-opus-5-5",
            {"input_cost_per_token": 4e-06, "provider_specific_entry": {"us": 1.2}},
            "4.4 here, 4.8 there",
        ),
    ],
)
def test_litellm_may_contradict_a_fact(
    tool: ModuleType, tmp_path: Path, name: str, key: str, entry: dict[str, Any], says: str | None
) -> None:
    """By the fields of its file, for the tier or the region that the fact is about."""
    file = tmp_path / "prices.json"
    provider = "anthropic" if "claude" in key else "openai"
    file.write_text(json.dumps({key: {"litellm_provider": provider, **entry}}))
    found = list(tool.contradicted(facts(name), [tool.litellm(file)], TODAY, decided=False))
    assert bool(found) is bool(says)
    assert says is None or says in found[0]


def test_a_source_with_history_may_contradict_a_fact_that_is_past(tool: ModuleType, tmp_path: Path) -> None:
    """As of the last hours in which the fact held."""
    rows = [
        {"start": None, "rates": {"input": 2, "cache_read": 0.3}},
        {"start": "2026-10-07T00:00:00Z", "rates": {"input": 2, "cache_read": 0.1}},
    ]
    file = tmp_path / "snapshot.json"
    file.write_text(json.dumps({"prices": {"anthropic": {"claude-sonnet-5-5": {"standard": rows}}}}))
    fact = facts("claude-sonnet-5-5 cache reads before the cut")
    (line,) = tool.contradicted(fact, [tool.model_prices(file)], TODAY, decided=False)
    assert "input_cache_read on 2026-10-06: 0.2 here, 0.3 there" in line


def test_parsed_pages_may_contradict_a_fact(tool: ModuleType, tmp_path: Path) -> None:
    """By rows with the very conditions of the fact."""
    prices = [
        {"rates": {"input": "4"}},
        {"conditions": {"region": "us"}, "rates": {"input": "4.8"}},
        {"conditions": {"region": "us"}, "min_input_tokens": 200000, "rates": {"input": "9"}},
    ]
    data = {"provider": "anthropic", "models": [{"id": "claude-opus-5-5", "prices": prices}]}
    (tmp_path / "anthropic.json").write_text(json.dumps(data))
    (line,) = tool.contradicted(facts("anthropic in the US"), [tool.cost_calculator(tmp_path)], TODAY, decided=False)
    assert "4.4 here, 4.8 there" in line


def test_a_contradiction_that_a_note_names_is_decided(tool: ModuleType, tmp_path: Path) -> None:
    """It is shown apart, and is nothing to look at."""
    rows = [{"start": None, "rates": {"input": 1.25, "cache_read": 0.625}}]
    file = tmp_path / "snapshot.json"
    file.write_text(json.dumps({"prices": {"openai": {"gpt-4o": {"batch": rows}}}}))
    fact, source = facts("openai batches, cache reads not cheaper"), tool.model_prices(file)
    assert not list(tool.contradicted(fact, [source], TODAY, decided=False))
    assert len(list(tool.contradicted(fact, [source], TODAY, decided=True))) == 1
