"""The ledger: from a finished record to durable rows, and from rows to answers.

A record goes to the spool, a journal of this process, with one `write`; a thread, or whoever reads next, drains the
journals into a SQLite database in batches, each line exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook.ledger._errors import StoreError
from tollbook.ledger._ledger import Ledger
from tollbook.ledger._spool import Spool
from tollbook.ledger._store import Store, open_store

if TYPE_CHECKING:
    from tollbook.ledger._health import Health
    from tollbook.ledger._repriced import PastCost, Repricing
    from tollbook.ledger._summary import Row

__all__ = ["Health", "Ledger", "PastCost", "Repricing", "Row", "Spool", "Store", "StoreError", "open_store"]


def __getattr__(name: str) -> object:
    # What only answers questions is loaded when somebody asks: a program that records need not pay for it.
    if name == "Health":
        from tollbook.ledger._health import Health

        return Health
    if name == "Row":
        from tollbook.ledger._summary import Row

        return Row
    if name in ("PastCost", "Repricing"):
        from tollbook.ledger import _repriced

        return getattr(_repriced, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
