"""List prices from the genai-prices package: its data only, compiled to rate cards.

Imported when the first price is needed, since the list is larger than all of Tollbook. It is the package's bundled
list, never its process-wide snapshot, which other libraries replace while the program runs. The multiplication is
ours too: the package rounds to 28 digits and refuses usage that real responses contain.

Known to be wrong or missing in 0.2.3, for a layer above to correct: audio of gpt-4o-audio-preview at the text rate,
claude-sonnet-5-5 cache reads before 2026-10-07, gemini-3.6-flash before 2026-08-13, deepseek-chat and -reasoner
since 2026-06, OpenAI's ultrafast tier and regions, Anthropic's inference_geo, 12-hour cache writes, Perplexity's
fee per request (the highest of three), web fetches (free at Anthropic) and containers.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tollbook.pricing._card import Card, Rate, Rates, Tier, identified, ratio
from tollbook.pricing._listed import read
from tollbook.pricing._listed import types as genai
from tollbook.pricing._names import LISTS, moves, spellings, surrounds
from tollbook.usage import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = f"genai-prices {version('genai-prices')}"

_NS = 1_000_000_000
_DAY = 86_400

providers: list[genai.Provider] = read("data")["providers"]
unit_data: dict[str, Any] = read("data_units")["unit_data"]

_LISTS = {provider.id: provider for provider in providers}

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


def cards(provider: str, model: str, day: int, context: Mapping[str, str]) -> Sequence[tuple[int, Card | None]]:
    """The cards of `model` on one UTC day, each with the instant (Unix ns) from which it applies; empty: not listed.

    Args:
        provider: As spans name it.
        model: As the response or request names it.
        day: When the day begins, in Unix ns.
        context: What selects a price beside the model.
    """
    found = find(provider, model)
    if found is None:
        return ()
    owner, info, lent = found
    # A price list that another one falls back to (Azure to OpenAI) lends its standard prices only.
    variants = [] if lent else info.price_variants or []
    instants = _instants(info, variants, day)
    told = (f"{model} priced as {info.id}, which it means today",) if moves(model.lower()) else ()
    return [(instant, _card(owner, info, variants, _moment(instant), context, told)) for instant in instants]


def find(provider: str, model: str) -> tuple[str, genai.ModelInfo, bool] | None:
    """The price list that has `model`, its entry, and whether it is another provider's that this one falls back to."""
    listed = _LISTS.get(LISTS.get(provider, provider))
    if listed is None:
        return None
    for name in spellings(model, listed.id):
        for owner in (listed.id, *(listed.fallback_model_providers or ())):
            for info in _LISTS[owner].models:
                if _names_it(info.match, name, owner):
                    return owner, info, owner != listed.id
    return None


def listed(at: int, only: str | None = None) -> Iterator[tuple[str, str, Card | None]]:
    """Every model of every price list, or of the one `only`: the list's id, the model's, and its standard card then."""
    for provider in providers:
        if only is None or provider.id == only:
            for info in provider.models:
                yield provider.id, info.id, _card(provider.id, info, (), _moment(at), {}, ())


def dates(provider: str, model: str) -> list[int]:
    """The begins of the UTC days (Unix ns) at which the list changes a price of `model`, ascending."""
    found = find(provider, model)
    if found is None:
        return []
    info = found[1]
    days = {*_starts(info)}
    for variant in info.price_variants or ():
        if isinstance(variant.constraint, genai.StartDateConstraint):
            days.add(variant.constraint.start_date)
    return [int(datetime.combine(day, time(), UTC).timestamp()) * _NS for day in sorted(days)]


def contexts(provider: str, model: str) -> list[dict[str, str]]:
    """What selects other prices of `model` than the standard ones, each once."""
    found = find(provider, model)
    if found is None or found[2]:
        return []
    all_ = [variant.when for variant in found[1].price_variants or ()]
    return [when for n, when in enumerate(all_) if when not in all_[:n]]


def lenders(provider: str) -> Sequence[str]:
    """The price lists that `provider` falls back to, since it resells their models."""
    listed = _LISTS.get(LISTS.get(provider, provider))
    return () if listed is None else listed.fallback_model_providers or ()


def count() -> int:
    """How many models are listed, over all providers."""
    return sum(len(provider.models) for provider in providers)


def newest(today: date) -> date | None:
    """The newest day from which a listed price is in force by `today`: how fresh the data is at least."""
    return max((day for info in _models() for day in _starts(info) if day <= today), default=None)


def _models() -> Iterator[genai.ModelInfo]:
    for provider in providers:
        yield from provider.models


def _starts(info: genai.ModelInfo) -> Iterator[date]:
    for price in [] if isinstance(info.prices, genai.ModelPrice) else info.prices:
        if isinstance(price.constraint, genai.StartDateConstraint):
            yield price.constraint.start_date


def _names_it(clause: genai.MatchLogic, name: str, owner: str) -> bool:
    """Whether `clause` of the price list `owner` means exactly the model `name`, in whatever version.

    The package matches many models by the beginning or a part of a name, so that an unknown `-fast` sibling would
    get the plain model's price. What stands around the matched part has to be empty of meaning.
    """
    if isinstance(clause, genai.ClauseOr):
        return any(_names_it(each, name, owner) for each in clause.or_)
    if not clause.is_match(name):
        return False
    if isinstance(clause, genai.ClauseAnd):
        return any(_names_it(each, name, owner) for each in clause.and_)
    if isinstance(clause, genai.ClauseEquals):
        return True
    span = _matched(clause, name)
    if span is None:
        return False
    begin, end = span
    last = len(name)
    if name.startswith("ft:"):  # the base model, then what is the owner's choice
        last = name.find(":", 3)
        if not end <= last < len(name) - 1:
            return False
    if name[:end].endswith(".ft-"):
        return name[end:].isalnum()
    if (number := re.search(r"[-@]\d*$", name[:end])) and (name[end : end + 1].isdigit() or name[end - 1] in "-@"):
        end = number.start()  # the list ends within a date
    model = name[begin:]
    kind = "anthropic" if owner == "google" and model.startswith("claude-") else owner
    return surrounds(kind, name[:begin], name[end:last])


