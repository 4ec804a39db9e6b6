"""`tollbook prices explain`: how the cost of a call was computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from tollbook._money import plain, show, to_usd
from tollbook._prices import CostLine, cost_lines, no_price
from tollbook.cli._price_card import told_source
from tollbook.cli._text import Column, Screen, clean, paragraph, table

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.pricing import Card
    from tollbook.spans import Record


class Explained(NamedTuple):
    """A call, with all that its cost was made from."""

    record: Record
    cards: Mapping[str, Card]
    """By id, in the order of their use."""
    lines: list[CostLine] | None
    """None: a card that was used is not in the ledger."""
    counts: bool
    """Whether its cost is in totals; a span above may say what all of it cost."""


def find(store: Store, beginning: str) -> list[Explained]:
    """The calls of the trace, or the one span, that is meant, in order of their start.

    Raises:
        ClickException: There is none, or more than one.
        StoreError: The ledger can't be read.
    """
    from tollbook.spans._trace import billed

    trace_id, span_id = _which(store, beginning)
    records = store.trace(trace_id)
    counting = {record.span_id for record in billed(records)}
    wanted = [r for r in records if r.span_id == span_id or (span_id is None and (r.bills or r.cost is not None))]
    return [_explained(store, record, counts=record.span_id in counting) for record in wanted]


def _which(store: Store, beginning: str) -> tuple[str, str | None]:
    """The trace, and the span if one is meant."""
    if beginning == "last":
        last = store.last_trace_id()
        if last is None:
            raise click.ClickException(f"no trace is recorded yet in {store.path}")
        return last, None
    text = beginning.lower()
    found: list[tuple[str, str | None]] = [(each, None) for each in store.find_traces(text, limit=6)]
    if not found and len(text) <= 16:
        found += store.find_spans(text, limit=6)
    if not found:
        raise click.ClickException(f"no trace or span begins with {beginning!r} in {store.path}")
    if len(found) > 1:
        shown = ", ".join(span or trace for trace, span in found[:5]) + (", ..." if len(found) > 5 else "")
        raise click.ClickException(f"more than one begins with {beginning!r}: {shown}")
    return found[0]


def _explained(store: Store, record: Record, *, counts: bool) -> Explained:
    from tollbook.pricing import card_from, lines

    cards: dict[str, Card] = {}
    for id_ in record.cost.cards if record.cost else ():
        raw = store.card(id_) if id_ else None
        if raw is not None:
            try:
                cards[id_] = card_from(raw)
            except msgspec.ValidationError:  # written by another version
                continue
    if record.usage is None or record.cost is None:
        return Explained(record, cards, [], counts)
    try:
        rows = cost_lines(lines(record.usage, record.cost, cards), cards)
    except LookupError:
        return Explained(record, cards, None, counts)
    return Explained(record, cards, rows, counts)


# ---- text ----------------------------------------------------------------------------------------------------


def as_text(found: list[Explained], screen: Screen) -> str:
    """Each call, one below the other."""
    if not found:
        return "No call in it has a cost."
    return "\n\n\n".join("\n".join(_call(each, screen)) for each in found)


def _call(each: Explained, screen: Screen) -> Iterator[str]:
    record, cost = each.record, each.record.cost
    status = "no cost" if cost is None else cost.status
    total = "" if cost is None or cost.total is None else f"{show(cost.total_usd)}, "
    yield screen.paint(f"{clean(record.name)} {record.span_id}", "bold")
    yield paragraph(screen, f"{_model(record)}, {_moment(record):%Y-%m-%d %H:%M:%S} UTC: {total}{status}")
    if each.lines:
        yield ""
        yield _table(each.lines, record, screen)
    yield ""
    for word, text in reasons(each):
        room = screen._replace(width=screen.width and max(screen.width - 10, 20), colour=False)
        told = paragraph(room, text, indent="").replace("\n", "\n" + " " * 10)
        yield f"{screen.paint(word.ljust(8), 'yellow' if word in _WARNINGS else 'dim')}  {told}"


_WARNINGS = {"assumed", "missing", "note"}


def _model(record: Record) -> str:
    model = record.response_model or record.request_model
    return f"{model or 'no model named'}{f' at {record.provider}' if record.provider else ''}"


def _table(lines: list[CostLine], record: Record, screen: Screen) -> str:
    parts = any(line.part or line.model not in (None, lines[0].model) for line in lines)
    heads = [Column("", style="cyan"), Column("quantity", "number"), Column("price", "number"), Column("USD", "money")]
    if parts:
        heads.insert(1, Column("of"))
    rows: list[list[str]] = []
    for line in lines:
        estimated = record.usage is not None and line.bucket in record.usage.estimated
        row = [
            line.bucket,
            f"{'~' if estimated else ''}{line.quantity:,}" if line.price or line.amount is None else "",
            str(line.price or ("" if line.amount is not None else "none known")),
            "unpriced" if line.amount is None else plain(line.amount) or "",
        ]
        if parts:
            row.insert(1, " ".join(filter(None, (line.part, line.model))))
        rows.append(row)
    cost = record.cost
    total = None
    if len(rows) > 1 and cost is not None and cost.total is not None:
        total = ["total", *[""] * (len(heads) - 2), plain(cost.total_usd) or ""]
    return table(screen, heads, rows, total)


def reasons(each: Explained) -> Iterator[tuple[str, str]]:
    """What a reader should know, each with the word that it is filed under."""
    record, cost, used = each.record, each.record.cost, each.record.usage
    if used is None:
        yield "usage", "not known" if record.status == "ok" else f"not known, since the call ended as {record.status}"
    else:
        yield "usage", _usage(record)
    for card in each.cards.values():
        yield "price", _price(card)
        yield from (("from", text) for text in told_source(card)[1:])
        yield "why", _why(record, card)
    if each.lines is None:
        yield "missing", "a rate card that was used is not in the ledger, so the lines can't be shown"
    if cost is not None and cost.listed is not None and cost.total is not None:
        more = to_usd(cost.total - cost.listed)
        by = show(more.copy_abs())
        differs = "the same" if not more else f"{by} {'more' if more > 0 else 'less'} than the list says"
        yield "charged", f"the provider said {show(cost.total_usd)}: {differs} ({show(to_usd(cost.listed))})"
    elif used is not None and used.charge is not None:
        yield "charged", "the provider said what it cost; no list price is known beside it"
    if cost is not None and cost.status == "manual":
        yield "cost", "set by the program, in place of any price"
    if cost is not None and cost.status == "unpriced":
        name = record.response_model or record.request_model
        yield "missing", no_price(name, record.provider) if name else "the model has no name"
        yield "to do", "tollbook prices unpriced shows the line that gives it a price"
    for text in cost.assumptions if cost else ():
        yield "assumed" if not text.startswith("no price for") else "missing", text
    if not each.counts and record.bills:
        yield "note", "it is in no total, since a span above says what all of it cost"


def _usage(record: Record) -> str:
    used = record.usage
    assert used is not None
    text = {"reported": "reported by the provider", "manual": "set by the program"}.get(used.source, "estimated")
    if used.source == "estimated" or used.estimated:
        band = f", ±{used.band:.0%}" if used.band else ""
        some = f" but for {', '.join(used.estimated)}" if used.source != "estimated" else ""
        by = f"{some}, which is estimated" if some else ""
        text = f"{text}{by} by {used.method or 'its text'}{band}"
    flags = f"; what was reported is contradictory: {', '.join(used.flags)}" if used.flags else ""
    return f"{text}{flags}"


def _price(card: Card) -> str:
    layer = "" if card.source.startswith(card.layer) else f" (layer {card.layer})"
    since = f"in force since {card.since}" if card.since else "whose first day it does not state"
    where = f" in the list of {card.provider}" if card.provider else ""
    return f"{card.model}{where}, from {card.source}{layer}, {since}; card {card.id}"


def _why(record: Record, card: Card) -> str:
    """What selected the price: the model, the day, and what was served beside."""
    answered = record.response_model
    said = f"{answered} answered" if answered else f"{record.request_model} was asked for (no answer named a model)"
    selected = "".join(f", {key}={value}" for key, value in card.context.items())
    rest = [f"{key}={value}" for key, value in (record.context or {}).items() if card.context.get(key) != value]
    beside = f"; {', '.join(rest)} selects no other price" if rest else ""
    return f"{said}, {_moment(record):%Y-%m-%d} (UTC){selected}{beside}"


def _moment(record: Record) -> datetime:
    return datetime.fromtimestamp(record.start // 1_000_000_000, UTC)


def as_json(each: Explained) -> dict[str, Any]:
    """The call as plain data; money as decimal text."""
    record, cost, used = each.record, each.record.cost, each.record.usage
    return {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "name": record.name,
        "provider": record.provider,
        "request_model": record.request_model,
        "response_model": record.response_model,
        "start_time_ns": record.start,
        "context": record.context or {},
        "usage_source": None if used is None else used.source,
        "status": None if cost is None else cost.status,
        "total_usd": None if cost is None else plain(cost.total_usd),
        "listed_usd": None if cost is None or cost.listed is None else plain(to_usd(cost.listed)),
        "assumptions": [] if cost is None else list(cost.assumptions),
        "counts": each.counts,
        "lines": None if each.lines is None else [_line(line) for line in each.lines],
        "cards": [msgspec.to_builtins(card) for card in each.cards.values()],
    }


def _line(line: CostLine) -> dict[str, Any]:
    price = line.price
    return {
        "bucket": line.bucket,
        "part": line.part or None,
        "model": line.model,
        "quantity": line.quantity,
        "price_usd": None if price is None else plain(price.usd),
        "per": None if price is None else price.per,
        "unit": None if price is None else price.unit,
        "amount_usd": plain(line.amount),
        "source": line.source,
    }
