"""The report: sums of what was spent, in rows that every face shows alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import time_ns
from typing import Any, get_args

from tollbook.ledger import Row, Store
from tollbook.ledger._costs import Per
from tollbook.ledger._dimensions import OF_SERIES, OF_SPANS, TIMES, Where, of_series, of_span, texts
from tollbook.ledger._periods import periods
from tollbook.reports._period import Comparison, before, called, moment, zone
from tollbook.reports._row import ReportRow, total

DIMENSIONS = ("model", *(name for name in OF_SERIES if name != "model"), *TIMES, *OF_SPANS)
"""What can be asked for; `attribute.NAME` stands for any attribute that programs set."""


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
        before: tuple[int, int] | None = None,
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
        self.where = {name: texts(name, wanted) for name, wanted in (where or {}).items()}
        """What holds for the calls in it: dimension to the values of which it is one; None: not known."""
        self.before = before
        """Start and end (excluded) of the period that it is compared with, in nanoseconds of Unix time; None: none."""

    def _repr_html_(self) -> str:
        """A table with each row's share, for notebooks."""
        from tollbook.reports._report_html import picture

        return picture(self)

    @property
    def period(self) -> str:
        """The period in words, with its time zone, and what calls were chosen by."""
        chosen = [
            f"{name} {' or '.join('not known' if value is None else value for value in values)}"
            for name, values in self.where.items()
        ]
        compared = [f"compared with {self._at(self.before[0])} to {self._at(self.before[1])}"] if self.before else []
        return "; ".join([self._time(), *compared, *(["only " + ", ".join(chosen)] if chosen else [])])

    def _at(self, nanoseconds: int) -> str:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, zone(self.timezone)).strftime("%Y-%m-%d %H:%M")

    def _time(self) -> str:
        now = time_ns() if self.until is None else self.until
        name = called(self.timezone, now if self.since is None else self.since, now)
        if self.since is None and self.until is None:
            return f"all time, days of {name}" if not set(TIMES).isdisjoint(self.by) else "all time"
        start = "the beginning" if self.since is None else self._at(self.since)
        return f"{start} to {'now' if self.until is None else self._at(self.until)} {name}"

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, its keys always in the same order; what is not known is None."""
        return {
            "by": list(self.by),
            "period": self.period,
            "since_ns": self.since,
            "until_ns": self.until,
            "before_ns": None if self.before is None else list(self.before),
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
    compare: Comparison | None = None,
    stats: Per | None = None,
    progress: Callable[[int, int], None] | None = None,
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
        compare: With what: `previous`, the time of equal length just before, or the same time a `day`, a `week`, a
            `month` or a `year` earlier. Rows get their `change`, and those that are gone are among them.
        stats: Also what one `call`, `trace`, `run` (of an agent) or `session` of each row costs. Every call is
            read for it.
        progress: Told now and then how many calls were read for `stats`, and of how many.

    Raises:
        ValueError: No such dimension, moment or time zone; the message lists those there are.
        StoreError: The ledger can't be read.
    """
    names = checked(by)
    checked_where(where or {})
    if stats is not None and stats not in get_args(Per):
        raise ValueError(f"statistics are of one {', '.join(get_args(Per))}, not {stats!r}")
    zone_name, first, last = period(since, until, timezone)
    rows, whole = _read(store, names, first, last, where, zone_name)
    earlier: tuple[int, int] | None = None
    if compare is not None:
        earlier = before(first, last, compare, zone(zone_name))
        _compare(
            rows,
            whole,
            _read(store, names, *earlier, where, zone_name),
            matched(names, (first, last), earlier, zone_name),
        )
    _sort(rows, names)
    if top is not None and len(rows) > top:
        rows = _cut(rows, names, top)
    for row in (*rows, whole):
        cost = whole.sums.total_cost
        row.share = row.sums.total_cost / cost if cost and row.priced_calls else None
    found = Report(names, rows, whole, str(store.path), first, last, zone_name, where, earlier)
    if stats is not None:
        from tollbook.reports._stats import add_stats

        add_stats(store, found, stats, where, progress)
    return found


