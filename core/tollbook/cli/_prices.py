"""`tollbook prices`: what models cost, how that is known, and what to do where it is not."""

from __future__ import annotations

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
@click.option("--since", metavar="WHEN", default="30d", show_default=True, help="Against the prices of then.")
@click.option("--provider", metavar="NAME", help="Only this provider's price list.")
@click.option("--search", metavar="TEXT", help="Only models with this in their name.")
@_json_option
def diff(since: str, provider: str | None, search: str | None, form: str | None) -> None:
    """Which prices have changed since then."""
    from tollbook.cli import _price_lists as lists

    found = lists.changes(since, provider, search)
    if form == "json":
        say_json([lists.change_as_dict(each) for each in found])
    else:
        from tollbook.cli._text import say, screen

        say(lists.changes_as_text(found, since, screen()))
