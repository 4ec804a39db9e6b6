"""`tollbook prices`: what models cost, how that is known, and what to do where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tollbook.cli._command import Command, open_ledger, say_json, store_option


@click.group()
def prices() -> None:
    """What models cost, how that is known, and what lacks a price.

    \b
    Examples:
      tollbook prices show gpt-4o                  what it costs today
      tollbook prices show gpt-4o --at 2024-08-01  and then
      tollbook prices list --search claude
      tollbook prices explain last                 how the costs of the last trace were computed
      tollbook prices unpriced                     models in the ledger without a price
      tollbook prices add --name ours --input 1 --output 2
    """  # noqa: D301 - click wants the character


def _json_option(function: Any) -> Any:
    text = "JSON: exact, money as decimal text, null where unknown."
    return click.option("--json", "form", flag_value="json", help=text)(function)


def _csv_option(function: Any) -> Any:
    return click.option("--csv", "form", flag_value="csv", help="CSV, for a spreadsheet.")(function)


def _at_option(function: Any) -> Any:
    text = "As of when: a date or a time, UTC unless it says otherwise. Default: now."
    return click.option("--at", metavar="DATE", help=text)(function)


def _with_option(function: Any) -> Any:
    text = "What selects a price beside the model: service_tier=priority, processing=batch, ... May be repeated."
    return click.option("--with", "context", multiple=True, metavar="KEY=VALUE", help=text)(function)


@prices.command("list", cls=Command)
@click.option("--provider", metavar="NAME", help="Only this provider's price list.")
@click.option("--layer", metavar="NAME", help="Only prices of this layer: user, overlay, genai-prices, ...")
@click.option("--search", metavar="TEXT", help="Only models with this in their name.")
@_at_option
@_json_option
@_csv_option
def list_(provider: str | None, layer: str | None, search: str | None, at: str | None, form: str | None) -> None:
    """All models that have a price, in USD per million tokens.

    Many models have further prices, for batches, tiers and long requests: see `tollbook prices show MODEL`.
    """
    from tollbook.cli import _price_lists as lists

    found = lists.select(provider, layer, search, at)
    if form == "json":
        say_json([lists.as_dict(each) for each in found])
    else:
        from tollbook.cli._text import say, screen

        say(lists.as_csv(found) if form == "csv" else lists.as_table(found, screen()))


@prices.command(cls=Command)
@click.argument("model")
@click.option("--provider", metavar="NAME", help="Whose price. Needed where several providers sell the model.")
@_at_option
@_with_option
@click.option("--history", is_flag=True, help="All prices that it had and will have, the oldest first.")
@_json_option
def show(
    model: str, provider: str | None, at: str | None, context: tuple[str, ...], history: bool, form: str | None
) -> None:
    """What one model costs, with tiers, variants and where the price is from.

    \b
    Examples:
      tollbook prices show gpt-4o
      tollbook prices show anthropic/claude-sonnet-4-5 --with processing=batch
      tollbook prices show claude-sonnet-5-5 --history
    """  # noqa: D301 - click wants the character
    from tollbook.cli import _price_card

    found = _price_card.find(model, provider, at, context)
    if form == "json":
        say_json(_price_card.history_as_json(found) if history else _price_card.as_json(found))
    else:
        from tollbook.cli._text import say, screen

        say((_price_card.history_as_text if history else _price_card.as_text)(found, screen()))


@prices.command(cls=Command)
@click.argument("id_", metavar="[SPAN_OR_TRACE_ID]", default="last")
@_json_option
@store_option
def explain(id_: str, form: str | None, store: str | None) -> None:
    """How a cost was computed: each line, its price, and why that price.

    The id is that of a span or a trace, or enough of its beginning; `last`, the default, is the newest trace.
    """
    from tollbook.cli import _explain

    found = _explain.find(open_ledger(store), id_)
    if form == "json":
        say_json([_explain.as_json(each) for each in found])
    else:
        from tollbook.cli._text import say, screen

        say(_explain.as_text(found, screen()))


@prices.command(cls=Command)
@click.option("--since", metavar="WHEN", help="Of calls from when on: 2026-11-01, 7d, month, ... Default: all.")
@_json_option
@_csv_option
@store_option
def unpriced(since: str | None, form: str | None, store: str | None) -> None:
    """Models in the ledger that have no price, and the line that gives them one."""
    from tollbook.cli import _unpriced

    found = _unpriced.find(open_ledger(store), since)
    if form == "json":
        say_json([_unpriced.as_dict(each) for each in found])
    else:
        from tollbook.cli._text import say, screen

        say(_unpriced.as_csv(found) if form == "csv" else _unpriced.as_text(found, screen()))


@prices.command(cls=Command)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", metavar="WHEN", help="Against the prices of then: 2026-11-01, 7d, month, ... Default: 30d.")
@click.option("--provider", metavar="NAME", help="Only this provider's price list.")
@click.option("--search", metavar="TEXT", help="Only models with this in their name.")
@_json_option
def diff(file: Path | None, since: str | None, provider: str | None, search: str | None, form: str | None) -> None:
    """Which prices have changed since then, or would change with the definitions in FILE."""
    from tollbook.cli import _price_lists as lists

    if file is not None and since is not None:
        raise click.UsageError("either a file or --since")
    when = since or "30d"
    found = lists.changes(when, provider, search) if file is None else lists.changes_by(file, provider, search)
    if form == "json":
        say_json([lists.change_as_dict(each) for each in found])
    else:
        from tollbook.cli._text import say, screen

        say(lists.changes_as_text(found, f"of {when}" if file is None else "that are known", screen()))


# ---- definitions ---------------------------------------------------------------------------------------------

_KINDS = (("input", "input"), ("output", "output"), ("cache-read", "cache_read"), ("cache-write", "cache_write"))


def _kind_options(function: Any) -> Any:
    for option, key in reversed(_KINDS):
        function = click.option(f"--{option}", key, metavar="USD", help=f"The price of `{key}`.")(function)
    return function


@prices.command(cls=Command)
@click.option("--name", required=True, metavar="MODEL", help="What the model is called.")
@click.option("--match", metavar="REGEX", help="All names that it has, as a regular expression. Default: its name.")
@click.option("--provider", metavar="NAME", help="Only at this provider. Default: at any.")
@_kind_options
@click.option("--price", "more", multiple=True, metavar="KEY=USD", help="Any other price: reasoning=5, total=0.04, ...")
@click.option("--unit", metavar="UNIT", help="TOKENS (the default), CHARACTERS, SECONDS, IMAGES, PAGES, REQUESTS, ...")
@click.option("--start", metavar="DATE", help="From when on, UTC. Default: always.")
@click.option("--source", metavar="TEXT", help="Where you have the price from. It is kept with every cost.")
@click.option("--project", is_flag=True, help="Write to tollbook-prices.toml here, and not to your own prices.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def add(
    name: str,
    match: str | None,
    provider: str | None,
    more: tuple[str, ...],
    unit: str | None,
    start: str | None,
    source: str | None,
    project: bool,
    file: Path | None,
    **amounts: str | None,
) -> None:
    """Say what a model costs: USD per million tokens or characters, or per second, image, page or request.

    It is written to the end of your file of definitions; what is in it stays as it is.

    \b
    Examples:
      tollbook prices add --name our-llama --provider our-server --input 0.20 --output 0.60
      tollbook prices add --name painter --unit IMAGES --price output=0.04 --project
    """  # noqa: D301 - click wants the character
    from tollbook.cli import _definitions

    if project and file is not None:
        raise click.UsageError("either --project or --file")
    said = {key: amount for key, amount in amounts.items() if amount is not None}
    said |= _pairs(more)
    fields = {
        "name": name,
        "provider": provider,
        "match_pattern": match,
        "start_time": start,
        "unit": unit and unit.upper(),
        "source": source,
    }
    _definitions.add(fields, said, file or _definitions.place(project=project))


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    from tollbook.cli._price_card import pairs

    return pairs(texts, "--price", "reasoning=5")


@prices.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_json_option
def check(file: Path, form: str | None) -> None:
    """What is wrong in a file of definitions, line by line; exit code 1 if anything is."""
    from tollbook.cli import _definitions

    if not _definitions.check(file, form):
        raise click.exceptions.Exit(1)


@prices.command(cls=Command)
@click.argument("origin", metavar="FILE_OR_URL")
@click.option("--sha256", required=True, metavar="HEX", help="What the file has to be: the SHA-256 of its content.")
@click.option("--allow-jumps", is_flag=True, help="Take prices that differ more than 20 times from what is known.")
def update(origin: str, sha256: str, allow_jumps: bool) -> None:
    """Fetch newer prices, from a file or an https address, and use them from now on.

    It is a file of definitions, of at most 2 MB. It comes after your own definitions and those that Tollbook brings,
    and before the price list. Nothing is ever fetched unless you ask for it here.
    """
    from tollbook.cli import _definitions

    _definitions.update(origin, sha256, allow_jumps=allow_jumps)
