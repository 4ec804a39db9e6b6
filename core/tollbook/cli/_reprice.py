"""`tollbook reprice`: recorded calls at the prices that are known now, shown before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from tollbook.cli._command import Bar, Command, open_ledger, say_json, store_option

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.ledger import Repricing
    from tollbook.ledger._repriced import RepricedModel

_WHEN = "2026-11-01, 2026-11-01T14:30, 90m, 24h, 7d, 4w, today, yesterday, week or month"


@click.command(cls=Command)
@click.option("--since", metavar="WHEN", help=f"Calls from when on: {_WHEN}.")
@click.option("--until", metavar="WHEN", help="Until when, that moment excluded; written as for --since.")
@click.option("--timezone", "-z", metavar="ZONE", help="Of days and times: an IANA name, utc, or local (the default).")
@click.option("--model", "-m", multiple=True, metavar="NAME", help="As answered or as asked for. May be repeated.")
@click.option("--provider", "-p", multiple=True, metavar="NAME", help="As in the report. May be repeated.")
@click.option("--only-unpriced", is_flag=True, help="Only calls of which something has no known price.")
@click.option(
    "--at",
    type=click.Choice(["calls", "today"]),
    default="calls",
    show_default=True,
    help="Whose prices: those in force when each call was made, or those of today.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text. Needs --yes or --dry-run.")
@store_option
def reprice(
    *,
    since: str | None,
    until: str | None,
    timezone: str | None,
    model: tuple[str, ...],
    provider: tuple[str, ...],
    only_unpriced: bool,
    at: Literal["calls", "today"],
    dry_run: bool,
    yes: bool,
    form: str | None,
    store: str | None,
) -> None:
    """Price recorded calls anew, by the prices that are known now.

    What would change is shown first, by model. Old costs are kept as history. What a provider or a program said that
    a call cost is never touched. Programs may go on recording meanwhile. Interrupted, it goes on where it stopped
    when it is asked for again. Run it where your own price definitions are found.

    \b
    Examples:
      tollbook reprice --dry-run               what would change
      tollbook reprice --since 7d
      tollbook reprice --only-unpriced --yes   after new prices were added
      tollbook reprice --model gpt-4o --at today --dry-run
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import say, screen
    from tollbook.cli._words import counted
    from tollbook.reports import reprice as run

    if form == "json" and not (yes or dry_run):
        raise ValueError("--json does not ask: give --yes or --dry-run too")
    opened = open_ledger(store)
    which: dict[str, Any] = {
        "since": since,
        "until": until,
        "timezone": timezone,
        "model": model,
        "provider": provider,
        "only_unpriced": only_unpriced,
        "at": at,
    }
    with Bar("Reading") as bar:
        plan = run(opened, **which, dry_run=True, progress=bar.show)
    if form != "json":
        say(as_text(plan, screen()))
    done = plan
    if plan.spans and not dry_run:
        if not yes:
            click.confirm("Write these costs?", abort=True)
        with Bar("Writing") as bar:
            done = run(opened, **which, progress=bar.show)
        if form != "json":
            resumed = ", with those of the run that was interrupted" if done.resumed else ""
            say(f"{counted(done.spans, 'cost')} replaced{resumed}; what was there before is kept.")
    if form == "json":
        say_json(as_json(done))


def as_text(found: Repricing, screen: Screen) -> str:
    """What changes, for a terminal: a row for each model that has any change, a total, and what stays."""
    from tollbook.cli._text import Column, paragraph, table
    from tollbook.cli._words import counted

    heads = [
        Column("provider", droppable=1),
        Column("model"),
        Column("calls", "number"),
        Column("changed", "number"),
        Column("newly priced", "number", droppable=2),
        Column("old", "money"),
        Column("new", "money"),
        Column("difference", "money"),
    ]
    total = found.total
    moved = [row for row in found.rows if row.changed]
    if not moved:
        listed = f"; the list price beside what was charged changes for {found.spans:,} spans" if found.spans else ""
        said = [f"No cost changes, of {counted(total.calls)}{listed}."]
    else:
        rows = [_cells(row) for row in moved]
        said = [table(screen, heads, rows, _cells(total, whole=True)), ""]
        if same := len(found.rows) - len(moved):
            which = "1 other model is" if same == 1 else f"{same:,} other models are"
            said.append(f"{which} in the total, without a change.")
    if total.kept:
        said.append(f"{_keeping(total.kept)} a cost that the price lists of now would not know.")
    if total.charged:
        said.append(f"{_keeping(total.charged)} what the provider or the program said.")
    head, *notes = said if not moved else ["\n".join(said[:2]), *said[2:]]
    return "\n".join([head, *(paragraph(screen, note) for note in notes)])


def _keeping(calls: int) -> str:
    return "1 call keeps" if calls == 1 else f"{calls:,} calls keep"


def _cells(row: RepricedModel, *, whole: bool = False) -> list[Any]:
    from tollbook._money import show
    from tollbook.cli._text import clean

    names = ["total", ""] if whole else [clean(row.provider or "unknown"), clean(row.model or "unknown")]
    sign = "+" if row.new > row.old else ""
    return [
        *names,
        f"{row.calls:,}",
        f"{row.changed:,}",
        f"{row.newly_priced:,}",
        show(row.old_usd),
        show(row.new_usd),
        sign + show(row.difference_usd),
    ]


def as_json(found: Repricing) -> dict[str, Any]:
    """What changes as plain data, money as decimal text."""
    return {
        "dry_run": found.dry_run,
        "resumed": found.resumed,
        "spans": found.spans,
        "rows": [{"provider": row.provider, "model": row.model, **_numbers(row)} for row in found.rows],
        "total": _numbers(found.total),
    }


def _numbers(row: RepricedModel) -> dict[str, Any]:
    from tollbook._money import plain

    return {
        "calls": row.calls,
        "changed": row.changed,
        "newly_priced": row.newly_priced,
        "kept": row.kept,
        "charged": row.charged,
        "old_usd": plain(row.old_usd),
        "new_usd": plain(row.new_usd),
        "difference_usd": plain(row.difference_usd),
    }
