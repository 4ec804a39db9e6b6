"""Prices, budgets and health: what numbers rest on, and what may be changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from tollbook._money import show, to_usd
from tollbook._prices import Price, described, dollars, instant
from tollbook.budgets import BudgetStatus, budget_from, budget_status, restored, scope_of, stored, window_of
from tollbook.budgets import described as told
from tollbook.budgets._active import touch
from tollbook.cli import _definitions, _price_card, _unpriced
from tollbook.cli._doctor import Finding, examine
from tollbook.pricing import definitions, history
from tollbook.reports import reprice
from tollbook.web._desk import Desk
from tollbook.web._view import View, Wrong

if TYPE_CHECKING:
    from starlette.responses import Response

    from tollbook.ledger import Limit

_PRICES = 50
_AMOUNTS = ("input", "output", "input_cache_read", "input_cache_write")
_KEYS = {"input_cache_read": "cache_read", "input_cache_write": "cache_write"}
"""Buckets, as definitions call them."""

Fields = Mapping[str, str]


# ---- prices --------------------------------------------------------------------------------------------------


def prices(desk: Desk, view: View, more: dict[str, str], *, problem: str = "", done: str = "") -> Response:
    """All models with a price, those in the ledger without one, and a form for a price of one's own."""
    search, layer = more.get("search", ""), more.get("layer", "")
    number = int(more["page"]) if more.get("page", "").isdigit() and len(more["page"]) < 7 else 1
    text = search.lower()
    found = [
        each
        for each in desk.listed()
        if (not layer or each.price.layer == layer) and (text in each.model.lower() or text == each.provider)
    ]
    first = (max(number, 1) - 1) * _PRICES
    return desk.page(
        "prices",
        "/prices",
        view,
        400 if problem else 200,
        title="Prices",
        search=search,
        layer=layer,
        found=found[first : first + _PRICES],
        many=len(found),
        number=max(number, 1),
        first=first,
        following=first + _PRICES < len(found),
        amount=_amount,
        unpriced=_unpriced.find(desk.store, None),
        own=[each for _, each in definitions("user")],
        file=str(_definitions.place(project=False)),
        form={name: more.get(name, "") for name in ("name", "provider", "source", "start_time", *_AMOUNTS)},
        trouble=problem,
        done=done,
        defined={name: more.get(name, "") for name in ("model", "provider")} if done else {},
    )


def _amount(price: Price, bucket: str) -> str:
    """USD for a million tokens; nothing where no price is stated."""
    unit = None if bucket in price.assumed else price.prices.get(bucket)
    return "" if unit is None or unit.per != 1_000_000 else dollars(unit.usd)


