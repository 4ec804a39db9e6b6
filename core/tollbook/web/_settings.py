"""Prices, budgets and health: what numbers rest on, and what may be changed here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from tollbook._money import plain, to_usd
from tollbook._prices import Price, described, dollars, instant
from tollbook.budgets import BudgetStatus, budget_from, budget_status, restored, scope_of, stored, window_of
from tollbook.budgets import described as told
from tollbook.budgets._active import touch
from tollbook.cli import _definitions, _price_card, _unpriced
from tollbook.cli._doctor import Finding, examine
from tollbook.pricing import history, quote
from tollbook.reports import reprice
from tollbook.web import _own_prices
from tollbook.web._desk import Desk, brief
from tollbook.web._view import View, Wrong

if TYPE_CHECKING:
    from starlette.responses import Response

    from tollbook.ledger import Limit

_PRICES, _USED = 50, 500

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
    used = _used(desk)
    found.sort(key=lambda each: (each.provider, each.model) not in used)
    first = (max(number, 1) - 1) * _PRICES
    edited = _own_prices.find(more.get("edit", ""))
    given = more if edited is None else {**edited.form, **more}
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
        used=used,
        unpriced=_unpriced.find(desk.store, None),
        own=_own_prices.own(),
        file=str(_definitions.place(project=False)) if edited is None else edited.definition.file,
        form={name: given.get(name, "") for name in (*_own_prices.WORDS, *_own_prices.AMOUNTS)},
        edit="" if edited is None else edited.definition.digest,
        trouble=problem,
        done=done,
        defined={name: more.get(name, "") for name in ("model", "provider")} if done else {},
    )


def _used(desk: Desk) -> set[tuple[str, str]]:
    """(Provider, model) of the prices that the ledger's calls have now, as price lists name them."""
    now = time.time_ns()
    called = (row.key.values() for row in desk.store.summary(("provider", "model"))[:_USED])
    cards = (quote(provider, model, now, None) for provider, model in called if provider and model)
    return {(card.provider, card.model) for card in cards if card is not None}


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
        return desk.page("missing", "/prices", view, 404, title="No such price", what=_reason(error))
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
    given = {key: fields.get(key, "").strip() or None for key in _own_prices.WORDS}
    known = _own_prices.AMOUNTS.items()
    amounts = {key: value for field, key in known if (value := fields.get(field, "").strip())}
    if not given["name"]:
        return prices(desk, view, dict(fields), problem="name: give the model's name, as calls have it")
    try:
        path = _own_prices.write(given, amounts, fields.get("edit", ""))
    except (ValueError, OSError, click.ClickException) as error:
        return prices(desk, view, dict(fields), problem=_reason(error))
    desk.changed_prices()
    again = {"search": given["name"] or "", "model": given["name"] or "", "provider": given["provider"] or ""}
    return prices(desk, view, again, done=f"{given['name']} has a price now, in {path}.")


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, click.ClickException) else str(error)


def remove_price(desk: Desk, view: View, fields: Fields) -> Response:
    """Take a definition of the user's own out of its file."""
    found = _own_prices.find(fields.get("digest", ""))
    try:
        path, _ = _own_prices.remove(fields.get("digest", ""))
    except (ValueError, OSError) as error:
        return prices(desk, view, {}, problem=_reason(error))
    desk.changed_prices()
    name = "" if found is None else found.definition.name
    return prices(desk, view, {}, done=f"The price of {name} is no longer in {path}. Recorded calls keep their cost.")


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
    *((name, name) for name in ("user", "session", "org", "feature", "agent", "key", "model", "provider")),
)
_WINDOWS = (
    *(("hour", "hour"), ("day", "day"), ("week", "week, from Monday"), ("month", "month")),
    *(("24h", "any 24 hours"), ("30d", "any 30 days"), ("lifetime", "all time")),
)
_FORM = ("name", "unit", "most", "scope", "value", "window", "zone", "thresholds", "action")
_LEAST, _WHOLE, _ALERTS = 4, 500, 25
"""Shares of a budget, and alerts, that are shown."""
_ACTIONS = (("warn", "warn"), ("stop", "stop calls before they leave"))


def budgets(desk: Desk, view: View, more: dict[str, str], *, problem: str = "", done: str = "") -> Response:
    """How budgets stand, what was crossed, and a form for another one."""
    limits = desk.store.limits.limits()
    edited = next((each for each in limits if each.name == more.get("edit")), None)
    form = {name: more.get(name, "") for name in _FORM}
    if edited is not None:
        form |= _form_of(edited) or {}
    return desk.page(
        "budgets",
        "/budgets",
        view,
        400 if problem else 200,
        title="Budgets",
        groups=_grouped(budget_status(desk.store), more.get("whole", "")),
        least=_LEAST,
        known=[(restored(limit), _form_of(limit) is not None) for limit in limits],
        ends=_ends,
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
        form=form,
        trouble=problem,
        done=done,
    )


def _ends(state: BudgetStatus) -> str:
    """When the window ends, UTC; the time of day only where it is not midnight."""
    return "" if state.resets_at is None else f"{state.resets_at:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _form_of(limit: Limit) -> dict[str, str] | None:
    """What the form has to say to make this limit anew; None if it says more than the form can."""
    form = {
        "name": limit.name,
        "unit": limit.unit,
        "most": (plain(to_usd(limit.most)) or "") if limit.unit == "usd" else str(limit.most),
        "window": limit.window,
        "zone": limit.zone or "",
        "thresholds": ", ".join(map(str, limit.thresholds)),
        "action": restored(limit).action,
    }
    for name, value in limit.where.items():
        form |= {"scope": name, "value": "" if value == "*" else value}
    source = str(limit.definition.get("source", ""))
    budget, _ = budget_from(_table_of(form), source)
    return form if budget is not None and stored(budget) == limit else None


def _table_of(fields: Fields) -> dict[str, Any]:
    """What the form says, as budgets are written in files."""
    table: dict[str, Any] = {"name": fields.get("name", "").strip(), "action": fields.get("action", "warn")}
    unit = fields.get("unit", "usd")
    most: Any = fields.get("most", "").strip().removeprefix("$").replace(",", "")
    table[unit if unit in ("usd", "tokens", "calls") else "usd"] = (
        int(most) if unit != "usd" and most.isdigit() else most
    )
    scope, value = fields.get("scope", "global") or "global", fields.get("value", "").strip()
    if scope != "global":
        table["scope"] = {scope: value or "*"}
    table |= {key: fields[key] for key in ("window", "zone") if fields.get(key)}
    if shares := fields.get("thresholds", "").replace("%", "").strip():
        table["thresholds"] = [int(each) if each.strip().isdigit() else each for each in shares.split(",")]
    if not table["name"]:
        del table["name"]
    return table


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
    return brief(Decimal(amount)) if unit == "usd" else f"{int(amount):,} {unit}"


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
    budget, problems = budget_from(_table_of(fields), "dashboard")
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
