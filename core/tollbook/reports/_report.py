"""The report: sums of what was spent, in rows that every face shows alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tollbook._money import to_usd
from tollbook.ledger import Row, Store
from tollbook.reports._period import moment, zone

_TIMES = {"hour", "day", "month"}
_UNKNOWN = "unknown"
_COLUMNS = (
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
    "estimated_calls",
    "estimated_cost_usd",
    "unpriced_calls",
    "unpriced_tokens",
    "unknown_calls",
    "errors",
)


class ReportRow(msgspec.Struct, kw_only=True):
    """What the calls of one group come to. Tokens of cache and reasoning are inside input and output."""

    key: tuple[str, ...]
    """The value of each dimension; `unknown` where a call has none."""
    calls: int = 0
    errors: int = 0
    """Calls that failed or timed out."""
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
    """Calls whose usage is estimated; they are in the cost."""
    estimated_cost: Decimal = Decimal(0)
    """USD, part of `cost`."""
    unpriced_calls: int = 0
    """Calls that used something that has no known price; it is in no cost."""
    unpriced_tokens: int = 0
    unknown_calls: int = 0
    """Calls that ended well and told no usage."""
    share: float | None = None
    """Part of the whole report's cost, 0 to 1; None if the cost is not known."""

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    def as_dict(self, by: Sequence[str]) -> dict[str, Any]:
        """The row as plain data; money as decimal text, since a float would not be exact."""
        found: dict[str, Any] = dict(zip(by, self.key, strict=True))
        for column in _COLUMNS:
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
    ) -> None:
        self.by = by
        """The dimensions that rows are of."""
        self.rows = rows
        """In order of time where there is one, else the most expensive first."""
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

    @property
    def period(self) -> str:
        """The period in words, with its time zone."""
        where = zone(self.timezone)

        def at(nanoseconds: int) -> str:
            return datetime.fromtimestamp(nanoseconds / 1e9, where).strftime("%Y-%m-%d %H:%M")

        name = self.timezone or datetime.now(where).tzname() or "local time"
        if self.since is None and self.until is None:
            return f"all time, days of {name}"
        start = "the beginning" if self.since is None else at(self.since)
        return f"{start} to {'now' if self.until is None else at(self.until)} {name}"

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "by": list(self.by),
            "period": self.period,
            "since_ns": self.since,
            "until_ns": self.until,
            "store": self.store,
            "rows": [{**row.as_dict(self.by), "share": row.share} for row in self.rows],
            "total": {k: v for k, v in self.total.as_dict(self.by).items() if k not in self.by},
        }

    def as_csv(self) -> str:
        """The rows as CSV with a head line, lines ended by a line feed."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow((*self.by, *_COLUMNS))
        for row in self.rows:
            cells = row.as_dict(self.by)
            writer.writerow([_harmless(cells[name]) for name in (*self.by, *_COLUMNS)])
        return out.getvalue()

    def as_markdown(self) -> str:
        """The rows as a Markdown table with a line for the total."""
        names = (*self.by, "calls", "input", "output", "cost (USD)")
        lines = [f"| {' | '.join(names)} |", "|" + " --- |" * len(self.by) + " ---: |" * 4]
        for row in (*self.rows, self.total):
            cost = "unpriced" if row.cost is None and row.unpriced_calls else plain(row.cost) or "unknown"
            keys = [key.replace("|", "\\|") for key in row.key]
            lines.append(
                f"| {' | '.join((*keys, f'{row.calls:,}', f'{row.input_tokens:,}', f'{row.output_tokens:,}', cost))} |"
            )
        return "\n".join(lines)


def plain(usd: Decimal | None) -> str | None:
    """Exact decimal text without exponent or needless zeros; None stays None."""
    return None if usd is None else f"{usd.normalize() + 0:f}"


def _harmless(value: Any) -> Any:
    # A spreadsheet takes text that begins so for a formula, and model names come from servers.
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t"} else value


def report(
    store: Store,
    *,
    by: Iterable[str] = ("model",),
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    top: int | None = None,
) -> Report:
    """What was spent, as the ledger has it now.

    Args:
        store: The ledger.
        by: Dimensions, as in `Store.summary`.
        since: Nanoseconds of Unix time, or a moment as people write it: `2026-11-01`, `7d`, `today`, `month`.
        until: As `since`; that moment is excluded.
        timezone: An IANA name, `utc`, or `local` (the default): what days are meant.
        top: Only so many rows, the most expensive ones, and one of all others.

    Raises:
        ValueError: No such dimension, moment or time zone; the message lists those there are.
        StoreError: The ledger can't be read.
    """
    names = tuple(by)
    name = None if timezone is None or timezone.lower() == "local" else timezone
    where = zone(name)
    first, last = (moment(x, where) if isinstance(x, str) else x for x in (since, until))
    zone_name = "UTC" if name is not None and name.lower() == "utc" else name
    found = store.summary(names, since=first, until=last, zone=zone_name)
    whole = _row(tuple("total" if n == 0 else "" for n in range(len(names))), found)
    rows = [_row(tuple(r.key[n] or _UNKNOWN for n in names), [r]) for r in found]
    if _TIMES.isdisjoint(names):
        rows.sort(key=lambda r: (-(r.cost if r.cost is not None else -1), -r.total_tokens, r.key))
    else:
        rows.sort(key=lambda r: r.key)
    if top is not None and len(rows) > top:
        rows = _top(rows, top, found, names)
    for row in (*rows, whole):
        row.share = float(row.cost / whole.cost) if row.cost is not None and whole.cost else None
    return Report(names, rows, whole, str(store.path), first, last, zone_name)


def _top(rows: list[ReportRow], top: int, found: Sequence[Row], names: tuple[str, ...]) -> list[ReportRow]:
    best = sorted(rows, key=lambda r: -(r.cost if r.cost is not None else -1))[:top]
    kept = {id(r) for r in best}
    keys = {r.key for r in best}
    rest = [r for r in found if tuple(r.key[n] or _UNKNOWN for n in names) not in keys]
    other = _row(tuple(f"other ({len(rest):,})" if n == 0 else "" for n in range(len(names))), rest)
    return [r for r in rows if id(r) in kept] + [other]


def _row(key: tuple[str, ...], rows: Sequence[Row]) -> ReportRow:
    """The sum of `rows`; sums are of whole pico-dollars, and so exact."""
    priced = [r for r in rows if r.calls > r.unpriced + r.unknown]

    def usd(name: str) -> Decimal | None:
        return to_usd(sum(getattr(r, name) for r in priced)) if priced else None

    return ReportRow(
        key=key,
        calls=sum(r.calls for r in rows),
        errors=sum(r.errors for r in rows),
        input_tokens=sum(r.input_tokens for r in rows),
        cache_read_tokens=sum(r.cache_read_tokens for r in rows),
        cache_write_tokens=sum(r.cache_write_tokens for r in rows),
        output_tokens=sum(r.output_tokens for r in rows),
        reasoning_tokens=sum(r.reasoning_tokens for r in rows),
        cost=usd("total_cost"),
        input_cost=usd("input_cost"),
        output_cost=usd("output_cost"),
        estimated_calls=sum(r.estimated for r in rows),
        estimated_cost=to_usd(sum(r.estimated_cost for r in rows)),
        unpriced_calls=sum(r.unpriced + r.partial for r in rows),
        unpriced_tokens=sum(r.unpriced_tokens for r in rows),
        unknown_calls=sum(max(r.unknown - r.errors, 0) for r in rows),
    )
