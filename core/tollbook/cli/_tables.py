"""Reports as tables that a person likes to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._money import show
from tollbook.cli._text import Cell, Column, Screen, paragraph, table
from tollbook.cli._words import change, cost, labels, notes, share, tokens

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


_CHANGE = (Column("before", "money", droppable=4), Column("change", "number"))
_STATS = (Column("mean", "money", droppable=5), Column("p50", "money"), Column("p95", "money"))


def as_table(report: Report, screen: Screen) -> str:
    """The report for a terminal: rows, a total, and what the total leaves out."""
    parts = [rows_as_table(report, screen), ""]
    parts += [paragraph(screen, text, style) for text, style in notes(report)]
    parts.append(paragraph(screen, f"{report.period}; ledger {report.store}", "dim"))
    return "\n".join(parts)


def rows_as_table(report: Report, screen: Screen) -> str:
    """Rows and total without what is said below them."""
    # Writes to a cache cost extra at some providers; at all others the column would only be noise.
    written = report.total.cache_write_tokens > 0
    heads = [*map(Column, report.by), *(column for column in _NUMBERS if written or column.title != "written")]
    heads += [*(_CHANGE if report.total.change else ()), *(_STATS if report.total.stats else ())]
    rows = [[*labels(report, row), *_cells(row, written=written)] for row in report.rows]
    total = [*labels(report, report.total), *_cells(report.total, written=written)] if len(rows) > 1 else None
    return table(screen, heads, rows, total)


def _cells(row: ReportRow, *, written: bool) -> list[str | Cell]:
    found: list[str | Cell] = [
        f"{row.calls:,}",
        tokens(row, row.input_tokens),
        tokens(row, row.cache_read_tokens).removeprefix("~"),
        *([tokens(row, row.cache_write_tokens).removeprefix("~")] if written else []),
        tokens(row, row.output_tokens),
        Cell(cost(row), "yellow" if row.cost is None and row.unpriced_calls else ""),
        share(row),
    ]
    if row.change is not None:
        found += [cost(row.previous) if row.previous is not None else "-", change(row)]
    if (stats := row.stats) is not None:
        found += [show(usd) if usd is not None else "-" for usd in (stats.mean_usd, stats.p50_usd, stats.p95_usd)]
    return found
