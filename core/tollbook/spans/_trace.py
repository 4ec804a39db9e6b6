"""Reading a trace: its spans, and their sums, under the names that MLflow's API gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tollbook._clean import clean
from tollbook._money import to_usd
from tollbook.spans import _attributes, _levels
from tollbook.spans._record import Record

_ROLLED_UP = ("agent.llm_calls", "agent.total_tokens", "agent.total_cost_usd")


class TraceSpan:
    """One finished span of a trace."""

    __slots__ = ("_around", "inside", "name", "record")

    def __init__(
        self, record: Record, name: str, inside: Sequence[Record] = (), around: _levels.Around | None = None
    ) -> None:
        self.record = record
        self._around = around or _levels.Around(None)
        self.inside = TraceInfo(record.trace_id, inside)
        """What the span comes to, with all that is inside it. Each paid call counts once."""
        self.name = name
        """The span's name; where several of a trace have the same one, with `_1`, `_2`, ... in order of their start."""

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.record.trace_id

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return self.record.span_id

    @property
    def parent_id(self) -> str | None:
        """`span_id` of the parent; None for a root."""
        return self.record.parent_id

    @property
    def start_time_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        return self.record.start

    @property
    def end_time_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        return self.record.start + self.record.duration

    @property
    def status(self) -> str:
        """`ok`, `error`, `timeout`, `cancelled` or `abandoned`."""
        return self.record.status

    @property
    def span_type(self) -> str:
        """MLflow's word for the kind: `LLM`, `AGENT`, `TOOL`, ..."""
        return self.record.kind.upper()

    @property
    def model_name(self) -> str | None:
        """The model that answered, else the one that was asked."""
        return self.record.response_model or self.record.request_model

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes, under the names of all tools that have one for it.

        Raises:
            StoreError: The ledger can't be read, which is asked for the span's session.
        """
        found = {} if self.record.kind == "llm" else {name: self._rolled_up(name) for name in _ROLLED_UP}
        found.update({name: _levels.get(self.record, self._around, name) for name in _levels.NAMES})
        return {**{k: v for k, v in found.items() if v is not None}, **_attributes.attributes(self.record)}

    def get_attribute(self, name: str) -> Any:
        """The value of attribute `name`, under any tool's name for it; None if it has none.

        `agent.llm_calls`, `agent.total_tokens` and `agent.total_cost_usd` are of the span and all that is inside it.
        `session.total_tokens`, `session.total_cost_usd`, `session.agent_runs` and `session.llm_calls` are of the whole
        session that a root span is booked to, as the ledger has it now.

        Raises:
            StoreError: The ledger can't be read, which is asked for these alone.
        """
        found = _attributes.get(self.record, name)
        if found is not None:
            return found
        return self._rolled_up(name) if name in _ROLLED_UP else _levels.get(self.record, self._around, name)

    def _rolled_up(self, name: str) -> Any:
        if name == "agent.llm_calls":
            return self.inside.llm_calls
        if name == "agent.total_tokens":
            usage = self.inside.token_usage
            return None if usage is None else usage["total_tokens"]
        cost = self.inside.total_cost
        return None if cost is None else float(cost)

    @property
    def llm_cost(self) -> dict[str, float] | None:
        """`input_cost`, `output_cost` and `total_cost` in USD; None if unpriced."""
        return _attributes.llm_cost(self.record)

    @property
    def cost(self) -> Decimal | None:
        """The exact cost in USD; None if unpriced."""
        return None if self.record.cost is None else self.record.cost.total_usd

    def __repr__(self) -> str:
        return f"<span {clean(self.name)} {self.span_id} {clean(self.status)}>"


class TraceData:
    """What a trace is made of."""

    __slots__ = ("spans",)

    def __init__(self, spans: list[TraceSpan]) -> None:
        self.spans = spans
        """All finished spans, in order of their start."""


class TraceInfo:
    """What a trace comes to. Each paid call counts once, at the span that bills it."""

    __slots__ = ("_billed", "trace_id")

    def __init__(self, trace_id: str, billed: Sequence[Record]) -> None:
        self.trace_id = trace_id
        self._billed = billed

    @property
    def token_usage(self) -> dict[str, int] | None:
        """Sums of `input_tokens`, `output_tokens` and `total_tokens`; None if no call has a known usage."""
        totals: Counter[str] = Counter()
        for record in self._billed:
            totals.update(_attributes.token_usage(record) or {})
        return dict(totals) or None

    @property
    def total_cost(self) -> Decimal | None:
        """The exact sum of all known costs in USD; None if none is known."""
        known = [r.cost.total for r in self._billed if r.cost is not None and r.cost.total is not None]
        return to_usd(sum(known)) if known else None

    @property
    def cost(self) -> dict[str, float] | None:
        """Sums of `input_cost`, `output_cost` and `total_cost` in USD, as MLflow gives them; None if none is known."""
        known = [r.cost for r in self._billed if r.cost is not None and r.cost.total is not None]
        if not known:
            return None
        return {
            "input_cost": float(to_usd(sum(c.input or 0 for c in known))),
            "output_cost": float(to_usd(sum(c.output or 0 for c in known))),
            "total_cost": float(to_usd(sum(c.total or 0 for c in known))),
        }

    @property
    def llm_calls(self) -> int:
        """How many paid calls were made."""
        return len(self._billed)

    @property
    def unpriced_calls(self) -> int:
        """How many paid calls used something and have no known cost; they are in no sum of money."""
        return sum(r.usage is not None and (r.cost is None or r.cost.total is None) for r in self._billed)


class Trace:
    """One trace: all spans that were recorded under one id.

    Made by `get_trace`.
    """

    __slots__ = ("data", "info")

    def __init__(self, records: Sequence[Record], ledger: _levels.Ledger | None = None) -> None:
        """Put `records` together; `ledger` is asked for what lies outside of the trace."""
        ordered = sorted(records, key=lambda r: (r.start, r.span_id))
        counting = billed(ordered)
        around = _levels.Around(ledger, {record.span_id for record in ordered})
        self.data = TraceData(_named(ordered, _inside(ordered, counting), around))
        self.info = TraceInfo(ordered[0].trace_id, counting)

    def _repr_html_(self) -> str:
        """A waterfall, for notebooks."""
        from tollbook.spans._trace_html import picture

        return picture(self)

    def __repr__(self) -> str:
        return f"<trace {self.info.trace_id} of {len(self.data.spans)} spans>"


def _inside(records: Sequence[Record], counting: Sequence[Record]) -> dict[str, list[Record]]:
    """By span, which of those that count are that span or inside it."""
    by_id = {r.span_id: r for r in records}
    found: dict[str, list[Record]] = {}
    for record in counting:
        above: Record | None = record
        seen: set[str] = set()
        while above is not None and above.span_id not in seen:
            seen.add(above.span_id)
            found.setdefault(above.span_id, []).append(record)
            above = by_id.get(above.parent_id or "")
    return found


def _named(records: Sequence[Record], inside: dict[str, list[Record]], around: _levels.Around) -> list[TraceSpan]:
    often = Counter(r.name for r in records)
    seen: Counter[str] = Counter()
    spans: list[TraceSpan] = []
    for record in records:
        seen[record.name] += 1
        name = f"{record.name}_{seen[record.name]}" if often[record.name] > 1 else record.name
        spans.append(TraceSpan(record, name, inside.get(record.span_id, ()), around))
    return spans


def billed(records: Sequence[Record]) -> list[Record]:
    """The records of one trace that bill: not those below a span whose usage or cost was set by hand."""
    by_id = {r.span_id: r for r in records}

    def covered(record: Record) -> bool:
        seen: set[str] = set()
        above = by_id.get(record.parent_id or "")
        while above is not None and above.span_id not in seen:
            if above.covers:
                return True
            seen.add(above.span_id)
            above = by_id.get(above.parent_id or "")
        return False

    return [r for r in records if r.bills and not covered(r)]
