"""The command line: one face over reports, traces and the state of the ledger.

What takes time to import is imported by the command that needs it. Exit codes: 0 it is well, 1 it could not be done,
as one line says, 2 it was asked for wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tollbook import __version__
from tollbook.cli._advise import advise
from tollbook.cli._budget import budget
from tollbook.cli._command import Command, open_ledger, say_json, store_option
from tollbook.cli._prices import prices
from tollbook.cli._reprice import reprice
from tollbook.cli._ui import ui
from tollbook.cli._whois import whois

if TYPE_CHECKING:
    from tollbook.ledger import Store


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="tollbook %(version)s")
def main() -> None:
    """What every LLM call costs.

    \b
    1. Put this into a program, before it makes calls with openai or anthropic:
         import tollbook
         tollbook.autolog()
    2. Run the program.
    3. Ask:
         tollbook report                  what was spent, by provider and model
         tollbook report --by day         ... day by day
         tollbook trace                   the last trace, call by call

    The ledger is a file in your data directory; TOLLBOOK_STORE or --store name another one. Nothing leaves this
    machine. To see all of it work without a key: tollbook demo
    """  # noqa: D301 - click wants the character


_BY = """What to group by: one or several names, separated by commas, or the option again.
provider, model, request_model, response_model, operation, integration, kind, status, error, stream, tier (of
service), priced and source (how the cost and the usage are known); one of hour, day and month; feature, agent,
user, org, session, key and tag.NAME, for what the program booked to; trace, run (a trace with an agent), name (of
the span) and attribute.NAME."""


@main.command(cls=Command)
@click.option("--by", "-b", multiple=True, default=("provider,model",), show_default=True, metavar="NAMES", help=_BY)
@click.option(
    "--since",
    metavar="WHEN",
    help="From when on: 2026-11-01, 2026-11-01T14:30, 90m, 24h, 7d, 4w, today, yesterday, week or month.",
)
@click.option("--until", metavar="WHEN", help="Until when, that moment excluded; written as for --since.")
@click.option("--timezone", "-z", metavar="ZONE", help="Of days and times: an IANA name, utc, or local (the default).")
@click.option(
    "--where",
    "-w",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only calls of which this holds; the same name again: or this. NAME= means that it has none.",
)
@click.option("--cache", is_flag=True, help="What caches were worth: saved by reads, spent and lost on writes.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="The N rows that cost most, and the others as one.")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text, null where unknown.")
@click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet.")
@click.option("--md", "form", flag_value="md", help="A Markdown table.")
@store_option
def report(
    by: tuple[str, ...],
    since: str | None,
    until: str | None,
    timezone: str | None,
    where: tuple[str, ...],
    cache: bool,
    top: int | None,
    form: str | None,
    store: str | None,
) -> None:
    """What was spent, by provider and model, by day, and so on.

    Tokens of `cached` are part of `input`. A `~` marks what is estimated, a `+` a sum from which something is
    missing because it has no known price, and a `?` what is not known, which is never shown as 0.

    \b
    Examples:
      tollbook report                               by provider and model
      tollbook report --by day --since 7d           the last week, day by day
      tollbook report --by month,provider --csv     for a spreadsheet
      tollbook report --by feature,model            by what programs say
      tollbook report --by user -w feature=search   who uses a feature
      tollbook report --by trace --top 5            the most expensive traces
      tollbook report --by feature --cache          what caches saved, and what they cost
    """  # noqa: D301 - click wants the character
    from tollbook.cli._text import say, screen
    from tollbook.reports import report as make

    names = [name.strip() for given in by for name in given.split(",") if name.strip()]
    chosen: dict[str, list[str | None]] = {}
    for each in where:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--where {each!r} has no value: write NAME=VALUE, such as feature=search")
        chosen.setdefault(name.strip(), []).append(value or None)
    opened = open_ledger(store)
    if cache:
        from tollbook.cli import _caching

        options = {"since": since, "until": until, "timezone": timezone, "top": top, "where": chosen}
        _caching.run(opened, form, by=names, **options)
        return
    found = make(opened, by=names, since=since, until=until, timezone=timezone, top=top, where=chosen)
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


@main.command(cls=Command)
@click.argument("trace_id", metavar="[ID]", default="last")
@click.option("--json", "form", flag_value="json", help="JSON: exact, money as decimal text, null where unknown.")
@store_option
def trace(trace_id: str, form: str | None, store: str | None) -> None:
    """One trace as a tree: each call with its tokens, cost and time.

    ID is the trace's id or enough of its beginning; `last`, the default, is the newest. A cost in parentheses is
    not counted, since a span above it says what all of it cost.

    \b
    Examples:
      tollbook trace
      tollbook trace 18ea3ed117dac071
      tollbook report --by trace          to find an id
    """  # noqa: D301 - click wants the character
    from tollbook.spans import Trace

    opened = open_ledger(store)
    whole = Trace(opened.trace(_find(opened, trace_id)), opened)
    if form == "json":
        from tollbook.cli._trace import as_json

        say_json(as_json(whole))
    else:
        from tollbook.cli._text import say, screen
        from tollbook.cli._trace import as_text

        say(as_text(whole, screen()))


def _find(store: Store, beginning: str) -> str:
    """The id of the trace that is meant.

    Raises:
        ClickException: There is none, or more than one.
    """
    if beginning == "last":
        last = store.last_trace_id()
        if last is None:
            raise click.ClickException(f"no trace is recorded yet in {store.path}")
        return last
    found = store.find_traces(beginning, limit=6)
    if not found:
        raise click.ClickException(f"no trace begins with {beginning!r} in {store.path}")
    if len(found) > 1:
        shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise click.ClickException(f"more than one trace begins with {beginning!r}: {shown}")
    return found[0]


@main.command(cls=Command)
@click.option("--json", "form", flag_value="json", help="JSON.")
@store_option
def doctor(form: str | None, store: str | None) -> None:
    """What works here and what does not.

    It looks at SDKs, patches, the ledger, its spool and the price list. It imports the SDKs that are installed, to see
    whether they can be metered, and calls nobody. Exit code 1 if something needs your attention.
    """
    from tollbook.cli._doctor import as_text, examine

    findings = examine(store)
    if form == "json":
        say_json([finding._asdict() for finding in findings])
    else:
        from tollbook.cli._text import say, screen

        say(as_text(findings, screen()))
    if any(finding.level == "bad" for finding in findings):
        raise click.exceptions.Exit(1)


@main.command(cls=Command)
@click.option("--keep", type=click.Path(dir_okay=False), metavar="FILE", help="Keep the demo's ledger in this file.")
def demo(keep: str | None) -> None:
    """Meter some calls of the real SDKs, and report what they cost.

    The calls go to a server on this machine that replays exchanges written by hand: no key is needed, nothing is
    sent anywhere, and your own ledger is left alone.
    """
    from tollbook.cli._demo import run

    run(keep)


main.add_command(advise)
main.add_command(budget)
main.add_command(prices)
main.add_command(reprice)
main.add_command(ui)
main.add_command(whois)
