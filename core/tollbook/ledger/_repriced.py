"""What is to be repriced, what that came to, and what calls cost before."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec

from tollbook._money import to_usd
from tollbook.pricing import Cost

if TYPE_CHECKING:
    import sqlite3


class Selection(msgspec.Struct, kw_only=True, frozen=True):
    """Which calls are repriced, and at the prices of which day."""

    since: int | None = None
    """Unix nanoseconds of the earliest start."""
    until: int | None = None
    """Unix nanoseconds that the start must lie before."""
    models: tuple[str, ...] = ()
    """As answered or as asked for; empty: all."""
    providers: tuple[str, ...] = ()
    only_unpriced: bool = False
    """Only calls of which something has no known price."""
    day: int | None = None
    """Days since 1970 (UTC) of the prices; None: of each call's own start."""

    def goes_on(self, other: Selection) -> bool:
        """Whether what `other` had done need not be done again: the same, but for a beginning that is later."""
        same = msgspec.structs.replace(other, since=self.since) == self
        return same and (other.since is None or (self.since is not None and self.since >= other.since))


class RepricedModel(msgspec.Struct, kw_only=True):
    """What repricing makes of the calls of one model whose bills count. Money in pico-dollars."""

    provider: str | None
    model: str | None
    calls: int = 0
    """Calls that were looked at."""
    changed: int = 0
    """Those whose total changes."""
    newly_priced: int = 0
    """Those of them that had no known cost."""
    kept: int = 0
    """Calls that keep a cost which the price lists of now would not know, or not wholly."""
    charged: int = 0
    """Calls that keep the provider's or the program's own figure."""
    old: int = 0
    """What those cost whose cost is known, without those that were charged."""
    new: int = 0
    """What the same calls cost then, and those that are newly priced."""

    @property
    def old_usd(self) -> Decimal:
        """`old` in USD."""
        return to_usd(self.old)

    @property
    def new_usd(self) -> Decimal:
        """`new` in USD."""
        return to_usd(self.new)

    @property
    def difference_usd(self) -> Decimal:
        """`new` - `old` in USD."""
        return to_usd(self.new - self.old)


class Repricing(msgspec.Struct, kw_only=True):
    """What a repricing did, or would do."""

    rows: list[RepricedModel]
    """By provider and model, the greatest difference first."""
    spans: int = 0
    """Spans whose stored cost changes: also where only the list price beside a charge does, or a card's name."""
    dry_run: bool
    resumed: bool = False
    """Whether it went on where an interrupted one had stopped, whose numbers are among these."""

    @property
    def total(self) -> RepricedModel:
        """The sum of all rows."""
        whole = RepricedModel(provider=None, model=None)
        for row in self.rows:
            _add(whole, row)
        return whole


class PastCost(msgspec.Struct):
    """What a span cost until it was repriced."""

    until: int
    """When it was repriced, Unix nanoseconds."""
    reason: Literal["call", "today"]
    """At which prices: of the call's own time, or of the day of repricing."""
    cost: Cost | None
    """None: nothing was known."""


_NUMBERS = ("calls", "changed", "newly_priced", "kept", "charged", "old", "new")


def _add(row: RepricedModel, more: RepricedModel) -> None:
    for name in _NUMBERS:
        setattr(row, name, getattr(row, name) + getattr(more, name))


def history(database: sqlite3.Connection, trace_id: str, span_id: str) -> list[PastCost]:
    """What a span cost before, the earliest first."""
    try:
        ids = bytes.fromhex(trace_id), bytes.fromhex(span_id)
    except ValueError:
        return []
    query = (
        "SELECT at, reason, cost FROM cost_history "
        "WHERE span = (SELECT id FROM span WHERE trace_id = ? AND span_id = ?) ORDER BY at"
    )
    return [PastCost(at, reason, _decode(text)) for at, reason, text in database.execute(query, ids)]


_decode = msgspec.json.Decoder(Cost | None).decode
