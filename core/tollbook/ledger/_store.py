"""The ledger: what was recorded, durably, and the questions that can be asked of it."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Collection, Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollbook._paths import spool_directory, store_path
from tollbook.ledger._errors import StoreError

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._batch import SeriesIds
    from tollbook.ledger._dimensions import Filter, Where
    from tollbook.ledger._drain import Drain
    from tollbook.ledger._health import Health
    from tollbook.ledger._limiter import Limiter
    from tollbook.ledger._repriced import PastCost
    from tollbook.ledger._summary import Row
    from tollbook.ledger._traces import Order, TraceSum
    from tollbook.spans import Record, Session

# A program that only records needs none of what reads and drains until its thread drains: imported where it is used.


def open_store(url: str | Path | None = None) -> Store:
    """The ledger that `url` names; nothing is created or read yet.

    Args:
        url: A path or `sqlite:///path`. None: `TOLLBOOK_STORE`, or else the user's data directory.

    Raises:
        ValueError: Another kind of store, or no file.
    """
    return Store(store_path(url))


class Store:
    """One ledger, for any number of threads.

    Reading never creates anything and never drains: call `drain` first to see what was recorded a moment ago. A
    ledger that does not exist reads as empty.
    """

    __slots__ = (
        "__weakref__",
        "_drain",
        "_inherited",
        "_inode",
        "_limits",
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
        self._limits: Limiter | None = None
        _stores.add(self)

    @property
    def limits(self) -> Limiter:
        """The limits that this ledger watches, and what is left of them."""
        if self._limits is None:
            from tollbook.ledger._limiter import Limiter

            self._limits = Limiter(self)
        return self._limits

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

    def trace(self, trace_id: str) -> list[Record]:
        """All spans of a trace, by their start; empty if there is no such trace.

        Raises:
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger import _rows
        from tollbook.ledger._dimensions import series_values

        try:
            key = bytes.fromhex(trace_id)
        except ValueError:
            return []
        with self.reading() as database:
            if database is None:
                return []
            series = series_values(database)
            rows = database.execute(f"SELECT {_rows.READ} FROM span WHERE trace_id = ? ORDER BY start, id", (key,))
            return [_rows.restore(row, series[row[3]]) for row in rows]

    def last_trace_id(self) -> str | None:
        """The trace of the span that ended last; None if there is none.

        Raises:
            StoreError: The ledger can't be read.
        """
        with self.reading() as database:
            found = database and database.execute("SELECT value FROM meta WHERE key = 'last_trace'").fetchone()
            return found[0] if found else None

    def session(self, session_id: str) -> Session | None:
        """What was booked to the session; None if nothing was.

        Raises:
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._sessions import read

        with self.reading() as database:
            return None if database is None else read(database, session_id)

    def find_traces(self, beginning: str, limit: int = 10) -> list[str]:
        """The ids of the first traces, in order of their ids, that begin with these hex digits; empty if none does.

        Raises:
            StoreError: The ledger can't be read.
        """
        try:
            first, last = (bytes.fromhex(beginning.ljust(32, digit)) for digit in "0f")
        except ValueError:
            return []
        with self.reading() as database:
            if database is None:
                return []
            query = "SELECT DISTINCT trace_id FROM span WHERE trace_id BETWEEN ? AND ? ORDER BY trace_id LIMIT ?"
            return [row[0].hex() for row in database.execute(query, (first, last, limit))]

    def find_spans(self, beginning: str, limit: int = 10) -> list[tuple[str, str]]:
        """(Trace id, span id) of spans whose id begins with these hex digits; empty if none does. It reads every id.

        Raises:
            StoreError: The ledger can't be read.
        """
        try:
            first, last = (bytes.fromhex(beginning.ljust(16, digit)) for digit in "0f")
        except ValueError:
            return []
        with self.reading() as database:
            if database is None:
                return []
            query = "SELECT trace_id, span_id FROM span WHERE span_id BETWEEN ? AND ? LIMIT ?"
            return [(row[0].hex(), row[1].hex()) for row in database.execute(query, (first, last, limit))]

    def spans(
        self,
        since: int | None = None,
        until: int | None = None,
        where: Where | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> list[Record]:
        """Spans of any kind, billed or not, the latest start first.

        Args:
            since: Unix nanoseconds of the earliest start.
            until: Unix nanoseconds that the start must lie before.
            where: As in `summary`.
            limit: How many at most; None: all.
            offset: How many to leave out first.

        Raises:
            ValueError: No such dimension.
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger import _rows
        from tollbook.ledger._dimensions import Filter, series_values

        with self.reading() as database:
            if database is None:
                return []
            series = series_values(database)
            found = _select(database, Filter(where, series, database), since, until)
            rows = list(islice(found, offset, None if limit is None else offset + limit))
            return [_rows.restore(row, series[row[3]]) for row in rows]

    def traces(
        self,
        since: int | None = None,
        until: int | None = None,
        where: Where | None = None,
        *,
        order: Order = "time",
        limit: int = 100,
        after: str | None = None,
    ) -> list[TraceSum]:
        """Traces with spans that fit, and what these come to.

        Args:
            since: Unix nanoseconds of the earliest start of a span.
            until: Unix nanoseconds that the start must lie before.
            where: As in `summary`.
            order: `time`: the latest first, by the last span that fits; a page is read at once, however many there are.
                `cost`: the dearest first, those without a known cost last; every span of the time is read for it.
            limit: How many at most.
            after: The `cursor` of the trace behind which to go on, of the same question.

        Raises:
            ValueError: No such dimension or order, or no such place.
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._traces import Page, checked

        wanted = checked(order)
        with self.reading() as database:
            return [] if database is None else Page(database, where, since, until).read(wanted, limit, after)

    def summary(
        self,
        by: Sequence[str] = (),
        *,
        since: int | None = None,
        until: int | None = None,
        where: Where | None = None,
        zone: str | None = None,
    ) -> list[Row]:
        """Sums over the calls whose bill counts; empty if there are none.

        Args:
            by: Dimensions, one row for each combination of their values: `provider`, `model` (as answered, or else
                as asked for), `request_model`, `response_model`, `operation`, `integration`, `kind`, `status`,
                `error`, `stream`, `tier`, `priced` (the cost's status), `source` (of the usage); one of `hour`, `day`
                and `month`; `feature`, `agent`, `user`, `org`, `session`, `key` and `tag.NAME`; and `trace`, `run` (a
                trace with an agent's span), `name` and `attribute.NAME`, which are slower, since every span is read. So
                it is for two dimensions of attribution at once if one has more than 500 values.
            since: Unix nanoseconds of the earliest start.
            until: Unix nanoseconds that the start must lie before.
            where: What must hold, by dimension (not of time): a value, or several of which one must hold.
            zone: What hours, days and months are meant: an IANA name; None: this machine's time zone.

        Raises:
            ValueError: No such dimension or time zone.
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._summary import Summary

        with self.reading() as database:
            return [] if database is None else Summary(database, by, where).rows(since, until, zone)

    def summaries(
        self, by: Sequence[str], periods: Sequence[tuple[int, int]], *, where: Where | None = None
    ) -> list[list[Row]]:
        """What `summary` says of each of several periods, which takes little longer than one of them.

        Args:
            by: Dimensions, none of them of time.
            periods: Start and end (not included) of each, in Unix nanoseconds; they may overlap.
            where: As in `summary`.

        Raises:
            ValueError: No such dimension.
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._summary import Summary

        with self.reading() as database:
            return [[] for _ in periods] if database is None else Summary(database, by, where).each(periods)

    def card(self, card_id: str) -> dict[str, Any] | None:
        """The rate card with this id, as it was recorded; None if it is not known.

        Raises:
            StoreError: The ledger can't be read.
        """
        import json

        with self.reading() as database:
            found = database and database.execute("SELECT card FROM card WHERE id = ?", (card_id,)).fetchone()
            return json.loads(found[0]) if found else None

    def cost_history(self, trace_id: str, span_id: str) -> list[PastCost]:
        """What the span cost before it was repriced, the earliest first; empty if it never was.

        Raises:
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._repriced import history

        with self.reading() as database:
            return [] if database is None else history(database, trace_id, span_id)

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
            if self._limits is not None:
                self._limits.close()
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


def _select(
    database: sqlite3.Connection, where: Filter, since: int | None, until: int | None
) -> Iterator[Sequence[Any]]:
    from tollbook.ledger import _rows
    from tollbook.ledger._dimensions import Bookings

    first = -(1 << 63) if since is None else since
    last = (1 << 63) - 1 if until is None else until - 1
    booked, parameters = where.bookings()
    bookings = Bookings(database)
    query = (
        f"SELECT {_rows.READ} FROM span WHERE start BETWEEN ? AND ? AND {where.sql()} AND {booked} "
        "ORDER BY start DESC, id DESC"
    )
    for row in database.execute(query, (first, last, *parameters)):
        if not where.spans or where.accepts(row[0], _rows.decode_rest(row[7]), bookings.of(row[8])):
            yield row


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
