"""The ledger: what was recorded, durably, and the questions that can be asked of it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Collection, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook._paths import spool_directory, store_path
from tollbook.ledger._errors import StoreError
from tollbook.ledger._questions import Questions

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._batch import SeriesIds
    from tollbook.ledger._drain import Drain
    from tollbook.ledger._health import Health
    from tollbook.ledger._limiter import Limiter
    from tollbook.ledger._writer import Writer

# A program that only records needs none of what reads and drains until its thread drains: imported where it is used.


def open_store(url: str | Path | None = None) -> Store:
    """The ledger that `url` names; nothing is created or read yet.

    Args:
        url: A path or `sqlite:///path`. None: `TOLLBOOK_STORE`, or else the user's data directory.

    Raises:
        ValueError: Another kind of store, or no file.
    """
    return Store(store_path(url))


class Store(Questions):
    """One ledger, for any number of threads.

    Reading never creates anything and never drains: call `drain` first to see what was recorded a moment ago. A
    ledger that does not exist reads as empty.
    """

    __slots__ = (
        "__weakref__",
        "_changes",
        "_drain",
        "_inherited",
        "_inode",
        "_reader",
        "_reading",
        "_writing",
        "path",
        "spool",
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        """The database file."""
        self.spool = spool_directory(path)
        """The directory of the journals that are drained into it."""
        self._drain: Drain | None = None
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._inode = 0
        self._inherited: list[object] = []
        self._changes: Writer | None = None
        _stores.add(self)

    @property
    def limits(self) -> Limiter:
        """The limits that this ledger watches, and what is left of them."""
        from tollbook.ledger._limiter import Limiter

        # It holds this store, which must not hold it: two in a circle are closed only when they are collected.
        if self._changes is None:
            from tollbook.ledger._writer import Writer

            self._changes = Writer(self.path)
        return Limiter(self, self._changes)

    def drain(self, *, names: Collection[str] | None = None, orphans: bool = False, timeout: float = 10.0) -> int:
        """Read the journals into the database, so that all that was recorded until now can be asked for.

        Args:
            names: Only the journals with these file names.
            orphans: Only the journals of processes that have ended.
            timeout: Seconds to wait for other writers.

        Returns:
            The number of spans that were new.

        Raises:
            StoreError: The database can't be written to; the journals keep what they have.
        """
        deadline = time.monotonic() + timeout
        with self._writer(timeout) as drain:
            return drain.drain(deadline, names, orphans=orphans)

    @contextlib.contextmanager
    def changing(self, timeout: float = 10.0) -> Generator[tuple[sqlite3.Connection, SeriesIds]]:
        """One transaction that changes what is in the ledger; short, since all writers of all processes wait for it.

        Raises:
            StoreError: The database can't be written to, or not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._writer(timeout) as drain, drain.change(deadline) as found:
            yield found

    @contextlib.contextmanager
    def _writer(self, timeout: float) -> Generator[Drain]:
        """The writing side, for one thread at a time."""
        if not self._writing.acquire(timeout=max(timeout, 0)):
            raise StoreError(f"the ledger {self.path} is busy in another thread")
        try:
            if self._inherited:
                raise StoreError(f"the ledger {self.path} can't be written to by a process forked while it was in use")
            if self._drain is None:
                from tollbook.ledger._drain import Drain

                self._drain = Drain(self.path, self.spool)
            yield self._drain
        finally:
            self._writing.release()

    def health(self) -> Health:
        """How the ledger and its journals are; what is wrong is in it and is not raised."""
        from tollbook.ledger import _health

        health = _health.survey(self.path, self.spool)
        positions: dict[str, int] = {}
        try:
            with self.reading() as database:
                if database is not None:
                    positions = _health.complete(health, database)
        except StoreError as error:
            health.error = str(error)
        health.pending = _health.pending(self.spool, positions)
        return health

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; a later call opens it again."""
        with self._writing:
            if self._drain is not None:
                self._drain.close(time.monotonic() + 2.0)
            if self._changes is not None:
                self._changes.close()
        with self._reading:
            self._close_reader()

    @contextlib.contextmanager
    def reading(self) -> Generator[sqlite3.Connection | None]:
        """The database as it is at one moment; None if there is none yet."""
        from tollbook.ledger import _database

        with self._reading, _database.explained(self.path):
            database = self._open_reader()
            if database is None:
                yield None
                return
            database.execute("BEGIN")
            try:
                yield database
            finally:
                database.execute("COMMIT")

    def _open_reader(self) -> sqlite3.Connection | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if self._reader is not None and (found is None or found.st_ino != self._inode):
            self._close_reader()
        if found is None or not found.st_size:
            return None
        if self._inherited:
            raise StoreError("this process was forked while it was in use")
        if self._reader is None:
            from tollbook.ledger._database import open_reading

            self._reader = open_reading(self.path)
            self._inode = found.st_ino
        return self._reader

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def before_fork(self) -> tuple[bool, bool]:
        """Close the database, since no connection may cross a fork: whether the locks are held, and whether it is."""
        if not self._writing.acquire(timeout=0.5):
            return False, False
        if not self._reading.acquire(timeout=0.5):
            self._writing.release()
            return False, False
        self._close_reader()
        return True, self._drain is None or self._drain.close(time.monotonic() + 0.2)

    def after_fork(self, *, held: bool, closed: bool, child: bool) -> None:
        if child and not closed:
            connections = (self._drain and self._drain.abandon(), self._reader)
            self._inherited = [connection for connection in connections if connection is not None]
            self._reader = None
        if held:
            self._reading.release()
            self._writing.release()
        elif child:
            self._reading = threading.Lock()
            self._writing = threading.Lock()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_forking: list[tuple[Store, bool, bool]] = []


def _before_fork() -> None:
    _forking[:] = [(store, *store.before_fork()) for store in list(_stores)]


def _after_fork(child: bool) -> None:
    for store, held, closed in _forking:
        store.after_fork(held=held, closed=closed, child=child)
    _forking.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(child=False),
        after_in_child=lambda: _after_fork(child=True),
    )
