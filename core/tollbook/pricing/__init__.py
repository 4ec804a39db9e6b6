"""Pricing: what usage costs, by dated facts with a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.pricing._browse import (
        Change,
        Entry,
        Quotes,
        changes_by,
        contexts,
        entries,
        history,
        list_of,
        owners,
        quote,
        sellers,
        split,
    )
    from tollbook.pricing._caching import CacheImpact, cache_impact
    from tollbook.pricing._card import Card, Line, Origin, Rate, Rates, Tier, card_from
    from tollbook.pricing._catalog import card, card_by_id, cards, catalog_info, load, on_new_card, price_lists
    from tollbook.pricing._cost import Cost, Status
    from tollbook.pricing._definition import Definition, Problem
    from tollbook.pricing._family import smaller, smaller_models
    from tollbook.pricing._places import (
        add_prices,
        check,
        definition_errors,
        definitions,
        reload_definitions,
        tokenizer_of,
        update_in_use,
    )
    from tollbook.pricing._price import cost_of, lines, list_price, rates_of
    from tollbook.pricing._read import read_content, read_file

__all__ = [
    "CacheImpact",
    "Card",
    "Change",
    "Cost",
    "Definition",
    "Entry",
    "Line",
    "Origin",
    "Problem",
    "Quotes",
    "Rate",
    "Rates",
    "Status",
    "Tier",
    "add_prices",
    "cache_impact",
    "card",
    "card_by_id",
    "card_from",
    "cards",
    "catalog_info",
    "changes_by",
    "check",
    "contexts",
    "cost_of",
    "definition_errors",
    "definitions",
    "entries",
    "history",
    "lines",
    "list_of",
    "list_price",
    "load",
    "on_new_card",
    "owners",
    "price_lists",
    "quote",
    "rates_of",
    "read_content",
    "read_file",
    "reload_definitions",
    "sellers",
    "smaller",
    "smaller_models",
    "split",
    "tokenizer_of",
    "update_in_use",
]

__getattr__ = lazily(
    __name__,
    _browse="Change Entry Quotes changes_by contexts entries history list_of owners quote sellers split",
    _caching="CacheImpact cache_impact",
    _card="Card Line Origin Rate Rates Tier card_from",
    _catalog="card card_by_id cards catalog_info load on_new_card price_lists",
    _cost="Cost Status",
    _definition="Definition Problem",
    _family="smaller smaller_models",
    _places="add_prices check definition_errors definitions reload_definitions tokenizer_of update_in_use",
    _price="cost_of lines list_price rates_of",
    _read="read_content read_file",
)
