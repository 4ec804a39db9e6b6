"""What genai-prices says of a model's units, as rates by bucket and tiers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tollbook.pricing._card import Rate, Rates, Tier, ratio
from tollbook.pricing._listed import read
from tollbook.pricing._listed import types as genai
from tollbook.usage import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

unit_data: dict[str, Any] = read("data_units")["unit_data"]

_text = {"family": "tokens", "direction": "input", "modality": "text"}
_sound = {**_text, "modality": "audio"}
_image = {**_text, "modality": "image"}
_video = {**_text, "modality": "video"}
_answer = {"family": "tokens", "direction": "output", "modality": "text"}
_read = {"token_type": "cache_read"}
_write = {"token_type": "cache_write"}

MEANINGS: dict[str, dict[str, str]] = {
    "input": _text,
    "input_cache_read": _text | _read,
    "input_cache_write": _text | _write,
    "input_cache_write_5m": _text | _write | {"cache_ttl": "5m"},
    "input_cache_write_30m": _text | _write | {"cache_ttl": "30m"},
    "input_cache_write_1h": _text | _write | {"cache_ttl": "1h"},
    "input_cache_write_12h": _text | _write | {"cache_ttl": "12h"},
    "input_audio": _sound,
    "input_audio_cache_read": _sound | _read,
    "input_image": _image,
    "input_image_cache_read": _image | _read,
    "input_video": _video,
    "input_video_cache_read": _video | _read,
    "output": _answer,
    "output_reasoning": _answer | {"token_type": "reasoning"},
    "output_citation": _answer | {"token_type": "citation"},
    "output_audio": _answer | {"modality": "audio"},
    "output_image": _answer | {"modality": "image"},
    "output_video": _answer | {"modality": "video"},
    "input_characters": {"family": "characters", "direction": "input"},
    "input_audio_ms": {"family": "durations", "direction": "input", "modality": "audio"},
    "output_audio_ms": {"family": "durations", "direction": "output", "modality": "audio"},
    "session_ms": {"family": "durations", "modality": "audio"},
    "input_pixels": {"family": "pixels", "direction": "input"},
    "pages": {"family": "document_pages", "direction": "input"},
    "web_search": {"family": "tool_calls", "tool_type": "web_search"},
    "file_search": {"family": "tool_calls", "tool_type": "storage_search"},
    "code_execution": {"family": "tool_calls", "tool_type": "code_execution"},
    "social_search": {"family": "tool_calls", "tool_type": "social_search"},
    "search_units": {"family": "rerank"},
    "requests": {"family": "requests"},
}
"""What each bucket is in genai-prices' dimensions. The price of a bucket is that of the unit which shares most."""

_OWN_PRICE_ONLY = {"1h", "12h"}
"""Cache lifetimes that cost more than the default one, so the price of a shorter one would be wrong."""

Price = Decimal | genai.TieredPrices


def compiled(prices: genai.ModelPrice) -> tuple[Rates, tuple[Tier, ...], dict[str, str]]:
    """`prices` as rates by bucket, tiers, and the assumptions behind single rates."""
    found = vars(prices)
    units = {
        name: found[unit["price_key"]] for name, unit in unit_data.items() if found.get(unit["price_key"]) is not None
    }
    thresholds = sorted({tier.start for price in units.values() for tier in _tiers(price)})
    rates, assumed = _rates(units, None)
    return rates, tuple(Tier(start, "gt", _rates(units, start)[0]) for start in thresholds), assumed


def _tiers(price: Price) -> list[genai.Tier]:
    return price.tiers if isinstance(price, genai.TieredPrices) else []


def _rates(units: Mapping[str, Price], above: int | None) -> tuple[Rates, dict[str, str]]:
    """Rates by bucket for requests of more than `above` tokens (None: below all tiers), and what they assume."""
    rates: Rates = {}
    assumed: dict[str, str] = {}
    for bucket in BUCKETS:
        meaning = MEANINGS.get(bucket)
        if meaning is None:
            continue
        fitting = [name for name in units if unit_data[name]["dimensions"].items() <= meaning.items()]
        if not fitting:
            continue
        # Of two units that fit, the list always prices the one that is both, so the largest is the only largest.
        name = max(fitting, key=lambda each: len(unit_data[each]["dimensions"]))
        dimensions = unit_data[name]["dimensions"]
        lifetime = meaning.get("cache_ttl")
        if lifetime in _OWN_PRICE_ONLY and dimensions.get("cache_ttl") != lifetime:
            continue
        rates[bucket] = _rate(units[name], unit_data[name]["per"], above, BUCKETS[bucket].unit)
        if _uncertain(bucket, meaning, dimensions, units):
            assumed[bucket] = f"{bucket} priced as {_bucket_of(dimensions)}"
    return rates, assumed


def _uncertain(
    bucket: str, meaning: Mapping[str, str], dimensions: Mapping[str, str], units: Mapping[str, Price]
) -> bool:
    """Whether a bucket gets another one's price although the list does not say that both cost the same.

    Images and video cost as text unless listed apart, reasoning costs as other output: providers say so. Sound that
    costs as text, or a cache that costs as none, is more likely a gap in the list.
    """
    if bucket == "input_cache_write":
        return "token_type" not in dimensions or "cache_write_1h_tokens" in units
    if meaning.get("token_type", "").startswith("cache") and "token_type" not in dimensions:
        return True
    return meaning.get("modality") == "audio" and meaning["family"] == "tokens" and "modality" not in dimensions


def _bucket_of(dimensions: Mapping[str, str]) -> str:
    """The bucket that the unit of `dimensions` is the price of, before others borrow it."""
    if dimensions.get("token_type") == "cache_write":
        return "input_cache_write_5m"
    fitting = [name for name, meaning in MEANINGS.items() if dimensions.items() <= meaning.items()]
    return min(fitting, key=lambda each: len(MEANINGS[each]))


def _rate(price: Price, per: int, above: int | None, unit: str) -> Rate:
    base = price if isinstance(price, Decimal) else price.base
    for tier in _tiers(price):
        if above is not None and tier.start <= above:
            base = tier.price
    numerator, denominator = base.as_integer_ratio()
    # Lists count sound in seconds, we in milliseconds.
    return ratio(numerator * 10**12, denominator * per * (1000 if unit == "milliseconds" else 1))
