"""Comparisons and statistics: figures computed by hand, and parts that add up to their whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import call

from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost
from tollbook.reports import Report, ReportRow, report
from tollbook.reports._period import before, zone
from tollbook.reports._stats import distribution
from tollbook.spans import Record

USD = 10**12


def at(*when: int, tz: str = "UTC") -> int:
    return int(datetime(*when, tzinfo=ZoneInfo(tz)).timestamp()) * 10**9  # type: ignore[misc]  # a date and more


def paid(start: int, usd: int | str, model: str = "a", **changes: object) -> Record:
    pico = int(Decimal(usd) * USD)
    cost = Cost(total=pico, input=pico, output=0)
    return call(start=start, response_model=model, request_model=model, cost=cost, **changes)


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


# ---- which period --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "how", "expected"),
    [
        (at(2026, 11, 8), at(2026, 11, 15), "previous", (at(2026, 11, 1), at(2026, 11, 8))),
        (at(2026, 3, 1), at(2026, 6, 1), "previous", (at(2025, 12, 1), at(2026, 3, 1))),
        (at(2026, 11, 8, 6), at(2026, 11, 8, 8), "previous", (at(2026, 11, 8, 4), at(2026, 11, 8, 6))),
        (at(2026, 11, 8), at(2026, 11, 8, 8), "day", (at(2026, 11, 7), at(2026, 11, 7, 8))),
        (at(2026, 11, 9), at(2026, 11, 12), "week", (at(2026, 11, 2), at(2026, 11, 5))),
        (at(2026, 11, 1), at(2026, 12, 1), "month", (at(2026, 10, 1), at(2026, 11, 1))),
        (at(2026, 3, 1), at(2026, 3, 31), "month", (at(2026, 2, 1), at(2026, 2, 28))),
        (at(2026, 1, 1), at(2026, 1, 31), "month", (at(2025, 12, 1), at(2025, 12, 31))),
        (at(2028, 2, 29), at(2028, 3, 1), "year", (at(2027, 2, 28), at(2027, 3, 1))),
    ],
)
def test_the_period_before(since: int, until: int, how: str, expected: tuple[int, int]) -> None:
    assert before(since, until, how, UTC) == expected  # type: ignore[arg-type]


def test_days_before_a_change_of_the_clocks_stay_whole() -> None:
    """The week of 25 October 2026 in Berlin has 169 hours; the one before it 168."""
    berlin = "Europe/Berlin"
    week = at(2026, 10, 19, tz=berlin), at(2026, 10, 26, tz=berlin)
    expected = at(2026, 10, 12, tz=berlin), at(2026, 10, 19, tz=berlin)
    assert before(*week, "previous", zone(berlin)) == expected
    assert before(*week, "week", zone(berlin)) == expected


def test_a_day_without_a_midnight_is_a_whole_day() -> None:
    """On 24 April 2026 clocks in Cairo are set from 0 to 1 o'clock: the day has 23 hours, the one before it 24."""
    cairo = "Africa/Cairo"
    day = at(2026, 4, 24, 1, tz=cairo), at(2026, 4, 25, tz=cairo)
    expected = at(2026, 4, 23, tz=cairo), at(2026, 4, 24, 1, tz=cairo)
    assert before(*day, "previous", zone(cairo)) == expected
    assert before(*day, "day", zone(cairo)) == expected


def test_a_period_without_an_end_is_compared_up_to_the_same_moment() -> None:
    now = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
    assert before(at(2026, 11, 1), None, "month", UTC, now) == (at(2026, 10, 1), at(2026, 10, 22, 14, 30))


def test_a_comparison_without_a_start_or_of_another_kind_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="needs a start, such as since 7d or month"):
        report(store, compare="previous")
    with pytest.raises(ValueError, match="previous, day, week, month, year, not with 'decade'"):
        report(store, since="7d", compare="decade")  # type: ignore[arg-type]


# ---- change --------------------------------------------------------------------------------------------------


def changes(found: Report) -> dict[tuple[str | None, ...], tuple[object, ...]]:
    rows: list[ReportRow] = [*found.rows, found.total]
    return {row.key: (row.change.cost, row.change.percent, row.change.state) for row in rows if row.change}


