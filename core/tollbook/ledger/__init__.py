"""The ledger: from a finished record to durable rows, and from rows to answers.

A record goes to the spool, a journal of this process, with one `write`; a thread, or whoever reads next, drains the
journals into a SQLite database in batches, each line exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.ledger._crossed import Alert
    from tollbook.ledger._errors import StoreError
    from tollbook.ledger._health import Health
    from tollbook.ledger._ledger import Ledger
    from tollbook.ledger._limit import (
        EACH,
        Limit,
        Refusal,
        State,
        Want,
        amount_of,
        holder_of,
        joined,
        may_have_cost,
        parts_of,
    )
    from tollbook.ledger._repriced import PastCost, Repricing
    from tollbook.ledger._spool import Spool
    from tollbook.ledger._store import Store, open_store
    from tollbook.ledger._summary import Row
    from tollbook.ledger._traces import TraceSum

__all__ = [
    "EACH",
    "Alert",
    "Health",
    "Ledger",
    "Limit",
    "PastCost",
    "Refusal",
    "Repricing",
    "Row",
    "Spool",
    "State",
    "Store",
    "StoreError",
    "TraceSum",
    "Want",
    "amount_of",
    "holder_of",
    "joined",
    "may_have_cost",
    "open_store",
    "parts_of",
]


# A program that records need not pay for what only answers questions, nor a prompt for what records.
__getattr__ = lazily(
    __name__,
    _crossed="Alert",
    _errors="StoreError",
    _health="Health",
    _ledger="Ledger",
    _limit="EACH Limit Refusal State Want amount_of holder_of joined may_have_cost parts_of",
    _repriced="PastCost Repricing",
    _spool="Spool",
    _store="Store open_store",
    _summary="Row",
    _traces="TraceSum",
)
