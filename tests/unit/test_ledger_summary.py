"""Summaries: sums over calls by any dimension, the same from roll-ups as from the spans themselves."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import HOUR, START, call

from tollbook.ledger import Row, Spool, Store, _batch, _rollups, _sums
from tollbook.ledger._glance import Spent, glance
from tollbook.ledger._periods import periods, window_of
from tollbook.pricing import Cost
from tollbook.usage import Part, Usage

NS = 1_000_000_000


def at(text: str) -> int:
    """Unix nanoseconds of an ISO time."""
    return int(datetime.fromisoformat(text).timestamp()) * NS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *batch: Any) -> None:
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    assert store.drain() == len(batch)


def table(rows: list[Row], *names: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Rows as their keys' values and the numbers that are asked for."""
    return {tuple(row.key.values()): tuple(getattr(row, name) for name in names) for row in rows}


def test_quantities_are_added_up_by_direction_parts_included(store: Store) -> None:
    usage = Usage(
        {
            "input": 1,
            "input_cache_read": 10,
            "input_audio_cache_read": 100,
            "input_cache_write": 1000,
            "input_cache_write_1h": 10_000,
            "input_image": 100_000,
            "output": 1,
            "output_reasoning": 10,
            "output_audio": 100,
            "web_search": 7,
            "output_audio_ms": 9,
            "something_new": 5,
        },
        parts=(Part("advisor", {"input": 1_000_000, "output": 1000}, "other"),),
    )
    put(store, call(usage=usage))
    (row,) = store.summary()
    assert row.input_tokens == 1_111_111 == usage.input_tokens
    assert (row.cache_read_tokens, row.cache_write_tokens) == (110, 11_000)
    assert row.output_tokens == 1111 == usage.output_tokens
    assert row.reasoning_tokens == 10
    assert row.total_tokens == usage.total_tokens


def test_money_is_exact_and_what_is_not_known_is_not_zero(store: Store) -> None:
    put(
        store,
        call(cost=Cost(total=1_000_000_000_001, input=1_000_000_000_000, output=0, other=1), provider="a"),
        call(cost=Cost(total=2, input=1, output=1, status="estimated"), provider="a"),
        call(cost=Cost(status="unpriced"), provider="a"),
        call(cost=Cost(total=4, status="partial"), provider="a"),
        call(cost=None, usage=None, status="error", provider="a"),
        call(cost=Cost(total=8), usage=Usage({"input": 3}, estimated=("output",)), provider="a"),
        call(cost=Cost(total=16), usage=Usage({"input": 3}, source="estimated"), provider="a", status="timeout"),
        call(cost=Cost(status="unpriced"), provider="b", status="cancelled"),
    )
    a, b = store.summary(["provider"])
    assert a.total_usd == Decimal("1.000000000031")
    assert (a.input_usd, a.output_usd, a.other_usd) == (
        Decimal("1.000000000001"),
        Decimal("0.000000000001"),
        Decimal("0.000000000001"),
    )
    assert (a.calls, a.errors, a.unpriced, a.unknown, a.partial, a.estimated) == (7, 2, 1, 1, 1, 3)
    assert a.unpriced_tokens == 155
    assert (a.estimated_cost, a.estimated_usd) == (26, Decimal("0.000000000026"))
    assert (b.total_usd, b.input_usd, b.unpriced, b.errors) == (None, None, 1, 0)
    assert store.summary(["priced"])[0].key == {"priced": "exact"}
    assert {row.key["source"] for row in store.summary(["source"])} == {"reported", "estimated", None}


@pytest.mark.parametrize("apart", [0, HOUR])
def test_sums_beyond_64_bits_are_exact(store: Store, apart: int) -> None:
    """Of pico-dollars these end at 9.2 million dollars, of which one call can be half."""
    most = 2**62 + 1
    put(store, *[call(cost=Cost(total=most, input=most), start=START + n * apart) for n in range(7)], call())
    (row,) = store.summary()
    assert (row.total_cost, row.input_cost, row.calls) == (7 * most + 30, 7 * most + 10, 8)
    assert sum(row.total_cost for row in store.summary(["hour", "model"])) == 7 * most + 30


