"""What every form of a report says in words: labels, marks, and what the total leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._money import show
from tollbook.cli._text import clean

if TYPE_CHECKING:
    from tollbook.reports import CachingReport, CachingRow, Report, ReportRow


def labels(report: Report | CachingReport, row: ReportRow | CachingRow) -> list[str]:
    """The names of a row. A call that has none is `unknown`, or `unattributed` where the program could have set it."""
    if row is report.total:
        return ["total", *[""] * (len(report.by) - 1)]
    if row.others:
        return [f"{row.others:,} others", *[""] * (len(report.by) - 1)]
    return [value if value is not None else nameless(name) for name, value in zip(report.by, row.key, strict=True)]


def nameless(dimension: str) -> str:
    """What a call is called that has no value in a dimension."""
    from tollbook.spans import DIMENSIONS

    settable = dimension in DIMENSIONS or dimension.startswith(("attribute.", "tag."))
    return "unattributed" if settable else "unknown"


def counted(number: int, what: str = "call") -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def tokens(row: ReportRow, number: int) -> str:
    """A number of tokens, marked where an estimate is in it, or that nothing is known, since that is not 0."""
    if not row.known_calls:
        return "-" if row.calls == row.failed_calls else "?"
    return f"{'~' if row.estimated_usage_calls else ''}{number:,}"


def cost(row: ReportRow, amount: str | None = None) -> str:
    """The cost, rounded for a reader unless an `amount` is given, with marks; a word if none of it is known."""
    if row.cost is None:
        return "unpriced" if row.unpriced_calls else "-" if row.calls == row.failed_calls else "unknown"
    estimated = "~" if row.estimated_calls else ""
    return f"{estimated}{amount or show(row.cost)}{'+' if row.unpriced_calls else ''}"


def share(row: ReportRow) -> str:
    """The share in percent; one that is too small for a digit is not 0."""
    if row.share is None:
        return ""
    return "<0.1%" if 0 < row.share < 0.0005 else f"{row.share:.1%}"


def change(row: ReportRow) -> str:
    """How the cost differs from that of the period before, in percent or in a word."""
    found = row.change
    if found is None or (not row.calls and row.previous is None):
        return ""
    if found.state:
        return found.state
    return "?" if found.percent is None else f"{found.percent:+,.1f}%"


def notes(report: Report) -> list[tuple[str, str]]:
    """What the total does not say, each with a style: unpriced, unknown, estimated, failed."""
    total = report.total
    said: list[tuple[str, str]] = []
    if total.unpriced_calls:
        used = f" with {total.unpriced_tokens:,} tokens" if total.unpriced_tokens else ""
        said.append((f"+ unpriced: {counted(total.unpriced_calls)}{used}, in no sum of money", "yellow"))
    if total.unknown_calls:
        said.append((f"? unknown: {counted(total.unknown_calls)} told no usage, and may have cost something", "yellow"))
    if total.estimated_calls:
        part = f", {show(total.estimated_cost)} of the total" if total.cost is not None else ""
        said.append((f"~ estimated: {counted(total.estimated_calls)}{part}", ""))
    if total.listed_calls and total.listed_difference is not None:
        more = total.listed_difference >= 0
        by = f"{show(total.listed_difference.copy_abs())} {'more' if more else 'less'} than"
        said.append((f"charged: {counted(total.listed_calls)}, {by} the list price of {show(total.listed_cost)}", ""))
    if total.failed_calls:
        said.append((f"failed: {counted(total.failed_calls)}, in the total only where a usage is known", ""))
    if total.abandoned_calls:
        said.append((f"given up: {counted(total.abandoned_calls)}, cancelled or not read to the end", ""))
    if (stats := total.stats) is not None:
        without = f"; {counted(stats.units_without_cost, stats.per)} without a known cost" * bool(
            stats.units_without_cost
        )
        said.append((f"mean, p50 and p95 are of one {stats.per}: {counted(stats.units, stats.per)}{without}", ""))
    return said


def nothing(report: Report) -> str:
    """What to say where there is nothing to report."""
    if report.since is None and report.until is None and not report.where:
        return (
            f"No calls are recorded yet in {clean(report.store)}\n\n"
            "Add this to a program, before it makes calls with openai or anthropic:\n\n"
            "    import tollbook\n    tollbook.autolog()\n\n"
            "then run the program and ask again. To see what a report looks like: tollbook demo"
        )
    return f"No calls are recorded from {clean(report.period)}, in {clean(report.store)}"
