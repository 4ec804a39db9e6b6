"""Limits in the ledger: what is spent, what is reserved, and what comes back."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits import CENT, call, put, reserve, span_id, used

from tollbook._money import PICO
from tollbook.ledger import EACH, Limit, Spool, Store, Want, open_store
from tollbook.ledger import _limits as limits
from tollbook.ledger._limit import bucket_of
from tollbook.ledger._periods import window_of

SCHEDULES = int(os.environ.get("TOLLBOOK_TEST_SCHEDULES", "250"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


def test_a_reservation_becomes_what_was_spent_when_its_span_is_stored(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO)
    store.limits.declare([dollar])
    assert reserve(store, dollar, 1)
    assert used(store) == [("", 0, 30)]
    put(store, call(1, 12))
    assert used(store) == [("", 12, 0)]
    put(store, call(1, 12))
    assert used(store) == [("", 12, 0)], "stored twice, counted once"


def test_what_does_not_fit_is_refused_and_leaves_no_trace(store: Store) -> None:
    small = Limit(name="a", unit="usd", most=50 * CENT)
    large = Limit(name="b", unit="usd", most=PICO)
    store.limits.declare([small, large])
    assert reserve(store, small, 1)
    refusal = store.limits.reserve(
        span_id(2), [Want(large, "", 30 * CENT), Want(small, "", 30 * CENT)], time.time_ns(), 5.0
    )
    assert refusal is not None
    assert (refusal.limit.name, refusal.spent, refusal.reserved, refusal.wanted) == ("a", 0, 30 * CENT, 30 * CENT)
    assert used(store) == [("", 0, 30), ("", 0, 0)], "the one that had room for it has it still"


def test_of_many_calls_each_is_counted_and_each_reservation_comes_back(store: Store) -> None:
    """However few of them are stored at a time."""
    dollars = Limit(name="all", unit="usd", most=100 * PICO)
    store.limits.declare([dollars])
    assert all(reserve(store, dollars, number) for number in range(1, 101))
    put(store, *[call(number, 2) for number in range(1, 101)])
    assert used(store) == [("", 200, 0)]


def test_to_reserve_again_under_the_same_id_is_counted_as_it_is_given_back(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO)
    store.limits.declare([dollar])
    reserve(store, dollar, 1)
    reserve(store, dollar, 1)
    store.limits.release(span_id(1), 5.0)
    assert used(store) == [("", 0, 0)]


def test_each_holder_has_a_counter_of_its_own_and_others_do_not_count(store: Store) -> None:
    each = Limit(name="users", unit="usd", most=20 * CENT, where={"user": EACH, "feature": "search"}, window="day")
    store.limits.declare([each])
    put(
        store,
        call(1, attribution={"user": "ada", "feature": "search"}),
        call(2, attribution={"user": "bob", "feature": "search"}),
        call(3, attribution={"user": "bob", "feature": "search"}),
        call(4, attribution={"user": "bob", "feature": "chat"}),
        call(5, attribution={"feature": "search"}),
    )
    assert used(store) == [("bob", 20, 0), ("ada", 10, 0)]
    assert [(a.holder, a.threshold) for a in reversed(store.limits.alerts())] == [
        ("ada", 50),
        ("bob", 50),
        ("bob", 80),
        ("bob", 100),
    ]


def test_a_limit_begins_with_what_its_window_has_seen(store: Store) -> None:
    now = time.time_ns()
    begin, _ = window_of("month", now, "UTC")
    put(store, call(1, start=now), call(2, start=begin - 1), call(3, start=begin))
    store.limits.declare([Limit(name="month", unit="usd", most=PICO, window="month", zone="UTC")])
    assert used(store) == [("", 20, 0)]


def test_another_amount_keeps_what_was_counted_and_another_window_begins_anew(store: Store) -> None:
    put(store, call(1))
    store.limits.declare([Limit(name="all", unit="usd", most=PICO)])
    put(store, call(2))
    store.limits.declare([Limit(name="all", unit="usd", most=2 * PICO)])
    assert used(store) == [("", 20, 0)]
    store.limits.declare([Limit(name="all", unit="calls", most=5)])
    [state] = store.limits.states()
    assert (state.spent, state.calls) == (2, 2)


def test_a_window_that_rolls_forgets_by_the_hour(store: Store) -> None:
    now = time.time_ns()
    hour = 3_600_000_000_000
    day = Limit(name="day", unit="usd", most=PICO, window="24h")
    store.limits.declare([day])
    put(store, call(1, start=now), call(2, start=now - 20 * hour), call(3, start=now - 30 * hour))
    assert used(store) == [("", 20, 0)]
    assert not reserve(store, day, 4, cents=81)
    assert reserve(store, day, 5, cents=80)
    later = store.limits.states(now + 5 * hour)
    assert [s.spent // CENT for s in later] == [10]


def test_late_records_land_in_the_window_of_their_start(store: Store) -> None:
    now = time.time_ns()
    begin, _ = window_of("day", now, "UTC")
    store.limits.declare([Limit(name="day", unit="usd", most=PICO, window="day", zone="UTC")])
    put(store, call(1, start=begin - 1), call(2, start=begin))
    assert used(store) == [("", 10, 0)]
    assert [s.spent // CENT for s in store.limits.states(begin - 1)] == [10]


def test_a_call_that_is_dearer_than_a_limit_per_call_is_told_of_once(store: Store) -> None:
    store.limits.declare([Limit(name="per call", unit="usd", most=PICO, window="call", thresholds=(100,))])
    put(store, call(1, 100), call(2, 101), call(3, None))
    assert [(a.holder, a.spent // CENT) for a in store.limits.alerts()] == [(span_id(2), 101)]


def test_what_has_no_price_is_counted_as_that(store: Store) -> None:
    store.limits.declare([Limit(name="all", unit="usd", most=PICO)])
    put(store, call(1, None), call(2))
    [state] = store.limits.states()
    assert (state.spent, state.calls, state.unpriced) == (10 * CENT, 2, 1)


def test_an_alert_is_told_of_by_one(store: Store) -> None:
    store.limits.declare([Limit(name="all", unit="calls", most=1, thresholds=(100,))])
    put(store, call(1), call(2))
    [alert] = store.limits.alerts(undelivered=True)
    assert store.limits.claim(alert.id)
    assert not store.limits.claim(alert.id)
    assert store.limits.alerts(undelivered=True) == []


def test_what_a_dead_process_held_comes_back_once_its_records_are_counted(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO)
    store.limits.declare([dollar])
    pid = os.fork()
    if pid == 0:  # the child reserves for two calls, ends one, and dies
        with open_store(store.path) as own:
            reserve(own, dollar, 1)
            reserve(own, dollar, 2)
            Spool(own.spool).append(call(1, 20))
            os._exit(0)
    os.waitpid(pid, 0)
    assert used(store) == [("", 0, 60)]
    want = [Want(dollar, "", 80 * CENT)]
    assert store.limits.reserve(span_id(3), want, time.time_ns(), 5.0) is not None
    assert store.limits.reserve_after_drain(span_id(3), want, time.time_ns(), 5.0) is None
    assert used(store) == [("", 20, 80)]


def test_a_limit_that_is_withdrawn_leaves_nothing(store: Store) -> None:
    dollar = Limit(name="all", unit="usd", most=PICO)
    store.limits.declare([dollar])
    reserve(store, dollar, 1)
    assert store.limits.withdraw("all")
    assert not store.limits.withdraw("all")
    with store.reading() as database:
        assert database is not None
        for table in ("limit_def", "limit_state", "limit_watched", "limit_alert", "reservation"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_reset_begins_the_window_anew(store: Store) -> None:
    store.limits.declare([Limit(name="each", unit="usd", most=PICO, where={"user": EACH})])
    put(store, call(1, attribution={"user": "ada"}), call(2, attribution={"user": "bob"}))
    assert store.limits.reset("each", "ada")
    assert used(store) == [("bob", 10, 0), ("ada", 0, 0)]
    assert not store.limits.reset("none")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(5, 60), min_size=1, max_size=25))
def test_no_order_of_reserving_ending_and_draining_overspends(
    tmp_path_factory: pytest.TempPathFactory, seed: int, costs: list[int]
) -> None:
    """Calls reserve the most they may come to, end at that or less, in any order, or never."""
    chance = Random(seed)
    dollar = Limit(name="all", unit="usd", most=PICO)
    with open_store(tmp_path_factory.mktemp("limits") / "ledger.db") as store:
        store.limits.declare([dollar])
        spool = Spool(store.spool)
        running: dict[int, int] = {}
        spent = 0
        for number, most in enumerate(costs, 1):
            if reserve(store, dollar, number, cents=most):
                running[number] = most
                assert spent + sum(running.values()) <= 100
            while running and chance.random() < 0.5:
                ended = chance.choice(list(running))
                cost = chance.randint(0, running.pop(ended))
                spent += cost
                spool.append(call(ended, cost))
                if chance.random() < 0.5:
                    store.drain()
        store.drain()
        [state] = store.limits.states()
        assert state.spent == spent * CENT <= PICO
        assert state.reserved == sum(running.values()) * CENT
        spool.close()


@pytest.mark.parametrize(
    ("unit", "at", "zone", "start", "end"),
    [
        ("hour", "2026-11-22T14:30:00+00:00", "UTC", "2026-11-22T14:00:00+00:00", "2026-11-22T15:00:00+00:00"),
        ("day", "2026-11-22T23:30:00+00:00", "Europe/Berlin", "2026-11-22T23:00:00+00:00", "2026-11-23T23:00:00+00:00"),
        ("day", "2026-10-25T12:00:00+00:00", "Europe/Berlin", "2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00"),
        ("week", "2026-11-22T12:00:00+00:00", "UTC", "2026-11-16T00:00:00+00:00", "2026-11-23T00:00:00+00:00"),
        ("month", "2026-12-31T23:59:59+00:00", "UTC", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_windows_are_those_of_the_zone(unit: str, at: str, zone: str, start: str, end: str) -> None:
    from datetime import datetime

    def nanoseconds(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 10**9

    assert window_of(unit, nanoseconds(at), zone) == (nanoseconds(start), nanoseconds(end))
    limit = Limit(name="x", unit="calls", most=1, window=unit, zone=zone)
    assert bucket_of(limit, nanoseconds(at)) == nanoseconds(start)


class Crash(BaseException):
    """The process dies here."""


plays = itertools.count(1000)


@pytest.fixture(scope="session")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger for a thousand plays, each with a limit of its own: to make one takes longer than to play."""
    with open_store(tmp_path_factory.mktemp("limits") / "ledger.db") as opened:
        yield opened


