"""Where a framework is at work on a run, as its frames tell: it does not say all of it itself.

A framework says when a run begins and ends. It does not say that a stream waits for its reader, who may do something
else meanwhile, in the same context; and not always that a call was cancelled. Both are seen from whether the function
of the framework that the run was begun in is running.
"""

from __future__ import annotations

import weakref
from asyncio import Future, Task, current_task
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR, currentframe
from threading import get_ident
from types import FrameType
from typing import Any

_WAITS = CO_GENERATOR | CO_ASYNC_GENERATOR


class Work:
    """The function of a framework that is at work on a run."""

    __slots__ = ("_code", "_frame", "_task", "_thread", "_watch", "_whole")

    def __init__(self, frame: FrameType, *, whole: bool) -> None:
        """Note where the work is done, and in which task or thread.

        Args:
            frame: Of the function. It is not kept, since it would keep alive all that the function knows.
            whole: Whether the function returns when the run has ended, and not before, as a generator does.
        """
        self._frame, self._code = id(frame), frame.f_code
        task = _task()
        self._task = None if task is None else weakref.ref(task)
        self._thread = get_ident()
        self._watch: Callable[[Future[Any]], object] | None = None
        self._whole = whole

    def here(self) -> bool:
        """Whether what asks was called by it, so that what begins now is its own doing."""
        wanted, code = self._frame, self._code
        frame: FrameType | None = currentframe()
        while frame is not None:
            if id(frame) == wanted and frame.f_code is code:
                return True
            frame = frame.f_back
        return False

    def away(self) -> bool:
        """Whether it waits or has returned, which is certain where its own task or thread does something else."""
        if not (self._whole or self._code.co_flags & _WAITS):
            return False
        task = _task()
        if self._task is None:
            return task is None and self._thread == get_ident() and not self.here()
        return task is not None and task is self._task() and not self.here()

    def over(self) -> bool:
        """Whether it has returned, as far as can be told from here; of a task only, since nothing cancels a thread."""
        if not self._whole or self._task is None:
            return False
        task = self._task()
        return task is None or task.done() or self.away()

    def watch(self, returned: Callable[[], object]) -> None:
        """Call `returned` when the task that it is in has ended, unless it is left alone before."""
        task = None if self._task is None else self._task()
        if task is not None and self._whole:
            self._watch = lambda _: returned()
            task.add_done_callback(self._watch)

    def leave(self) -> None:
        """Watch it no more."""
        task = None if self._task is None else self._task()
        if task is not None and self._watch is not None:
            task.remove_done_callback(self._watch)
        self._watch = None


def _task() -> Task[Any] | None:
    try:
        return current_task()
    except RuntimeError:  # no loop runs here
        return None
