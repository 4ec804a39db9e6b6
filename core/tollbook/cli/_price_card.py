"""`tollbook prices show`: one model's price, its tiers and variants, and its history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tollbook._prices import Price, Prices, described, dollars, instant, no_price, resolve
from tollbook.cli._price_lists import prices_as_dict
from tollbook.cli._text import Cell, Column, Screen, clean, paragraph, table

if TYPE_CHECKING:
    from tollbook.pricing import Card


class Found(NamedTuple):
    """A model that has a price."""

    provider: str
    model: str
    """As asked for."""
    context: dict[str, str]
    price: Price


def pairs(texts: tuple[str, ...], option: str = "--with", example: str = "service_tier=priority") -> dict[str, str]:
    """`KEY=VALUE` as a dict.

    Raises:
        ValueError: One is not written so.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key or not value:
            raise ValueError(f"{option} takes KEY=VALUE, such as {example}, and not {text!r}")
        found[key] = value
    return found


def find(model: str, provider: str | None, at: str | None, context: tuple[str, ...]) -> Found:
    """The price of `model`.

    Raises:
        ValueError: No time, no context, or several providers.
        ClickException: There is none.
    """
    from tollbook.pricing import quote

    moment, served = instant(at), pairs(context)
    seller, name = resolve(model, provider, moment, served)
    card = None if seller is None else quote(seller, name, moment, served)
    if card is None or seller is None:
        raise click.ClickException(clean(no_price(model, provider)) + _alike(name))
    return Found(seller, name, served, described(card, moment))


def _alike(model: str) -> str:
    """Names that may have been meant; only told, never used."""
    import difflib

    from tollbook.pricing import entries

    names = {entry.model.lower(): entry.model for entry in entries(instant(None))}
    found = difflib.get_close_matches(model.lower(), names, 4, 0.75)
    return f"; alike are: {', '.join(clean(names[name]) for name in found)}" if found else ""


def as_text(found: Found, screen: Screen) -> str:
    """The price for a terminal."""
    price = found.price
    heads = [Column("", style="cyan"), Column("standard" if not price.context else "price", "money")]
    heads += [Column(f"{'>' if t.operator == 'gt' else '>='} {t.threshold:,}", "money") for t in price.tiers]
    heads.append(Column("USD per"))
    rows = [
        [
            name,
            dollars(unit.usd),
            *(dollars(tier.prices[name].usd) if name in tier.prices else "" for tier in price.tiers),
            unit.unit,
        ]
        for name, unit in price.distinct().items()
    ]
    title = f"{clean(price.model)} at {clean(price.provider)}"
    selected = "".join(f", {key}={value}" for key, value in price.context.items())
    lines = [
        screen.paint(title, "bold") + clean(selected) + f", {price.at:%Y-%m-%d} (UTC)",
        "",
        table(screen, heads, rows),
        "",
    ]
    if price.tiers:
        lines.append(paragraph(screen, "> input tokens, cached ones included: the whole request costs so", "dim"))
    lines += [paragraph(screen, text, "yellow") for text in price.assumptions]
    lines += [paragraph(screen, text, "dim") for text in told_source(price.card)]
    others = _variants(found)
    if others:
        lines += ["", _variant_table(others, screen)]
    return "\n".join(lines)


def told_source(card: Card) -> list[str]:
    """Where a price is from and since when it holds, in sentences."""
    since = f", in force since {card.since}" if card.since else ""
    said = [f"from {card.source}{since}"]
    for origin in card.origins:
        checked = f", checked {origin.checked}" if origin.checked else ""
        from_ = f": {origin.source}" if origin.source else ""
        said.append(f"definition {origin.name!r} ({origin.layer}){from_}{checked}")
    return said


def _variants(found: Found) -> list[tuple[dict[str, str], Price]]:
    """The prices of the model for what it can be asked for beside; none if one of them was asked for."""
    from tollbook.pricing import contexts, quote

    if found.context:
        return []
    at = instant(found.price.at)
    cards = [(each, quote(found.provider, found.model, at, each)) for each in contexts(found.provider, found.model)]
    return [(each, described(card, at)) for each, card in cards if card is not None and card.context]


