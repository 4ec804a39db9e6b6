"""Advice: where money can be saved, from what is recorded, with the arithmetic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tollbook.ledger._scan import Progress, Scan
from tollbook.reports._advice import Advice, Step, said, usd
from tollbook.reports._caching import Caching
from tollbook.reports._growth import GrowingContext
from tollbook.reports._report import checked_where, period
from tollbook.reports._signals import CheaperModel, CutOutput, FailedCalls, RepeatedPrefix, UncachedInput
from tollbook.spans import Cards

if TYPE_CHECKING:
    from tollbook.ledger import Store
    from tollbook.ledger._dimensions import Where


_GUESS = (
    "that calls of other features, agents, organizations and keys read something else, and that a lifetime that is not "
    "stated is an hour"
)


def advise(
    store: Store,
    *,
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    where: Where | None = None,
    cheaper: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Advice]:
    """Where money can be saved, what saves most first; arguments and errors as for `tollbook.advise`."""
    checked_where(where or {})
    _, first, last = period(since, until, timezone)
    card = Cards(store)
    signals = (CheaperModel(card, cheaper), CutOutput(), FailedCalls(), UncachedInput(card), RepeatedPrefix())
    caching = Caching(store)
    scan = Scan(store, ("provider", "model"), since=first, until=last, where=where, others=True, progress=progress)
    for seen in scan:
        caching.see(seen.key, seen.record)
        if seen.key is not None:
            for signal in signals:
                signal.see(seen.record)
    now = time.time_ns()
    caching.finish(now if last is None else min(now, last))
    growth = GrowingContext()
    for spans in scan.runs():
        growth.see(spans)
    found = [*(each for signal in signals for each in signal.advice()), *growth.advice(), *_unread(caching)]
    return sorted(found, key=_rank)


def _rank(advice: Advice) -> tuple[Decimal, Decimal, int, str, str]:
    """What saves most first, then what cost most."""
    saving, cost = (-(amount or Decimal(0)) for amount in (advice.saving, advice.cost))
    return saving, cost, -advice.calls, advice.signal, advice.text


def _unread(caching: Caching) -> Iterator[Advice]:
    for (provider, model), row in caching.rows.items():
        lost = row.lost_known + row.lost_guessed
        if not lost:
            continue
        yield Advice(
            signal="unread_writes",
            about={"provider": provider, "model": model},
            text=f"{model} wrote to caches what nobody read while it lived",
            arithmetic=(
                Step("tokens written to caches", f"{row.tokens_written:,}"),
                Step("what these cost more than uncached", said(row.extra)),
                Step("of that, lost: no call of the model in this ledger read from a cache then", said(row.lost_known)),
                Step("lost, if what others read was something else", said(row.lost_guessed)),
                Step("what reads saved, beside it", said(row.saved)),
            ),
            basis="guessed" if row.lost_guessed else "known",
            guess=_GUESS if row.lost_guessed else "",
            calls=row.calls,
            cost=usd(row.extra),
            saving=usd(lost),
        )
