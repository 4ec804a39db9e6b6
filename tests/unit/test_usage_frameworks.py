"""The words of frameworks and tools."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import read

STATED: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    (
        "LangChain: everything is inside the totals, whatever the provider's own did",
        "langchain",
        {
            "input_tokens": 2350,
            "output_tokens": 40,
            "total_tokens": 2390,
            "input_token_details": {
                "cache_read": 2000,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 200,
                "ephemeral_1h_input_tokens": 100,
            },
        },
        {"input": 50, "input_cache_read": 2000, "input_cache_write_5m": 200, "input_cache_write_1h": 100, "output": 40},
    ),
    (
        "LangChain of the year before: the split beside the sum",
        "langchain",
        {
            "input_tokens": 2350,
            "output_tokens": 40,
            "total_tokens": 2390,
            "input_token_details": {
                "cache_read": 2000,
                "cache_creation": 300,
                "ephemeral_5m_input_tokens": 200,
                "ephemeral_1h_input_tokens": 100,
            },
        },
        {"input": 50, "input_cache_read": 2000, "input_cache_write_5m": 200, "input_cache_write_1h": 100, "output": 40},
    ),
    (
        "LangChain renames the parts of a tier",
        "langchain",
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {"priority_cache_read": 64, "priority": 36},
            "output_token_details": {"priority_reasoning": 5, "priority": 15},
        },
        {"input": 36, "input_cache_read": 64, "output": 15, "output_reasoning": 5},
    ),
    (
        "LangChain over Bedrock",
        "langchain",
        {
            "input_tokens": 1010,
            "output_tokens": 5,
            "total_tokens": 1015,
            "input_token_details": {"cache_read": 1000},
        },
        {"input": 10, "input_cache_read": 1000, "output": 5},
    ),
    *(
        (
            f"OpenTelemetry, {written} and {cached}",
            "otel",
            {
                "gen_ai.request.model": "m",
                "gen_ai.usage.input_tokens": 300,
                f"gen_ai.usage.{cached}": 40,
                f"gen_ai.usage.{written}": 25,
                "gen_ai.usage.output_tokens": 9,
            },
            {"input": 235, "input_cache_read": 40, "input_cache_write": 25, "output": 9},
        )
        for written in ("cache_write.input_tokens", "cache_creation.input_tokens", "cache_creation_input_tokens")
        for cached in ("cache_read.input_tokens", "cache_read_input_tokens", "input_cached_tokens")
    ),
    (
        "OpenTelemetry's oldest names",
        "otel",
        {"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 2, "llm.usage.total_tokens": 9},
        {"input": 7, "output": 2},
    ),
    (
        "OpenInference",
        "openinference",
        {
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 50,
            "llm.token_count.total": 150,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.completion_details.reasoning": 20,
        },
        {"input": 40, "input_cache_read": 60, "output": 30, "output_reasoning": 20},
    ),
    (
        "Langfuse: everything apart",
        "langfuse",
        {"input": 45, "output": 14, "cache_read_input_tokens": 3, "total": 62, "unit": "TOKENS"},
        {"input": 45, "input_cache_read": 3, "output": 14},
    ),
    (
        "Langfuse in OpenAI's words",
        "langfuse",
        {"promptTokens": 45, "completionTokens": 14, "totalTokens": 59},
        {"input": 45, "output": 14},
    ),
    (
        "Langfuse by characters",
        "langfuse",
        {"input": 450, "output": 140, "total": 590, "unit": "CHARACTERS"},
        {"input_characters": 450, "output_characters": 140},
    ),
    (
        "Langfuse by seconds",
        "langfuse",
        {"input": 1.5, "output": 2, "unit": "SECONDS"},
        {"input_audio_ms": 1500, "output_audio_ms": 2000},
    ),
    ("Langfuse by milliseconds", "langfuse", {"input": 15, "unit": "MILLISECONDS"}, {"input_audio_ms": 15}),
    ("Langfuse by images", "langfuse", {"output": 2, "unit": "IMAGES"}, {"output_images": 2}),
    (
        "MLflow",
        "mlflow",
        {"input_tokens": 84, "output_tokens": 22, "total_tokens": 106, "cache_read_input_tokens": 4},
        {"input": 80, "input_cache_read": 4, "output": 22},
    ),
    (
        "attributes of a span",
        "llm.tokens",
        {"llm.tokens.input": 1500, "llm.tokens.output": 350, "llm.tokens.total": 1850, "llm.cost_usd": 0.02},
        {"input": 1500, "output": 350},
    ),
]


@pytest.mark.parametrize(("convention", "raw", "expected"), [row[1:] for row in STATED], ids=[row[0] for row in STATED])
def test_usage_without_contradictions_is_read_into_disjoint_quantities(
    convention: str, raw: dict[str, Any], expected: dict[str, int]
) -> None:
    usage = read(convention, raw)
    assert usage is not None
    assert usage.quantities == expected
    assert usage.flags == ()
    assert usage.source == "reported"
