"""The overview: what was spent, over time and by one dimension."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from tollbook.cli._words import notes
from tollbook.ledger._dimensions import TIMES
from tollbook.ledger._periods import periods
from tollbook.reports import Report, ReportRow, forecast, moment, report, unusual
from tollbook.reports._period import zone
from tollbook.reports._report import matched
from tollbook.web._chart import SERIES, Chart, Sums, short, stacked, value_of
from tollbook.web._desk import Desk, brief, compact, cost_of, named, period_of, shown
from tollbook.web._view import Span, View

if TYPE_CHECKING:
    from starlette.responses import Response

_ROWS, _MOST = 20, 1000
_UNUSUAL = 3
_HOUR = 3_600_000_000_000
_LONG_DAY = 26 * _HOUR
"""Nanoseconds after which a day is over, also one on which clocks are set back."""
_BARS = 800
"""Bars that a chart can have; beyond, a coarser one is drawn."""


def said(amount: Decimal, metric: str) -> str:
    """An amount of what is drawn."""
    return brief(amount) if metric == "cost" else compact(amount)


def marked(amount: Decimal, metric: str) -> str:
    """An amount at an axis."""
    return f"${compact(amount)}".replace(".0", "") if metric == "cost" and amount >= 10_000 else said(amount, metric)


def asked(desk: Desk, view: View, span: Span, by: Iterable[str], **more: Any) -> Report:
    """A report of the view's calls, by other dimensions."""
    where = {**view.conditions(), **more.pop("where", {})}
    given: dict[str, Any] = {"since": span.since, "until": span.until, "timezone": view.zone or None, **more}
    return report(desk.store, by=by, where=where, **given)


