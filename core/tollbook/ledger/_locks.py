"""Locks on files, which the system lets go of when their holder dies.

On POSIX these are `flock` locks: they belong to one opening of the file, so two openings in one process exclude each
other too, and closing one leaves the others alone. On Windows a byte far behind the end is locked (not tested there).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 40

    def try_lock(fd: int, *, shared: bool = False) -> bool:  # noqa: ARG001 - there is no shared kind here
        """Lock the open file without waiting; False if another opening has it."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Let go of the lock on the open file."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(fd: int, *, shared: bool = False) -> bool:
        """Lock the open file without waiting; False if another opening has it.

        Raises:
            OSError: This file system has no locks.
        """
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Let go of the lock on the open file."""
        fcntl.flock(fd, fcntl.LOCK_UN)


class FileLock:
    """The right to write to one ledger, held by one opening of its lock file at a time."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def acquire(self, deadline: float) -> bool:
        """Take the lock; False if it is still another's at `deadline` (of `time.monotonic`).

        Raises:
            OSError: The lock file can't be opened, or this file system has no locks.
        """
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        pause = 0.001
        try:
            while not try_lock(fd):
                if time.monotonic() + pause > deadline:
                    return False
                time.sleep(pause)
                pause = min(pause * 2, 0.03)
            self._fd, fd = fd, -1
        finally:
            if fd >= 0:
                os.close(fd)
        return True

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            unlock(fd)
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: drop the parent's lock without letting go of it for the parent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
