"""Reports as tables that a person likes to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook.cli._text import Cell, Column, Screen, paragraph, table
from tollbook.cli._words import cost, labels, notes, share, tokens

if TYPE_CHECKING:
    from tollbook.reports import Report, ReportRow

_NUMBERS = (
    Column("calls", "number"),
    Column("input", "number"),
    Column("cached", "number", droppable=1),
    Column("written", "number", droppable=3),
    Column("output", "number"),
    Column("cost", "money"),
    Column("share", "number", droppable=2),
)


def as_table(report: Report, screen: Screen) -> str:
    """The report for a terminal: rows, a total, and what the total leaves out."""
    # Writes to a cache cost extra at some providers; at all others the column would only be noise.
    written = report.total.cache_write_tokens > 0
    heads = [*map(Column, report.by), *(column for column in _NUMBERS if written or column.title != "written")]
    rows = [[*labels(report, row), *_cells(row, written=written)] for row in report.rows]
    total = [*labels(report, report.total), *_cells(report.total, written=written)] if len(rows) > 1 else None
    parts = [table(screen, heads, rows, total), ""]
    parts += [paragraph(screen, text, style) for text, style in notes(report)]
    parts.append(paragraph(screen, f"{report.period}; ledger {report.store}", "dim"))
    return "\n".join(parts)


def _cells(row: ReportRow, *, written: bool) -> list[str | Cell]:
    return [
        f"{row.calls:,}",
        tokens(row, row.input_tokens),
        tokens(row, row.cache_read_tokens).removeprefix("~"),
        *([tokens(row, row.cache_write_tokens).removeprefix("~")] if written else []),
        tokens(row, row.output_tokens),
        Cell(cost(row), "yellow" if row.cost is None and row.unpriced_calls else ""),
        share(row),
    ]
