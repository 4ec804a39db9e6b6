"""Pricing: what usage costs, by dated facts with a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.pricing._card import Card, Line, Rate, Rates, Tier, card_from
    from tollbook.pricing._catalog import card, card_by_id, cards, catalog_info, load, on_new_card, price_lists
    from tollbook.pricing._cost import Cost, Status
    from tollbook.pricing._price import cost_of, lines

__all__ = [
    "Card",
    "Cost",
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
    "cost_of",
    "lines",
    "load",
    "on_new_card",
    "price_lists",
]

__getattr__ = lazily(
    __name__,
    _card="Card Line Rate Rates Tier card_from",
    _catalog="card card_by_id cards catalog_info load on_new_card price_lists",
    _cost="Cost Status",
    _price="cost_of lines",
)
