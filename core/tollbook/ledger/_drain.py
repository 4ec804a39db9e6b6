"""The way from the journals into the database: each line once, whatever stops it in between.

How far a journal was read is written in the transaction that writes what was read. A journal is removed once it is
read to its end and the lock that its process held on it is free.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tollbook.ledger import _batch, _database, _lines, _rows
from tollbook.ledger._errors import DamageError, StoreError
from tollbook.ledger._journals import SUFFIX
from tollbook.ledger._locks import FileLock, try_lock
from tollbook.ledger._repair import encoded
from tollbook.pricing import card_by_id

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger("tollbook")


class _Step(NamedTuple):
    new: int = 0
    """Spans that were not in the database."""
    go_on: bool = False
    """There is more to read."""
    newer: bool = False
    """The journal is of a newer format: it is left to whoever knows it."""


_CARD = "INSERT OR IGNORE INTO card VALUES (?, CAST(? AS TEXT))"


def keep_cards(database: sqlite3.Connection, known: _batch.SeriesIds, used: Iterable[Collection[str]]) -> None:
    """Put the rate cards into the ledger by which calls were priced in this process, which no journal may have."""
    unsaid = {id_ for ids in used for id_ in ids} - known.cards
    cards = {id_: _rows.encode(card) for id_ in unsaid if (card := card_by_id(id_)) is not None}
    if cards:
        database.executemany(_CARD, cards.items())
        known.cards.update(cards)


class Drain:
    """The writing side of one ledger. Not for two threads at a time.

    All writes, and the checkpoints that they cause, happen under one lock of all processes: see
    `_database.has_wal_reset_bug`. It also makes processes queue instead of failing with "database is locked".
    """

    __slots__ = ("_database", "_gone", "_inode", "_lock", "_seen", "_series", "path", "spool")

    def __init__(self, path: Path, spool: Path) -> None:
        self.path = path
        self.spool = spool
        self._lock = FileLock(_database.lock_file(path))
        self._database: sqlite3.Connection | None = None
        self._series: _batch.SeriesIds | None = None
        self._inode = (0, 0)
        self._gone: list[str] = []
        self._seen: dict[str, int] = {}
        """How long each journal was when it was last read as far as it went."""

    def drain(self, deadline: float, names: Collection[str] | None = None, *, orphans: bool = False) -> int:
        """Read journals into the database: all, those in `names`, or (`orphans`) those of processes that ended.

        Returns:
            The number of spans that are new in the database.

        Raises:
            StoreError: The database can't be written to, or not before `deadline` (of `time.monotonic`).
        """
        with _database.explained(self.path):
            try:
                return self._drain(deadline, names, orphans)
            except DamageError:
                return self._drain(deadline, names, orphans)  # into the new one

    @contextlib.contextmanager
    def change(self, deadline: float) -> Generator[tuple[sqlite3.Connection, _batch.SeriesIds]]:
        """One transaction, for whoever changes what is in the ledger already.

        Raises:
            StoreError: The database can't be written to, or not before `deadline` (of `time.monotonic`).
        """
        with _database.explained(self.path), self._transaction(deadline) as database:
            assert self._series is not None
            yield database, self._series

    def close(self, deadline: float) -> bool:
        """Close the database; False if another process keeps the write lock until `deadline`."""
        if self._database is None:
            return True
        try:
            # To close may be to checkpoint, and that needs the lock.
            if not self._lock.acquire(deadline):
                return False
        except OSError:  # the place itself is gone, and with it everybody to be kept from
            pass
        try:
            self._drop()
        finally:
            self._lock.release()
        return True

    def abandon(self) -> sqlite3.Connection | None:
        """In a forked child: the parent's connection, which must be neither used nor closed here."""
        self._lock.forget()
        database, self._database, self._series = self._database, None, None
        return database

    def _drain(self, deadline: float, names: Collection[str] | None, orphans: bool) -> int:
        added = 0
        if self._database is None and _database.is_older(self.path):
            with self._transaction(deadline):
                pass  # to open it for writing is to upgrade it, also where nothing has to be drained
        for path in journals(self.spool):
            if names is None or path.name in names:
                added += self._drain_journal(path, deadline, orphans)
        return added

    def _drain_journal(self, path: Path, deadline: float, orphans: bool) -> int:
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:  # another process was faster
            return 0
        try:
            dead = _is_dead(fd)
            size = os.fstat(fd).st_size
            if not dead and (orphans or self._seen.get(path.name) == size):
                return 0
            step, added = _Step(go_on=True), 0
            while step.go_on:
                with self._transaction(deadline) as database:
                    step = self._step(database, fd, path, size, dead)
                    database.execute("INSERT OR REPLACE INTO meta VALUES ('last_drain', ?)", (time.time_ns(),))
                added += step.new
            if not dead:
                self._seen[path.name] = size
            elif not step.newer:
                self._remove(path, deadline)
            return added
        finally:
            os.close(fd)

    def _step(self, database: sqlite3.Connection, fd: int, path: Path, size: int, dead: bool) -> _Step:
        """Read the next piece of a journal, inside a transaction."""
        found = database.execute("SELECT position FROM spool WHERE name = ?", (path.name,)).fetchone()
        position = found[0] if found and found[0] <= size else 0
        data = _lines.read(fd, position, size)
        end = position + len(data)
        if not data:
            if not dead or position == size:
                return _Step()
            data, end = _lines.read_rest(fd, position), size  # the last line of a process that died writing it
        assert self._series is not None
        batch = _batch.Batch(database, self._series)
        others = _lines.Lines()
        for number, piece in enumerate(_lines.pieces(data)):
            lines = _lines.parse(piece)
            if lines.newer and not number:
                return _Step(newer=True)
            batch.add(lines.records)
            others.take(lines)
        batch.close()
        rejected = [*others.rejected, *map(encoded, batch.refused)]
        if rejected:
            _set_aside(path, rejected)
        database.executemany(_CARD, others.cards)
        keep_cards(database, self._series, batch.cards)
        database.execute("INSERT OR REPLACE INTO spool VALUES (?, ?)", (path.name, end))
        _count(database, spans=batch.new, rejected=len(rejected), dropped=others.dropped)
        if batch.latest is not None:
            _note_last(database, *batch.latest)
        return _Step(new=batch.new, go_on=end < size)

    def _remove(self, path: Path, deadline: float) -> None:
        """Remove a journal that is read to its end and whose process is gone."""
        database = self._database
        assert database is not None
        # What the file held must survive a power failure in the database before the file may go.
        database.execute("PRAGMA synchronous = FULL")
        try:
            with self._transaction(deadline):
                database.execute("UPDATE spool SET position = position WHERE name = ?", (path.name,))
        finally:
            database.execute("PRAGMA synchronous = NORMAL")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._gone.append(path.name)
        self._seen.pop(path.name, None)

    @contextlib.contextmanager
    def _transaction(self, deadline: float) -> Generator[sqlite3.Connection]:
        """A transaction on the ledger, which is opened, made or replaced as needed, under the lock."""
        import sqlite3

        if not self._lock.path.exists():
            _database.make_place(self.path)
            _database.refuse_strangers(self.path)
        if not self._lock.acquire(deadline):
            raise StoreError("another process has been writing to it for too long")
        try:
            with self._begun(deadline) as database:
                for name in self._gone:
                    database.execute("DELETE FROM spool WHERE name = ?", (name,))
                self._gone.clear()
                yield database
        except sqlite3.DatabaseError as error:
            if not _database.is_damage(error):
                raise
            self._drop()
            _database.set_aside(self.path)
            raise DamageError("it was set aside, and a new one will be begun") from error
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def _begun(self, deadline: float) -> Generator[sqlite3.Connection]:

        if self._database is not None and _inode(self.path) != self._inode:
            self._drop()  # the file was moved or replaced under us
        if self._database is None:
            self._database = _database.open_writing(self.path)
            self._series = _batch.SeriesIds(self._database)
            self._inode = _inode(self.path)
        database = self._database
        try:
            with _database.transaction(database, deadline):
                yield database
        except BaseException:
            if self._series is not None:
                self._series.forget()  # what was undone may have made them
            raise

    def _drop(self) -> None:
        database, self._database, self._series = self._database, None, None
        self._seen.clear()
        if database is not None:
            database.close()