def price(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """One model: what it costs, since when, who says so, and what it cost before."""
    model, provider = more.get("model", ""), more.get("provider", "")
    try:
        found = _price_card.find(model, provider or None, None, ())
    except (click.ClickException, ValueError) as error:
        said = error.message if isinstance(error, click.ClickException) else str(error)
        return desk.page("missing", "/prices", view, 404, title="No such price", what=said)
    changes = [
        (row.start, None if row.card is None else described(row.card, row.start or 0))
        for row in history(found.provider, found.model, found.context)
    ]
    now = instant(None)
    present = max((n for n, (start, _) in enumerate(changes) if start is None or start <= now), default=0)
    return desk.page(
        "price",
        "/prices",
        view,
        title=found.model,
        found=found,
        price=found.price,
        dollars=dollars,
        sources=_price_card.told_source(found.price.card),
        changes=changes,
        present=present,
        amount=_amount,
    )


def define(desk: Desk, view: View, fields: Fields) -> Response:
    """Write a definition of the user's own."""
    given = {key: fields.get(key, "").strip() or None for key in ("name", "provider", "start_time", "source")}
    amounts = {_KEYS.get(key, key): value for key in _AMOUNTS if (value := fields.get(key, "").strip())}
    problem = "" if given["name"] else "name: give the model's name, as calls have it"
    path = _definitions.place(project=False)
    try:
        if not problem:
            _definitions.write(given, amounts, path)
    except (ValueError, click.ClickException) as error:
        problem = error.message if isinstance(error, click.ClickException) else str(error)
    if problem:
        return prices(desk, view, dict(fields), problem=problem)
    desk.changed_prices()
    again = {"search": given["name"] or "", "model": given["name"] or "", "provider": given["provider"] or ""}
    return prices(desk, view, again, done=f"{given['name']} has a price now, in {path}.")


def try_reprice(desk: Desk, view: View, more: Fields) -> Response:
    """What the prices of now would make of a model's recorded calls; nothing is changed."""
    return _repriced(desk, view, more, dry_run=True)


def apply_reprice(desk: Desk, view: View, fields: Fields) -> Response:
    """Price a model's recorded calls anew; what they cost before is kept."""
    return _repriced(desk, view, fields, dry_run=False)


def _repriced(desk: Desk, view: View, fields: Fields, *, dry_run: bool) -> Response:
    model, provider = fields.get("model", ""), fields.get("provider", "")
    if not model:
        raise Wrong("model: name the model whose calls are meant")
    found = reprice(desk.store, model=model, provider=provider or (), dry_run=dry_run)
    return desk.page(
        "reprice",
        "/prices",
        view,
        title=f"Calls of {model}, priced anew",
        found=found,
        model=model,
        provider=provider,
        dry_run=dry_run,
    )


# ---- budgets -------------------------------------------------------------------------------------------------

_SCOPES = (
    ("global", "all together"),
    *((name, f"each {name}") for name in ("user", "session", "org", "feature", "agent", "key", "model", "provider")),
)
_WINDOWS = (
    *(("hour", "hour"), ("day", "day"), ("week", "week, from Monday"), ("month", "month")),
    *(("24h", "any 24 hours"), ("30d", "any 30 days"), ("lifetime", "all time")),
)
_LEAST, _WHOLE, _ALERTS = 4, 500, 25
"""Shares of a budget, and alerts, that are shown."""
_ACTIONS = (("warn", "warn"), ("stop", "stop calls before they leave"))


def budgets(desk: Desk, view: View, more: dict[str, str], *, problem: str = "", done: str = "") -> Response:
    """How budgets stand, what was crossed, and a form for another one."""
    names = ("name", "unit", "most", "scope", "value", "window", "zone", "action")
    return desk.page(
        "budgets",
        "/budgets",
        view,
        400 if problem else 200,
        title="Budgets",
        groups=_grouped(budget_status(desk.store), more.get("whole", "")),
        least=_LEAST,
        known=[restored(limit) for limit in desk.store.limits.limits()],
        alerts=[told(each) for each in desk.store.limits.alerts()[:_ALERTS]],
        said=_said,
        level=_level,
        scope_of=scope_of,
        window_of=window_of,
        most=_most,
        holder_view=_holder_view,
        scopes=_SCOPES,
        windows=_WINDOWS,
        actions=_ACTIONS,
        form={name: more.get(name, "") for name in names},
        trouble=problem,
        done=done,
    )


def _grouped(states: Sequence[BudgetStatus], whole: str) -> list[tuple[list[BudgetStatus], int]]:
    """Each budget's fullest shares, and how many more it has; of the budget named `whole`, many more are shown."""
    found: dict[str, list[BudgetStatus]] = {}
    for each in states:
        found.setdefault(each.name, []).append(each)
    shown = [(rows, _WHOLE if name == whole else _LEAST) for name, rows in found.items()]
    return [(rows[:many], max(len(rows) - many, 0)) for rows, many in shown]


def _most(limit: Limit) -> str:
    return _said(limit.unit, to_usd(limit.most) if limit.unit == "usd" else limit.most)


def _said(unit: str, amount: Any) -> str:
    return show(Decimal(amount)) if unit == "usd" else f"{int(amount):,} {unit}"


def _level(state: BudgetStatus) -> str:
    """`over`, `near` or `well`."""
    if state.exceeded:
        return "over"
    return "near" if state.percent >= min(state.budget.limit.thresholds, default=100) else "well"


def _holder_view(view: View, state: BudgetStatus) -> View:
    """The calls that a budget's state counts."""
    where = dict(state.budget.limit.where)
    each = [name for name, value in where.items() if value == "*"]
    if len(each) == 1:
        where[each[0]] = state.holder
    start, end = state.window_start, state.resets_at
    found = View(zone=view.zone, period="all").chosen(
        {("trace" if name == "run" else name): value for name, value in where.items() if value != "*"}
    )
    if start is None or end is None:
        return found
    return found.between(*(int(each.timestamp()) * 1_000_000_000 for each in (start, end)))


def set_budget(desk: Desk, view: View, fields: Fields) -> Response:
    """Set a budget for all programs of the ledger."""
    table: dict[str, Any] = {"name": fields.get("name", "").strip(), "action": fields.get("action", "warn")}
    unit = fields.get("unit", "usd")
    most: Any = fields.get("most", "").strip().removeprefix("$").replace(",", "")
    table[unit if unit in ("usd", "tokens", "calls") else "usd"] = (
        int(most) if unit != "usd" and most.isdigit() else most
    )
    scope, value = fields.get("scope", "global"), fields.get("value", "").strip()
    if scope != "global":
        table["scope"] = {scope: value or "*"}
    table |= {key: fields[key] for key in ("window", "zone") if fields.get(key)}
    if not table["name"]:
        del table["name"]
    budget, problems = budget_from(table, "dashboard")
    if budget is None:
        said = "; ".join(
            f"{'amount' if field in ('usd', 'tokens', 'calls') else field}: {what}" for field, what in problems
        )
        return budgets(desk, view, dict(fields), problem=said)
    desk.store.limits.declare([stored(budget)])
    touch(desk.store)
    return budgets(desk, view, {}, done=f"The budget {budget.name} holds now, also for programs that are running.")


def remove_budget(desk: Desk, view: View, fields: Fields) -> Response:
    """Make a budget hold no more."""
    name = fields.get("name", "")
    if not desk.store.limits.withdraw(name):
        return budgets(desk, view, {}, problem=f"there is no budget {name!r}")
    touch(desk.store)
    return budgets(desk, view, {}, done=f"The budget {name} holds no more.")


# ---- health --------------------------------------------------------------------------------------------------


def health(desk: Desk, view: View, _: Fields) -> Response:
    """What works here and what does not."""
    areas: dict[str, list[Finding]] = {}
    for each in examine(str(desk.store.path), drain=not desk.read_only):
        areas.setdefault(each.area, []).append(each)
    return desk.page("health", "/health", view, title="Health", areas=areas)
