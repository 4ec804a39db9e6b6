"""The tables of the ledger, and how older ledgers get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook.ledger._errors import StoreError

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x746F6C6C
"""What marks a SQLite file as a ledger (`PRAGMA application_id`): "toll"."""


_M001_SUMS = (
    *("calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    *(f"{name}_cost_{unit}" for name in ("input", "output", "other", "total") for unit in ("micro", "pico")),
)


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
            {", ".join(f"{name} INTEGER NOT NULL" for name in _M001_SUMS)},
            PRIMARY KEY (hour, series)) WITHOUT ROWID""",
        "CREATE TABLE card (id TEXT PRIMARY KEY, card TEXT NOT NULL) WITHOUT ROWID",
        # Traces in which a span bills in place of those below it.
        "CREATE TABLE cover (trace_id BLOB PRIMARY KEY) WITHOUT ROWID",
        # How far each journal has been read; written together with what was read from it.
        "CREATE TABLE spool (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    ):
        database.execute(statement)


_M002_CHARGED = """SELECT start / 3600000000000, series, rest FROM span
    WHERE bill = 1 AND (series IN (SELECT id FROM series WHERE priced = 'manual') OR instr(rest, '"charge":'))"""


def m002(database: sqlite3.Connection) -> None:
    """What calls cost before they were repriced, how far a repricing has come, and sums of what providers charged."""
    import json

    for statement in (
        # `span` is the span's number; `cost` what it cost until `at` (Unix nanoseconds), null if nothing was known.
        """CREATE TABLE cost_history (
            span INTEGER NOT NULL REFERENCES span (id), at INTEGER NOT NULL, reason TEXT NOT NULL, cost TEXT NOT NULL,
            PRIMARY KEY (span, at)) WITHOUT ROWID""",
        # A repricing that was begun and not ended: all spans up to the number `position` are done.
        """CREATE TABLE repricing (
            selection TEXT PRIMARY KEY, prices TEXT NOT NULL, began INTEGER NOT NULL, position INTEGER NOT NULL,
            sums TEXT NOT NULL) WITHOUT ROWID""",
        *(f"ALTER TABLE rollup ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in _M002_SUMS),
    ):
        database.execute(statement)
    sums: dict[tuple[int, int], list[int]] = {}
    for hour, series, text in database.execute(_M002_CHARGED):
        rest = json.loads(text)
        cost: dict[str, Any] = rest.get("cost") or {}
        usage: dict[str, Any] = rest.get("usage") or {}
        if cost.get("total") is None or (cost.get("status") != "manual" and usage.get("charge") is None):
            continue
        found = sums.setdefault((hour, series), [0, 0, 0, 0])
        found[0] += 1
        listed, notes = cost.get("listed"), cost.get("assumptions", ())
        if listed is not None and not any(note.startswith("no price for ") for note in notes):
            found[1] += 1
            found[2] += listed
            found[3] += cost["total"] - listed
    values = ", ".join(f"{name} = ?" for name in _M002_SUMS)
    database.executemany(
        f"UPDATE rollup SET {values} WHERE hour = ? AND series = ?",  # noqa: S608 - names of our own
        [(*found[:2], *divmod(found[2], 10**6), *divmod(found[3], 10**6), *key) for key, found in sums.items()],
    )


_M002_SUMS = (
    *("charged_calls", "listed_calls"),
    *("listed_cost_micro", "listed_cost_pico", "listed_difference_micro", "listed_difference_pico"),
)

_M003_SUMS = _M001_SUMS + _M002_SUMS


def m003(database: sqlite3.Connection) -> None:
    """Whom spans are booked to, as rows of their own with sums of their own, and sums over larger blocks of time."""
    columns = f"""block INTEGER NOT NULL, value INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series (id),
        {", ".join(f"{name} INTEGER NOT NULL" for name in _M003_SUMS)}"""
    for statement in (
        # One row for each attribution that occurred, a JSON object with its names in order.
        "CREATE TABLE booking (id INTEGER PRIMARY KEY, attribution TEXT NOT NULL UNIQUE)",
        # `reach` tells what sums its values have: 0 all, 1 no part in groups, 2 only those over all time.
        """CREATE TABLE dimension (
            id INTEGER PRIMARY KEY, name TEXT UNIQUE, members INTEGER NOT NULL DEFAULT 0,
            reach INTEGER NOT NULL DEFAULT 0)""",
        "INSERT INTO dimension (id) VALUES (1)",  # the groups, whose values are JSON objects
        """CREATE TABLE value (
            id INTEGER PRIMARY KEY, dimension INTEGER NOT NULL REFERENCES dimension (id), text TEXT NOT NULL,
            UNIQUE (dimension, text))""",
        """CREATE TABLE booked (
            booking INTEGER NOT NULL REFERENCES booking (id), dimension INTEGER NOT NULL, value INTEGER NOT NULL,
            PRIMARY KEY (booking, dimension)) WITHOUT ROWID""",
        "CREATE INDEX booked_value ON booked (value, booking)",
        "ALTER TABLE span ADD COLUMN booking INTEGER REFERENCES booking (id)",
        "CREATE INDEX span_booking ON span (booking, start) WHERE booking IS NOT NULL",
        # Sums by the value of a dimension, in blocks of `size` hours since 1970; size 0 is all time. Dimension 0 with
        # its value 0 is all calls, whose single hours are in `rollup`.
        f"""CREATE TABLE rollup_value (
            dimension INTEGER NOT NULL, size INTEGER NOT NULL, {columns},
            PRIMARY KEY (dimension, size, block, value, series)) WITHOUT ROWID""",
        # What is not in the sums by value yet.
        f"""CREATE TABLE rollup_new (
            id INTEGER PRIMARY KEY, hour INTEGER NOT NULL, booking INTEGER NOT NULL, series INTEGER NOT NULL,
            {", ".join(f"{name} INTEGER NOT NULL" for name in _M003_SUMS)})""",
    ):
        database.execute(statement)
    sums = ", ".join(f"sum({name})" for name in _M003_SUMS)
    for size in (24, 768, 0):
        block = f"(hour - (hour % {size} + {size}) % {size}) / {size}" if size else "0"
        database.execute(
            f"INSERT INTO rollup_value SELECT 0, {size}, {block} AS block, 0, series, {sums} "  # noqa: S608
            "FROM rollup GROUP BY block, series"
        )
    _m003_spans(database)


def _m003_spans(database: sqlite3.Connection) -> None:
    import json

    from tollbook.ledger import _bookings, _rows, _sums

    bookings = _bookings.Bookings(database)
    query = "SELECT id, series, start, bill, rest FROM span WHERE instr(rest, '\"attribution\":')"
    for id_, series, start, bill, text in database.execute(query).fetchall():
        rest = json.loads(text)
        attribution = rest.pop("attribution", None)
        if attribution is None:
            continue
        booking = bookings.find(attribution)
        other = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
        database.execute("UPDATE span SET booking = ?, rest = ? WHERE id = ?", (booking, other, id_))
        if bill == 1:
            decoded = _rows.decode_rest(other)
            amounts = _sums.to_columns(_sums.sums([(decoded.usage, decoded.cost)]))
            counted = dict(zip(_sums.COLUMNS, amounts, strict=True))
            values = (start // _sums.HOUR, booking, series, *(counted[name] for name in _M003_SUMS))
            database.execute(f"INSERT INTO rollup_new VALUES (NULL{', ?' * len(values)})", values)  # noqa: S608


def m004(database: sqlite3.Connection) -> None:
    """What limits are watched, what of them is used up and reserved, and what was alerted."""
    for statement in (
        "CREATE TABLE limit_def (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE limit_watched (counter TEXT PRIMARY KEY) WITHOUT ROWID",
        # `bucket` is the start of the window, or of an hour of it, in Unix nanoseconds. Amounts in the limit's unit.
        """CREATE TABLE limit_state (
            counter TEXT NOT NULL, holder TEXT NOT NULL, bucket INTEGER NOT NULL, spent INTEGER NOT NULL,
            reserved INTEGER NOT NULL, calls INTEGER NOT NULL, unpriced INTEGER NOT NULL,
            PRIMARY KEY (counter, holder, bucket)) WITHOUT ROWID""",
        # What calls under way may come to, by the id of their span; `owner` is their process.
        """CREATE TABLE reservation (
            span BLOB NOT NULL, counter TEXT NOT NULL, holder TEXT NOT NULL, bucket INTEGER NOT NULL,
            amount INTEGER NOT NULL, at INTEGER NOT NULL, owner TEXT NOT NULL,
            PRIMARY KEY (span, counter)) WITHOUT ROWID""",
        """CREATE TABLE limit_alert (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, holder TEXT NOT NULL, bucket INTEGER NOT NULL,
            threshold INTEGER NOT NULL, at INTEGER NOT NULL, spent INTEGER NOT NULL, delivered INTEGER NOT NULL,
            UNIQUE (name, holder, bucket, threshold))""",
    ):
        database.execute(statement)


def m005(database: sqlite3.Connection) -> None:
    """When somebody took it on to tell of an alert (Unix nanoseconds; 0: nobody), and how often somebody has."""
    for name in ("claimed", "tries"):
        database.execute(f"ALTER TABLE limit_alert ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")


MIGRATIONS = (m001, m002, m003, m004, m005)
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