def test_dimensions(store: Store) -> None:
    put(
        store,
        call(context={"service_tier": "flex"}, stream=True, attributes={"feature": "chat", "n": 3, "b": True}),
        call(response_model=None, error="RateLimitError", status="error", attributes={"feature": "chat"}),
        call(provider=None, integration="anthropic", operation=None, kind="agent", name="agent"),
    )

    def by(*names: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return table(store.summary(names), "calls")

    assert by() == {(): (3,)}
    assert by("provider") == {("openai",): (2,), (None,): (1,)}
    assert by("model") == {("gpt-4o-mini-2024-07-18",): (2,), ("gpt-4o-mini",): (1,)}
    assert by("request_model") == {("gpt-4o-mini",): (3,)}
    assert by("response_model") == {("gpt-4o-mini-2024-07-18",): (2,), (None,): (1,)}
    assert by("operation", "kind") == {("chat", "llm"): (2,), (None, "agent"): (1,)}
    assert by("integration") == {("openai",): (2,), ("anthropic",): (1,)}
    assert by("status", "error") == {("ok", None): (2,), ("error", "RateLimitError"): (1,)}
    assert by("tier") == {("flex",): (1,), (None,): (2,)}
    assert by("stream") == {("true",): (1,), ("false",): (2,)}
    assert by("attribute.feature") == {("chat",): (2,), (None,): (1,)}
    assert by("attribute.n", "tier") == {("3", "flex"): (1,), (None, None): (2,)}
    assert by("attribute.b") == {("true",): (1,), (None,): (2,)}
    assert by("name") == {("chat",): (2,), ("agent",): (1,)}
    assert by("day", "provider", "attribute.feature").keys() == {
        (key[0], *rest) for key in by("day") for rest in (("openai", "chat"), (None, None))
    }
    assert sorted(map(len, by("trace"))) == [1, 1, 1]
    with pytest.raises(ValueError, match=r"'colour' is no dimension of the ledger; there are hour, day"):
        by("colour")
    with pytest.raises(ValueError, match="one of hour, day, week, month at a time"):
        by("day", "hour")
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        store.summary(["day"], zone="Mars/Olympus")


def test_where(store: Store) -> None:
    put(
        store,
        call(provider="a", attributes={"user": "x"}),
        call(provider="b", attributes={"user": "x"}),
        call(provider=None, attributes={"user": "y"}),
    )

    def calls(**where: Any) -> int:
        return sum(row.calls for row in store.summary(["provider"], where=where))

    assert calls(provider="a") == 1
    assert calls(provider=None) == 1
    assert calls(provider=["a", "b"]) == 2
    assert calls(provider=["a", None], model="gpt-4o-mini-2024-07-18") == 2
    assert calls(provider=[]) == 0
    assert calls(model="nothing") == 0
    assert calls(**{"attribute.user": "x"}) == 2
    assert calls(**{"attribute.user": "x", "provider": "b"}) == 1
    with pytest.raises(ValueError, match="'day' is no dimension"):
        calls(day="2025-01-01")


def test_the_dearest_come_first_and_times_in_their_order(store: Store) -> None:
    put(
        store,
        call(provider="cheap", cost=Cost(total=1), start=START + 2 * HOUR),
        call(provider="dear", cost=Cost(total=9), start=START + HOUR),
        call(provider="free", cost=Cost(total=0), start=START),
    )
    assert [row.key["provider"] for row in store.summary(["provider"])] == ["dear", "cheap", "free"]
    assert [row.key["provider"] for row in store.summary(["provider", "hour"])] == ["free", "dear", "cheap"]


ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe")


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[int]]]:
    """A ledger of calls over 40 days around a change of clocks, and their starts; each costs 1, 2, 3, ..."""
    store = Store(tmp_path_factory.mktemp("spread") / "ledger.db")
    first = at("2025-03-10T00:00:00+00:00")
    starts = [first + n * 40 * HOUR // 67 for n in range(1600)]
    put(store, *[call(start=start, cost=Cost(total=n)) for n, start in enumerate(starts)])
    yield store, starts
    store.close()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_a_day_is_what_its_place_calls_a_day(spread: tuple[Store, list[int]], zone: str, unit: str) -> None:
    """Also where offsets are no whole hours, and where clocks change."""
    store, starts = spread
    wanted: Counter[str] = Counter()
    for cost, start in enumerate(starts):
        local = datetime.fromtimestamp(start // NS, ZoneInfo(zone))
        wanted[local.isoformat(timespec="minutes")[: {"hour": 13, "day": 10, "month": 7}[unit]]] += cost
    rows = store.summary([unit], zone=zone)
    found: Counter[str] = Counter()
    for row in rows:
        found[str(row.key[unit])[:13]] += row.total_cost  # an hour that is there twice has two rows
    assert found == wanted
    assert [row.key[unit] for row in rows] == sorted(str(row.key[unit]) for row in rows) or unit == "hour"


def test_without_a_zone_days_are_this_machines(
    spread: tuple[Store, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = spread
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert (
            store.summary(["day"]) == store.summary(["day"], zone="Asia/Kolkata") != store.summary(["day"], zone="UTC")
        )
    finally:
        monkeypatch.undo()
        time.tzset()


@settings(max_examples=60, deadline=None)
@given(since=st.none() | st.integers(-3, 45 * 24 * 4), until=st.none() | st.integers(-3, 45 * 24 * 4))
def test_an_interval_has_exactly_the_calls_that_begin_in_it(
    spread: tuple[Store, list[int]], since: int | None, until: int | None
) -> None:
    """Whole hours come from the roll-ups and the rest from the spans, which must not show."""
    store, starts = spread
    lower = None if since is None else starts[0] + since * HOUR // 4
    upper = None if until is None else starts[0] + until * HOUR // 4
    wanted = [
        cost
        for cost, start in enumerate(starts)
        if (lower is None or start >= lower) and (upper is None or start < upper)
    ]
    rows = store.summary(since=lower, until=upper)
    assert sum(row.calls for row in rows) == len(wanted)
    assert sum(row.total_cost for row in rows) == sum(wanted)
    assert store.summary(["attribute.none"], since=lower, until=upper) == [
        Row(**{f: getattr(row, f) for f in Row.__struct_fields__ if f != "key"}, key={"attribute.none": None})
        for row in rows
    ]


def test_whole_hours_need_no_span(spread: tuple[Store, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A report over years must not read what the roll-ups know."""
    from tollbook.ledger import _summary

    store, starts = spread
    read: list[tuple[int, int]] = []
    original = _summary.Summary._from_spans

    def spy(self: Any, start: int, end: int, *more: Any) -> Any:
        read.append((start, end))
        return original(self, start, end, *more)

    monkeypatch.setattr(_summary.Summary, "_from_spans", spy)
    for by in ([], ["day"], ["month", "model"]):
        assert store.summary(by, zone="Europe/Berlin")
    assert all(start >= end for start, end in read)
    store.summary(["day"], since=starts[3], zone="UTC")
    assert any(start < end for start, end in read)


@pytest.mark.parametrize(
    ("unit", "zone", "since", "until", "wanted"),
    [
        ("day", "UTC", "2025-03-01T00:00+00:00", "2025-03-03T00:00+00:00", ["2025-03-01", "2025-03-02"]),
        ("month", "UTC", "2025-12-31T23:00+00:00", "2026-01-01T01:00+00:00", ["2025-12", "2026-01"]),
        ("hour", "Asia/Kolkata", "2025-03-01T00:00+00:00", "2025-03-01T00:30+00:00", ["2025-03-01T05:00+05:30"]),
        (
            "hour",
            "Europe/Berlin",
            "2025-10-26T00:00+00:00",
            "2025-10-26T02:00+00:00",
            ["2025-10-26T02:00+02:00", "2025-10-26T02:00+01:00"],
        ),
        (
            "hour",
            "Australia/Lord_Howe",
            "2025-10-04T14:30+00:00",
            "2025-10-04T16:30+00:00",
            ["2025-10-05T01:00+10:30", "2025-10-05T02:30+11:00", "2025-10-05T03:00+11:00"],
        ),
        ("day", "Europe/Berlin", "2025-03-30T10:00+00:00", "2025-03-30T10:00+00:00", []),
    ],
)
def test_periods(unit: str, zone: str, since: str, until: str, wanted: list[str]) -> None:
    found = list(periods(unit, at(since), at(until), zone))
    assert [name for name, _, _ in found] == wanted
    if found:
        assert (found[0][1], found[-1][2]) == (at(since), at(until))
        assert all(left[2] == right[1] for left, right in pairwise(found))


def test_a_day_of_23_hours() -> None:
    ((_, start, end),) = periods("day", at("2025-03-29T23:00+00:00"), at("2025-03-30T22:00+00:00"), "Europe/Berlin")
    assert end - start == 23 * HOUR
    assert datetime.fromtimestamp(start // NS, UTC).hour == 23


@given(
    st.lists(st.integers(-(2**70), 2**70), min_size=len(_sums.MONEY), max_size=len(_sums.MONEY)),
    st.lists(st.integers(0, 2**40), min_size=len(_sums.COUNTS), max_size=len(_sums.COUNTS)),
)
def test_columns_of_a_roll_up_lose_nothing(money: list[int], counts: list[int]) -> None:
    values = [*counts, *money]
    assert _sums.from_columns(_sums.to_columns(values)) == values
    twice = [2 * column for column in _sums.to_columns(values)]
    assert _sums.from_columns(twice) == [2 * value for value in values]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 50), st.none() | st.integers(0, 2**62)),
        min_size=1,
        max_size=12,
    )
)
def test_the_parts_of_any_split_of_a_ledger_add_up_to_the_whole(calls: list[tuple[int, int, int, int | None]]) -> None:
    """To the last digit: in ledgers of their own, by model, by provider, by hour, in whatever order; unpriced apart."""
    records = [
        (
            part,
            call(
                response_model=f"model-{model}",
                provider=f"provider-{part}",
                start=START + hour * HOUR,
                cost=Cost(status="unpriced") if total is None else Cost(total=total, input=total, output=0),
            ),
        )
        for part, model, hour, total in calls
    ]
    whole = sum(total for *_, total in calls if total is not None)
    with tempfile.TemporaryDirectory() as directory:
        sums: list[Row] = []
        for part in {part for part, _ in records}:
            some = Store(Path(directory) / f"{part}.db")
            put(some, *(record for owner, record in records if owner == part))
            sums += some.summary()
            some.close()
        everything = Store(Path(directory) / "all.db")
        put(everything, *(record for _, record in reversed(records)))
        for rows in (
            sums,
            everything.summary(),
            everything.summary(by=["model"]),
            everything.summary(by=["provider", "model"]),
            everything.summary(until=START + 7 * HOUR) + everything.summary(since=START + 7 * HOUR),
        ):
            assert sum(row.total_cost for row in rows) == whole
            assert sum(row.calls for row in rows) == len(calls)
        everything.close()


def test_more_series_than_are_kept_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that names a model of its own for each call must not fill the memory."""
    monkeypatch.setattr(_batch, "_CACHED", 2)
    put(store, *[call(provider=str(n % 5)) for n in range(20)])
    assert table(store.summary(["provider"]), "calls") == {(str(n),): (4,) for n in range(5)}


# ---- at a glance ---------------------------------------------------------------------------------------------

_calls = st.tuples(
    st.integers(-200, 5),  # quarters of an hour from now
    st.sampled_from(["exact", "exact", "partial", "unpriced", None]),
    st.sampled_from([None, "s", "t"]),
    st.sampled_from([True, True, False]),  # bills
)


@settings(max_examples=40, deadline=None)
@given(calls=st.lists(_calls, min_size=1, max_size=10), zone=st.sampled_from(ZONES), fold=st.booleans())
def test_a_glance_says_what_a_summary_does(
    calls: list[tuple[int, str | None, str | None, bool]], zone: str, fold: bool
) -> None:
    """Where hours and days begin apart, too, and whether or not sums wait to be put together."""
    now = at("2025-10-26T12:07:00+00:00")

    def cost(priced: str | None, n: int) -> Cost | None:
        return Cost(status="unpriced") if priced == "unpriced" else priced and Cost(total=10**7 + n, status=priced)  # type: ignore[arg-type, return-value]

    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        if fold:
            patched.setattr(_rollups, "FOLD", 1)
        store = Store(Path(directory) / "ledger.db")
        put(
            store,
            *[
                call(
                    start=now + quarters * HOUR // 4,
                    cost=cost(priced, n),
                    attribution=session and {"session": session, "feature": "f"},
                    bills=bills,
                )
                for n, (quarters, priced, session, bills) in enumerate(calls)
            ],
        )
        with glance(store.path) as ledger:
            assert ledger is not None
            for start in (window_of("day", now, zone)[0], window_of("month", now, zone)[0]):
                assert _said(ledger.since(start)) == _summed(store, since=start)
            for session in ("s", "t", "nobody"):
                assert _said(ledger.session(session)) == _summed(store, where={"session": session})
            last = ledger.last()
            if last is not None:
                assert last[1] == next(session for *_, session, bills in reversed(calls) if bills)
                assert _said(ledger.trace(last[0]))[0] == _summed(store, where={"trace": last[0].hex()})[0]
        store.close()


def _said(spent: Spent) -> tuple[int, bool]:
    return spent.cost or 0, spent.missing


def _summed(store: Store, **question: Any) -> tuple[int, bool]:
    (row,) = store.summary(**question) or [Row({})]
    return row.total_cost, bool(row.unpriced or row.partial)
