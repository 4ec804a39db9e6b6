"""The call whose `request` runs here: what ties an HTTP response to it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tollbook.spans import Call

pending: ContextVar[Call | None] = ContextVar("tollbook_pending", default=None)
"""Until an HTTP response claims it."""


@contextmanager
def apart() -> Generator[None]:
    """A request that is not paid for, made inside one that is (a token, a list), must not be taken for its answer."""
    token = pending.set(None)
    try:
        yield
    finally:
        reset(token)


def reset(token: Any) -> None:
    try:
        pending.reset(token)
    except ValueError:
        return  # a coroutine that was closed in another context than that of its start
