"""The line of `tollbook statusline`. It knows nothing of click, which takes longer to load than all of this."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.ledger._glance import Spent


def status(store: str | None) -> str:
    """Today, this month, and the last session if calls are booked to one, else the last trace. Never fails."""
    from tollbook._paths import store_path
    from tollbook.ledger._errors import StoreError
    from tollbook.ledger._glance import glance
    from tollbook.ledger._periods import window_of

    try:
        with glance(store_path(store)) as ledger:
            last = None if ledger is None else ledger.last()
            if ledger is None or last is None:
                return "tollbook: no calls yet"
            trace, session = last
            now = time.time_ns()
            parts = {unit: ledger.since(window_of(unit, now)[0]) for unit in ("day", "month")}
            newest = ledger.trace(trace) if session is None else ledger.session(session)
    except (StoreError, ValueError):
        return "tollbook: no ledger that can be read"
    name = "last trace" if session is None else "session"
    return f"today {_shown(parts['day'])} | month {_shown(parts['month'])} | {name} {_shown(newest)}"


def _shown(spent: Spent) -> str:
    from tollbook._money import show, to_usd

    if spent.cost is None:
        return show(None) if spent.missing else "?"
    return f"{show(to_usd(spent.cost))}{'+' if spent.missing else ''}"
