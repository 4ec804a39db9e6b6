"""What roll-ups say: sums by period, kind of series, and values of attribution."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import add, sub
from typing import TYPE_CHECKING

from tollbook.ledger import _bookings, _rows, _sums
from tollbook.ledger._blocks import EVER, Cell
from tollbook.ledger._dimensions import Booked, Filter

if TYPE_CHECKING:
    import sqlite3

Values = tuple[str | None, ...]
Facts = tuple[bool, str | None, bool]
"""What a row tells of a series: whether its calls failed, their cost's status, and whether they are estimated."""

_CHARGED = tuple(name for name in _sums.COLUMNS if name.startswith(("charged_", "listed_")))
_MANY = 500
"""Series that SQL groups itself, and values that it picks out; beyond these it gives us all of them."""


def facts(key: _rows.Key) -> Facts:
    """What a row tells of the calls of the series with these values."""
    values = dict(zip(_rows.SERIES, key, strict=True))
    estimated = "estimated" in (values["source"], values["priced"])
    priced = values["priced"] if values["priced"] in (None, "unpriced", "partial") else "exact"
    return values["status"] in ("error", "timeout"), priced, estimated


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
            query = "SELECT id, text FROM value WHERE dimension = ?"
            for number, text in database.execute(query, (dimension,)):
                found = label({name: text} if name else _bookings.decode(text))
                if found is not None:
                    self._labels[number] = found
        # A third of all columns is about charges, which most ledgers have none of.
        query = (
            f"SELECT 1 FROM rollup_value WHERE dimension = {_bookings.NONE} AND size = {EVER} AND charged_calls != 0"
        )
        self._none = () if database.execute(query).fetchone() else _CHARGED
        self._picked = ""
        if dimension != _bookings.NONE and self._rest is None and len(self._labels) <= _MANY:
            self._picked = f" AND value IN ({','.join(map(str, self._labels))})"

    def read(self, cells: Mapping[Cell, Targets], sums: Sums) -> None:
        """Add what is in `cells` to the sums of their periods."""
        for cell, together in _together(cells):
            for block, value, kind, columns in self._rows(self._dimension, cell, by_block=together):
                self._tell(cells[Cell(cell.size, block, block + 1) if together else cell], value, kind, columns, sums)
            if self._dimension != _bookings.NONE and self._rest is not None:
                for block, _, kind, columns in self._rows(_bookings.NONE, cell, by_block=together):
                    of = cells[Cell(cell.size, block, block + 1) if together else cell]
                    for period, sign in of.items():
                        sums.add((period, kind, self._rest), columns, sign)

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
        for hour, value, found, *columns in self._database.execute(query, (self._dimension,)):
            targets = known.get(hour)
            if targets is None:
                targets = known[hour] = _containing(hour, cells)
            self._tell(targets, value, self._kinds.find(found), columns, sums)

    def _sql_sums(self, table: str = "") -> str:
        return ", ".join("0" if name in self._none else f"sum({table}{name})" for name in _sums.COLUMNS)

    def _tell(self, targets: Targets, value: int, kind: int, columns: Sequence[int], sums: Sums) -> None:
        label = self._rest if self._dimension == _bookings.NONE else self._labels.get(value)
        for period, sign in targets.items():
            if label is not None:
                sums.add((period, kind, label), columns, sign)
            if self._rest is not None and self._dimension != _bookings.NONE:
                sums.add((period, kind, self._rest), columns, -sign)

    def _rows(self, dimension: int, cell: Cell, *, by_block: bool) -> Iterator[tuple[int, int, int, Sequence[int]]]:
        """Block, value, kind and sums; the block is 0 if they are not asked for one by one."""
        kind = self._kinds.sql()
        picked = self._picked if dimension == self._dimension else ""
        if dimension == _bookings.NONE and cell.size == 1:
            block, value, where = "hour", "0", "FROM rollup WHERE true"
        else:
            block, value = "block", "value"
            where = f"FROM rollup_value WHERE dimension = {dimension} AND size = {cell.size}"
        if picked and cell.last - cell.first <= _MANY:
            # So that SQLite looks for these values in each block, and does not read the whole of it.
            time = f"{block} IN ({','.join(map(str, range(cell.first, cell.last)))})"
        else:
            time = f"{block} >= {cell.first} AND {block} < {cell.last}"
        query = (
            f"SELECT {block if by_block else 0} AS at, {value} AS of, {kind} AS kind, {self._sql_sums()} {where} "
            f"AND {time}{picked} AND {self._filter.sql()} GROUP BY {'at, ' if by_block else ''}of, kind"
        )
        for at, of, found, *columns in self._database.execute(query):
            yield at, of, self._kinds.find(found), columns


def _together(cells: Iterable[Cell]) -> Iterator[tuple[Cell, bool]]:
    """The cells to ask for; True: one that takes in many of single blocks, to be told apart by block."""
    single: dict[int, list[int]] = {}
    for cell in cells:
        if cell.last - cell.first == 1 and cell.size != EVER:
            single.setdefault(cell.size, []).append(cell.first)
        else:
            yield cell, False
    for size, blocks in single.items():
        blocks.sort()
        run = [blocks[0]]
        for block in [*blocks[1:], None]:
            if block is not None and block == run[-1] + 1:
                run.append(block)
                continue
            yield Cell(size, run[0], run[-1] + 1), True
            run = [block] if block is not None else []


def _containing(hour: int, cells: Mapping[Cell, Targets]) -> Targets:
    """The periods that the hour counts in."""
    found: Targets = {}
    for cell, targets in cells.items():
        if cell.size == EVER or cell.first <= hour // cell.size < cell.last:
            for period, sign in targets.items():
                found[period] = found.get(period, 0) + sign
    return {period: sign for period, sign in found.items() if sign}