def test_change_is_exact_and_tells_what_is_new_and_what_is_gone(store: Store) -> None:
    """October: a 4, b 1. November: a 5, c 2. So a +1 (25 %), b gone, c new, and 5 became 7 (40 %)."""
    october, november = at(2026, 10, 5), at(2026, 11, 5)
    put(store, paid(october, 4), paid(october, 1, "b"), paid(november, 5), paid(november, 2, "c"))
    found = report(store, by=["model"], since="2026-11-01", until="2026-12-01", timezone="utc", compare="month")
    assert changes(found) == {
        ("a",): (Decimal(1), 25.0, ""),
        ("b",): (Decimal(-1), -100.0, "gone"),
        ("c",): (Decimal(2), None, "new"),
        (None,): (Decimal(2), 40.0, ""),
    }
    assert found.as_dict()["rows"][0] | {"change": 0.25, "change_usd": "1"} == found.as_dict()["rows"][0]
    assert found.before == (at(2026, 10, 1), at(2026, 11, 1))
    assert "compared with 2026-10-01 00:00 to 2026-11-01 00:00" in found.period


def test_days_are_compared_with_days_in_their_order_and_what_is_left_over_is_gone(store: Store) -> None:
    """March has days that February has not; a longer month before leaves days over, which are told, not dropped."""
    put(store, paid(at(2026, 3, 2), 3), paid(at(2026, 4, 2), 4), paid(at(2026, 3, 31), 9))
    found = report(store, by=["day"], since="2026-04-01", until="2026-05-01", timezone="utc", compare="month")
    assert changes(found) == {
        ("2026-03-31",): (Decimal(-9), -100.0, "gone"),
        ("2026-04-02",): (Decimal(1), pytest.approx(100 / 3), ""),
        (None,): (Decimal(-8), pytest.approx(-800 / 12), ""),
    }


def test_a_cost_that_is_not_known_has_no_change(store: Store) -> None:
    unpriced = call(start=at(2026, 11, 5), response_model="a", cost=Cost(total=None, status="unpriced"))
    put(store, paid(at(2026, 10, 5), 4), unpriced)
    found = report(store, by=["model"], since="2026-11-01", until="2026-12-01", timezone="utc", compare="month")
    assert changes(found)["a",] == (None, None, "")


def test_what_others_were_before_is_in_the_row_of_others(store: Store) -> None:
    then, now = at(2026, 10, 5), at(2026, 11, 5)
    put(store, paid(then, 1, "b"), paid(then, 2, "c"), paid(now, 9), paid(now, 4, "b"))
    asked = {"by": ["model"], "since": "2026-11-01", "until": "2026-12-01", "timezone": "utc", "compare": "month"}
    found = report(store, top=1, **asked)  # type: ignore[arg-type]
    assert [(row.key, row.others) for row in found.rows] == [(("a",), 0), ((None,), 2)]
    rows = [row.change.cost for row in found.rows if row.change]
    assert rows == [Decimal(9), Decimal(1)]
    assert found.total.change is not None
    assert found.total.change.cost == sum(rows)  # type: ignore[arg-type]


# ---- weeks ---------------------------------------------------------------------------------------------------


def test_weeks_begin_on_monday_and_have_their_iso_name(store: Store) -> None:
    put(store, paid(at(2025, 12, 28, 23), 1), paid(at(2025, 12, 29), 2), paid(at(2026, 1, 4, 23), 3))
    rows = report(store, by=["week"], timezone="utc").rows
    assert [(row.key[0], row.cost) for row in rows] == [("2025-W52", Decimal(1)), ("2026-W01", Decimal(5))]


# ---- statistics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([], (0, None, None, None)),
        ([7], (1, 7, 7, 7)),
        ([1, 2], (2, 2, 1, 2)),  # the mean of 1.5 is rounded half to even
        ([1, 2, 2, 2, 100], (5, 21, 2, 100)),
        (list(range(1, 101)), (100, 50, 50, 95)),  # the mean of 50.5 too
        ([0, 0, 0, 1], (4, 0, 0, 1)),
    ],
)
def test_a_distribution(amounts: list[int], expected: tuple[int | None, ...]) -> None:
    found = distribution("call", reversed(amounts))
    values = (found.mean_usd, found.p50_usd, found.p95_usd)
    assert (found.units, *(None if usd is None else int(usd * USD) for usd in values)) == expected


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=60))
def test_at_least_so_many_do_not_exceed_a_percentile_and_it_occurs(amounts: list[int]) -> None:
    found = distribution("call", amounts)
    for value, part in ((found.p50, 50), (found.p95, 95)):
        assert value in amounts
        assert sum(amount <= value for amount in amounts) * 100 >= part * len(amounts)
        assert sum(amount < value for amount in amounts) * 100 < part * len(amounts)


