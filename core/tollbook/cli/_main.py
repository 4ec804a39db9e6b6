"""All commands, and those of them that have no file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook import __version__
from tollbook.cli._command import Command, open_ledger, say_json, store_option
from tollbook.cli._start import fail

if TYPE_CHECKING:
    from tollbook.ledger import Store


class _Commands(click.Group):
    """Commands, most of which are loaded when somebody asks for them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE and cmd_name not in self.commands:
            from importlib import import_module

            self.add_command(getattr(import_module(f"tollbook.cli.{_ELSEWHERE[cmd_name]}"), cmd_name))
        return super().get_command(ctx, cmd_name)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # here, since help and versions are printed outside of any command
            fail(error)


_ELSEWHERE = {
    name: module
    for module, names in {
        "_advise": "advise",
        "_budget": "budget",
        "_forecast": "forecast",
        "_live": "statusline tail top",
        "_prices": "prices",
        "_report": "daily monthly report session weekly",
        "_reprice": "reprice",
        "_traces": "traces",
        "_ui": "ui",
        "_whatif": "whatif",
        "_whois": "whois",
    }.items()
    for name in names.split()
}
"""The modules of commands, by the command's name, which is that of the function, too."""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
