"""Traces, one trace, and sessions: the calls that numbers are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

from tollbook.cli import _explain
from tollbook.cli._trace import cost_of, duration, tokens_of, tree
from tollbook.ledger._dimensions import TIMES
from tollbook.ledger._traces import Order
from tollbook.spans import Record, Trace, TraceSpan
from tollbook.spans._trace import billed
from tollbook.web._desk import Desk, period_of, shown
from tollbook.web._overview import asked
from tollbook.web._view import Span, View, Wrong

if TYPE_CHECKING:
    from starlette.responses import Response

    from tollbook.cli._explain import Explained

_TRACES = 30
ORDERS = get_args(Order)
_SESSIONS = 50
_VISIBLE = 0.8
"""Percent of the width that a span gets at least."""
_SPANS = 1000
"""Spans of a trace that one page shows."""


class Line(NamedTuple):
    """One trace in the list."""

    trace: Trace
    start: int
    duration: int
    root: TraceSpan
    models: list[str]
    failed: int
    estimated: bool
    """Whether an estimate is in its cost."""


def traces(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """The traces with calls that are asked for, the latest or the dearest first."""
    span = period_of(view)
    order, after = _order(more), more.get("after")
    found = desk.store.traces(span.since, span.until, _conditions(view), order=order, limit=_TRACES + 1, after=after)
    return desk.page(
        "traces",
        "/traces",
        view,
        span=span,
        title="Traces",
        lines=[(each, _line(Trace(desk.store.trace(each.trace_id)))) for each in found[:_TRACES]],
        following=found[_TRACES - 1].cursor if len(found) > _TRACES else "",
        first=after is None,
        order=order,
        extra={} if order == ORDERS[0] else {"sort": order},
        empty=not found and desk.is_empty(),
        duration=duration,
    )


def _order(more: dict[str, str]) -> Order:
    order = more.get("sort", ORDERS[0])
    if order not in ORDERS:
        raise Wrong(f"sort={order}: expected one of {', '.join(ORDERS)}")
    return cast("Order", order)


def _conditions(view: View) -> dict[str, list[str | None]]:
    where = view.conditions()
    if wrong := set(where) & set(TIMES):
        raise Wrong(f"where={min(wrong)}=...: a time is chosen by the period")
    return where


def _line(trace: Trace) -> Line:
    spans = trace.data.spans
    known = {each.span_id for each in spans}
    root = next((each for each in spans if each.parent_id not in known), spans[0])
    start = spans[0].start_time_ns
    models = dict.fromkeys(each.model_name for each in spans if each.record.bills and each.model_name)
    failed = sum(each.status in ("error", "timeout") for each in spans)
    counting = billed([each.record for each in spans])
    estimated = any(each.cost is not None and each.cost.status == "estimated" for each in counting)
    return Line(
        trace, start, max(each.end_time_ns for each in spans) - start, root, list(models)[:3], failed, estimated
    )


# ---- one trace -----------------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    """One span of the trace, as it is drawn."""

    span: TraceSpan
    depth: int
    x: float
    """Percent of the whole time."""
    width: float
    tokens: list[str]
    cost: str
    counts: bool
    explained: Explained | None
    reasons: list[tuple[str, str]]


def trace(desk: Desk, view: View, trace_id: str) -> Response:
    """One trace: its spans as a tree and in time, each with what it used, what that cost and by which price."""
    records = desk.store.trace(trace_id) if len(trace_id) == 32 else []
    if not records:
        return desk.page("missing", "/traces", view, 404, title="No such trace", what=trace_id, span=period_of(view))
    whole = Trace(records)
    leaves = list(_leaves(desk, whole))
    start = whole.data.spans[0].start_time_ns
    end = max(each.end_time_ns for each in whole.data.spans)
    line = _line(whole)
    return desk.page(
        "trace",
        "/traces",
        view,
        span=period_of(view),
        title=line.root.name or "Trace",
        trace=whole,
        line=line,
        leaves=leaves[:_SPANS],
        hidden=max(len(leaves) - _SPANS, 0),
        ticks=[(n * 25, duration((end - start) * n // 4) if n else "0") for n in range(5)],
        duration=duration,
        attribution=_attribution(records),
    )


def _leaves(desk: Desk, whole: Trace) -> Iterator[Leaf]:
    spans = whole.data.spans
    start = spans[0].start_time_ns
    length = max(max(each.end_time_ns for each in spans) - start, 1)
    counting = {record.span_id for record in billed([each.record for each in spans])}
    explained = {each.record.span_id: each for each in _explain.find(desk.store, whole.info.trace_id)}
    for prefix, each in tree(spans):
        about = explained.get(each.span_id)
        yield Leaf(
            span=each,
            depth=min(len(prefix) // 2, 12),
            x=round(min((each.start_time_ns - start) / length * 100, 100 - _VISIBLE), 3),
            width=round(max(each.record.duration / length * 100, _VISIBLE), 3),
            tokens=tokens_of(each),
            cost=cost_of(each, each.span_id in counting),
            counts=each.span_id in counting,
            explained=about,
            reasons=[] if about is None else list(_explain.reasons(about)),
        )


def _attribution(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Whom the spans are booked to, each once."""
    found = ((name, value) for record in records for name, value in (record.attribution or {}).items())
    return list(dict.fromkeys(found))


# ---- sessions ------------------------------------------------------------------------------------------------


def sessions(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """Sessions, the latest or the dearest first."""
    span = period_of(view)
    order = _order(more)
    if order == ORDERS[0]:
        return _latest(desk, view, span, more.get("after"))
    number = int(more["page"]) if more.get("page", "").isdigit() and len(more["page"]) < 7 else 1
    found = asked(desk, view, span, ("session",))
    rows = [row for row in shown(found.rows) if row.key[0] is not None]
    first = (max(number, 1) - 1) * _SESSIONS
    return desk.page(
        "sessions",
        "/sessions",
        view,
        span=span,
        title="Sessions",
        rows=rows[first : first + _SESSIONS],
        first=first,
        many=len(rows),
        number=max(number, 1),
        following=first + _SESSIONS < len(rows),
        order=order,
        extra={"sort": order},
        outside=next((row for row in found.rows if row.key[0] is None), None),
        total=found.total,
        empty=not found.total.calls and desk.is_empty(),
    )


def _latest(desk: Desk, view: View, span: Span, after: str | None) -> Response:
    """The sessions of one page; what they come to is asked of them alone, however many there are."""
    found = desk.store.sessions(span.since, span.until, _conditions(view), limit=_SESSIONS + 1, after=after)
    named = [each.session_id for each in found[:_SESSIONS]]
    rows = {row.key[0]: row for row in asked(desk, view, span, ("session",), where={"session": named}).rows if named}
    return desk.page(
        "sessions",
        "/sessions",
        view,
        span=span,
        title="Sessions",
        rows=[rows[each] for each in named if each in rows],
        last={each.session_id: each.last for each in found},
        first=after is None,
        many=len(found),
        following=found[_SESSIONS - 1].cursor if len(found) > _SESSIONS else "",
        order=ORDERS[0],
        extra={},
        outside=None,
        total=asked(desk, view, span, ()).total,
        empty=not found and desk.is_empty(),
    )
