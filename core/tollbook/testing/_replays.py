"""Which calls a cassette of vcrpy answered: those during which it played an answer."""

from __future__ import annotations

from collections import deque
from time import time_ns
from types import ModuleType
from typing import Any

import wrapt

from tollbook import _patch
from tollbook.spans import Record

FLAG = "replayed"
"""Among the flags of a call that a cassette answered."""

_played: deque[int] = deque(maxlen=10_000)
"""When, in Unix nanoseconds."""
_watching = False


def watch() -> None:
    """Look at vcrpy's cassettes from now on, also if it is imported later; imports nothing."""
    global _watching
    if not _watching:
        _watching = True
        _patch.when_imported("vcr.cassette", _patch_cassettes)


def mark(record: Record) -> None:
    """Flag the record's call if a cassette answered it; called when the call has just ended."""
    end = record.start + record.duration
    if any(record.start <= moment <= end for moment in tuple(_played)):
        record.flags += (FLAG,)


def _patch_cassettes(module: ModuleType) -> None:
    wrapt.wrap_function_wrapper(module, "Cassette.play_response", _play)


def _play(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
    answer = wrapped(*args, **kwargs)
    _played.append(time_ns())
    return answer
