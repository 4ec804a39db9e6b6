"""Hours, days and months as a place on earth has them, as intervals of Unix time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, tzinfo

_SECOND = 1_000_000_000

Period = tuple[str, int, int]
"""Its name, its start, and its end, which is not part of it; in nanoseconds."""


def periods(unit: str, since: int, until: int, zone: str | None = None) -> Iterator[Period]:
    """The hours, days, weeks or months that make up the time from `since` to `until`; the first and last may be parts.

    Args:
        unit: `hour` (`2026-11-22T14:00+01:00`), `day` (`2026-11-22`), `week` (`2026-W47`, from Monday on) or `month`
            (`2026-11`).
        since: Unix nanoseconds.
        until: Unix nanoseconds, not included.
        zone: An IANA name, such as `Europe/Berlin`; None: this machine's time zone.

    Raises:
        ValueError: No such zone.
    """
    tz = _zone(zone)
    steps = _hours(since, tz) if unit == "hour" else _dates(since, tz, *_UNITS[unit])
    for name, start, end in steps:
        if start >= until:
            return
        if max(start, since) < min(end, until):
            yield name, max(start, since), min(end, until)


def window_of(unit: str, at: int, zone: str | None = None) -> tuple[int, int]:
    """The start and the end (not included) of the `hour`, `day`, `week` (from Monday) or `month` that `at` lies in.

    All in Unix nanoseconds.

    Raises:
        ValueError: No such zone.
    """
    tz = _zone(zone)
    if unit == "hour":
        _, start, end = next(_hours(at, tz))
        return start, end
    day = _local(at // _SECOND, tz).date()
    if unit == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1) if unit == "month" else day
        after = _next_month(first) if unit == "month" else _next_day(first)
    return _midnight(first, tz), _midnight(after, tz)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r} is known here (names are like Europe/Berlin or UTC)") from error


def _local(seconds: int, tz: tzinfo | None) -> datetime:
    # With no zone given, `datetime` takes the machine's, which `astimezone` makes visible.
    return datetime.fromtimestamp(seconds, tz).astimezone(tz)


def _hours(since: int, tz: tzinfo | None) -> Iterator[Period]:
    def into(seconds: int) -> int:
        local = _local(seconds, tz)
        return local.minute * 60 + local.second

    start = since // _SECOND
    start -= into(start)
    while True:
        # Where clocks change by half an hour, the hour that follows the change has only half of its minutes.
        end = start + 3600 - into(start)
        yield _local(start, tz).isoformat(timespec="minutes"), start * _SECOND, end * _SECOND
        start = end


def _dates(
    since: int, tz: tzinfo | None, first: Callable[[date], date], following: Callable[[date], date], form: str
) -> Iterator[Period]:
    day = first(_local(since // _SECOND, tz).date())
    start = _midnight(day, tz)
    while True:
        after = following(day)
        end = _midnight(after, tz)
        yield day.isoformat() if not form else day.strftime(form), start, end
        day, start = after, end


def _midnight(day: date, tz: tzinfo | None) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=tz).timestamp()) * _SECOND


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _next_month(day: date) -> date:
    return (day + timedelta(days=31)).replace(day=1)


_UNITS: dict[str, tuple[Callable[[date], date], Callable[[date], date], str]] = {
    "day": (lambda day: day, _next_day, ""),
    "week": (lambda day: day - timedelta(days=day.weekday()), lambda day: day + timedelta(days=7), "%G-W%V"),
    "month": (lambda day: day.replace(day=1), _next_month, "%Y-%m"),
}
"""The first day of the unit that a day is in, the first of the next one, and how it is written; empty: as ISO does."""
