"""Spans: paid calls, and the structure around them that the program or a framework gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.spans._attribution import DIMENSIONS, attribute, attribute_process, current_attribution, propagate
    from tollbook.spans._call import Call, hash_prefixes, open_streams
    from tollbook.spans._carry import Carried, child_environment, continue_process, extract, inject, restore
    from tollbook.spans._complete import complete, priced_model
    from tollbook.spans._context import Remote, current, innermost
    from tollbook.spans._gate import Stop
    from tollbook.spans._levels import Cards
    from tollbook.spans._record import Record, Scalar
    from tollbook.spans._run import Run, Runs, safe_name
    from tollbook.spans._session import Session, SessionTrace
    from tollbook.spans._span import (
        Span,
        continue_trace,
        get_current_active_span,
        record,
        span,
        start_span,
    )
    from tollbook.spans._spent import Spent, watch
    from tollbook.spans._status import status_of
    from tollbook.spans._trace import Trace, TraceData, TraceInfo, TraceSpan
    from tollbook.spans._trace_decorator import trace

__all__ = [
    "DIMENSIONS",
    "Call",
    "Cards",
    "Carried",
    "Record",
    "Remote",
    "Run",
    "Runs",
    "Scalar",
    "Session",
    "SessionTrace",
    "Span",
    "Spent",
    "Stop",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceSpan",
    "attribute",
    "attribute_process",
    "child_environment",
    "complete",
    "continue_process",
    "continue_trace",
    "current",
    "current_attribution",
    "extract",
    "get_current_active_span",
    "hash_prefixes",
    "inject",
    "innermost",
    "open_streams",
    "priced_model",
    "propagate",
    "record",
    "restore",
    "safe_name",
    "span",
    "start_span",
    "status_of",
    "trace",
    "watch",
]

__getattr__ = lazily(
    __name__,
    _attribution="DIMENSIONS attribute attribute_process current_attribution propagate",
    _call="Call hash_prefixes open_streams",
    _carry="Carried child_environment continue_process extract inject restore",
    _complete="complete priced_model",
    _gate="Stop",
    _context="Remote current innermost",
    _levels="Cards",
    _record="Record Scalar",
    _run="Run Runs safe_name",
    _session="Session SessionTrace",
    _span="Span continue_trace get_current_active_span record span start_span",
    _spent="Spent watch",
    _status="status_of",
    _trace="Trace TraceData TraceInfo TraceSpan",
    _trace_decorator="trace",
)
