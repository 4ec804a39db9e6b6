"""Charts, as the geometry of shapes that templates draw as SVG: no script is needed to see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.reports import ReportRow

HEIGHT = 220
"""Pixels from the axis to the top."""
SERIES = 7
"""Colours; whatever comes after the first ones is one series, of the others."""

Key = str | None


@dataclass(slots=True)
class Segment:
    """A piece of a bar."""

    y: float
    height: float
    series: int


@dataclass(slots=True)
class Bar:
    """What one hour, day or month came to."""

    name: str
    x: float
    """Percent of the width."""
    width: float
    label: str
    """Below the axis; empty: its neighbours have one."""
    minor: bool
    """Whether the label can go where there is little room."""
    href: str
    total: str
    parts: list[tuple[int, str, str]]
    """(Series, name, amount), the largest first."""
    segments: list[Segment] = field(default_factory=list[Segment])


@dataclass(slots=True)
class Chart:
    """Bars, each stacked of the series in their order."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    """(Pixels from the top, label)."""
    legend: list[tuple[int, str, str, str]]
    """(Series, name, amount, address)."""
    height: int = HEIGHT


def ceiling(most: Decimal) -> tuple[Decimal, int]:
    """A round number not below `most`, and into how many steps it is divided."""
    if most <= 0:
        return Decimal(1), 2
    scale = Decimal(10) ** most.adjusted()
    for top, steps in (
        ("1", 4),
        ("1.2", 4),
        ("1.5", 3),
        ("2", 4),
        ("2.5", 5),
        ("3", 3),
        ("4", 4),
        ("5", 5),
        ("6", 3),
        ("8", 4),
    ):
        if most <= Decimal(top) * scale:
            return Decimal(top) * scale, steps
    return Decimal(10) * scale, 4


def value_of(row: ReportRow, metric: str) -> Decimal:
    """What a row adds to a bar; nothing where it is not known."""
    if metric == "tokens":
        return Decimal(row.total_tokens)
    return Decimal(row.calls) if metric == "calls" else row.cost or Decimal(0)


@dataclass(slots=True)
class Sums:
    """What is drawn."""

    parts: dict[tuple[str, Key], Decimal]
    """By period and value."""
    whole: dict[str, Decimal]
    """By period: all values, also those that are not in `parts`."""


def stacked(
    sums: Sums,
    periods: Sequence[tuple[str, int, int]],
    keys: Sequence[Key],
    many: int,
    words: Mapping[Key, str],
    *,
    said: Callable[[Decimal], str],
    marked: Callable[[Decimal], str],
    named: Callable[[Key], str],
    bar_link: Callable[[int, int], str],
    key_link: Callable[[Key], str],
) -> Chart:
    """A bar for each period, also for those without a call; what is of none of the `keys` is one series, of others.

    Args:
        sums: What is drawn.
        periods: (Name, start, end) of all bars.
        keys: The values that are a series of their own, the largest first.
        many: How many values there are.
        words: What values come to, where that is no plain sum of what is drawn.
        said: An amount in words.
        marked: An amount at the axis.
        named: A value in words.
        bar_link: The address of a bar, by its start and end.
        key_link: The address of a series.
    """
    names = [*map(named, keys), "others"]
    values = {name: _values(sums, name, keys) for name, _, _ in periods}
    totals = {name: sum(found, Decimal(0)) for name, found in values.items()}
    top, steps = ceiling(max(totals.values(), default=Decimal(0)))
    step = 100 / max(len(periods), 1)
    every = max(1, -(-len(periods) // 12))
    bars = [
        Bar(
            name=spoken(name),
            x=round(n * step + step * 0.12, 3),
            width=round(step * 0.76, 3),
            label=short(name) if not n % every else "",
            minor=bool((n // every) % 2),
            href=bar_link(start, end),
            total=said(totals[name]),
            parts=[(series, names[series], said(value)) for series, value in enumerate(values[name]) if value],
            segments=_segments(values[name], top),
        )
        for n, (name, start, end) in enumerate(periods)
    ]
    ticks = [(round(HEIGHT - HEIGHT * n / steps, 2), marked(top * n / steps) if n else "0") for n in range(steps + 1)]
    whole = [sum(found, Decimal(0)) for found in zip(*values.values(), strict=True)] or [Decimal(0)] * len(names)
    legend = [(n, named(key), words.get(key) or said(whole[n]), key_link(key)) for n, key in enumerate(keys)]
    if many > len(keys):
        legend.append((len(keys), f"{many - len(keys):,} others", said(whole[-1]), ""))
    return Chart(bars, ticks, legend)


def _values(sums: Sums, name: str, keys: Sequence[Key]) -> list[Decimal]:
    """What each series comes to in a period, the others last."""
    found = [sums.parts.get((name, key), Decimal(0)) for key in keys]
    return [*found, sums.whole.get(name, Decimal(0)) - sum(found, Decimal(0))]


def _segments(values: Sequence[Decimal], top: Decimal) -> list[Segment]:
    y = float(HEIGHT)
    found: list[Segment] = []
    for series, value in enumerate(values):
        if value > 0:
            height = float(value / top * HEIGHT)
            y -= height
            found.append(Segment(round(y, 2), round(max(height, 0.5), 2), series))
    return found


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def short(name: str) -> str:
    """`2026-11-22` as `22 Nov`, `2026-11` as `Nov 26`, an hour as `14:00`, `2026-W47` as `W47`."""
    if "T" in name:
        return name[11:16]
    if "W" in name:
        return name[5:]
    year, month, *day = name.split("-")
    word = _MONTHS[int(month) - 1]
    return f"{int(day[0])} {word}" if day else f"{word} {year[2:]}"


def spoken(name: str) -> str:
    """The name of a period for a reader, with its year."""
    if "T" in name:
        return f"{short(name[:10])} {name[:4]}, {name[11:16]}"
    if "W" in name:
        return f"week {name[6:]} of {name[:4]}"
    return f"{short(name)} {name[:4]}" if name.count("-") == 2 else f"{_MONTHS[int(name[5:7]) - 1]} {name[:4]}"
