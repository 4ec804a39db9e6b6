"""Traces, one trace, and sessions: the calls that numbers are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tollbook.cli import _explain
from tollbook.cli._trace import cost_of, duration, tokens_of, tree
from tollbook.ledger._dimensions import TIMES, of_booking, of_series
from tollbook.ledger._rows import derived, fields_of
from tollbook.spans import Record, Trace, TraceSpan
from tollbook.spans._trace import billed
from tollbook.web._desk import Desk, period_of, shown
from tollbook.web._overview import asked
from tollbook.web._view import View, Wrong

if TYPE_CHECKING:
    from starlette.responses import Response

    from tollbook.cli._explain import Explained

_TRACES = 30
_CHUNK, _LOOKED_AT = 200, 6000
"""Spans that are read at once, and for one page."""
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


def traces(desk: Desk, view: View, more: dict[str, str]) -> Response:
    """The traces with calls that are asked for, the latest first."""
    span = period_of(view)
    until, skip = _cursor(more.get("after", ""), span.until)
    found, following = _page(desk, view, span.since, span.until, until, skip)
    return desk.page(
        "traces",
        "/traces",
        view,
        span=span,
        title="Traces",
        lines=[_line(trace) for trace in found],
        following=following,
        first="after" not in more,
        empty=not found and desk.is_empty(),
        duration=duration,
    )


def _cursor(text: str, until: int | None) -> tuple[int | None, int]:
    """Where a page begins: before this start, but for so many spans of the one nanosecond before it."""
    if not text:
        return until, 0
    start, _, skip = text.partition(".")
    if not (start.isdigit() and skip.isdigit() and len(start) < 20 and len(skip) < 7):
        raise Wrong(f"after={text}: follow the link at the end of a page")
    return int(start) + 1, int(skip)


def _page(
    desk: Desk, view: View, since: int | None, end: int | None, until: int | None, skip: int
) -> tuple[list[Trace], str]:
    """Traces, each at the place of its latest span that fits, and where the next page begins; empty: nowhere.

    So no page repeats a trace of another one, however their spans lie between each other.
    """
    where = view.conditions()
    _refuse_times(where)
    found: list[Trace] = []
    seen: set[str] = set()
    looked, begin = 0, until
    while looked < _LOOKED_AT:
        chunk = desk.store.spans(since, begin, where, limit=_CHUNK, offset=skip)
        for record in chunk:
            looked += 1
            # All that lie in the nanosecond of this one and came before it are left out next time.
            skip = skip + 1 if begin is not None and record.start == begin - 1 else 1
            begin = record.start + 1
            if record.trace_id in seen:
                continue
            seen.add(record.trace_id)
            records = desk.store.trace(record.trace_id)
            if _is_last(record, records, where, end):
                found.append(Trace(records))
            if len(found) == _TRACES:
                return found, f"{begin - 1}.{skip}"
        if len(chunk) < _CHUNK:
            return found, ""
    return found, "" if begin is None else f"{begin - 1}.{skip}"


def _is_last(
    record: Record, records: Sequence[Record], where: Mapping[str, Sequence[str | None]], end: int | None
) -> bool:
    """Whether none of the trace's `records`, which are in the ledger's order, comes later and fits."""
    place = next((n for n, each in enumerate(records) if each.span_id == record.span_id), 0)
    return not any((end is None or each.start < end) and _fits(each, where) for each in records[place + 1 :])


def _fits(record: Record, where: Mapping[str, Sequence[str | None]]) -> bool:
    return all(_value(record, name) in wanted for name, wanted in where.items())


def _value(record: Record, name: str) -> str | None:
    """The value of a record in a dimension, as reports have it."""
    if (of := of_series(name)) is not None:
        return of((*fields_of(record), *derived(record.usage, record.cost, record.context)))
    if name == "trace":
        return record.trace_id
    if name == "name":
        return record.name
    if (booked := of_booking(name)) is not None:
        return (record.attribution or {}).get(booked)
    value = (record.attributes or {}).get(name.removeprefix("attribute."))
    return None if value is None else str(value)


def _refuse_times(where: Mapping[str, object]) -> None:
    if wrong := set(where) & set(TIMES):
        raise Wrong(f"where={min(wrong)}=...: a time is chosen by the period")


def _line(trace: Trace) -> Line:
    spans = trace.data.spans
    known = {each.span_id for each in spans}
    root = next((each for each in spans if each.parent_id not in known), spans[0])
    start = spans[0].start_time_ns
    models = dict.fromkeys(each.model_name for each in spans if each.record.bills and each.model_name)
    failed = sum(each.status in ("error", "timeout") for each in spans)
    return Line(trace, start, max(each.end_time_ns for each in spans) - start, root, list(models)[:3], failed)


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
    """Sessions, the most expensive first."""
    span = period_of(view)
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
        outside=next((row for row in found.rows if row.key[0] is None), None),
        total=found.total,
        empty=not found.total.calls and desk.is_empty(),
    )
