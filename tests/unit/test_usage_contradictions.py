"""Usage objects that contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import read

CONTRADICTIONS: list[tuple[str, str, dict[str, Any], dict[str, int], str, dict[str, Any]]] = [
    (
        "more cached than sent: the prompt can't contain it",
        "openai.chat",
        {
            "prompt_tokens": 262,
            "completion_tokens": 46,
            "total_tokens": 308,
            "prompt_tokens_details": {"cached_tokens": 314, "text_tokens": 262},
        },
        {"input": 262, "input_cache_read": 314, "output": 46},
        "parts_exceed_input",
        {"prompt_tokens": 262, "prompt_tokens_details.cached_tokens": 314},
    ),
    (
        "read and written are together more than was sent: it was written and read back",
        "openrouter",
        {
            "prompt_tokens": 2168,
            "completion_tokens": 100,
            "total_tokens": 2268,
            "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161},
        },
        {"input": 7, "input_cache_read": 2161, "input_cache_write": 2161, "output": 100},
        "parts_exceed_input",
        {"prompt_tokens": 2168},
    ),
    (
        "more cached than sent, and audio",
        "openai.chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 4},
        },
        {"input": 6, "input_cache_read": 30, "input_audio": 4, "output": 1},
        "parts_exceed_input",
        {"prompt_tokens": 10},
    ),
    (
        "more audio than was sent",
        "openai.chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 40, "image_tokens": 2},
        },
        {"input": 5, "input_cache_read": 3, "input_audio": 40, "input_image": 2, "output": 1},
        "parts_exceed_input",
        {"prompt_tokens": 10},
    ),
    (
        "more cached audio than audio: what is more exact holds",
        "openai.realtime",
        {
            "input_tokens": 100,
            "output_tokens": 1,
            "input_token_details": {
                "audio_tokens": 10,
                "cached_tokens": 30,
                "cached_tokens_details": {"audio_tokens": 25},
            },
        },
        {"input": 70, "input_cache_read": 5, "input_audio_cache_read": 25, "output": 1},
        "parts_exceed_input",
        {"input_token_details.audio_tokens": 10},
    ),
    (
        "more reasoning than output",
        "openai.chat",
        {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 62}},
        {"input": 1, "output": 2, "output_reasoning": 62},
        "parts_exceed_output",
        {"completion_tokens_details.reasoning_tokens": 62},
    ),
    (
        "parts that only together exceed the whole: the whole is certain, its parts are not",
        "openai.chat",
        {
            "prompt_tokens": 20,
            "completion_tokens": 4,
            "total_tokens": 24,
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 4},
        },
        {"input": 20, "output": 4},
        "parts_exceed_output",
        {"completion_tokens_details.audio_tokens": 4},
    ),
    (
        "cached audio: text is taken first",
        "openai.chat",
        {
            "prompt_tokens": 100,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 50},
        },
        {"input_cache_read": 50, "input_audio_cache_read": 30, "input_audio": 20, "output": 1},
        "cache_modality_assumed",
        {"prompt_tokens_details.audio_tokens": 50},
    ),
    (
        "a total of more than its parts",
        "openai.chat",
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
        {"input": 35, "output": 12},
        "total_differs",
        {"total_tokens": 109},
    ),
    (
        "a total of less than its parts",
        "openai.chat",
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 40},
        {"input": 35, "output": 12},
        "total_differs",
        {"total_tokens": 40},
    ),
    (
        "searches are no tokens, and make up for no difference",
        "bedrock.converse",
        {"inputTokens": 2, "outputTokens": 1, "totalTokens": 4, "serverToolUsage": {"webSearchRequests": 1}},
        {"input": 2, "output": 1, "web_search": 1},
        "total_differs",
        {"totalTokens": 4},
    ),
    (
        "a split by lifetime of a part of what was written",
        "anthropic.messages",
        {
            "input_tokens": 2081,
            "cache_creation_input_tokens": 10_345,
            "cache_creation": {"ephemeral_5m_input_tokens": 291, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 5,
        },
        {"input": 2081, "input_cache_write": 10_054, "input_cache_write_5m": 291, "output": 5},
        "split_incomplete",
        {"cache_creation_input_tokens": 10_345},
    ),
    (
        "a split of nothing",
        "anthropic.messages",
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 17_269,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 5,
        },
        {"input": 1, "input_cache_write": 17_269, "output": 5},
        "split_incomplete",
        {"cache_creation_input_tokens": 17_269},
    ),
    (
        "a split of more than there was: it is the more exact",
        "anthropic.messages",
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 5,
        },
        {"input": 1, "input_cache_write_1h": 200, "output": 5},
        "parts_exceed_input",
        {"cache_creation_input_tokens": 100},
    ),
    (
        "only a total",
        "langfuse",
        {"total": 90},
        {"input": 90},
        "total_only",
        {"total": 90},
    ),
    (
        "a total and one side",
        "langfuse",
        {"input": 60, "total": 90},
        {"input": 60, "output": 30},
        "output_from_total",
        {"total": 90},
    ),
    (
        "a negative count",
        "langfuse",
        {"input": -5, "output": 10},
        {"output": 10},
        "negative",
        {"input": -5},
    ),
    (
        "true is no count",
        "openai.chat",
        {"prompt_tokens": True, "completion_tokens": 10},
        {"output": 10},
        "no_count",
        {"prompt_tokens": True},
    ),
    (
        "half a token is no count",
        "openai.chat",
        {"prompt_tokens": 10.5, "completion_tokens": 10},
        {"output": 10},
        "no_count",
        {"prompt_tokens": 10.5},
    ),
    (
        "no model reads as much",
        "openai.chat",
        {"prompt_tokens": 1 << 60, "completion_tokens": 10},
        {"output": 10},
        "too_large",
        {"prompt_tokens": 1 << 60},
    ),
]


@pytest.mark.parametrize(
    ("convention", "raw", "expected", "flag", "extra"),
    [row[1:] for row in CONTRADICTIONS],
    ids=[row[0] for row in CONTRADICTIONS],
)
def test_contradictions_are_flagged_kept_and_read_as_far_as_they_are_certain(
    convention: str, raw: dict[str, Any], expected: dict[str, int], flag: str, extra: dict[str, Any]
) -> None:
    usage = read(convention, raw)
    assert usage is not None
    assert usage.quantities == expected
    assert usage.flags == (flag,)
    assert usage.extra is not None
    assert usage.extra.items() >= extra.items()
