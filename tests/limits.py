"""Calls against limits of a ledger, in cents."""

from __future__ import annotations

import time

from tollbook._money import PICO
from tollbook.ledger import Limit, Spool, Store, Want
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage

CENT = PICO // 100


def span_id(number: int) -> str:
    """The id of the call of this number."""
    return f"{number:016x}"


def call(number: int, cents: int | None = 10, *, start: int | None = None, **fields: object) -> Record:
    """A call that cost so much; None: it has no price."""
    return Record(
        trace_id=f"{number:032x}",
        span_id=span_id(number),
        start=time.time_ns() if start is None else start,
        provider="openai",
        request_model="gpt-4o",
        usage=Usage({"input": 10, "output": 5}),
        cost=Cost(status="unpriced") if cents is None else Cost(total=cents * CENT),
        bills=True,
        **fields,  # type: ignore[arg-type]
    )


def put(store: Store, *records: Record) -> None:
    """Record them, and bring them in."""
    spool = Spool(store.spool)
    for record in records:
        spool.append(record)
    spool.close()
    store.drain()


def reserve(store: Store, limit: Limit, number: int, cents: int = 30, holder: str = "") -> bool:
    """Whether there was room for the call of this number."""
    want = Want(limit, holder, cents * CENT)
    return store.limits.reserve(span_id(number), [want], time.time_ns(), 5.0) is None


def used(store: Store) -> list[tuple[str, int, int]]:
    """Holder, spent and reserved of all limits."""
    return [(s.holder, s.spent // CENT, s.reserved // CENT) for s in store.limits.states()]
