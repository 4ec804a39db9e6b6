"""Roll-ups by attribution and by blocks of time: always the same as the spans that they sum up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.older import downgrade
from tests.records import HOUR, START, at_a_time, call, few

from tollbook.ledger import Row, Spool, Store, _blocks, _bookings, _numbers, _rollups, _summary
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage

DAY = 24 * HOUR


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *batch: Record) -> None:
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    store.drain()


def summary(store: Store, by: list[str], *, from_spans: bool = False, **rest: Any) -> list[Row]:
    """The rows, by their keys; from roll-ups where these can answer, or from nothing but spans."""

    def nothing(_: object, **__: object) -> None:
        return None

    with pytest.MonkeyPatch.context() as patched:
        if from_spans:
            patched.setattr(_summary.Summary, "_rolled", nothing)
        return sorted(store.summary(by, **rest), key=lambda row: str(row.key))


# ---- the same from roll-ups as from spans --------------------------------------------------------------------

names = st.sampled_from(["feature", "user", "plan"])
attributions = st.none() | st.dictionaries(names, st.sampled_from("abcdefg"), max_size=3)


def moment(months: int, hours: int, minutes: int) -> int:
    return START + (months * 32 * 24 + hours) * HOUR + minutes * HOUR // 60


starts = st.builds(moment, st.integers(-1, 1), st.integers(-40, 40), st.sampled_from([0, 0, 17, 59]))


usages = st.builds(
    Usage,
    st.fixed_dictionaries({}, optional=dict.fromkeys(["input", "input_cache_read", "output"], st.integers(0, 99))),
    source=st.sampled_from(["reported", "estimated"]),
)
costs = (
    st.builds(
        Cost,
        total=st.integers(0, 2**50),
        other=st.sampled_from([0, 0, 1]),
        status=st.sampled_from(["exact", "exact", "partial", "estimated"]),
    )
    | st.builds(Cost, total=st.integers(-9 * 10**6, 9 * 10**6), status=st.just("manual"))
    | st.just(Cost(status="unpriced"))
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Record]]:
    """What arrives at three times, late and twice, in traces some of whose spans replace the bills below them."""
    found: list[list[Record]] = [[], [], []]
    for number in range(draw(st.integers(1, 24))):
        record = Record(
            trace_id=f"{draw(st.integers(0, 5)):032x}",
            span_id=f"{number:016x}",
            parent_id=draw(st.none() | st.integers(0, 24).map(lambda n: f"{n:016x}")),
            start=draw(starts),
            bills=draw(st.sampled_from([True, True, True, False])),
            covers=draw(st.sampled_from([False, False, False, True])),
            provider=draw(st.sampled_from("pq")),
            status=draw(st.sampled_from(["ok", "ok", "error", "abandoned"])),
            usage=draw(st.none() | usages),
            cost=draw(st.none() | costs),
            attribution=draw(attributions),
        )
        for batch in draw(st.lists(st.integers(0, 2), min_size=1, max_size=2)):
            found[batch].append(record)
    return found


dimensions = ["provider", "feature", "user", "tag.plan", "tag.unseen", "attribute.cost.feature", "name"]
values: list[Any] = ["a", "p", None, ("a", "b", None), ("c", "d", "p"), ()]


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a summary."""
    by = draw(st.lists(st.sampled_from(dimensions), max_size=3))
    time = draw(st.sampled_from([[], [], ["hour"], ["day"], ["month"]]))
    return {
        "by": [*by, *time],
        "since": draw(st.none() | starts),
        "until": draw(st.none() | starts),
        "zone": draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland"])),
        "where": draw(st.dictionaries(st.sampled_from(dimensions[:4]), st.sampled_from(values), max_size=2)),
    }


@settings(max_examples=50, deadline=None)
@given(
    histories(),
    st.lists(questions(), min_size=1, max_size=6),
    st.lists(st.tuples(starts, st.integers(1, 40 * 24).map(lambda hours: hours * HOUR)), max_size=4),
    st.sampled_from([(1, 2, 2, 1), (2, 4, 3, 3), (3, 100, 100, 6), (100, 100, 4, 1), (100, 100, 100, 100)]),
    few,
)
def test_a_summary_is_the_same_from_roll_ups_as_from_spans(
    arriving: list[list[Record]],
    asked: list[dict[str, Any]],
    parts: list[tuple[int, int]],
    limits: tuple[int, int, int, int],
    sizes: tuple[int, int],
) -> None:
    """However wide dimensions are or become, whatever waits, arrives late, twice, or takes others' bills away, and
    however few records are stored at a time."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patched, at_a_time(*sizes):
        for name, limit in zip(("NARROW", "WIDE", "GROUPS"), limits, strict=False):
            patched.setattr(_bookings, name, limit)
        patched.setattr(_rollups, "FOLD", limits[3])
        patched.setattr(_numbers, "_BITS", min(2 * limits[0], 63))  # series beyond it are told apart in another way
        store = Store(Path(place) / "ledger.db")
        pieces = [(start, start + length) for start, length in parts]
        for batch in arriving:
            put(store, *batch)
            for question in asked:
                assert summary(store, **question) == summary(store, from_spans=True, **question)
            by = [name for name in asked[0]["by"] if name in dimensions]
            each = store.summaries(by, pieces, where=asked[0]["where"])
            for rows, (since, until) in zip(each, pieces, strict=True):
                alone = summary(store, by, since=since, until=until, where=asked[0]["where"])
                assert sorted(rows, key=lambda row: str(row.key)) == alone
        store.close()


@given(st.integers(-2000, 4000), st.integers(-2000, 4000), st.integers(-1500, 3500), st.integers(1, 2500))
def test_cells_make_up_exactly_the_hours_that_are_asked_for(first: int, last: int, begin: int, length: int) -> None:
    counts = dict.fromkeys(range(begin, begin + length), 0)
    for cell, sign in _blocks.cells(first, last, begin, begin + length):
        for hour in counts:
            if cell.size == _blocks.EVER or cell.first <= hour // cell.size < cell.last:
                counts[hour] += sign
    assert counts == {hour: int(first <= hour < last) for hour in counts}


# ---- ledgers that older versions wrote -----------------------------------------------------------------------


def test_what_was_booked_before_there_were_sums_for_it_is_in_them(store: Store) -> None:
    booked = {"user": "u_1", "feature": "search"}
    record = call(attribution=booked, cost=Cost(total=7, status="exact"))
    plain = call(attribution=None, start=record.start - 40 * DAY)
    put(store, record, plain)
    store.close()
    downgrade(store.path, 2)
    put(store, call(attribution=booked))
    assert store.trace(record.trace_id) == [record]
    assert store.trace(plain.trace_id) == [plain]
    for by in (["feature"], ["user", "day"], ["feature", "user"], ["month"], []):
        rows = summary(store, by, zone="UTC")
        assert rows == summary(store, by, from_spans=True, zone="UTC")
        assert sum(row.calls for row in rows) == 3
