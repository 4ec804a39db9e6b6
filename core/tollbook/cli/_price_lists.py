"""Many prices at once: `tollbook prices list` and `tollbook prices diff`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tollbook._money import plain
from tollbook._prices import Price, Prices, described, dollars, instant
from tollbook.cli._forms import rows_as_csv
from tollbook.cli._text import Column, Screen, paragraph, table
from tollbook.cli._words import counted

_HEADS = (
    Column("provider"),
    Column("model", style="cyan"),
    Column("input", "money"),
    Column("cached", "money", droppable=2),
    Column("output", "money"),
    Column("other", droppable=1),
    Column("since", droppable=4),
    Column("layer", droppable=3),
)

_SHOWN = ("input", "input_cache_read", "output")


class Listed(NamedTuple):
    """A model as its provider lists it, which may be another name than the price's own."""

    provider: str
    model: str
    price: Price


def select(provider: str | None, layer: str | None, search: str | None, at: str | None = None) -> list[Listed]:
    """What fits, by provider and model.

    Raises:
        ValueError: `at` is no time, or there is no such provider.
    """
    return _select(instant(at), provider, layer, search)


def _select(moment: int, provider: str | None, layer: str | None, search: str | None) -> list[Listed]:
    from tollbook.pricing import entries, list_of, sellers

    wanted = None if provider is None else list_of(provider)
    if wanted is not None and wanted not in sellers():
        raise ValueError(f"no price list is of {provider!r}; there are: {', '.join(sorted(sellers()))}")
    text = (search or "").lower()
    return sorted(
        (
            Listed(entry.provider, entry.model, described(entry.card, moment))
            for entry in entries(moment, wanted)
            if (layer is None or entry.card.layer == layer) and text in entry.model.lower()
        ),
        key=lambda each: each[:2],
    )


def as_table(found: list[Listed], screen: Screen) -> str:
    """A line for each."""
    if not found:
        return "No price fits."
    rows = [
        [
            each.provider,
            each.model,
            *_amounts(each.price),
            _other(each.price),
            each.price.since or "",
            each.price.layer,
        ]
        for each in found
    ]
    used = [n for n, head in enumerate(_HEADS) if head.title in ("input", "output") or any(row[n] for row in rows)]
    heads = [_HEADS[n] for n in used]
    said = f"{counted(len(found), 'model')}; USD per 1M tokens"
    return "\n".join(
        [table(screen, heads, [[row[n] for n in used] for row in rows]), "", paragraph(screen, said, "dim")]
    )


def _amounts(price: Price) -> list[str]:
    """What is said of a bucket, and nothing where it is only assumed."""
    found = [None if name in price.assumed else price.prices.get(name) for name in _SHOWN]
    return ["" if unit is None else dollars(unit.usd) for unit in found]


def _other(price: Price) -> str:
    """The first price of a model that is not sold by the token."""
    if price.input is not None or price.output is not None:
        return ""
    return next((str(found) for found in price.distinct().values()), "")


def as_dict(each: Listed) -> dict[str, Any]:
    """All of it as plain data."""
    price = each.price
    return {
        "provider": each.provider,
        "model": each.model,
        "prices": prices_as_dict(price.prices),
        "layer": price.layer,
        "source": price.source,
        "since": price.since,
    }


def prices_as_dict(prices: Prices) -> dict[str, dict[str, Any]]:
    """Prices by bucket as plain data."""
    return {name: {"usd": plain(unit.usd), "per": unit.per, "unit": unit.unit} for name, unit in prices.items()}


_BUCKETS = ("input", "input_cache_read", "input_cache_write", "input_cache_write_1h", "output")


def as_csv(found: list[Listed]) -> str:
    """The prices per million tokens; what is sold by another unit is in JSON only."""
    head = ["provider", "model", *(f"{name}_usd_per_million" for name in _BUCKETS), "since", "layer", "source"]
    rows: list[list[str]] = []
    for each in found:
        prices = [each.price.prices.get(name) for name in _BUCKETS]
        amounts = ["" if unit is None else plain(unit.usd) or "" for unit in prices]
        rows.append([each.provider, each.model, *amounts, each.price.since or "", each.price.layer, each.price.source])
    return rows_as_csv(head, rows, names=(0, 1, -1))


# ---- changes -------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """One price that is another one now."""

    provider: str
    model: str
    bucket: str
    before: Decimal | None
    now: Decimal | None
    unit: str
    source: str


def changes(since: str, provider: str | None, search: str | None) -> list[Change]:
    """What differs between then and now, by provider, model and bucket.

    Raises:
        ValueError: `since` is no time, or there is no such provider.
    """
    from datetime import UTC

    from tollbook.reports import moment

    then = _select(moment(since, UTC), provider, None, search)
    now = _select(instant(None), provider, None, search)
    return _compared(then, now)


def changes_by(file: Path, provider: str | None, search: str | None) -> list[Change]:
    """What the definitions in a file would change, of what is known now.

    Raises:
        ValueError: Something in the file is wrong.
    """
    from tollbook.pricing import changes_by as changed
    from tollbook.pricing import read_file

    definitions, problems = read_file(file)
    if problems:
        raise ValueError("\n".join(map(str, problems)))
    now = instant(None)
    known, new = list[Listed](), list[Listed]()
    for seller, model, before, after in changed(definitions, now):
        if (provider is None or provider == seller) and (search or "").lower() in model.lower():
            known += [] if before is None else [Listed(seller, model, described(before, now))]
            new.append(Listed(seller, model, described(after, now)))
    return _compared(known, new)


def _compared(then: list[Listed], now: list[Listed]) -> list[Change]:
    """What differs between two lists, in the order of the second; what the second does not have is not told of."""
    before = {each[:2]: each.price for each in then}
    found: list[Change] = []
    for each in now:
        old = before.get(each[:2])
        was: Prices = {} if old is None else old.prices
        told = each.price.distinct()
        for bucket, unit in each.price.prices.items():
            if was.get(bucket) != unit and (bucket in told or (old is not None and bucket in old.distinct())):
                usd = was[bucket].usd if bucket in was else None
                found.append(Change(each.provider, each.model, bucket, usd, unit.usd, unit.unit, each.price.source))
        for bucket in was.keys() - each.price.prices.keys():
            gone = was[bucket]
            found.append(Change(each.provider, each.model, bucket, gone.usd, None, gone.unit, each.price.source))
    return found


def changes_as_text(found: list[Change], since: str, screen: Screen) -> str:
    """A line for each changed price."""
    if not found:
        return f"No price differs from those {since}."
    heads = [
        Column("provider"),
        Column("model", style="cyan"),
        Column("bucket"),
        Column("before", "money"),
        Column("now", "money"),
        Column("USD per"),
        Column("source", droppable=1),
    ]
    rows = [
        [each.provider, each.model, each.bucket, _known(each.before), _known(each.now), each.unit, each.source]
        for each in found
    ]
    return "\n".join(
        [table(screen, heads, rows), "", paragraph(screen, f"{counted(len(found), 'price')} differ", "dim")]
    )


def _known(usd: Decimal | None) -> str:
    return "none" if usd is None else dollars(usd)


def change_as_dict(each: Change) -> dict[str, Any]:
    """The change as plain data."""
    return each._asdict() | {"before": plain(each.before), "now": plain(each.now)}
