"""`tollbook whatif`: the same usage on another model or tier, or with nothing cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Bar, Command, open_ledger, say_json, store_option
from tollbook.cli._report import chosen_calls, conditions

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.reports import WhatIf, WhatIfRow


@click.command(cls=Command)
@click.option("--model", "-m", multiple=True, metavar="FROM=TO", help="One model as another; FROM may be * for all.")
@click.option("--tier", type=click.Choice(["standard", "batch", "flex", "priority"]), help="All calls in this tier.")
@click.option("--no-cache", is_flag=True, help="As if nothing had been read from a cache or written to one.")
@chosen_calls
@click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text, null where unknown.")
@store_option
def whatif(
    *,
    model: tuple[str, ...],
    tier: Any,
    no_cache: bool,
    since: str | None,
    until: str | None,
    timezone: str | None,
    where: tuple[str, ...],
    form: str | None,
    store: str | None,
) -> None:
    """What recorded calls would have cost otherwise.

    Call by call, at the list prices of their own time. Tokens are taken as they were counted; another model may
    count the same text otherwise. What has no known price is shown, and is in no sum.

    \b
    Examples:
      tollbook whatif --model gpt-4o=gpt-4o-mini --since month
      tollbook whatif --model "*=anthropic/claude-haiku-4-5" -w feature=search
      tollbook whatif --tier batch
      tollbook whatif --no-cache               what caches saved
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import say, screen
    from tollbook.reports import what_if

    models: dict[str, str] = {}
    for each in model:
        old, equals, new = each.partition("=")
        if not (old.strip() and equals and new.strip()):
            raise ValueError(f"--model {each!r} names no two models: write FROM=TO, such as gpt-4o=gpt-4o-mini")
        models[old.strip()] = new.strip()
    options: dict[str, Any] = {"since": since, "until": until, "timezone": timezone, "where": conditions(where)}
    if not (models or tier or no_cache):
        raise ValueError("nothing is changed: give --model FROM=TO, --tier or --no-cache")
    opened = open_ledger(store)
    with Bar("Pricing") as bar:
        found = what_if(opened, model=models, tier=tier, cache=not no_cache, progress=bar.show, **options)
    if form == "json":
        say_json(found.as_dict())
    elif form == "csv":
        from tollbook.cli._forms import rows_as_csv

        numbers = [{k: v for k, v in row.numbers().items() if k != "reasons"} for row in found.rows]
        rows = [
            [row.provider or "", row.model or "", *of.values()] for row, of in zip(found.rows, numbers, strict=True)
        ]
        head = [name for name in found.total.numbers() if name != "reasons"]
        say(rows_as_csv(["provider", "model", *head], rows, names=(0, 1)))
    else:
        say(as_text(found, screen()))


def as_text(found: WhatIf, screen: Screen) -> str:
    """The comparison for a terminal."""
    from tollbook._money import show
    from tollbook.cli._text import Column, paragraph, table
    from tollbook.cli._words import counted

    total = found.total
    if not total.calls:
        return paragraph(screen, f"No calls are recorded there, in {found.store}")
    heads = [
        *(Column("provider", droppable=1), Column("model"), Column("calls", "number"), Column("was", "money")),
        *(Column("would be", "money"), Column("difference", "money"), Column("change", "number")),
    ]
    rows = [_cells(row) for row in found.rows]
    last = [*_cells(total, whole=True)] if len(rows) > 1 else None
    said = [f"{', '.join(found.changes)}; list prices of each call's own time, tokens as they were counted"]
    if total.unpriceable_calls:
        lost = f"{counted(total.unpriceable_calls)} that cost {show(total.unpriceable_actual_usd)}"
        said.append(f"+ unpriceable: {lost}, in neither sum")
        most = sorted(total.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
        said += [f"  {reason}: {counted(calls)}" for reason, calls in most[:5]]
    if total.unknown_calls:
        said.append(f"? unknown: {counted(total.unknown_calls)} without a known usage or cost, in neither sum")
    said.append(f"ledger {found.store}")
    return "\n".join([table(screen, heads, rows, last), "", *(paragraph(screen, text) for text in said)])


def _cells(row: WhatIfRow, *, whole: bool = False) -> list[str]:
    from tollbook._money import show

    names = ["total", ""] if whole else [row.provider or "unknown", row.model or "unknown"]
    if not row.compared_calls:
        return [*names, f"{row.calls:,}", "-", "-", "-", ""]
    plus = "+" if row.unpriceable_calls else ""
    sign = "+" if row.difference > 0 else ""
    change = "" if row.change is None else f"{row.change:+.1%}"
    was, would = f"{show(row.actual_usd)}{plus}", f"{show(row.hypothetical_usd)}{plus}"
    return [*names, f"{row.calls:,}", was, would, sign + show(row.difference_usd), change]
