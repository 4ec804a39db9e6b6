"""Every file in `cassettes/` says where it is from, holds nothing private, adds up, and is used."""

from __future__ import annotations

import ast
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.wire import scenarios
from tests.wire.cassettes import DIRECTORY, load, names

NAMES = names()
TESTS = Path(__file__).resolve().parents[1]

PRIVATE = {
    "a key": r"\b(sk|rk|pk|ak|gsk|xai|key)-[A-Za-z0-9_-]{6,}",
    "a token": r"(?i)\b(bearer|basic)\s+\S{6,}|eyJ[A-Za-z0-9_-]{10,}",
    "a cloud's key": r"\b(AKIA|ASIA)[0-9A-Z]{12,}|AIza[0-9A-Za-z_-]{20,}",
    "an address": r"[\w.+-]+@[\w-]+\.[a-z]{2,}",
    "a header with a secret": r'(?i)"(authorization|x-api-key|api-key|cookie|set-cookie)"\s*:',
}
NUMBERS = {
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "image_input_tokens",
    "audio_input_tokens",
    "audio_input_ms",
    "input_characters",
    "web_searches",
    "retries",
}
WORDS = {"provider", "model", "status", "cost_usd", "cost_arithmetic"}


@pytest.mark.parametrize("name", NAMES)
def test_a_cassette_says_that_it_was_written_and_when(name: str) -> None:
    assert re.fullmatch(
        r"Written by hand after the provider's documented wire format, \d{4}-\d\d-\d\d\.", load(name).source
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_cassette_holds_nothing_private(name: str) -> None:
    text = (DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
    assert [what for what, pattern in PRIVATE.items() if re.search(pattern, text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_cassette_says_what_its_calls_amount_to(name: str) -> None:
    """Totals contain their parts, and every number is one that readers of the cassettes know."""
    raw = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    assert raw.keys() - {"note"} == {"source", "provider", "exchanges", "expect"}
    for record in raw["expect"]["records"]:
        assert {"provider", "model", "input_tokens", "output_tokens"} <= record.keys() <= NUMBERS | WORDS
        parts = [count for part, count in record.items() if part.startswith("cache_")]
        assert sum(parts) <= (record["input_tokens"] or 0)
        assert record.get("reasoning_tokens", 0) <= (record["output_tokens"] or 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_stated_cost_is_what_its_arithmetic_comes_to(name: str) -> None:
    for record in load(name).records:
        assert ("cost_usd" in record) == ("cost_arithmetic" in record)
        if "cost_usd" in record:
            assert reckon(record["cost_arithmetic"]) == Decimal(record["cost_usd"])


@pytest.mark.parametrize("name", NAMES)
def test_an_exchange_answers_in_one_way(name: str) -> None:
    """Either events or one body; a stream is asked for and answered as such."""
    for exchange in load(name).exchanges:
        given = [exchange.answer is not None, exchange.events is not None, exchange.content is not None]
        assert sum(given) == 1
        assert bool((exchange.body or {}).get("stream")) == (exchange.events is not None)
        assert exchange.method in {"GET", "POST"}
        assert exchange.path.startswith("/v1/")


def test_every_cassette_is_used_by_a_scenario_or_named_in_a_test() -> None:
    used = {scenario.cassette for scenario in scenarios.SCENARIOS}
    texts = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    assert [name for name in NAMES if name not in used and f'"{name}"' not in texts] == []


def test_the_arithmetic_is_exact() -> None:
    assert reckon("(120 - 100) * 0.1 / 3 * 3 + 2") == Decimal(20) * Decimal("0.1") / 3 * 3 + 2


def reckon(expression: str) -> Decimal:
    """The value of an expression of numbers, `+ - * /` and parentheses, in decimals."""
    return _value(ast.parse(expression.replace("\n", " "), mode="eval").body, expression)


def _value(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.Constant):
        return Decimal(ast.get_source_segment(text, node) or "")
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, text), _value(node.right, text)
    operations: dict[type[ast.operator], Any] = {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
    }
    return operations[type(node.op)]()
