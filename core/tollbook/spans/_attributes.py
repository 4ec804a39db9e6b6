"""One table of attribute names: what other tools call the things that a record holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tollbook._money import to_usd
from tollbook.spans._record import Record
from tollbook.usage import CACHE_READS, CACHE_WRITES


def token_usage(record: Record) -> dict[str, int] | None:
    """MLflow's token usage: inclusive sums, and the cached parts where there are any."""
    usage = record.usage
    if usage is None:
        return None
    found = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if cached := _quantity(record, CACHE_READS):
        found["cache_read_input_tokens"] = cached
    if written := _quantity(record, CACHE_WRITES):
        found["cache_creation_input_tokens"] = written
    return found


def llm_cost(record: Record) -> dict[str, float] | None:
    """MLflow's cost, in USD as floats, as MLflow documents it; None if unpriced."""
    cost = record.cost
    if cost is None or cost.total is None:
        return None
    return {
        "input_cost": float(to_usd(cost.input or 0)),
        "output_cost": float(to_usd(cost.output or 0)),
        "total_cost": float(to_usd(cost.total)),
    }


def _quantity(record: Record, buckets: Iterable[str]) -> int | None:
    usage = record.usage
    if usage is None:
        return None
    return sum(usage.quantities.get(name, 0) for name in buckets)


def _sum(buckets: Iterable[str]) -> Callable[[Record], int | None]:
    return lambda record: _quantity(record, buckets) or None


def _usage(name: str) -> Callable[[Record], int | None]:
    return lambda record: None if record.usage is None else getattr(record.usage, name)


def _cost_usd(record: Record) -> float | None:
    cost = record.cost
    return None if cost is None or cost.total is None else float(to_usd(cost.total))


def _dimension(name: str) -> Callable[[Record], str | None]:
    return lambda record: None if record.attribution is None else record.attribution.get(name)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


READ: dict[str, Callable[[Record], Any]] = {
    # OpenTelemetry, semantic conventions for generative AI
    "gen_ai.operation.name": lambda r: r.operation,
    "gen_ai.provider.name": lambda r: r.provider,
    "gen_ai.request.model": lambda r: r.request_model,
    "gen_ai.response.model": lambda r: r.response_model,
    "gen_ai.response.id": lambda r: r.response_id,
    "gen_ai.response.finish_reasons": lambda r: None if r.finish is None else [r.finish],
    "gen_ai.response.time_to_first_chunk": lambda r: _seconds(r.first_chunk),
    "gen_ai.usage.input_tokens": _usage("input_tokens"),
    "gen_ai.usage.output_tokens": _usage("output_tokens"),
    "gen_ai.usage.cache_read.input_tokens": _sum(CACHE_READS),
    "gen_ai.usage.cache_write.input_tokens": _sum(CACHE_WRITES),
    "gen_ai.usage.cache_creation.input_tokens": _sum(CACHE_WRITES),
    "gen_ai.usage.reasoning.output_tokens": _sum(("output_reasoning",)),
    "error.type": lambda r: r.error,
    # MLflow
    "mlflow.chat.tokenUsage": token_usage,
    "mlflow.llm.cost": llm_cost,
    "mlflow.llm.model": lambda r: r.response_model or r.request_model,
    "mlflow.llm.provider": lambda r: r.provider,
    "mlflow.spanType": lambda r: r.kind.upper(),
    # The token and cost tracking skill
    "llm.tokens.input": _usage("input_tokens"),
    "llm.tokens.output": _usage("output_tokens"),
    "llm.tokens.total": _usage("total_tokens"),
    "llm.cost_usd": _cost_usd,
    **{f"cost.{name}": _dimension(name) for name in ("feature", "agent", "session", "key")},
    "cost.user_id": _dimension("user"),
    "cost.org_id": _dimension("org"),
    # OpenTelemetry's names of the same
    "gen_ai.agent.name": _dimension("agent"),
    "gen_ai.conversation.id": _dimension("session"),
    "session.id": _dimension("session"),
    "user.id": _dimension("user"),
    # Ours
    "tollbook.cost.status": lambda r: None if r.cost is None else r.cost.status,
    "tollbook.usage.source": lambda r: None if r.usage is None else r.usage.source,
}
"""Attribute name to what it is of a record; None: the record has no such attribute."""

