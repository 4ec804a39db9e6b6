"""The words of OpenAI and of the servers that call themselves compatible."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import read

STATED: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    (
        "OpenAI: the prompt contains what was cached, the completion contains reasoning",
        "openai.chat",
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
        },
        {"input": 86, "input_cache_read": 1920, "output": 172, "output_reasoning": 128},
    ),
    (
        "reasoning is counted once",
        "openai.chat",
        {
            "prompt_tokens": 14746,
            "completion_tokens": 1944,
            "total_tokens": 16690,
            "completion_tokens_details": {"reasoning_tokens": 1360},
        },
        {"input": 14746, "output": 584, "output_reasoning": 1360},
    ),
    (
        "what is written to a cache is apart from what is read",
        "openai.responses",
        {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 700},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 1005,
        },
        {"input": 100, "input_cache_read": 200, "input_cache_write": 700, "output": 5},
    ),
    (
        "the lifetime of what is written",
        "openai.responses",
        {
            "input_tokens": 1000,
            "input_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 700,
                "cache_write_tokens_details": {"ttl_30m_tokens": 600, "ttl_12h_tokens": 100},
            },
            "output_tokens": 5,
            "total_tokens": 1005,
        },
        {"input": 300, "input_cache_write_30m": 600, "input_cache_write_12h": 100, "output": 5},
    ),
    (
        "a prompt of which all was cached has nothing else",
        "openai.chat",
        {"prompt_tokens": 64, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 64}},
        {"input_cache_read": 64, "output": 1},
    ),
    (
        "a total that was not filled in",
        "openai.chat",
        {"prompt_tokens": 5, "completion_tokens": "2", "total_tokens": 0},
        {"input": 5, "output": 2},
    ),
    ("embeddings have no output", "openai.embeddings", {"prompt_tokens": 8, "total_tokens": 8}, {"input": 8}),
    (
        "predicted tokens are output like any other",
        "openai.chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 30,
            "total_tokens": 40,
            "completion_tokens_details": {"accepted_prediction_tokens": 20, "rejected_prediction_tokens": 5},
        },
        {"input": 10, "output": 30},
    ),
    (
        "audio is apart from text",
        "openai.chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 85,
            "total_tokens": 95,
            "completion_tokens_details": {"audio_tokens": 47, "text_tokens": 38},
        },
        {"input": 10, "output": 38, "output_audio": 47},
    ),
    (
        "DeepSeek says what was cached twice",
        "deepseek",
        {
            "prompt_tokens": 342,
            "completion_tokens": 138,
            "total_tokens": 480,
            "prompt_tokens_details": {"cached_tokens": 256},
            "prompt_cache_hit_tokens": 256,
            "prompt_cache_miss_tokens": 86,
        },
        {"input": 86, "input_cache_read": 256, "output": 138},
    ),
    (
        "xAI: the total says that reasoning is outside the completion",
        "openai.chat",
        {
            "prompt_tokens": 204,
            "completion_tokens": 2,
            "total_tokens": 268,
            "prompt_tokens_details": {"cached_tokens": 128},
            "completion_tokens_details": {"reasoning_tokens": 62},
        },
        {"input": 76, "input_cache_read": 128, "output": 2, "output_reasoning": 62},
    ),
    (
        "the total says that what was cached is outside the prompt",
        "openai.chat",
        {
            "prompt_tokens": 40,
            "completion_tokens": 10,
            "total_tokens": 85,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 5},
        },
        {"input": 40, "input_cache_read": 30, "input_cache_write": 5, "output": 10},
    ),
    (
        "Mistral counts the tokens of audio in the total alone",
        "mistral",
        {"prompt_audio_seconds": 30, "prompt_tokens": 9, "completion_tokens": 201, "total_tokens": 585},
        {"input": 9, "input_audio": 375, "input_audio_ms": 30_000, "output": 201},
    ),
    (
        "Google's compatible endpoint hides thinking in the total",
        "gemini.chat",
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
        {"input": 35, "output": 12, "output_reasoning": 62},
    ),
    (
        "Perplexity counts reasoning and citations apart",
        "perplexity",
        {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "reasoning_tokens": 3000,
            "citation_tokens": 20016,
            "num_search_queries": 18,
        },
        {
            "input": 33,
            "output": 7163,
            "output_reasoning": 3000,
            "output_citation": 20016,
            "web_search": 18,
        },
    ),
    (
        "images are what is generated, also where nothing says so",
        "openai.images",
        {"input_tokens": 150, "output_tokens": 8000, "total_tokens": 8150},
        {"input": 150, "output_image": 8000},
    ),
    (
        "images sent and text generated",
        "openai.images",
        {
            "input_tokens": 431,
            "input_tokens_details": {"image_tokens": 388, "text_tokens": 43},
            "output_tokens": 1364,
            "output_tokens_details": {"image_tokens": 1056, "text_tokens": 308},
            "total_tokens": 1795,
        },
        {"input": 43, "input_image": 388, "output": 308, "output_image": 1056},
    ),
    ("speech by its length", "openai.transcription", {"type": "duration", "seconds": 4.5}, {"input_audio_ms": 4500}),
    (
        "speech in tokens",
        "openai.transcription",
        {
            "type": "tokens",
            "input_tokens": 37,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 37},
            "output_tokens": 12,
            "total_tokens": 49,
        },
        {"input_audio": 37, "output": 12},
    ),
    (
        "realtime: what was cached by modality",
        "openai.realtime",
        {
            "input_tokens": 149,
            "output_tokens": 99,
            "total_tokens": 248,
            "input_token_details": {
                "text_tokens": 50,
                "audio_tokens": 90,
                "image_tokens": 9,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 40, "image_tokens": 4},
            },
            "output_token_details": {"text_tokens": 27, "audio_tokens": 72},
        },
        {
            "input": 30,
            "input_cache_read": 20,
            "input_audio": 50,
            "input_audio_cache_read": 40,
            "input_image": 5,
            "input_image_cache_read": 4,
            "output": 27,
            "output_audio": 72,
        },
    ),
    (
        "numbers may come as fractions without a fraction, and as text",
        "openai.chat",
        {"prompt_tokens": 10.0, "completion_tokens": "5", "total_tokens": 15},
        {"input": 10, "output": 5},
    ),
    (
        "details may be null",
        "openai.chat",
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
            "service_tier": None,
        },
        {"input": 10, "output": 5},
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
