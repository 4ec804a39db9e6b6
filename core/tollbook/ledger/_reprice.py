"""Repricing: calls that are in the ledger, at the prices that are known now.

The ledger is walked in short transactions, so that programs that record go on meanwhile. Each writes the costs that
change, keeps those that were, corrects the roll-ups by the difference, and says how far it came.
"""

# ruff: noqa: S608 - only names and numbers of our own are put into SQL; values are parameters

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook.ledger import _rows, _sums
from tollbook.ledger._drain import keep_cards
from tollbook.ledger._repriced import RepricedModel, Repricing, Selection
from tollbook.ledger._rollups import roll_up
from tollbook.pricing import Cost, cost_of, price_lists
from tollbook.spans import priced_model

if TYPE_CHECKING:
    import sqlite3

    from tollbook.ledger import _batch
    from tollbook.ledger._store import Store

_STEP = 2000
"""Spans of one transaction."""

_BURST, _PAUSE = 0.5, 0.04
"""Seconds of writing, after which so many seconds are left to others: who waits for the lock looks every 0.03."""

_DAY = 86_400_000_000_000
_FORGET = 30 * _DAY
_PRICED = _rows.SERIES.index("priced")

Progress = Callable[[int, int], None]
"""Called between transactions with the number of spans looked at, and of all to be looked at."""


class _Series:
    """What is the same for all spans of a series."""

    __slots__ = ("key", "manual", "model", "provider", "row", "wanted")

    def __init__(self, key: _rows.Key, wanted: Selection, rows: dict[Any, RepricedModel]) -> None:
        values = dict(zip(_rows.SERIES, key, strict=True))
        asked, answered = values["request_model"], values["response_model"]
        shown = asked if answered is None else answered
        self.key = key
        self.provider = values["provider"]
        self.model = priced_model(self.provider, asked, answered)
        self.manual = values["priced"] == "manual"
        self.wanted = (
            (not wanted.models or asked in wanted.models or answered in wanted.models)
            and (not wanted.providers or self.provider in wanted.providers)
            and (not wanted.only_unpriced or values["priced"] in (None, "unpriced", "partial"))
        )
        self.row = RepricedModel(provider=self.provider, model=shown)
        if self.wanted:
            self.row = rows.setdefault((self.provider, shown), self.row)


class _Change:
    """A span whose cost changes; `rest` has the new one."""

    __slots__ = ("bill", "booking", "hour", "id", "key", "old", "rest", "series")

    def __init__(self, row: tuple[Any, ...], key: _rows.Key, rest: Any, old: Cost | None):
        self.id, self.series, start, self.bill, _, self.booking = row
        self.key = key
        self.hour = start // _sums.HOUR
        self.rest = rest
        self.old = old


