"""Models of LangChain that complete text, asked asynchronously: LangChain begins their runs in tasks of their own.

What is made current there is not so where the model is asked, and a call of an SDK would not know of its run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tollbook import _guard, _patch
from tollbook.spans import Run, current

METHOD = "_agenerate_helper"
"""Where such a model is asked, with the managers of the runs that have begun for it."""


def install(base: type) -> None:
    """Make its run current where a model of class `base` is asked."""
    if hasattr(base, METHOD):
        _patch.wrap(base, METHOD, _asked)


@_guard.guarded
def _run_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run | None:
    """The run of the first prompt, which shares the paid calls with those of all others."""
    from tollbook_integrations._langchain_handler import runs  # which imports this one, to install it

    managers = kwargs["run_managers"] if "run_managers" in kwargs else args[2]
    first, *others = (runs.get(manager.run_id.int) for manager in managers)
    if first is not None:
        for other in others:
            if other is not None:
                other.share(first)
    return first


async def _asked(wrapped: Callable[..., Awaitable[Any]], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run = _run_of(args, kwargs)
    if run is None:
        return await wrapped(*args, **kwargs)
    token = current.set(run)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        current.reset(token)
