"""The words of other providers."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import read

STATED: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
    (
        "Anthropic: three kinds of input apart, both lifetimes, thinking inside the output",
        "anthropic.messages",
        {
            "input_tokens": 5,
            "cache_read_input_tokens": 128_955,
            "cache_creation_input_tokens": 1253,
            "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 253},
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 15},
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
            "service_tier": "standard",
            "inference_geo": "global",
        },
        {
            "input": 5,
            "input_cache_read": 128_955,
            "input_cache_write_5m": 1000,
            "input_cache_write_1h": 253,
            "output": 25,
            "output_reasoning": 15,
            "web_search": 3,
            "web_fetch": 1,
        },
    ),
    (
        "Anthropic without the split by lifetime",
        "anthropic.messages",
        {
            "input_tokens": 3,
            "cache_creation_input_tokens": 25,
            "cache_read_input_tokens": 13_216,
            "output_tokens": 12,
        },
        {"input": 3, "input_cache_write": 25, "input_cache_read": 13_216, "output": 12},
    ),
    (
        "a session of an agent states the split alone, and its time",
        "anthropic.session",
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 344_139},
            "active_seconds": 90.5,
        },
        {"input": 10, "output": 20, "input_cache_write_1h": 344_139, "session_ms": 90_500},
    ),
    (
        "Bedrock: input is apart from what was cached, which is said twice",
        "bedrock.converse",
        {
            "inputTokens": 10,
            "outputTokens": 7,
            "cacheReadInputTokens": 1000,
            "cacheReadInputTokenCount": 1000,
            "cacheWriteInputTokens": 236,
            "cacheWriteInputTokenCount": 236,
            "cacheDetails": [{"inputTokens": 236, "ttl": "1h"}],
            "serverToolUsage": {},
            "totalTokens": 1253,
        },
        {"input": 10, "output": 7, "input_cache_read": 1000, "input_cache_write_1h": 236},
    ),
    (
        "a total that leaves out what was cached",
        "bedrock.converse",
        {"inputTokens": 10, "outputTokens": 7, "cacheReadInputTokens": 1000, "totalTokens": 17},
        {"input": 10, "output": 7, "input_cache_read": 1000},
    ),
    (
        "headers",
        "bedrock.invoke",
        {"x-amzn-bedrock-input-token-count": "18", "x-amzn-bedrock-output-token-count": "50", "date": "Mon"},
        {"input": 18, "output": 50},
    ),
    (
        "the metrics of the last event",
        "bedrock.invoke",
        {"inputTokenCount": 18, "outputTokenCount": 51, "invocationLatency": 1804, "firstByteLatency": 1804},
        {"input": 18, "output": 51},
    ),
    (
        "Titan counts each result",
        "bedrock.invoke",
        {"inputTextTokenCount": 18, "results": [{"tokenCount": 50, "outputText": "x"}, {"tokenCount": 7}]},
        {"input": 18, "output": 57},
    ),
    (
        "Gemini: thoughts are outside the candidates, what tools returned is outside the prompt",
        "gemini",
        {
            "promptTokenCount": 32,
            "candidatesTokenCount": 341,
            "totalTokenCount": 1196,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 32}],
            "toolUsePromptTokenCount": 720,
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 720}],
            "thoughtsTokenCount": 103,
            "serviceTier": "standard",
        },
        {"input": 752, "output": 341, "output_reasoning": 103},
    ),
    (
        "Gemini: cached and not, by modality; pages are images",
        "gemini",
        {
            "promptTokenCount": 1344,
            "candidatesTokenCount": 99,
            "totalTokenCount": 1443,
            "cachedContentTokenCount": 1274,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 54},
                {"modality": "DOCUMENT", "tokenCount": 1290},
            ],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 51}, {"modality": "IMAGE", "tokenCount": 1223}],
        },
        {
            "input": 3,
            "input_cache_read": 51,
            "input_image": 67,
            "input_image_cache_read": 1223,
            "output": 99,
        },
    ),
    (
        "Gemini as its SDK writes it, with numbers for modalities",
        "gemini",
        {
            "prompt_token_count": 20,
            "candidates_token_count": 30,
            "thoughts_token_count": None,
            "total_token_count": 50,
            "prompt_tokens_details": [{"modality": 4, "token_count": 15}, {"modality": 1, "token_count": 5}],
            "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 30}],
        },
        {"input": 5, "input_audio": 15, "output_image": 30},
    ),
    (
        "Gemini interactions",
        "gemini.interactions",
        {
            "total_tokens": 326,
            "total_input_tokens": 266,
            "input_tokens_by_modality": [{"modality": "text", "tokens": 8}, {"modality": "image", "tokens": 258}],
            "total_cached_tokens": 0,
            "total_output_tokens": 3,
            "total_tool_use_tokens": 0,
            "total_thought_tokens": 57,
        },
        {"input": 8, "input_image": 258, "output": 3, "output_reasoning": 57},
    ),
    (
        "Cohere bills other tokens than its model sees",
        "cohere",
        {
            "billed_units": {"input_tokens": 65, "output_tokens": 63},
            "tokens": {"input_tokens": 508, "output_tokens": 86, "reasoning_tokens": 28},
            "cached_tokens": 144,
        },
        {"input": 65, "output": 35, "output_reasoning": 28},
    ),
    (
        "nothing billed is nothing, whatever the model saw",
        "cohere",
        {"billed_units": {"input_tokens": 0, "output_tokens": 4}, "tokens": {"input_tokens": 69, "output_tokens": 4}},
        {"output": 4},
    ),
    ("reranking", "cohere", {"search_units": 1}, {"search_units": 1}),
    (
        "Ollama states usage in the body",
        "ollama",
        {"model": "qwen", "response": "a secret", "prompt_eval_count": 21, "eval_count": 889, "eval_duration": 8442},
        {"input": 21, "output": 889},
    ),
    (
        "xAI over gRPC: reasoning outside, tools as a list",
        "xai.grpc",
        {
            "completion_tokens": 23,
            "prompt_tokens": 3216,
            "total_tokens": 3667,
            "prompt_text_tokens": 1671,
            "prompt_image_tokens": 1545,
            "reasoning_tokens": 428,
            "cached_prompt_text_tokens": 1280,
            "server_side_tools_used": ["SERVER_SIDE_TOOL_X_SEARCH", "SERVER_SIDE_TOOL_X_SEARCH"],
        },
        {
            "input": 391,
            "input_cache_read": 1280,
            "input_image": 1545,
            "output": 23,
            "output_reasoning": 428,
            "social_search": 2,
        },
    ),
    ("Voyage states a total of input", "voyage", {"total_tokens": 57}, {"input": 57}),
    (
        "Voyage counts pixels beside text",
        "voyage",
        {"text_tokens": 0, "image_pixels": 2_000_000, "total_tokens": 3571},
        {"input_pixels": 2_000_000},
    ),
    ("pages", "mistral.ocr", {"pages_processed": 12, "doc_size_bytes": 5000}, {"pages": 12}),
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
