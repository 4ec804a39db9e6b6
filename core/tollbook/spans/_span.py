"""Spans opened by hand: agents, tools, functions, and calls that no integration sees."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Token
from decimal import Decimal
from time import perf_counter_ns, time_ns
from typing import Any

from tollbook import _guard
from tollbook._money import MOST, PICO, from_usd
from tollbook.pricing import Cost, cost_of
from tollbook.spans import _attributes, _attribution, _sink
from tollbook.spans._context import (
    Claim,
    Parent,
    Remote,
    current,
    innermost,
    new_span_id,
    new_trace_id,
    parse_traceparent,
)
from tollbook.spans._record import Record, Scalar
from tollbook.spans._status import status_of
from tollbook.usage import Usage, check, read
from tollbook.usage._buckets import LARGEST

log = logging.getLogger("tollbook")
_LONGEST = 256
"""Characters of an attribute's text that are kept: names are short, content is not wanted."""

Number = Decimal | int | float | str


class Span:
    """An open span, to which the program may add attributes, usage and cost until it ends.

    Made by `span`, `trace` and `start_span`, not by its constructor.
    """

    __slots__ = (
        "_fields",
        "_open",
        "_started",
        "_token",
        "above",
        "claim",
        "lent",
        "nested",
        "own",
        "record",
        "span_id",
        "trace_id",
        "watched",
    )

    def __init__(self, record: Record, above: Parent | None = None) -> None:
        self.record = record
        self.trace_id = record.trace_id
        self.span_id: str | None = record.span_id
        self.nested = False
        self.above = above
        self.own: dict[str, str] | None = None if above is None else above.own
        self.lent: dict[str, str] | None = None if above is None else above.lent
        self.claim: Claim | None = None if above is None else above.claim
        self.watched = self.claim is not None
        self._fields: dict[str, int] = {}
        self._started = perf_counter_ns()
        self._open = [True]
        self._token: Token[Parent | None] | None = None

    @property
    def closed(self) -> bool:
        """Whether it takes no more calls inside; what a program opens does so wherever it is still the current one."""
        return False

    @property
    def name(self) -> str:
        """What the program called it."""
        return self.record.name

    def set_attribute(self, name: str, value: Any) -> None:
        """Set one attribute, under the name that OpenTelemetry, MLflow, Langfuse or you give it.

        Names of usage and cost (`mlflow.chat.tokenUsage`, `mlflow.llm.cost`, `gen_ai.usage.input_tokens`,
        `llm.tokens.input`, `llm.cost_usd`, ...) set the span's usage and cost, which then count in totals in place of
        what was metered inside the span. All other attributes are kept as they are, if they are a number, a boolean
        or a short text; anything else is refused with a warning in the log, since it could be content.
        """
        if (convention := _attributes.USAGE.get(name)) is not None:
            self.set_usage(value, convention=convention)
        elif (part := _attributes.USAGE_FIELDS.get(name)) is not None:
            self._fields[part] = int(value)
            self.set_usage(self._fields, convention="mlflow")
        elif (field := _attributes.FIELDS.get(name)) is not None:
            setattr(self.record, field, str(value)[:_LONGEST])
        elif (dimension := _attributes.DIMENSIONS.get(name)) is not None:
            self._book({dimension: value})
        elif name == "mlflow.llm.cost":
            self._set_costs(value)
        elif name == "llm.cost_usd":
            self.set_cost(value)
        elif value is None or isinstance(value, (bool, int, float, str)):
            kept = value[:_LONGEST] if isinstance(value, str) else value
            self.record.attributes = {**(self.record.attributes or {}), name: kept}
        else:
            log.warning("tollbook keeps no attribute of type %s (%s)", type(value).__name__, name)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for name, value in attributes.items():
            self.set_attribute(name, value)

    def get_attribute(self, name: str) -> Any:
        """The value of attribute `name`, under any tool's name for it; None if it has none."""
        return _attributes.get(self.record, name)

    def attribute(self, **dimensions: str | float | bool | None) -> None:
        """Book the span, and what is called inside from now on, to `dimensions`: as `tollbook.attribute` does.

        Raises:
            ValueError: As for `tollbook.attribute`.
        """
        self._book(dimensions)

    def _book(self, given: Mapping[str, object]) -> None:
        self.own = _attribution.clean(given, self.own)
        self.record.attribution = _attribution.clean(given, self.record.attribution) or None

    def set_usage(self, usage: Usage | Mapping[str, Any], *, convention: str = "mlflow") -> None:
        """Say what the span used; it then counts in place of what was metered inside the span.

        Args:
            usage: A `Usage`, or a usage object in the words of `convention`.
            convention: One of `tollbook.usage.CONVENTIONS`, such as `mlflow` (input_tokens, output_tokens,
                total_tokens), `openai.chat`, `anthropic.messages` or `langfuse`.

        Raises:
            ValueError: `usage` is no usage object, a quantity is no whole number from 0 to a trillion, or there is no
                such convention.
        """
        if not isinstance(usage, Usage):
            found = read(convention, dict(usage))
            if found is None:
                raise ValueError(f"not a usage object of convention {convention}: {sorted(map(str, usage))}")
            if "too_large" in found.flags:
                raise ValueError(f"too much for one call: a quantity must not exceed {LARGEST:,}")
            usage = found
        check(usage)
        usage.source = "manual"
        self.record.usage = usage

    def set_cost(
        self,
        total: Number | None,
        input: Number | None = None,  # noqa: A002
        output: Number | None = None,
    ) -> None:
        """Say what the span cost, in USD; it then counts in place of what was metered inside the span.

        Args:
            total: The whole cost; None for the sum of the parts.
            input: What was sent.
            output: What was generated.

        Raises:
            ValueError: Not an amount of money, a negative one, nine million or more, or none given.
        """
        sent, made = (None if part is None else _pico(part) for part in (input, output))
        if total is None and sent is None and made is None:
            raise ValueError("a cost needs a total, or its parts")
        whole = (sent or 0) + (made or 0) if total is None else _pico(total)
        if min(whole, sent or 0, made or 0) < 0:
            raise ValueError("a cost can't be negative")
        if max(whole, (sent or 0) + (made or 0)) >= MOST * PICO:
            raise ValueError(f"too much money for one call: it must be less than {MOST:,} USD")
        self.record.cost = Cost(total=whole, input=sent, output=made, status="manual")

    def _set_costs(self, costs: Any) -> None:
        if not isinstance(costs, Mapping):
            raise ValueError("mlflow.llm.cost is an object with total_cost, input_cost and output_cost")  # noqa: TRY004
        given: Mapping[str, Any] = costs  # pyright: ignore[reportUnknownVariableType]
        self.set_cost(given.get("total_cost"), given.get("input_cost"), given.get("output_cost"))

    def end(self, error: BaseException | None = None) -> None:
        """End the span and write its record; later calls do nothing."""
        try:
            self._open.pop()
        except IndexError:
            return
        record = self.record
        record.duration = perf_counter_ns() - self._started
        if error is not None:
            record.status, record.error = status_of(error), type(error).__name__
        if record.usage is not None:
            model = record.response_model or record.request_model
            listed = cost_of(record.usage, record.provider, model, record.start, record.context)
            if record.cost is None:
                record.cost = listed
            elif listed is not None:
                # What the list says stands beside what the program says.
                record.cost.listed = listed.total if record.usage.charge is None else listed.listed
                record.cost.cards, record.cost.assumptions = listed.cards, listed.assumptions
        if record.usage is not None or record.cost is not None:
            record.bills = True
            record.covers = self.nested
            if self.claim is not None:
                self.claim.take(record.operation)
        _sink.emit(record)


