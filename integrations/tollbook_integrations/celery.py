"""Celery: a task is booked to what it was sent in, and continues its trace.

    from tollbook_integrations import celery as tollbook_celery
    tollbook_celery.instrument()

In the programs that send tasks, and in the workers.
"""

from __future__ import annotations

import importlib
from contextvars import Token
from typing import Any

from tollbook import _guard, child_environment, current_attribution
from tollbook.spans import Carried, Remote, _attribution, current, restore
from tollbook.spans._context import ENVIRONMENT, new_trace_id

HEADER = "tollbook_context"
"""The header of a message, in the form of `TOLLBOOK_CONTEXT`. A name of our own: other tracers use W3C's here."""

_NAME = "tollbook"
_running: dict[str, list[Token[Any]]] = {}
"""What was set for each task that runs here, by its id."""
_by_name = True


class Task(Remote):
    """A task that runs, lent to by its name."""

    __slots__ = ("_lent",)

    def __init__(self, trace_id: str, span_id: str | None, lent: dict[str, str] | None) -> None:
        super().__init__(trace_id, span_id)
        self._lent = lent

    @property
    def lent(self) -> dict[str, str] | None:
        """The task's name as the feature, where nothing else says one."""
        return self._lent


def instrument(*, feature: str | None = "task") -> None:
    """Carry attribution and traces with tasks, from here on; again and again without harm.

    The calls of a task are one trace, that of the sender if one is open there.

    Args:
        feature: `task`: where nothing else says a feature, it is the task's name. None: it stays unattributed.

    Raises:
        ImportError: Celery is not installed.
    """
    global _by_name
    signals = _signals()
    _by_name = feature == "task"
    signals.before_task_publish.connect(_send, weak=False, dispatch_uid=_NAME)
    signals.task_prerun.connect(_begin, weak=False, dispatch_uid=_NAME)
    signals.task_postrun.connect(_end, weak=False, dispatch_uid=_NAME)


def uninstrument() -> None:
    """Carry nothing any more."""
    signals = _signals()
    signals.before_task_publish.disconnect(_send, dispatch_uid=_NAME)
    signals.task_prerun.disconnect(_begin, dispatch_uid=_NAME)
    signals.task_postrun.disconnect(_end, dispatch_uid=_NAME)


def _signals() -> Any:
    return importlib.import_module("celery.signals")  # by name, since Celery has no types


@_guard.guarded
def _send(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        headers[HEADER] = child_environment()[ENVIRONMENT]


@_guard.guarded
def _begin(task_id: Any = None, task: Any = None, **_: Any) -> None:
    sent = getattr(task.request, HEADER, None)
    if sent is None and (current.get() is not None or current_attribution()):
        return  # it is called as a function: it goes on with what holds here
    carried = Carried.of_environment({ENVIRONMENT: sent if isinstance(sent, str) else ""})
    remote = carried.remote
    lent = {"feature": str(task.name)[: _attribution.LONGEST_VALUE]} if _by_name else None
    inside = Task(new_trace_id(), None, lent) if remote is None else Task(remote.trace_id, remote.span_id, lent)
    held = carried.over(_attribution.held()) or {}
    _running[str(task_id)] = [_attribution.here.set(held), current.set(inside)]


@_guard.guarded
def _end(task_id: Any = None, **_: Any) -> None:
    for token in reversed(_running.pop(str(task_id), [])):
        restore(token)