def test_statistics_of_calls_traces_runs_and_sessions(store: Store) -> None:
    """Trace 1, a run: a 1 and b 3, in session s; trace 2, no run: a 5, in session s; trace 3: nothing known."""
    day = at(2026, 11, 5)
    one, two, three = ("1" * 32, "2" * 32, "3" * 32)
    put(
        store,
        call(trace_id=one, span_id="f" * 16, kind="agent", bills=False, usage=None, cost=None),
        paid(day, 1, "a", trace_id=one, attribution={"session": "s"}),
        paid(day, 3, "b", trace_id=one, attribution={"session": "s"}),
        paid(day, 5, "a", trace_id=two, attribution={"session": "s"}),
        call(start=day, trace_id=three, request_model="a", response_model="a", usage=None, cost=None),
    )
    expected = {
        "call": ((3, 1, 9, 3, 5), {"a": (2, 1, 6, 1, 5), "b": (1, 0, 3, 3, 3)}),
        "trace": ((2, 1, 9, 4, 5), {"a": (2, 1, 6, 1, 5), "b": (1, 0, 3, 3, 3)}),
        "run": ((1, 0, 4, 4, 4), {"a": (1, 0, 1, 1, 1), "b": (1, 0, 3, 3, 3)}),
        "session": ((1, 0, 9, 9, 9), {"a": (1, 0, 6, 6, 6), "b": (1, 0, 3, 3, 3)}),
    }
    for per, (total, rows) in expected.items():
        found = report(store, by=["model"], stats=per)  # type: ignore[arg-type]
        seen = {row.key[0]: row.stats for row in (*found.rows, found.total)}

        def numbers(name: str | None, seen: dict[str | None, object] = seen) -> tuple[int, ...]:  # type: ignore[assignment]
            of: object = seen[name]
            values = [getattr(of, field) for field in ("units", "units_without_cost", "sum", "p50", "max")]
            return tuple(value if value < USD else value // USD for value in values)

        assert numbers(None) == total, per
        assert {name: numbers(name) for name in rows} == rows, per


def test_statistics_by_day_and_tag_add_up_to_the_report(store: Store) -> None:
    hours = [at(2026, 11, 5, hour) for hour in range(0, 48 // 2, 3)]
    put(store, *(paid(hour, n + 1, attribution={"team": f"t{n % 3}"}) for n, hour in enumerate(hours)))
    told: list[tuple[int, int]] = []
    found = report(
        store, by=["day", "tag.team"], timezone="Asia/Kolkata", stats="call", top=2, progress=lambda *x: told.append(x)
    )
    assert [row.stats.sum for row in found.rows if row.stats] == [row.sums.total_cost for row in found.rows]
    assert found.total.stats is not None
    assert found.total.stats.sum == found.total.sums.total_cost == 36 * USD
    assert told[-1] == (8, 8)


# ---- shares --------------------------------------------------------------------------------------------------


def test_shares_and_calls_that_were_given_up(store: Store) -> None:
    """Of 240 input tokens 40 were cached; of the cost of 4, 1 is estimated; one call of four has no price."""
    day = at(2026, 11, 5)
    put(
        store,
        paid(day, 3, status="abandoned"),
        call(start=day, status="cancelled", cost=Cost(total=USD, input=USD, output=0, status="estimated")),
        call(start=day, status="error", usage=None, cost=None),
        call(start=day, usage=None, cost=Cost(total=None, status="unpriced")),
    )
    whole = report(store).total
    assert (whole.cached_share, whole.estimated_share, whole.unpriced_share) == (1 / 6, 0.25, 0.25)
    assert (whole.abandoned_calls, whole.failed_calls) == (2, 1)


def test_a_session_in_several_rows_of_which_others_are_made_is_one_session_there(store: Store) -> None:
    """It spends 1 on b and 2 on c, which are shown as one row of others: one session that costs 3 there."""
    session = {"session": "s"}
    put(
        store,
        *(paid(at(2026, 11, 5), usd, model, attribution=session) for model, usd in (("a", 9), ("b", 1), ("c", 2))),
    )
    for per in ("session", "call"):
        found = report(store, by=["model"], stats=per, top=1)  # type: ignore[arg-type]
        most, others = (row.stats for row in found.rows)
        assert most is not None
        assert others is not None
        assert (most.units, most.sum) == (1, 9 * USD)
        assert (others.units, others.sum, others.max) == (
            (1, 3 * USD, 3 * USD) if per == "session" else (2, 3 * USD, 2 * USD)
        )
