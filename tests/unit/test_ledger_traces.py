"""Traces page by page: none left out, none twice, in the order of time or cost."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.commands import run, said
from tests.records import START, call

from tollbook.ledger import Spool, Store, TraceSum
from tollbook.pricing import Cost
from tollbook.spans import Record


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
    assert store.drain() == len(batch)


def paged(store: Store, size: int, **question: Any) -> list[TraceSum]:
    """All pages of this size, one after another."""
    found: list[TraceSum] = []
    while page := store.traces(limit=size, after=found[-1].cursor if found else None, **question):
        assert len(page) <= size
        found += page
    return found


def name(number: int) -> str:
    return f"{number:032x}"


_SPAN = st.tuples(
    st.integers(0, 5),  # trace
    st.integers(0, 4),  # start
    st.sampled_from(["a", "b", None]),  # feature
    st.none() | st.integers(-3, 3) | st.integers(-(2**62), 2**62),  # cost
    st.booleans(),  # bills
)


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(_SPAN, max_size=14),
    size=st.integers(1, 4),
    order=st.sampled_from(["time", "cost"]),
    where=st.sampled_from([{}, {"feature": "a"}, {"feature": [None]}, {"attribute.n": "1"}, {"provider": "openai"}]),
    edges=st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 5)),
)
def test_pages_have_every_trace_once_with_what_fits_of_it(
    spans: list[tuple[int, int, str | None, int | None, bool]],
    size: int,
    order: Literal["time", "cost"],
    where: dict[str, Any],
    edges: tuple[int | None, int | None],
) -> None:
    records = [
        call(
            trace_id=name(trace),
            start=START + start,
            attribution=feature and {"feature": feature},
            attributes={"n": trace % 2},
            cost=Cost(status="unpriced") if cost is None else Cost(total=cost),
            bills=bills,
        )
        for trace, start, feature, cost, bills in spans
    ]

    def fits(record: Record) -> bool:
        offset = record.start - START
        feature = (record.attribution or {}).get("feature")
        return (
            (edges[0] is None or offset >= edges[0])
            and (edges[1] is None or offset < edges[1])
            and ("feature" not in where or feature == (where["feature"] if where["feature"] == "a" else None))
            and ("attribute.n" not in where or (record.attributes or {})["n"] == 1)
        )

    wanted: dict[str, list[Record]] = {}
    for record in filter(fits, records):
        wanted.setdefault(record.trace_id, []).append(record)
    since, until = (None if edge is None else START + edge for edge in edges)
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory) / "ledger.db") as store:
        put(store, *records)
        found = paged(store, size, order=order, where=where, since=since, until=until)
        assert found == paged(store, 100, order=order, where=where, since=since, until=until)
    assert sorted(each.trace_id for each in found) == sorted(wanted)
    for each in found:
        its = wanted[each.trace_id]
        known = [r.cost.total for r in its if r.bills and r.cost is not None and r.cost.total is not None]
        assert (each.start, each.calls) == (min(r.start for r in its), sum(r.bills for r in its))
        assert (each.priced_calls, each.cost) == (len(known), sum(known) if known else None)
    if order == "time":
        ends = [max(record.start for record in wanted[each.trace_id]) for each in found]
        assert ends == sorted(ends, reverse=True)
    else:
        costs = [each.cost for each in found]
        known = [cost for cost in costs if cost is not None]
        assert costs == [*sorted(known, reverse=True), *[None] * (len(costs) - len(known))]


def test_traces_that_arrive_between_pages_move_none_to_another_page(store: Store) -> None:
    put(store, *[call(trace_id=name(n), start=START + n) for n in range(6)])
    first = store.traces(limit=3)
    put(store, call(trace_id=name(9), start=START + 9))
    rest = store.traces(limit=10, after=first[-1].cursor)
    assert [each.trace_id for each in (*first, *rest)] == [name(n) for n in (5, 4, 3, 2, 1, 0)]


@settings(max_examples=60, deadline=None)
@given(
    spans=st.lists(
        st.tuples(
            st.sampled_from(["s1", "s2", "s3", "s4", None]),
            st.integers(0, 4),  # start
            st.sampled_from(["a", "b", None]),  # feature
            st.sampled_from(["openai", "anthropic"]),
        ),
        max_size=14,
    ),
    size=st.integers(1, 4),
    where=st.sampled_from([{}, {"feature": "a"}, {"session": ["s1", "s3"]}, {"provider": "openai"}]),
    edges=st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 5)),
)
def test_pages_have_every_session_once_where_its_latest_call_is(
    spans: list[tuple[str | None, int, str | None, str]],
    size: int,
    where: dict[str, Any],
    edges: tuple[int | None, int | None],
) -> None:
    wanted: dict[str, int] = {}
    records: list[Record] = []
    for session, start, feature, provider in spans:
        booked = {key: value for key, value in (("session", session), ("feature", feature)) if value}
        records.append(call(start=START + start, attribution=booked or None, provider=provider))
        fits = (
            (edges[0] is None or start >= edges[0])
            and (edges[1] is None or start < edges[1])
            and where.get("feature", feature) == feature
            and where.get("provider", provider) == provider
            and session in where.get("session", [session])
        )
        if fits and session is not None:
            wanted[session] = max(wanted.get(session, 0), START + start)
    since, until = (None if edge is None else START + edge for edge in edges)
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory) / "ledger.db") as store:
        put(store, *records)
        found: list[Any] = []
        while page := store.sessions(since, until, where, limit=size, after=found[-1].cursor if found else None):
            assert len(page) <= size
            found += page
    assert {each.session_id: each.last for each in found} == wanted
    assert len(found) == len(wanted)
    assert [each.last for each in found] == sorted(wanted.values(), reverse=True)


@pytest.mark.parametrize("order", ["time", "cost"])
@pytest.mark.parametrize("after", ["", "x", "1", "1.x", "x.1", f"{2**64}.00", f"1.{2**64:x}g", f"{10**40}.00"])
def test_a_place_that_is_none_is_told(store: Store, order: Literal["time", "cost"], after: str) -> None:
    put(store, call())
    if order == "cost" and after == f"{2**64}.00":
        return  # that is a place: more than 18 million dollars
    with pytest.raises(ValueError, match="is no place among traces in this order") as caught:
        store.traces(order=order, after=after)
    assert repr(after) in str(caught.value)


def test_another_order_is_refused_and_no_ledger_has_no_traces(store: Store) -> None:
    with pytest.raises(ValueError, match="in the order of time or cost, not of 'name'"):
        store.traces(order="name")  # type: ignore[arg-type]
    assert store.traces() == store.traces(order="cost") == []


def test_the_command_shows_them_in_every_form(store: Store) -> None:
    put(
        store,
        call(trace_id=name(1), span_id="1" * 16, name="one", start=START, cost=Cost(total=10**12)),
        call(trace_id=name(1), parent_id="1" * 16, name="below", start=START + 1, cost=Cost(status="unpriced")),
        call(trace_id=name(2), name="=two\x1b[2J", start=START - 1, cost=Cost(total=2 * 10**12)),
        call(trace_id=name(3), name="three", start=START - 2, cost=None),
    )
    ledger = ("--store", str(store.path))
    lines = said("traces", "--timezone", "utc", *ledger).splitlines()
    assert lines[0].split() == ["began", "trace", "name", "calls", "cost"]
    assert lines[2].split() == ["2025-11-21", "02:00:00", name(1), "one", "2", "$1.00+"]
    assert "\x1b" not in "".join(lines)
    found = json.loads(said("traces", "--order", "cost", "--json", *ledger))
    assert [(row["name"], row["cost_usd"]) for row in found] == [("=two\x1b[2J", "2"), ("one", "1"), ("three", None)]
    rest = json.loads(said("traces", "--order", "cost", "--json", "--after", found[0]["cursor"], "-n", "1", *ledger))
    assert rest == found[1:2]
    rows = list(csv.DictReader(io.StringIO(said("traces", "--csv", *ledger))))
    assert [row["name"] for row in rows][:2] == ["one", "'=two\\x1b[2J"]
    assert said("traces", "--where", "model=none", *ledger).startswith("No trace")
    assert run("traces", "--where", "colour=red", *ledger).exit_code == 2
    assert run("traces", "--after", "x", *ledger).exit_code == 2
