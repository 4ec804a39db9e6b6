"""A report as a table for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook import _html
from tollbook._money import show

if TYPE_CHECKING:
    from tollbook.reports._report import Report
    from tollbook.reports._row import ReportRow


def picture(report: Report) -> str:
    """Its rows, each with its share of the whole as a bar, and their sum."""
    names = list(report.by)
    rows = [_row(row, _key(row)) for row in report.rows]
    shares: list[float | None] = [row.share for row in report.rows]
    total = report.total
    rows.append(_row(total, ["total", *[""] * (len(names) - 1)]))
    heads = [*(name.replace("_", " ") for name in names), "calls", "input", "output", "cost"]
    doubts = [
        f"{count:,} {word}"
        for word, count in (
            ("estimated", total.estimated_calls),
            ("unpriced", total.unpriced_calls),
            ("unknown", total.unknown_calls),
            ("failed", total.failed_calls),
        )
        if count
    ]
    note = " · ".join([report.period, *([f"calls: {', '.join(doubts)}"] if doubts else [])])
    cost = show(total.cost) if total.cost is not None or total.calls == 0 else "cost unknown"
    title = cost if total.calls else "Nothing was spent"
    return _html.box(title, note, _html.table(heads, rows, [*shares, None], texts=len(names), sums=True))


def _key(row: ReportRow) -> list[str]:
    if row.others:
        return [f"{row.others:,} others", *[""] * (len(row.key) - 1)]
    return ["not known" if value is None else value for value in row.key]


def _row(row: ReportRow, key: list[str]) -> list[str]:
    known = row.known_calls > 0
    tokens = [f"{count:,}" if known else "unknown" for count in (row.input_tokens, row.output_tokens)]
    cost = show(row.cost) if row.cost is not None or row.unpriced_calls else "unknown" if row.unknown_calls else ""
    return [*key, f"{row.calls:,}", *tokens, cost]
