"""A trace as a picture for notebooks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tollbook import _html
from tollbook._money import show, to_usd
from tollbook.spans._trace import TraceSpan, billed

if TYPE_CHECKING:
    from tollbook.spans._trace import Trace


def picture(trace: Trace) -> str:
    """Its waterfall, as a tree: each span with what it and all below it cost."""
    spans = trace.data.spans
    by_id = {span.span_id: span for span in spans}
    money: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    priced: set[str] = set()
    for record in billed([span.record for span in spans]):
        for name in _line_up(record.span_id, by_id):
            if record.usage is not None:
                tokens[name] += record.usage.total_tokens
            if record.cost is not None and record.cost.total is not None:
                money[name] += record.cost.total
                priced.add(name)
    bars: list[_html.Bar] = []
    for span, depth in _tree(spans, by_id):
        name = span.span_id
        cost = show(to_usd(money[name])) if name in priced else "unpriced" if tokens[name] else ""
        figures = (_time(span.record.duration), f"{tokens[name]:,}" if tokens[name] else "", cost)
        failed = span.status not in ("ok", "abandoned")
        colour = _html.RED if failed else _html.COLOURS.get(span.record.kind, _html.GREY)
        words = [span.name, span.model_name, span.record.kind, span.status, *figures]
        tip = " · ".join(dict.fromkeys(word for word in words if word))
        bars.append(_html.Bar(span.name, depth, span.start_time_ns, span.record.duration, colour, figures, tip))
    info = trace.info
    unpriced = f", {info.unpriced_calls:,} of them unpriced" if info.unpriced_calls else ""
    total = show(info.total_cost) if info.total_cost is not None else "cost unknown"
    note = f"{len(spans):,} spans, {info.llm_calls:,} paid calls{unpriced} · trace {info.trace_id}"
    return _html.box(total, note, _html.waterfall(bars))


def _line_up(name: str, by_id: dict[str, TraceSpan]) -> list[str]:
    """The span and all above it; what claims to be above itself ends there."""
    found: list[str] = []
    while name in by_id and name not in found:
        found.append(name)
        name = by_id[name].parent_id or ""
    return found


def _tree(spans: list[TraceSpan], by_id: dict[str, TraceSpan]) -> list[tuple[TraceSpan, int]]:
    """Each span with its depth, below its parent; those whose parent is not there are roots."""
    below: dict[str | None, list[TraceSpan]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in by_id and span.parent_id != span.span_id else None
        below.setdefault(parent, []).append(span)
    found: list[tuple[TraceSpan, int]] = []
    waiting = [(span, 0) for span in reversed(below.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        found.append((span, depth))
        waiting += [(child, depth + 1) for child in reversed(below.get(span.span_id, []))]
    seen = {span.span_id for span, _ in found}
    return found + [(span, 0) for span in spans if span.span_id not in seen]


def _time(nanoseconds: int) -> str:
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:,.0f} µs"
    return f"{nanoseconds / 1e6:,.0f} ms" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:,.2f} s"
