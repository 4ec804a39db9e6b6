"""The error boundary: our code may fail, the host's call may not.

Every entry from a host library into Tollbook passes through here. An `Exception` inside it is counted,
logged once per place, and dropped; what is no `Exception` (cancellation, exit) passes untouched. This is
the only module that catches everything.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("tollbook")

failures: dict[str, int] = {}
"""How often each place failed since the process began; `tollbook doctor` shows it."""

reraise = False
"""Tests set it, so that an error that production swallows can never make a test pass."""


def report(where: str) -> None:
    """Count and log the exception being handled: a warning the first time per place, then debug.

    Only the exception's type and the place are logged above debug level, since a message may quote content.

    Args:
        where: The place, as a short name that a reader of the log can act on.

    Raises:
        Exception: The one being handled, if `reraise` is set.
    """
    if reraise:
        raise  # noqa: PLE0704 - called while an exception is being handled
    first = where not in failures
    failures[where] = failures.get(where, 0) + 1
    if first:
        log.warning("tollbook could not do its part in %s; the program itself is unaffected", where)
    log.debug("tollbook failed in %s", where, exc_info=True)  # noqa: LOG014 - as above


def contained(function: Callable[P, object]) -> Callable[P, None]:
    """`function`, in a thread of ours: what would end the thread (`sys.exit`, a test's `fail`) is reported, too."""
    where = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except BaseException:  # noqa: BLE001 - nobody is above us in this thread
            report(where)

    return inside


def guarded(function: Callable[P, T]) -> Callable[P, T | None]:
    """`function`, with any `Exception` in it reported and turned into None."""
    named = getattr(function, "func", function)  # a partial has no name of its own
    where = f"{named.__module__}.{getattr(named, '__qualname__', type(named).__name__)}"

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return function(*args, **kwargs)
        except Exception:  # noqa: BLE001 - this is the boundary, the guard
            report(where)
            return None

    return inside
