"""Repricing, asked for as people do: with moments in words, and names of models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from tollbook.ledger._reprice import reprice as run
from tollbook.ledger._repriced import Repricing, Selection
from tollbook.reports._period import moment, zone

if TYPE_CHECKING:
    from tollbook.ledger import Store

_DAY = 86_400_000_000_000


def reprice(
    store: Store,
    *,
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    model: str | Iterable[str] = (),
    provider: str | Iterable[str] = (),
    only_unpriced: bool = False,
    at: Literal["calls", "today"] = "calls",
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Repricing:
    """Price calls in `store` anew; arguments and errors as for `tollbook.reprice`.

    Args:
        store: The ledger.
        since: As for `report`.
        until: As for `report`.
        timezone: As for `report`.
        model: As answered or as asked for; several, or none for all.
        provider: As recorded; several, or none for all.
        only_unpriced: Only calls of which something has no known price.
        at: `calls` or `today`: which day's prices.
        dry_run: Only look.
        progress: Called now and then with how many spans were looked at, and how many there are to look at.
    """
    if at not in ("calls", "today"):
        raise ValueError(f"prices are those of calls or today, not {at!r}")
    where = zone(None if timezone is None or timezone.lower() == "local" else timezone)
    first, last = (moment(x, where) if isinstance(x, str) else x for x in (since, until))
    if first is not None and last is not None and first >= last:
        raise ValueError(f"the period ends before it begins: since {since}, until {until}")
    selection = Selection(
        since=first,
        until=last,
        models=_names(model),
        providers=_names(provider),
        only_unpriced=only_unpriced,
        day=time.time_ns() // _DAY if at == "today" else None,
    )
    return run(store, selection, dry_run=dry_run, progress=progress)


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(sorted(set(given)))
