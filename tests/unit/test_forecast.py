"""Forecasts and unusual days: figures computed by hand, and what is not known is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.records import HOUR, call

from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost
from tollbook.reports import forecast, unusual
from tollbook.spans import Record

USD = 10**12
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""A Sunday at noon."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *records: Record) -> Store:
    spool = Spool(store.spool)
    for each in records:
        spool.append(each)
    spool.close()
    store.drain()
    return store


def paid(days_ago: int, usd: int | str, **changes: object) -> Record:
    """A call an hour after midnight."""
    pico = int(Decimal(usd) * USD)
    start = int((NOW.replace(hour=0) - timedelta(days=days_ago)).timestamp()) * 10**9 + HOUR
    return call(**({"start": start, "cost": Cost(total=pico, input=pico, output=0)} | changes))


def test_a_steady_ledger_is_projected_exactly(store: Store) -> None:
    """2 on each day but Sundays, 9 on Sundays: half a Sunday, then Monday the 23rd to Monday the 30th.

    Known: 21 days of 2 to 9 (1 to 21 November has the Sundays 1, 8, 15): 18 * 2 + 3 * 9 = 63, and 1 today. To come:
    4.5 of today, 9 on Sunday the 29th, 2 on seven other days: 27.5.
    """
    put(store, *(paid(n, 9 if n % 7 == 0 else 2) for n in range(1, 70)), paid(0, 1))
    found = forecast(store, timezone="utc", now=NOW)
    assert (found.known_usd, found.expected_usd) == (Decimal(64), Decimal("91.5"))
    assert (found.low_usd, found.high_usd) == (Decimal("91.5"), Decimal("91.5"))
    assert (len(found.days), found.days[0].date, found.days[-1].date) == (56, "2026-09-27", "2026-11-21")
    assert (found.recent, found.earlier, found.trend) == (21 * USD, 21 * USD, 0.0)
    week = forecast(store, period="week", timezone="utc", now=NOW)
    assert (week.known_usd, week.expected_usd) == (Decimal(13), Decimal("17.5"))
    day = forecast(store, period="day", timezone="utc", now=NOW)
    assert (day.known_usd, day.expected_usd) == (Decimal(1), Decimal("5.5"))


def test_the_interval_holds_most_of_what_came_and_is_the_same_when_asked_again(store: Store) -> None:
    put(store, *(paid(n, 10 + (n * 7919) % 5) for n in range(1, 70)))
    found = forecast(store, timezone="utc", now=NOW)
    assert found.low is not None
    assert found.high is not None
    assert found.expected is not None
    assert found.known < found.low < found.expected < found.high
    assert forecast(store, timezone="utc", now=NOW).as_dict() == found.as_dict()
    assert "mean of its weekday over the last 56 whole days" in found.method


def test_with_too_few_days_nothing_is_projected_and_the_method_says_why(store: Store) -> None:
    """The first day with a record may be a part of a day; so of 14 days only 13 are whole."""
    put(store, *(paid(n, 2) for n in range(1, 15)), paid(0, 1))
    found = forecast(store, timezone="utc", now=NOW)
    assert (found.enough, found.expected_usd, found.low_usd, found.trend) == (False, None, None, None)
    assert found.known_usd == 29
    assert found.method == "no projection: it needs 14 whole days of records before today, and there are 13"
    put(store, paid(15, 2))
    assert forecast(store, timezone="utc", now=NOW).enough


def test_days_without_calls_cost_nothing_and_count(store: Store) -> None:
    put(store, paid(60, 1), paid(14, 7))
    found = forecast(store, timezone="utc", now=NOW)
    assert len(found.days) == 56
    assert sum(day.cost for day in found.days) == 7 * USD


def test_an_empty_ledger_has_a_forecast_that_knows_nothing(store: Store) -> None:
    found = forecast(store, timezone="utc", now=NOW)
    assert (found.known, found.enough, found.days) == (0, False, [])
    assert unusual(store, timezone="utc", now=NOW) == []


def test_what_can_not_be_forecast_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="a day, week or month, not 'year'"):
        forecast(store, period="year")  # type: ignore[arg-type]


def test_more_days_than_there_can_be_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="the last 36,600 days"):
        unusual(store, days=99_999_999, now=NOW)
    assert unusual(put(store, paid(1, 1)), days=36_600, now=NOW) == []


def test_an_unusual_day_shows_its_arithmetic_and_who_moved(store: Store) -> None:
    """Mondays cost 10, 11, 12, 13, 14 (median 12, distances 2 1 0 1 2: median 1); the last one 32: 0.6745 * 20 / 1."""
    mondays = [6 + 7 * weeks for weeks in range(6)]  # the 16th of November, and back
    put(
        store,
        *(paid(n, 10 + weeks, attribution={"feature": "chat"}) for weeks, n in enumerate(mondays[1:])),
        *(paid(n, 5) for n in range(1, 44) if n not in mondays),
        paid(mondays[0], 14, attribution={"feature": "chat"}),
        paid(mondays[0], 18, attribution={"feature": "search"}, response_model="big", request_model="big"),
        paid(0, 500),
    )
    (found,) = unusual(store, timezone="utc", now=NOW, days=20)
    assert (found.day, found.cost_usd, found.usual_usd, found.compared) == ("2026-11-16", Decimal(32), Decimal(12), 5)
    assert found.score == pytest.approx(13.49)
    assert found.arithmetic.startswith(
        "0.6745 x ($32.00 - $12.00) / $1.00 = 13.5; usual is the median of the last 5 Mon"
    )
    assert [(mover.dimension, mover.value, mover.difference_usd) for mover in found.movers] == [
        ("model", "big", Decimal(18)),
        ("feature", "search", Decimal(18)),
    ]


def test_a_day_without_its_usual_cost_is_unusual_and_who_is_missing_is_named(store: Store) -> None:
    put(store, *(paid(n, 20, attribution={"user": f"u{n % 2}"}) for n in range(1, 60) for _ in (0,) if n != 3))
    (found,) = unusual(store, timezone="utc", now=NOW, days=20)
    assert (found.cost, found.usual_usd, found.score) == (0, Decimal(20), pytest.approx(-13.49))
    assert found.movers[0].dimension == "model"
    assert found.movers[0].difference_usd == Decimal(-20)


def test_a_trifle_on_a_steady_ledger_is_not_unusual(store: Store) -> None:
    """The spread counts for at least a twentieth of the median, and a cent."""
    put(store, *(paid(n, 20) for n in range(2, 60)), paid(1, 24))
    assert unusual(store, timezone="utc", now=NOW) == []
    put(store, paid(1, "1.2"))  # 25.20: 0.6745 * 5.2 / 1 = 3.507
    assert [day.day for day in unusual(store, timezone="utc", now=NOW)] == ["2026-11-21"]
