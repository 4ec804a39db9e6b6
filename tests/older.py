"""Ledgers as older versions wrote them: what each migration did, undone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tollbook.ledger import _schema

UNDO = {
    2: (
        *(f"ALTER TABLE rollup DROP COLUMN {name}" for name in _schema._M002_SUMS),
        "DROP TABLE cost_history",
        "DROP TABLE repricing",
    ),
    3: (
        # It is in the record's JSON, where that version kept it.
        """UPDATE span SET rest = json_set(rest, '$.attribution',
            json((SELECT attribution FROM booking WHERE booking.id = span.booking))) WHERE booking IS NOT NULL""",
        "DROP INDEX span_booking",
        "ALTER TABLE span DROP COLUMN booking",
        *(f"DROP TABLE {name}" for name in ("rollup_new", "rollup_value", "booked", "value", "dimension", "booking")),
    ),
    4: tuple(
        f"DROP TABLE {name}" for name in ("limit_def", "limit_watched", "limit_state", "limit_alert", "reservation")
    ),
    5: tuple(f"ALTER TABLE limit_alert DROP COLUMN {name}" for name in ("claimed", "tries")),
}
"""Statements by the version of the tables that the migration leads to."""


def downgrade(path: Path, version: int) -> None:
    """Make the ledger at `path` one of an older version of its tables."""
    database = sqlite3.connect(path, isolation_level=None)
    for number in range(len(_schema.MIGRATIONS), version, -1):
        for statement in UNDO[number]:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
