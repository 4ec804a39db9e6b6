"""What can't be done where it turns up, and is done as soon as that is over.

The garbage collector runs anywhere, also in the midst of the import of a module that ending a call needs, and would
find that module half done.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

loading = False
"""Whether the runtime loads in the background what most of it needs; set by it."""

_waiting: deque[Callable[[], object]] = deque()


def later(action: Callable[[], object]) -> None:
    """Do `action` now; or after the import that this thread is in, and when the runtime is loaded.

    Then that is at the end of the loading, at the next drain, or at the program's end.
    """
    _waiting.append(action)
    catch_up()


def catch_up() -> None:
    """Do what is waiting, if it can be done here and now."""
    while _waiting and not loading and not _importing():
        try:
            action = _waiting.popleft()
        except IndexError:  # another thread was faster
            return
        action()


def forget() -> None:
    """In a forked child: what is waiting is the parent's to do."""
    global loading
    loading = False
    _waiting.clear()


def _importing() -> bool:
    """Whether an import is under way in this thread."""
    frame: FrameType | None = sys._getframe()  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
