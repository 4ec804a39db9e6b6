"""The files of the spool: how one is begun, and what all of them take."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from random import getrandbits

from tollbook.ledger._locks import try_lock

SUFFIX = ".jsonl"

_CREATE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def create(directory: Path) -> tuple[int, Path]:
    """A new file for appending and its path, locked as long as it is open.

    Raises:
        OSError: It can't be made.
    """
    for _ in range(10):
        path = directory / f"{time.time_ns():016x}-{os.getpid()}-{getrandbits(32):08x}{SUFFIX}"
        fd = _away(os.open(path, _CREATE, 0o600))
        try:
            held = try_lock(fd, shared=True)
        except OSError:
            held = True  # no locks here: nobody can take it for a dead process's, either
        # Between the two a drainer may have taken it for the empty file of a dead process, and removed it.
        if held and os.fstat(fd).st_nlink:
            return fd, path
        os.close(fd)
    raise OSError("its journals are removed as soon as they are begun")


def size(directory: Path) -> int:
    """Bytes in all files of `directory`.

    Raises:
        OSError: It can't be read.
    """
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


if sys.platform == "win32":

    def _away(fd: int) -> int:
        """`fd` as a number above 2: a program without standard streams would otherwise print into the journal."""
        taken: list[int] = []
        while fd < 3:
            taken.append(fd)
            fd = os.dup(fd)
        for number in taken:
            os.close(number)
        return fd

else:
    import fcntl

    _FAR = 512, 128, 3
    """The least number of a journal: the first that this process may have. The system's table of descriptors is as
    long as the highest one, so it is not the limit itself, which may be a million."""

    def _away(fd: int) -> int:
        """`fd` as a number far from those that the system gives to files.

        It gives the lowest one that is free. A host that closes all descriptors and opens files of its own must not
        get the number of a journal, into which records are written without a look; nor must a program without standard
        streams print into it.
        """
        for least in _FAR:
            try:
                moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least)
            except OSError:  # above the limit, or none is free
                if least == 3 and fd < 3:
                    os.close(fd)
                    raise
                continue
            os.close(fd)
            return moved
        return fd