@settings(max_examples=SCHEDULES, deadline=None)
@given(st.integers(0, 2**32))
def test_a_crash_between_any_two_steps_neither_overspends_nor_loses_what_was_spent(  # noqa: C901 - a play of many parts
    one_for_all: Store, seed: int
) -> None:
    """Three programs make calls against one dollar; each may die before, within and after each step."""
    chance = Random(seed)
    store, play = one_for_all, next(plays)
    dollar = Limit(name=f"dollar {play}", unit="usd", most=PICO, where={"feature": f"play {play}"})
    booked = {"feature": f"play {play}"}
    store.limits.declare([dollar])
    with contextlib.ExitStack() as closing:
        spools = {name: Spool(store.spool) for name in "abc"}
        for spool in spools.values():
            closing.callback(spool.close)
        running: dict[int, tuple[str, int]] = {}
        dead: set[str] = set()
        recorded: dict[int, int] = {}
        lives = 0

        def die(name: str) -> None:
            """All that the program held in memory is gone; what it wrote stays."""
            nonlocal lives
            lives += 1
            dead.add(f"{name}{lives}")
            for number in [n for n, (who, _) in running.items() if who == owners[name]]:
                del running[number]
            owners[name] = f"{name}{lives + 1000}"
            dead.add(previous[name])
            previous[name] = owners[name]

        owners = {name: f"{name}0" for name in "abc"}
        previous = dict(owners)

        def attempt(name: str, number: int, most: int, crash: int) -> bool:
            want = [Want(dollar, "", most * CENT)]
            with store.limits._writer.transaction(5.0) as database:
                refused = limits.reserve(database, bytes.fromhex(span_id(number)), want, time.time_ns(), owners[name])
                if crash == 1 or refused is not None:
                    raise Crash
            return True

        for number in range(play * 100, play * 100 + 30):
            name = chance.choice("abc")
            most = chance.randint(10, 60)
            crash = chance.choice([0, 0, 0, 1, 2, 3, 4])
            admitted = False
            for _ in range(2):
                try:
                    admitted = attempt(name, number, most, crash)
                    break
                except Crash:
                    if crash == 1:
                        break
                    with store.limits._writer.transaction(5.0) as database:
                        ended = limits.ended_owners(database, dead.__contains__)
                    store.drain()
                    with store.limits._writer.transaction(5.0) as database:
                        limits.release_ended(database, ended)
            if admitted:
                running[number] = (owners[name], most)
            assert sum(recorded.values()) + sum(most for _, most in running.values()) <= 100
            if crash in (1, 2):
                die(name)
            for ended_call in [n for n, (who, _) in running.items() if who == owners[name] and chance.random() < 0.6]:
                _, most = running.pop(ended_call)
                recorded[ended_call] = chance.randint(0, most)
                spools[name].append(call(ended_call, recorded[ended_call], attribution=booked))
                if crash == 3:
                    die(name)
                    break
            if crash == 4:  # the one that drains dies in the midst of it
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(limits, "_count", lambda *_: (_ for _ in ()).throw(Crash()))
                    with contextlib.suppress(Crash):
                        store.drain()
        store.drain()
        [state] = store.limits.states()
        assert state.spent == sum(recorded.values()) * CENT <= PICO
        with store.limits._writer.transaction(5.0) as database:
            limits.release_ended(database, limits.ended_owners(database, dead.__contains__))
        [state] = store.limits.states()
        assert state.reserved == sum(most for _, most in running.values()) * CENT
        store.limits.withdraw(dollar.name)


def test_a_ledger_that_nobody_holds_is_closed_at_once(tmp_path: Path) -> None:
    """Whoever asked it for its limits does not leave it to the garbage collector."""
    store = Store(tmp_path / "ledger.db")
    assert store.limits.states() == []
    store.limits.withdraw("x")
    gone = weakref.ref(store)
    del store
    assert gone() is None
