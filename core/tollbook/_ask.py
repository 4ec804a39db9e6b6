"""What is asked of the ledger of this process: reports of all that was recorded so far, by any process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tollbook.ledger._costs import Per
    from tollbook.ledger._dimensions import Where
    from tollbook.reports import Report
    from tollbook.reports._period import Comparison


def report(
    by: str | Iterable[str] = ("provider", "model"),
    *,
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    top: int | None = None,
    where: Where | None = None,
    compare: Comparison | None = None,
    stats: Per | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """What was spent, group by group; rows are sums to the last digit.

    Args:
        by: What to group by: `provider`, `model`, `feature`, `user`, `tag.NAME`, ..., and one of `hour`, `day`, `week`
            and `month`; one name or several. `tollbook report --help` lists them.
        since: Nanoseconds of Unix time, or a moment as people write it: `2026-11-01`, `7d`, `today`, `month`.
        until: As `since`; that moment is excluded.
        timezone: An IANA name, `utc`, or `local` (the default): what days are meant.
        top: Only so many rows, the most expensive ones, and one of all others.
        where: What must hold for a call, by dimension: a value, or several of which one must hold. None: not known.
        compare: Each row's change against the time of equal length just before (`previous`), or against the same
            time a `day`, a `week`, a `month` or a `year` earlier.
        stats: Also mean, median and 95th percentile of what one `call`, `trace`, `run` (of an agent) or `session`
            costs. Every call is read for it.
        progress: Told now and then how many calls were read for `stats`, and of how many.

    Raises:
        ValueError: No such dimension, moment, time zone or comparison; the message lists those there are.
        StoreError: The ledger can't be read.
    """
    from tollbook import _runtime
    from tollbook.reports import report as make

    names = [by] if isinstance(by, str) else by
    return make(
        _runtime.store(),
        by=names,
        since=since,
        until=until,
        timezone=timezone,
        top=top,
        where=where,
        compare=compare,
        stats=stats,
        progress=progress,
    )
