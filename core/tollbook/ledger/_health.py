"""How the ledger is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tollbook.ledger import _database, _lines, _schema
from tollbook.ledger._drain import journals

if TYPE_CHECKING:
    import sqlite3


class Health(msgspec.Struct, kw_only=True):
    """The state of a ledger and of the journals that lead to it."""

    path: str
    exists: bool = False
    """False: no call was recorded yet."""
    size: int = 0
    """Bytes of the database, its log included."""
    schema: int | None = None
    """The version of its tables; None: it does not exist or can't be read."""
    newest_schema: int = len(_schema.MIGRATIONS)
    """The version that this tollbook writes."""
    sqlite: str = ""
    wal_reset_bug: bool = False
    """Whether this SQLite may lose a commit if *another* program writes to the ledger too."""
    filesystem: str | None = None
    spans: int = 0
    """Spans in the database."""
    spool: str
    spool_files: int = 0
    spool_bytes: int = 0
    pending: int = 0
    """Records in journals that are not in the database yet."""
    waiting: int = 0
    """Records in this process's memory that could not be written to its journal yet."""
    rejected: int = 0
    """Lines of journals that made no sense; they are kept in `*.rejected` files in the spool."""
    dropped: int = 0
    """Records that a process could not keep."""
    last_drain: int | None = None
    """When journals were last read into the database, Unix nanoseconds."""
    set_aside: tuple[str, ...] = ()
    """DamageError ledgers that were renamed."""
    error: str | None = None
    """Why the ledger can't be read, or why the last drain by this process failed."""


def survey(path: Path, spool: Path) -> Health:
    """What can be said without the database."""
    import sqlite3

    health = Health(path=str(path), spool=str(spool), sqlite=sqlite3.sqlite_version)
    health.wal_reset_bug = _database.has_wal_reset_bug(sqlite3.sqlite_version_info)
    health.exists = path.exists()
    health.size = sum(_size(path.with_name(path.name + suffix)) for suffix in ("", "-wal"))
    health.filesystem = _database.filesystem(path.parent)
    health.set_aside = tuple(
        sorted(
            str(found)
            for found in path.parent.glob(path.name + ".corrupt-*")
            if not found.name.endswith(("-wal", "-shm"))
        )
    )
    files = journals(spool)
    health.spool_files = len(files)
    health.spool_bytes = sum(map(_size, files))
    return health


def complete(health: Health, database: sqlite3.Connection) -> dict[str, int]:
    """Add what the database knows, and return how far it has each journal."""
    health.schema = database.execute("PRAGMA user_version").fetchone()[0]
    meta: dict[str, Any] = dict(database.execute("SELECT key, value FROM meta"))
    health.spans = meta.get("spans", 0)
    health.rejected = meta.get("rejected", 0)
    health.dropped = meta.get("dropped", 0)
    health.last_drain = meta.get("last_drain")
    return dict(database.execute("SELECT name, position FROM spool"))


def pending(spool: Path, positions: dict[str, int]) -> int:
    """The number of records in journals, from these positions on."""
    return sum(_lines.count(file, positions.get(file.name, 0)) for file in journals(spool))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
