"""The questions that a ledger answers."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger._dimensions import Filter, Where
    from tollbook.ledger._repriced import PastCost
    from tollbook.ledger._summary import Row
    from tollbook.ledger._traces import Latest, Order, TraceSum
    from tollbook.spans import Record, Session

# A program that only records needs none of what answers them: imported where it is used.


class Questions:
    """What can be asked of a ledger, whatever else is done with it."""

    __slots__ = ()

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection | None]:
        """The database as it is at one moment; None if there is none yet."""
        raise NotImplementedError

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

    def sessions(
        self,
        since: int | None = None,
        until: int | None = None,
        where: Where | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Latest]:
        """Sessions with spans that fit, the latest span's first; a page is read at once, however many there are.

        Args:
            since: Unix nanoseconds of the earliest start of a span.
            until: Unix nanoseconds that the start must lie before.
            where: As in `summary`.
            limit: How many at most.
            after: The `cursor` of the session behind which to go on, of the same question.

        Raises:
            ValueError: No such dimension, or no such place.
            StoreError: The ledger can't be read.
        """
        from tollbook.ledger._traces import Page

        with self.reading() as database:
            return [] if database is None else Page(database, where, since, until).sessions(limit, after)

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
