"""The ledger: from a finished record to durable rows, and from rows to answers.

A record goes to the spool, a journal of this process, with one `write`; a thread, or whoever reads next, drains the
journals into a SQLite database in batches, each line exactly once.
"""

from tollbook.ledger._errors import StoreError
from tollbook.ledger._health import Health
from tollbook.ledger._ledger import Ledger
from tollbook.ledger._spool import Spool
from tollbook.ledger._store import Store, open_store
from tollbook.ledger._summary import Row

__all__ = ["Health", "Ledger", "Row", "Spool", "Store", "StoreError", "open_store"]
