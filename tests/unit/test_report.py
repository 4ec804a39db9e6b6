"""Reports: the sum of the rows is the total to the last digit, and what is not known is never zero."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import HOUR, START, call

from tollbook._money import to_usd
from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost
from tollbook.reports import COLUMNS, DIMENSIONS, Report, report
from tollbook.reports._period import moment, zone
from tollbook.spans import Record
from tollbook.usage import Usage

SECOND = 1_000_000_000


def put(store: Store, *records: Record) -> Store:
    """Record and drain, as a program and a reader would."""
    spool = Spool(store.spool)
    for each in records:
        spool.append(each)
    spool.close()
    store.drain()
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


@contextmanager
def ledger(records: list[Record]) -> Iterator[Store]:
    """A ledger for one example."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "ledger.db")
        yield put(store, *records)
        store.close()


def at(*when: int) -> int:
    """Unix nanoseconds of a time in UTC."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[misc]  # a date and up to three more


def shown(found: Report) -> list[tuple[object, ...]]:
    return [(*row.key, row.calls) for row in found.rows]


# ---- sums ----------------------------------------------------------------------------------------------------

_pico = st.integers(0, 10**15)
_usages = st.none() | st.builds(
    Usage,
    quantities=st.dictionaries(
        st.sampled_from(["input", "input_cache_read", "input_cache_write_1h", "output", "output_reasoning"]),
        st.integers(0, 10**7),
        min_size=1,
    ),
    source=st.sampled_from(["reported", "estimated", "manual"]),
)


@st.composite
def _calls(draw: st.DrawFn) -> Record:
    usage = draw(_usages)
    status = draw(st.sampled_from(["exact", "partial", "estimated", "unpriced", "manual"]))
    parts = draw(_pico), draw(_pico)
    cost = None if status == "unpriced" else Cost(total=sum(parts), input=parts[0], output=parts[1], status=status)
    if status == "unpriced" and usage is not None:
        cost = Cost(total=None, status="unpriced")
    return call(
        start=START + draw(st.integers(0, 60 * 24)) * HOUR,
        provider=draw(st.sampled_from([None, "openai", "anthropic"])),
        request_model=draw(st.sampled_from([None, "a", "b"])),
        response_model=draw(st.sampled_from([None, "a-2026"])),
        status=draw(st.sampled_from(["ok", "error", "timeout", "cancelled"])),
        stream=draw(st.booleans()),
        usage=usage,
        cost=cost,
        attributes=draw(st.none() | st.fixed_dictionaries({"team": st.sampled_from(["x", "y", True, 7])})),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(_calls(), min_size=1, max_size=12))
def test_the_rows_of_every_dimension_add_up_to_what_was_recorded(records: list[Record]) -> None:
    costs = [r.cost.total for r in records if r.cost is not None and r.cost.total is not None]
    expected = {
        "calls": len(records),
        "cost": to_usd(sum(costs)) if costs else None,
        "input_tokens": sum(r.usage.input_tokens for r in records if r.usage is not None),
        "output_tokens": sum(r.usage.output_tokens for r in records if r.usage is not None),
        "known_calls": sum(r.usage is not None for r in records),
        "failed_calls": sum(r.status in ("error", "timeout") for r in records),
        "unknown_calls": sum(
            r.usage is None and r.cost is None and r.status not in ("error", "timeout") for r in records
        ),
        "unpriced_calls": sum(r.cost is not None and r.cost.status in ("unpriced", "partial") for r in records),
        "estimated_calls": sum(
            (r.usage is not None and r.usage.source == "estimated")
            or (r.cost is not None and r.cost.status == "estimated")
            for r in records
        ),
    }
    with ledger(records) as store:
        for name in DIMENSIONS:
            found = report(store, by=[name.replace("NAME", "team"), "model"])
            assert {column: getattr(found.total, column) for column in expected} == expected, name
            for column, total in expected.items():
                values = [getattr(row, column) for row in found.rows]
                known = [value for value in values if value is not None]
                assert (sum(known) if known else None) == total, (name, column)
            assert abs(sum(row.share or 0 for row in found.rows) - bool(found.total.cost)) < 1e-9


@settings(max_examples=25, deadline=None)
@given(st.lists(_calls(), min_size=1, max_size=12), st.integers(1, 4))
def test_the_most_expensive_and_the_others_add_up_to_the_total(records: list[Record], top: int) -> None:
    with ledger(records) as store:
        names = ("model", "provider", "status")
        every, best = report(store, by=names), report(store, by=names, top=top)
    assert best.total.numbers() == every.total.numbers()
    for column in ("calls", "total_tokens", "unknown_calls", "unpriced_calls"):
        assert sum(getattr(row, column) for row in best.rows) == getattr(every.total, column)
    assert sum(row.cost or 0 for row in best.rows) == (every.total.cost or 0)
    if len(every.rows) <= top:
        assert [row.key for row in best.rows] == [row.key for row in every.rows]
    else:
        assert [row.key for row in best.rows[:-1]] == [row.key for row in every.rows[:top]]
        assert best.rows[-1].others == len(every.rows) - top
        assert best.rows[-1].key == (None, None, None)


def test_rows_are_ordered_by_cost_and_those_without_one_by_what_they_used(store: Store) -> None:
    unpriced = Cost(total=None, status="unpriced")
    put(
        store,
        call(response_model="few", usage=Usage({"input": 1}), cost=unpriced),
        call(response_model="many", usage=Usage({"input": 10**6}), cost=unpriced),
        call(response_model="free", cost=Cost(total=0, input=0, output=0)),
        call(response_model="cheap", cost=Cost(total=1, input=1, output=0)),
        call(response_model="dear", cost=Cost(total=2, input=1, output=1)),
    )
    assert [row.key[0] for row in report(store, by=["model"]).rows] == ["dear", "cheap", "free", "many", "few"]


# ---- what is not known -------------------------------------------------------------------------------------


def test_unknown_unpriced_failed_and_free_are_four_different_things(store: Store) -> None:
    put(
        store,
        call(response_model="free", usage=Usage({"input": 0}), cost=Cost(total=0, input=0, output=0)),
        call(response_model="unpriced", usage=Usage({"input": 9}), cost=Cost(total=None, status="unpriced")),
        call(response_model="unknown", usage=None, cost=None),
        call(response_model="failed", usage=None, cost=None, status="error", error="APIStatusError"),
        call(response_model="failed", usage=None, cost=None, status="timeout", error="APITimeoutError"),
        call(response_model="partial", usage=Usage({"input": 9}), cost=Cost(total=5, input=5, status="partial")),
    )
    rows = {row.key[0]: row for row in report(store, by=["model"]).rows}
    facts = {
        name: (row.cost, row.known_calls, row.unpriced_calls, row.unpriced_tokens, row.unknown_calls, row.failed_calls)
        for name, row in rows.items()
    }
    assert facts == {
        "free": (Decimal(0), 1, 0, 0, 0, 0),
        "unpriced": (None, 1, 1, 9, 0, 0),
        "unknown": (None, 0, 0, 0, 1, 0),
        "failed": (None, 0, 0, 0, 0, 2),
        "partial": (Decimal("5E-12"), 1, 1, 0, 0, 0),
    }


def test_the_estimated_part_of_a_total_is_told(store: Store) -> None:
    estimate = Usage({"input": 10, "output": 4}, source="estimated", method="characters/4", band=0.3)
    put(
        store,
        call(usage=estimate, cost=Cost(total=7, input=3, output=4, status="estimated")),
        call(cost=Cost(total=100, input=50, output=50)),
    )
    (row,) = report(store, by=["provider"]).rows
    assert (row.cost, row.estimated_cost, row.estimated_calls) == (Decimal("107E-12"), Decimal("7E-12"), 1)


def test_a_value_that_is_called_unknown_is_not_the_unknown(store: Store) -> None:
    put(store, call(provider="unknown"), call(provider=None), call(provider=None))
    assert shown(report(store, by=["provider"])) == [(None, 2), ("unknown", 1)]


def test_what_covers_counts_and_what_is_covered_does_not(store: Store) -> None:
    """A cost that the program set on an outer span stands for all calls inside it."""
    trace = "ab" * 16
    outer = {"trace_id": trace, "span_id": "01" * 8, "kind": "agent", "covers": True, "cost": Cost(total=9)}
    put(store, call(**outer), call(trace_id=trace, span_id="02" * 8, parent_id="01" * 8))
    assert report(store, by=["kind"]).total.cost == Decimal("9E-12")


def test_a_ledger_that_does_not_exist_gives_an_empty_report_and_makes_nothing(store: Store) -> None:
    found = report(store)
    assert (found.rows, found.total.calls, found.total.cost) == ([], 0, None)
    assert list(store.path.parent.iterdir()) == []


# ---- plain data ----------------------------------------------------------------------------------------------


def test_plain_data_has_exact_money_none_for_unknown_and_always_the_same_keys(store: Store) -> None:
    put(store, call(cost=Cost(total=1, input=1, output=0)), call(provider=None, usage=None, cost=None))
    found = report(store, by=["provider"]).as_dict()
    assert list(found) == ["by", "period", "since_ns", "until_ns", "before_ns", "where", "store", "rows", "total"]
    assert [list(row) for row in found["rows"]] == [["provider", *COLUMNS, "share", "others"]] * 2
    assert list(found["total"]) == list(COLUMNS)
    first, second = found["rows"]
    assert (first["cost_usd"], first["input_cost_usd"], first["output_cost_usd"]) == (
        "0.000000000001",
        "0.000000000001",
        "0",
    )
    assert (second["provider"], second["cost_usd"], second["unknown_calls"]) == (None, None, 1)


# ---- time ----------------------------------------------------------------------------------------------------

BERLIN = "Europe/Berlin"


def test_a_day_is_the_day_of_its_time_zone(store: Store) -> None:
    put(store, call(start=at(2026, 11, 1, 22, 59)), call(start=at(2026, 11, 1, 23, 1)))
    assert shown(report(store, by=["day"], timezone="utc")) == [("2026-11-01", 2)]
    assert shown(report(store, by=["day"], timezone=BERLIN)) == [("2026-11-01", 1), ("2026-11-02", 1)]
    assert shown(report(store, by=["month"], timezone="Pacific/Kiritimati")) == [("2026-11", 2)]
    assert shown(report(store, by=["day"], timezone="Asia/Kolkata")) == [("2026-11-02", 2)]


def test_a_period_takes_its_beginning_and_leaves_its_end(store: Store) -> None:
    first, last = at(2026, 11, 1), at(2026, 11, 2)
    put(store, *(call(start=start) for start in (first - 1, first, last - 1, last)))
    found = report(store, by=["model"], since="2026-11-01", until="2026-11-02", timezone="utc")
    assert found.total.calls == 2
    assert found.period == "2026-11-01 00:00 to 2026-11-02 00:00 UTC"


@pytest.mark.parametrize(
    ("day", "after", "hours"), [("2026-10-25", "2026-10-26", 25), ("2026-03-29", "2026-03-30", 23)]
)
def test_a_day_on_which_clocks_change_has_all_of_its_hours(store: Store, day: str, after: str, hours: int) -> None:
    begin = moment(day, zone(BERLIN))
    put(store, *(call(start=begin + hour * HOUR) for hour in range(-1, hours + 1)))
    assert report(store, since=day, until=after, timezone=BERLIN).total.calls == hours
    days = dict(shown(report(store, by=["day"], timezone=BERLIN)))
    assert days[day] == hours


def test_the_hour_that_comes_twice_is_two_rows_in_their_order(store: Store) -> None:
    put(store, *(call(start=at(2026, 10, 25, hour, 30)) for hour in (1, 0, 2)))
    assert [row.key[0] for row in report(store, by=["hour"], timezone=BERLIN).rows] == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T03:00+01:00",
    ]


def test_rows_of_a_time_follow_it_and_within_it_the_cost(store: Store) -> None:
    def priced(day: int, model: str, total: int) -> Record:
        return call(start=at(2026, 11, day), response_model=model, cost=Cost(total=total, input=total, output=0))

    put(store, priced(2, "a", 5), priced(1, "b", 1), priced(1, "a", 2), priced(2, "b", 9))
    assert [row.key for row in report(store, by=["day", "model"], timezone="utc").rows] == [
        ("2026-11-01", "a"),
        ("2026-11-01", "b"),
        ("2026-11-02", "b"),
        ("2026-11-02", "a"),
    ]
    assert [row.key for row in report(store, by=["model", "day"], timezone="utc").rows] == [
        ("a", "2026-11-01"),
        ("a", "2026-11-02"),
        ("b", "2026-11-01"),
        ("b", "2026-11-02"),
    ]


@pytest.fixture
def machine_in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_in_berlin")
@pytest.mark.parametrize("day", ["2026-07-01", "2026-12-24", "2026-10-25", "2026-03-29"])
def test_the_machines_zone_has_the_offset_of_the_day_that_is_meant_not_of_today(day: str) -> None:
    assert moment(day, None) == moment(day, zone(BERLIN))
    assert moment("yesterday", None, datetime(2026, 10, 26, 9, tzinfo=UTC)) == at(2026, 10, 24, 22)


@pytest.mark.usefixtures("machine_in_berlin")
def test_without_a_zone_days_are_those_of_the_machine(store: Store) -> None:
    put(store, call(start=at(2026, 7, 1, 21, 59)), call(start=at(2026, 7, 1, 22, 1)))
    found = report(store, by=["day"], since="2026-07-01")
    assert shown(found) == [("2026-07-01", 1), ("2026-07-02", 1)]


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "1900-01-01"])
def test_moments_that_no_ledger_can_hold_are_before_or_after_all(text: str, store: Store) -> None:
    put(store, call())
    for by in (["model"], ["day"], ["name"]):
        since, until = min(text, "2000-01-01"), max(text, "2100-01-01")
        assert report(store, by=by, since=since, until=until, timezone="utc").total.calls == 1
        assert report(store, by=by, since=until, timezone="utc").total.calls == 0
        assert report(store, by=by, until=since, timezone="utc").total.calls == 0


# ---- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"by": ["modell"]}, "no dimension 'modell'; there are: model, "),
        ({"by": ["attribute."]}, r"attribute\.NAME"),
        ({"by": ["day", "hour"]}, "one of hour, day, week, month at a time"),
        ({"since": "soon"}, "give a date"),
        ({"timezone": "Mars/Olympus"}, "IANA name"),
        ({"timezone": "europe/berlni"}, r"did you mean Europe/Berlin\?"),
        ({"timezone": "Kolkata"}, r"did you mean Asia/Kolkata\?"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "ends before it begins"),
    ],
)
@pytest.mark.parametrize("filled", [False, True])
def test_what_can_not_be_asked_is_refused_with_what_can(store: Store, asked, said: str, filled: bool) -> None:
    """Also where there is no ledger yet, which could not refuse it."""
    if filled:
        put(store, call())
    with pytest.raises(ValueError, match=said):
        report(store, **asked)


def test_a_row_does_nothing_to_a_terminal(store: Store) -> None:
    (row,) = report(put(store, call(response_model="a\x1b[2J")), by=["model"]).rows
    assert repr(row).startswith(r"<ReportRow a\x1b[2J: 1 calls")
