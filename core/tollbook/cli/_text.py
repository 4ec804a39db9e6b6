"""Text for a terminal: tables that fit, and names that can do no harm.

Names of models, spans and errors come from servers and programs. Whatever is put into a table or a line here is
cleaned first and painted after, so that none of them can move the cursor, change a colour or fake a line.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tollbook import _clean

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
clean = _clean.clean
_BREAKS = "-_/.:@ "
"""Characters after which a name may be folded."""
_COMFORTABLE, _LEAST = 24, 8
"""Columns that a folded name gets before, and after, columns are left out to make room."""
_GAP = "  "


class Screen(NamedTuple):
    """What the text is for."""

    width: int | None = None
    """Columns; None: as many as it takes, since it is no terminal."""
    colour: bool = False
    unicode: bool = True
    """Whether lines and ellipses can be shown."""

    def paint(self, text: str, style: str) -> str:
        """The text in a style of `STYLES`, where there are colours."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and style and text.strip() else text

    def glyphs(self, text: str) -> str:
        """The text, which is ours, in what this screen can show."""
        return text if self.unicode else text.translate(_ASCII)


_ASCII = str.maketrans({"─": "-", "│": "|", "├": "|", "└": "`", "…": "~", "±": "+-"})


def screen() -> Screen:
    """What standard output is. `COLUMNS`, `NO_COLOR` and `FORCE_COLOR` are heard."""
    environment = os.environ
    terminal = sys.stdout.isatty()
    width = None
    if (columns := environment.get("COLUMNS", "")).isdigit() and int(columns):
        width = int(columns)
    elif terminal:
        try:
            width = os.get_terminal_size(sys.stdout.fileno()).columns or None
        except OSError:
            width = 80
    colour = terminal and environment.get("TERM") != "dumb"
    if environment.get("NO_COLOR"):
        colour = False
    elif environment.get("FORCE_COLOR"):
        colour = True
    return Screen(width, colour, (sys.stdout.encoding or "").lower().startswith("utf"))


def say(text: str = "") -> None:
    """Print a line, now. Click would take colours out, and take an ASCII terminal for one of UTF-8."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def columns(text: str) -> int:
    """How many columns of a terminal the (clean) text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fold(text: str, room: int) -> list[str]:
    """The text in lines of at most `room` columns, broken where a name has a border if that is not too early."""
    lines: list[str] = []
    while columns(text) > room:
        end = _fitting(text, room)
        border = max((n for n in range(end // 2, end) if text[n] in _BREAKS), default=-1) + 1
        end = border or end
        lines.append(text[:end])
        text = text[end:]
    return [*lines, text]


def cut(text: str, room: int) -> str:
    """The text, or as much of its beginning and its end as fits with an ellipsis."""
    if columns(text) <= room:
        return text
    tail = text[len(text) - _fitting(text[::-1], max(room // 4, 1)) :]
    return f"{text[: _fitting(text, room - 1 - columns(tail))]}…{tail}"


def _fitting(text: str, room: int) -> int:
    """How many characters fit, at least one."""
    used = 0
    for n, character in enumerate(text):
        used += columns(character)
        if used > room:
            return max(n, 1)
    return len(text)


class Column(NamedTuple):
    """One column of a table."""

    title: str
    kind: Literal["name", "tree", "number", "money"] = "name"
    """Names are folded where there is no room, a tree is cut; numbers are never touched, and the points of money
    stand under each other."""
    droppable: int = 0
    """0: it stays. Where there is no room the column with the highest number goes first."""
    style: str = ""


class Cell(NamedTuple):
    """A text with a style of its own."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


def table(screen: Screen, heads: Sequence[Column], rows: Sequence[Row], total: Row | None = None) -> str:
    """The rows under their heads, and a total under them, in as much room as the screen has.

    Only if even the narrowest columns do not fit are the lines longer than the screen is wide.
    """
    heads = [head._replace(title=clean(head.title)) for head in heads]
    everything = [*rows, *([total] if total is not None else [])]
    cells = [
        [Cell(clean(c), "") if isinstance(c, str) else Cell(clean(c.text), c.style) for c in row] for row in everything
    ]
    for n, head in enumerate(heads):
        if head.kind == "money":
            _align([row[n].text for row in cells], cells, n)
    kept, widths = _fit(screen, heads, cells)
    rule = screen.paint(screen.glyphs("─" * (sum(widths.values()) + len(_GAP) * (len(kept) - 1))), "dim")
    lines = [_line(screen, kept, widths, [Cell(head.title, "bold") for head in heads], heads), rule]
    for n, row in enumerate(cells):
        if total is not None and n == len(cells) - 1:
            lines.append(rule)
            row = [Cell(cell.text, cell.style or "bold") for cell in row]  # noqa: PLW2901 - the total stands out
        lines.append(_line(screen, kept, widths, row, heads))
    return "\n".join(lines)


def _align(texts: list[str], cells: list[list[Cell]], n: int) -> None:
    """Pad amounts on the right, so that their points are below each other; words stay as they are."""
    tails = [len(text) - text.index(".") if "." in text else 0 for text in texts]
    longest = max(tails, default=0)
    for row, tail in zip(cells, tails, strict=True):
        if tail:
            row[n] = Cell(row[n].text + " " * (longest - tail), row[n].style)


def _fit(screen: Screen, heads: Sequence[Column], cells: list[list[Cell]]) -> tuple[list[int], dict[int, int]]:
    """Which columns are shown, and how wide each is."""
    widths = {n: max(columns(text) for text in (h.title, *(r[n].text for r in cells))) for n, h in enumerate(heads)}
    shown = list(widths)

    def missing() -> int:
        room = sum(widths[n] for n in shown) + len(_GAP) * (len(shown) - 1)
        return 0 if screen.width is None else room - screen.width

    def narrow(least: int) -> None:
        while missing() > 0:
            name = max((n for n in shown if heads[n].kind in ("name", "tree")), key=lambda n: widths[n], default=None)
            if name is None or widths[name] <= least:
                return
            widths[name] -= 1

    narrow(_COMFORTABLE)
    for n in sorted((n for n in shown if heads[n].droppable), key=lambda n: -heads[n].droppable):
        if missing() > 0:
            shown.remove(n)
    narrow(_LEAST)
    return shown, {n: widths[n] for n in shown}


def _line(screen: Screen, kept: list[int], widths: dict[int, int], row: Sequence[Cell], heads: Sequence[Column]) -> str:
    """One row, on as many lines as its names need."""
    folded = {n: _lines(row[n].text, heads[n].kind, widths[n]) for n in kept}
    out: list[str] = []
    for n_line in range(max(map(len, folded.values()))):
        parts: list[str] = []
        for n in kept:
            text = folded[n][n_line] if n_line < len(folded[n]) else ""
            blank = " " * (widths[n] - columns(text))
            painted = screen.paint(screen.glyphs(text), row[n].style or heads[n].style)
            parts.append(painted + blank if heads[n].kind in ("name", "tree") else blank + painted)
        out.append(_GAP.join(parts).rstrip())
    return "\n".join(out)


def _lines(text: str, kind: str, room: int) -> list[str]:
    return [cut(text, room)] if kind == "tree" else fold(text, room) if kind == "name" else [text]


def paragraph(screen: Screen, text: str, style: str = "", indent: str = "  ") -> str:
    """A (cleaned) sentence, wrapped between words if the screen is too narrow for it."""
    import textwrap

    text = screen.glyphs(clean(text))
    if screen.width is not None:
        text = "\n".join(
            textwrap.wrap(text, screen.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
    return screen.paint(text, style)