class Reprice:
    """One run over the ledger."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.began = time.time_ns()
        self.position = 0
        self.spans = 0
        self.resumed = False
        self._rows: dict[tuple[str | None, str | None], RepricedModel] = {}
        self._series: dict[int, _Series] = {}
        self._prices = price_lists()

    def result(self, *, dry_run: bool) -> Repricing:
        """What was found so far."""
        rows = [row for row in self._rows.values() if row.calls]
        rows.sort(key=lambda row: (-abs(row.new - row.old), -row.new, -row.calls, row.provider or "", row.model or ""))
        return Repricing(rows=rows, spans=self.spans, dry_run=dry_run, resumed=self.resumed)

    def bounds(self, database: sqlite3.Connection) -> tuple[int, int]:
        """The numbers of the first and the last span that may have to be looked at; (1, 0) if there is none."""
        query = "SELECT min(id), max(id) FROM span WHERE start >= ? AND start < ?"
        first, last = database.execute(query, self._period()).fetchone()
        return (1, 0) if first is None else (first, last)

    def resume(self, database: sqlite3.Connection) -> None:
        """Go on where an interrupted run stopped, if it did the same by the same prices."""
        for selection, prices, began, position, sums in database.execute("SELECT * FROM repricing ORDER BY began"):
            if prices == self._prices and self.selection.goes_on(msgspec.json.decode(selection, type=Selection)):
                said = json.loads(sums)
                self.began, self.position, self.spans, self.resumed = began, position, said["spans"], True
                self._series.clear()
                self._rows = {(row.provider, row.model): row for row in (RepricedModel(**r) for r in said["rows"])}

    def look(self, database: sqlite3.Connection, first: int, last: int) -> list[_Change]:
        """Count the spans with the numbers `first` to `last`, and return those whose cost changes."""
        wanted = self._wanted(database)
        if not wanted:
            return []
        day, series = self.selection.day, self._series
        decode = _rows.decode_rest
        changes: list[_Change] = []
        query = (
            "SELECT id, series, start, bill, rest, booking FROM span "
            f"WHERE id BETWEEN ? AND ? AND start >= ? AND start < ? AND series IN ({wanted})"
        )
        with closing(database.execute(query, (first, last, *self._period()))) as found:
            for span in found:
                _, number, start, bill, text, _ = span
                of = series[number]
                row = of.row
                counts = bill == _rows.BILL
                if of.manual:
                    if counts:
                        row.calls += 1
                        row.charged += 1
                    continue
                rest = decode(text)
                usage, old = rest.usage, rest.cost
                if usage is None:
                    continue
                at = start if day is None else day * _DAY + start % _DAY
                new = cost_of(usage, of.provider, of.model, at, rest.context)
                if usage.charge is not None and old is not None and new is not None:
                    new.total = old.total  # what was charged stays, whatever a reader of today makes of it
                if new is None or _tells_less(old, new):
                    row.kept += counts
                    new = old
                if counts:
                    _count(row, old, new, charged=usage.charge is not None)
                if new != old:
                    rest.cost = new
                    changes.append(_Change(span, of.key, rest, old))
        self.spans += len(changes)
        return changes

    def write(self, database: sqlite3.Connection, series: _batch.SeriesIds, changes: list[_Change]) -> None:
        """Put the new costs into the ledger, and the old ones into their history."""
        now = time.time_ns()
        reason = "call" if self.selection.day is None else "today"
        totals: _sums.Totals = {}
        updates: list[tuple[int, bytes, int]] = []
        past: list[tuple[int, int, str, bytes]] = []
        paid: dict[tuple[int, int, int | None], list[_sums.Call]] = {}
        due: dict[tuple[int, int, int | None], list[_sums.Call]] = {}
        for change in changes:
            rest, number = change.rest, change.series
            priced = _rows.derived(rest.usage, rest.cost, rest.context)[1]
            if priced != change.key[_PRICED]:
                key = (*change.key[:_PRICED], priced, *change.key[_PRICED + 1 :])
                number = series.known.get(key) or series.find(key)
            updates.append((number, _rows.encode(rest), change.id))
            past.append((change.id, now, reason, _rows.encode(change.old)))
            if change.bill == _rows.BILL:
                paid.setdefault((change.hour, change.series, change.booking), []).append((rest.usage, change.old))
                due.setdefault((change.hour, number, change.booking), []).append((rest.usage, rest.cost))
        for calls, times in ((paid, -1), (due, 1)):
            for key, found in calls.items():
                _sums.combine(totals.setdefault(key, [0] * len(_sums.SUMS)), _sums.sums(found), times)
        database.executemany("UPDATE span SET series = ?, rest = CAST(? AS TEXT) WHERE id = ?", updates)
        database.executemany("INSERT OR IGNORE INTO cost_history VALUES (?, ?, ?, CAST(? AS TEXT))", past)
        keep_cards(database, series, {cost.cards for change in changes if (cost := change.rest.cost) is not None})
        roll_up(database, totals)

    def remember(self, database: sqlite3.Connection, position: int) -> None:
        """Note in the ledger that all up to `position` is done."""
        self.forget(database)
        rows = [msgspec.structs.asdict(row) for row in self._rows.values() if row.calls]
        sums = json.dumps({"spans": self.spans, "rows": rows})
        selection = msgspec.json.encode(self.selection).decode()
        values = (selection, self._prices, self.began, position, sums)
        database.execute("INSERT INTO repricing VALUES (?, ?, ?, ?, ?)", values)

    def forget(self, database: sqlite3.Connection) -> None:
        """Remove the note, those of runs that this one went on with, and those that nobody will go on with."""
        for selection, began in database.execute("SELECT selection, began FROM repricing").fetchall():
            same = self.selection.goes_on(msgspec.json.decode(selection, type=Selection))
            if same or began < self.began - _FORGET:
                database.execute("DELETE FROM repricing WHERE selection = ?", (selection,))

    def _period(self) -> tuple[int, int]:
        since, until = self.selection.since, self.selection.until
        return -(1 << 63) if since is None else since, (1 << 63) - 1 if until is None else until

    def _wanted(self, database: sqlite3.Connection) -> str:
        """The numbers of the series that are wanted, of which there may be new ones."""
        newest = database.execute("SELECT max(id) FROM series").fetchone()[0] or 0
        if newest not in self._series:
            query = f"SELECT id, {', '.join(_rows.SERIES)} FROM series"
            for number, *key in database.execute(query):
                if number not in self._series:
                    self._series[number] = _Series(tuple(key), self.selection, self._rows)
        return ",".join(str(number) for number, of in self._series.items() if of.wanted)


def _tells_less(old: Cost | None, new: Cost) -> bool:
    """Whether something that `old` prices has no price in `new`."""
    if old is None:
        return False
    if (old.total is not None and new.total is None) or (old.listed is not None and new.listed is None):
        return True
    return new.status == "partial" and old.status not in ("partial", "unpriced")


def _count(row: RepricedModel, old: Cost | None, new: Cost | None, *, charged: bool) -> None:
    before, after = (None if cost is None else cost.total for cost in (old, new))
    row.calls += 1
    row.charged += charged
    row.changed += before != after
    row.newly_priced += before is None and after is not None
    if not charged:
        row.old += before or 0
        row.new += after or 0


def reprice(
    store: Store,
    selection: Selection,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    timeout: float = 10.0,
) -> Repricing:
    """Price calls of the ledger anew; what is recorded while it runs is left as it is.

    Args:
        store: The ledger, as far as it is drained.
        selection: Which calls, and at which prices.
        dry_run: Only look.
        progress: Told how far it is.
        timeout: Seconds to wait for other writers, each time.

    Raises:
        StoreError: The ledger can't be read or written to. What was done is done, and need not be done again.
    """
    run = Reprice(selection)
    with store.reading() as database:
        if database is None:
            return run.result(dry_run=dry_run)
        first, last = run.bounds(database)
        if not dry_run:
            run.resume(database)
    begin = time.monotonic()
    for start, end in _steps(max(first, run.position + 1), last):
        if dry_run:
            with store.reading() as database:
                if database is not None:
                    run.look(database, start, end)
        else:
            with store.changing(timeout) as (database, series):
                changes = run.look(database, start, end)
                if changes:
                    run.write(database, series, changes)
                run.remember(database, end)
        if progress is not None:
            progress(end - first + 1, last - first + 1)
        if not dry_run and time.monotonic() - begin > _BURST:
            time.sleep(_PAUSE)
            begin = time.monotonic()
    if not dry_run:
        with store.changing(timeout) as (database, _):
            run.forget(database)
    return run.result(dry_run=dry_run)


def _steps(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, _STEP):
        yield start, min(start + _STEP - 1, last)