def _variant_table(others: list[tuple[dict[str, str], Price]], screen: Screen) -> str:
    """A line for each price, with all values that select it."""
    buckets = [n for n in ("input", "input_cache_read", "output") if any(n in price.prices for _, price in others)]
    heads = [Column("--with", style="cyan"), *(Column(name.removeprefix("input_"), "money") for name in buckets)]
    found: dict[tuple[str, ...], list[str]] = {}
    for context, price in others:
        amounts = [dollars(price.prices[name].usd) if name in price.prices else "" for name in buckets]
        *first, (key, value) = context.items()
        said = "".join(f"{name}={text} " for name, text in first) + f"{key}="
        found.setdefault((said, *amounts), []).append(value)
    rows = [[said + ", ".join(values), *amounts] for (said, *amounts), values in found.items()]
    return table(screen, heads, rows)


def as_json(found: Found) -> dict[str, Any]:
    """The price as plain data."""
    price = found.price
    return {
        "provider": price.provider,
        "model": price.model,
        "at": price.at.isoformat(),
        "prices": prices_as_dict(price.prices),
        "tiers": [
            {"threshold": tier.threshold, "operator": tier.operator, "prices": prices_as_dict(tier.prices)}
            for tier in price.tiers
        ],
        "layer": price.layer,
        "source": price.source,
        "definition": price.definition,
        "since": price.since,
        "context": dict(price.context),
        "assumptions": list(price.assumptions),
        "assumed": dict(price.assumed),
        "card": price.card.id,
    }


# ---- history -------------------------------------------------------------------------------------------------


def _history(found: Found) -> list[tuple[int | None, Price | None]]:
    from tollbook.pricing import history

    rows = history(found.provider, found.model, found.context)
    return [(row.start, None if row.card is None else described(row.card, row.start or 0)) for row in rows]


def history_as_text(found: Found, screen: Screen) -> str:
    """The prices one after another; what is in force stands out."""
    rows = _history(found)
    now = instant(found.price.at)
    current = max((n for n, (start, _) in enumerate(rows) if start is None or start <= now), default=0)
    buckets = [
        name
        for name in found.price.distinct()
        if found.price.prices[name].per == 1_000_000 and name.startswith(("input", "output"))
    ]
    shown = [name for name in buckets if name in ("input", "input_cache_read", "input_cache_write", "output")]
    shown = shown or list(found.price.distinct())[:3]
    heads = [Column("from (UTC)"), *(Column(name.removeprefix("input_"), "money") for name in shown)]
    heads += [Column("layer"), Column("", droppable=1)]
    cells: list[list[str | Cell]] = []
    for n, (start, price) in enumerate(rows):
        prices: Prices = {} if price is None else price.prices
        mark = "now" if n == current else "to come" if start is not None and start > now else ""
        style = "bold" if n == current else ""
        cells.append(
            [
                Cell(_day(start), style),
                *(Cell(dollars(prices[name].usd) if name in prices else "", style) for name in shown),
                "" if price is None else price.layer,
                mark,
            ]
        )
    unit = found.price.prices[shown[0]].unit
    title = screen.paint(f"{clean(found.model)} at {clean(found.provider)}", "bold") + f", USD per {unit}"
    return "\n".join([title, "", table(screen, heads, cells)])


def _day(start: int | None) -> str:
    if start is None:
        return "the first"
    found = datetime.fromtimestamp(start // 1_000_000_000, UTC)
    return f"{found:%Y-%m-%d}" if not start % 86_400_000_000_000 else f"{found:%Y-%m-%d %H:%M}"


def history_as_json(found: Found) -> list[dict[str, Any]]:
    """The prices one after another, as plain data."""
    return [
        {
            "start": None if start is None else datetime.fromtimestamp(start // 1_000_000_000, UTC).isoformat(),
            "prices": None if price is None else prices_as_dict(price.prices),
            "layer": None if price is None else price.layer,
            "source": None if price is None else price.source,
        }
        for start, price in _history(found)
    ]
