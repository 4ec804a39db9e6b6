"""The record: what is known about one finished span, as it is written to disk.

A record holds names and numbers only. No prompt, completion, tool argument, header, key or error text has a
field here, so none can be stored.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollbook.pricing import Cost
from tollbook.usage import Usage

Scalar = str | int | float | bool | None


class Record(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One finished span."""

    trace_id: str
    """32 lower-case hex digits; those that we make begin with the time, so that they sort by it."""
    span_id: str
    """16 lower-case hex digits, unique within the trace."""
    parent_id: str | None = None
    """`span_id` of the parent, which may have been recorded by another process or not at all."""
    kind: str = "llm"
    """`llm` (any paid model call), `agent`, `chain`, `tool`, `retriever` or `span`."""
    name: str = ""
    start: int = 0
    """Unix time in nanoseconds, UTC."""
    duration: int = 0
    """Nanoseconds from the start until the caller had all of the answer."""
    first_chunk: int | None = None
    """Nanoseconds from the start until the first streamed event; None if the call did not stream."""
    status: str = "ok"
    """`ok`, `error`, `timeout`, `cancelled` or `abandoned` (a stream that the host stopped reading)."""
    error: str | None = None
    """The exception's type name, never its text."""
    integration: str = "manual"
    """Who recorded it: `openai`, `anthropic`, `langchain`, ..., or `manual`."""
    provider: str | None = None
    """`gen_ai.provider.name`, such as `openai`, `anthropic`, `azure.ai.openai`, `aws.bedrock`."""
    operation: str | None = None
    """`gen_ai.operation.name`, such as `chat`, `embeddings`, `text_completion`."""
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    stream: bool = False
    retries: int = 0
    """Attempts that failed before the one that is recorded."""
    finish: str | None = None
    """Why the answer ended, in the provider's word (`stop`, `end_turn`, `max_tokens`, ...)."""
    context: dict[str, str] | None = None
    """What selects a price beside the model, as served: `service_tier`, `speed`, `region`, `processing`."""
    usage: Usage | None = None
    """None: not known."""
    raw: dict[str, Any] | None = None
    """Usage as it was reported, on its way to where it is read and priced: then `usage` and `cost` are still None."""
    convention: str | None = None
    """Whose words `raw` is in."""
    charge: int | None = None
    """Pico-dollars that the answer says beside its usage that it cost, on their way as `raw` is: then in `usage`."""
    cost: Cost | None = None
    """None: not known, and never meant as zero."""
    bills: bool = False
    """Whether this span's usage and cost count in totals. Structure spans carry none."""
    covers: bool = False
    """Whether it bills in place of all spans below it (usage or cost set by hand on an outer span)."""
    flags: tuple[str, ...] = ()
    """What a reader should know, such as `usage_not_requested`, `include_usage_injected`, `may_be_billed`."""
    attribution: dict[str, str] | None = None
    """Whom it is booked to: `feature`, `agent`, `user` (a pseudonym), `org`, `session`, `key`, and free tags."""
    attributes: dict[str, Scalar] | None = None
    """What the program set by hand: names and numbers."""
