"""From what a provider reported to what a record says: usage read, price selected, cost reckoned.

Most calls leave this for later. What was reported goes to disk as it came, as far as it is names and numbers, and is
read and priced where the journal is drained: at the price of the call's own start, whoever does it and when. So the
host does not wait for it, a price list is not loaded on its way, and a mistake of ours in reading loses no call.
"""

from __future__ import annotations

from typing import Any

from tollbook import _guard, pricing, usage
from tollbook.pricing import _own
from tollbook.spans._record import Record
from tollbook.spans._reported import as_dict, reported
from tollbook.usage import Usage

Json = dict[str, Any]

_BY_REQUEST = frozenset({"aws.bedrock"})
"""Platforms whose price is that of the id that was asked (an inference profile), and which answer with a bare name."""


def defer(record: Record, convention: str, raw: Json) -> bool:
    """Put `raw` into the record as it came, to be read later.

    False if it may hold more than names and numbers, or if prices are defined in this process: another one that drains
    the journal may not have them.
    """
    if _own.present():
        return False
    record.raw = found = reported(raw)
    if found is None:
        return False
    record.convention = convention
    return True


def complete(record: Record) -> None:
    """Read and price what `record` was given to be read later. Never raises."""
    raw, convention = record.raw, record.convention
    record.raw = record.convention = None
    if raw is None or convention is None:
        return
    try:
        raw = as_dict(raw)
        found = usage.read(convention, raw)
        if found is None and record.charge is not None:
            found = Usage({})
        if found is not None:
            price(record, found, convention, raw)
    except Exception:  # noqa: BLE001 - the guard: a record that can't be read is kept all the same
        record.flags += ("unreadable_usage",)
        _guard.report("tollbook.spans.complete")


def price(record: Record, used: Usage, convention: str, raw: Json | None) -> None:
    """Put `used` into the record, with what it cost."""
    if record.charge is not None:
        if used.charge is None:
            used.charge = record.charge
        record.charge = None
    record.usage = used
    selected = None if raw is None else usage.selectors(convention, raw)
    if selected:
        record.context = {**selected, **(record.context or {})}
    model = priced_model(record.provider, record.request_model, record.response_model)
    record.cost = pricing.cost_of(used, record.provider, model, record.start, record.context)


def priced_model(provider: str | None, request: str | None, response: str | None) -> str | None:
    """The model whose price applies: as served, or as requested where nothing better is known."""
    return request if response is None or provider in _BY_REQUEST else response
