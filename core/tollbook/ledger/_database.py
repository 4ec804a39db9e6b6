"""The database file: opened for writing or for reading, checked, and set aside if it is damaged."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook._paths import make_private
from tollbook.ledger import _schema
from tollbook.ledger._errors import DamageError, StoreError

if TYPE_CHECKING:
    import sqlite3

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "lustre", "glusterfs"})
"""File systems on which SQLite can't lock."""


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn what SQLite and the system say about the ledger at `path` into a `StoreError` that says what to do."""
    import sqlite3

    try:
        yield
    except DamageError as error:
        raise DamageError(f"the ledger {path} is damaged: {error}") from error
    except StoreError as error:
        raise StoreError(f"the ledger {path} can't be used: {error}") from error
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamageError(f"the ledger {path} is damaged: {error}") from error
        raise StoreError(f"the ledger {path} can't be used: {error}") from error
    except OSError as error:
        raise StoreError(f"the ledger {path} can't be used: {error.strerror or error}") from error


def lock_file(path: Path) -> Path:
    """The file beside the ledger at `path` that is locked by whoever writes to it; it is made by the first."""
    return path.with_name(path.name + ".lock")


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite says that the file itself is damaged, or no database at all."""
    import sqlite3

    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def refuse_strangers(path: Path) -> None:
    """Look at a file to which we never wrote, as no lock file is beside it, before anything is done to it.

    Raises:
        StoreError: It is something else's file. (A damaged ledger has its lock file and is set aside instead.)
    """
    import sqlite3

    if not path.exists() or not path.stat().st_size:
        return
    try:
        database = _connect(path.absolute().as_uri() + "?mode=ro")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        raise _stranger() from error
    try:
        _schema.version(database)
    finally:
        database.close()


def _stranger() -> StoreError:
    return StoreError("it is not a database: set TOLLBOOK_STORE to another file")


def open_writing(path: Path) -> sqlite3.Connection:
    """The ledger at `path`, made if it does not exist and upgraded if it is old. The caller holds the write lock.

    Raises:
        StoreError: It lies on a network, is no ledger, or is a newer one.
        sqlite3.DatabaseError: SQLite can't open it.
        OSError: It can't be made.
    """
    import sqlite3

    kind = filesystem(path.parent)
    if kind in NETWORK:
        raise StoreError(
            f"it lies on a network file system ({kind}), where SQLite can't lock: set TOLLBOOK_STORE to a local path"
        )
    with contextlib.suppress(FileExistsError):
        # Never opened by hand if it exists: to close it would drop the locks that SQLite holds in this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA cache_size = -8000")
        _schema.upgrade(database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        database.close()
        raise
    return database


def open_reading(path: Path) -> sqlite3.Connection:
    """The ledger at `path`, to be read only; it may lie where nothing can be written.

    Raises:
        StoreError: It is no ledger, a newer one, or an older one that nobody upgraded.
        sqlite3.DatabaseError: SQLite can't open it, or the ledger is damaged.
    """
    import sqlite3

    address = path.absolute().as_uri() + "?mode=ro"
    try:
        database = _connect(address)
    except sqlite3.OperationalError as error:
        if not path.exists() or os.access(path.parent, os.W_OK):
            raise
        # SQLite wants to make its shared memory beside the file and may not. As nobody can write here, it need not.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise StoreError(
                f"{wal.name} holds records that can't be read without write access to {path.parent}"
            ) from error
        database = _connect(address + "&immutable=1")
    except sqlite3.DatabaseError as error:
        # Where we never wrote, there is no lock file: it is no ledger of ours that was damaged.
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_NOTADB or lock_file(path).exists():
            raise
        raise _stranger() from error
    try:
        _schema.require_newest(database)
    except BaseException:
        database.close()
        raise
    return database


def is_older(path: Path) -> bool:
    """Whether there is a ledger at `path` that an older version wrote, and whose tables have to be upgraded."""
    import sqlite3

    if not path.exists() or not path.stat().st_size:
        return False
    try:
        database = _connect(path.absolute().as_uri() + "?mode=ro")
    except sqlite3.DatabaseError:
        return False
    try:
        return 0 < _schema.version(database) < len(_schema.MIGRATIONS)
    except StoreError:
        return False
    finally:
        database.close()


def _connect(address: str) -> sqlite3.Connection:
    import sqlite3

    database = sqlite3.connect(address, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection, deadline: float) -> Generator[None]:
    """A transaction that writes: committed at the end of the block, undone if the block raises.

    Raises:
        sqlite3.OperationalError: Another program has been writing until `deadline` (of `time.monotonic`).
    """
    import sqlite3

    while not database.in_transaction:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger, its companions too, and say so. The caller holds the write lock.

    Raises:
        OSError: It can't be renamed.
    """
    import logging

    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    for suffix in ("-shm", "-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    logging.getLogger("tollbook").warning(
        "tollbook's ledger was damaged: it is kept as %s (`sqlite3 FILE .recover` may read it), and a new one is begun",
        aside,
    )
    return aside


def filesystem(directory: Path) -> str | None:
    """The type of file system that `directory` is on, as Linux names it; None if it is not known."""
    if sys.platform != "linux":
        return None
    try:
        device = os.stat(directory).st_dev  # noqa: PTH116 - a plain call, the same everywhere
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        # A line has the device as its third field, and the type right after a lone dash.
        left, _, right = line.partition(" - ")
        if left.split(" ", 3)[2:3] == [wanted]:
            return right.split(" ", 1)[0]
    return None


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether SQLite of this version may lose a commit when a checkpoint races a reset of the log.

    Source: https://sqlite.org/wal.html#walresetbug (fixed in 3.51.3, 3.50.7 and 3.44.6). The write lock keeps our
    own processes from it; other programs that write to the file are not held by it.
    """
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return version >= (3, 7) and not fixed


def make_place(path: Path) -> None:
    """Make the directory of the ledger at `path`.

    Raises:
        OSError: It can't be made.
    """
    make_private(path.parent)
