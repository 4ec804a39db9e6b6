"""Looking around in the catalog: who sells what, and since when at which price. Nothing here prices a call."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from tollbook.pricing import _catalog, _places
from tollbook.pricing._catalog import DAY
from tollbook.pricing._definition import ALWAYS, NEVER, parts
from tollbook.pricing._layer import Layer
from tollbook.pricing._names import LISTS, MAKERS
from tollbook.pricing._places import definitions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tollbook.pricing._card import Card
    from tollbook.pricing._definition import Definition
    from tollbook.pricing._layer import Below


class Entry(NamedTuple):
    """One model of one price list, with the card that prices a plain call of it."""

    provider: str
    model: str
    card: Card


class Change(NamedTuple):
    """A card from one instant on."""

    start: int | None
    """Unix nanoseconds; None: as far back as anybody knows."""
    card: Card | None


def quote(provider: str, model: str, at: int, context: Mapping[str, str] | None = None) -> Card | None:
    """As `card`, for whoever only asks: the answer is not remembered, and no ledger is told of it."""
    day = at // DAY * DAY
    return _catalog.in_force(_catalog.merged(provider, model, day, _catalog.normal(context)), at)


class Quotes:
    """As `quote`, for whoever asks it of many calls: a day's prices are looked up once, and stay as they were then."""

    _MOST = 4096

    def __init__(self) -> None:
        self._days: dict[tuple[object, ...], list[tuple[int, Card | None]]] = {}

    def __call__(self, provider: str, model: str, at: int, context: Mapping[str, str] | None = None) -> Card | None:
        """The card that is in force at `at`, Unix nanoseconds."""
        day = at // DAY * DAY
        key = (provider, model, day, *(context or {}).items())
        rows = self._days.get(key)
        if rows is None:
            if len(self._days) >= self._MOST:
                self._days.clear()
            rows = self._days[key] = _catalog.merged(provider, model, day, _catalog.normal(context))
        return _catalog.in_force(rows, at)


def overruling(provider: str, model: str, at: int) -> Card | None:
    """As `quote`, by what all sources but the last, which is the largest, say; None if they say nothing."""
    answers = (source(provider, model, at // DAY * DAY, {}) for source in _catalog.sources[:-1])
    return next((card for answer in answers if (card := _catalog.in_force(answer, at))), None)


def quote_by(
    layer: Layer, lower: Below, provider: str, model: str, at: int, context: Mapping[str, str] | None = None
) -> Card | None:
    """As `quote`, if `layer` came first and `lower` were all that lies below it."""
    rows = layer.cards(provider, model, at // DAY * DAY, _catalog.normal(context), lower)
    return _catalog.in_force(rows, at)


def entries(at: int, provider: str | None = None) -> Iterator[Entry]:
    """All models with a price as of `at` (Unix nanoseconds), each with the card that is in force for it.

    Args:
        at: Unix nanoseconds.
        provider: Only the price list of this id.
    """
    from tollbook.pricing import _genai

    seen: set[tuple[str, str]] = set()
    for seller, model, listed in _genai.listed(at, provider):
        seen.add((seller, model))
        card = overruling(seller, model, at) or listed
        if card is not None:
            yield Entry(seller, model, card)
    for seller, model in _named(each for _, each in definitions()):
        if (seller, model) not in seen and provider in {None, seller} and (card := quote(seller, model, at)):
            seen.add((seller, model))
            yield Entry(seller, model, card)


def names(found: Iterable[Definition]) -> Iterator[tuple[str, str]]:
    """(provider, model) of all that price lists name, and of what the definitions `found` call their models."""
    from tollbook.pricing import _genai

    named = [(provider.id, info.id) for provider in _genai.providers for info in provider.models]
    yield from dict.fromkeys([*named, *_named(found)])


def _named(found: Iterable[Definition]) -> Iterator[tuple[str, str]]:
    """(provider, model) of the definitions that are named as a model that they are about."""
    for each in found:
        if each.pattern.matches(each.name.lower()):
            for provider in each.providers or ("",):
                yield list_of(provider), each.name


def list_of(provider: str) -> str:
    """The id of the price list that belongs to a provider's name or host."""
    return LISTS.get(provider, provider)


def sellers() -> list[str]:
    """The ids of all price lists."""
    from tollbook.pricing import _genai

    listed = [provider.id for provider in _genai.providers]
    own = [list_of(provider) for _, each in definitions() for provider in each.providers]
    return list(dict.fromkeys([*listed, *own]))


def history(provider: str, model: str, context: Mapping[str, str] | None = None) -> list[Change]:
    """The cards of `model` one after another, the oldest first; times of day are those of each change's first day."""
    from tollbook.pricing import _genai

    turns = set(_genai.dates(provider, model))
    for part in (part for each in _about(provider, model) for part in parts(each)):
        turns |= {part.start, part.end}
    found: list[Change] = []
    for instant in (None, *sorted(turns - {ALWAYS, NEVER})):
        card = quote(provider, model, 0 if instant is None else instant, context)
        if not found or _prices(found[-1].card) != _prices(card):
            found.append(Change(instant, card))
    return found


def _about(provider: str, model: str) -> list[Definition]:
    layers = (_places.user(), _places.overlay(), _places.updated())
    return [each for layer in layers for _, each in layer.fitting(provider, model)]


def contexts(provider: str, model: str) -> list[dict[str, str]]:
    """What selects other prices of `model` than the standard ones: service tiers, batches, speeds."""
    from tollbook.pricing import _genai

    found = list(_genai.contexts(provider, model))
    for each in _about(provider, model):
        found += [context for context in contexts_of(each) if context not in found]
    return found


def contexts_of(definition: Definition) -> list[dict[str, str]]:
    """What selects a variant of a definition, each combination of values once."""
    found = [
        dict(zip(variant.when, values, strict=True))
        for variant in definition.variants
        for values in product(*variant.when.values())
    ]
    return [context for n, context in enumerate(found) if context not in found[:n]]


def changes_by(found: Iterable[Definition], at: int) -> Iterator[tuple[str, str, Card | None, Card]]:
    """(provider, model, the card that is known, the one if `found` came first) of all models that `found` is about."""
    given = list(found)
    layer = Layer("file", given)
    for provider, model in names(given):
        if layer.fitting(provider, model) and (new := quote_by(layer, _catalog.merged, provider, model, at)):
            yield provider, model, quote(provider, model, at), new


def _prices(card: Card | None) -> object:
    return card and (card.rates, card.tiers, card.layer)


def split(model: str) -> tuple[str, str] | None:
    """(`provider`, `model`) of a name that is written `provider/model`; None if it does not begin with a provider."""
    first, slash, rest = model.partition("/")
    known = first in LISTS or first in sellers()
    return (first, rest) if slash and rest and known else None


def owners(model: str, at: int, context: Mapping[str, str] | None = None) -> list[str]:
    """Whose price is meant by a model's bare name: its makers, or else all who sell it; empty if nobody is known to.

    If a definition of the user's gives it a price at any provider, that is the one, and no provider is named.

    Who resells another list's models (Google those of Anthropic) is not their maker.
    """
    from tollbook.pricing import _genai

    if quote("", model, at, context):
        return [""]  # a definition that holds at any provider
    found = [name for name in MAKERS if quote(name, model, at, context)]
    if found:
        return [name for name in found if not set(_genai.lenders(name)) & set(found)]
    return [name for name in sellers() if quote(name, model, at, context)]
