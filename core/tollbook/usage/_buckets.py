"""The buckets: every kind of thing that a provider counts, each disjoint from all others."""

from __future__ import annotations

from typing import Literal, NamedTuple

LARGEST = 1 << 40
"""No count is as large: a trillion. What is can't be trusted, and sums over millions of calls must fit into 64 bits."""

Direction = Literal["input", "output", "tool", "other"]


class Bucket(NamedTuple):
    """One kind of quantity."""

    name: str
    direction: Direction
    unit: str
    """`tokens`, `calls`, `characters`, `milliseconds`, `images`, `pixels`, `pages`, `sources` or `requests`."""
    doc: str


_ALL = (
    Bucket("input", "input", "tokens", "text sent, neither read from nor written to a cache"),
    Bucket("input_cache_read", "input", "tokens", "text sent, read from a cache"),
    Bucket("input_cache_write", "input", "tokens", "text sent, written to a cache of unstated lifetime"),
    Bucket("input_cache_write_5m", "input", "tokens", "text sent, written to a cache of 5 minutes"),
    Bucket("input_cache_write_30m", "input", "tokens", "text sent, written to a cache of 30 minutes"),
    Bucket("input_cache_write_1h", "input", "tokens", "text sent, written to a cache of 1 hour"),
    Bucket("input_cache_write_12h", "input", "tokens", "text sent, written to a cache of 12 hours"),
    Bucket("input_audio", "input", "tokens", "audio sent, not cached"),
    Bucket("input_audio_cache_read", "input", "tokens", "audio sent, read from a cache"),
    Bucket("input_image", "input", "tokens", "images sent, not cached"),
    Bucket("input_image_cache_read", "input", "tokens", "images sent, read from a cache"),
    Bucket("input_video", "input", "tokens", "video sent"),
    Bucket("input_video_cache_read", "input", "tokens", "video sent, read from a cache"),
    Bucket("output", "output", "tokens", "text generated, reasoning apart"),
    Bucket("output_reasoning", "output", "tokens", "reasoning, shown or hidden"),
    Bucket("output_audio", "output", "tokens", "audio generated"),
    Bucket("output_image", "output", "tokens", "images generated"),
    Bucket("output_video", "output", "tokens", "video generated"),
    Bucket("output_citation", "output", "tokens", "sources quoted, where they are counted apart"),
    Bucket("web_search", "tool", "calls", "searches of the web"),
    Bucket("web_fetch", "tool", "calls", "pages fetched"),
    Bucket("social_search", "tool", "calls", "searches of a social network"),
    Bucket("file_search", "tool", "calls", "searches of stored files"),
    Bucket("attachment_search", "tool", "calls", "searches of files sent along"),
    Bucket("code_execution", "tool", "calls", "runs or sessions of code"),
    Bucket("search_sources", "tool", "sources", "sources that a search drew on, where each is billed"),
    Bucket("input_characters", "input", "characters", "characters sent (speech)"),
    Bucket("output_characters", "output", "characters", "characters generated"),
    Bucket("input_audio_ms", "input", "milliseconds", "audio sent, by its length"),
    Bucket("output_audio_ms", "output", "milliseconds", "audio generated, by its length"),
    Bucket("output_video_ms", "output", "milliseconds", "video generated, by its length"),
    Bucket("input_images", "input", "images", "images sent, by their number"),
    Bucket("output_images", "output", "images", "images generated, by their number"),
    Bucket("input_pixels", "input", "pixels", "images sent, by their size"),
    Bucket("session_ms", "other", "milliseconds", "time of a live or running session"),
    Bucket("search_units", "other", "calls", "units of reranking"),
    Bucket("pages", "input", "pages", "pages read"),
    Bucket("requests", "other", "requests", "requests that are billed by their number"),
)

BUCKETS: dict[str, Bucket] = {bucket.name: bucket for bucket in _ALL}
"""All buckets by name. What is measured twice (audio in tokens and by its length) is in both buckets: price one."""

INPUT_TOKENS = frozenset(b.name for b in _ALL if b.direction == "input" and b.unit == "tokens")
"""The buckets that make up `gen_ai.usage.input_tokens`."""

OUTPUT_TOKENS = frozenset(b.name for b in _ALL if b.direction == "output" and b.unit == "tokens")
"""The buckets that make up `gen_ai.usage.output_tokens`."""

TOKENS = INPUT_TOKENS | OUTPUT_TOKENS
"""The buckets that make up the total."""

CACHE_WRITES = frozenset(name for name in INPUT_TOKENS if "cache_write" in name)
CACHE_READS = frozenset(name for name in INPUT_TOKENS if name.endswith("cache_read"))
