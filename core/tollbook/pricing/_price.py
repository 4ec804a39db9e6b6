"""The price of a call: quantities times rates, in whole pico-dollars."""

from __future__ import annotations

from tollbook._money import MOST, PICO
from tollbook.pricing._card import Card, Line, amount, rates_at
from tollbook.pricing._catalog import DAY, Compiled, card_by_id, compiled, known
from tollbook.pricing._cost import Cost, Status
from tollbook.usage import BUCKETS, INPUT_TOKENS, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST = MOST * PICO
_TOO_MUCH = f"no price for so much: it would be more than {MOST:,} USD"


def cost_of(
    usage: Usage | None, provider: str | None, model: str | None, start: int, context: dict[str, str] | None = None
) -> Cost | None:
    """What `usage` cost; None if there is no usage to price.

    A model without a known price gives a cost whose `total` is None, never 0. Never raises.

    Args:
        usage: What the call used.
        provider: `gen_ai.provider.name`, or a host.
        model: As served, or as requested if the response names none.
        start: When the call started, Unix time in nanoseconds: the prices of that time apply.
        context: What was served beside the model: `service_tier`, `speed`, `region`, `processing`, ...
    """
    if usage is None:
        return None
    day = start // DAY
    found = known.get((provider, model, day, *context.items()) if context else (provider, model, day))
    if type(found) is not Compiled:  # not asked before, or the price depends on the time of day
        found = compiled(provider, model, start, context)
    table = found.table
    quantities = usage.quantities
    if table is None or usage.parts or (found.most and sum(quantities.values()) > found.most):
        return _general(usage, provider, model, start, context)
    sent = generated = other = 0
    try:
        for name, quantity in quantities.items():
            slot, rate = table[name]
            if slot == 0:
                sent += quantity * rate
            elif slot == 1:
                generated += quantity * rate
            else:
                other += quantity * rate
    except KeyError:  # no price, or one that needs more than a product
        return _general(usage, provider, model, start, context)
    total = sent + generated + other
    if not quantities or total >= _MOST:  # something was used, and nobody knows how much, or it can't be true
        return _general(usage, provider, model, start, context)
    if usage.charge is not None:
        return Cost(usage.charge, sent, generated, other, "exact", total, found.ids, found.notes)
    status: Status = "estimated" if found.notes or _doubtful(usage) else "exact"
    return Cost(total, sent, generated, other, status, None, found.ids, found.notes)


def lines(usage: Usage, cost: Cost, cards: Mapping[str, Card] | None = None) -> list[Line]:
    """The rows behind `cost`, whose amounts add up to `cost.total` to the last digit.

    Where the total is the provider's or the program's own figure, a last row holds what it adds to the list price.

    Args:
        usage: What the cost was computed from.
        cost: As computed.
        cards: The cards of `cost.cards` by id; None: those that this process has used.

    Raises:
        LookupError: A card of the cost is not among `cards`.
    """
    used = [_held(id_, cards) for id_ in cost.cards] or [None]
    rows = _rows(usage, None, used)
    rest = (cost.total or 0) - sum(row.amount or 0 for row in rows)
    if cost.total is not None and rest:
        rows.append(Line("manual" if cost.status == "manual" else "charge", 1, None, rest, "", None))
    return rows


def _held(id_: str, cards: Mapping[str, Card] | None) -> Card | None:
    found = None if not id_ else card_by_id(id_) if cards is None else cards.get(id_)
    if id_ and found is None:
        raise LookupError(f"rate card {id_} is not at hand")
    return found


def _general(usage: Usage, provider: str | None, model: str | None, start: int, context: dict[str, str] | None) -> Cost:
    """As `cost_of`, for all that its quick way does not cover."""
    used = [compiled(provider, model, start, context).card]
    if not usage.parts and (not usage.quantities or (used[0] is None and usage.charge is None)):
        return Cost(total=usage.charge, status="unpriced" if usage.charge is None else "exact")
    used += [compiled(provider, part.model or model, start, context).card for part in usage.parts]
    return _by(usage, model, used)


def list_price(usage: Usage, card: Card) -> int | None:
    """What `usage`, which has no parts, comes to by the rates of `card`, in pico-dollars; None if any price is missing.

    For asking what another model would have cost: whatever was charged is left aside.
    """
    if usage.parts or not usage.quantities:
        return None
    found = _by(usage, card.model, [card])
    total = found.total if usage.charge is None else found.listed
    return (
        None if found.status == "unpriced" or any(note.startswith("no price ") for note in found.assumptions) else total
    )


