"""`tollbook report --cache`: what caches were worth, in every form that reports have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook._money import plain, show, to_usd
from tollbook.cli._command import Bar, say_json
from tollbook.cli._forms import cells, escaped, rows_as_csv
from tollbook.cli._text import Column, Screen, paragraph, say, screen, table
from tollbook.cli._words import counted, labels

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.reports import CachingReport, CachingRow

_HEADS = (
    Column("calls", "number", droppable=3),
    Column("hits", "number"),
    Column("read", "number"),
    Column("saved", "money"),
    Column("written", "number", droppable=2),
    Column("spent on writes", "money"),
    Column("lost", "money"),
)


def run(store: Store, form: str | None, **options: Any) -> None:
    """Print the report in `form`: `json`, `csv`, `md`, or None for a table."""
    from tollbook.reports import CACHING_COLUMNS, caching

    with Bar("Reading") as bar:
        found = caching(store, **options, progress=bar.show)
    if form == "json":
        say_json(found.as_dict())
    elif form == "csv":
        rows = [[*labels(found, row), *row.numbers().values()] for row in found.rows]
        say(rows_as_csv([*found.by, *CACHING_COLUMNS], rows, names=range(len(found.by))))
    elif form == "md":
        say(as_markdown(found))
    else:
        say(as_table(found, screen()))


def as_table(found: CachingReport, screen: Screen) -> str:
    """The report for a terminal."""
    if not found.rows:
        return f"No call read from a cache or wrote to one ({found.period}, ledger {found.store})"
    rows = [[*labels(found, row), *_numbers(row)] for row in found.rows]
    total = [*labels(found, found.total), *_numbers(found.total)] if len(rows) > 1 else None
    parts = [table(screen, [*map(Column, found.by), *_HEADS], rows, total), ""]
    parts += [paragraph(screen, text) for text in notes(found)]
    parts.append(paragraph(screen, f"{found.period}; ledger {found.store}", "dim"))
    return "\n".join(parts)


def _numbers(row: CachingRow, *, exact: bool = False) -> list[str]:
    def money(pico: int) -> str:
        amount = to_usd(pico)
        return (plain(amount) or "0") if exact else show(amount)

    lost = row.lost_known + row.lost_guessed
    return [
        f"{row.calls:,}",
        f"{row.hit_calls:,}",
        f"{row.tokens_saved:,}",
        f"{money(row.saved)}{'+' if row.unknown_calls else ''}",
        f"{row.tokens_written:,}",
        money(row.extra),
        f"{'~' if row.lost_guessed else ''}{money(lost)}",
    ]


def as_markdown(found: CachingReport) -> str:
    """The report as a Markdown table; money exact."""
    heads = [*map(escaped, found.by), *(head.title for head in _HEADS)]
    lines = [cells(heads), "|" + " --- |" * len(found.by) + " ---: |" * len(_HEADS)]
    for row in (*found.rows, *([found.total] if len(found.rows) > 1 else [])):
        lines.append(cells([*map(escaped, labels(found, row)), *_numbers(row, exact=True)]))  # noqa: PERF401
    return "\n".join([*lines, "", *(f"- {escaped(text)}" for text in notes(found))])


def notes(found: CachingReport) -> list[str]:
    """What the columns mean, and what is known of them and what guessed."""
    total = found.total
    said = ["saved: what tokens read from caches cost less than uncached, at each call's own list price"]
    if total.extra:
        said.append("spent on writes: what tokens written to caches cost more than uncached")
        known, guessed = show(to_usd(total.lost_known)), show(to_usd(total.lost_guessed))
        said.append(
            f"lost on writes that were not read while they lived: {known} known, since no call of the model in this "
            f"ledger read from a cache then; {guessed} guessed, since only calls of another feature, agent, org or key "
            "did, or the lifetime is not stated"
        )
    if total.undecided:
        said.append(f"not decided: {show(to_usd(total.undecided))} for writes that can still be read")
    if total.unknown_calls:
        said.append(f"+ unknown: a price of {counted(total.unknown_calls)} is not known, and its money is not in here")
    return said
