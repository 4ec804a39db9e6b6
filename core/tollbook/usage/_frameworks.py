"""The conventions of frameworks and tools that pass on what a provider reported."""

from __future__ import annotations

from tollbook._money import PICO
from tollbook.usage._convention import CHARGE, TOTAL, Convention, Field, Selector

_IN, _OUT, _WRITE = ("input",), ("output",), ("input_cache_write",)
_SENT, _MADE = "input_token_details", "output_token_details"
_TIERS = ("priority", "flex")
_OTEL = "gen_ai.usage"
_TTL = "anthropic.usage.cache_creation"
_INFERENCE = "llm.token_count"

_LANGCHAIN = Convention(
    "langchain",
    (
        # Totals contain everything, whatever the provider's own did. A tier renames the parts.
        Field("input_tokens", "input"),
        Field("output_tokens", "output"),
        Field("total_tokens", TOTAL),
        Field(f"{_SENT}.cache_read", "input_cache_read", _IN),
        *(Field(f"{_SENT}.{tier}_cache_read", "input_cache_read", _IN) for tier in _TIERS),
        Field(f"{_SENT}.cache_creation", "input_cache_write", _IN),
        # Beside a count of all that is written there may be its split, or the split alone.
        Field(f"{_SENT}.ephemeral_5m_input_tokens", "input_cache_write_5m", _WRITE),
        Field(f"{_SENT}.ephemeral_1h_input_tokens", "input_cache_write_1h", _WRITE),
        Field(f"{_SENT}.audio", "input_audio", _IN),
        Field(f"{_SENT}.image", "input_image", _IN),
        Field(f"{_SENT}.video", "input_video", _IN),
        Field(f"{_MADE}.reasoning", "output_reasoning", _OUT),
        *(Field(f"{_MADE}.{tier}_reasoning", "output_reasoning", _OUT) for tier in _TIERS),
        Field(f"{_MADE}.audio", "output_audio", _OUT),
        Field(f"{_MADE}.image", "output_image", _OUT),
    ),
    silent=(
        *(f"{details}.{name}" for details in (_SENT, _MADE) for name in (*_TIERS, "text")),
        f"{_SENT}.cache_read_over_200k",
    ),
    selectors=tuple(
        Selector(f"{details}.{prefix}", "service_tier", tier)
        for tier in _TIERS
        for details, prefix in ((_SENT, tier), (_SENT, f"{tier}_cache_read"), (_MADE, f"{tier}_reasoning"))
    ),
    writable=True,
)

_OPENTELEMETRY = Convention(
    "otel",
    (
        # Totals contain everything. Newer names first, then those of older versions and of instrumentors.
        Field(f"{_OTEL}.input_tokens", "input"),
        Field(f"{_OTEL}.prompt_tokens", "input"),
        Field(f"{_OTEL}.output_tokens", "output"),
        Field(f"{_OTEL}.completion_tokens", "output"),
        Field(f"{_OTEL}.total_tokens", TOTAL),
        Field("llm.usage.total_tokens", TOTAL),
        Field(f"{_OTEL}.cache_read.input_tokens", "input_cache_read", _IN),
        Field(f"{_OTEL}.cache_read_input_tokens", "input_cache_read", _IN),
        Field(f"{_OTEL}.input_cached_tokens", "input_cache_read", _IN),
        Field(f"{_OTEL}.cache_write.input_tokens", "input_cache_write", _IN),
        Field(f"{_OTEL}.cache_creation.input_tokens", "input_cache_write", _IN),
        Field(f"{_OTEL}.cache_creation_input_tokens", "input_cache_write", _IN),
        Field(f"{_TTL}.ephemeral_5m_input_tokens", "input_cache_write_5m", _WRITE),
        Field(f"{_TTL}.ephemeral_1h_input_tokens", "input_cache_write_1h", _WRITE),
        Field(f"{_OTEL}.reasoning.output_tokens", "output_reasoning", _OUT),
        Field(f"{_OTEL}.reasoning_tokens", "output_reasoning", _OUT),
    ),
    flat=True,
    closed=True,
    writable=True,
    also=(f"{_OTEL}.cache_creation.input_tokens",),
)

_OPENINFERENCE = Convention(
    "openinference",
    (
        Field(f"{_INFERENCE}.prompt", "input"),
        Field(f"{_INFERENCE}.completion", "output"),
        Field(f"{_INFERENCE}.total", TOTAL),
        Field(f"{_INFERENCE}.prompt_details.cache_read", "input_cache_read", _IN),
        Field(f"{_INFERENCE}.prompt_details.cache_write", "input_cache_write", _IN),
        Field(f"{_INFERENCE}.prompt_details.audio", "input_audio", _IN),
        Field(f"{_INFERENCE}.completion_details.reasoning", "output_reasoning", _OUT),
        Field(f"{_INFERENCE}.completion_details.audio", "output_audio", _OUT),
    ),
    flat=True,
    closed=True,
    writable=True,
)

_LANGFUSE = Convention(
    "langfuse",
    (
        # Every count is apart from all others. Its own words, then those it takes from OpenAI and Anthropic.
        Field("input", "input"),
        Field("promptTokens", "input"),
        Field("output", "output"),
        Field("completionTokens", "output"),
        Field("total", TOTAL),
        Field("totalTokens", TOTAL),
        Field("input_cache_read", "input_cache_read"),
        Field("input_cached_tokens", "input_cache_read"),
        Field("cache_read_input_tokens", "input_cache_read"),
        Field("input_cache_creation", "input_cache_write"),
        Field("cache_creation_input_tokens", "input_cache_write"),
        Field("input_cache_creation_5m", "input_cache_write_5m"),
        Field("input_cache_creation_1h", "input_cache_write_1h"),
        Field("input_audio_tokens", "input_audio"),
        Field("output_reasoning", "output_reasoning"),
        Field("output_reasoning_tokens", "output_reasoning"),
        Field("output_audio_tokens", "output_audio"),
        Field("totalCost", CHARGE, scale=PICO),
    ),
    unit="unit",
    writable=True,
)

_MLFLOW = Convention(
    "mlflow",
    (
        Field("input_tokens", "input"),
        Field("output_tokens", "output"),
        Field("total_tokens", TOTAL),
        Field("cache_read_input_tokens", "input_cache_read", _IN),
        Field("cache_creation_input_tokens", "input_cache_write", _IN),
    ),
    writable=True,
)

_SKILL = Convention(
    "llm.tokens",
    (
        Field("llm.tokens.input", "input"),
        Field("llm.tokens.output", "output"),
        Field("llm.tokens.total", TOTAL),
    ),
    flat=True,
    closed=True,
    writable=True,
)

CONVENTIONS = (_LANGCHAIN, _OPENTELEMETRY, _OPENINFERENCE, _LANGFUSE, _MLFLOW, _SKILL)

UNITS: dict[str, tuple[dict[str, str], int]] = {
    "CHARACTERS": ({"input": "input_characters", "output": "output_characters"}, 1),
    "MILLISECONDS": ({"input": "input_audio_ms", "output": "output_audio_ms"}, 1),
    "SECONDS": ({"input": "input_audio_ms", "output": "output_audio_ms"}, 1000),
    "IMAGES": ({"input": "input_images", "output": "output_images"}, 1),
}
"""Units that are not tokens: what they make of a bucket, and units of that bucket per unit."""
