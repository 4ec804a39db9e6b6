"""What was booked to one session, read trace by trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tollbook.ledger import _rows, _sums
from tollbook.ledger._dimensions import Runs, texts
from tollbook.spans import Session, SessionTrace

if TYPE_CHECKING:
    import sqlite3

_BOOKED = """SELECT trace_id, start, duration, bill, rest FROM span WHERE booking IN (
        SELECT b.booking FROM dimension d JOIN value v ON v.dimension = d.id JOIN booked b ON b.value = v.id
        WHERE d.name = 'session' AND v.text = ?)
    ORDER BY trace_id"""

_CALLS, _INPUT, _OUTPUT, _COST = map(_sums.SUMS.index, ("calls", "input_tokens", "output_tokens", "total_cost"))


def read(database: sqlite3.Connection, session_id: str) -> Session | None:
    """The session with this id; None if nothing is booked to it."""
    booked = texts("session", session_id)[0] or ""
    traces = sorted(_traces(database, booked), key=lambda trace: (trace.start_time_ns, trace.trace_id))
    return Session(session_id, traces) if traces else None


def _traces(database: sqlite3.Connection, session_id: str) -> Iterator[SessionTrace]:
    runs = Runs(database)
    rows = database.execute(_BOOKED, (session_id,))
    for trace_id, spans in groupby(rows, key=lambda row: row[0]):
        yield _trace(trace_id, spans, is_agent_run=runs.has(trace_id))


def _trace(trace_id: bytes, spans: Iterable[Sequence[Any]], *, is_agent_run: bool) -> SessionTrace:
    starts: list[int] = []
    ends: list[int] = []
    totals = [0] * len(_sums.SUMS)
    priced = unpriced = 0
    for _, start, duration, bill, text in spans:
        starts.append(start)
        ends.append(start + duration)
        if bill != _rows.BILL:
            continue
        rest = _rows.decode_rest(text)
        usage, cost = rest.usage, rest.cost
        _sums.combine(totals, _sums.sums([(usage, cost)]))
        if cost is not None and cost.total is not None:
            priced += 1
            unpriced += cost.status == "partial"
        else:
            unpriced += usage is not None
    return SessionTrace(
        trace_id=trace_id.hex(),
        start_time_ns=min(starts),
        end_time_ns=max(ends),
        is_agent_run=is_agent_run,
        llm_calls=totals[_CALLS],
        unpriced_calls=unpriced,
        input_tokens=totals[_INPUT],
        output_tokens=totals[_OUTPUT],
        cost=totals[_COST] if priced else None,
    )
