"""Breakdown: what two dimensions come to together, what caches and other models would save, and what if."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tollbook.cli._advise import basis
from tollbook.ledger import Row
from tollbook.ledger._dimensions import TIMES
from tollbook.pricing import smaller_models
from tollbook.reports import ReportRow, caching, what_if
from tollbook.reports._advise import advise
from tollbook.reports._row import total
from tollbook.web._chart import value_of
from tollbook.web._desk import Desk, cost_of, period_of, shown, text
from tollbook.web._overview import asked, noted, nothing, said
from tollbook.web._view import GROUPS, Span, View

if TYPE_CHECKING:
    from starlette.responses import Response

    from tollbook.reports import Advice, WhatIf
    from tollbook.reports._whatif import Tier

TABS = (("/breakdown", "Two dimensions"), ("/breakdown/savings", "Savings"), ("/breakdown/what-if", "What if"))
_AT_ONCE = 200_000
"""Calls that are read one by one without asking."""
_PER_SECOND = 25_000
"""Calls that are read in a second, about."""

_LINES, _COLUMNS = 15, 7


def breakdown(desk: Desk, view: View, _: dict[str, str]) -> Response:
    """What two dimensions come to together: a row for each value of one, a column for each of the other."""
    span = period_of(view)
    if view.by == view.then:
        view = replace(view, then="model" if view.by != "model" else "feature")
    down = asked(desk, view, span, (view.by,), top=_LINES)
    if not down.total.calls:
        return nothing(desk, "/breakdown", "Breakdown", view, span)
    across = asked(desk, view, span, (view.then,), top=_COLUMNS)
    keys = [[row.key[0] for row in shown(each.rows)] for each in (down, across)]
    chosen = {name: found for name, found in zip((view.by, view.then), keys, strict=True) if name not in TIMES}
    inside = asked(desk, view, span, (view.by, view.then), where=chosen)
    cells = {row.key: row for row in inside.rows}
    most = max((value_of(cells[key], view.metric) for key in cells), default=Decimal(0))

    def heat(row: ReportRow | None) -> int:
        value = Decimal(0) if row is None else value_of(row, view.metric)
        return 0 if not value or not most else min(6, 1 + int(value / most * 6))

    def amount(row: ReportRow) -> str:
        return cost_of(row) if view.metric == "cost" else said(value_of(row, view.metric), view.metric)

    def rest(row: ReportRow) -> ReportRow | None:
        """What of a row is in none of the columns; None: no call."""
        inner = total(cell.sums for key in keys[1] if (cell := cells.get((row.key[0], key))) is not None)
        pairs = zip(msgspec.structs.astuple(row.sums)[1:], msgspec.structs.astuple(inner)[1:], strict=True)
        left = Row({}, *(whole - part for whole, part in pairs))
        return ReportRow((None,), left) if left.calls else None

    return desk.page(
        "breakdown",
        "/breakdown",
        view,
        span=span,
        title="Breakdown",
        tabs=TABS,
        down=down,
        across=across,
        lines=shown(down.rows),
        columns=shown(across.rows),
        others=[next((row for row in each.rows if row.others), None) for each in (down, across)],
        cells=cells,
        heat=heat,
        rest=rest,
        amount=amount,
        cell_view=partial(_cell_view, view),
        row_view=partial(_row_view, view),
        column_view=partial(_row_view, replace(view, by=view.then)),
        notes=noted(down, view),
    )


def _row_view(view: View, value: str | None) -> View:
    """The calls of one row; what is of a time is not chosen by it."""
    return view if view.by in TIMES else view.chosen({view.by: value})


def _cell_view(view: View, a: str | None, b: str | None) -> View:
    """The calls of one cell; what is of a time is not chosen by it."""
    chosen = {name: value for name, value in ((view.by, a), (view.then, b)) if name not in TIMES}
    return view.chosen(chosen)


# ---- what is saved, and could be -----------------------------------------------------------------------------


def savings(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """What caches were worth to each group, and where else money can be saved, with the arithmetic."""
    span = period_of(view)
    calls = asked(desk, view, span, ()).total.calls
    if not calls:
        return nothing(desk, "/breakdown/savings", "Savings", view, span)
    if (wait := _patience(desk, view, span, "/breakdown/savings", "Savings", calls, more)) is not None:
        return wait
    return desk.page(
        "savings",
        "/breakdown",
        view,
        span=span,
        title="Savings",
        tabs=TABS,
        calls=calls,
        found=caching(desk.store, by=(view.by,), top=_LINES, **_given(view, span)),
        advice=[(each, basis(each), _calls_of(view, each)) for each in advise(desk.store, **_given(view, span))],
        row_view=partial(_row_view, view),
    )


def _given(view: View, span: Span) -> dict[str, Any]:
    """The view's calls, as the functions that read them one by one take it."""
    return {
        "since": span.since,
        "until": span.until,
        "timezone": view.zone or None,
        "where": view.conditions(),
    }


