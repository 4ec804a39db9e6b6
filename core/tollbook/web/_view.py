"""What a page is asked for: period, time zone, filter and grouping, all of which its address carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote, urlencode

from tollbook.reports import moment
from tollbook.reports._period import before, called
from tollbook.reports._period import zone as zone_of

PERIODS = {
    "24h": "Last 24 hours",
    "today": "Today",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "month": "This month",
    "last-month": "Last month",
    "12m": "Last 12 months",
    "all": "All time",
}
"""By name; days are whole ones, and the last is today."""

METRICS = {"cost": "Cost", "tokens": "Tokens", "calls": "Calls"}
GRAINS = {"hour": "Hours", "day": "Days", "week": "Weeks", "month": "Months"}
GROUPS = (
    *("model", "provider", "feature", "agent", "user", "org", "session", "key"),
    *("operation", "integration", "status", "tier", "priced", "source"),
)
"""What is offered to group by; `tag.NAME` and all other dimensions work, too."""

_HOUR, _DAY = 3_600_000_000_000, 86_400_000_000_000
_DEFAULTS = {"period": "30d", "by": "model", "then": "feature", "metric": "cost"}


class Wrong(ValueError):  # noqa: N818 - the asker's mistake, told as a page
    """Something in the address makes no sense."""


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for."""

    period: str = "30d"
    since: str = ""
    """As people write moments; with it or `until`, `period` does not hold."""
    until: str = ""
    zone: str = ""
    """An IANA name, or `utc`; empty: this machine's."""
    by: str = "model"
    then: str = "feature"
    """The second dimension, where a page has two."""
    grain: str = ""
    """Empty: as fits the period."""
    metric: str = "cost"
    where: tuple[tuple[str, str], ...] = ()
    """(Dimension, value), sorted; an empty value means that a call has none."""

    def params(self, /, **changes: Any) -> list[tuple[str, str]]:
        """The parts of an address; what is as usual is left out."""
        found: list[tuple[str, str]] = []
        names = ("period", "since", "until", "zone", "by", "then", "grain", "metric")
        values = {name: str(getattr(self, name)) for name in names} | {k: str(v) for k, v in changes.items()}
        for name, value in values.items():
            if value and value != _DEFAULTS.get(name):
                found.append((name, value))
        return found + [("where", f"{name}={value}") for name, value in self.where]

    def link(self, path: str, /, **changes: Any) -> str:
        """The address of `path` with this view, some of it changed."""
        query = urlencode(self.params(**changes), quote_via=quote)
        return f"{path}?{query}" if query else path

    def chosen(self, more: Mapping[str, str | Sequence[str | None] | None]) -> View:
        """This view with these conditions, in place of those of the same names; of several values one must hold."""
        kept = [(name, value) for name, value in self.where if name not in more]
        for name, values in more.items():
            kept += [
                (name, each or "") for each in ((values,) if values is None or isinstance(values, str) else values)
            ]
        return replace(self, where=tuple(sorted({*kept})))

    def without(self, name: str, value: str) -> View:
        """This view with one condition less."""
        return replace(self, where=tuple(each for each in self.where if each != (name, value)))

    def between(self, since: int, until: int) -> View:
        """This view of another time, in Unix nanoseconds."""
        place = zone_of(self.zone or None)
        at = [datetime.fromtimestamp(each // 1_000_000_000, place).astimezone(place) for each in (since, until)]
        first, last = (each.strftime("%Y-%m-%dT%H:%M%z") for each in at)
        # An offset as people write it, which `fromisoformat` reads.
        return replace(self, since=f"{first[:-2]}:{first[-2:]}", until=f"{last[:-2]}:{last[-2:]}", grain="")

    def conditions(self) -> dict[str, list[str | None]]:
        """The filter, as reports take it."""
        found: dict[str, list[str | None]] = {}
        for name, value in self.where:
            found.setdefault(name, []).append(value or None)
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """The period that is meant."""

    label: str
    since: int | None
    until: int | None
    """Unix nanoseconds; None: from the beginning, and until now."""
    before: tuple[int, int] | None
    """What a change is against, as of `report(compare="previous")`, or the same hours of yesterday; None: nothing."""
    grain: str
    zone_name: str
    """Whose days, for a reader."""
    place: tzinfo | None


def read(query: Iterable[tuple[str, str]]) -> tuple[View, dict[str, str]]:
    """The view that an address asks for, and what else it says.

    Raises:
        Wrong: It makes no sense.
    """
    fields: dict[str, str] = {}
    where: list[tuple[str, str]] = []
    for name, value in query:
        if name == "where":
            dimension, sign, wanted = value.partition("=")
            if not sign or not dimension:
                raise Wrong(f"where={value}: expected NAME=VALUE, such as feature=search")
            where.append((dimension, wanted))
        else:
            fields[name] = value.strip()
    known = {name: fields.pop(name) for name in list(fields) if name in View.__slots__}
    if (dimension := fields.pop("add", "")) and "value" in fields:
        where.append((dimension, fields.pop("value")))
    view = View(**{name: value for name, value in known.items() if value}, where=tuple(sorted({*where})))
    _check(view)
    return view, fields


def _check(view: View) -> None:
    for name, known in (("period", PERIODS), ("metric", METRICS), ("grain", {**GRAINS, "": ""})):
        if (value := getattr(view, name)) not in known:
            raise Wrong(f"{name}={value}: expected one of {', '.join(filter(None, known))}")


def span(view: View, now: int | None = None) -> Span:
    """The period of a view.

    Raises:
        ValueError: There is no such moment or time zone.
    """
    place = zone_of(view.zone or None)
    here = datetime.now(place).astimezone(place) if now is None else datetime.fromtimestamp(now / 1e9, place)
    label, since, until = _custom(view, place) if view.since or view.until else _named(view.period, here, place)
    present = int(here.timestamp() * 1e9) if now is None else now
    end = present if until is None else min(until, present)
    length = None if since is None else end - since
    earlier = None
    if since is not None and end > since:
        is_today = view.period == "today" and not (view.since or view.until)
        earlier = before(since, end, "day" if is_today else "previous", place)
    if view.grain:
        grain = view.grain
    elif length is None:
        grain = "month"
    else:
        grain = "hour" if length <= 2 * _DAY + _HOUR else "day" if length <= 100 * _DAY else "month"
    known = None if view.zone.lower() in ("", "local") else "UTC" if view.zone.lower() == "utc" else view.zone
    zone_name = called(known, end if since is None else since, end)
    return Span(label, since, until, earlier, grain, zone_name, place)


def _custom(view: View, place: tzinfo | None) -> tuple[str, int | None, int | None]:
    since = moment(view.since, place) if view.since else None
    until = moment(view.until, place) if view.until else None
    if since is not None and until is not None and since >= until:
        raise Wrong("the period ends before it begins")

    def at(number: int | None, otherwise: str) -> str:
        if number is None:
            return otherwise
        return f"{datetime.fromtimestamp(number // 1_000_000_000, place).astimezone(place):%Y-%m-%d %H:%M}"

    return f"{at(since, 'the beginning')} to {at(until, 'now')}", since, until


def _named(name: str, here: datetime, place: tzinfo | None) -> tuple[str, int | None, int | None]:
    today = here.date()
    first = today.replace(day=1)
    starts: dict[str, object] = {
        "today": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "90d": today - timedelta(days=89),
        "month": first,
        "last-month": (first - timedelta(days=1)).replace(day=1),
        "12m": today.replace(year=today.year - 1, day=1),
    }
    if name == "all":
        return PERIODS[name], None, None
    if name == "24h":
        return PERIODS[name], moment("24h", place, here), None
    until = moment(first.isoformat(), place) if name == "last-month" else None
    return PERIODS[name], moment(str(starts[name]), place), until
