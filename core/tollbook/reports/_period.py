"""Periods as people write them, as nanoseconds of Unix time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal, get_args

FORMS = "a date (2026-11-01), a time (2026-11-01T14:30), an age (90m, 24h, 7d, 4w), today, yesterday, week or month"
"""What `moment` understands, for messages."""

Comparison = Literal["previous", "day", "week", "month", "year"]
"""What a period can be compared with: the one just before, or the same a day, a week, a month or a year earlier."""

_AGE = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = -(1 << 63), (1 << 63) - 1
"""What a ledger can hold: the years 1677 to 2262. Days can't be counted to the end of 9999."""


def zone(name: str | None) -> tzinfo | None:
    """The time zone of this IANA name (`utc`: UTC). None for None or `local`: that of the machine, whatever its rules.

    Raises:
        ValueError: There is no such zone.
    """
    if name is None or name.lower() == "local":
        return None
    if name.lower() == "utc":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = _alike(name)
        raise ValueError(
            f"there is no time zone {name!r}{hint}: give an IANA name (such as Europe/Berlin), utc or local"
        ) from None


def _alike(name: str) -> str:
    import difflib
    from zoneinfo import available_timezones

    known = {zone.lower(): zone for zone in available_timezones()}
    last = {zone.rpartition("/")[2]: zone for zone in sorted(known, reverse=True)}
    key = name.lower().replace(" ", "_")
    found = last.get(key) or next(iter(difflib.get_close_matches(key, known, 1)), None)
    return f" (did you mean {known[found]}?)" if found else ""


def moment(text: str, where: tzinfo | None, now: datetime | None = None) -> int:
    """The beginning of what `text` names, in nanoseconds of Unix time.

    Args:
        text: A date, a time, an age before now, or a word: see `FORMS`.
        where: The time zone that days, and times without an offset, are of; None: the machine's.
        now: For ages and words; the current time if absent.

    Raises:
        ValueError: None of these.
    """
    now = now or datetime.now(UTC)
    given = text.strip().lower()
    # Days are counted on the clock on the wall, which has no offset until the end: another day may have another one.
    today = now.astimezone(where).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    words = {
        "now": now,
        "today": today,
        "yesterday": today - timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }
    try:
        if (found := words.get(given)) is None:
            age = _AGE.fullmatch(given)
            found = now - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            # `astimezone` takes a time without a zone for the machine's.
            found = found.astimezone() if where is None else found.replace(tzinfo=where)
        instant = exact(found)
    except (OverflowError, ValueError, OSError):
        raise ValueError(f"{text!r} is not a moment: give {FORMS}") from None
    return min(max(instant, _EARLIEST), _LATEST)


def called(name: str | None, *moments: int) -> str:
    """A time zone for a reader; the machine's by what its clocks show at these moments: `CEST/CET`, `UTC`."""
    if name is not None:
        return name
    seen = (datetime.fromtimestamp(each // 1_000_000_000).astimezone().tzname() for each in moments)
    return "/".join(dict.fromkeys(filter(None, seen))) or "local time"


def before(
    since: int | None, until: int | None, how: Comparison, where: tzinfo | None, now: datetime | None = None
) -> tuple[int, int]:
    """The period that one is compared with, in nanoseconds of Unix time; its end is not part of it.

    Calendar days stay whole where clocks are changed, and whole months are compared with as many months. The 31st, a
    month earlier, is the last day of that month.

    Args:
        since: The start of the period.
        until: Its end; None: now.
        how: Which one is meant.
        where: The time zone that days are of; None: the machine's.
        now: The current time if absent.

    Raises:
        ValueError: The period has no start, or there is no such comparison.
    """
    if how not in get_args(Comparison):
        raise ValueError(f"a period is compared with {', '.join(get_args(Comparison))}, not with {how!r}")
    if since is None:
        raise ValueError("a comparison needs a start, such as since 7d or month")
    last = exact(now or datetime.now(UTC)) if until is None else until
    start, end = _dated(since, where), _dated(last, where)
    if how != "previous":
        return there(_earlier(start, how), where), there(_earlier(end, how), where)
    if _is_midnight(start) and _is_midnight(end):
        if start.day == end.day == 1:  # whole months, of which the same number is meant
            for _ in range((end.year - start.year) * 12 + end.month - start.month):
                start = _earlier(start, "month")
            return there(start, where), since
        return there(start - (end - start), where), since
    return since - (last - since), since


def wall(at: int, where: tzinfo | None) -> datetime:
    """What the clock on the wall shows."""
    return datetime.fromtimestamp(at // 1_000_000_000, where).replace(tzinfo=None)


def there(time: datetime, where: tzinfo | None) -> int:
    """The Unix nanoseconds at which the clock on the wall shows `time`."""
    return exact(time.astimezone() if where is None else time.replace(tzinfo=where))


def exact(at: datetime) -> int:
    """The Unix nanoseconds of a time that knows its zone."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def _dated(at: int, where: tzinfo | None) -> datetime:
    """What the clock on the wall shows; midnight at the beginning of a day, also where clocks were set past it."""
    time = wall(at, where)
    midnight = time.replace(hour=0, minute=0, second=0)
    return midnight if there(midnight, where) == at else time


def _is_midnight(time: datetime) -> bool:
    return not (time.hour or time.minute or time.second)


def _earlier(time: datetime, how: str) -> datetime:
    if how in ("day", "week"):
        return time - timedelta(days=1 if how == "day" else 7)
    months = time.year * 12 + time.month - 1 - (1 if how == "month" else 12)
    year, month = divmod(months, 12)
    after = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (after - timedelta(days=1)).day
    return time.replace(year=year, month=month + 1, day=min(time.day, last))
