"""Price definitions for tests: a layer without the developer's own files, and costs at it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from tollbook.pricing import Card, Cost, card, cost_of, lines
from tollbook.pricing import _catalog as catalog
from tollbook.pricing import _places as places
from tollbook.pricing._definition import Definition
from tollbook.pricing._layer import Layer
from tollbook.pricing._read import read
from tollbook.usage import Usage


def at(moment: str) -> int:
    """Unix ns of an ISO time, UTC; of a day, its noon."""
    text = f"{moment}T12:00:00" if len(moment) == 10 else moment
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 10**9


def definitions(text: str) -> list[Definition]:
    """The definitions of a TOML text, which has to be right."""
    found, problems = read(tomllib.loads(text, parse_float=Decimal), "prices.toml", text)
    assert [str(problem) for problem in problems] == []
    return found


def problems(text: str) -> list[str]:
    """What is wrong in a TOML text."""
    return [str(problem) for problem in read(tomllib.loads(text, parse_float=Decimal), "prices.toml", text)[1]]


@contextmanager
def fresh() -> Iterator[None]:
    """A process that has read no definitions, and knows no card; afterwards as before."""
    sources, added = list(catalog.sources), list(places._added)
    _forget()
    try:
        yield
    finally:
        catalog.sources[:] = sources
        places._added[:] = added
        _forget()


def _forget() -> None:
    places._own._by_code = False
    places._overlay = None
    places.reload_definitions()


def use(text: str, layer: str = "user") -> None:
    """Make the definitions of a TOML text those of a layer."""
    found = Layer(layer, definitions(text)), []
    if layer == "user":
        places._user = found
    else:
        places._overlay = found
    catalog.forget()


def priced(
    model: str,
    quantities: dict[str, int],
    context: Mapping[str, str] | None = None,
    *,
    provider: str | None = "acme",
    when: str = "2026-11-20",
) -> Cost:
    """The cost of quantities, whose lines add up to it."""
    usage = Usage(quantities)
    cost = cost_of(usage, provider, model, at(when), dict(context or {}))
    assert cost is not None
    assert sum(line.amount or 0 for line in lines(usage, cost)) == (cost.total or 0)
    return cost


def usd(
    model: str, quantities: dict[str, int], context: Mapping[str, str] | None = None, **more: Any
) -> Decimal | None:
    """The total of `priced`, which has to be exact."""
    cost = priced(model, quantities, context, **more)
    assert (cost.status, cost.assumptions) == ("exact", ())
    return cost.total_usd


def found(
    model: str, context: Mapping[str, str] | None = None, provider: str = "acme", when: str = "2026-11-20"
) -> Card:
    """The card of a call, which has to be there."""
    result = card(provider, model, at(when), context)
    assert result is not None
    return result
