"""All calls one after another, in as much memory as a batch of them takes."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tollbook.ledger import _rows
from tollbook.ledger._dimensions import TIMES, Filter, Reader, Where, of_series, of_span, series_values
from tollbook.ledger._periods import periods, window_of
from tollbook.spans import Record

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._store import Store

_BATCH = 2000
"""Spans that are read at once; between batches others may write."""
_EARLIEST, _LATEST = -(1 << 63), (1 << 63) - 1
_STEPS = 1000
"""What progress is counted in: thousandths of the time."""

Progress = Callable[[int, int], None]
"""Called now and then with how far it is, and how far it has to go."""

Values = tuple[str | None, ...]
_Reader = Callable[[bytes, Record, _rows.Key], str | None]

_RUNS = """SELECT DISTINCT trace_id FROM span WHERE series IN (SELECT id FROM series WHERE kind = 'agent')
    AND start >= ? AND start < ? AND trace_id > ? ORDER BY trace_id LIMIT 500"""


class Seen(NamedTuple):
    """One call."""

    key: Values | None
    """Its value in each dimension that was asked for; None: it is none of those that were chosen, or does not count."""
    record: Record


class Scan:
    """One question; iterating asks it."""

    def __init__(
        self,
        store: Store,
        by: Sequence[str] = (),
        *,
        since: int | None = None,
        until: int | None = None,
        where: Where | None = None,
        zone: str | None = None,
        others: bool = False,
        cached: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Say what is asked; dimensions, times and `where` as for `Store.summary`.

        Args:
            store: The ledger.
            by: Dimensions.
            since: Unix nanoseconds.
            until: Unix nanoseconds, not included.
            where: What must hold.
            zone: Of the times among the dimensions.
            others: Tell of calls that `where` leaves out, too, and of those that a span above them bills for.
            cached: Only calls that read from caches or wrote to them.
            progress: Told how far it is.
        """
        self._store = store
        self._by = tuple(by)
        self._since = _EARLIEST if since is None else since
        self._until = _LATEST if until is None else until
        self._where = where
        self._zone = zone
        self._others = others
        self._cached = cached
        self._progress = progress
        self._period = ("", 0, 0)

    def __iter__(self) -> Iterator[Seen]:
        """The calls, by their start."""
        position = (self._since, -1)
        edges = self._edges()
        if edges is None:
            return
        while True:
            batch, after = self._batch(position)
            yield from batch
            if after is None:
                break
            position = after
            if self._progress is not None:
                done = (position[0] - edges[0]) * _STEPS // max(edges[1] - edges[0], 1)
                self._progress(min(max(done, 0), _STEPS), _STEPS)
        if self._progress is not None:
            self._progress(_STEPS, _STEPS)

    def _edges(self) -> tuple[int, int] | None:
        with self._store.reading() as database:
            if database is None:
                return None
            query = "SELECT (SELECT min(start) FROM span), (SELECT max(start) FROM span)"
            first, last = database.execute(query).fetchone()
        return None if first is None else (max(first, self._since), min(last, self._until))

    def _batch(self, position: tuple[int, int]) -> tuple[list[Seen], tuple[int, int] | None]:
        """The next calls, and where to go on; None: that were the last."""
        with self._store.reading() as database:
            if database is None:
                return [], None
            series = series_values(database)
            chosen = Filter(self._where, series, database)
            readers = [self._reader(name, database) for name in self._by]
            rows = self._page(database, chosen, position)
            found = list(self._seen([row[:-1] for row in rows], series, chosen, readers))
        return found, (rows[-1][4], rows[-1][-1]) if len(rows) == _BATCH else None

    def _seen(
        self, rows: list[Any], series: dict[int, _rows.Key], chosen: Filter, readers: Sequence[_Reader]
    ) -> Iterator[Seen]:
        for row in rows:
            record = _rows.restore(row, series[row[3]])
            matches = row[6] == _rows.BILL and row[3] in chosen.series
            if matches and chosen.spans:
                matches = chosen.accepts(row[0], record, record.attribution or {})
            if matches:
                yield Seen(tuple([read(row[0], record, series[row[3]]) for read in readers]), record)
            elif self._others:
                yield Seen(None, record)

    def runs(self) -> Iterator[list[Seen]]:
        """All spans of one run of an agent after another, those that bill nothing included, each by its start.

        Runs are those in which an agent began in the time that was asked for.
        """
        after = b""
        while True:
            with self._store.reading() as database:
                if database is None:
                    return
                found = database.execute(_RUNS, (self._since, self._until, after)).fetchall()
            for (trace_id,) in found:
                with self._store.reading() as database:
                    if database is None:
                        return
                    series = series_values(database)
                    chosen = Filter(self._where, series, database)
                    query = f"SELECT {_rows.READ} FROM span WHERE trace_id = ? ORDER BY start, id"
                    spans = list(self._seen(database.execute(query, (trace_id,)).fetchall(), series, chosen, ()))
                yield spans
                after = trace_id
            if not found:
                return

    def _page(self, database: sqlite3.Connection, chosen: Filter, position: tuple[int, int]) -> list[Any]:
        conditions, parameters = [f"bill != {_rows.NO_BILL}"], list[str]()
        if not self._others:
            booked, parameters = chosen.bookings()
            conditions = [f"bill = {_rows.BILL}", chosen.sql(), booked]
        if self._cached:
            conditions.append("instr(rest, '_cache_')")
        # The index has them in this order; any other one would sort all that is left, for each batch.
        query = (
            f"SELECT {_rows.READ}, id FROM span INDEXED BY span_start WHERE start >= ? AND start < ? "
            f"AND (start, id) > (?, ?) AND {' AND '.join(conditions)} ORDER BY start, id LIMIT {_BATCH}"
        )
        return database.execute(query, (position[0], self._until, *position, *parameters)).fetchall()

    def _reader(self, name: str, database: sqlite3.Connection) -> _Reader:
        if name in TIMES:
            return lambda _, record, __: self._named(name, record.start)
        if (of := of_series(name)) is not None:
            return lambda _, __, key: of(key)
        read: Reader = of_span(name, database)
        return lambda trace_id, record, _: read(trace_id, record, record.attribution or {})

    def _named(self, unit: str, at: int) -> str:
        """The hour, day or month that `at` lies in; mostly that of the call before."""
        _, start, end = self._period
        if not start <= at < end:
            name = next(periods(unit, at, at + 1, self._zone))[0]
            self._period = (name, *window_of(unit, at, self._zone))
        return self._period[0]
