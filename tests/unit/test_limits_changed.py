"""Limits that change while they hold: what they count, and what they tell, is that of the limit as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.limits import CENT, call, put, reserve, span_id, used

from tollbook._money import PICO
from tollbook.ledger import EACH, Limit, Store, holder_of, open_store
from tollbook.ledger._limit import parts_of
from tollbook.spans import Record

DAY = 86_400_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


def told(store: Store) -> list[int]:
    return sorted(alert.threshold for alert in store.limits.alerts())


def test_a_limit_that_is_changed_and_changed_back_forgets_nothing(store: Store) -> None:
    """Its first counter was not fed meanwhile: it begins anew from what is recorded."""
    dollar, calls = Limit(name="all", unit="usd", most=PICO), Limit(name="all", unit="calls", most=9)
    store.limits.declare([dollar])
    put(store, call(1))
    store.limits.declare([calls])
    put(store, call(2), call(3))
    store.limits.declare([dollar])
    assert used(store) == [("", 30, 0)]


def test_a_counter_that_an_older_version_left_behind_is_not_taken_up_again(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO)
    store.limits.declare([Limit(name="all", unit="calls", most=9)])
    with store.limits._writer.transaction(5.0) as database:
        database.execute("INSERT INTO limit_watched VALUES (?)", (dollar.counter,))
        database.execute("INSERT INTO limit_state VALUES (?, '', 0, 1, 0, 1, 0)", (dollar.counter,))
    put(store, call(1))
    store.limits.declare([dollar])
    assert used(store) == [("", 10, 0)]


def test_what_calls_under_way_hold_of_an_unchanged_limit_stays(store: Store) -> None:
    dollar, other = Limit(name="all", unit="usd", most=PICO), Limit(name="other", unit="usd", most=PICO)
    store.limits.declare([dollar])
    reserve(store, dollar, 1)
    store.limits.declare([Limit(name="all", unit="usd", most=2 * PICO), other])
    store.limits.withdraw("other")
    assert used(store) == [("", 0, 30)]


def test_a_limit_that_is_raised_tells_anew_and_one_that_stays_does_not(store: Store) -> None:
    two = Limit(name="all", unit="calls", most=2, thresholds=(100,))
    store.limits.declare([two])
    put(store, call(1), call(2))
    [first] = store.limits.alerts()
    store.limits.claim(first.id)
    store.limits.declare([two])
    assert store.limits.alerts(undelivered=True) == []
    store.limits.declare([Limit(name="all", unit="calls", most=3, thresholds=(100,))])
    assert told(store) == []
    put(store, call(3))
    assert told(store) == [100]


def test_a_limit_that_is_lowered_below_what_is_spent_tells_at_once(store: Store) -> None:
    """One that stops calls would never count another."""
    each = {"user": EACH}
    store.limits.declare([Limit(name="each", unit="calls", most=9, where=each)])
    put(store, call(1, attribution={"user": "ada"}), call(2, attribution={"user": "ada"}))
    store.limits.declare([Limit(name="each", unit="calls", most=2, where=each, thresholds=(100,))])
    assert [(alert.holder, alert.threshold) for alert in store.limits.alerts()] == [("ada", 100)]


def test_a_limit_of_another_scope_tells_anew(store: Store) -> None:
    def one(feature: str) -> Limit:
        return Limit(name="all", unit="calls", most=1, where={"feature": feature}, thresholds=(100,))

    store.limits.declare([one("a")])
    put(store, call(1, attribution={"feature": "a"}))
    store.limits.declare([one("b")])
    put(store, call(2, attribution={"feature": "b"}))
    assert told(store) == [100]


def test_the_state_of_a_limit_per_call_is_the_dearest_that_was_counted_today(store: Store) -> None:
    limit = Limit(name="per call", unit="usd", most=PICO, window="call", zone="UTC")
    store.limits.declare([limit])
    [state] = store.limits.states()
    assert (state.spent, state.calls) == (0, 0)
    put(store, call(1, 90), call(2, 101), call(3, 150))
    [state] = store.limits.states()
    assert (state.holder, state.spent, state.calls) == ("", 150 * CENT, 2)
    [tomorrow] = store.limits.states(time.time_ns() + DAY)
    assert tomorrow.spent == 0
    assert store.limits.reset("per call")
    assert [state.spent for state in store.limits.states()] == [0]


def test_a_holder_that_is_unknown_is_not_reset(store: Store) -> None:
    store.limits.declare([Limit(name="each", unit="usd", most=PICO, where={"user": EACH})])
    put(store, call(1, attribution={"user": "ada"}))
    assert not store.limits.reset("each", "bob")
    assert store.limits.reset("each", "ada")


@given(*[st.lists(st.text('ab "\\', max_size=4), min_size=2, max_size=3)] * 2)
def test_no_two_holders_share_a_counter(one: list[str], other: list[str]) -> None:
    def holder(values: list[str]) -> str:
        booked = {f"d{number}": value for number, value in enumerate(values)}
        limit = Limit(name="x", unit="calls", most=1, where=dict.fromkeys(booked, EACH))
        found = holder_of(limit, Record(trace_id="", span_id=span_id(1), attribution=booked))
        assert found is not None
        assert parts_of(found) == values
        return found

    assert (holder(one) == holder(other)) == (one == other)


def test_a_holder_of_one_dimension_is_its_value_and_of_several_their_values() -> None:
    record = Record(trace_id="", span_id="", attribution={"org": "Acme Inc", "user": "ada"})
    both = Limit(name="x", unit="calls", most=1, where={"org": EACH, "user": EACH})
    one = Limit(name="x", unit="calls", most=1, where={"org": EACH})
    assert (holder_of(one, record), holder_of(both, record)) == ("Acme Inc", '"Acme Inc" ada')
