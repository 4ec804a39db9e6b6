"""`tollbook forecast`: what the month will have cost, and days that were not as usual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Command, open_ledger, say_json, store_option

if TYPE_CHECKING:
    from tollbook.cli._text import Screen
    from tollbook.reports import Forecast, UnusualDay


@click.command(cls=Command)
@click.option(
    "--period", type=click.Choice(["day", "week", "month"]), default="month", show_default=True, help="Until which end."
)
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="Days to look for unusual ones.")
@click.option("--timezone", "-z", metavar="ZONE", help="Of days and times: an IANA name, utc, or local (the default).")
@click.option("--where", "-w", multiple=True, metavar="NAME=VALUE", help="Only calls of which this holds.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text, null where unknown.")
@store_option
def forecast(
    *, period: Any, days: int, timezone: str | None, where: tuple[str, ...], form: str | None, store: str | None
) -> None:
    """What this month will have cost by its end.

    From what days like those that remain used to cost. It needs 14 whole days of records, and says so where there
    are fewer. Below it stand days far from what their weekday used to cost, with what moved.

    \b
    Examples:
      tollbook forecast
      tollbook forecast --period week -w feature=search
    """  # noqa: D301 - click wants the character
    from tollbook.cli._report import conditions
    from tollbook.cli._text import say, screen
    from tollbook.reports import forecast as make
    from tollbook.reports import unusual

    chosen = conditions(where)
    opened = open_ledger(store)
    found = make(opened, period=period, timezone=timezone, where=chosen)
    strange = unusual(opened, days=days, timezone=timezone, where=chosen)
    if form == "json":
        say_json({**found.as_dict(), "unusual": [day.as_dict() for day in strange]})
    else:
        say(as_text(found, strange, screen()))


def as_text(found: Forecast, strange: list[UnusualDay], screen: Screen) -> str:
    """The forecast for a terminal."""
    from datetime import datetime

    from tollbook._money import show, to_usd
    from tollbook.cli._text import paragraph
    from tollbook.cli._words import counted
    from tollbook.reports._period import zone

    end = datetime.fromtimestamp(found.end // 10**9 - 1, zone(found.timezone))
    lines = [f"This {found.period} so far   {show(found.known_usd)}{'+' if found.unpriced_calls else ''}"]
    if found.enough:
        expected = f"~{show(found.expected_usd)}, likely {show(found.low_usd)} to {show(found.high_usd)}"
        lines.append(screen.paint(f"By the end of {end:%Y-%m-%d}   {expected}", "bold"))
    if found.recent is not None and found.earlier is not None:
        trend = "" if found.trend is None else f" ({found.trend:+.1%})"
        earlier = show(to_usd(found.earlier))
        lines.append(f"Last 7 whole days   {show(to_usd(found.recent))}, {earlier} in the 7 before{trend}")
    lines += ["", paragraph(screen, found.method, "dim")]
    if found.unpriced_calls:
        lines.append(paragraph(screen, f"+ unpriced: {counted(found.unpriced_calls)}, in no sum of money", "yellow"))
    for day in strange:
        lines += ["", screen.paint(f"{day.day} was unusual: {show(day.cost_usd)}", "yellow")]
        lines.append(paragraph(screen, f"  {day.arithmetic}", "dim", indent="  "))
        for mover in day.movers:
            name = "not known" if mover.value is None else mover.value
            said = f"  {mover.dimension} {name}: {show(to_usd(mover.cost))}, usually {show(to_usd(mover.usual))}"
            lines.append(paragraph(screen, said, indent="    "))
    return "\n".join([*lines, "", paragraph(screen, f"ledger {found.store}", "dim")])
