"""What was booked to one session, over all its traces."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tollbook._clean import clean
from tollbook._money import to_usd


class SessionTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What one trace of a session comes to; only what is booked to the session counts."""

    trace_id: str
    start_time_ns: int
    """Unix time in nanoseconds, UTC."""
    end_time_ns: int
    is_agent_run: bool
    """Whether an agent's span is in it."""
    llm_calls: int
    unpriced_calls: int
    """Calls that used something whose cost is not known, or not wholly."""
    input_tokens: int
    output_tokens: int
    cost: int | None
    """Pico-dollars; None if no call's cost is known."""

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    @property
    def total_cost(self) -> Decimal | None:
        """The exact sum of all known costs in USD; None if none is known."""
        return None if self.cost is None else to_usd(self.cost)


class Session:
    """One session (a conversation): all that was booked to it, in whatever trace, thread or process.

    Made by `get_session`.
    """

    __slots__ = ("id", "traces")

    def __init__(self, session_id: str, traces: Sequence[SessionTrace]) -> None:
        self.id = session_id
        """As it was given to `attribute(session=...)`."""
        self.traces = list(traces)
        """In order of their start."""

    @property
    def agent_runs(self) -> int:
        """How many of the traces are runs of an agent."""
        return sum(trace.is_agent_run for trace in self.traces)

    @property
    def llm_calls(self) -> int:
        """How many paid calls were made."""
        return sum(trace.llm_calls for trace in self.traces)

    @property
    def unpriced_calls(self) -> int:
        """How many of them used something whose cost is not known, or not wholly; that is in no sum of money."""
        return sum(trace.unpriced_calls for trace in self.traces)

    @property
    def input_tokens(self) -> int:
        """All tokens sent, cached ones included."""
        return sum(trace.input_tokens for trace in self.traces)

    @property
    def output_tokens(self) -> int:
        """All tokens generated."""
        return sum(trace.output_tokens for trace in self.traces)

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.input_tokens + self.output_tokens

    @property
    def total_cost(self) -> Decimal | None:
        """The exact sum of all known costs in USD; None if none is known."""
        known = [trace.cost for trace in self.traces if trace.cost is not None]
        return to_usd(sum(known)) if known else None

    @property
    def start_time_ns(self) -> int:
        """When its first span began: Unix time in nanoseconds, UTC."""
        return min(trace.start_time_ns for trace in self.traces)

    @property
    def end_time_ns(self) -> int:
        """When its last span ended: Unix time in nanoseconds, UTC."""
        return max(trace.end_time_ns for trace in self.traces)

    def __repr__(self) -> str:
        return f"<session {clean(self.id)}: {self.llm_calls} calls in {len(self.traces)} traces, {self.total_cost} USD>"
