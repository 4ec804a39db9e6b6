"""Usage objects as providers and tools state them, read into disjoint quantities."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import BUCKETS, CONVENTIONS, Part, Usage, merge, read, selectors

PLAIN: list[tuple[str, str, dict[str, Any], dict[str, int]]] = [
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
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 0},
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


@pytest.mark.parametrize(("convention", "raw", "expected"), [row[1:] for row in PLAIN], ids=[row[0] for row in PLAIN])
def test_usage_without_contradictions_is_read_into_disjoint_quantities(
    convention: str, raw: dict[str, Any], expected: dict[str, int]
) -> None:
    usage = read(convention, raw)
    assert usage is not None
    assert usage.quantities == expected
    assert usage.flags == ()
    assert usage.source == "reported"


def test_known_nothing_is_not_unknown() -> None:
    nothing = read("openai.chat", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert nothing == Usage({"input": 0, "output": 0})
    assert read("voyage", {"total_tokens": 0}) == Usage({"input": 0})
    for unknown in (None, [], "x", 5, True, {}, {"prompt_tokens": None}, {"choices": 3}):
        assert read("openai.chat", unknown) is None


def test_a_convention_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no convention 'openai\.chatt'"):
        read("openai.chatt", {})


def test_unknown_numbers_and_words_are_kept_and_nothing_else() -> None:
    usage = read(
        "openai.chat",
        {
            "prompt_tokens": 3,
            "completion_tokens": 1,
            "new_tokens": 7,
            "none": None,
            "zero": 0,
            "flag": True,
            "plan": "gold",
            "sentence": "what somebody said",
            "long": "x" * 65,
            "completion_tokens_details": {"accepted_prediction_tokens": 2},
            "nested": {"deep": {"er": 1.5, "why": "because it is so"}},
            "list": [1, {"b": 2}, "it's here"],
        },
    )
    assert usage is not None
    assert usage.extra == {
        "new_tokens": 7,
        "flag": True,
        "plan": "gold",
        "completion_tokens_details.accepted_prediction_tokens": 2,
        "nested.deep.er": 1.5,
        "list[0]": 1,
        "list[1].b": 2,
    }


def test_where_usage_lies_in_a_body_nothing_unknown_is_kept() -> None:
    body = {"generation": "word", "prompt_token_count": 1, "generation_token_count": 2, "stop": 9}
    assert read("bedrock.invoke", body) == Usage({"input": 1, "output": 2})


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


@pytest.mark.parametrize("own", [0, 10])
@pytest.mark.parametrize("first", [True, False])
def test_of_two_words_for_one_number_the_conventions_own_holds_and_the_other_is_kept(own: int, first: bool) -> None:
    words: list[tuple[str, Any]] = [("prompt_tokens_details", {"cached_tokens": own}), ("cached_tokens", 60)]
    usage = read(
        "openai.chat", {"prompt_tokens": 100, "completion_tokens": 1, **dict(words if first else reversed(words))}
    )
    assert usage is not None
    assert usage.quantities.get("input_cache_read", 0) == own
    assert usage.input_tokens == 100
    assert usage.extra == {"cached_tokens": 60}


CHARGES: list[tuple[str, str, dict[str, Any], int | None]] = [
    ("OpenRouter", "openrouter", {"cost": 0.0160614, "is_byok": False}, 16_061_400_000),
    ("nothing is known to be charged", "openrouter", {"cost": 0, "is_byok": False}, 0),
    (
        "the share of the provider behind it is inside",
        "openrouter",
        {"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}},
        10_000_000_000,
    ),
    (
        "with the user's own key it comes on top",
        "openrouter",
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00417}},
        4_170_000_000,
    ),
    (
        "with a fee",
        "openrouter",
        {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}},
        2_100_000_000,
    ),
    (
        "the user's own key, and nobody says what it cost",
        "openrouter",
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        None,
    ),
    ("Perplexity", "perplexity", {"cost": {"request_cost": 0.005, "total_cost": 0.00519}}, 5_190_000_000),
    ("xAI in ticks", "xai", {"cost_in_usd_ticks": 2_244_800}, 224_480_000),
    ("xAI in ticks as text", "xai.grpc", {"cost_in_usd_ticks": "119540000"}, 11_954_000_000),
    ("Langfuse", "langfuse", {"input": 3, "totalCost": 0.5}, 500_000_000_000),
    ("a price list's estimate is no charge", "openai.chat", {"x": {"cost_estimate": 0.1}}, None),
]


@pytest.mark.parametrize(("convention", "raw", "charge"), [row[1:] for row in CHARGES], ids=[row[0] for row in CHARGES])
def test_what_the_provider_charged_is_in_pico_dollars(convention: str, raw: dict[str, Any], charge: int | None) -> None:
    tokens = {"prompt_tokens": 14, "completion_tokens": 1} if convention != "langfuse" else {}
    usage = read(convention, {**tokens, **raw})
    assert usage is not None
    assert usage.charge == charge


def test_a_charge_may_be_all_that_is_known() -> None:
    assert read("openai.images", {"cost_in_usd_ticks": 200_000_000}) == Usage({}, charge=20_000_000_000)


class TestParts:
    """What is billed besides the totals."""

    def test_compaction_is_outside_the_totals(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 23_000,
                "output_tokens": 1000,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
                    {"type": "message", "input_tokens": 23_000, "output_tokens": 1000},
                ],
            },
        )
        assert usage is not None
        assert usage.quantities == {"input": 23_000, "output": 1000}
        assert usage.parts == (Part("compaction", {"input": 180_000, "output": 3500}),)
        assert (usage.input_tokens, usage.output_tokens) == (203_000, 4500)
        assert usage.flags == ()

    def test_an_advisor_has_its_own_model_and_its_own_cache(self) -> None:
        entry = {
            "type": "advisor_message",
            "model": "claude-fable-5",
            "input_tokens": 64,
            "output_tokens": 99,
            "cache_creation_input_tokens": 2500,
            "cache_creation": {"ephemeral_5m_input_tokens": 2500, "ephemeral_1h_input_tokens": 0},
        }
        usage = read("anthropic.messages", {"input_tokens": 5, "output_tokens": 6, "iterations": [entry]})
        assert usage is not None
        assert usage.parts == (
            Part("advisor", {"input": 64, "output": 99, "input_cache_write_5m": 2500}, "claude-fable-5"),
        )

    def test_nothing_in_the_totals_and_all_in_a_part(self) -> None:
        entry = {"type": "compaction", "input_tokens": 83_555, "output_tokens": 139}
        usage = read("anthropic.messages", {"input_tokens": 0, "output_tokens": 0, "iterations": [entry]})
        assert usage is not None
        assert usage.quantities == {"input": 0, "output": 0}
        assert usage.total_tokens == 83_694

    def test_an_unknown_kind_is_kept_and_flagged(self) -> None:
        entry = {"type": "thinker", "input_tokens": 5, "output_tokens": 0}
        usage = read("anthropic.messages", {"input_tokens": 1, "output_tokens": 2, "iterations": [entry]})
        assert usage is not None
        assert usage.parts == ()
        assert usage.flags == ("unknown_part",)
        assert usage.extra == {"iterations[unknown].input": 5}

    def test_when_another_model_answers_the_totals_are_its_own(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 1000,
                "output_tokens": 50,
                "server_tool_use": {"web_search_requests": 1},
                "iterations": [
                    {"type": "message", "model": "claude-fable-5", "input_tokens": 990, "output_tokens": 3},
                    {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 1000, "output_tokens": 50},
                ],
            },
        )
        assert usage is not None
        assert usage.quantities == {"web_search": 1}
        assert usage.parts == (Part("fallback", {"input": 1000, "output": 50}, "claude-opus-5"),)
        assert usage.flags == ("declined_fallback",)
        assert usage.extra == {"declined[claude-fable-5].input": 990, "declined[claude-fable-5].output": 3}

    def test_a_model_that_declined_is_not_billed_even_inside_the_totals(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 1990,
                "output_tokens": 53,
                "iterations": [
                    {"type": "message", "model": "claude-fable-5", "input_tokens": 990, "output_tokens": 3},
                    {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 1000, "output_tokens": 50},
                ],
            },
        )
        assert usage is not None
        assert usage.parts == (Part("fallback", {"input": 1000, "output": 50}, "claude-opus-5"),)

    def test_openai_states_tools_beside_the_usage(self) -> None:
        image_gen = {
            "input_tokens": 50,
            "input_tokens_details": {"image_tokens": 30, "text_tokens": 20},
            "output_tokens": 1000,
            "total_tokens": 1050,
            "cached_tokens": 10,
            "cached_tokens_details": {"cached_image_tokens": 10, "cached_text_tokens": 0},
        }
        body = {
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
            "tool_usage": {"image_gen": image_gen, "web_search": {"num_requests": 2}},
            "svg_usage": {
                "model": "gpt-6-astra",
                "input_tokens": 4,
                "output_tokens": 90,
                "reasoning_tokens": 40,
                "total_tokens": 94,
            },
        }
        beside = {key: body[key] for key in CONVENTIONS["openai.responses"].beside}
        usage = read("openai.responses", {**body["usage"], **beside})
        assert usage is not None
        assert usage.quantities == {"input": 7, "output": 3, "web_search": 2}
        assert usage.parts == (
            Part(
                "image_generation",
                {"input": 20, "input_image": 20, "input_image_cache_read": 10, "output_image": 1000},
                "image_generation",
            ),
            Part("svg", {"input": 4, "output": 50, "output_reasoning": 40}, "gpt-6-astra"),
        )
        assert usage.flags == ()

    def test_tools_that_were_not_used_cost_nothing(self) -> None:
        image_gen = {"input_tokens": 0, "input_tokens_details": {"image_tokens": 0}, "output_tokens": 0}
        tools = {"image_gen": image_gen, "web_search": {"num_requests": 0}}
        usage = read("openai.responses", {"input_tokens": 7, "output_tokens": 3, "tool_usage": tools})
        assert usage == Usage({"input": 7, "output": 3})

    def test_a_model_that_routes_to_others_is_billed_as_these(self) -> None:
        def used(sent: int, made: int) -> dict[str, Any]:
            return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made, "total_time": 0.1}

        models = [{"model": "gpt-oss", "usage": used(390, 1)}, {"model": "llama", "usage": used(299, 110)}]
        usage = read("groq", {**used(689, 111), "usage_breakdown": {"models": models}})
        assert usage is not None
        assert usage.quantities == {}
        assert usage.parts == (
            Part("routed", {"input": 390, "output": 1}, "gpt-oss"),
            Part("routed", {"input": 299, "output": 110}, "llama"),
        )
        assert usage.total_tokens == 800

        part_of_it = read("groq", {**used(689, 111), "usage_breakdown": {"models": models[:1]}})
        assert part_of_it is not None
        assert part_of_it.quantities == {"input": 689, "output": 111}
        assert part_of_it.flags == ("parts_differ",)


SELECTED: list[tuple[str, dict[str, Any], dict[str, str] | None]] = [
    ("anthropic.messages", {"service_tier": "batch"}, {"service_tier": "batch"}),
    ("anthropic.messages", {"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, None),
    ("anthropic.messages", {"service_tier": None, "inference_geo": ""}, None),
    ("anthropic.messages", {"inference_geo": "not_available"}, None),
    (
        "anthropic.messages",
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
    ),
    ("groq", {"service_tier": "on_demand"}, None),
    ("openai.chat", {"service_tier": "default"}, None),
    ("gemini", {"serviceTier": "flex", "trafficType": "ON_DEMAND"}, {"service_tier": "flex"}),
    ("gemini", {"trafficType": "PROVISIONED_THROUGHPUT"}, {"traffic_type": "PROVISIONED_THROUGHPUT"}),
    ("gemini", {"trafficType": 1}, None),
    ("perplexity", {"search_context_size": "low"}, {"search_context_size": "low"}),
    ("langchain", {"input_token_details": {"priority_cache_read": 0}}, {"service_tier": "priority"}),
    ("langchain", {"output_token_details": {"flex_reasoning": 7}}, {"service_tier": "flex"}),
    ("langchain", {"input_token_details": {"cache_read": 7}}, None),
    ("ollama", {"service_tier": "flex"}, None),
    ("anthropic.messages", {"service_tier": ["a"], "speed": 5}, None),
]


@pytest.mark.parametrize(("convention", "raw", "expected"), SELECTED)
def test_what_selects_a_price_is_told_apart_from_quantities(
    convention: str, raw: dict[str, Any], expected: dict[str, str] | None
) -> None:
    assert selectors(convention, raw) == expected


def test_nothing_selects_a_price_where_there_is_no_object() -> None:
    assert selectors("anthropic.messages", None) is None
    assert selectors("anthropic.messages", "fast") is None


STREAMS: list[tuple[str, str, list[dict[str, Any]], dict[str, int]]] = [
    (
        "later numbers replace earlier ones, also those of the input",
        "anthropic.messages",
        [{"input_tokens": 25, "output_tokens": 1}, {"input_tokens": 10_682, "output_tokens": 50}],
        {"input": 10_682, "output": 50},
    ),
    (
        "what a later object does not say stays",
        "anthropic.messages",
        [
            {"input_tokens": 25, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 100}},
            {"output_tokens": 15, "input_tokens": None},
        ],
        {"input": 25, "output": 15, "input_cache_write_1h": 100},
    ),
    (
        "the same usage in every chunk is one usage",
        "openai.chat",
        [
            {"prompt_tokens": 193, "completion_tokens": None, "total_tokens": None},
            {"prompt_tokens": 193, "completion_tokens": 7, "total_tokens": 200},
            {"prompt_tokens": 193, "completion_tokens": 14, "total_tokens": 207},
            {"prompt_tokens": 193, "completion_tokens": 14, "total_tokens": 207},
        ],
        {"input": 193, "output": 14},
    ),
]


@pytest.mark.parametrize(
    ("convention", "stream", "expected"), [row[1:] for row in STREAMS], ids=[r[0] for r in STREAMS]
)
def test_streamed_usage_is_cumulative(convention: str, stream: list[dict[str, Any]], expected: dict[str, int]) -> None:
    merged: dict[str, Any] = {}
    for raw in stream:
        merged = merge(merged, raw)
    usage = read(convention, merged)
    assert usage is not None
    assert usage.quantities == expected


def test_merging_changes_neither_object() -> None:
    earlier, later = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(earlier, later) == {"a": {"b": 1, "c": 2}}
    assert (earlier, later) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_every_convention_puts_every_number_into_a_bucket_that_exists() -> None:
    for convention in CONVENTIONS.values():
        for field in convention.fields:
            assert field.bucket in BUCKETS or field.bucket in {"total", "charge"}, field
            assert set(field.inside) <= set(BUCKETS), field
            assert field.scale >= 1, field
