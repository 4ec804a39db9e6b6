"""The numbers of a row of a report: sums, and what of them belongs to calls of which something is true.

What is true of a call is told by its series, so roll-ups know it, too: SQL adds up apart what belongs to such series.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import add, sub
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
    """How SQL adds up `NUMBERS` over the rows of roll-ups, in as few sums as there can be."""

    def __init__(self, series: Mapping[int, _rows.Key], columns: Collection[str]) -> None:
        """Say of what.

        Args:
            series: Those that may occur, by number.
            columns: The columns that are not 0 everywhere.
        """
        self._columns = frozenset(columns)
        self._places: dict[str, int] = {}
        self._terms: list[tuple[tuple[int, int], ...]] = [self._sum(name) for name in _sums.SUMS]
        facts = [(number, told(key)) for number, key in series.items()]
        for place, (names, _) in enumerate(PARTS.values()):
            which = [number for number, true in facts if true[place]]
            others = [number for number, true in facts if not true[place]]
            terms: list[tuple[int, int]] = []
            for name in names:
                if len(which) <= len(others):
                    terms += self._sum(name, which) if which else ()
                else:  # all but the others, which are fewer, and often those of another number
                    terms += self._sum(name)
                    terms += [(at, -times) for at, times in self._sum(name, others)] if others else ()
            self._terms.append(tuple(terms))

    def _sum(self, name: str, which: Sequence[int] | None = None) -> tuple[tuple[int, int], ...]:
        """Of which of our sums, over calls of the series in `which` or all, the number is made, and how often."""
        found = "{}" if which is None else f"CASE WHEN series IN ({','.join(map(str, which))}) THEN {{}} ELSE 0 END"
        terms = [(name, 1)] if name in _sums.COUNTS else [(f"{name}_micro", _sums.MICRO), (f"{name}_pico", 1)]
        return tuple(
            (self._places.setdefault(f"sum({found.format(column)})", len(self._places)), times)
            for column, times in terms
            if column in self._columns
        )

    @property
    def sql(self) -> str:
        """The sums, as SELECT takes them."""
        return ", ".join(self._places)

    def rows(self, columns: Sequence[Sequence[int]], many: int) -> Iterable[tuple[int, ...]]:
        """The values of `NUMBERS`, row by row, from the columns of what was selected.

        Column by column, since Python does that several times as fast.
        """
        none = (0,) * many
        known: dict[tuple[tuple[int, int], ...], Sequence[int]] = {(): none}
        for terms in self._terms:
            if terms not in known:
                known[terms] = _together([(columns[place], times) for place, times in terms])
        return zip(*[known[terms] for terms in self._terms], strict=True)


def _together(terms: Sequence[tuple[Sequence[int], int]]) -> Sequence[int]:
    found: list[int] = []
    for more, times in terms:
        counted = more if times in (1, -1) else [times * number for number in more]
        found = list(map(sub if times == -1 else add, found, counted)) if found else list(counted)
    return found
