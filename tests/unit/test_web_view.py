"""What an address of the dashboard says, and the shapes of its charts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")
pytest.importorskip("jinja2")

from tollbook.web._chart import HEIGHT, Sums, ceiling, short, spoken, stacked
from tollbook.web._desk import brief, change, compact, percent
from tollbook.web._view import METRICS, PERIODS, View, read, span

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="="), min_size=1, max_size=12)
_plain = st.text("abcdefghijklmnopqrstuvwxyz.-_0123456789", min_size=1, max_size=9)
views = st.builds(
    View,
    period=st.sampled_from(sorted(PERIODS)),
    zone=st.sampled_from(["", "utc", "Asia/Tokyo"]),
    by=_plain,
    then=_plain,
    grain=st.sampled_from(["", "hour", "day", "week", "month"]),
    metric=st.sampled_from(sorted(METRICS)),
    where=st.lists(st.tuples(_names, _text), max_size=4).map(lambda found: tuple(sorted(set(found)))),
)


@given(views)
def test_an_address_says_all_of_a_view(view: View) -> None:
    query = parse_qsl(urlsplit(view.link("/")).query, keep_blank_values=True)
    assert read(query) == (view, {})


@pytest.mark.parametrize("zone", ["", "utc", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("period", sorted(PERIODS))
def test_a_period_is_compared_with_one_of_the_same_length_just_before(period: str, zone: str) -> None:
    found = span(View(period=period, zone=zone))
    if period == "all":
        assert (found.since, found.until, found.before) == (None, None, None)
        return
    assert found.since is not None
    if period != "today":
        assert found.before is None or found.before[1] == found.since
    assert found.zone_name


def _at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", "2026-10-25T00:00", "2026-10-25T14:00"),
        ("last-month", "2026-09-01", "2026-10-01"),
        ("month", "2026-09-11T00:00", "2026-10-01"),
    ],
)
def test_today_is_compared_with_the_same_hours_and_a_month_with_the_month_before(
    period: str, first: str, last: str, zone: str
) -> None:
    """Today with the hours of yesterday up to this one, October with all of September, which has a day less."""
    now = {"today": "2026-10-26T14:00", "last-month": "2026-11-22T14:00", "month": "2026-10-21T00:00"}[period]
    found = span(View(period=period, zone=zone), _at(now, zone))
    assert found.before == (_at(first, zone), _at(last, zone))


def test_a_bar_leads_to_its_own_time() -> None:
    start, end = 1_793_484_000_000_000_000, 1_793_574_000_000_000_000  # 25 hours: clocks are set back
    found = span(View(zone="Europe/Berlin").between(start, end))
    assert (found.since, found.until) == (start, end)
    assert found.place == ZoneInfo("Europe/Berlin")


_amounts = st.integers(0, 10**9).map(Decimal)


@given(st.dictionaries(st.integers(0, 6), st.lists(_amounts, min_size=4, max_size=4), min_size=1))
def test_bars_are_as_high_as_what_they_stand_for(days: dict[int, list[Decimal]]) -> None:
    names = [f"2026-11-{day + 1:02}" for day in days]
    sums = Sums({}, {})
    for name, values in zip(names, days.values(), strict=True):
        sums.parts.update({(name, key): value for key, value in zip("abc", values, strict=False)})
        sums.whole[name] = sum(values, Decimal(0))
    chart = stacked(
        sums, [(name, 0, 1) for name in names], list("abc"), 9, {},
        said=str, marked=str, named=str, bar_link=lambda *_: "", key_link=str,
    )  # fmt: skip
    top, _ = ceiling(max(sums.whole.values()))
    assert top >= max(sums.whole.values())
    for name, bar in zip(names, chart.bars, strict=True):
        assert bar.total == str(sums.whole[name])
        assert sum(each.height for each in bar.segments) == pytest.approx(
            float(sums.whole[name] / top * HEIGHT), abs=2.1
        )
        assert all(-1 <= each.y <= HEIGHT for each in bar.segments)
    assert chart.legend[-1][1] == "6 others"


@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("2026-11-22", "22 Nov", "22 Nov 2026"),
        ("2026-11", "Nov 26", "Nov 2026"),
        ("2026-W47", "W47", "week 47 of 2026"),
        ("2026-11-22T14:00+01:00", "14:00", "22 Nov 2026, 14:00"),
    ],
)
def test_periods_have_names(name: str, few: str, many: str) -> None:
    assert (short(name), spoken(name)) == (few, many)


def test_small_amounts_are_never_nothing() -> None:
    assert [brief(Decimal(text)) for text in ("0.000000000001", "3E-13", "0", "1234.567", "-2.999")] == [
        "$0.000000000001",
        "$0.0000000000003",
        "$0.00",
        "$1,234.57",
        "-$3.00",
    ]
    assert [percent(part) for part in (0.0001, 0.5, 0.0, None)] == ["<0.1%", "50.0%", "0.0%", ""]
    assert [compact(number) for number in (999, 9_999, 12_345, 864_360_000)] == ["999", "9,999", "12.3K", "864.4M"]


def test_a_change_has_a_direction_or_none() -> None:
    assert change(Decimal(2), Decimal(1)) == ("up", "+100.0%")
    assert change(1, 2) == ("down", "-50.0%")
    assert change(Decimal(5), Decimal(5)) == ("same", "±0.0%")
    assert change(Decimal(5), Decimal(0)) == ("", "new")
    assert change(None, Decimal(1)) == change(Decimal(1), None) == ("", "")
