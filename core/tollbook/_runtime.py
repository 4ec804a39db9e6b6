"""The running system of one process: its ledger, and what goes into it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from tollbook import _guard, _late, _salt
from tollbook._paths import marker, store_path
from tollbook.spans import _sink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path
    from typing import Any, Literal

    from tollbook.budgets import Budget, BudgetStatus, Source
    from tollbook.ledger import Ledger, Repricing, Store
    from tollbook.pricing import Card
    from tollbook.spans import Record, Session, Trace

_lock = threading.RLock()
_ledger: Ledger | None = None
_opening = False
_url: str | None = None
_asides = 0
"""How many `aside` are open."""


def configure(store: str | Path | None = None) -> None:
    """Say where the ledger of this process is; it is opened when the first record is on its way.

    Args:
        store: Path or URL of the store; None keeps the one that there is, or else takes `TOLLBOOK_STORE`, or the user's
            data directory. Another store closes the one before, whose records stay where they are. Inside `aside`
            there is no other.

    Raises:
        ValueError: Another kind of store, or no file.
    """
    global _url
    if store is not None and not _asides:
        path = str(store_path(store))
        with _lock:
            if _ledger is not None and path != str(_ledger.store.path):
                _close()
            _url = _salt.place = path
            _salt.forget()
    _obey()


def _obey() -> None:
    """Let the budgets of the ledger hold here, if it has any: before the first call, not with the first record."""
    if not marker(store_path(_url)).exists():
        return
    from tollbook import budgets

    budgets.obey(start())


def set_budgets(source: Source, *, callback: Callable[[Any], object] | None = None) -> list[Budget]:
    """Make budgets hold for all programs that use this ledger: all that `source` describes, or none of them.

    A budget of a name that is known takes its place; what was counted stays, unless its scope, window or unit changes.

    Args:
        source: A path (TOML, or JSON by its name), one budget as a table, a list of them, or a table with a list
            `budget` and lines such as `per_user_daily = 50.00`.
        callback: Called in this process with each `BudgetAlert` of those whose action is `callback`, or with the
            `Question` of those that `ask`.

    Returns:
        The budgets.

    Raises:
        BudgetError: Anything is wrong with any of them; the text names file, line and field.
        StoreError: The ledger can't be written to.
    """
    from tollbook import budgets

    made = budgets.load_budgets(source, callback)
    budgets.declare(start(), made)
    return made


def budget_status() -> list[BudgetStatus]:
    """How the budgets of this process's ledger stand, with all that was recorded so far, the fullest of each first.

    Raises:
        StoreError: The ledger can't be read.
    """
    from tollbook import budgets

    return budgets.budget_status(store())


def remove_budget(name: str) -> bool:
    """Make the budget `name` hold no more, here and in all programs that use this ledger; whether there was one.

    Raises:
        StoreError: The ledger can't be written to.
    """
    from tollbook import budgets

    return budgets.withdraw(start(), name)


def start() -> Ledger:
    """The ledger of this process, opened at first use."""
    with _lock:
        return _open() if _ledger is None else _ledger


def begin() -> None:
    """Open the ledger for a record that is waiting for it, if that is possible here.

    The garbage collector may run anywhere, also in here, and end the call of a stream that was dropped. Then the ledger
    is being opened further up in this very thread, or by one that waits for an import which this one is in the midst
    of. Whoever opens it takes the record along.
    """
    if _lock.acquire(timeout=1.0):
        try:
            if _ledger is None and not _opening:
                _open()
        finally:
            _lock.release()


def _open() -> Ledger:
    global _ledger, _opening
    _opening = True
    try:
        from tollbook.ledger import Ledger

        opened = _ledger = Ledger(_url)
        if _salt.place is None:  # beside it also after the program has gone to another directory
            _salt.place = opened.store.path
        _sink.sink = opened.append
        opened.after_drain.append(lambda _: _late.catch_up())
        _write_cards()
    finally:
        _opening = False
    _sink.pass_on()
    return opened


def _close() -> None:
    global _ledger
    _sink.sink = _sink.first
    ledger, _ledger = _ledger, None
    if ledger is not None:
        ledger.close()
        if (active := sys.modules.get("tollbook.budgets._active")) is not None:
            active.part_from(ledger)


@contextlib.contextmanager
def aside(store: Path, mark: Callable[[Record], object]) -> Generator[Ledger]:
    """Put all that this process records into another ledger at `store` meanwhile, and leave the one in use as it is.

    Nested, a record goes to the inner and to all outer ones; `mark` is called with it before, in the thread of the
    call. Budgets of the ledger in use do not hold inside.
    """
    global _ledger, _url, _asides
    from tollbook.ledger import Ledger

    inside = Ledger(store)
    outer_sink = _sink.sink if _asides else None

    def sink(record: Record) -> None:
        mark(record)
        inside.append(record)
        if outer_sink is not None:
            outer_sink(record)

    with _lock:
        before = _ledger, _url, _salt.place, _sink.last_trace_id, _sink.sink
        _ledger, _url, _sink.sink = inside, str(store), sink
        _asides += 1
        obeyed = _settle_in(str(store))
        _write_cards()
    try:
        yield inside
    finally:
        with _lock:
            _ledger, _url, place, _sink.last_trace_id, _sink.sink = before
            _asides -= 1
            _settle_in(place)
            if _ledger is not None:
                _write_cards()
        inside.close()
        if obeyed:
            _obey()


def _settle_in(place: str | Path | None) -> bool:
    """Forget what was known of another ledger: its secret, and its budgets; whether these held."""
    _salt.place = place
    _salt.forget()
    active = sys.modules.get("tollbook.budgets._active")
    return active is not None and active.leave_ledger()


_warming: threading.Thread | None = None


def warm() -> None:
    """Load the ledger and the price list in the background, while the first request is on its way."""
    global _warming
    if _warming is None:
        thread = threading.Thread(target=_load, name="tollbook-warm", daemon=True)
        _late.loading = True
        try:
            thread.start()
        except RuntimeError:  # no thread to spare: they are loaded when they are needed
            _late.loading = False
        else:
            _warming = thread


def _settled(timeout: float) -> Ledger:
    """The ledger, once all that has ended here is on record."""
    if _warming is not None and _late.loading and _warming is not threading.current_thread():
        _warming.join(timeout)
    _late.catch_up()
    ledger = start()
    for settle in _sink.unsaid:
        settle()
    return ledger


def _load() -> None:
    _load_all()
    _late.loading = False
    _late.catch_up()


@_guard.guarded
def _load_all() -> None:
    from tollbook import pricing, usage

    start()
    assert usage.CONVENTIONS
    pricing.load()


def stop() -> None:
    """Close the ledger of this process; what was recorded stays, and the next record opens one again."""
    global _url
    with _lock:
        _close()
        _url = _salt.place = None
        _salt.forget()
        _sink.last_trace_id = None


def _write_cards() -> None:
    """Put the rate cards into the ledger that this process uses already, and those to come."""
    from tollbook import pricing

    if _write_card not in pricing.on_new_card:
        pricing.on_new_card.append(_write_card)
    for card in pricing.cards():
        _write_card(card)


@_guard.guarded
def _write_card(card: Card) -> None:
    if _ledger is not None:
        _ledger.append_card(card)


def store() -> Store:
    """The store of this process, with everything in it that has been recorded so far, by any process."""
    ledger = _settled(5.0)
    ledger.store.drain()
    return ledger.store


def flush(timeout: float = 10.0) -> bool:
    """Bring all finished records into the store.

    Nothing is lost without it: a record is on disk when its call returns. It makes them visible to other readers now.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything arrived in time.
    """
    return _settled(min(timeout, 5.0)).flush(timeout)


def get_last_active_trace_id() -> str | None:
    """The id of the trace that this process recorded last, else of the last in the store; None if there is none."""
    return _sink.last_trace_id or store().last_trace_id()


def get_trace(trace_id: str | None) -> Trace | None:
    """The trace with this id, with all spans that have ended; None if there is none.

    Args:
        trace_id: 32 hex digits.

    Raises:
        StoreError: The ledger can't be read.
    """
    from tollbook.spans import Trace

    if trace_id is None:
        return None
    opened = store()
    records = opened.trace(trace_id)
    return Trace(records, opened) if records else None


def get_session(session_id: str) -> Session | None:
    """What was booked to this session (`attribute(session=...)`), in all its traces; None if nothing was.

    Args:
        session_id: As it was given.

    Raises:
        StoreError: The ledger can't be read.
    """
    return store().session(session_id)


def reprice(
    since: str | int | None = None,
    until: str | int | None = None,
    *,
    timezone: str | None = None,
    model: str | Iterable[str] = (),
    provider: str | Iterable[str] = (),
    only_unpriced: bool = False,
    at: Literal["calls", "today"] = "calls",
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Repricing:
    """Price calls in the store anew, by the price lists and definitions of now.

    A cost that changes is kept as history (`Store.cost_history`). What the provider or the program said that a call
    cost is never touched; where a provider said it, the list price beside it is brought up to date. A cost is not
    replaced by one that knows less. Interrupted, it goes on where it stopped when it is asked for again.

    Args:
        since: Nanoseconds of Unix time, or a moment as people write it: `2026-11-01`, `7d`, `today`, `month`.
        until: As `since`; that moment is excluded.
        timezone: Of the days: an IANA name, `utc`, or `local` (the default).
        model: As answered or as asked for: one, or several; all if absent.
        provider: As recorded: one, or several; all if absent.
        only_unpriced: Only calls of which something has no known price.
        at: Whose prices: those in force when each call was made (`calls`), or those of `today`.
        dry_run: Change nothing, and say what would be changed.
        progress: Called now and then with how many spans were looked at, and how many there are to look at.

    Raises:
        ValueError: No such moment or time zone.
        StoreError: The ledger can't be read or written to.
    """
    from tollbook.reports import reprice as run

    return run(
        store(),
        since=since,
        until=until,
        timezone=timezone,
        model=model,
        provider=provider,
        only_unpriced=only_unpriced,
        at=at,
        dry_run=dry_run,
        progress=progress,
    )


def _before_fork() -> None:
    # A child that inherits a half-done import would wait for it for ever.
    if _warming is not None and _warming is not threading.current_thread():
        _warming.join(2.0)


def _after_fork_in_child() -> None:
    global _lock, _opening  # another thread of the parent may hold the old one
    _lock, _opening = threading.RLock(), False
    _late.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
