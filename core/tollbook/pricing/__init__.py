"""Pricing: what usage costs, by dated facts with a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.pricing._browse import (
        Change,
        Entry,
        contexts,
        entries,
        history,
        list_of,
        owners,
        quote,
        sellers,
        split,
    )
    from tollbook.pricing._card import Card, Line, Rate, Rates, Tier, card_from
    from tollbook.pricing._catalog import card, card_by_id, cards, catalog_info, load, on_new_card, price_lists
    from tollbook.pricing._cost import Cost, Status
    from tollbook.pricing._price import cost_of, lines

__all__ = [
    "Card",
    "Change",
    "Cost",
    "Entry",
    "Line",
    "Rate",
    "Rates",
    "Status",
    "Tier",
    "card",
    "card_by_id",
    "card_from",
    "cards",
    "catalog_info",
    "contexts",
    "cost_of",
    "entries",
    "history",
    "lines",
    "list_of",
    "load",
    "on_new_card",
    "owners",
    "price_lists",
    "quote",
    "sellers",
    "split",
]

__getattr__ = lazily(
    __name__,
    _browse="Change Entry contexts entries history list_of owners quote sellers split",
    _card="Card Line Rate Rates Tier card_from",
    _catalog="card card_by_id cards catalog_info load on_new_card price_lists",
    _cost="Cost Status",
    _price="cost_of lines",
)
