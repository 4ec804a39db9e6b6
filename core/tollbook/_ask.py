"""What is asked of the ledger of this process: reports of all that was recorded so far, by any process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Literal

    from tollbook.ledger._costs import Per
    from tollbook.ledger._dimensions import Where
    from tollbook.reports import Advice, Forecast, Report, UnusualDay, WhatIf
    from tollbook.reports._period import Comparison
    from tollbook.reports._whatif import Tier


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


def forecast(
    period: Literal["day", "week", "month"] = "month", *, timezone: str | None = None, where: Where | None = None
) -> Forecast:
    """What this day, week or month will have cost by its end: what is known, a projection, and an interval around it.

    A projection needs 14 whole days of records; without them `forecast().enough` is False and says so in `method`.

    Args:
        period: Which end is meant.
        timezone: Of which place: as for `report`.
        where: As for `report`.

    Raises:
        ValueError: No such period, time zone or dimension.
        StoreError: The ledger can't be read.
    """
    from tollbook import _runtime
    from tollbook.reports import forecast as make

    return make(_runtime.store(), period=period, timezone=timezone, where=where)


def unusual(
    days: int = 30,
    *,
    by: Iterable[str] = ("model", "feature", "user"),
    timezone: str | None = None,
    where: Where | None = None,
) -> list[UnusualDay]:
    """Days that cost much more or less than their weekday used to, the latest first, each with what moved.

    Args:
        days: How many whole days before today are judged.
        by: The dimensions in which to look for what moved.
        timezone: As for `report`.
        where: As for `report`.

    Raises:
        ValueError: No such time zone or dimension.
        StoreError: The ledger can't be read.
    """
    from tollbook import _runtime
    from tollbook.reports import unusual as find

    return find(_runtime.store(), days=days, by=by, timezone=timezone, where=where)


def what_if(
    *,
    model: Mapping[str, str] | None = None,
    tier: Tier | None = None,
    cache: bool = True,
    since: str | int | None = None,
    until: str | int | None = None,
    timezone: str | None = None,
    where: Where | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WhatIf:
    """What the recorded usage would have cost with something changed, call by call, at the prices of then.

    Args:
        model: Models to others: `{"gpt-4o": "gpt-4o-mini"}`; `*` is every model.
        tier: All calls as served in this tier: `standard`, `batch`, `flex` or `priority`.
        cache: False: as if nothing had been read from a cache or written to one.
        since: As for `report`.
        until: As for `report`.
        timezone: As for `report`.
        where: As for `report`.
        progress: Told now and then how many calls were read, and of how many.

    Raises:
        ValueError: Nothing is changed, or there is no such tier, moment, zone or dimension.
        StoreError: The ledger can't be read.
    """
    from tollbook import _runtime
    from tollbook.reports import what_if as run

    return run(
        _runtime.store(),
        model=model,
        tier=tier,
        cache=cache,
        since=since,
        until=until,
        timezone=timezone,
        where=where,
        progress=progress,
    )


def advise(
    since: str | int | None = None,
    until: str | int | None = None,
    *,
    timezone: str | None = None,
    where: Where | None = None,
    cheaper: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Advice]:
    """Where money can be saved, from what is recorded: each with its arithmetic, what could save most first.

    Args:
        since: Nanoseconds of Unix time, or a moment as people write it: `2026-11-01`, `7d`, `today`, `month`.
        until: As `since`; that moment is excluded.
        timezone: Of the days: an IANA name, `utc`, or `local` (the default).
        where: Only calls of which this holds, by dimension: `{"feature": "search"}`.
        cheaper: Model to the one that you might use in its place (`{"gpt-4o": "gpt-4.1-mini"}`): `provider/model`, or
            the same provider's, or its maker's. For others, smaller models of the same family are looked at.
        progress: Called now and then with how far it is, and how far it has to go.

    Raises:
        ValueError: No such moment, time zone or dimension, or a model in `cheaper` that several providers sell.
        StoreError: The ledger can't be read.
    """
    from tollbook import _runtime
    from tollbook.reports import advise as run

    return run(
        _runtime.store(), since=since, until=until, timezone=timezone, where=where, cheaper=cheaper, progress=progress
    )
