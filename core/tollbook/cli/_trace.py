"""`tollbook trace`: one trace as a tree, with what each node used and cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tollbook._money import show

if TYPE_CHECKING:
    from rich.tree import Tree

    from tollbook.spans import Trace, TraceSpan


def as_tree(trace: Trace) -> Tree:
    """The trace for a terminal."""
    from rich.tree import Tree

    info = trace.info
    usage = info.token_usage or {}
    head = f"[bold]trace {info.trace_id}[/bold]  {_calls(info.llm_calls)}, {usage.get('total_tokens', 0):,} tokens, "
    tree = Tree(head + f"[bold]{show(info.total_cost)}[/bold]" + _unpriced(info.unpriced_calls), guide_style="dim")
    spans = trace.data.spans
    known = {span.span_id for span in spans}
    below: dict[str | None, list[TraceSpan]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)

    def grow(branch: Tree, parent: str | None) -> None:
        for span in below.get(parent, ()):
            grow(branch.add(_label(span)), span.span_id)

    grow(tree, None)
    return tree


def _label(span: TraceSpan) -> str:
    from rich.markup import escape

    record = span.record
    parts = [f"[bold]{escape(span.name)}[/bold]"]
    if span.model_name:
        parts.append(f"[cyan]{escape(span.model_name)}[/cyan]")
    if record.usage is not None:
        approximately = "" if record.usage.source == "reported" and not record.usage.estimated else "~"
        parts.append(
            f"{approximately}{record.usage.input_tokens:,} in, {approximately}{record.usage.output_tokens:,} out"
        )
    if record.bills and record.usage is not None:
        parts.append(show(span.cost))
    parts.append(f"[dim]{record.duration / 1e6:,.1f} ms[/dim]")
    if record.status != "ok":
        parts.append(f"[red]{record.status}{f' {escape(record.error)}' if record.error else ''}[/red]")
    return "  ".join(parts)


def _calls(number: int) -> str:
    return f"{number:,} call{'' if number == 1 else 's'}"


def _unpriced(number: int) -> str:
    return f" [yellow](+ {_calls(number)} unpriced)[/yellow]" if number else ""


def as_json(trace: Trace) -> dict[str, Any]:
    """The trace as plain data; money as decimal text, so that it stays exact."""
    info = trace.info

    def money(amount: Decimal | None) -> str | None:
        return None if amount is None else format(amount.normalize(), "f")

    return {
        "trace_id": info.trace_id,
        "calls": info.llm_calls,
        "unpriced_calls": info.unpriced_calls,
        "token_usage": info.token_usage,
        "cost_usd": money(info.total_cost),
        "spans": [
            {
                "span_id": span.span_id,
                "parent_id": span.parent_id,
                "name": span.name,
                "kind": span.record.kind,
                "provider": span.record.provider,
                "model": span.model_name,
                "status": span.status,
                "error": span.record.error,
                "start_time_ns": span.start_time_ns,
                "duration_ns": span.record.duration,
                "stream": span.record.stream,
                "quantities": None if span.record.usage is None else span.record.usage.quantities,
                "usage_source": None if span.record.usage is None else span.record.usage.source,
                "cost_usd": money(span.cost),
                "cost_status": None if span.record.cost is None else span.record.cost.status,
                "assumptions": [] if span.record.cost is None else list(span.record.cost.assumptions),
                "flags": list(span.record.flags),
                "attributes": span.record.attributes or {},
            }
            for span in trace.data.spans
        ],
    }
