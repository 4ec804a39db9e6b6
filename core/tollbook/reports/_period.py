"""Periods as people write them, as nanoseconds of Unix time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

FORMS = "a date (2026-11-01), a time (2026-11-01T14:30), an age (90m, 24h, 7d, 4w), today, yesterday, week or month"
"""What `moment` understands, for messages."""

_AGE = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def zone(name: str | None) -> tzinfo:
    """The time zone of this IANA name; None or `local`: that of the machine; `utc`: UTC.

    Raises:
        ValueError: There is no such zone.
    """
    if name is None or name.lower() == "local":
        return datetime.now().astimezone().tzinfo or UTC
    if name.lower() == "utc":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"there is no time zone {name!r}; use an IANA name such as Europe/Berlin, UTC or local"
        ) from None


def moment(text: str, where: tzinfo, now: datetime | None = None) -> int:
    """The beginning of what `text` names, in nanoseconds of Unix time.

    Args:
        text: A date, a time, an age before now, or a word: see `FORMS`.
        where: The time zone that days, and times without an offset, are of.
        now: For ages and words; the current time if absent.

    Raises:
        ValueError: None of these.
    """
    now = (now or datetime.now(UTC)).astimezone(where)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    words = {
        "now": now,
        "today": today,
        "yesterday": today - timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }
    found = words.get(text.strip().lower())
    if found is None:
        try:
            age = _AGE.fullmatch(text.strip().lower())
            found = now - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else datetime.fromisoformat(text.strip())
        except (OverflowError, ValueError):
            raise ValueError(f"{text!r} is not a moment: give {FORMS}") from None
        if found.tzinfo is None:
            found = found.replace(tzinfo=where)
    return int(found.timestamp() * 1_000_000) * 1000
