"""What roll-ups say: the numbers of rows by period, kind of series, and values of attribution."""

# ruff: noqa: S608 - only names of our own are put into SQL; values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import add, sub
from typing import TYPE_CHECKING

from tollbook.ledger import _bookings, _rows, _sums
from tollbook.ledger._blocks import EVER, Cell
from tollbook.ledger._dimensions import Booked, Filter
from tollbook.ledger._numbers import Counting

if TYPE_CHECKING:
    import sqlite3

Values = tuple[str | None, ...]

_MANY = 500
"""Values that SQL picks out; if there are more, it gives us all of them."""


class Kinds:
    """Series that a question does not tell apart, by number."""

    def __init__(self, series: Mapping[int, _rows.Key], of: Sequence[Callable[[_rows.Key], str | None]]) -> None:
        numbers: dict[Values, int] = {}
        self.of_series = {
            number: numbers.setdefault(tuple([read(key) for read in of]), len(numbers))
            for number, key in series.items()
        }
        self.kinds = list(numbers)
        """Their values in the dimensions that were asked for."""
        self.of: dict[int | bytes, int] = {0: 0}
        """The kind, by the value of `sql`."""
        self.sql = "0"
        """An expression of the kind; it takes the parameters that there are."""
        self.parameters: tuple[bytes, ...] = ()
        if len(numbers) > 1:
            # A table in one piece, in which SQLite finds each series at once, however many there are.
            table = bytearray(_BYTES * (max(series) + 1))
            self.of = {kind.to_bytes(_BYTES, "big"): kind for kind in range(len(numbers))}
            for number, kind in self.of_series.items():
                table[_BYTES * number : _BYTES * (number + 1)] = kind.to_bytes(_BYTES, "big")
            self.sql = f"substr(?, {_BYTES} * series + 1, {_BYTES})"
            self.parameters = (bytes(table),)


_BYTES = 3