def _pico(amount: Number) -> int:
    return from_usd(repr(amount) if isinstance(amount, float) else amount)


def begun(name: str, kind: str, parent: Parent | None) -> Record:
    """The record of a span that begins now inside `parent`."""
    record = Record(
        trace_id=new_trace_id() if parent is None else parent.trace_id,
        span_id=new_span_id(),
        parent_id=None if parent is None else parent.span_id,
        kind=kind.lower(),
        name=name[:_LONGEST],
        start=time_ns(),
    )
    if parent is None:
        record.attribution = _attribution.of_call(None)
    else:
        parent.nested = True
        record.attribution = _attribution.of_call(parent.own, parent.lent)
    return record


def start_span(name: str, *, kind: str = "span", **attributes: Any) -> Span:
    """A new span inside the one that is open here, not made the current one; the caller ends it.

    Args:
        name: What a reader of the report will recognise: the agent, the tool, the function. No content.
        kind: `agent`, `chain`, `tool`, `retriever`, `llm` or `span`.
        attributes: As for `Span.set_attribute`; `model` and `provider` name the model of a call made by hand.
    """
    parent = innermost()
    record = begun(name, kind, parent)
    record.request_model = attributes.pop("model", None)
    record.provider = attributes.pop("provider", None)
    opened = Span(record, parent)
    if record.kind == "agent" and record.name:
        # What is called inside is this agent's, where the program says nothing else.
        opened.lent = {**(opened.lent or {}), "agent": record.name}
        record.attribution = _attribution.of_call(opened.own, opened.lent)
    opened.set_attributes(attributes)
    return opened


