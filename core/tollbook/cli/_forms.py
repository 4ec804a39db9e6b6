"""Reports for other programs: CSV and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook._money import plain
from tollbook.cli._text import clean
from tollbook.cli._words import change, cost, labels, notes, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tollbook.reports import Report

_FORMULA = ("=", "+", "-", "@")
_SPECIAL = frozenset("\\`*_[]<>|&~$+")


def as_csv(report: Report) -> str:
    """The rows as CSV with a head line: exact numbers, nothing where one is not known, no total.

    Names are cleaned, and one that a spreadsheet would take for a formula gets an apostrophe.
    """
    rows = [[*labels(report, row), *row.numbers().values()] for row in report.rows]
    return rows_as_csv([*map(harmless, report.by), *report.total.numbers()], rows, names=range(len(report.by)))


def rows_as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]], names: Iterable[int]) -> str:
    """The rows as CSV, those columns that are `names` made harmless."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    places = tuple(names)
    for row in rows:
        cells = list(row)
        for n in places:
            cells[n] = harmless(cells[n])
        writer.writerow(cells)
    return out.getvalue().rstrip("\n")


def harmless(name: str) -> str:
    text = clean(name)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def as_markdown(report: Report) -> str:
    """The rows as a Markdown table with a line for the total; money exact, what it leaves out below."""
    names = [*map(escaped, report.by), "calls", "input", "cached", "output", "cost (USD)"]
    if report.total.change:
        names += ["before (USD)", "change"]
    if report.total.stats:
        names += ["mean (USD)", "p50 (USD)", "p95 (USD)"]
    lines = [cells(names), "|" + " --- |" * len(report.by) + " ---: |" * (len(names) - len(report.by))]
    shown = [*report.rows, *([report.total] if len(report.rows) > 1 else [])]
    for row in shown:
        numbers: list[Any] = [
            f"{row.calls:,}",
            tokens(row, row.input_tokens),
            tokens(row, row.cache_read_tokens).removeprefix("~"),
            tokens(row, row.output_tokens),
            cost(row, plain(row.cost)),
        ]
        if row.change is not None:
            numbers += [plain(row.previous.cost) or "-" if row.previous is not None else "-", change(row)]
        if (stats := row.stats) is not None:
            numbers += [plain(usd) or "-" for usd in (stats.mean_usd, stats.p50_usd, stats.p95_usd)]
        lines.append(cells([*map(escaped, labels(report, row)), *numbers]))
    said = notes(report)
    return "\n".join([*lines, *([""] if said else []), *(f"- {escaped(text)}" for text, _ in said)])


def cells(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def escaped(name: str) -> str:
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in clean(name))