def period(
    since: str | int | None, until: str | int | None, timezone: str | None
) -> tuple[str | None, int | None, int | None]:
    """The zone's name (None: the machine's), the start and the end of what was asked for.

    Raises:
        ValueError: No such moment or zone, or the end is not after the start.
    """
    name = None if timezone is None or timezone.lower() == "local" else timezone
    place = zone(name)
    first, last = (moment(x, place) if isinstance(x, str) else x for x in (since, until))
    if first is not None and last is not None and first >= last:
        raise ValueError(f"the period ends before it begins: since {since}, until {until}")
    return "UTC" if name is not None and name.lower() == "utc" else name, first, last


def _read(
    store: Store,
    names: tuple[str, ...],
    first: int | None,
    last: int | None,
    where: Where | None,
    zone_name: str | None,
) -> tuple[list[ReportRow], ReportRow]:
    found = store.summary(names, since=first, until=last, where=where, zone=zone_name)
    return [ReportRow(tuple(row.key.values()), row) for row in found], ReportRow((None,) * len(names), total(found))


def _compare(
    rows: list[ReportRow],
    whole: ReportRow,
    earlier: tuple[list[ReportRow], ReportRow],
    times: tuple[int, dict[str | None, str]],
) -> None:
    """Give each row what it was before, and add those that are gone, which were something then."""
    then, whole_then = earlier
    place, same = times
    known = {row.key: row for row in rows}
    for row in then:
        key = row.key
        if place >= 0:
            key = (*key[:place], same.get(key[place], key[place]), *key[place + 1 :])
        now = known.get(key)
        if now is None:
            now = known[key] = ReportRow(key, Row({}))
            rows.append(now)
        now.previous = row
    whole.previous = whole_then if whole_then.calls else None
    for row in (*rows, whole):
        row.compared = True


def matched(
    names: tuple[str, ...], now: tuple[int | None, int | None], then: tuple[int, int], zone_name: str | None
) -> tuple[int, dict[str | None, str]]:
    """Where the time is among the names (-1: nowhere), and which hour, day ... is that of which before."""
    place = next((n for n, name in enumerate(names) if name in TIMES), -1)
    if place < 0:
        return place, {}
    first, last = now
    assert first is not None
    here = periods(names[place], first, time_ns() if last is None else last, zone_name)
    there = periods(names[place], *then, zone_name)
    return place, {before[0]: after[0] for before, after in zip(there, here, strict=False)}


def _cut(rows: list[ReportRow], names: tuple[str, ...], top: int) -> list[ReportRow]:
    """The most expensive rows in the order that they have, and one that sums up all others."""
    best = {row.key for row in sorted(rows, key=_cheapness)[:top]}
    rest = [row for row in rows if row.key not in best]
    other = ReportRow((None,) * len(names), total(row.sums for row in rest), others=len(rest))
    other.compared = rest[0].compared
    if then := [row.previous.sums for row in rest if row.previous is not None]:
        other.previous = ReportRow(other.key, total(then))
    return [*(row for row in rows if row.key in best), other]


def checked(by: Iterable[str]) -> tuple[str, ...]:
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


def checked_where(where: Where) -> None:
    for name in where:
        if name in TIMES:
            raise ValueError(f"a report of one {name} is made with since and until, not with where")
        checked([name])


def _cheapness(row: ReportRow) -> tuple[int, int, int]:
    """What sorts the most expensive row first, and those without a cost by what they used."""
    sums = row.sums
    return -(sums.total_cost if row.priced_calls else -1), -(sums.input_tokens + sums.output_tokens), -sums.calls


def _sort(rows: list[ReportRow], names: tuple[str, ...]) -> None:
    """Sort by cost; with a time among the names by all up to it, and within that by cost."""
    time = next((n for n, name in enumerate(names) if name in TIMES), -1)
    if time < 0:
        rows.sort(key=lambda row: (*_cheapness(row), *map(_name, row.key)))
    else:
        rows.sort(
            key=lambda row: (
                *map(_name, row.key[:time]),
                _instant(row.key[time] or ""),
                *_cheapness(row),
                *map(_name, row.key[time + 1 :]),
            )
        )


def _name(value: str | None) -> tuple[bool, str]:
    """What sorts names, and those that are not known after all others."""
    return value is None, value or ""


def _instant(period: str) -> str:
    """What sorts hours, days and months. Text would, but for the hour that comes twice when clocks are set back."""
    return datetime.fromisoformat(period).astimezone(UTC).isoformat() if "T" in period else period
