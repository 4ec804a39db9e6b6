"""What roll-ups say: sums by period, kind of series, and values of attribution."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import add, sub
from typing import TYPE_CHECKING, NamedTuple

from tollbook.ledger import _bookings, _rows, _sums
from tollbook.ledger._blocks import EVER, Cell
from tollbook.ledger._dimensions import Booked, Filter

if TYPE_CHECKING:
    import sqlite3

Values = tuple[str | None, ...]


class Facts(NamedTuple):
    """What a row tells of the calls of a series."""

    failed: bool
    abandoned: bool
    """Given up by the host: cancelled, or a stream that it stopped reading."""
    priced: str | None
    """The cost's status: `exact` stands for all that leave nothing out."""
    known: bool
    """Whether their usage is known."""
    estimated_usage: bool
    estimated: bool
    """Whether their usage or their price is estimated."""


_MANY = 500
"""Series that SQL groups itself, and values that it picks out; beyond these it gives us all of them."""


def facts(key: _rows.Key) -> Facts:
    """What a row tells of the calls of the series with these values."""
    values = dict(zip(_rows.SERIES, key, strict=True))
    return Facts(
        failed=values["status"] in ("error", "timeout"),
        abandoned=values["status"] in ("cancelled", "abandoned"),
        priced=values["priced"] if values["priced"] in (None, "unpriced", "partial") else "exact",
        known=values["source"] is not None,
        estimated_usage=values["source"] == "estimated",
        estimated="estimated" in (values["source"], values["priced"]),
    )


class Kinds:
    """Series that a question does not tell apart, by number."""

    def __init__(self, series: Mapping[int, _rows.Key], of: Sequence[Callable[[_rows.Key], str | None]]) -> None:
        numbers: dict[tuple[Values, Facts], int] = {}
        self.of_series = {
            number: numbers.setdefault((tuple([read(key) for read in of]), facts(key)), len(numbers))
            for number, key in series.items()
        }
        self.kinds = list(numbers)
        """Their values in the dimensions that were asked for, and their facts."""
        self._by_sql = len(series) <= _MANY

    def sql(self, table: str = "") -> str:
        """An expression to group by, of which `find` makes the kind."""
        if not self._by_sql:
            return f"{table}series"
        if len(self.kinds) <= 1:
            return "0"
        return f"CASE {table}series {' '.join(f'WHEN {s} THEN {k}' for s, k in self.of_series.items())} END"

    def find(self, found: int) -> int:
        """The kind, from the value of the expression."""
        return found if self._by_sql else self.of_series[found]


