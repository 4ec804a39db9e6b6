"""The report: sums of what was spent, in rows that every face shows alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tollbook._money import plain, to_usd
from tollbook.ledger import Row, Store
from tollbook.ledger._dimensions import OF_SERIES, OF_SPANS, TIMES, Where, of_series, of_span
from tollbook.reports._period import moment, zone

DIMENSIONS = ("model", *(name for name in OF_SERIES if name != "model"), *TIMES, *OF_SPANS)
"""What can be asked for; `attribute.NAME` stands for any attribute that programs set."""

_DETAILS = ("status", "priced", "source")
"""Dimensions that tell what is known of a group's calls, and of how many it is not."""
_FAILED = frozenset({"error", "timeout"})

COLUMNS = (
    "calls",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cost_usd",
    "input_cost_usd",
    "output_cost_usd",
    "known_calls",
    "estimated_calls",
    "estimated_usage_calls",
    "estimated_cost_usd",
    "unpriced_calls",
    "unpriced_tokens",
    "unknown_calls",
    "failed_calls",
    "charged_calls",
    "listed_calls",
    "listed_cost_usd",
    "listed_difference_usd",
)
"""The numbers of a row in JSON and CSV, in their order; new ones are added at the end."""


class ReportRow(msgspec.Struct, kw_only=True):
    """What the calls of one group come to. Tokens of cache and reasoning are inside input and output."""

    key: tuple[str | None, ...]
    """The value of each dimension; None where a call has none, and in a sum over several groups."""
    others: int = 0
    """How many groups this row sums up because they are not shown; 0: it is a group."""
    calls: int = 0
    known_calls: int = 0
    """Calls whose usage is known. The tokens are theirs: if it is 0, the tokens are not known to be 0."""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal | None = None
    """USD, over the calls whose cost is known; None if that is no call."""
    input_cost: Decimal | None = None
    output_cost: Decimal | None = None
    estimated_calls: int = 0
    """Calls whose usage is estimated, or whose price was assumed; they are in the cost."""
    estimated_usage_calls: int = 0
    """Those of them whose usage is estimated."""
    estimated_cost: Decimal = Decimal(0)
    """USD, part of `cost`."""
    unpriced_calls: int = 0
    """Calls that used something that has no known price; that is in no cost."""
    unpriced_tokens: int = 0
    """Tokens of the calls that have no cost at all for that reason."""
    unknown_calls: int = 0
    """Calls that did not fail and of which neither usage nor cost is known."""
    failed_calls: int = 0
    """Calls that failed or timed out; most of them used nothing that is known."""
    charged_calls: int = 0
    """Calls whose cost is the provider's or the program's own figure."""
    listed_calls: int = 0
    """Those of them whose whole list price is known."""
    listed_cost: Decimal | None = None
    """USD, what these come to by the list; None if there are none."""
    listed_difference: Decimal | None = None
    """USD, what these cost beyond it; below it, if negative."""
    share: float | None = None
    """Part of the whole report's cost, 0 to 1; None if the cost is not known."""

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    def numbers(self) -> dict[str, Any]:
        """The values of `COLUMNS`; money as decimal text, since a float would not be exact."""
        found: dict[str, Any] = {}
        for column in COLUMNS:
            value = getattr(self, column.removesuffix("_usd"))
            found[column] = plain(value) if column.endswith("_usd") else value
        return found


