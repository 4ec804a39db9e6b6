"""Calls that two layers saw without knowing of each other, since the context was lost between them: joined by id.

An id joins one call that an SDK made with one model call of a framework, and is then used up: two calls of an SDK with
the same id are two calls. What has no counterpart is forgotten after some thousands of others.
"""

from __future__ import annotations

from tollbook.spans._record import Record

on = False
"""Whether a framework has been seen, so that ids must be kept."""

MOST = 4096
"""Ids that are kept of each layer."""

_metered: dict[str, int] = {}
_booked: dict[str, int] = {}


def call_ended(record: Record) -> None:
    """An SDK's call has ended, which no framework's model call knows of; it does not bill if one of these did."""
    if record.response_id is not None and not _meets(_booked, _metered, record.response_id):
        return
    record.bills = False
    record.flags += ("booked_by_framework",)


def run_ended(response_id: str) -> bool:
    """Whether the answer that a framework's model call got was metered as an SDK's call, elsewhere."""
    return _meets(_metered, _booked, response_id)


def _meets(other: dict[str, int], own: dict[str, int], response_id: str) -> bool:
    """Use up one of `other` with this id; if there is none, keep it in `own`."""
    waiting = other.pop(response_id, 0)
    if waiting > 1:
        other[response_id] = waiting - 1
    if waiting:
        return True
    own[response_id] = own.pop(response_id, 0) + 1
    while len(own) > MOST:
        try:
            del own[next(iter(own))]
        except (KeyError, RuntimeError, StopIteration):  # another thread was faster
            return False
    return False


def forget() -> None:
    """Forget all ids."""
    _metered.clear()
    _booked.clear()
