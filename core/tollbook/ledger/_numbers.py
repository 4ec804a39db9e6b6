"""The numbers of a row of a report: sums, and what of them belongs to calls of which something is true.

What is true of a call is told by its series, so roll-ups know it, too: SQL adds up apart what belongs to such series.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tollbook.ledger import _rows, _sums

_PLACES = {name: place for place, name in enumerate(_sums.SUMS)}


def _failed(values: Mapping[str, Any]) -> bool:
    return values["status"] in ("error", "timeout")


def _unpriced(values: Mapping[str, Any]) -> bool:
    return bool(values["priced"] == "unpriced")


def _estimated(values: Mapping[str, Any]) -> bool:
    return "estimated" in (values["source"], values["priced"])


_Told = Callable[[Mapping[str, Any]], bool]

PARTS: dict[str, tuple[tuple[str, ...], _Told]] = {
    "errors": (("calls",), _failed),
    "abandoned": (("calls",), lambda values: values["status"] in ("cancelled", "abandoned")),
    "known": (("calls",), lambda values: values["source"] is not None),
    "estimated_usage": (("calls",), lambda values: values["source"] == "estimated"),
    "unpriced": (("calls",), _unpriced),
    "unpriced_tokens": (("input_tokens", "output_tokens"), _unpriced),
    "unknown": (("calls",), lambda values: values["priced"] is None),
    "silent": (("calls",), lambda values: values["priced"] is values["source"] is None and not _failed(values)),
    "partial": (("calls",), lambda values: values["priced"] == "partial"),
    "estimated": (("calls",), _estimated),
    "estimated_cost": (("total_cost",), _estimated),
}
"""What is added up for each number, and of which calls, by the values of their series."""

NUMBERS = (*_sums.SUMS, *PARTS)
"""The numbers of a row, in the order of its fields."""

_OF_PARTS = [tuple(_PLACES[name] for name in names) for names, _ in PARTS.values()]


def told(key: _rows.Key) -> tuple[bool, ...]:
    """Of each of `PARTS`, whether it is true of the calls of the series with these values."""
    values: dict[str, Any] = dict(zip(_rows.SERIES, key, strict=True))
    return tuple([of(values) for _, of in PARTS.values()])


def numbers(true: Sequence[bool], sums: Sequence[int]) -> tuple[int, ...]:
    """The values of `NUMBERS` for the `sums` of calls of which the same is `true` (see `told`)."""
    parts = [sum(sums[n] for n in places) if holds else 0 for holds, places in zip(true, _OF_PARTS, strict=True)]
    return (*sums, *parts)


class Counting:
    """How SQL adds up `NUMBERS` over the rows of roll-ups. Of sums that are written twice it makes one."""

    def __init__(self, series: Mapping[int, _rows.Key], columns: Collection[str], *, short: bool) -> None:
        """Say of what.

        Args:
            series: Those that may occur, by number.
            columns: The columns that are not 0 everywhere.
            short: Add up pico-dollars, which takes less time, and ends where 64 bits do. Else micro-dollars and the
                rest are added up apart.
        """
        self._columns = frozenset(columns)
        self._short = short
        facts = [(number, told(key)) for number, key in series.items()]
        wanted: list[tuple[tuple[str, ...], Sequence[int] | None, Sequence[int] | None]]
        wanted = [((name,), None, None) for name in _sums.SUMS]
        asked: list[list[int]] = []
        for place, (names, _) in enumerate(PARTS.values()):
            which = [number for number, true in facts if true[place]]
            others = [number for number, true in facts if not true[place]]
            # All but the others, where these are fewer, or those that another number asks for, too.
            inverse = which not in asked and (others in asked or len(others) < len(which))
            asked.append(others if inverse else which)
            wanted.append((names, None, others) if inverse else (names, which, None))
        found = [self._number(*each) for each in wanted]
        rests = [] if short else [self._number(*each, unit="pico") for each in wanted]
        self._rests = [place for place, rest in enumerate(rests) if rest != found[place]]
        money = [found[place] for place, (names, _, _) in enumerate(wanted) if names[0] in _sums.MONEY]
        self.sql = ", ".join(
            [*found, *[rests[place] for place in self._rests], f"typeof({' + '.join(money)}) = 'real'"]
        )
        """What to select. Comes a number of more than 64 bits out, SQLite refuses, or the last of them is 1."""

    def _number(
        self, names: tuple[str, ...], which: Sequence[int] | None, others: Sequence[int] | None, unit: str = "micro"
    ) -> str:
        """The sum over the columns, over calls of the series in `which` (None: all), without those in `others`."""
        found: list[str] = []
        for name in names:
            column = name if name in _sums.COUNTS else f"{name}_{unit}"
            if name in _sums.COUNTS:
                is_kept = column in self._columns
            else:
                is_kept = f"{name}_micro" in self._columns
                if self._short:
                    column = f"{name}_micro * {_sums.MICRO} + {name}_pico"
            if not is_kept or which == []:
                continue
            found.append(f"+ sum({column if which is None else _only(column, which)})")
            if others:
                found.append(f"- sum({_only(column, others)})")
        return " ".join(found).removeprefix("+ ") or "0"

    def numbers(self, row: Sequence[int]) -> Sequence[int]:
        """The values of `NUMBERS` from what was selected."""
        if self._short:
            return row[:-1]
        found = list(row[: len(NUMBERS)])
        for place, rest in zip(self._rests, row[len(NUMBERS) :], strict=False):
            found[place] = found[place] * _sums.MICRO + rest
        return found


def _only(column: str, series: Sequence[int]) -> str:
    """The column of rows of these series, else 0."""
    # A bit for each, where 63 are enough: SQLite tests one faster than it looks a number up.
    bits = sum(1 << number for number in series) if max(series) < _BITS else None
    wanted = f"series IN ({','.join(map(str, series))})" if bits is None else f"{bits} >> series & 1"
    return f"CASE WHEN {wanted} THEN {column} ELSE 0 END"


_BITS = 63