class Report:
    """What was spent in a period, group by group."""

    def __init__(
        self,
        by: tuple[str, ...],
        rows: list[ReportRow],
        total: ReportRow,
        store: str,
        since: int | None,
        until: int | None,
        zone_name: str | None,
        where: Where | None = None,
    ) -> None:
        self.by = by
        """The dimensions that rows are of."""
        self.rows = rows
        """By time from where it is a dimension on, else the most expensive first."""
        self.total = total
        """The sum of all rows, to the last digit."""
        self.store = store
        """Where the ledger is."""
        self.since = since
        """Nanoseconds of Unix time; None: from the beginning."""
        self.until = until
        """Nanoseconds of Unix time, excluded; None: until now."""
        self.timezone = zone_name
        """Of the days; None: this machine's."""
        self.where = {name: _several(wanted) for name, wanted in (where or {}).items()}
        """What holds for the calls in it: dimension to the values of which it is one; None: not known."""

    @property
    def period(self) -> str:
        """The period in words, with its time zone, and what calls were chosen by."""
        chosen = [
            f"{name} {' or '.join('not known' if value is None else value for value in values)}"
            for name, values in self.where.items()
        ]
        return "; ".join([self._time(), *(["only " + ", ".join(chosen)] if chosen else [])])

    def _time(self) -> str:
        place = zone(self.timezone)

        def at(nanoseconds: int) -> str:
            return datetime.fromtimestamp(nanoseconds / 1e9, place).strftime("%Y-%m-%d %H:%M")

        name = self.timezone or datetime.now(UTC).astimezone().tzname() or "local time"
        if self.since is None and self.until is None:
            return f"all time, days of {name}" if not set(TIMES).isdisjoint(self.by) else "all time"
        start = "the beginning" if self.since is None else at(self.since)
        return f"{start} to {'now' if self.until is None else at(self.until)} {name}"

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, its keys always in the same order; what is not known is None."""
        return {
            "by": list(self.by),
            "period": self.period,
            "since_ns": self.since,
            "until_ns": self.until,
            "where": {name: list(values) for name, values in self.where.items()},
            "store": self.store,
            "rows": [
                {**dict(zip(self.by, row.key, strict=True)), **row.numbers(), "share": row.share, "others": row.others}
                for row in self.rows
            ],
            "total": self.total.numbers(),
        }


def report(
    store: Store,
    *,
    by: Iterable[str] = ("provider", "model"),
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    top: int | None = None,
    where: Where | None = None,
) -> Report:
    """What was spent, as the ledger has it now.

    Args:
        store: The ledger.
        by: Dimensions, as in `Store.summary`; a name that comes twice counts once.
        since: Nanoseconds of Unix time, or a moment as people write it: `2026-11-01`, `7d`, `today`, `month`.
        until: As `since`; that moment is excluded.
        timezone: An IANA name, `utc`, or `local` (the default): what days are meant.
        top: Only so many rows, the most expensive ones, and one of all others.
        where: What must hold for a call, as in `Store.summary`.

    Raises:
        ValueError: No such dimension, moment or time zone; the message lists those there are.
        StoreError: The ledger can't be read.
    """
    names = _checked(by)
    _checked_where(where or {})
    name = None if timezone is None or timezone.lower() == "local" else timezone
    place = zone(name)
    first, last = (moment(x, place) if isinstance(x, str) else x for x in (since, until))
    if first is not None and last is not None and first >= last:
        raise ValueError(f"the period ends before it begins: since {since}, until {until}")
    zone_name = "UTC" if name is not None and name.lower() == "utc" else name
    details = tuple(detail for detail in _DETAILS if detail not in names)
    groups: dict[tuple[str | None, ...], list[Row]] = {}
    for found in store.summary((*names, *details), since=first, until=last, where=where, zone=zone_name):
        groups.setdefault(tuple([found.key[n] for n in names]), []).append(found)
    rows = _ordered([_row(key, parts) for key, parts in groups.items()], names)
    nowhere = (None,) * len(names)
    whole = _row(nowhere, [part for parts in groups.values() for part in parts])
    if top is not None and len(rows) > top:
        best = {row.key for row in sorted(rows, key=_cheapness)[:top]}
        rest = [part for key, parts in groups.items() if key not in best for part in parts]
        other = _row(nowhere, rest, others=len(rows) - top)
        rows = [*(row for row in rows if row.key in best), other]
    for row in (*rows, whole):
        row.share = float(row.cost / whole.cost) if row.cost is not None and whole.cost else None
    return Report(names, rows, whole, str(store.path), first, last, zone_name, where)


def _checked(by: Iterable[str]) -> tuple[str, ...]:
    """The names without repetition, all of which are dimensions, even if there is no ledger that could refuse them."""
    names = tuple(dict.fromkeys(by))
    times = [name for name in names if name in TIMES]
    if len(times) > 1:
        raise ValueError(f"one of {', '.join(TIMES)} at a time, not {' and '.join(times)}")
    for name in names:
        try:
            if name not in TIMES and of_series(name) is None:
                of_span(name)
        except ValueError:
            raise ValueError(f"there is no dimension {name!r}; there are: {', '.join(DIMENSIONS)}") from None
    return names


def _checked_where(where: Where) -> None:
    for name in where:
        if name in TIMES:
            raise ValueError(f"a report of one {name} is made with since and until, not with where")
        _checked([name])


def _several(wanted: str | bool | Sequence[str | None] | None) -> tuple[str | None, ...]:
    """What `where` says of one dimension, as values."""
    if isinstance(wanted, bool):
        return ("true" if wanted else "false",)
    return (wanted,) if wanted is None or isinstance(wanted, str) else tuple(wanted) or (None,)


def _cheapness(row: ReportRow) -> tuple[Decimal, int, int]:
    """What sorts the most expensive row first, and those without a cost by what they used."""
    return -(row.cost if row.cost is not None else Decimal(-1)), -row.total_tokens, -row.calls


def _ordered(rows: list[ReportRow], names: tuple[str, ...]) -> list[ReportRow]:
    """The rows by cost; with a time among the names by all up to it, and within that by cost."""
    rows.sort(key=lambda row: (*_cheapness(row), *map(_name, row.key)))
    time = next((n for n, name in enumerate(names) if name in TIMES), None)
    if time is not None:
        rows.sort(key=lambda row: (*map(_name, row.key[:time]), _instant(row.key[time] or "")))
    return rows


def _name(value: str | None) -> tuple[bool, str]:
    """What sorts names, and those that are not known after all others."""
    return value is None, value or ""


def _instant(period: str) -> str:
    """What sorts hours, days and months. Text would, but for the hour that comes twice when clocks are set back."""
    return datetime.fromisoformat(period).astimezone(UTC).isoformat() if "T" in period else period


def _row(key: tuple[str | None, ...], parts: Sequence[Row], others: int = 0) -> ReportRow:
    """The sum of `parts`; sums are of whole pico-dollars, and so exact."""
    priced = [p for p in parts if p.key["priced"] not in (None, "unpriced")]
    listed = sum(p.listed_calls for p in parts)

    def usd(name: str) -> Decimal | None:
        return to_usd(sum(getattr(p, name) for p in priced)) if priced else None

    return ReportRow(
        key=key,
        others=others,
        calls=sum(p.calls for p in parts),
        known_calls=sum(p.calls for p in parts if p.key["source"] is not None),
        input_tokens=sum(p.input_tokens for p in parts),
        cache_read_tokens=sum(p.cache_read_tokens for p in parts),
        cache_write_tokens=sum(p.cache_write_tokens for p in parts),
        output_tokens=sum(p.output_tokens for p in parts),
        reasoning_tokens=sum(p.reasoning_tokens for p in parts),
        cost=usd("total_cost"),
        input_cost=usd("input_cost"),
        output_cost=usd("output_cost"),
        estimated_calls=sum(p.estimated for p in parts),
        estimated_usage_calls=sum(p.calls for p in parts if p.key["source"] == "estimated"),
        estimated_cost=to_usd(sum(p.estimated_cost for p in parts)),
        unpriced_calls=sum(p.unpriced + p.partial for p in parts),
        unpriced_tokens=sum(p.unpriced_tokens for p in parts),
        unknown_calls=sum(
            p.calls
            for p in parts
            if p.key["source"] is None and p.key["priced"] is None and p.key["status"] not in _FAILED
        ),
        failed_calls=sum(p.calls for p in parts if p.key["status"] in _FAILED),
        charged_calls=sum(p.charged_calls for p in parts),
        listed_calls=listed,
        listed_cost=to_usd(sum(p.listed_cost for p in parts)) if listed else None,
        listed_difference=to_usd(sum(p.listed_difference for p in parts)) if listed else None,
    )
