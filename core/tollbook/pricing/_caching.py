"""What a provider's cache was worth to a call: against the same call with nothing cached."""

from __future__ import annotations

import msgspec

from tollbook.pricing._card import amount, rates_at
from tollbook.usage import CACHE_READS, CACHE_WRITES, INPUT_TOKENS, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tollbook.pricing._card import Card
    from tollbook.pricing._cost import Cost

UNCACHED = {name: name.partition("_cache_")[0] for name in CACHE_READS | CACHE_WRITES}
"""The bucket that tokens would be in if they were not cached, by the one they are in."""


class CacheImpact(msgspec.Struct, frozen=True):
    """What one call read from caches and wrote to them. Money is pico-dollars, by the call's own rate card."""

    read_tokens: int = 0
    write_tokens: int = 0
    saved: int | None = 0
    """What the tokens read cost less than uncached; None: a price of it is not known."""
    extra: int | None = 0
    """What the tokens written cost more than uncached; None: a price of it is not known."""


NOTHING = CacheImpact()
"""Of a call that no cache had a part in."""


def cache_impact(usage: Usage, cost: Cost | None, card: Callable[[str], Card | None]) -> CacheImpact:
    """What caches were worth to the call that used `usage` and cost `cost`.

    By list prices, also where the provider or the program stated the cost: a charge says nothing of its parts.

    Args:
        usage: What the call used.
        cost: What it cost, which names the rate cards; None: no price is known.
        card: Gives the card of an id; None if it is not to be had.
    """
    responses = [usage.quantities, *(part.quantities for part in usage.parts)]
    found = NOTHING
    for n, quantities in enumerate(responses):
        if not UNCACHED.keys().isdisjoint(quantities):
            ids = () if cost is None else cost.cards
            used = card(ids[n]) if n < len(ids) and ids[n] else None
            found = _sum(found, _of_response(quantities, used))
    return found


def _of_response(quantities: Mapping[str, int], card: Card | None) -> CacheImpact:
    read = {name: quantity for name, quantity in quantities.items() if quantity and name in CACHE_READS}
    written = {name: quantity for name, quantity in quantities.items() if quantity and name in CACHE_WRITES}
    sent = sum(quantity for name, quantity in quantities.items() if name in INPUT_TOKENS)
    less = _difference(read, card, sent)
    return CacheImpact(
        read_tokens=sum(read.values()),
        write_tokens=sum(written.values()),
        saved=None if less is None else -less,
        extra=_difference(written, card, sent),
    )


def _difference(quantities: Mapping[str, int], card: Card | None, sent: int) -> int | None:
    """What the quantities cost beyond what they would have cost uncached; None if a price is not known."""
    if not quantities:
        return 0
    if card is None:
        return None
    rates = rates_at(card, sent)
    total = 0
    for name, quantity in quantities.items():
        paid, plain = rates.get(name), rates.get(UNCACHED[name])
        if paid is None or plain is None:
            return None
        total += amount(quantity, paid) - amount(quantity, plain)
    return total


def _sum(a: CacheImpact, b: CacheImpact) -> CacheImpact:
    return CacheImpact(
        read_tokens=a.read_tokens + b.read_tokens,
        write_tokens=a.write_tokens + b.write_tokens,
        saved=None if a.saved is None or b.saved is None else a.saved + b.saved,
        extra=None if a.extra is None or b.extra is None else a.extra + b.extra,
    )
