"""Pictures for notebooks: HTML with inline SVG, without script or style sheet, and with every text escaped.

Colours are of a middle tone and text is `currentColor`, so that they can be read on light and on dark pages alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape as _escape
from typing import NamedTuple, Protocol

from tollbook._clean import clean

_BOX = "font:13px/1.5 system-ui,sans-serif;max-width:880px;overflow-x:auto;margin:4px 0"
_MONO = "font-variant-numeric:tabular-nums"
_CELL = f"padding:3px 12px 3px 0;border:0;background:none;{_MONO}"
_FAINT = "opacity:.65"
BLUE, AMBER, GREY, RED, GREEN = "#4a86e8", "#d9932f", "#9aa3ad", "#d64545", "#3f9f6b"
COLOURS = {"llm": BLUE, "tool": AMBER, "retriever": GREEN}
"""Of spans by their kind; others are grey."""

_NAMES, _TIMES, _FIGURES, _ROW = 270, 310, 300, 24
"""Pixels: the columns of a waterfall, and the height of a row."""
_LONGEST = 36
"""Characters of a name before it is cut; all of it is in the tooltip."""
_MOST = 200
"""Rows of a waterfall."""


class Price(Protocol):
    """What is said of a price beside its rows."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def context(self) -> Mapping[str, str]: ...
    @property
    def tiers(self) -> Sequence[object]: ...
    @property
    def source(self) -> str: ...
    @property
    def assumptions(self) -> Sequence[str]: ...


class Bar(NamedTuple):
    """One row of a waterfall."""

    name: str
    depth: int
    start: int
    """Nanoseconds."""
    duration: int
    colour: str
    figures: tuple[str, str, str]
    """At its right: how long, tokens, cost."""
    tip: str
    """What is shown when somebody points at it."""


def escape(text: str) -> str:
    """A text from elsewhere as HTML that shows it and does nothing else: what can't be seen is spelled out."""
    return "\n".join(_escape(clean(line)) for line in text.split("\n"))


def box(title: str, note: str, body: str) -> str:
    """A figure with its title, what is to be said about it, and its body, which is HTML."""
    said = f'<span style="{_FAINT};margin-left:10px">{escape(note)}</span>' if note else ""
    head = f'<div style="margin-bottom:4px"><strong>{escape(title)}</strong>{said}</div>'
    return f'<div style="{_BOX}">{head}{body}</div>'


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[float | None] = (),
    texts: int = 1,
    *,
    sums: bool = False,
) -> str:
    """A table of which all but the first `texts` columns are numbers.

    Args:
        heads: The names of its columns.
        rows: Plain text, which is escaped here.
        bars: For each row the part of the whole that it is, drawn behind its last cell; None: not known.
        texts: How many columns are no numbers.
        sums: Whether the last row is the sum of the others.
    """

    def cell(tag: str, text: str, column: int, extra: str = "") -> str:
        side = "left" if column < texts else "right"
        return f'<{tag} style="{_CELL};text-align:{side}{extra}">{escape(text)}</{tag}>'

    top = "".join(cell("th", head, n, f";{_FAINT};font-weight:500") for n, head in enumerate(heads))
    lines: list[str] = []
    for number, row in enumerate(rows):
        strong = ";font-weight:600;border-top:1px solid" if sums and number == len(rows) - 1 else ""
        cells = "".join(cell("td", text, n, strong) for n, text in enumerate(row))
        if bars:
            cells += f'<td style="{_CELL}">{bar(bars[number])}</td>'
        lines.append(f'<tr style="background:none">{cells}</tr>')
    end = "<th></th>" if bars else ""
    return (
        f'<table style="border-collapse:collapse;margin:0;font-size:13px"><tr>{top}{end}</tr>{"".join(lines)}</table>'
    )


def bar(part: float | None, colour: str = BLUE, width: int = 120) -> str:
    """A bar that is filled as far as `part` of 1; nothing if it is not known. More than 1 is full."""
    if part is None:
        return ""
    filled = max(0.0, min(part, 1.0)) * width
    filled = max(filled, 1.5) if part > 0 else filled  # a little is not nothing
    label = f"{part * 100:.0f} %"
    return (
        f'<svg width="{width}" height="10" role="img" aria-label="{label}" style="vertical-align:middle">'
        f'<rect width="{width}" height="10" rx="3" fill="{GREY}" fill-opacity=".22"/>'
        f'<rect width="{filled:.1f}" height="10" rx="3" fill="{colour}"/></svg>'
    )


def waterfall(bars: Sequence[Bar]) -> str:
    """When each began and how long it took, one below the other, with names at the left and figures at the right."""
    shown = bars[:_MOST]
    begin = min((each.start for each in shown), default=0)
    whole = max((each.start + each.duration - begin for each in shown), default=1) or 1
    height, width = (len(shown) + 1) * _ROW, _NAMES + _TIMES + _FIGURES
    ends = [_NAMES + _TIMES + x for x in (80, 165, _FIGURES - 4)]
    parts = [
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="Waterfall" '
        f'style="font:12px system-ui,sans-serif;{_MONO}" fill="currentColor">'
    ]
    parts += [_text(x, 0, word, "end", 0.65) for x, word in zip(ends, ("time", "tokens", "cost"), strict=True)]
    for number, each in enumerate(shown, 1):
        left = _NAMES + (each.start - begin) / whole * _TIMES
        length = max(each.duration / whole * _TIMES, 2)
        indent = min(each.depth, 10) * 14
        name = (
            each.name if len(each.name) + each.depth * 2 <= _LONGEST else each.name[: _LONGEST - each.depth * 2] + "…"
        )
        parts.append(f"<g><title>{escape(each.tip)}</title>")
        if number % 2:
            parts.append(f'<rect y="{number * _ROW}" width="{width}" height="{_ROW}" fill-opacity=".05"/>')
        parts.append(f'<rect x="{indent}" y="{number * _ROW + 8}" width="8" height="8" rx="2" fill="{each.colour}"/>')
        parts.append(_text(indent + 14, number, name))
        y = number * _ROW + 6
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{length:.1f}" height="12" rx="2" fill="{each.colour}"/>')
        parts += [_text(x, number, figure, "end") for x, figure in zip(ends, each.figures, strict=True)]
        parts.append("</g>")
    rest = f'<div style="{_FAINT}">and {len(bars) - _MOST:,} more spans</div>' if len(bars) > _MOST else ""
    return "".join(parts) + "</svg>" + rest


def _text(x: int, row: int, text: str, anchor: str = "start", opacity: float = 1) -> str:
    faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    return f'<text x="{x}" y="{row * _ROW + 16}" text-anchor="{anchor}"{faint}>{escape(text)}</text>'


def price(found: Price, rows: Sequence[Sequence[str]]) -> str:
    """A price, of which each row says what costs how much for what."""
    words = [*(f"{key}={value}" for key, value in found.context.items()), f"as of {found.at:%Y-%m-%d}", found.source]
    words += [f"{len(found.tiers)} tiers by the size of the request"] if len(found.tiers) > 1 else []
    body = table(("what", "USD", "per"), rows)
    return box(f"{found.provider}/{found.model}", " · ".join([*words, *found.assumptions]), body)
