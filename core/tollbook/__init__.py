"""Tollbook: what every LLM call costs, exactly, with one line, without getting in the way.

    import tollbook
    tollbook.autolog()

Importing this package imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollbook._instrument import autolog
    from tollbook._runtime import flush, get_last_active_trace_id, get_trace
    from tollbook.spans import Span, Trace, continue_trace, get_current_active_span, record, span, start_span, trace
    from tollbook.usage import Usage

_HOMES = {
    "Span": "spans",
    "Trace": "spans",
    "Usage": "usage",
    "autolog": "_instrument",
    "continue_trace": "spans",
    "flush": "_runtime",
    "get_current_active_span": "spans",
    "get_last_active_trace_id": "_runtime",
    "get_trace": "_runtime",
    "record": "spans",
    "span": "spans",
    "start_span": "spans",
    "trace": "spans",
}

__version__ = "0.1.0"
__all__ = [
    "Span",
    "Trace",
    "Usage",
    "autolog",
    "continue_trace",
    "flush",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "record",
    "span",
    "start_span",
    "trace",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tollbook' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"tollbook.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
