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
from importlib.metadata import version
from typing import TYPE_CHECKING

from tollbook.pricing._card import Card, identified
from tollbook.pricing._genai_rates import compiled
from tollbook.pricing._listed import read
from tollbook.pricing._listed import types as genai
from tollbook.pricing._names import LISTS, moves, spellings, surrounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE = f"genai-prices {version('genai-prices')}"

_NS = 1_000_000_000
_DAY = 86_400

providers: list[genai.Provider] = read("data")["providers"]
_LISTS = {provider.id: provider for provider in providers}


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
