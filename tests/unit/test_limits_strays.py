"""What programs have reserved that know too little of a limit, or are gone, neither stays nor is spent twice."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.limits import CENT, call, put, reserve, span_id, used

from tollbook._money import PICO
from tollbook.ledger import Limit, Store, StoreError, Want, _limit, _limits, _owners, open_store

HOUR = 3_600_000_000_000
DOLLAR = Limit(name="all", unit="usd", most=PICO)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


def test_what_was_reserved_in_a_withdrawn_limit_comes_back_with_its_record(store: Store) -> None:
    """A running program reserves until it knows that the limit is no more."""
    store.limits.declare([DOLLAR])
    store.limits.withdraw("all")
    reserve(store, DOLLAR, 1)
    put(store, call(1, 20))
    store.limits.declare([DOLLAR])
    assert used(store) == [("", 20, 0)]


def test_what_was_reserved_in_a_withdrawn_limit_is_not_there_when_it_is_set_again(store: Store) -> None:
    store.limits.declare([DOLLAR])
    store.limits.withdraw("all")
    reserve(store, DOLLAR, 1)
    store.limits.declare([DOLLAR])
    assert used(store) == [("", 0, 0)]


def test_two_calls_do_not_pass_a_rolling_limit_beside_each_other_where_an_hour_ends(store: Store) -> None:
    """The one that began first may ask last."""
    limit = Limit(name="rolling", unit="calls", most=1, window="2h")
    store.limits.declare([limit])
    full = time.time_ns() // HOUR * HOUR
    assert store.limits.reserve(span_id(1), [Want(limit, "", 1)], full + 1, 5.0) is None
    refusal = store.limits.reserve(span_id(2), [Want(limit, "", 1)], full - 1, 5.0)
    assert refusal is not None
    assert refusal.reserved == 1
    assert store.limits.reserve(span_id(3), [Want(limit, "", 1)], full - 4 * HOUR, 5.0) is None, "no window has both"


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_more_than_a_ledger_can_write_down_is_refused(store: Store, unit: str) -> None:
    limit = Limit(name="all", unit=unit, most=1000)  # type: ignore[arg-type]
    store.limits.declare([limit])
    refusal = store.limits.reserve(span_id(1), [Want(limit, "", 10**30)], time.time_ns(), 5.0)
    assert refusal is not None
    assert refusal.wanted == 10**30


@pytest.mark.parametrize(
    ("owner", "hours", "back"),
    [
        ("another boot/pid:[1]|17|99", 4, True),
        ("another boot/pid:[1]|17|99", 1, False),
        (_owners.this_process(), 4, False),
    ],
    ids=["of a machine that began anew", "of another container, maybe under way", "of this process"],
)
def test_what_a_process_holds_that_cannot_be_seen_from_here_comes_back_after_hours(
    store: Store, owner: str, hours: int, back: bool
) -> None:
    store.limits.declare([DOLLAR])
    began = time.time_ns() - hours * HOUR
    with store.changing() as (database, _):
        assert _limits.reserve(database, b"8" * 8, [Want(DOLLAR, "", 60 * CENT)], began, owner) is None
    want = [Want(DOLLAR, "", 80 * CENT)]
    assert store.limits.reserve(span_id(1), want, time.time_ns(), 5.0) is not None
    assert (store.limits.reserve_after_drain(span_id(1), want, time.time_ns(), 5.0) is None) is back


def test_a_zone_that_is_not_known_here_is_a_ledger_that_cannot_be_used_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known where the limit was set, in another container that shares the ledger."""
    limit = Limit(name="daily", unit="usd", most=PICO, window="day", zone="Europe/Berlin")
    store.limits.declare([limit])

    def unknown(name: str) -> object:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(zoneinfo, "ZoneInfo", unknown)
        _limit.window_at.cache_clear()
        with pytest.raises(StoreError, match="tzdata"):
            put(store, call(1, 20))
        with pytest.raises(StoreError, match="Europe/Berlin"):
            reserve(store, limit, 2)
    store.drain()
    assert used(store) == [("", 20, 0)]
