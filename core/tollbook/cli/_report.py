"""`tollbook report`, and its short forms for days, weeks, months and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Bar, Command, open_ledger, say_json, store_option

if TYPE_CHECKING:
    from tollbook.reports import Report

_BY = """What to group by: one or several names, separated by commas, or the option again.
provider, model, request_model, response_model, operation, integration, kind, status, error, stream, tier (of
service), priced and source (how the cost and the usage are known); one of hour, day, week and month; feature, agent,
user, org, session, key and tag.NAME, for what the program booked to; trace, run (a trace with an agent), name (of
the span) and attribute.NAME."""

_SINCE = "From when on: 2026-11-01, 2026-11-01T14:30, 90m, 24h, 7d, 4w, today, yesterday, week or month."
_ZONE = "Of days and times: an IANA name, utc, or local (the default)."
_WHERE = "Only calls of which this holds; the same name again: or this. NAME= means that it has none."
_COMPARE = "Each row's change against the time just before (previous), or the same a day, week, month or year earlier."
_STATS = "Also mean, median and 95th percentile of what one call, trace, run or session costs; reads every call."


def chosen_calls(function: Any) -> Any:
    """The options that say which calls are meant."""
    for option in (
        click.option("--where", "-w", multiple=True, metavar="NAME=VALUE", help=_WHERE),
        click.option("--timezone", "-z", metavar="ZONE", help=_ZONE),
        click.option("--until", metavar="WHEN", help="Until when, that moment excluded; written as for --since."),
        click.option("--since", metavar="WHEN", help=_SINCE),
    ):
        function = option(function)
    return function


def forms(function: Any) -> Any:
    """The options that say in which form the answer is wanted."""
    for option in (
        click.option("--md", "form", flag_value="md", help="A Markdown table."),
        click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet."),
        click.option("--json", "form", flag_value="json", help="JSON: exact, money as text, null where unknown."),
    ):
        function = option(function)
    return function


def _rows(function: Any) -> Any:
    for option in (
        click.option("--stats", type=click.Choice(["call", "trace", "run", "session"]), help=_STATS),
        click.option(
            "--compare",
            is_flag=False,
            flag_value="previous",
            type=click.Choice(["previous", "day", "week", "month", "year"]),
            help=_COMPARE,
        ),
        click.option("--breakdown", is_flag=True, help="Each row by model."),
        click.option(
            "--top", type=click.IntRange(1), metavar="N", help="The N rows that cost most, the others as one."
        ),
    ):
        function = option(function)
    return function


def conditions(where: tuple[str, ...]) -> dict[str, list[str | None]]:
    """What `--where` says.

    Raises:
        ValueError: One has no value.
    """
    chosen: dict[str, list[str | None]] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--where {each!r} has no value: write NAME=VALUE, such as feature=search")
        chosen.setdefault(name.strip(), []).append(value or None)
    return chosen


@click.command(cls=Command)
@click.option("--by", "-b", multiple=True, default=("provider,model",), show_default=True, metavar="NAMES", help=_BY)
@chosen_calls
@_rows
@click.option("--cache", is_flag=True, help="What caches were worth: saved by reads, spent and lost on writes.")
@forms
@store_option
def report(*, by: tuple[str, ...], cache: bool, **options: Any) -> None:
    """What was spent, by provider and model, by day, and so on.

    Tokens of `cached` are part of `input`. A `~` marks what is estimated, a `+` a sum from which something is
    missing because it has no known price, and a `?` what is not known, which is never shown as 0.

    \b
    Examples:
      tollbook report                               by provider and model
      tollbook report --by day --since 7d           the last week, day by day
      tollbook report --since month --compare month against last month until now
      tollbook report --by month,provider --csv     for a spreadsheet
      tollbook report --by feature --stats session  what a session costs
      tollbook report --by user -w feature=search   who uses a feature
      tollbook report --by trace --top 5            the most expensive traces
      tollbook report --by feature --cache          what caches saved and cost
    """  # noqa: D301 - click wants the character
    names = [name.strip() for given in by for name in given.split(",") if name.strip()]
    if cache:
        _caching(names, **options)
    else:
        _show(names, **options)


def _caching(names: list[str], *, breakdown: bool, compare: str | None, stats: str | None, **options: Any) -> None:
    from tollbook.cli import _caching

    if compare is not None or stats is not None:
        raise ValueError("--cache has numbers of its own: leave out --compare and --stats")
    where = conditions(options.pop("where"))
    names = [*names, *(["model"] if breakdown else [])]
    opened, form = open_ledger(options.pop("store")), options.pop("form")
    _caching.run(opened, form, by=names, where=where, **options)


def _show(
    names: list[str], *, breakdown: bool, where: tuple[str, ...], form: str | None, store: str | None, **options: Any
) -> None:
    from tollbook.reports import report as make

    chosen = conditions(where)
    opened = open_ledger(store)
    with Bar("Reading") as bar:
        names = [*names, *(["model"] if breakdown else [])]
        found = make(opened, by=names, where=chosen, progress=bar.show if options["stats"] else None, **options)
    show(found, form)


def show(found: Report, form: str | None) -> None:
    """Print the report in `form`: `json`, `csv`, `md`, or None for a table."""
    from tollbook.cli._text import say, screen

    if form == "json":
        say_json(found.as_dict())
    elif form == "csv":
        from tollbook.cli._forms import as_csv

        say(as_csv(found))
    elif form == "md":
        from tollbook.cli._forms import as_markdown

        say(as_markdown(found))
    elif found.rows:
        from tollbook.cli._tables import as_table

        say(as_table(found, screen()))
    else:
        from tollbook.cli._words import nothing

        say(nothing(found))


def _short(name: str, dimension: str, text: str) -> click.Command:
    @click.command(name, cls=Command, help=f"{text}\n\nShort for `tollbook report --by {dimension}`, which says more.")
    @chosen_calls
    @_rows
    @forms
    @store_option
    def command(**options: Any) -> None:
        _show([dimension], **options)

    return command


daily = _short("daily", "day", "What was spent, day by day.")
weekly = _short("weekly", "week", "What was spent, week by week, from Monday on.")
monthly = _short("monthly", "month", "What was spent, month by month.")
session = _short("session", "session", "What was spent, by session.")