def _matched(clause: genai.MatchLogic, name: str) -> tuple[int, int] | None:
    """Which part of `name` a clause of one condition matches; None if it is no condition on a part."""
    if isinstance(clause, genai.ClauseRegex):
        match = re.search(clause.regex, name)
        assert match
        begin, end = match.span()
        while name[end : end + 1].isdigit():  # a pattern may end within a number, `-\d` for a date
            end += 1
        return begin, end
    if isinstance(clause, genai.ClauseStartsWith):
        return 0, len(clause.starts_with)
    if isinstance(clause, genai.ClauseEndsWith):
        return len(name) - len(clause.ends_with), len(name)
    if isinstance(clause, genai.ClauseContains):
        begin = name.index(clause.contains.lower())
        return begin, begin + len(clause.contains)
    return None


def _moment(instant: int) -> datetime:
    return datetime.fromtimestamp(instant // _NS, UTC)


def _instants(info: genai.ModelInfo, variants: Sequence[genai.PriceVariant], day: int) -> list[int]:
    """When within a day the price may change: its begin, and the times of day that the price list names."""
    found = {day}
    dated = [] if isinstance(info.prices, genai.ModelPrice) else info.prices
    for constraint in (*(price.constraint for price in dated), *(variant.constraint for variant in variants)):
        if isinstance(constraint, genai.TimeOfDateConstraint):
            for clock in (constraint.start_time, constraint.end_time):
                found.add(day + _seconds(clock) % _DAY * _NS)
    return sorted(found)


def _seconds(clock: time) -> int:
    """Seconds from UTC midnight to `clock`, which is UTC unless it says otherwise."""
    offset = clock.utcoffset()
    shift = 0 if offset is None else int(offset.total_seconds())
    return clock.hour * 3600 + clock.minute * 60 + clock.second - shift


def _card(
    owner: str,
    info: genai.ModelInfo,
    variants: Sequence[genai.PriceVariant],
    moment: datetime,
    context: Mapping[str, str],
    told: tuple[str, ...],
) -> Card | None:
    applied, at, assumptions = _selected(info, variants, moment, context)
    rates, tiers, assumed = compiled(info.get_prices(at, applied))
    if not rates:
        return None  # listed without a price, which does not mean free
    timed = owner == "groq" and info.id in {"whisper-large-v3", "whisper-large-v3-turbo"}
    return identified(
        Card(
            id="",
            provider=owner,
            model=info.id,
            layer="genai-prices",
            source=SOURCE,
            rates=rates,
            tiers=tiers,
            since=_since(info, variants, at, applied),
            context=applied,
            minimum={"input_audio_ms": 10_000} if timed else {},  # in the package's code, not in its data
            assumed=assumed,
            assumptions=told + assumptions,
        )
    )


def _selected(
    info: genai.ModelInfo, variants: Sequence[genai.PriceVariant], moment: datetime, context: Mapping[str, str]
) -> tuple[dict[str, str], datetime, tuple[str, ...]]:
    """Which variant applies, as of when to read the list, and what is assumed for lack of a better fact.

    One variant applies, never a mix: of two that match, the first in the order of `context` wins and the other is
    noted. A variant that the list dates after the call is used if the standard price was the same on both days,
    because lists record when a variant was noticed: it existed before, and the standard price would be further off.
    """
    applied: dict[str, str] = {}
    at = moment
    notes: list[str] = []
    for key, value in context.items():
        if applied.get(key) == value:
            continue
        candidates = [v for v in variants if v.when.get(key) == value and v.when.items() <= context.items()]
        active = [v for v in candidates if v.constraint is None or v.constraint.active(moment)]
        if applied and candidates:
            notes.append(f"{key}={value} priced as {next(iter(applied.values()))}")
        elif active:
            applied = dict(active[0].when)
        elif early := _earliest(info, candidates, moment):
            variant, at = early
            applied = dict(variant.when)
            notes.append(f"{key}={value} priced as of {at.date().isoformat()}, the first day listed")
        else:
            notes.append(f"{key}={value} priced as standard")
    return applied, at, tuple(notes)


def _earliest(
    info: genai.ModelInfo, candidates: Sequence[genai.PriceVariant], moment: datetime
) -> tuple[genai.PriceVariant, datetime] | None:
    dated = [
        (v.constraint.start_date, n, v)
        for n, v in enumerate(candidates)
        if isinstance(v.constraint, genai.StartDateConstraint)
    ]
    if not dated:
        return None
    day, _, variant = min(dated)
    at = datetime.combine(day, moment.timetz())
    return (variant, at) if info.get_prices(at) == info.get_prices(moment) else None


def _since(
    info: genai.ModelInfo, variants: Sequence[genai.PriceVariant], at: datetime, applied: Mapping[str, str]
) -> str | None:
    """The first day of the prices in force `at`: of the variant that applies, else of the model's."""
    dated = [] if isinstance(info.prices, genai.ModelPrice) else info.prices
    chosen = [v for v in variants if v.when == applied] if applied else dated
    days = [
        row.constraint.start_date
        for row in chosen
        if isinstance(row.constraint, genai.StartDateConstraint) and row.constraint.active(at)
    ]
    return max(days).isoformat() if days else None


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
