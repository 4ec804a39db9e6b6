"""Periods as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tollbook.reports._period import moment, zone

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)  # a Sunday
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("2026-11-01", UTC, datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01", BERLIN, datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("2026-11-01T10:30", BERLIN, datetime(2026, 11, 1, 9, 30, tzinfo=UTC)),
        ("2026-11-01T10:30+05:30", BERLIN, datetime(2026, 11, 1, 5, tzinfo=UTC)),
        ("7d", UTC, datetime(2026, 11, 15, 14, 30, tzinfo=UTC)),
        ("90m", UTC, datetime(2026, 11, 22, 13, tzinfo=UTC)),
        ("24H", UTC, datetime(2026, 11, 21, 14, 30, tzinfo=UTC)),
        ("today", UTC, datetime(2026, 11, 22, tzinfo=UTC)),
        ("today", ZoneInfo("Pacific/Auckland"), datetime(2026, 11, 22, 11, tzinfo=UTC)),
        ("yesterday", UTC, datetime(2026, 11, 21, tzinfo=UTC)),
        ("week", UTC, datetime(2026, 11, 16, tzinfo=UTC)),
        ("month", BERLIN, datetime(2026, 10, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_moment_is_the_beginning_of_what_is_named(text, where, expected):
    assert moment(text, where, NOW) == int(expected.timestamp()) * 10**9


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "7", "d7", "99999999d", "999999w"])
def test_what_is_no_moment_is_refused_with_what_there_is(text):
    with pytest.raises(ValueError, match=r"is not a moment: give a date"):
        moment(text, UTC, NOW)


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="IANA name"):
        zone("Mars/Olympus")
    with pytest.raises(ValueError, match="IANA name"):
        zone("../../etc/passwd")