class Sums:
    """The values of `_numbers.NUMBERS` by period, kind and values."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int, Values], Sequence[int]] = {}

    def add(self, key: tuple[int, int, Values], numbers: Sequence[int], sign: int = 1) -> None:
        """Add `numbers`, or take them away."""
        known = self.found.get(key)
        if known is not None:
            self.found[key] = list(map(add if sign > 0 else sub, known, numbers))
        else:
            self.found[key] = numbers if sign > 0 else [-number for number in numbers]


Targets = dict[int, int]
"""Periods to which something is added, and how often; less than 0: from which it is taken away."""


Found = list[tuple[int, int, int | bytes, Sequence[int]]]
"""Rows: block or number of a part, value, what `Kinds.of` knows the kind by, and the numbers."""


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
        columns = _columns(database)
        self._counting: Counting = Counting(which.series, columns, short=True)
        self._careful: Counting = Counting(which.series, columns, short=False)
        self._picked = ""
        if dimension != _bookings.NONE and self._rest is None and len(self._labels) <= _MANY:
            self._picked = f" AND value IN ({','.join(map(str, self._labels))})"

    def read(self, cells: Mapping[Cell, Targets], sums: Sums) -> None:
        """Add what is in `cells` to the numbers of their periods."""
        if self._rest is not None:
            self._add_all(cells, sums, self._rest)
        if self._dimension == _bookings.NONE:
            return
        if self._picked:
            for size, blocks in _blocks(cells).items():
                self._tell(self._by_block(self._dimension, size, blocks), blocks, sums)
            return
        for size, blocks, parts in _together(cells):
            if blocks:
                self._tell(self._by_block(self._dimension, size, blocks), blocks, sums)
            if parts:
                self._tell(self._by_part(size, [part for part, _ in parts]), [of for _, of in parts], sums)

    def _add_all(self, cells: Mapping[Cell, Targets], sums: Sums, label: Values) -> None:
        """Add the numbers of all calls, whomever they are booked to."""
        kind_of = self._kinds.of
        for size, blocks in _blocks(cells).items():
            for at, _, kind, numbers in self._by_block(_bookings.NONE, size, blocks):
                for period, sign in blocks[at].items():
                    sums.add((period, kind_of[kind], label), numbers, sign)

    def read_new(self, cells: Mapping[Cell, Targets], sums: Sums) -> None:
        """Add what lies in `cells` and is not in the sums by value yet; it is in those of all calls."""
        if self._dimension == _bookings.NONE:
            return
        table = (
            "rollup_new n CROSS JOIN booked b ON b.booking = n.booking "
            f"AND b.dimension = {self._dimension} WHERE {self._filter.sql()}{self._picked}"
        )
        blocks = _blocks(cells)
        if blocks.keys() == {EVER}:  # all hours count alike
            self._tell(self._select("0", table), blocks[EVER], sums)
            return
        found = self._select("hour", table)
        self._tell(found, {hour: _containing(hour, blocks) for hour in {row[0] for row in found}}, sums)

    def _tell(self, found: Found, of: Mapping[int, Targets] | Sequence[Targets], sums: Sums) -> None:
        """Add rows to the numbers of what they are booked to, and take them from those of calls booked to nothing."""
        labels, kind_of, add_ = self._labels, self._kinds.of, sums.add
        booked: dict[tuple[int, int | bytes], list[Sequence[int]]] = {}
        for at, value, kind, numbers in found:
            label = labels.get(value)
            if label is not None:
                for period, sign in of[at].items():
                    add_((period, kind_of[kind], label), numbers, sign)
            if self._rest is not None:
                booked.setdefault((at, kind), []).append(numbers)
        for (at, kind), several in booked.items():
            whole = list(map(sum, zip(*several, strict=True)))
            for period, sign in of[at].items():
                add_((period, kind_of[kind], self._rest or ()), whole, -sign)

    def _by_block(self, dimension: int, size: int, blocks: Mapping[int, object]) -> Found:
        """What lies in blocks of one size, each by itself."""
        # In the order of the key, so that SQLite need not sort, and goes straight to the values that are picked.
        table, block, value, where = self._table(dimension, size)
        first, last = min(blocks), max(blocks)
        if self._picked and dimension == self._dimension:
            where += self._picked
        elif last - first + 1 == len(blocks) > 1:
            return self._select(block, f"{table} WHERE {where} AND {block} BETWEEN {first} AND {last}", value)
        return self._select(
            block, f"{table} WHERE {where} AND {block} IN ({','.join(map(str, sorted(blocks)))})", value
        )

    def _by_part(self, size: int, parts: Sequence[Cell]) -> Found:
        """What lies in parts, each of several blocks, by the number of the part."""
        table, block, value, where = self._table(self._dimension, size)
        if len(parts) == 1:
            return self._select("0", f"{table} WHERE {where} AND {_within(block, parts[0])}", value)
        # One question for all of them: to prepare hundreds takes longer than to answer them.
        numbered = ", ".join(f"({number}, {part.first}, {part.last})" for number, part in enumerate(parts))
        joined = f"(VALUES {numbered}) AS part CROSS JOIN {table} WHERE {where}"
        return self._select("column1", f"{joined} AND {block} >= column2 AND {block} < column3", value)

    def _table(self, dimension: int, size: int) -> tuple[str, str, str, str]:
        """The table, its column of time and of the value, and the condition that rows are of the size."""
        where = self._filter.sql()
        if dimension == _bookings.NONE and size == 1:
            return "rollup", "hour", "0", where
        value = "value" if dimension != _bookings.NONE else "0"
        return "rollup_value", "block", value, f"dimension = {dimension} AND size = {size} AND {where}"

    def _select(self, at: str, table: str, value: str = "value") -> Found:
        # Of a number SQL would take it that a column is meant.
        groups = ", ".join(word for word in (at, value, "kind" if self._kinds.parameters else "0") if word != "0")
        table = f"{table} GROUP BY {groups}" if groups else table
        import sqlite3

        while True:
            counting = self._counting
            query = f"SELECT {at}, {value}, {self._kinds.sql} AS kind, {counting.sql} FROM {table}"
            try:
                rows = self._database.execute(query, self._kinds.parameters).fetchall()
            except sqlite3.OperationalError as error:
                if counting is self._careful or "overflow" not in str(error):
                    raise
            else:
                if rows and rows[0][3] is None:  # without groups there is a row of nothing
                    return []
                if counting is self._careful or not any(row[-1] for row in rows):
                    return [(row[0], row[1], row[2], counting.numbers(row[3:])) for row in rows]
            self._counting = self._careful


def _columns(database: sqlite3.Connection) -> list[str]:
    """The columns of roll-ups but for those that hold nothing: most ledgers have no charges, many no cached tokens."""
    query = "SELECT {} FROM rollup_value WHERE dimension = {} AND size = {}".format(
        ", ".join(f"max({name} != 0)" for name in _sums.COUNTS), _bookings.NONE, EVER
    )
    some = dict(zip(_sums.COUNTS, database.execute(query).fetchone(), strict=True))
    # Of money that says nothing: it may be less than 0, and come to 0 where its parts do not.
    money = [name for name in _sums.COLUMNS[len(_sums.COUNTS) :] if some["charged_calls"] or "listed_" not in name]
    return ["calls", *(name for name in _sums.COUNTS[1:] if some[name]), *money]


def _blocks(cells: Mapping[Cell, Targets]) -> dict[int, dict[int, Targets]]:
    """By size and block, the periods in which it counts."""
    found: dict[int, dict[int, Targets]] = {}
    for cell, targets in cells.items():
        of = found.setdefault(cell.size, {})
        for block in range(cell.first, cell.last):
            known = of.get(block)
            of[block] = targets if known is None else _merged(known, targets)
    return found


def _merged(known: Targets, more: Targets) -> Targets:
    return {period: known.get(period, 0) + more.get(period, 0) for period in {**known, **more}}


def _together(cells: Mapping[Cell, Targets]) -> Iterator[tuple[int, dict[int, Targets], list[tuple[Cell, Targets]]]]:
    """By size, the blocks to ask for each by itself, and the cells of several, which SQL is to add up."""
    sizes: dict[int, tuple[dict[int, Targets], list[tuple[Cell, Targets]]]] = {}
    for cell, targets in cells.items():
        blocks, parts = sizes.setdefault(cell.size, ({}, []))
        if cell.last - cell.first == 1:
            blocks[cell.first] = targets
        else:
            parts.append((cell, targets))
    for size, (blocks, parts) in sizes.items():
        yield size, blocks, parts


def _within(block: str, cell: Cell) -> str:
    return f"{block} >= {cell.first} AND {block} < {cell.last}"


def _containing(hour: int, blocks: Mapping[int, Mapping[int, Targets]]) -> Targets:
    """The periods that the hour counts in."""
    found: Targets = {}
    for size, of in blocks.items():
        found = _merged(found, of.get(0 if size == EVER else hour // size, {}))
    return {period: sign for period, sign in found.items() if sign}
