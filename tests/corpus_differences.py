"""Where a cost that another project's test asserts is not what Tollbook says: why, and which source decides."""

from __future__ import annotations

LIST = "genai-prices 0.2.3, a later list than the row's"
OVERLAY = "core/tollbook/pricing/overlay.toml, with its source"

_SOL = ("gpt-5.6-sol has cost 4 and 20 instead of 5 and 30 since 2026-08-21", LIST)
_OTHER = ("the price has changed since the row was written", LIST)
_AUDIO = ("audio is billed at 40 and 80, not at the text's price", f"{OVERLAY}: gpt-4o-audio-preview audio")
_DEEPSEEK = ("the alias means another model since 2025-09-29, and costs less", f"{OVERLAY}: deepseek aliases")

PRICES: dict[str, tuple[str, str]] = {
    "genai-prices:test_gpt_5_6_cache_write_price[gpt-5.6-sol-expected_input_price0]": _SOL,
    "genai-prices:test_gpt_5_6_cache_write_price_context_boundary"
    "[gpt-5.6-sol-short_write_rate0-long_write_rate0]#2": _SOL,
    "genai-prices:test_gpt_5_6_long_context_mixed_price"
    "[gpt-5.6-sol-input_rate0-cache_write_rate0-cache_read_rate0-output_rate0]": _SOL,
    "genai-prices:test_aws_gpt_5_6_context_boundary[openai.gpt-5.6-sol-short_input_rate0-long_input_rate0]": _SOL,
    "genai-prices:test_aws_gpt_5_6_context_boundary[openai.gpt-5.6-sol-short_input_rate0-long_input_rate0]#2": _SOL,
    "genai-prices:test_openai_cache_write_tokens[chat-usage_data0]": _SOL,
    "genai-prices:test_fireworks_serverless_prices"
    "[accounts/fireworks/routers/kimi-k3-us-input_rate9-cache_read_rate9-output_rate9]": _OTHER,
    "genai-prices:test_fireworks_serverless_prices"
    "[accounts/fireworks/models/gpt-oss-120b-input_rate10-cache_read_rate10-output_rate10]": _OTHER,
    "genai-prices:test_openrouter_kimi_k27_code_price": _OTHER,
    "genai-prices:test_openrouter_kimi_k27_code_dated_price": _OTHER,
    "genai-prices:test_openrouter_glm_51_dated_price": _OTHER,
    "genai-prices-dataset:1517:mistral:default": _OTHER,
    "genai-prices-dataset:995:openai:chat": _AUDIO,
    "genai-prices-dataset:1046:openai:chat": _AUDIO,
    "pydantic-ai:test_openai_audio_url_input": _AUDIO,
    "pydantic-ai:test_audio_as_binary_content_input": _AUDIO,
    "genai-prices-dataset:1282:deepseek:chat": _DEEPSEEK,
    "pydantic-ai:test_deepseek_model_thinking_part": _DEEPSEEK,
}
"""Rows whose price is another one: their id to why, and what decides."""

_ROW = "the row itself, as its test is written"

KINDS: dict[str, tuple[str, str]] = {
    "no model named": (
        "a price of its test's own, checked at its rates where it states them",
        _ROW,
    ),
    "no rates stated": ("the row is about units that its test defines", _ROW),
    "raw usage": ("usage in a provider's words is checked from the body to the cost, in a test of its own", _ROW),
    "raw usage, units of the test's own, or parts exceed the whole": (
        "contradictory usage is flagged and priced as far as it is certain, and units of a test have no price",
        "docs/usage-and-cost.md",
    ),
    "not in today's list": (
        "invented names (claude-3-5-haiku-123, mock-provider) and models that the list does not have: no rule guesses",
        "tests/unit/model_ids.tsv",
    ),
    "parts exceed the whole": (
        "contradictory usage is flagged, not priced as if it were right",
        "docs/usage-and-cost.md",
    ),
    "units of the test's own, or half a token": ("no provider counts so", _ROW),
    "billed beyond what its source reads": (
        "iterations outside of the totals are billed, and genai-prices does not read them",
        "Anthropic's documentation of `usage.iterations`",
    ),
    "calls an unknown price 0": ("unknown is not zero", "docs/prices.md"),
    "guesses a price that is not stated": ("a price that no source states is no price", "docs/prices.md"),
    "fractions or words for counts": ("providers count whole tokens", _ROW),
    "no rates, or not by the token": ("the row states no rates to check with, or a lump sum", _ROW),
    "rates that only their source defines": ("rates with conditions that only that project's code defines", _ROW),
    "several calls in one row": ("a sum of calls; each of them is checked elsewhere", _ROW),
    "usage that only its source defines": ("usage in a form that only that project's code defines", _ROW),
}
"""Why a row is not checked, by the name that the tests count it under."""
