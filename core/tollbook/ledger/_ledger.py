"""A program's side of the ledger: its spool, and the thread that drains it."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook import _guard
from tollbook._paths import store_path
from tollbook.ledger._errors import StoreError
from tollbook.ledger._spool import Spool
from tollbook.ledger._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollbook.ledger._health import Health

_GATHER = 1.0
"""Seconds from the first record until a batch is drained, unless it is full before."""

_ORPHANS = 30.0
"""Seconds between two looks for journals of processes that ended."""

_PATIENCE = 2.0
"""Seconds that the thread waits for other writers, before it pauses."""

_LONGEST_PAUSE = 60.0
"""Seconds between two attempts to reach a ledger that can't be written to, at most."""

log = logging.getLogger("tollbook")


class Ledger:
    """Where this program's records go: on disk at once, into the ledger soon after, by a thread of its own.

    The thread begins with the first record, sleeps while there is nothing to do, and ends with the program, which
    waits for it for a moment. What is not drained by then stays in the spool, for whoever reads or records next.
    """

    __slots__ = (
        "__weakref__",
        "_counting",
        "_drained",
        "_ending",
        "_error",
        "_guarded_round",
        "_orphans_at",
        "_pause",
        "_signal",
        "_thread",
        "after_drain",
        "append",
        "append_card",
        "spool",
        "store",
    )

    _thread: threading.Thread | None
    _error: str | None
    _drained: Path | None

    def __init__(self, url: str | Path | None = None) -> None:
        """Raises ValueError for another kind of store, or no file; nothing is created yet."""
        self.store = Store(store_path(url))
        """The ledger, for questions."""
        self.spool = Spool(self.store.spool, wake=self._wake)
        self.append = self.spool.append
        """Put one record on disk: `append(record)`."""
        self.append_card = self.spool.append_card
        """Put one rate card on disk: `append_card(card)`."""
        self.after_drain: list[Callable[[Ledger], None]] = []
        """Called after each drain, in the thread that drained."""
        self._begin()
        self._guarded_round = _guard.guarded(self._round)
        _ledgers.add(self)

    def flush(self, timeout: float = 10.0) -> bool:
        """Bring all that was recorded, here and by other processes, into the ledger now.

        Returns:
            Whether that was possible within `timeout` seconds; if not, a warning said why.
        """
        written = self.spool.retry()
        try:
            self.store.drain(timeout=timeout)
        except StoreError as error:
            self._failed(error)
            return False
        self._error = None
        with self._counting:
            self.spool.drained()
        self._say_drained()
        return written

    def health(self) -> Health:
        """How the ledger is, with what only this process knows."""
        health = self.store.health()
        health.waiting = self.spool.waiting
        health.dropped += self.spool.unreported
        health.error = health.error or self._error
        return health

    def close(self, timeout: float = 5.0) -> None:
        """End the thread and drain what is left, within `timeout` seconds; a later record begins anew.

        What the disk still does not take is lost, and a warning says how much that is.
        """
        deadline = time.monotonic() + timeout
        self._stop(timeout)
        journal = self.spool.close()
        try:
            if journal is not None:
                self.store.drain(names={journal.name}, timeout=max(deadline - time.monotonic(), 0.1))
        except StoreError as error:
            self._failed(error)
        if lost := self.spool.give_up():
            log.warning("tollbook: %d records could not be written to %s and are lost", lost, self.spool.directory)
        self.store.close()
        atexit.unregister(self.close)
        self._begin()

    def _begin(self) -> None:
        self._thread = None
        self._counting = threading.Lock()
        self._signal = threading.Lock()
        self._signal.acquire()
        self._ending = threading.Event()
        self._error = None
        self._pause = _GATHER
        self._orphans_at = 0.0
        self._drained = None

    def _wake(self) -> None:
        """Called by the spool, in the thread of a caller."""
        if self._thread is None:
            self._start()
        _release(self._signal)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tollbook-drain", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the program is ending, or the system has no thread to spare: the spool keeps it
            self._thread = None
            return
        atexit.register(self.close)

    def _run(self) -> None:
        signal, ending = self._signal, self._ending
        while not ending.is_set():
            signal.acquire()
            done: bool | None = False
            while not done and not ending.is_set():
                self._gather(signal, ending)
                done = ending.is_set() or self._guarded_round()

    def _gather(self, signal: threading.Lock, ending: threading.Event) -> None:
        """Wait until a batch is full or a second has passed; longer, and regardless of batches, after a failure."""
        until = time.monotonic() + self._pause
        while (left := until - time.monotonic()) > 0 and not ending.is_set():
            if signal.acquire(timeout=left) and self._pause <= _GATHER:
                return

    def _round(self) -> bool:
        """Drain once; whether nothing is left to do."""
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        written = self.spool.retry()
        mark = self.spool.mark()
        journal = mark[0]
        if journal != self._drained:
            self._orphans_at = 0.0  # the one before it is full, and waits to be removed
        try:
            if journal is not None:
                self.store.drain(names={journal.name}, timeout=_PATIENCE)
            if time.monotonic() >= self._orphans_at:
                self.store.drain(orphans=True, timeout=_PATIENCE)
                self._orphans_at = time.monotonic() + _ORPHANS
        except StoreError as error:
            self._failed(error)
            return False
        self._say_drained()
        self._drained = journal
        self._error = None
        self._pause = _GATHER
        with self._counting:
            # Said before looking again, so that a record is either seen by the look or wakes this thread.
            self.spool.idle()
            if written and self.spool.mark() == mark:
                return True
            self.spool.busy()
        return False

    def _say_drained(self) -> None:
        for callback in self.after_drain:
            _tell(callback, self)

    def _failed(self, error: StoreError) -> None:
        if self._error is None:
            memory = " and in memory" if self.spool.waiting else ""
            log.warning("tollbook: %s. Until then, records stay in %s%s", error, self.store.spool, memory)
        self._error = str(error)

    def _stop(self, timeout: float) -> bool:
        """End the thread; whether one was running."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return False
        self._ending.set()
        _release(self._signal)
        thread.join(timeout)
        return True

    def before_fork(self) -> bool:
        # Python warns of a fork beside other threads, with reason; the host has not asked for this one.
        return self._stop(0.5)

    def after_fork(self, *, ran: bool, child: bool) -> None:
        if ran or child:
            self._begin()
        if ran and not child:
            self._wake()


@_guard.guarded
def _tell(callback: Callable[[Ledger], None], ledger: Ledger) -> None:
    callback(ledger)


def _release(signal: threading.Lock) -> None:
    # The lock is a signal: held while there is nothing to say. To say it twice is to say it once.
    with contextlib.suppress(RuntimeError):
        signal.release()


_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_forking: list[tuple[Ledger, bool]] = []


def _before_fork() -> None:
    _forking[:] = [(ledger, ledger.before_fork()) for ledger in list(_ledgers)]


def _after_fork(child: bool) -> None:
    for ledger, ran in _forking:
        ledger.after_fork(ran=ran, child=child)
    _forking.clear()


if hasattr(os, "register_at_fork"):
    # Before a fork, what was registered last is called first: the thread ends before its database is closed.
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(child=False),
        after_in_child=lambda: _after_fork(child=True),
    )
