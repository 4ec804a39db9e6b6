"""Small writes to the ledger that a program waits for: under the drain's lock, by a connection of their own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook.ledger import _database
from tollbook.ledger._errors import StoreError
from tollbook.ledger._locks import FileLock

if TYPE_CHECKING:
    import sqlite3


class Writer:
    """The right to change the ledger at `path`, one transaction at a time, for any number of threads."""

    __slots__ = ("_database", "_inherited", "_inode", "_lock", "_pid", "_thread", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(_database.lock_file(path))
        self._thread = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._pid = os.getpid()
        self._inherited: list[object] = []

    @contextlib.contextmanager
    def transaction(self, timeout: float) -> Generator[sqlite3.Connection]:
        """A transaction that is committed at the end of the block, and undone if the block raises.

        Args:
            timeout: Seconds to wait for other writers.

        Raises:
            StoreError: The ledger can't be written to, or not in time.
        """
        deadline = time.monotonic() + timeout
        if self._pid != os.getpid():
            self._after_fork()
        if not self._thread.acquire(timeout=max(timeout, 0)):
            raise StoreError(f"the ledger {self.path} is busy in another thread")
        try:
            with _database.explained(self.path):
                if self._database is None:
                    _database.make_place(self.path)
                if not self._lock.acquire(deadline):
                    raise StoreError("another process has been writing to it for too long")
                try:
                    database = self._open()
                    with _database.transaction(database, deadline):
                        yield database
                finally:
                    self._lock.release()
        finally:
            self._thread.release()

    def close(self) -> None:
        """Close the database; a later transaction opens it again."""
        with self._thread:
            database, self._database = self._database, None
            if database is not None and self._pid == os.getpid():
                # To close may be to checkpoint, and that needs the lock.
                with contextlib.suppress(OSError):
                    self._lock.acquire(time.monotonic() + 2.0)
                database.close()
                self._lock.release()

    def _open(self) -> sqlite3.Connection:
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116 - a plain call: it is on the way of a call
        except FileNotFoundError:
            inode = 0
        if self._database is not None and inode != self._inode:
            self._database.close()  # the file was moved or replaced
            self._database = None
        if self._database is None:
            self._database = _database.open_writing(self.path)
            self._inode = self.path.stat().st_ino
        return self._database

    def _after_fork(self) -> None:
        # The parent's connection must be neither used nor closed here.
        self._inherited.append(self._database)
        self._database = None
        self._lock.forget()
        self._thread = threading.Lock()
        self._pid = os.getpid()
