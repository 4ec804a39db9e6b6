"""The same recorded usage on another model or tier, or with nothing cached, at the prices of then."""

# ruff: noqa: S608 - only numbers and words of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from tollbook._money import plain, to_usd
from tollbook._prices import resolve
from tollbook.ledger import _rows
from tollbook.ledger._dimensions import Bookings, Filter, series_values
from tollbook.pricing import Cost, cost_of, quote
from tollbook.pricing._caching import UNCACHED
from tollbook.pricing._catalog import DAY
from tollbook.reports._report import period
from tollbook.spans import priced_model
from tollbook.usage import Part, Usage

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where

Tier = Literal["standard", "batch", "flex", "priority"]

_STEP = 5000
_TIERS = ("service_tier", "processing", "traffic_type", "speed")
"""What of a call's context is about how fast it is served, and so replaced by another tier."""


class WhatIfRow(msgspec.Struct, kw_only=True):
    """What the calls of one model cost, and what they would have. Amounts in pico-dollars, with views in USD."""

    provider: str | None
    model: str | None
    calls: int = 0
    """Calls whose bill counts."""
    compared_calls: int = 0
    """Those of which both costs are known; `actual` and `hypothetical` are theirs."""
    changed_calls: int = 0
    """Those of them to which the change applies; the others cost what they did."""
    actual: int = 0
    hypothetical: int = 0
    unpriceable_calls: int = 0
    """Calls of which something has no known price after the change; they are in neither sum."""
    unpriceable_actual: int = 0
    """What these cost."""
    unknown_calls: int = 0
    """Calls whose cost was never known, or whose usage where the change applies; they are in neither sum."""
    reasons: dict[str, int] = {}
    """Why calls have no price after the change, and how many."""

    @property
    def difference(self) -> int:
        """`hypothetical` - `actual`: negative where it would have been cheaper."""
        return self.hypothetical - self.actual

    @property
    def actual_usd(self) -> Decimal:
        """`actual` in USD."""
        return to_usd(self.actual)

    @property
    def hypothetical_usd(self) -> Decimal:
        """`hypothetical` in USD."""
        return to_usd(self.hypothetical)

    @property
    def difference_usd(self) -> Decimal:
        """`difference` in USD."""
        return to_usd(self.difference)

    @property
    def unpriceable_actual_usd(self) -> Decimal:
        """`unpriceable_actual` in USD."""
        return to_usd(self.unpriceable_actual)

    @property
    def change(self) -> float | None:
        """`difference` as a part of `actual`, -0.5 for half the cost; None: that was nothing."""
        return self.difference / self.actual if self.actual else None

    def numbers(self) -> dict[str, Any]:
        """The numbers as plain data; money as exact decimal text."""
        return {
            "calls": self.calls,
            "compared_calls": self.compared_calls,
            "changed_calls": self.changed_calls,
            "actual_usd": plain(self.actual_usd),
            "hypothetical_usd": plain(self.hypothetical_usd),
            "difference_usd": plain(self.difference_usd),
            "change": self.change,
            "unpriceable_calls": self.unpriceable_calls,
            "unpriceable_actual_usd": plain(self.unpriceable_actual_usd),
            "unknown_calls": self.unknown_calls,
            "reasons": dict(self.reasons),
        }


