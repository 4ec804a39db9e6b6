"""`tollbook budget`: what may be spent, how it stands, and a check that a pipeline can stop at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollbook.cli._command import Command, open_ledger, say_json, store_option

if TYPE_CHECKING:
    from tollbook.budgets import BudgetStatus
    from tollbook.cli._text import Cell, Screen
    from tollbook.ledger import Limit, Store


@click.group(short_help="What may be spent, by whom, and how that stands.")
def budget() -> None:
    """What may be spent, by whom and in which time, and how that stands.

    A budget is kept in the ledger and holds for all programs that use it, also for those that are running.

    \b
    Examples:
      tollbook budget set "each user" --usd 50 --scope user --window day
      tollbook budget set all --usd 1000 --window month --action stop
      tollbook budget set budgets.toml
      tollbook budget status
      tollbook budget check || echo "too much was spent"
    """  # noqa: D301 - click wants the character


def _json_option(function: Any) -> Any:
    text = "JSON: exact, money as decimal text, null where unknown."
    return click.option("--json", "form", flag_value="json", help=text)(function)


@budget.command("set", cls=Command)
@click.argument("name")
@click.option("--usd", metavar="AMOUNT", help="The most that may be spent; or")
@click.option("--tokens", type=int, metavar="N", help="the most tokens, sent and generated; or")
@click.option("--calls", type=int, metavar="N", help="the most calls.")
@click.option(
    "--scope",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Whose: feature=search, or user for each user of its own; tag.NAME for tags. May be repeated.",
)
@click.option("--window", metavar="TIME", help="call, run, session, hour, day, week, month, lifetime, or 24h, 30d.")
@click.option("--zone", metavar="ZONE", help="Whose days: an IANA name. Default: each machine's own.")
@click.option("--threshold", "thresholds", type=int, multiple=True, metavar="PERCENT", help="When to tell of it.")
@click.option("--action", help="warn (the default), webhook, stop, or downgrade.")
@click.option("--ceiling", metavar="AMOUNT", help="The most that one call is taken to need.")
@click.option("--downgrade", multiple=True, metavar="MODEL=MODEL", help="What to ask instead. May be repeated.")
@click.option("--downgrade-at", type=int, metavar="PERCENT", help="From when on.")
@click.option("--on-unpriced", metavar="WHAT", help="stop or allow calls of which nobody can tell the cost.")
@click.option("--on-unreachable", metavar="WHAT", help="stop or allow calls while the ledger can't be asked.")
@click.option("--on-stream", metavar="WHAT", help="count what a stream takes beyond the budget, or stop it there.")
@click.option("--webhook", metavar="URL", help="Where to post alerts.")
@click.option("--secret", metavar="VARIABLE", help="The environment variable with the key that signs them.")
@store_option
def set_(name: str, store: str | None, scope: tuple[str, ...], downgrade: tuple[str, ...], **given: Any) -> None:
    """Set a budget, or all that a file describes. NAME is the budget's name, or the path of a .toml or .json file."""
    from tollbook import _runtime, budgets
    from tollbook.cli._text import clean, say

    source: Any = name
    if name.endswith((".toml", ".json")):
        if scope or downgrade or any(value not in (None, ()) for value in given.values()):
            raise click.UsageError("a file says it all: no other options go with it")
    else:
        table: dict[str, Any] = {key: value for key, value in given.items() if value not in (None, ())}
        if scope and scope != ("global",):
            table["scope"] = _pairs("--scope", scope, "*")
        if downgrade:
            table["downgrade"] = _pairs("--downgrade", downgrade, "")
        source = [{"name": name, **table}]
    _runtime.configure(store)
    try:
        for each in _runtime.set_budgets(source):
            say(f"set {clean(each.name)}")
    finally:
        _runtime.stop()
        budgets.wait()


def _pairs(option: str, given: tuple[str, ...], default: str) -> dict[str, str]:
    """NAME=VALUE, each name once; without the sign, `default`."""
    found: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if name in found:
            raise click.UsageError(f"{option} names {name!r} twice, and only one can hold")
        found[name] = value if sign else default
    return found


@budget.command("list", cls=Command)
@_json_option
@store_option
def list_(form: str | None, store: str | None) -> None:
    """All budgets, with what happens at their limits."""
    from tollbook.budgets import restored, scope_of, window_of
    from tollbook.cli._text import Column, say, screen, table

    found = [restored(limit) for limit in open_ledger(store).limits.limits()]
    if form == "json":
        import msgspec

        say_json([msgspec.to_builtins(each) for each in found])
        return
    if not found:
        say("There are no budgets. To set one: tollbook budget set all --usd 100 --window month")
        return
    heads = [Column("name"), Column("of"), Column("window"), Column("limit", "money"), Column("action", style="cyan")]
    rows: list[list[str | Cell]] = [
        [each.name, scope_of(each), window_of(each), _amount_of(each.limit.unit, each.limit.most), each.action]
        for each in found
    ]
    say(table(screen(), heads, rows))


@budget.command(cls=Command)
@click.argument("name", required=False)
@_json_option
@store_option
def status(name: str | None, form: str | None, store: str | None) -> None:
    """How budgets stand: spent, reserved by calls under way, and where the window will end if it goes on so."""
    from tollbook.cli._text import say, screen

    found = _found(open_ledger(store, tells=True), name)
    if form == "json":
        say_json([each.as_dict() for each in found])
    else:
        say(_as_table(found, screen()))


