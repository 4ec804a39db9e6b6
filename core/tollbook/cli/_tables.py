"""Reports as tables that a person likes to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._money import show

if TYPE_CHECKING:
    from rich.table import Table

    from tollbook.reports import Report, ReportRow


def table(report: Report) -> Table:
    """The report for a terminal, with a total line."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_footer=len(report.rows) > 1, footer_style="bold", pad_edge=False)
    for n, name in enumerate(report.by):
        made.add_column(name, footer="total" if n == 0 else "", no_wrap=n == 0, overflow="fold")
    total = _cells(report.total)
    for name, footer in zip(("calls", "input", "cached", "output", "cost", "share"), total, strict=True):
        made.add_column(name, footer=footer, justify="right", no_wrap=True)
    for row in report.rows:
        made.add_row(*(escape(key) for key in row.key), *_cells(row))
    return made


def _cells(row: ReportRow) -> tuple[str, ...]:
    approximately = "~" if row.estimated_calls else ""
    if row.cost is None:
        cost = "unpriced" if row.unpriced_calls else "unknown"
    else:
        cost = show(row.cost) + ("+" if row.unpriced_calls else "")
    return (
        f"{row.calls:,}",
        f"{approximately}{row.input_tokens:,}",
        f"{row.cache_read_tokens:,}",
        f"{approximately}{row.output_tokens:,}",
        cost,
        "" if row.share is None else f"{row.share:.1%}",
    )


def notes(report: Report) -> list[str]:
    """What the total does not say: what is estimated, unpriced, failed, and where the figures are from."""
    total = report.total
    said: list[str] = []
    if total.unpriced_calls:
        said.append(
            f"[yellow]unpriced: {_calls(total.unpriced_calls)}, {total.unpriced_tokens:,} tokens[/yellow], "
            "in no sum of money"
        )
    if total.estimated_calls:
        said.append(f"~ estimated: {_calls(total.estimated_calls)}, {show(total.estimated_cost)} of the total")
    if total.unknown_calls:
        said.append(f"no usage known: {_calls(total.unknown_calls)}")
    if total.errors:
        said.append(f"failed: {_calls(total.errors)}")
    said.append(f"[dim]{report.period}; ledger {report.store}[/dim]")
    return said


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def nothing(report: Report) -> str:
    """What to say where there is nothing to report."""
    if report.since is None and report.until is None:
        return (
            f"No calls are recorded yet in {report.store}.\n"
            "Add to a program, before it makes calls:\n\n    import tollbook\n    tollbook.autolog()\n"
        )
    return f"No calls are recorded in {report.store} ({report.period})."
