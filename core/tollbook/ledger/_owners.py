"""Which process a reservation belongs to, and whether that process still lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def owner() -> str:
    """This process, so that others can tell when it has ended: its space of process ids, its id, and its start."""
    return f"{_space()}|{os.getpid()}|{_start(os.getpid()) or ''}"


_known: tuple[int, str] = (0, "")


def this_process() -> str:
    """As `owner`, which is looked up once."""
    global _known
    pid = os.getpid()
    if _known[0] != pid:
        _known = (pid, owner())
    return _known[1]


def has_ended(name: str) -> bool:
    """Whether the process that `owner` named so has surely ended; False if that can't be told from here."""
    space, _, rest = name.partition("|")
    number, _, start = rest.partition("|")
    if space != _space() or not number.isdigit():
        return False
    pid = int(number)
    if sys.platform == "linux":
        found = _start(pid)
        return found is None or found != start  # the number may be another process's by now
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def can_tell(name: str) -> bool:
    """Whether it can be told from here if the process that `owner` named so has ended."""
    space, _, rest = name.partition("|")
    return space == _space() and not rest.endswith("|")  # without its start, the number may be another process's by now


def _space() -> str:
    """Where process ids mean the same: in containers that share a ledger they do not."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename if hasattr(os, "uname") else "here"
    return f"{boot}/{namespace}"


def _start(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; None if there is none (or none that can be seen)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything; the state that follows tells a dead child.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
