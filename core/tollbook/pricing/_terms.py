"""The words of price definitions, and which prices stand in for those that a definition leaves out."""

from __future__ import annotations

from typing import NamedTuple

from tollbook.usage import BUCKETS, TOKENS

_OWN = {
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write_5m",
    "cache_write_5m": "input_cache_write_5m",
    "cache_write_30m": "input_cache_write_30m",
    "cache_write_1h": "input_cache_write_1h",
    "cache_write_12h": "input_cache_write_12h",
    "audio_cache_read": "input_audio_cache_read",
    "image_cache_read": "input_image_cache_read",
    "video_cache_read": "input_video_cache_read",
    "reasoning": "output_reasoning",
    "citation": "output_citation",
}

TOKEN_KEYS: dict[str, str] = {name: name for name in sorted(TOKENS)} | _OWN | {"input_cache_write": _OWN["cache_write"]}
"""What a price of tokens may be called, to its bucket. A write of unstated lifetime costs as one of the shortest."""

LANGFUSE_KEYS = {
    "input_cached_tokens": "input_cache_read",
    "cache_read_input_tokens": "input_cache_read",
    "input_cached_text_tokens": "input_cache_read",
    "input_cache_creation": "input_cache_write_5m",
    "cache_creation_input_tokens": "input_cache_write_5m",
    "input_cache_creation_5m": "input_cache_write_5m",
    "input_cache_creation_1h": "input_cache_write_1h",
    "input_text_tokens": "input",
    "input_audio_tokens": "input_audio",
    "input_cached_audio_tokens": "input_audio_cache_read",
    "input_image_tokens": "input_image",
    "input_tokens": "input",
    "prompt_tokens": "input",
    "output_tokens": "output",
    "completion_tokens": "output",
    "output_text_tokens": "output",
    "output_reasoning_tokens": "output_reasoning",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
    # Google's, as its SDKs and LangChain pass them on
    **dict.fromkeys(("input_text", "input_modality_1", "prompt_token_count", "promptTokenCount"), "input"),
    **dict.fromkeys(("output_text", "output_modality_1"), "output"),
    **dict.fromkeys(("candidates_token_count", "candidatesTokenCount"), "output"),
    **dict.fromkeys(("thoughts_token_count", "thoughtsTokenCount"), "output_reasoning"),
    **dict.fromkeys(("cached_content_token_count", "cachedContentTokenCount"), "input_cache_read"),
}
"""Langfuse's further words for prices of tokens."""


LANGFUSE_ROWS = dict.fromkeys(
    ("grounding_queries", "groundingQueries", "web_search_queries", "webSearchQueries"), "web_search"
)
"""Langfuse's words for prices of what is no token, each for one."""

LANGFUSE_INPUT = ("input", "input_cache_read", "input_cache_creation")
"""A pattern of what a tier of Langfuse's counts that fits all of these counts all that is sent."""


class Unit(NamedTuple):
    """What prices are for."""

    keys: dict[str, tuple[str, ...]]
    """What a price may be called, to its buckets."""
    size: int = 1
    """Units of the buckets that make one."""


_SPANS = {
    "input": ("input_audio_ms",),
    "output": ("output_audio_ms", "output_video_ms"),
    "total": ("input_audio_ms", "output_audio_ms", "output_video_ms", "session_ms"),
    "input_audio": ("input_audio_ms",),
    "output_audio": ("output_audio_ms",),
    "output_video": ("output_video_ms",),
    "session": ("session_ms",),
}
_ONCE: dict[str, tuple[str, ...]] = dict.fromkeys(("input", "output", "total"), ("requests",))

UNITS = {
    "TOKENS": Unit({key: (bucket,) for key, bucket in TOKEN_KEYS.items()} | {"total": tuple(sorted(TOKENS))}),
    "CHARACTERS": Unit(
        {
            "input": ("input_characters",),
            "output": ("output_characters",),
            "total": ("input_characters", "output_characters"),
        }
    ),
    "MILLISECONDS": Unit(_SPANS),
    "SECONDS": Unit(_SPANS, 1000),
    "IMAGES": Unit(
        {"input": ("input_images",), "output": ("output_images",), "total": ("input_images", "output_images")}
    ),
    "PIXELS": Unit({"input": ("input_pixels",), "total": ("input_pixels",)}),
    "PAGES": Unit({"input": ("pages",), "total": ("pages",)}),
    "REQUESTS": Unit(_ONCE),
    "CALLS": Unit(_ONCE),
}
"""By name. A model that is billed by its requests, or calls, bills no tokens."""

ROW_UNITS = {
    "TOKENS": ("tokens", 1),
    "CHARACTERS": ("characters", 1),
    "MILLISECONDS": ("milliseconds", 1),
    "SECONDS": ("milliseconds", 1000),
    "IMAGES": ("images", 1),
    "PIXELS": ("pixels", 1),
    "PAGES": ("pages", 1),
    "REQUESTS": ("requests", 1),
    "CALLS": ("calls", 1),
    "SOURCES": ("sources", 1),
}
"""The unit of a price row, to that of the bucket and how many of those it is."""

PLAIN_UNITS = {unit: name for name, (unit, size) in ROW_UNITS.items() if size == 1}
"""The unit of a bucket, to the unit of a row."""


def row_bucket(usage: str) -> str | None:
    """The bucket that a price row calls `usage`: its name, with or without `_calls`; None: there is none."""
    for name in (usage, usage.removesuffix("_calls"), TOKEN_KEYS.get(usage, "")):
        if name in BUCKETS:
            return name
    return None


LENDERS: dict[str, tuple[tuple[str, bool], ...]] = {
    "input_cache_read": (("input", False),),
    "input_cache_write_5m": (("input", False),),
    "input_cache_write_30m": (("input_cache_write_5m", True), ("input", False)),
    "input_cache_write": (("input_cache_write_5m", True), ("input", False)),
    "input_audio": (("input", False),),
    "input_image": (("input", True),),
    "input_video": (("input", True),),
    "input_audio_cache_read": (("input_cache_read", False), ("input_audio", False), ("input", False)),
    "input_image_cache_read": (("input_cache_read", True), ("input_image", False), ("input", False)),
    "input_video_cache_read": (("input_cache_read", True), ("input_video", False), ("input", False)),
    "output_reasoning": (("output", True),),
    "output_citation": (("output", True),),
    "output_audio": (("output", False),),
    "output_image": (("output", True),),
    "output_video": (("output", True),),
}
"""Whose price a bucket without one has, the first that has one itself, and whether that is certain.

Reasoning costs as other output, and images as text, unless they are listed apart: providers say so. Sound at the price
of text, or a cache at the price of none, is an assumption. Writes for an hour and more have no price but their own.
"""
