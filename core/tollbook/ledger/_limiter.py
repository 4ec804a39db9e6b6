"""Limits in the ledger: what is left of them, asked and reserved by any process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tollbook.ledger import _owners
from tollbook.ledger._writer import Writer

if TYPE_CHECKING:
    from tollbook.ledger._crossed import Alert
    from tollbook.ledger._limit import Limit, Refusal, State, Want
    from tollbook.ledger._store import Store

_LONG = 10.0
"""Seconds that what nobody waits for may take."""


class _Full(Exception):  # noqa: N818 - inside only: it undoes the transaction
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Limiter:
    """The limits of one ledger. Every method raises `StoreError` if the ledger can't be used."""

    __slots__ = ("_store", "_writer")

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer

    def declare(self, limits: Iterable[Limit], *, timeout: float = _LONG) -> None:
        """Watch `limits`, all or none; one of a name that is known takes its place."""
        from tollbook.ledger import _limits

        self._store.drain(timeout=timeout)
        with self._writer.transaction(timeout) as database:
            _limits.declare(database, limits)

    def withdraw(self, name: str) -> bool:
        """Forget the limit `name`, with all that was counted; whether there was one."""
        from tollbook.ledger import _limits

        with self._writer.transaction(_LONG) as database:
            return _limits.withdraw(database, name)

    def reset(self, name: str, holder: str | None = None) -> bool:
        """Begin the limit's present window anew, for one holder or for all.

        Returns:
            Whether there is such a limit, and, if one is named, such a holder in its window.
        """
        from tollbook.ledger import _limits

        self._store.drain()
        with self._writer.transaction(_LONG) as database:
            return _limits.reset(database, name, holder, time.time_ns())

    def reserve(self, span_id: str, wants: Sequence[Want], start: int, timeout: float) -> Refusal | None:
        """Set aside what a call may come to, all or nothing; why not, if there is no room.

        Args:
            span_id: Of the call: stored with it, its span takes the reservation back.
            wants: What is needed of each limit.
            start: When the call starts, Unix nanoseconds.
            timeout: Seconds to wait for other writers.
        """
        from tollbook.ledger import _limits

        try:
            with self._writer.transaction(timeout) as database:
                refusal = _limits.reserve(database, bytes.fromhex(span_id), wants, start, _owners.this_process())
                if refusal is not None:
                    raise _Full(refusal)  # noqa: TRY301 - it undoes the transaction
        except _Full as full:
            return full.refusal
        return None

    def reserve_after_drain(self, span_id: str, wants: Sequence[Want], start: int, timeout: float) -> Refusal | None:
        """As `reserve`, when all that was recorded until now is counted, and what dead processes held is given back."""
        from tollbook.ledger import _limits

        with self._writer.transaction(timeout) as database:
            ended = _limits.ended_owners(database)
        self._store.drain(timeout=timeout)
        if ended:
            with self._writer.transaction(timeout) as database:
                _limits.release_ended(database, ended)
        return self.reserve(span_id, wants, start, timeout)

    def move(self, span_id: str, other: str, timeout: float) -> None:
        """Put what was reserved for a call under the id of another span, which will say what it took."""
        from tollbook.ledger import _limits

        with self._writer.transaction(timeout) as database:
            _limits.move(database, bytes.fromhex(span_id), bytes.fromhex(other))

    def release(self, span_id: str, timeout: float) -> None:
        """Give back what was reserved for a call that will have no span."""
        from tollbook.ledger import _limits

        with self._writer.transaction(timeout) as database:
            _limits.release(database, bytes.fromhex(span_id))

    def release_own(self, timeout: float) -> None:
        """Give back what all calls of this process reserved here."""
        from tollbook.ledger import _limits

        with self._writer.transaction(timeout) as database:
            _limits.release_ended(database, [_owners.this_process()])

    def used(self, limit: Limit, holder: str, start: int) -> tuple[int, int]:
        """What is spent and what is reserved in the window of `start` (Unix nanoseconds)."""
        from tollbook.ledger import _limit, _limits

        with self._store.reading() as database:
            if database is None:
                return 0, 0
            return _limits.used(database, limit, holder, _limit.bucket_of(limit, start))

    def limits(self) -> list[Limit]:
        """All limits that are watched, by name."""
        from tollbook.ledger import _limits

        with self._store.reading() as database:
            return [] if database is None else _limits.limits_of(database)

    def states(self, now: int | None = None) -> list[State]:
        """How much of each limit each holder has used up, in the windows of `now` (Unix nanoseconds)."""
        from tollbook.ledger import _limits

        with self._store.reading() as database:
            return [] if database is None else _limits.states(database, time.time_ns() if now is None else now)

    def alerts(self, *, undelivered: bool = False) -> list[Alert]:
        """The thresholds that were crossed, the latest first."""
        from tollbook.ledger import _crossed, _limits

        with self._store.reading() as database:
            if database is None:
                return []
            return _crossed.alerts(database, _limits.limits_of(database), undelivered=undelivered)

    def claim(self, alert: int) -> bool:
        """Take it on this process to tell of an alert, and to `confirm` it; False if another has."""
        from tollbook.ledger import _crossed

        with self._writer.transaction(_LONG) as database:
            return _crossed.claim(database, alert)

    def confirm(self, alert: int) -> None:
        """An alert has been told of. What is claimed and never confirmed is due again after ten minutes."""
        from tollbook.ledger import _crossed

        with self._writer.transaction(_LONG) as database:
            _crossed.confirm(database, alert)
