"""The spool: journals on disk, one per process, between the calls and the ledger.

A record is one line, written by one `write` to a file that only this process writes to and that is opened for
appending. So it needs no lock, a crash loses nothing that was written, and processes never wait for each other. Each
line begins and ends with a line break: what a full disk or a crash left of another line can't spoil it. The file is
locked for as long as its process lives, so that whoever drains it knows whether more will come.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from tollbook._paths import make_private
from tollbook.ledger._journals import create, size
from tollbook.ledger._locks import unlock
from tollbook.ledger._repair import encoded, type_name
from tollbook.spans import Record

FORMAT = 1
"""The version of the journals' format; readers leave files of a newer one alone."""

EVERY = 500
"""Records between two looks at the file, and in a full batch."""

log = logging.getLogger("tollbook")


# What JSON has no word for is written as the name of its type: never its content, and never an error.
_encode = msgspec.json.Encoder(enc_hook=type_name).encode


class Card(Protocol):
    """A rate card: anything with an `id` that can be written as a JSON object with that `id` in it."""

    @property
    def id(self) -> str:
        """What costs refer to it by."""
        ...


def _nothing() -> None:
    pass


class Spool:
    """This process's journal in `directory`: `append` puts one record on disk, for a few microseconds.

    The host never sees a failure. What can't be written (disk full, directory read-only) is kept in memory up to
    `backlog` records and 16 MB, tried again by `retry`, and dropped and counted beyond that.
    """

    __slots__ = (
        "__weakref__",
        "_again",
        "_backlog",
        "_backlog_bytes",
        "_bounds",
        "_cards",
        "_fd",
        "_identity",
        "_left",
        "_lock",
        "_parked",
        "_reported",
        "_told",
        "_wake",
        "_warned",
        "directory",
        "dropped",
        "path",
    )

    def __init__(
        self,
        directory: Path,
        *,
        wake: Callable[[], None] = _nothing,
        rotate: int = 64 << 20,
        bound: int = 2 << 30,
        backlog: int = 20_000,
    ) -> None:
        self.directory = directory
        self.path: Path | None = None
        """The journal being written; None before the first record."""
        self.dropped = 0
        """Records that this process could not keep."""
        self._wake = wake
        """Called when work for the drainer appears: at the first record after `idle`, then every 500."""
        self._bounds = rotate, bound, backlog, 16 << 20
        self._fd = -1
        self._parked = -1
        self._identity: tuple[int, int] | None = None
        self._left = 0
        self._again = 0.0
        self._lock = threading.RLock()
        self._cards: dict[str, bytes] = {}
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._reported = 0
        self._told = 0
        self._warned = False
        _spools.add(self)

    def append(self, record: Record) -> None:
        """Put `record` on disk before returning, or in memory if the disk does not take it."""
        # As `_append`, written out here, since every call of the host passes this way.
        try:
            line = b"\n" + _encode(record) + b"\n"
        except (ValueError, OverflowError):
            line = b"\n" + encoded(record) + b"\n"
        if self._left <= 0:
            self._check()
        try:
            whole = os.write(self._fd, line) == len(line)
        except OSError as error:
            self._keep(line, error)
            return
        if not whole:
            self._keep(line, None)
            return
        left = self._left = self._left - 1
        if left < 0:
            self._left = EVERY
            self._wake()

    def append_card(self, card: Card) -> None:
        """Put a rate card on disk; each later journal of this process repeats it, so each stands by itself."""
        line = b'\n{"card":' + _encode(card) + b"}\n"
        self._cards[card.id] = line
        self._append(line)

    def _append(self, line: bytes) -> None:
        # The order matters. Looked at before the write: a descriptor that isn't ours any more must not be written to.
        # Counted after it: so a drainer that has said `idle` and then sees an unchanged `mark` will be woken.
        if self._left <= 0:
            self._check()
        try:
            whole = os.write(self._fd, line) == len(line)
        except OSError as error:
            self._keep(line, error)
            return
        if not whole:
            self._keep(line, None)
            return
        left = self._left = self._left - 1
        if left < 0:
            self._left = EVERY
            self._wake()

    def idle(self) -> None:
        """Ask to be woken by the next record instead of by the 500th."""
        self._left = 0

    def busy(self) -> None:
        """Undo `idle`: the drainer comes again by itself."""
        self._left = EVERY

    def drained(self) -> None:
        """Count the next batch from here: all that was written is in the ledger."""
        if self._left > 0:  # else the next record wakes the drainer
            if self._fd >= 0:
                self._check()
            self._left = EVERY

    def mark(self) -> tuple[Path | None, int]:
        """The journal and its length: unchanged as long as nothing was appended."""
        try:
            return self.path, os.fstat(self._fd).st_size
        except OSError:
            return self.path, -1

    @property
    def waiting(self) -> int:
        """Records in memory that could not be written yet."""
        return len(self._backlog)

    @property
    def unreported(self) -> int:
        """Dropped records that no journal mentions yet."""
        return self.dropped - self._reported

    def retry(self) -> bool:
        """Write what could not be written before; True if nothing is left waiting."""
        if not self._backlog and self.dropped == self._reported:
            return True
        with self._lock:
            self._check()
            while self._backlog:
                if not self._wrote(self._backlog[0]):
                    return False
                self._backlog_bytes -= len(self._backlog.popleft())
            dropped = self.dropped
            if dropped != self._reported and not self._wrote(b'\n{"dropped":%d}\n' % (dropped - self._reported)):
                return False
            self._reported = dropped
            if self._warned:
                log.warning("tollbook can write to %s again", self.directory)
                self._warned = False
        return True

    def close(self) -> Path | None:
        """End the journal, so that a drain may remove it, and give it back; a later record begins another.

        The descriptor's number stays taken for as long as this object lives: another thread may be about to write to
        it, and must not hit a file that the host opened in the meantime.
        """
        self._again = 0.0  # whatever was tried a moment ago: nobody may come later
        self.retry()
        with self._lock:
            ended = self.path
            self._leave()
        return ended

    def give_up(self) -> int:
        """Drop what waits, since nobody may come to write it: how many are lost of which nobody was told before."""
        while self._backlog:
            self._backlog.popleft()
            self.dropped += 1
        self._backlog_bytes = 0
        untold = self.dropped - max(self._reported, self._told)
        self._told = self.dropped
        return untold

    def _leave(self) -> None:
        if self._fd < 0:
            return
        self._parked, self._fd = self._fd, -1
        self.path = None
        self._left = 0
        if self._ours(self._parked) is not None:
            unlock(self._parked)

    def __del__(self) -> None:
        fd = max(getattr(self, "_fd", -1), getattr(self, "_parked", -1))
        if fd >= 0 and self._ours(fd) is not None:
            os.close(fd)

    def _wrote(self, line: bytes) -> bool:
        try:
            return os.write(self._fd, line) == len(line)
        except OSError:
            return False

    def _ours(self, fd: int) -> os.stat_result | None:
        """What is known of `fd`; None if it is closed, or by now another file's."""
        try:
            found = os.fstat(fd)
        except OSError:
            return None
        return found if (found.st_dev, found.st_ino) == self._identity else None

    def _check(self) -> None:
        """Begin a journal if there is none, or the one there is was deleted or has grown enough."""
        with self._lock:
            number = self._fd if self._fd >= 0 else self._parked
            found = self._ours(number)
            if self._fd >= 0 and found is not None and found.st_nlink and found.st_size < self._bounds[0]:
                return
            now = time.monotonic()
            if now < self._again:
                return
            try:
                self._begin(number if found is not None else -1)
            except OSError as error:
                self._again = now + 1.0
                self._warn(error)

    def _begin(self, number: int) -> None:
        """Open a journal; it takes over the descriptor `number`, if there is one, in one step for all threads."""
        make_private(self.directory)
        if size(self.directory) > self._bounds[1]:
            self._leave()
            raise OSError(f"its journals have reached {self._bounds[1] >> 20} MB, and nobody drains them")
        fd, path = create(self.directory)
        try:
            self._write_head(fd)
            found = os.fstat(fd)
            if number >= 0:
                os.dup2(fd, number, inheritable=False)
                fd, spare = number, fd
                os.close(spare)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(fd)
            raise
        self._identity = found.st_dev, found.st_ino
        self.path = path
        self._fd = fd
        self._parked = -1

    def _write_head(self, fd: int) -> None:
        head = msgspec.json.encode({"spool": FORMAT, "pid": os.getpid(), "python": sys.version.split()[0]})
        head = b"".join((head, b"\n", *self._cards.values()))
        if os.write(fd, head) != len(head):
            raise OSError("no room for a journal")

    def _keep(self, line: bytes, error: OSError | None) -> None:
        """Keep what the disk did not take."""
        if error is not None and error.errno == errno.EBADF:
            # The host closed all descriptors, as daemons do, or there is no journal yet.
            self._check()
            if self._wrote(line):
                self._left = 0
                self._wake()
                return
        self._warn(error)
        _, _, most, most_bytes = self._bounds
        if len(self._backlog) >= most or self._backlog_bytes + len(line) > most_bytes:
            self.dropped += 1
            return
        self._backlog.append(line)
        self._backlog_bytes += len(line)
        self._left = 0
        if len(self._backlog) == 1:
            self._wake()

    def _warn(self, error: OSError | None) -> None:
        if self._warned:
            return
        self._warned = True
        reason = "the disk is full" if error is None else error.strerror or str(error)
        log.warning(
            "tollbook can't write to %s (%s): records are kept in memory for now; "
            "set TOLLBOOK_STORE to a place that can be written to",
            self.directory,
            reason,
        )

    def after_fork(self) -> None:
        """In a forked child: leave the parent's journal and what waits to it."""
        if self._fd >= 0 and self._ours(self._fd) is not None:
            os.close(self._fd)
        if self._parked >= 0 and self._ours(self._parked) is not None:
            os.close(self._parked)
        self._fd = self._parked = -1
        self._identity = self.path = None
        self._lock = threading.RLock()
        self._left = 0
        self._again = 0.0
        self._backlog = deque()
        self._backlog_bytes = self.dropped = self._reported = self._told = 0


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _in_child() -> None:
    for spool in list(_spools):
        spool.after_fork()  # pyright: ignore[reportPrivateUsage]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
