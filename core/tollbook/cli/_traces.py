"""`tollbook traces`: traces one under the other, the latest or the dearest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Command, open_ledger, say_json, store_option
from tollbook.cli._report import chosen_calls, conditions

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.ledger import Store, TraceSum


@click.command(cls=Command)
@click.option(
    "--order",
    type=click.Choice(["time", "cost"]),
    default="time",
    show_default=True,
    help="The latest or the dearest first; for `cost` every call of the time is read.",
)
@click.option("--lines", "-n", type=click.IntRange(1), default=20, show_default=True, help="How many traces.")
@click.option("--after", metavar="CURSOR", help="Go on behind a trace: its `cursor` in JSON or CSV.")
@chosen_calls
@click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as text, null where unknown.")
@store_option
def traces(
    *, order: Any, lines: int, after: str | None, where: tuple[str, ...], form: str | None, store: str | None, **at: Any
) -> None:
    """Traces, the latest or the dearest first.

    Calls and cost are those of a trace's spans that were asked for.

    \b
    Examples:
      tollbook traces
      tollbook traces --order cost --since month
      tollbook traces --where user=u_7 --json
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import say, screen
    from tollbook.reports._report import checked_where, period

    chosen = conditions(where)
    checked_where(chosen)
    zone, first, last = period(**at)
    opened = open_ledger(store)
    found = opened.traces(first, last, chosen, order=order, limit=lines, after=after)
    names = [_name(opened, each) for each in found]
    values = [(each.trace_id, name, *_numbers(each)) for each, name in zip(found, names, strict=True)]
    if form == "json":
        say_json([dict(zip(_COLUMNS, each, strict=True)) for each in values])
    elif form == "csv":
        from tollbook.cli._forms import rows_as_csv

        say(rows_as_csv(_COLUMNS, values, names=[_COLUMNS.index("name")]))
    elif found:
        say(_table(found, names, zone, screen()))
    else:
        say(f"No trace has such calls (ledger {opened.path})")


_COLUMNS = ("trace_id", "name", "start_ns", "calls", "priced_calls", "cost_usd", "cursor")


def _numbers(found: TraceSum) -> tuple[int | str | None, ...]:
    from tollbook._money import plain

    return found.start, found.calls, found.priced_calls, plain(found.cost_usd), found.cursor


def _name(store: Store, found: TraceSum) -> str:
    """What its first span is called that is below no other."""
    records = store.trace(found.trace_id)
    known = {each.span_id for each in records}
    return next((each for each in records if each.parent_id not in known), records[0]).name


def _table(found: list[TraceSum], names: list[str], zone_name: str | None, screen: Screen) -> str:
    from datetime import datetime

    from tollbook._money import show
    from tollbook.cli._text import Column, table
    from tollbook.reports._period import zone

    place = zone(zone_name)
    heads = (Column("began"), Column("trace"), Column("name"), Column("calls", "number"), Column("cost", "money"))
    rows = [
        [
            datetime.fromtimestamp(each.start // 10**9, place).strftime("%Y-%m-%d %H:%M:%S"),
            each.trace_id,
            name,
            f"{each.calls:,}",
            f"{show(each.cost_usd)}{'+' if each.cost is not None and each.priced_calls < each.calls else ''}",
        ]
        for each, name in zip(found, names, strict=True)
    ]
    return table(screen, heads, rows)