def overview(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """Totals, what they were before, the cost over time, and who or what it went to."""
    span = period_of(view)
    limit = min(int(more["rows"]), _MOST) if more.get("rows", "").isdigit() else _ROWS
    main = asked(desk, view, span, (view.by,), top=max(limit, 1))
    if not main.total.calls:
        return nothing(desk, "/", "Overview", view, span)
    before = None
    if span.before is not None:
        before = asked(desk, view, span, (view.by,), since=span.before[0], until=span.before[1])
    series = "model" if view.by in TIMES else view.by
    return desk.page(
        "overview",
        "/",
        view,
        span=span,
        title="Overview",
        report=main,
        total=main.total,
        before=None if before is None else before.total,
        was={} if before is None else _was(before, span, view),
        before_span=_words_of(span, view),
        notes=[*noted(main, view), *_unusual(desk, view, span)],
        month=None
        if span.until is not None
        else forecast(desk.store, timezone=view.zone or None, where=view.conditions()),
        chart=_chart(desk, view, span, main, series),
        series=series,
        row_view=partial(_row_view, view),
        limit=limit,
        most=_MOST,
    )


def _was(before: Report, span: Span, view: View) -> dict[str | None, ReportRow]:
    """The rows of the period before, by what they are called in this one: its first day is that one's first day."""
    assert span.before is not None
    _, same = matched((view.by,), (span.since, span.until), span.before, _zone(view))
    return {same.get(row.key[0], row.key[0]): row for row in before.rows}


def _row_view(view: View, row: ReportRow) -> View:
    """The calls of one row, seen by something else."""
    if view.by in TIMES:
        return view
    inner = "feature" if view.by == "model" else "model"
    return replace(view.chosen({view.by: row.key[0]}), by=inner)


def _words_of(span: Span, view: View) -> str:
    """What a change is against."""
    if span.before is None:
        return ""
    known = {"today": "same hours of yesterday", "month": "same length of time before", "last-month": "month before it"}
    same = f"{span.label.lower()} before".replace("last ", "")
    return "time just before" if view.since or view.until else known.get(view.period, same)


def _chart(desk: Desk, view: View, span: Span, main: Report, series: str) -> Chart | None:
    grain = view.by if view.by in TIMES else span.grain
    groups = main if series == view.by else asked(desk, view, span, (series,), top=_ROWS)
    rows = sorted(shown(groups.rows), key=lambda row: -value_of(row, view.metric))
    many = sum(row.others for row in groups.rows) + len(rows)
    keys = [row.key[0] for row in rows][: SERIES if many > SERIES + 1 else SERIES + 1]
    whole = asked(desk, view, span, (grain,))
    if not whole.rows:
        return None
    parts = asked(desk, view, span, (grain, series), where={series: keys})
    first, last = _edges(whole, span, grain, view)
    bars = list(periods(grain, first, last, _zone(view)))
    if len(bars) > _BARS:
        known = {row.key[0] for row in whole.rows}
        bars = [bar for bar in bars if bar[0] in known][-_BARS:]
    words = {row.key[0]: cost_of(row) for row in rows} if view.metric == "cost" else {}
    return stacked(
        Sums(
            parts={(row.key[0] or "", row.key[1]): value_of(row, view.metric) for row in parts.rows},
            whole={row.key[0] or "": value_of(row, view.metric) for row in whole.rows},
        ),
        bars,
        keys,
        many,
        words,
        said=partial(said, metric=view.metric),
        marked=partial(marked, metric=view.metric),
        named=lambda key: named(series, key),
        bar_link=lambda start, end: (
            replace(view, by="model" if view.by in TIMES else view.by).between(start, end).link("/")
        ),
        key_link=lambda key: replace(view.chosen({series: key}), by="feature" if series == "model" else "model").link(
            "/"
        ),
    )


def _zone(view: View) -> str | None:
    name = view.zone or None
    return None if name is None or name.lower() == "local" else "UTC" if name.lower() == "utc" else name


def _edges(whole: Report, span: Span, grain: str, view: View) -> tuple[int, int]:
    """From when to when bars are drawn; from the first call on where the period has no beginning or too many hours."""
    now = time.time_ns()
    end = now if span.until is None else min(span.until, now)
    start = span.since
    if start is None or (grain == "hour" and end - start > _BARS * _HOUR):  # the hours of centuries take seconds
        first = whole.rows[0].key[0] or ""
        start = moment(first + ("-01" if grain == "month" else ""), zone(_zone(view)))
    return start, max(end, start + 1)


Note = tuple[str, str, str, str]
"""(Kind, text, what else there is to say, address of the calls it is about) of what a total does not say by itself."""

_NOTED: dict[str, dict[str, tuple[str | None, ...]]] = {
    "unpriced": {"priced": ("unpriced", "partial")},
    "unknown": {"priced": (None,), "source": (None,), "status": ("ok", "abandoned", "cancelled")},
    "estimated": {"source": ("estimated",)},
    "failed": {"status": ("error", "timeout")},
    "given up": {"status": ("abandoned", "cancelled")},
}
"""By what notes begin with: which calls they are about."""


def noted(main: Report, view: View) -> list[Note]:
    """What the total leaves out."""
    found: list[Note] = []
    for text, _ in notes(main):
        kind = text.partition(":")[0].lstrip("+?~ ")
        calls = _NOTED.get(kind)
        brief_text, comma, more = text.partition(", ")
        href = "" if calls is None else view.chosen(calls).link("/traces")
        found.append((kind.partition(" ")[0], brief_text, comma + more, href))
    return found


def _unusual(desk: Desk, view: View, span: Span) -> list[Note]:
    """Days of the period that cost far more or less than such days used to; their own pages show what moved."""
    if span.until is not None or span.grain not in ("day", "week"):
        return []
    found: list[Note] = []
    for each in unusual(desk.store, timezone=view.zone or None, where=view.conditions())[:_UNUSUAL]:
        start = moment(each.day, span.place)
        if span.since is None or start >= span.since:
            _, _, end = next(periods("day", start, start + _LONG_DAY, _zone(view)))
            text = f"unusual: {short(each.day)} {brief(each.cost_usd)}, usually {brief(each.usual_usd)}"
            if each.movers:
                moved = each.movers[0]
                sign = "+" if moved.difference_usd > 0 else ""
                text += f"; {named(moved.dimension, moved.value)} {sign}{brief(moved.difference_usd)}"
            found.append(("unusual", text, "", view.between(start, end).link("/")))
    return found


def nothing(desk: Desk, path: str, title: str, view: View, span: Span) -> Response:
    """What to do where there is nothing to show."""
    return desk.page("nothing", path, view, span=span, title=title, empty=desk.is_empty())