class Sums:
    """Sums of columns by period, kind and values."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int, Values], Sequence[int]] = {}

    def add(self, key: tuple[int, int, Values], columns: Sequence[int], sign: int = 1) -> None:
        """Add `columns`, or take them away."""
        known = self.found.get(key)
        if known is not None:
            self.found[key] = list(map(add if sign > 0 else sub, known, columns))
        else:
            self.found[key] = columns if sign > 0 else [-number for number in columns]


Targets = dict[int, int]
"""Periods to which something is added, and how often; less than 0: from which it is taken away."""


class Rolled:
    """The roll-ups of one dimension, for one question."""

    def __init__(
        self,
        database: sqlite3.Connection,
        which: Filter,
        kinds: Kinds,
        dimension: int,
        label: Callable[[Booked], Values | None],
        name: str = "",
    ) -> None:
        """Say what is asked.

        Args:
            database: The ledger.
            which: The series that are asked for.
            kinds: How these are told apart.
            dimension: By number: that of a name, of groups, or of all calls.
            label: The values to tell of an attribution; None if it is not asked for.
            name: The dimension's name.
        """
        self._database = database
        self._filter = which
        self._kinds = kinds
        self._dimension = dimension
        self._rest = label({})
        """The values of calls that are not booked to any in the dimension."""
        self._labels: dict[int, Values] = {}
        if dimension != _bookings.NONE:
            query, wanted = "SELECT id, text FROM value WHERE dimension = ?", list(which.booked.get(name, ()))
            if wanted and len(wanted) <= _MANY:  # the others, of which there may be very many, have no label
                query += f" AND text IN ({', '.join('?' * len(wanted))})"
            else:
                wanted.clear()
            for number, text in database.execute(query, (dimension, *wanted)):
                found = label({name: text} if name else _bookings.decode(text))
                if found is not None:
                    self._labels[number] = found
        self._columns = _columns(database)
        self._picked = ""
        if dimension != _bookings.NONE and self._rest is None and len(self._labels) <= _MANY:
            self._picked = f" AND value IN ({','.join(map(str, self._labels))})"

    def read(self, cells: Mapping[Cell, Targets], sums: Sums) -> None:
        """Add what is in `cells` to the sums of their periods."""
        every = self._rest if self._dimension != _bookings.NONE else None
        for group, parts in _together(cells, apart=bool(self._picked)):
            if parts:
                of = {number: cells[part] for number, part in enumerate(parts)}
            else:
                of = {at: cells[Cell(group.size, at, at + 1)] for at in range(group.first, group.last)}
            for row in self._rows(self._dimension, group, parts):
                self._tell(of[row[0]], row[1], row[2], row[3:], sums)
            if every is not None:
                for at, _, kind, *found in self._rows(_bookings.NONE, group, parts):
                    for period, sign in of[at].items():
                        sums.add((period, self._kinds.find(kind), every), found, sign)

    def read_new(self, cells: Mapping[Cell, Targets], sums: Sums) -> None:
        """Add what lies in `cells` and is not in the sums by value yet; it is in those of all calls."""
        if self._dimension == _bookings.NONE:
            return
        known: dict[int, Targets] = {}
        kind = self._kinds.sql("n.")
        query = (
            f"SELECT n.hour, b.value, {kind} AS kind, {self._sql_sums('n.')} "
            "FROM rollup_new n CROSS JOIN booked b ON b.booking = n.booking AND b.dimension = ? "
            f"WHERE {self._filter.sql('n.')}{self._picked} GROUP BY n.hour, b.value, kind"
        )
        for hour, value, found, *columns in self._whole(self._database.execute(query, (self._dimension,)).fetchall()):
            targets = known.get(hour)
            if targets is None:
                targets = known[hour] = _containing(hour, cells)
            self._tell(targets, value, found, columns, sums)

    def _sql_sums(self, table: str = "") -> str:
        return ", ".join(f"sum({table}{name})" for name in self._columns)

    def _whole(self, rows: Sequence[Sequence[int]]) -> Iterable[Sequence[int]]:
        """The rows with the values of `_sums.SUMS` behind the first three. By columns, which is three times as fast."""
        if not rows:
            return ()
        columns = list(zip(*rows, strict=True))
        found = dict(zip(self._columns, columns[3:], strict=True))
        none = (0,) * len(rows)
        counts = [found.get(name, none) for name in _sums.COUNTS]
        money = [
            [
                micro * _sums.MICRO + pico
                for micro, pico in zip(found[f"{name}_micro"], found[f"{name}_pico"], strict=True)
            ]
            if f"{name}_micro" in found
            else none
            for name in _sums.MONEY
        ]
        return zip(*columns[:3], *counts, *money, strict=True)

    def _tell(self, targets: Targets, value: int, found: int, columns: Sequence[int], sums: Sums) -> None:
        label = self._rest if self._dimension == _bookings.NONE else self._labels.get(value)
        kind = self._kinds.find(found)
        for period, sign in targets.items():
            if label is not None:
                sums.add((period, kind, label), columns, sign)
            if self._rest is not None and self._dimension != _bookings.NONE:
                sums.add((period, kind, self._rest), columns, -sign)

    def _rows(self, dimension: int, group: Cell, parts: Sequence[Cell]) -> Iterable[Sequence[int]]:
        """Number in `parts` (or the block, if there are none), value, kind as `Kinds.find` takes it, and sums."""
        kind = self._kinds.sql()
        picked = self._picked if dimension == self._dimension else ""
        if dimension == _bookings.NONE and group.size == 1:
            block, value, table, where = "hour", "0", "rollup", "true"
        else:
            block, value, table = "block", "value", "rollup_value"
            where = f"dimension = {dimension} AND size = {group.size}"
        if parts:
            # One question for all of them: to prepare hundreds takes longer than to answer them.
            numbered = ", ".join(f"({number}, {part.first}, {part.last})" for number, part in enumerate(parts))
            start = f"WITH part (at, low, high) AS (VALUES {numbered}) SELECT at"
            time = f"{block} >= low AND {block} < high"
            table = f"part CROSS JOIN {table}"
        else:
            start, time = f"SELECT {block} AS at", f"{block} >= {group.first} AND {block} < {group.last}"
        if picked and group.last - group.first <= _MANY:
            # So that SQLite looks for these values in each block, and does not read the whole of it.
            time = f"{block} IN ({','.join(map(str, range(group.first, group.last)))})"
        query = (
            f"{start}, {value} AS of, {kind} AS kind, {self._sql_sums()} FROM {table} "
            f"WHERE {where} AND {time}{picked} AND {self._filter.sql()} GROUP BY at, of, kind"
        )
        return self._whole(self._database.execute(query).fetchall())


def _columns(database: sqlite3.Connection) -> list[str]:
    """The columns of roll-ups but for those that hold nothing: most ledgers have no charges, many no cached tokens."""
    query = "SELECT {} FROM rollup_value WHERE dimension = {} AND size = {}".format(
        ", ".join(f"max({name} != 0)" for name in _sums.COUNTS), _bookings.NONE, EVER
    )
    empty = {name for name, some in zip(_sums.COUNTS, database.execute(query).fetchone(), strict=True) if not some}
    if "charged_calls" in empty:
        empty.update(name for name in _sums.COLUMNS if name.startswith("listed_"))
    return [name for name in _sums.COLUMNS if name not in empty]


def _together(cells: Iterable[Cell], *, apart: bool) -> Iterator[tuple[Cell, list[Cell]]]:
    """What to ask for at once: cells of one size and their parts; no parts: each of its blocks is a cell.

    Args:
        cells: All that are wanted.
        apart: Whether cells of several blocks are to be asked for one by one.
    """
    single: dict[int, list[int]] = {}
    others: dict[int, list[Cell]] = {}
    for cell in cells:
        if cell.last - cell.first == 1 and cell.size != EVER:
            single.setdefault(cell.size, []).append(cell.first)
        else:
            others.setdefault(cell.size, []).append(cell)
    for size, blocks in single.items():
        blocks.sort()
        run = [blocks[0]]
        for block in [*blocks[1:], None]:
            if block is not None and block == run[-1] + 1:
                run.append(block)
                continue
            if len(run) > 1 or apart:
                yield Cell(size, run[0], run[-1] + 1), []
            else:
                others.setdefault(size, []).append(Cell(size, run[0], run[0] + 1))
            run = [block] if block is not None else []
    for size, several in others.items():
        for parts in [[each] for each in several] if apart else [several]:
            yield Cell(size, min(each.first for each in parts), max(each.last for each in parts)), parts


def _containing(hour: int, cells: Mapping[Cell, Targets]) -> Targets:
    """The periods that the hour counts in."""
    found: Targets = {}
    for cell, targets in cells.items():
        if cell.size == EVER or cell.first <= hour // cell.size < cell.last:
            for period, sign in targets.items():
                found[period] = found.get(period, 0) + sign
    return {period: sign for period, sign in found.items() if sign}
