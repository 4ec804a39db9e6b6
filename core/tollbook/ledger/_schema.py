"""The tables of the ledger, and how older ledgers get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook.ledger import _sums
from tollbook.ledger._errors import StoreError

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x746F6C6C
"""What marks a SQLite file as a ledger (`PRAGMA application_id`): "toll"."""


def m001(database: sqlite3.Connection) -> None:
    """The first tables. Times are Unix nanoseconds, hours are hours since 1970, UTC; ids are bytes."""
    for statement in (
        # What few values repeat in; one row for each combination that occurred.
        """CREATE TABLE series (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, integration TEXT NOT NULL, provider TEXT, operation TEXT,
            request_model TEXT, response_model TEXT, status TEXT NOT NULL, error TEXT, stream INTEGER NOT NULL,
            tier TEXT, priced TEXT, source TEXT)""",
        "CREATE INDEX series_model ON series (request_model, response_model)",
        """CREATE TABLE span (
            id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_id BLOB,
            series INTEGER NOT NULL REFERENCES series (id), start INTEGER NOT NULL, duration INTEGER NOT NULL,
            bill INTEGER NOT NULL, rest TEXT NOT NULL, UNIQUE (trace_id, span_id))""",
        "CREATE INDEX span_start ON span (start)",
        # Sums over the spans whose bill counts, by the hour of their start; always equal to what they sum up.
        f"""CREATE TABLE rollup (
            hour INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series (id),
            {", ".join(f"{name} INTEGER NOT NULL" for name in _sums.COLUMNS)},
            PRIMARY KEY (hour, series)) WITHOUT ROWID""",
        "CREATE TABLE card (id TEXT PRIMARY KEY, card TEXT NOT NULL) WITHOUT ROWID",
        # Traces in which a span bills in place of those below it.
        "CREATE TABLE cover (trace_id BLOB PRIMARY KEY) WITHOUT ROWID",
        # How far each journal has been read; written together with what was read from it.
        "CREATE TABLE spool (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    ):
        database.execute(statement)


MIGRATIONS = (m001,)
"""Each takes the tables one version further; the ledger's version is how many were applied to it."""


def version(database: sqlite3.Connection) -> int:
    """The version of the ledger's tables; 0 if it is an empty file.

    Raises:
        StoreError: The file is no ledger, or one of a newer version.
    """
    application, found = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != APPLICATION:
        if application or found or database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise StoreError("it is another program's database: set TOLLBOOK_STORE to another file")
        return 0
    if found > len(MIGRATIONS):
        raise StoreError(
            f"a newer tollbook wrote it (version {found} of its tables; this one knows {len(MIGRATIONS)}): "
            "upgrade tollbook"
        )
    return int(found)


def require_newest(database: sqlite3.Connection) -> None:
    """Do nothing if the tables are of the newest version.

    Raises:
        StoreError: They are not, or the file is no ledger.
    """
    if version(database) != len(MIGRATIONS):
        raise StoreError(
            "an older tollbook wrote it, and nobody has upgraded it yet: drain it, where it can be written to"
        )


def upgrade(database: sqlite3.Connection) -> None:
    """Bring the tables to the newest version, wholly or not at all.

    Raises:
        StoreError: The file is no ledger, or one of a newer version.
    """
    if version(database) == len(MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for migration in MIGRATIONS[version(database) :]:
            migration(database)
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
