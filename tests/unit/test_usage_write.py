"""Usage in other tools' words."""

from __future__ import annotations

import pytest

from tollbook.usage import Part, Usage, read, write

MIXED = Usage(
    {
        "input": 25,
        "input_cache_read": 75,
        "input_cache_write_1h": 10,
        "output": 30,
        "output_reasoning": 20,
        "web_search": 2,
    },
)


def test_openai_contains_the_parts_in_the_totals() -> None:
    assert write(MIXED, "openai.chat") == {
        "prompt_tokens": 110,
        "completion_tokens": 50,
        "total_tokens": 160,
        "prompt_tokens_details": {
            "cached_tokens": 75,
            "cache_write_tokens": 10,
            "cache_creation_token_details": {"ephemeral_1h_input_tokens": 10},
        },
        "completion_tokens_details": {"reasoning_tokens": 20},
        "server_tool_use_details": {"web_search_requests": 2},
    }


def test_anthropic_keeps_the_kinds_of_input_apart() -> None:
    assert write(MIXED, "anthropic.messages") == {
        "input_tokens": 25,
        "output_tokens": 50,
        "cache_read_input_tokens": 75,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_1h_input_tokens": 10},
        "output_tokens_details": {"thinking_tokens": 20},
        "server_tool_use": {"web_search_requests": 2},
    }


def test_opentelemetry_says_what_was_written_by_both_names() -> None:
    assert write(MIXED, "otel") == {
        "gen_ai.usage.input_tokens": 110,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.total_tokens": 160,
        "gen_ai.usage.cache_read.input_tokens": 75,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 20,
    }


def test_langfuse_has_everything_apart() -> None:
    assert write(MIXED, "langfuse") == {
        "input": 25,
        "output": 30,
        "total": 160,
        "input_cache_read": 75,
        "input_cache_creation_1h": 10,
        "output_reasoning": 20,
    }


def test_mlflow_has_no_word_for_a_lifetime_nor_for_reasoning() -> None:
    assert write(MIXED, "mlflow") == {
        "input_tokens": 110,
        "output_tokens": 50,
        "total_tokens": 160,
        "cache_read_input_tokens": 75,
        "cache_creation_input_tokens": 10,
    }


def test_an_exporter_that_excludes_and_an_importer_that_includes_agree() -> None:
    again = read("langfuse", write(Usage({"input": 25, "input_cache_read": 75, "output": 1}), "langfuse"))
    assert again == Usage({"input": 25, "input_cache_read": 75, "output": 1})


def test_parts_are_in_the_totals_that_are_written() -> None:
    usage = Usage({"input": 23_000, "output": 1000}, parts=(Part("compaction", {"input": 180_000, "output": 3500}),))
    assert write(usage, "mlflow") == {"input_tokens": 203_000, "output_tokens": 4500, "total_tokens": 207_500}


def test_known_nothing_is_written_as_zero() -> None:
    assert write(Usage({"input": 0}), "llm.tokens") == {
        "llm.tokens.input": 0,
        "llm.tokens.output": 0,
        "llm.tokens.total": 0,
    }


def test_a_convention_that_is_only_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="'gemini' is only read"):
        write(MIXED, "gemini")
