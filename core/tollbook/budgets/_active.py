"""Which budgets hold in this process: those of its ledger, whoever set them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tollbook import _guard
from tollbook._paths import marker
from tollbook.budgets import _alerts
from tollbook.budgets._budget import Budget, restored, stored
from tollbook.budgets._keeper import PATIENCE, keeper
from tollbook.ledger import Ledger, Limit, Store, StoreError
from tollbook.spans import _gate

log = logging.getLogger("tollbook")

_lock = threading.Lock()
_callbacks: dict[str, Callable[[Any], object]] = {}
_known: dict[str, Budget] = {}
_obeyed: Ledger | None = None
"""The ledger whose budgets hold here."""
_seen: float | None = None
"""When its marker was changed before its budgets were read; None: it has none."""
_NEVER = -1.0
"""They were not read yet, or not since it is known that they have changed."""
_CLOSED = "closed"
"""What the marker of a ledger says that has a budget which stops calls while the ledger can't be asked."""
_UNREAD = Budget(limit=Limit(name="of the ledger", unit="calls", most=0), action="stop")
"""In place of budgets that can't be read yet: it has no room, so that each call asks for them again."""


def declare(ledger: Ledger, budgets: Iterable[Budget]) -> None:
    """Make `budgets` hold for all programs that use this ledger, all or none of them.

    Raises:
        StoreError: The ledger can't be written to.
    """
    listed = list(budgets)
    ledger.store.limits.declare([stored(budget) for budget in listed])
    with _lock:
        for budget in listed:
            if budget.callback is not None:
                _callbacks[budget.name] = budget.callback
            else:
                _callbacks.pop(budget.name, None)
    touch(ledger.store)
    refresh(ledger)
    _guard.guarded(_alerts.deliver)(ledger.store, _known)  # of what was spent before


def withdraw(ledger: Ledger, name: str) -> bool:
    """Make the budget `name` hold no more; whether there was one.

    Raises:
        StoreError: The ledger can't be written to.
    """
    found = ledger.store.limits.withdraw(name)
    touch(ledger.store)
    refresh(ledger)
    return found


def touch(store: Store) -> None:
    """Tell the programs that are running that the budgets of this ledger have changed."""
    path = marker(store.path)
    if not store.limits.limits():
        path.unlink(missing_ok=True)
        if not store.limits.limits():
            return
        # Another program has set one in between, and its sign may be what was just removed.
    path.touch(mode=0o600)
    closed = any(budget.asks and budget.on_unreachable == "stop" for budget in map(restored, store.limits.limits()))
    path.write_text(_CLOSED if closed else "", encoding="ascii")
    os.utime(path)


def obey(ledger: Ledger) -> None:
    """As `refresh`, when a program begins or takes another ledger: what is wrong is told, and tried again."""
    try:
        ledger.store.drain(names=(), timeout=PATIENCE)  # to upgrade what an older version wrote
    except StoreError as error:
        log.warning("tollbook can't upgrade its ledger, if that is needed: %s", error)
    try:
        refresh(ledger)
    except StoreError as error:
        log.warning("tollbook can't read the budgets of its ledger, and tries it again: %s", error)
        return
    if not _known:
        log.warning("tollbook: the ledger %s has lost its budgets: they must be set again", ledger.store.path)


def refresh(ledger: Ledger, *, only_if_obeyed: bool = False) -> None:
    """Obey the budgets of the ledger from now on; the gate is shut only while there are some that ask.

    Args:
        ledger: Whose budgets.
        only_if_obeyed: Do nothing if it is not the one that is obeyed already: it was left meanwhile.

    Raises:
        StoreError: The ledger can't be read.
    """
    global _obeyed, _seen
    path = marker(ledger.store.path)
    with _lock:
        if only_if_obeyed and _obeyed is not ledger:
            return
        new = _obeyed is not ledger
        _obeyed = ledger
        keeper.ledger = lambda: ledger
        keeper.renew = partial(_renew, ledger)
        if _after_drain not in ledger.after_drain:
            ledger.after_drain.append(_after_drain)
        seen, _seen = _changed(path), _NEVER
        if new:  # until they are read
            _known.clear()
            keeper.budgets = (_UNREAD,) if _is_closed(path) else ()
            if keeper.budgets:
                _gate.gate = keeper
        limits = ledger.store.limits.limits()
        _seen = seen
        _known.clear()
        for limit in limits:
            budget = restored(limit)
            if (callback := _callbacks.get(budget.name)) is not None:
                import msgspec

                budget = msgspec.structs.replace(budget, callback=callback)
            _known[budget.name] = budget
        keeper.budgets = tuple(budget for budget in _known.values() if budget.asks)
        if keeper.budgets:
            _gate.gate = keeper


def budgets() -> dict[str, Budget]:
    """The budgets that hold in this process, by name."""
    return dict(_known)


def forget() -> None:
    """Another ledger is in use, or none."""
    global _obeyed, _seen
    with _lock:
        _obeyed = None
        keeper.budgets = ()
        keeper.ledger = keeper.renew = None
        _known.clear()
        _seen = None
        if _gate.gate is keeper and not keeper.used:
            _gate.gate = None


def part_from(ledger: Ledger) -> None:
    """The ledger is closed: calls under way are recorded elsewhere, and what they reserved in it is given back."""
    reserves = bool(keeper.budgets) and _obeyed is ledger
    forget()
    if reserves:
        try:
            ledger.store.limits.release_own(PATIENCE)
        except StoreError:
            _guard.report("tollbook.budgets.part_from")  # it is given back when the process ends
        ledger.store.close()


def leave_ledger() -> bool:
    """As `forget`; whether a ledger's budgets were obeyed."""
    obeyed = keeper.ledger is not None
    forget()
    return obeyed


def _renew(ledger: Ledger, only_look: bool) -> bool:
    """Whether the budgets of the ledger have changed; then they are obeyed as they are now, unless `only_look`."""
    if _obeyed is not ledger or _changed(marker(ledger.store.path)) == _seen:
        return False
    if not only_look:
        try:
            refresh(ledger, only_if_obeyed=True)
        except StoreError:
            return False
    return True


def _after_drain(ledger: Ledger) -> None:
    """Called in the thread that drains: tell of what was crossed, and see what has changed."""
    if _obeyed is not ledger:
        return
    _renew(ledger, only_look=False)
    _guard.guarded(_alerts.deliver)(ledger.store, budgets())


def _is_closed(path: Path) -> bool:
    """Whether calls are to be stopped while the budgets of the ledger can't be read, which may be what to do then."""
    try:
        return path.read_text(encoding="ascii") == _CLOSED
    except (OSError, ValueError):
        return False


def _changed(path: Path) -> float | None:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 - a plain call
    except OSError:
        return None
