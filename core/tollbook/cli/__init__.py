"""The command line: one face over reports, traces and the state of the ledger.

What takes time to import is imported by the command that needs it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbook import __version__

if TYPE_CHECKING:
    from tollbook.ledger import Store


class _Command(click.Command):
    """A command whose expected failures are one clear line and exit code 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from tollbook.ledger import StoreError

        try:
            return super().invoke(ctx)
        except (StoreError, ValueError) as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:  # `tollbook report | head`
            sys.stderr.close()
            raise click.exceptions.Exit(0) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="tollbook %(version)s")
def main() -> None:
    r"""What every LLM call costs.

    Put `import tollbook; tollbook.autolog()` into a program, let it make calls with openai or anthropic, then ask
    here what they cost. Nothing leaves this machine.

    \b
    The ledger is a file in your data directory. Elsewhere: --store, or TOLLBOOK_STORE.
    """


def _store_option(function: Any) -> Any:
    return click.option(
        "--store",
        metavar="PATH",
        help="The ledger to read: a path or sqlite:/// URL. Default: TOLLBOOK_STORE, else your data directory.",
    )(function)


def _open(store: str | None) -> Store:
    """The store, with all in it that programs have recorded so far."""
    from tollbook.ledger import open_store

    opened = open_store(store)
    opened.drain()
    return opened


@main.command(cls=_Command)
@click.option(
    "--by",
    "-b",
    multiple=True,
    default=("model",),
    show_default=True,
    metavar="NAME",
    help="What to group by, one or several (comma or repeated): model, provider, operation, integration, status, "
    "hour, day, month.",
)
@click.option(
    "--since", metavar="WHEN", help="From when on: 2026-11-01, 2026-11-01T14:30, 7d, 24h, today, week, month."
)
@click.option("--until", metavar="WHEN", help="Until when, that moment excluded; written as for --since.")
@click.option("--timezone", "-z", metavar="ZONE", help="Of days and times: an IANA name, utc, or local (the default).")
@click.option("--top", type=click.IntRange(1), metavar="N", help="The N rows that cost most; the rest as one row.")
@click.option("--json", "form", flag_value="json", help="JSON: exact decimal text for money, None where unknown.")
@click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet.")
@click.option("--md", "form", flag_value="md", help="A Markdown table.")
@_store_option
def report(
    by: tuple[str, ...],
    since: str | None,
    until: str | None,
    timezone: str | None,
    top: int | None,
    form: str | None,
    store: str | None,
) -> None:
    r"""What was spent, by model, provider, day, ...

    Every total says how much of it is estimated, and how much could not be priced.

    \b
    Examples:
      tollbook report                          by model, all time
      tollbook report --by day --since 7d      the last week, day by day
      tollbook report --by provider,model --since month --csv
    """
    from tollbook.reports import report as make

    names = tuple(name.strip() for given in by for name in given.split(",") if name.strip())
    found = make(_open(store), by=names, since=since, until=until, timezone=timezone, top=top)
    if form == "json":
        click.echo(json.dumps(found.as_dict(), indent=2))
    elif form == "csv":
        click.echo(found.as_csv(), nl=False)
    elif form == "md":
        click.echo(found.as_markdown())
    elif not found.rows:
        from tollbook.cli._tables import nothing

        click.echo(nothing(found), err=True)
    else:
        from rich.console import Console

        from tollbook.cli._tables import notes, table

        console = Console(highlight=False)
        console.print(table(found))
        for line in notes(found):
            console.print(line)


@main.command(cls=_Command)
@click.argument("trace_id", metavar="[ID]", default="last")
@click.option("--json", "as_json_", is_flag=True, help="JSON: exact decimal text for money.")
@_store_option
def trace(trace_id: str, as_json_: bool, store: str | None) -> None:
    """One trace as a tree: each call with its tokens, cost and time.

    ID is the trace's id or enough of its beginning; `last` (the default) is the newest.
    """
    from tollbook.cli._trace import as_json, as_tree
    from tollbook.spans import Trace

    opened = _open(store)
    found = opened.last_trace_id() if trace_id == "last" else opened.find_trace(trace_id)
    if found is None:
        what = "no trace is recorded yet" if trace_id == "last" else f"there is no trace {trace_id}"
        raise click.ClickException(f"{what} in {opened.path}")
    whole = Trace(opened.trace(found))
    if as_json_:
        click.echo(json.dumps(as_json(whole), indent=2))
        return
    from rich.console import Console

    Console(highlight=False).print(as_tree(whole))


@main.command(cls=_Command)
@click.option("--json", "as_json_", is_flag=True, help="JSON.")
@_store_option
def doctor(as_json_: bool, store: str | None) -> None:
    """What works here and what does not: SDKs, patches, ledger, spool, prices.

    It imports the SDKs that are installed, to see whether they can be metered, and calls nothing. Exit code 1 if
    something needs your attention.
    """
    from tollbook.cli._doctor import examine, show

    findings = examine(store)
    if as_json_:
        click.echo(json.dumps([f._asdict() for f in findings], indent=2))
    else:
        show(findings)
    if any(finding.level == "bad" for finding in findings):
        raise click.exceptions.Exit(1)


@main.command(cls=_Command)
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Keep the demo's ledger in this file.")
def demo(keep: Path | None) -> None:
    """Meter a dozen calls of the real SDKs, and report what they cost.

    The calls go to a server on this machine that replays written exchanges: no key is needed, nothing is sent
    anywhere, and your own ledger is left alone.
    """
    from tollbook.cli._demo import run

    run(keep)
