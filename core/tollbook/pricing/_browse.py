"""Looking around in the catalog: who sells what, and since when at which price. Nothing here prices a call."""

from __future__ import annotations

from typing import NamedTuple

from tollbook.pricing import _catalog
from tollbook.pricing._catalog import DAY
from tollbook.pricing._names import LISTS, MAKERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tollbook.pricing._card import Card


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


def overruling(provider: str, model: str, at: int) -> Card | None:
    """As `quote`, by what all sources but the last, which is the largest, say; None if they say nothing."""
    answers = (source(provider, model, at // DAY * DAY, {}) for source in _catalog.sources[:-1])
    return next((card for answer in answers if (card := _catalog.in_force(answer, at))), None)


def entries(at: int, provider: str | None = None) -> Iterator[Entry]:
    """All models with a price as of `at` (Unix nanoseconds), each with the card that is in force for it.

    Args:
        at: Unix nanoseconds.
        provider: Only the price list of this id.
    """
    from tollbook.pricing import _genai

    for seller, model, listed in _genai.listed(at, provider):
        card = overruling(seller, model, at) or listed
        if card is not None:
            yield Entry(seller, model, card)


def list_of(provider: str) -> str:
    """The id of the price list that belongs to a provider's name or host."""
    return LISTS.get(provider, provider)


def sellers() -> list[str]:
    """The ids of all price lists."""
    from tollbook.pricing import _genai

    return [provider.id for provider in _genai.providers]


def history(provider: str, model: str, context: Mapping[str, str] | None = None) -> list[Change]:
    """The cards of `model` one after another, the oldest first; times of day are those of each change's first day."""
    from tollbook.pricing import _genai

    found: list[Change] = []
    for instant in (None, *_genai.dates(provider, model)):
        card = quote(provider, model, 0 if instant is None else instant, context)
        if not found or _prices(found[-1].card) != _prices(card):
            found.append(Change(instant, card))
    return found


def contexts(provider: str, model: str) -> list[dict[str, str]]:
    """What selects other prices of `model` than the standard ones: service tiers, batches, speeds."""
    from tollbook.pricing import _genai

    return _genai.contexts(provider, model)


def _prices(card: Card | None) -> object:
    return card and (card.rates, card.tiers, card.layer)


def split(model: str) -> tuple[str, str] | None:
    """(`provider`, `model`) of a name that is written `provider/model`; None if it does not begin with a provider."""
    first, slash, rest = model.partition("/")
    known = first in LISTS or first in sellers()
    return (first, rest) if slash and rest and known else None


def owners(model: str, at: int, context: Mapping[str, str] | None = None) -> list[str]:
    """Whose price is meant by a model's bare name: its makers, or else all who sell it; empty if nobody is known to.

    Who resells another list's models (Google those of Anthropic) is not their maker.
    """
    from tollbook.pricing import _genai

    found = [name for name in MAKERS if quote(name, model, at, context)]
    if found:
        return [name for name in found if not set(_genai.lenders(name)) & set(found)]
    return [name for name in sellers() if quote(name, model, at, context)]
