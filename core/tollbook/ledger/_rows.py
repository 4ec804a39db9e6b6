"""A record as a row of the ledger and back, without loss.

What few values repeat in (model, status, ...) is one row of `series`, which spans and roll-ups refer to by number.
The ids, the times and whether it bills are columns; the rest of the record is JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from tollbook.ledger._bookings import decode
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage

FIELDS = (
    "kind",
    "integration",
    "provider",
    "operation",
    "request_model",
    "response_model",
    "status",
    "error",
    "stream",
)
"""The record's fields that a series holds as they are."""

SERIES = (*FIELDS, "tier", "priced", "source")
"""The columns of a series. Derived are the last three: the service tier as served; the cost's status (None: no cost
is known); and the usage's source, `estimated` if any part of it is (None: no usage is known)."""

Key = tuple[Any, ...]
"""The values of a series, in the order of `SERIES`."""

_IN_COLUMNS = {*FIELDS, "trace_id", "span_id", "parent_id", "start", "duration", "bills", "attribution"}
REST = tuple(name for name in Record.__struct_fields__ if name not in _IN_COLUMNS)
"""The record's fields that are kept as JSON; a field that is added to it is one of them."""

Rest: Any = msgspec.defstruct(
    "Rest",
    [(found.name, found.type, found.default) for found in msgspec.structs.fields(Record) if found.name in REST],
    omit_defaults=True,
    gc=False,
)

fields_of: Any = attrgetter(*FIELDS)
rest_of: Any = attrgetter(*REST)
encode = msgspec.json.Encoder().encode
decode_rest = msgspec.json.Decoder(Rest).decode
_decode_record = msgspec.json.Decoder(Record).decode

COLUMNS = "trace_id, span_id, parent_id, series, start, duration, bill, rest, booking"
"""The columns of a span, as they are written."""

READ = ", ".join((COLUMNS, "(SELECT attribution FROM booking WHERE booking.id = span.booking)"))
"""What `restore` takes of a span."""

NO_BILL, BILL, COVERED = 0, 1, 2
"""The column `bill`: it carries no bill, its bill counts, or it has one that a span above it replaces."""


def derived(usage: Usage | None, cost: Cost | None, context: dict[str, str] | None) -> tuple[str | None, ...]:
    """The last three values of a series."""
    priced = None if cost is None else cost.status if cost.total is not None else "unpriced"
    source = None if usage is None else "estimated" if usage.estimated else usage.source
    return None if context is None else context.get("service_tier"), priced, source


def restore(row: Sequence[Any], series: Key) -> Record:
    """The record that was stored as `row` (of `READ`) in the series with the values `series`."""
    trace_id, span_id, parent_id, _, start, duration, bill, rest, _, booked = row
    # One decoder makes the whole record, of which the rest lacks two fields; the others are set, which is cheap.
    ids = f'{{"trace_id":"{trace_id.hex()}","span_id":"{span_id.hex()}"'
    record = _decode_record(f"{ids}}}" if rest == "{}" else f"{ids},{rest[1:]}")
    record.parent_id = None if parent_id is None else parent_id.hex()
    record.start, record.duration, record.bills = start, duration, bill != NO_BILL
    if booked is not None:
        record.attribution = decode(booked)
    # In the order of `FIELDS`.
    record.kind, record.integration, record.provider, record.operation = series[:4]
    record.request_model, record.response_model, record.status, record.error, stream = series[4:9]
    record.stream = bool(stream)
    return record
