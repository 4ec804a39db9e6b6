"""Levels: call, agent run, trace and session; each level's sums are those of the calls below it, to the last digit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import START, call
from tests.unit.test_report import ledger, put

import tollbook
from tollbook import _runtime
from tollbook.ledger import Store
from tollbook.pricing import Cost
from tollbook.reports import report
from tollbook.spans import Record, Trace
from tollbook.usage import Usage


@pytest.fixture
def running() -> Iterator[None]:
    yield
    _runtime.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def pay(tokens: int) -> None:
    """A call of gpt-4o-mini: 0.15 USD a million tokens sent."""
    tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": tokens, "output_tokens": 0})


@pytest.mark.usefixtures("running")
def test_a_session_is_all_that_is_booked_to_it_in_whatever_trace_and_thread():
    with tollbook.attribute(session="chat 7"):
        with tollbook.span("planner", kind="agent"):
            pay(1_000)
            thread = threading.Thread(target=tollbook.propagate(pay), args=(2_000,))
            thread.start()
            thread.join()
        with tollbook.span("writer", kind="agent"):
            pay(4_000)
        pay(8_000)
    pay(16_000)
    session = tollbook.get_session("chat 7")
    assert session is not None
    assert (session.agent_runs, session.llm_calls, session.total_tokens) == (2, 4, 15_000)
    assert session.total_cost == Decimal("0.00225")  # 15,000 x 0.15 / 1,000,000
    assert [trace.total_tokens for trace in session.traces] == [3_000, 4_000, 8_000]
    assert [trace.total_cost for trace in session.traces] == [Decimal("0.00045"), Decimal("0.0006"), Decimal("0.0012")]
    assert session.start_time_ns == session.traces[0].start_time_ns <= session.traces[-1].start_time_ns
    assert session.end_time_ns >= session.traces[-1].end_time_ns
    assert tollbook.get_session("another") is None


@pytest.mark.usefixtures("running")
def test_an_agents_span_tells_its_run_and_the_root_its_session():
    with tollbook.attribute(session="s"):
        for tokens in (1_000, 3_000):
            with tollbook.span("agent", kind="agent"), tollbook.span("tool", kind="tool"):
                pay(tokens)
    trace = tollbook.get_trace(tollbook.get_last_active_trace_id())
    assert trace is not None
    agent, tool, paid = trace.data.spans
    assert agent.get_attribute("agent.total_tokens") == 3_000
    assert agent.get_attribute("agent.total_cost_usd") == 0.00045
    assert agent.get_attribute("agent.llm_calls") == 1
    assert agent.get_attribute("session.total_tokens") == agent.attributes["session.total_tokens"] == 4_000
    assert agent.get_attribute("session.total_cost_usd") == 0.0006
    assert agent.get_attribute("session.agent_runs") == 2
    assert agent.attributes["session.llm_calls"] == 2
    for below in (tool, paid):
        assert below.get_attribute("session.total_tokens") is None
        assert "session.agent_runs" not in below.attributes


@pytest.mark.usefixtures("running")
def test_what_continues_anothers_trace_is_a_root_that_tells_its_session():
    headers = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    with tollbook.extract(headers), tollbook.attribute(session="s"), tollbook.span("agent", kind="agent"):
        pay(1_000)
    trace = tollbook.get_trace("ab" * 16)
    assert trace is not None
    agent, paid = trace.data.spans
    assert agent.parent_id == "cd" * 8
    assert agent.get_attribute("session.total_tokens") == 1_000
    assert paid.get_attribute("session.total_tokens") is None


def test_a_trace_without_its_ledger_knows_no_session():
    assert Trace([call(attribution={"session": "s"})]).data.spans[0].get_attribute("session.llm_calls") is None


def test_calls_without_a_cost_are_told_and_are_in_no_sum(store: Store):
    booked = {"attribution": {"session": "s"}, "trace_id": "ab" * 16}
    put(
        store,
        call(**booked, cost=Cost(total=5, input=5, output=0)),
        call(**booked, cost=Cost(status="unpriced")),
        call(**booked, cost=Cost(total=7, input=7, output=0, status="partial")),
        call(**booked, cost=None, usage=None, status="error"),
    )
    session = store.session("s")
    assert session is not None
    assert (session.llm_calls, session.unpriced_calls, session.total_cost) == (4, 2, Decimal("12e-12"))


def test_a_session_whose_cost_is_not_known_has_none(store: Store):
    put(store, call(attribution={"session": "s"}, cost=None, usage=None))
    session = store.session("s")
    assert session is not None
    assert session.total_cost is None


def test_a_run_is_a_trace_with_an_agents_span(store: Store):
    run, other = "aa" * 16, "bb" * 16
    agent = call(trace_id=run, kind="agent", bills=False, usage=None, cost=None)
    put(
        store,
        agent,
        call(trace_id=run, parent_id=agent.span_id, cost=Cost(total=3, input=3, output=0)),
        call(trace_id=run, cost=Cost(total=4, input=4, output=0)),
        call(trace_id=other, cost=Cost(total=5, input=5, output=0)),
    )
    found = report(store, by=["run"])
    assert {row.key: (row.calls, row.cost) for row in found.rows} == {
        (run,): (2, Decimal("7e-12")),
        (None,): (1, Decimal("5e-12")),
    }
    assert report(store, where={"run": run}).total.calls == 2
    assert [record.span_id for record in store.spans(where={"run": None})] == [
        record.span_id for record in store.trace(other)
    ]


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("value", [7, 0.5, True, "x" * 300, "a\ud800"])
def test_a_value_is_found_again_as_it_was_given(value: Any):
    """Numbers and what is cut at 256 characters, too."""
    with tollbook.attribute(session=value, plan=value):
        pay(1_000)
    pay(1_000)
    session = tollbook.get_session(value)
    assert session is not None
    assert session.llm_calls == 1
    for where in ({"session": value}, {"tag.plan": value}, {"tag.plan": [value, "other"]}):
        assert tollbook.report(where=where).total.calls == 1
    assert tollbook.report(where={"tag.plan": []}).total.calls == 0


SESSIONS = st.sampled_from([None, "a", "b"])


@st.composite
def calls(draw: st.DrawFn) -> Record:
    session, agent = draw(SESSIONS), draw(st.sampled_from([None, "x"]))
    return call(
        trace_id=f"{draw(st.integers(1, 3)):032x}",
        kind=draw(st.sampled_from(["llm", "agent"])),
        start=START + draw(st.integers(0, 10**15)),
        usage=Usage({"input": draw(st.integers(0, 1000))}),
        cost=Cost(total=draw(st.integers(0, 10**13)), input=0, output=0),
        attribution={k: v for k, v in (("session", session), ("agent", agent)) if v} or None,
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(calls(), min_size=1, max_size=12))
def test_every_level_adds_up_to_the_same_total(records: list[Record]):
    with ledger(records) as store:
        whole = report(store).total
        for level in ("session", "agent", "run", "trace"):
            rows = report(store, by=[level]).rows
            assert sum((row.cost for row in rows if row.cost is not None), Decimal(0)) == whole.cost
            assert sum(row.total_tokens for row in rows) == whole.total_tokens
        for row in report(store, by=["session"]).rows:
            session = store.session(row.key[0]) if row.key[0] else None
            if session is not None:
                assert (session.total_cost, session.total_tokens) == (row.cost, row.total_tokens)
                assert session.llm_calls == row.calls
