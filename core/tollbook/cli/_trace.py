"""`tollbook trace`: one trace as a tree, with what each span used and cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tollbook._money import plain, show
from tollbook.cli._text import Cell, Column, Screen, clean, paragraph, table
from tollbook.cli._words import counted

if TYPE_CHECKING:
    from tollbook.spans import Trace, TraceSpan

_COLUMNS = (
    Column("span", "tree"),
    Column("model", style="cyan"),
    Column("input", "number"),
    Column("cached", "number", droppable=2),
    Column("output", "number"),
    Column("cost", "money"),
    Column("time", "number", droppable=1),
    Column("status", style="red"),
)

_SUMMED = frozenset({"agent", "chain"})
"""Kinds of spans that frameworks make, whose sums are shown in the tree."""


def as_text(trace: Trace, screen: Screen) -> str:
    """The trace for a terminal: what it comes to, its spans as a tree, and what a reader should know of them."""
    from tollbook.spans._trace import billed

    info, spans = trace.info, trace.data.spans
    counting = {record.span_id for record in billed([span.record for span in spans])}
    rows: list[list[str | Cell]] = [
        [
            prefix + clean(span.name),
            span.model_name or "",
            *tokens_of(span),
            cost_of(span, span.span_id in counting),
            duration(span.record.duration),
            Cell("" if span.status == "ok" else " ".join(filter(None, (span.status, span.record.error)))),
        ]
        for prefix, span in tree(spans)
    ]
    heads = list(_COLUMNS)
    if all(span.status == "ok" for span in spans):
        heads.pop()
        rows = [row[:-1] for row in rows]
    began = datetime.fromtimestamp(spans[0].start_time_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    usage = info.token_usage
    used = "usage unknown" if usage is None else f"{usage['total_tokens']:,} tokens"
    cost = "cost unknown" if info.total_cost is None else show(info.total_cost)
    noted = [paragraph(screen, text, "yellow") for text in _notes(spans, info.unpriced_calls)]
    said = [
        screen.paint(f"trace {info.trace_id}", "bold"),
        paragraph(screen, f"{counted(info.llm_calls)}, {used}, {cost}; began {began}"),
        "",
        table(screen, heads, rows),
        *([""] if noted else []),
        *noted,
    ]
    return "\n".join(said)


def tree(spans: list[TraceSpan]) -> Iterator[tuple[str, TraceSpan]]:
    """Every span once, below its parent, with the lines that lead to it. A parent that is not here is none."""
    known = {span.span_id for span in spans}
    below: dict[str | None, list[TraceSpan]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    seen: set[str] = set()
    # Those that are each other's parents are reached from no root, and are roots then.
    for root in [*below.get(None, ()), *spans]:
        waiting = [("", "", root)]
        while waiting:
            lead, branch, span = waiting.pop()
            if span.span_id in seen:
                continue
            seen.add(span.span_id)
            yield lead + branch, span
            deeper = lead + {"├ ": "│ ", "└ ": "  "}.get(branch, "")
            children = below.get(span.span_id, ())
            waiting += [(deeper, "├ " if n else "└ ", child) for n, child in enumerate(reversed(children))]


def tokens_of(span: TraceSpan) -> list[str]:
    usage = span.record.usage
    if usage is None:
        return ["" if not span.record.bills else "?" if span.status == "ok" else "-"] * 3
    sent = "~" if usage.source == "estimated" or "input" in usage.estimated else ""
    made = "~" if usage.source == "estimated" or "output" in usage.estimated else ""
    cached = span.get_attribute("gen_ai.usage.cache_read.input_tokens") or 0
    return [f"{sent}{usage.input_tokens:,}", f"{cached:,}", f"{made}{usage.output_tokens:,}"]


def cost_of(span: TraceSpan, counts: bool) -> str:
    record = span.record
    if not record.bills:
        # What it comes to with all that is inside, at the spans that were given to have that seen.
        inside = span.inside.total_cost if record.kind in _SUMMED else None
        return "" if inside is None else f"Σ {show(inside)}"
    if record.cost is None:
        return "unknown" if record.status == "ok" else "-"
    text = show(span.cost)
    if record.cost.status == "estimated":
        text = f"~{text}"
    if record.cost.status == "partial":
        text = f"{text}+"
    return text if counts else f"({text})"


def duration(nanoseconds: int) -> str:
    milliseconds = nanoseconds / 1e6
    if milliseconds < 999.5:
        return f"{milliseconds:.{0 if milliseconds >= 99.95 else 1 if milliseconds >= 9.995 else 2}f} ms"
    seconds = milliseconds / 1e3
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def _notes(spans: list[TraceSpan], unpriced: int) -> Iterator[str]:
    if unpriced:
        yield f"+ unpriced: {counted(unpriced)}, in no sum of money"
    for span in spans:
        usage, cost = span.record.usage, span.record.cost
        if usage is not None and (usage.source == "estimated" or usage.estimated):
            band = f", ±{usage.band:.0%}" if usage.band else ""
            yield f"~ {span.name} is estimated by {usage.method or 'its text'}{band}"
        if cost is not None:
            for assumption in cost.assumptions:
                yield f"{span.name}: {assumption}"


def as_json(trace: Trace) -> dict[str, Any]:
    """The trace as plain data; money as decimal text, so that it stays exact."""
    info = trace.info
    return {
        "trace_id": info.trace_id,
        "calls": info.llm_calls,
        "unpriced_calls": info.unpriced_calls,
        "token_usage": info.token_usage,
        "cost_usd": plain(info.total_cost),
        "spans": [_span(span) for span in trace.data.spans],
    }


def _span(span: TraceSpan) -> dict[str, Any]:
    record, usage, cost = span.record, span.record.usage, span.record.cost
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": record.kind,
        "provider": record.provider,
        "model": span.model_name,
        "status": span.status,
        "error": record.error,
        "start_time_ns": span.start_time_ns,
        "duration_ns": record.duration,
        "stream": record.stream,
        "bills": record.bills,
        "quantities": None if usage is None else usage.quantities,
        "usage_source": None if usage is None else usage.source,
        "estimated": [] if usage is None else list(usage.estimated),
        "cost_usd": plain(span.cost),
        "inside_calls": span.inside.llm_calls,
        "inside_cost_usd": plain(span.inside.total_cost),
        "cost_status": None if cost is None else cost.status,
        "assumptions": [] if cost is None else list(cost.assumptions),
        "flags": list(record.flags),
        "attributes": record.attributes or {},
    }