class WhatIf(msgspec.Struct, frozen=True):
    """What calls cost, and what they would have with something changed."""

    rows: list[WhatIfRow]
    """By provider and model as recorded, the greatest difference first."""
    changes: list[str]
    """What is changed, in words."""
    since: int | None
    until: int | None
    timezone: str | None
    store: str

    @property
    def total(self) -> WhatIfRow:
        """The sum of all rows."""
        whole = WhatIfRow(provider=None, model=None)
        for row in self.rows:
            for name in _NUMBERS:
                setattr(whole, name, getattr(whole, name) + getattr(row, name))
            for reason, calls in row.reasons.items():
                whole.reasons[reason] = whole.reasons.get(reason, 0) + calls
        return whole

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain data; money as exact decimal text."""
        return {
            "changes": self.changes,
            "since_ns": self.since,
            "until_ns": self.until,
            "timezone": self.timezone,
            "store": self.store,
            "rows": [{"provider": row.provider, "model": row.model, **row.numbers()} for row in self.rows],
            "total": self.total.numbers(),
        }


_NUMBERS = (
    *("calls", "compared_calls", "changed_calls", "actual", "hypothetical"),
    *("unpriceable_calls", "unpriceable_actual", "unknown_calls"),
)


def what_if(
    store: Store,
    *,
    model: Mapping[str, str] | None = None,
    tier: Tier | None = None,
    cache: bool = True,
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    where: Where | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WhatIf:
    """What the recorded usage would have cost, call by call, at the list prices of each call's own time.

    The tokens are those that were counted: another model may count the same text otherwise. What a provider stated as
    its charge is replaced by the list price only for calls to which a change applies. Every call is read.

    Args:
        store: The ledger.
        model: Models to others: `{"gpt-4o": "gpt-4o-mini"}`. The first is as answered or as asked for, or `*` for all;
            the second may be `provider/model`, else it is the same provider's, or its maker's.
        tier: All calls as served in this tier.
        cache: False: as if nothing had been read from a cache or written to one.
        since: As for `report`.
        until: As for `report`.
        timezone: As for `report`.
        where: As for `report`.
        progress: Told now and then how many calls were read, and of how many.

    Raises:
        ValueError: Nothing is changed, or there is no such tier, moment, zone or dimension.
        StoreError: The ledger can't be read.
    """
    if tier is not None and tier not in get_args(Tier):
        raise ValueError(f"there is no tier {tier!r}; there are {', '.join(get_args(Tier))}")
    if not model and tier is None and cache:
        raise ValueError("nothing is changed: give a model to replace, a tier, or leave out the cache")
    zone_name, first, last = period(since, until, timezone)
    run = _Run(dict(model or {}), tier, cache=cache)
    number = sum(row.calls for row in store.summary(since=first, until=last, where=where)) if progress else 0
    with store.reading() as database:
        if database is not None:
            run.read(database, where, (first, last), lambda done: progress and progress(min(done, number), number))
    rows = sorted(
        run.rows.values(), key=lambda row: (-abs(row.difference), -row.calls, str(row.provider), str(row.model))
    )
    return WhatIf(rows, run.words(), first, last, zone_name, str(store.path))


class _Run:
    def __init__(self, models: dict[str, str], tier: str | None, *, cache: bool) -> None:
        self._models = models
        self._tier = tier
        self._cache = cache
        self._sellers: dict[tuple[str | None, str, int], tuple[str | None, str]] = {}
        self.rows: dict[tuple[str | None, str | None], WhatIfRow] = {}

    def words(self) -> list[str]:
        """What is changed."""
        return [
            *(f"{'every model' if old == '*' else old} as {new}" for old, new in self._models.items()),
            *([f"tier {self._tier}"] if self._tier else []),
            *([] if self._cache else ["nothing cached"]),
        ]

    def read(
        self,
        database: sqlite3.Connection,
        where: Where | None,
        edges: tuple[int | None, int | None],
        progress: Callable[[int], object],
    ) -> None:
        """Read all calls that count."""
        which, bookings = Filter(where, series_values(database), database), Bookings(database)
        first = -(1 << 63) if edges[0] is None else edges[0]
        last = (1 << 63) - 1 if edges[1] is None else edges[1] - 1
        booked, parameters = which.bookings()
        query = (
            "SELECT series, start, trace_id, rest, booking FROM span "
            f"WHERE start BETWEEN ? AND ? AND bill = {_rows.BILL} AND {which.sql()} AND {booked}"
        )
        known: dict[int, dict[str, Any]] = {
            number: dict(zip(_rows.SERIES, key, strict=True)) for number, key in which.series.items()
        }
        done = 0
        for number, start, trace, text, booking in database.execute(query, (first, last, *parameters)):
            rest, values = _rows.decode_rest(text), known[number]
            if which.spans and not which.accepts(trace, rest, bookings.of(booking)):
                continue
            self._count(values, start, rest)
            done += 1
            if not done % _STEP:
                progress(done)
        progress(done)

    def _count(self, values: dict[str, Any], start: int, rest: Any) -> None:
        asked, answered, provider = values["request_model"], values["response_model"], values["provider"]
        shown = asked if answered is None else answered
        row = self.rows.get((provider, shown))
        if row is None:
            row = self.rows[provider, shown] = WhatIfRow(provider=provider, model=shown, reasons={})
        row.calls += 1
        usage, cost = rest.usage, rest.cost
        if cost is None or cost.total is None:
            row.unknown_calls += 1
            return
        model = priced_model(provider, asked, answered)
        target = next((self._models[name] for name in (answered, asked, "*") if name in self._models), None)
        counted: Usage | None = usage if usage is not None and (usage.quantities or usage.parts) else None
        used = counted if self._cache or counted is None else _uncached(counted)
        context = self._context(rest.context)
        if target is None and used is counted and (self._cache or counted) and context == rest.context:
            row.compared_calls += 1
            row.actual += cost.total
            row.hypothetical += cost.total
            return
        if used is None:
            row.unknown_calls += 1
            return
        seller = provider
        if target is not None:
            seller, model = self._seller(target, provider, start, context)
        new = cost_of(_uncharged(used), seller, model, start, context)
        if reason := self._reason(new, model):
            row.unpriceable_calls += 1
            row.unpriceable_actual += cost.total
            row.reasons[reason] = row.reasons.get(reason, 0) + 1
            return
        assert new is not None
        row.compared_calls += 1
        row.changed_calls += 1
        row.actual += cost.total
        row.hypothetical += new.total or 0

    def _context(self, context: dict[str, str] | None) -> dict[str, str] | None:
        if self._tier is None:
            return context
        kept = {name: value for name, value in (context or {}).items() if name not in _TIERS}
        if self._tier == "batch":
            kept["processing"] = "batch"
        elif self._tier != "standard":
            kept["service_tier"] = self._tier
        return kept if kept or context else context

    def _seller(
        self, target: str, provider: str | None, start: int, context: dict[str, str] | None
    ) -> tuple[str | None, str]:
        """Whose price the other model has: the same provider's if it sells it, else as its name says."""
        key = (provider, target, start // DAY)
        found = self._sellers.get(key)
        if found is None:
            if provider is not None and quote(provider, target, start, context) is not None:
                found = provider, target
            else:
                found = resolve(target, None, start, context)
            self._sellers[key] = found
        return found

    def _reason(self, new: Cost | None, model: str | None) -> str | None:
        """Why this is no exact price; None if it is one."""
        if new is None or new.total is None:
            return f"no price for {model}"
        for note in new.assumptions:
            if note.startswith("no price for "):
                return f"{note} of {model}"
            if self._tier is not None and note.startswith(_TIERS) and " priced as " in note:
                return f"no price for tier {self._tier} of {model}"
        return None


def _uncharged(usage: Usage) -> Usage:
    return usage if usage.charge is None else msgspec.structs.replace(usage, charge=None)


def _uncached(usage: Usage) -> Usage:
    """The same with nothing cached; itself if nothing was."""
    if not any(map(_is_cached, (usage.quantities, *(part.quantities for part in usage.parts)))):
        return usage
    quantities = _plain(usage.quantities)
    parts = tuple(Part(part.kind, _plain(part.quantities), part.model) for part in usage.parts)
    return msgspec.structs.replace(usage, quantities=quantities, parts=parts)


def _is_cached(quantities: Mapping[str, int]) -> bool:
    return any(quantity and name in UNCACHED for name, quantity in quantities.items())


def _plain(quantities: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, quantity in quantities.items():
        bucket = UNCACHED.get(name, name)
        found[bucket] = found.get(bucket, 0) + quantity
    return found
