"""The running system of one process: its ledger, and what goes into it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tollbook import _guard
from tollbook.spans import _sink

if TYPE_CHECKING:
    from pathlib import Path

    from tollbook.ledger import Ledger, Store
    from tollbook.pricing import Card
    from tollbook.spans import Record, Trace

_lock = threading.Lock()
_ledger: Ledger | None = None
_url: str | None = None


def start(store: str | Path | None = None) -> Ledger:
    """The ledger of this process, opened at first use.

    Args:
        store: Path or URL of the store; None keeps the one that is open, or else takes `TOLLBOOK_STORE`, or the
            user's data directory. A new store closes the one before, whose records stay where they are.
    """
    global _ledger, _url
    url = None if store is None else str(store)
    with _lock:
        if _ledger is not None and url not in (None, _url):
            _ledger.close()
            _ledger = None
        if _ledger is None:
            from tollbook import pricing
            from tollbook.ledger import Ledger

            _ledger, _url = Ledger(url), url
            _sink.sink = _write
            if _write_card not in pricing.on_new_card:
                pricing.on_new_card.append(_write_card)
            for card in pricing.cards():
                _write_card(card)  # those that this process uses already
        return _ledger


def stop() -> None:
    """Close the ledger of this process; what was recorded stays, and the next record opens one again."""
    global _ledger, _url
    with _lock:
        if _ledger is not None:
            _ledger.close()
        _ledger = _url = None
        _sink.sink = _sink.first
        _sink.last_trace_id = None


def _write(record: Record) -> None:
    ledger = _ledger
    if ledger is not None:
        try:
            ledger.append(record)
        except Exception:  # noqa: BLE001 - the guard: a ledger that fails is not the host's concern
            _guard.report("tollbook.ledger.append")


@_guard.guarded
def _write_card(card: Card) -> None:
    if _ledger is not None:
        _ledger.append_card(card)


def store() -> Store:
    """The store of this process, with everything in it that has been recorded so far, by any process."""
    ledger = start()
    ledger.store.drain()
    return ledger.store


def flush(timeout: float = 10.0) -> bool:
    """Bring all finished records into the store.

    Nothing is lost without it: a record is on disk when its call returns. It makes them visible to other readers now.

    Args:
        timeout: Seconds to wait at most.

    Returns:
        Whether everything arrived in time.
    """
    return start().flush(timeout)


def get_last_active_trace_id() -> str | None:
    """The id of the trace that this process recorded last, else of the last in the store; None if there is none."""
    return _sink.last_trace_id or store().last_trace_id()


def get_trace(trace_id: str | None) -> Trace | None:
    """The trace with this id, with all spans that have ended; None if there is none.

    Args:
        trace_id: 32 hex digits.

    Raises:
        StoreError: The ledger can't be read.
    """
    from tollbook.spans import Trace

    if trace_id is None:
        return None
    records = store().trace(trace_id)
    return Trace(records) if records else None
