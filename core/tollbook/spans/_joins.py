"""Calls that two layers saw without knowing of each other, since the context was lost between them: joined by id.

A call that an SDK made and a model call of a framework are the same if they have the same response id, and the one
began while the other was open. Each is joined once: two calls of an SDK with the same id are two calls. What has no
counterpart is forgotten after some thousands of others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tollbook.spans._record import Record

if TYPE_CHECKING:
    from tollbook.spans._call import Call

on = False
"""Whether a framework has been seen, so that ids must be kept."""

readers: list[Callable[[Call], object]] = []
"""Each is told of a call that ends here, and that no framework's model call knows of; it may take the call in."""

MOST, MOST_OF_ONE = 4096, 16
"""Ids that are kept of each layer, and calls of one id."""

Times = tuple[int, int]
"""When a call began and ended, in Unix nanoseconds."""

_metered: dict[str, list[Times]] = {}
_booked: dict[str, list[Times]] = {}


def call_ended(record: Record) -> None:
    """An SDK's call has ended, which no framework's model call knows of; it does not bill if one of these did."""
    response_id = record.response_id
    if response_id is None:
        return
    began = record.start
    for each in _booked.get(response_id, ()):
        if each[0] <= began <= each[1] and _used_up(_booked, response_id, each):
            record.bills = False
            record.flags += ("booked_by_framework",)
            return
    _keep(_metered, response_id, (began, began + record.duration))


def run_ended(response_id: str, began: int, ended: int) -> bool:
    """Whether the answer that a framework's model call got was metered as an SDK's call, elsewhere."""
    for each in _metered.get(response_id, ()):
        if began <= each[0] <= ended and _used_up(_metered, response_id, each):
            return True
    _keep(_booked, response_id, (began, ended))
    return False


def _used_up(table: dict[str, list[Times]], response_id: str, each: Times) -> bool:
    """Take one call out of a table; False if another thread was faster."""
    try:
        table[response_id].remove(each)
    except (KeyError, ValueError):
        return False
    return True


def _keep(table: dict[str, list[Times]], response_id: str, times: Times) -> None:
    kept = table.setdefault(response_id, [])
    kept.append(times)
    del kept[:-MOST_OF_ONE]
    while len(table) > MOST:
        try:
            del table[next(iter(table))]
        except (KeyError, RuntimeError, StopIteration):  # another thread was faster
            return


def forget() -> None:
    """Forget all ids."""
    _metered.clear()
    _booked.clear()