USAGE: dict[str, str] = {
    "mlflow.chat.tokenUsage": "mlflow",
    "gen_ai.usage": "otel",
    "langfuse.observation.usage_details": "langfuse",
}
"""Attributes that set the whole usage of a span: name to the convention of the value."""

USAGE_FIELDS: dict[str, str] = {
    "llm.tokens.input": "input_tokens",
    "llm.tokens.output": "output_tokens",
    "llm.tokens.total": "total_tokens",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_input_tokens",
    "gen_ai.usage.cache_write.input_tokens": "cache_creation_input_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "cache_creation_input_tokens",
}
"""Attributes that set one number of a span's usage: name to the field of MLflow's token usage."""

DIMENSIONS: dict[str, str] = {
    "cost.feature": "feature",
    "cost.agent": "agent",
    "cost.user_id": "user",
    "cost.org_id": "org",
    "cost.session": "session",
    "cost.session_id": "session",
    "cost.key": "key",
    "gen_ai.agent.name": "agent",
    "gen_ai.conversation.id": "session",
    "session.id": "session",
    "user.id": "user",
    "mlflow.trace.session": "session",
    "mlflow.trace.user": "user",
    "langfuse.session.id": "session",
    "langfuse.user.id": "user",
}
"""Attributes that say whom a span, and what is inside it, is booked to: name to the dimension."""

FIELDS: dict[str, str] = {
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "request_model",
    "gen_ai.response.model": "response_model",
    "gen_ai.response.id": "response_id",
    "mlflow.llm.model": "response_model",
    "mlflow.llm.provider": "provider",
}
"""Attributes that set a field of the record."""


def _smaller(record: Record) -> tuple[str, int] | None:
    """The smaller model of the same family on which the same usage would have come to least, and what that saves."""
    from tollbook.pricing import list_price, quote, smaller_models
    from tollbook.spans._complete import priced_model

    cost, provider = record.cost, record.provider
    model = priced_model(provider, record.request_model, record.response_model)
    own = None if cost is None else cost.listed if cost.listed is not None else cost.total
    if not own or record.usage is None or provider is None or model is None:
        return None
    # By what the price list calls both, which may differ from what the caller or a host does.
    used = quote(provider, model, record.start, record.context)
    found: list[tuple[int, str]] = []
    for name in () if used is None else smaller_models(used.provider, used.model):
        card = quote(provider, name, record.start, record.context)
        other = None if card is None else list_price(record.usage, card)
        if other is not None:
            found.append((other, name))
    least, name = min(found, default=(own, ""))
    return (name, own - least) if least < own else None


def _recommendation(part: int | None) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        found = _smaller(record)
        if found is None:
            return None
        return "could_downgrade" if part is None else found[0] if part == 0 else float(to_usd(found[1]))

    return read


GUESSED: dict[str, Callable[[Record], Any]] = {
    "model.recommendation": _recommendation(None),
    "model.recommendation.model": _recommendation(0),
    "model.recommendation.saving_usd": _recommendation(1),
}
"""As `READ`, for what takes a look at the price list, and is a guess: that another model would use as many tokens.
Whether its answers are good enough, nobody here can tell."""


def get(record: Record, name: str) -> Any:
    """The value of attribute `name` of `record`, under any tool's name for it; None if it has none."""
    if record.attributes and name in record.attributes:
        return record.attributes[name]
    reader = READ.get(name) or GUESSED.get(name)
    return None if reader is None else reader(record)


def attributes(record: Record) -> dict[str, Any]:
    """All attributes of `record`, under every name that it has one."""
    found = {name: value for name, reader in READ.items() if (value := reader(record)) is not None}
    return {**found, **(record.attributes or {})}