def _is_dead(fd: int) -> bool:
    """Whether the process that wrote the open journal has let go of it; it is locked by us if so."""
    try:
        return try_lock(fd)
    except OSError:  # no locks here: nobody knows
        return False


def journals(spool: Path) -> list[Path]:
    """The journals in the directory, oldest first."""
    try:
        names = os.listdir(spool)  # noqa: PTH208 - names are all that is needed
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [spool / name for name in sorted(names) if name.endswith(SUFFIX)]


def _inode(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    return found.st_dev, found.st_ino


def _set_aside(journal: Path, rejected: list[bytes]) -> None:
    """Keep lines that make no sense where somebody can look at them."""
    log.warning("tollbook could not read %d lines of %s; they are kept beside it", len(rejected), journal)
    path = journal.with_name(journal.name + ".rejected")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(fd, "ab") as file:  # noqa: PTH123 - a descriptor, for the sake of its permissions
        file.write(b"\n".join([*rejected, b""]))


def _count(database: sqlite3.Connection, **numbers: int) -> None:
    """Add to the ledger's counters."""
    database.executemany(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
        [(key, number) for key, number in numbers.items() if number],
    )


def _note_last(database: sqlite3.Connection, end: int, trace: str) -> None:
    """Remember the trace whose record ended last."""
    end = min(max(end, -(2**63)), 2**63 - 1)  # of two numbers that fit into a column, the sum may not
    found = database.execute("SELECT value FROM meta WHERE key = 'last_end'").fetchone()
    if found is None or end >= found[0]:
        database.execute("INSERT OR REPLACE INTO meta VALUES ('last_end', ?), ('last_trace', ?)", (end, trace))