def rates_of(card: Card, usage: Usage, buckets: Sequence[str], quantity: int) -> list[int] | None:
    """What `quantity` units of each of the buckets would cost in this request; None if one has no price."""
    rates = rates_at(card, sum(n for name, n in usage.quantities.items() if name in INPUT_TOKENS))
    found = [rates.get(name) for name in buckets]
    known = [amount(quantity, rate) for rate in found if rate is not None]
    return known if len(known) == len(found) else None


def _by(usage: Usage, model: str | None, used: Sequence[Card | None]) -> Cost:
    """The cost by the cards `used` of the response and of each part."""
    rows = _rows(usage, model, used)
    sums = {"input": 0, "output": 0, "tool": 0, "other": 0}
    for row in rows:
        sums[BUCKETS[row.bucket].direction if row.bucket in BUCKETS else "other"] += row.amount or 0
    notes = _notes(rows, used)
    status = _status(usage, rows, used[0], notes)
    listed = sum(sums.values()) if status != "unpriced" else None
    charged = usage.charge is not None
    if listed is not None and listed >= _MOST:
        return Cost(total=usage.charge, status="exact" if charged else "unpriced", assumptions=(_TOO_MUCH,))
    return Cost(
        total=usage.charge if charged else listed,
        input=None if listed is None else sums["input"],
        output=None if listed is None else sums["output"],
        other=sums["tool"] + sums["other"],
        status="exact" if charged else status,
        listed=listed if charged else None,
        cards=tuple(each.id if each else "" for each in used) if any(used) else (),
        assumptions=notes,
    )


def _rows(usage: Usage, model: str | None, used: Sequence[Card | None]) -> list[Line]:
    """The rows of the response, then of each part; `used` are their cards, in that order."""
    rows = _response(usage.quantities, used[0], model, "")
    fee = used[0] and used[0].rates.get("requests")
    if used[0] and fee and "requests" not in usage.quantities:
        rows.append(Line("requests", 1, fee, amount(1, fee), used[0].id, used[0].model))
    for n, part in enumerate(usage.parts):
        # A cost without cards knows no price of any part.
        rows += _response(part.quantities, used[n + 1] if n + 1 < len(used) else None, part.model or model, part.kind)
    return rows


def _response(quantities: Mapping[str, int], card: Card | None, model: str | None, part: str) -> list[Line]:
    if card is None:
        return [Line(name, quantity, None, None, "", model, part) for name, quantity in quantities.items() if quantity]
    rates = rates_at(card, sum(quantity for name, quantity in quantities.items() if name in INPUT_TOKENS))
    rows: list[Line] = []
    for name, quantity in quantities.items():
        if quantity:
            billed = max(quantity, card.minimum.get(name, 0))
            rate = rates.get(name)
            cost = None if rate is None else amount(billed, rate)
            rows.append(Line(name, billed, rate, cost, card.id, card.model, part))
    return rows


def _notes(rows: Sequence[Line], used: Sequence[Card | None]) -> tuple[str, ...]:
    """What is assumed, and what has no price, each said once."""
    priced = any(row.amount is not None for row in rows)
    notes: dict[str, None] = {}
    assumed: dict[tuple[str, str], str] = {}
    for card in used:
        if card is not None:
            notes.update(dict.fromkeys(card.assumptions))
            assumed.update({(card.id, bucket): note for bucket, note in card.assumed.items()})
    for row in rows:
        if row.amount is not None:
            if note := assumed.get((row.card, row.bucket)):
                notes[note] = None
        elif row.card:
            notes[f"no price for {row.bucket}"] = None
        elif priced:  # else the status says it all
            notes[f"no price for {row.model}"] = None
    return tuple(notes)


def _status(usage: Usage, rows: Sequence[Line], card: Card | None, notes: tuple[str, ...]) -> Status:
    priced = any(row.amount is not None for row in rows)
    missing = any(row.amount is None for row in rows)
    if not priced and (missing or card is None):
        return "unpriced"
    if missing:
        return "partial"
    return "estimated" if notes or _doubtful(usage) else "exact"


def _doubtful(usage: Usage) -> bool:
    """Whether the quantities are not simply what the provider said."""
    return bool(usage.flags) or bool(usage.estimated) or usage.source == "estimated"