def _patience(
    desk: Desk, view: View, span: Span, path: str, title: str, calls: int, more: Mapping[str, str]
) -> Response | None:
    """A page that asks first, where very many calls would have to be read one by one."""
    if calls <= _AT_ONCE or more.get("read") == "all":
        return None
    return desk.page(
        "patience",
        "/breakdown",
        view,
        span=span,
        title=title,
        tabs=TABS,
        here=path,
        more=dict(more),
        calls=calls,
        seconds=-(-calls // _PER_SECOND),
    )


def _calls_of(view: View, advice: Advice) -> tuple[str, str]:
    """Where to look further: an address, and what is there."""
    about = advice.about
    if cheaper := about.get("cheaper"):
        return view.link("/breakdown/what-if", old=about.get("model") or "", new=cheaper), "the same, model by model"
    known = {name: value for name, value in about.items() if name in GROUPS}
    return view.chosen(known).link("/traces", sort="cost"), "its calls"


# ---- what if -------------------------------------------------------------------------------------------------

_TIERS = (("", "as recorded"), ("standard", "standard"), ("batch", "batch"), ("flex", "flex"), ("priority", "priority"))
_MODELS, _IDEAS = 100, 3


def what_would_be(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """The recorded usage on another model or tier, or with nothing cached."""
    span = period_of(view)
    known = asked(desk, view, span, ("provider", "model"), top=_MODELS)
    if not known.total.calls:
        return nothing(desk, "/breakdown/what-if", "What if", view, span)
    old, new = more.get("old", ""), more.get("new", "")
    tier, cache = more.get("tier", ""), more.get("cache", "") != "no"
    changed = bool(new or tier or not cache)
    asked_for = {name: more[name] for name in ("old", "new", "tier", "cache") if more.get(name)}
    if changed and (wait := _patience(
        desk, view, span, "/breakdown/what-if", "What if", known.total.calls, more
    )) is not None:  # fmt: skip
        return wait
    found: WhatIf | None = None
    if changed:
        models = {old or "*": new} if new else None
        found = what_if(
            desk.store, model=models, tier=cast("Tier | None", tier or None), cache=cache, **_given(view, span)
        )
    rows = [row for row in shown(known.rows) if row.key[1] is not None]
    names = {name for name in (*(row.key[1] for row in rows), old) if name and text(name) == name}
    return desk.page(
        "what_if",
        "/breakdown",
        view,
        span=span,
        title="What if",
        tabs=TABS,
        found=found,
        total=None if found is None else found.total,
        form={"old": old, "new": new, "tier": tier, "cache": "" if cache else "no"},
        extra=asked_for,
        models=[(name, name) for name in sorted(names)],
        tiers=_TIERS,
        ideas=list(_ideas(view, rows)),
        offered=sorted({each.model for each in desk.listed() if each.provider in {row.key[0] for row in rows}}),
    )


def _ideas(view: View, rows: list[ReportRow]) -> Iterator[tuple[str, str]]:
    """(Words, address) of questions that are worth asking, of what cost most."""
    many = 0
    for row in rows:
        provider, model = row.key
        if row.cost and provider and model and (smaller := smaller_models(provider, model)):
            yield f"{model} as {smaller[0]}", view.link("/breakdown/what-if", old=model, new=smaller[0])
            many += 1
            if many == _IDEAS:
                break
    yield "all in batches", view.link("/breakdown/what-if", tier="batch")
    yield "nothing cached", view.link("/breakdown/what-if", cache="no")
