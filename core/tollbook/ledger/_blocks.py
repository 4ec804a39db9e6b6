"""Time in blocks that have sums ready: any hours are a few large blocks, with smaller ones added or taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

DAY, MONTH, EVER = 24, 768, 0
"""Sizes of blocks, in hours since 1970, UTC: a day, 32 days, and all time, which is the block 0."""


class Cell(NamedTuple):
    """Blocks of one size that follow each other."""

    size: int
    first: int
    last: int
    """Not included."""


def cells(first: int, last: int, begin: int, end: int) -> Iterator[tuple[Cell, int]]:
    """What the hours from `first` to `last`, not included, are made of; and 1 to add it, -1 to take it away.

    Days are as UTC has them, and most places have others: such a day is one of UTC and the few hours between the two
    midnights, of which one end is added and the other taken away.

    Args:
        first: Hours since 1970.
        last: Hours since 1970.
        begin: The first hour in which there is anything at all.
        end: The hour after the last in which there is anything.
    """
    if first <= begin and last >= end:
        yield Cell(EVER, 0, 1), 1
    else:
        yield from _split(first, last, 1, (MONTH, DAY), first <= begin, last >= end)


def _split(
    first: int, last: int, sign: int, sizes: tuple[int, ...], open_left: bool = False, open_right: bool = False
) -> Iterator[tuple[Cell, int]]:
    """As `cells`. Nothing lies beyond an end that is open, so that it need not be exact."""
    for number, size in enumerate(sizes):
        left = (first if open_left else first + size // 2) // size
        right = -(-last // size) if open_right else (last + size // 2) // size
        if left >= right:
            continue
        yield Cell(size, left, right), sign
        for is_open, edge, inner, direction in (
            (open_left, first, left * size, sign),
            (open_right, right * size, last, sign),
        ):
            if not is_open and edge != inner:
                low, high = min(edge, inner), max(edge, inner)
                yield from _split(low, high, direction if edge < inner else -direction, sizes[number + 1 :])
        return
    if first < last:
        yield Cell(1, first, last), sign