def enter(parent: Parent) -> Token[Parent | None]:
    """Make `parent` the current span here."""
    return current.set(parent)


def leave(token: Token[Parent | None]) -> None:
    """Undo `enter`; in another context than that of `enter` there is nothing to undo."""
    try:
        current.reset(token)
    except ValueError:
        return


@contextmanager
def span(name: str, *, kind: str = "span", **attributes: Any) -> Generator[Span]:
    """A span around a block of code: what is called inside becomes part of it.

    Args:
        name: What a reader of the report will recognise. No content.
        kind: `agent`, `chain`, `tool`, `retriever`, `llm` or `span`. What is called inside an agent is booked to the
            agent of that name, unless the program sets another one.
        attributes: As for `Span.set_attribute`; `model` and `provider` name the model of a call made by hand.

    >>> with span("nightly summary", kind="agent") as run:  # doctest: +SKIP
    ...     client.responses.create(...)
    """
    opened = start_span(name, kind=kind, **attributes)
    token = enter(opened)
    try:
        yield opened
    except BaseException as error:
        leave(token)
        _guard.guarded(opened.end)(error)
        raise
    leave(token)
    _guard.guarded(opened.end)()


@contextmanager
def continue_trace(traceparent: str) -> Generator[None]:
    """Make what is called inside part of a trace that began in another process.

    Args:
        traceparent: The W3C header of that name. An invalid one is ignored: what is inside begins traces of its own.
    """
    remote: Remote | None = parse_traceparent(traceparent)
    if remote is None:
        yield
        return
    token = enter(remote)
    try:
        yield
    finally:
        leave(token)


def get_current_active_span() -> Span | None:
    """The innermost span that is open here; None outside of any."""
    found = innermost()
    return found if isinstance(found, Span) else None


def record(
    *,
    model: str,
    usage: Usage | Mapping[str, Any],
    provider: str | None = None,
    cost: Number | None = None,
    convention: str = "mlflow",
    name: str = "call",
    operation: str | None = None,
    **attributes: Scalar,
) -> str:
    """Book one finished call that no integration sees.

    Args:
        model: As the provider names it in its answer.
        usage: A `Usage`, or a usage object in the words of `convention`.
        provider: OpenTelemetry's name (`openai`, `anthropic`, ...); without it no list price is known.
        cost: What it cost in USD, if you know better than the list price.
        convention: One of `tollbook.usage.CONVENTIONS`.
        name: What a reader of the report will recognise.
        operation: OpenTelemetry's name, such as `chat` or `embeddings`.
        attributes: As for `Span.set_attribute`.

    Returns:
        The id of its trace.

    Raises:
        ValueError: `usage` is no usage object of that convention, or it or `cost` is too much for one call (see
            `Span.set_usage` and `Span.set_cost`).
    """
    booked = start_span(name, kind="llm", model=model, provider=provider, **attributes)
    booked.record.operation = operation
    booked.set_usage(usage, convention=convention)
    if cost is not None:
        booked.set_cost(cost)
    booked.end()
    return booked.trace_id