@budget.command(cls=Command)
@click.argument("name", required=False)
@_json_option
@store_option
@click.pass_context
def check(context: click.Context, name: str | None, form: str | None, store: str | None) -> None:
    """Exit code 2 if any budget, or the one of this NAME, is used up: for pipelines.

    One per call is if a call that was counted today went beyond it.
    """
    from tollbook.cli._text import say, screen

    found = _found(open_ledger(store, tells=True), name)
    over = [each for each in found if each.exceeded]
    if form == "json":
        say_json([each.as_dict() for each in over])
    else:
        say(_as_table(over, screen()) if over else "All is within budget.")
    if over:
        context.exit(2)


@budget.command(cls=Command)
@click.argument("name")
@click.option("--holder", metavar="VALUE", help="Only the share of this user, session, ..., as `status` shows it.")
@store_option
def reset(name: str, holder: str | None, store: str | None) -> None:
    """Begin the present window of a budget anew: what was spent in it counts no more.

    A user may be named by id or by pseudonym.
    """
    from tollbook.cli._text import clean, say

    limits = open_ledger(store).limits
    limit = next((each for each in limits.limits() if each.name == name), None)
    if limit is None:
        raise click.ClickException(f"there is no budget {clean(name)!r}")
    holders = [None] if holder is None else _holders(limit, holder, store)
    if not any(limits.reset(name, each) for each in holders):
        raise click.UsageError(
            f"nobody called {clean(holder or '')!r} has a share of {clean(name)!r} in its present window: "
            "`tollbook budget status` shows who has"
        )
    say(f"reset {clean(name)}")


def _holders(limit: Limit, holder: str, store: str | None) -> list[str]:
    """How the ledger may know a holder: as given, or with the user's pseudonym in place of an id."""
    import os

    from tollbook import _salt
    from tollbook.ledger import EACH, joined, parts_of

    names = [name for name, value in limit.where.items() if value == EACH]
    parts = parts_of(holder) if len(names) > 1 else [holder]
    if "user" not in names or len(parts) != len(names):
        return [holder]
    _salt.place = store
    _salt.forget()
    if not os.environ.get(_salt.VARIABLE) and not _salt.salt_path().exists():
        return [holder]  # no user is known by pseudonym
    user = names.index("user")
    return [holder, joined([*parts[:user], _salt.user_pseudonym(parts[user]), *parts[user + 1 :]])]


@budget.command(cls=Command)
@click.argument("name")
@store_option
def remove(name: str, store: str | None) -> None:
    """Make a budget hold no more, in all programs that use this ledger."""
    from tollbook import _runtime
    from tollbook.cli._text import clean, say

    _runtime.configure(store)
    try:
        found = _runtime.remove_budget(name)
    finally:
        _runtime.stop()
    if not found:
        raise click.ClickException(f"there is no budget {clean(name)!r}")
    say(f"removed {clean(name)}")


@budget.command(cls=Command)
@_json_option
@store_option
def alerts(form: str | None, store: str | None) -> None:
    """The thresholds that were crossed, the latest first."""
    from tollbook.budgets import described
    from tollbook.cli._text import Column, say, screen, table

    found = [described(each) for each in open_ledger(store, tells=True).limits.alerts()]
    if form == "json":
        import msgspec

        say_json(msgspec.to_builtins(found))
        return
    if not found:
        say("No threshold has been crossed.")
        return
    heads = [Column("at"), Column("name"), Column("holder"), Column("past", "number"), Column("spent", "money")]
    rows: list[list[str | Cell]] = [
        [each.at, each.budget, each.holder, f"{each.threshold}%", _said(each.unit, each.spent)] for each in found
    ]
    say(table(screen(), heads, rows))


def _found(store: Store, name: str | None) -> list[BudgetStatus]:
    from tollbook.budgets import budget_status
    from tollbook.cli._text import clean

    found = [each for each in budget_status(store) if name is None or each.name == name]
    if name is not None and not found and name not in {limit.name for limit in store.limits.limits()}:
        raise click.ClickException(f"there is no budget {clean(name)!r}")
    return found


def _as_table(found: list[BudgetStatus], screen: Screen) -> str:
    from tollbook.budgets import window_of
    from tollbook.cli._text import Cell, Column, table

    if not found:
        return "There is nothing to show: no budget, or nothing spent yet."
    heads = [
        Column("name"),
        Column("holder"),
        Column("window", droppable=3),
        Column("spent", "money"),
        Column("reserved", "money", droppable=2),
        Column("limit", "money"),
        Column("used", "number"),
        Column("forecast", "money", droppable=1),
    ]
    rows: list[list[str | Cell]] = []
    for each in found:
        unit = each.budget.limit.unit
        style = "red" if each.exceeded else "yellow" if each.percent >= min(each.budget.limit.thresholds) else ""
        rows.append(
            [
                each.name,
                each.holder,
                window_of(each.budget),
                _said(unit, each.spent) + ("+" if each.unpriced and unit == "usd" else ""),
                _said(unit, each.reserved),
                _said(unit, each.limit),
                Cell(f"{each.percent:.1f}%", style),
                "" if each.forecast is None else f"~{_said(unit, each.forecast)}",
            ]
        )
    return table(screen, heads, rows)


def _said(unit: str, amount: Any) -> str:
    from decimal import Decimal

    from tollbook._money import show

    return show(Decimal(amount)) if unit == "usd" else f"{int(amount):,} {unit}"


def _amount_of(unit: str, number: int) -> str:
    from tollbook._money import to_usd

    return _said(unit, to_usd(number) if unit == "usd" else number)
