"""The store: what went into a journal comes out whole, once, and the sums are the sums of what is there."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.older import downgrade
from tests.records import START, at_a_time, call, few, records

from tollbook.ledger import Spool, Store, StoreError, _database, _schema, open_store
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *batch: Record) -> int:
    """Record and drain."""
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    return store.drain()


@contextmanager
def somewhere() -> Iterator[Store]:
    """A ledger for one example."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "ledger.db")
        yield store
        store.close()


def test_nothing_recorded_reads_as_empty_and_makes_nothing(store: Store) -> None:
    assert store.drain() == 0
    assert store.summary(["model"]) == []
    assert store.spans() == []
    assert store.trace("00" * 16) == []
    assert store.last_trace_id() is None
    assert store.card("x") is None
    health = store.health()
    assert (health.exists, health.spans, health.error) == (False, 0, None)
    assert list(store.path.parent.iterdir()) == []


@pytest.mark.parametrize("count", [1, 39, 40, 41, 80, 130])
def test_of_many_records_each_is_stored_once_wherever_those_stand_that_are_known_or_refused(
    store: Store, count: int
) -> None:
    first = [call() for _ in range(count)]
    assert put(store, *first) == count
    assert put(store, *first) == 0
    more = [call() for _ in range(count)]
    mixed = [each for pair in zip(first, more, strict=True) for each in pair]
    mixed.insert(len(mixed) // 2, call(start=2**63))
    assert put(store, *mixed) == count
    assert {record.span_id for record in store.spans(limit=None)} == {record.span_id for record in first + more}
    (row,) = store.summary()
    assert row.calls == 2 * count


@settings(max_examples=40, deadline=None)
@given(st.lists(records, min_size=1, max_size=8, unique_by=lambda record: record.span_id))
def test_a_record_comes_back_equal(batch: list[Record]) -> None:
    with somewhere() as store:
        assert put(store, *batch) == len(batch)
        for record in batch:
            assert record in store.trace(record.trace_id)
        assert len(store.spans(limit=None)) == len(batch)


def test_a_field_that_is_added_to_the_record_is_kept(store: Store) -> None:
    """What is no column is JSON, so that nobody has to remember the ledger when a record grows."""
    from tollbook.ledger import _rows

    assert {*_rows.REST, *_rows.FIELDS} | {
        "trace_id",
        "span_id",
        "parent_id",
        "start",
        "duration",
        "bills",
        "attribution",
    } == set(Record.__struct_fields__)


def test_the_same_span_is_booked_once_however_often_it_arrives(store: Store) -> None:
    """Within a batch, in a later one, and from another process."""
    one, two = call(), call()
    assert put(store, one, one, two) == 2
    assert put(store, two, one) == 0
    assert put(store, call(), one, call()) == 2
    (row,) = store.summary()
    assert (row.calls, row.total_cost) == (4, 120)
    assert store.health().spans == 4


def test_only_bills_count(store: Store) -> None:
    put(store, call(), call(bills=False), call(kind="agent", usage=None, cost=None, bills=False))
    (row,) = store.summary()
    assert row.calls == 1
    assert len(store.spans()) == 3


def test_a_record_that_no_ledger_can_hold_is_kept_aside_and_stops_nothing(store: Store) -> None:
    """An id that is not hexadecimal, a number beyond 64 bits."""
    good = [call(), call()]
    put(store, good[0], call(trace_id="not hex"), call(start=2**63), good[1])
    assert store.spans(limit=None) == good[::-1]
    health = store.health()
    assert (health.spans, health.rejected) == (2, 2)
    (rejected,) = store.spool.glob("*.rejected")
    assert b"not hex" in rejected.read_bytes()


@pytest.mark.parametrize("damage", [b"\x00\xff\xfe", b"{", b'{"trace_id":"00', b'{"some":"thing"}', b"[1]", b"3", b'"'])
def test_a_damaged_line_is_kept_aside_and_stops_nothing(store: Store, damage: bytes) -> None:
    spool = Spool(store.spool)
    spool.append(call())
    with next(store.spool.iterdir()).open("ab") as file:
        file.write(damage + b"\n")
    spool.append(call())
    assert store.drain() == 2
    assert store.health().rejected == 1
    (rejected,) = store.spool.glob("*.rejected")
    assert rejected.read_bytes() == damage + b"\n"


def test_a_line_that_its_process_never_finished_waits_for_it_or_for_its_death(store: Store) -> None:
    spool = Spool(store.spool)
    spool.append(call())
    (journal,) = store.spool.iterdir()
    with journal.open("ab") as file:
        file.write(b'\n{"trace_id":"')
    assert store.drain() == 1
    assert store.drain() == 0
    assert store.health().rejected == 0, "its process is alive, and may be about to write the rest"
    spool.close()
    assert store.drain() == 0
    assert store.health().rejected == 1
    assert not journal.exists()


def test_a_line_longer_than_any_buffer_is_read_whole(store: Store) -> None:
    big = call(attributes={"x": "y" * 3_000_000})
    put(store, call(), big, call())
    assert store.trace(big.trace_id) == [big]
    assert store.health().spans == 3


def test_a_journal_of_a_newer_tollbook_is_left_alone(store: Store) -> None:
    store.spool.mkdir()
    journal = store.spool / "1-1-1.jsonl"
    journal.write_bytes(b'{"spool":99}\n{"what":"ever"}\n')
    assert put(store, call()) == 1
    assert journal.exists()
    assert store.health().rejected == 0


def test_a_drain_without_anything_new_writes_nothing(store: Store) -> None:
    """Who asks for a trace after each call must not pay a transaction for it."""
    spool = Spool(store.spool)
    spool.append(call())
    assert store.drain() == 1
    before = store.health().last_drain
    assert store.drain() == 0
    assert store.health().last_drain == before
    spool.append(call())
    assert store.drain() == 1


def test_the_trace_that_ended_last_is_the_last_one(store: Store) -> None:
    """Not the one that began last, and not the one that was written last."""
    long = call(start=START, duration=10**12)
    put(store, long)
    put(store, call(start=START + 10**9, duration=1))
    assert store.last_trace_id() == long.trace_id


@pytest.mark.parametrize(("start", "duration"), [(-5, 1), (-(2**63), -5), (2**63 - 1, 1000)])
def test_a_record_of_any_time_that_a_column_holds_is_stored_and_is_the_last_one(
    store: Store, start: int, duration: int
) -> None:
    record = call(start=start, duration=duration)
    assert put(store, record) == 1
    assert store.last_trace_id() == record.trace_id
    assert put(store, call(start=2**62)) == 1


def test_traces_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    """As much of it as a reader copied, of any number of digits."""
    put(store, *[call(trace_id=start + "0" * (32 - len(start))) for start in ("abc", "abd", "b", "abd1")])
    assert [trace[:4] for trace in store.find_traces("ab")] == ["abc0", "abd0", "abd1"]
    assert [trace[:4] for trace in store.find_traces("abd")] == ["abd0", "abd1"]
    assert len(store.find_traces("", limit=2)) == 2
    assert store.find_traces("abd" + "0" * 29) == ["abd" + "0" * 29]
    assert store.find_traces("c") == store.find_traces("no") == store.find_traces("a" * 33) == []


def test_spans_are_found_by_time_and_by_what_they_are(store: Store) -> None:
    batch = [call(start=START + n, name=f"n{n % 2}", provider="ab"[n % 2], stream=n == 3) for n in range(6)]
    put(store, *batch)
    assert store.spans() == batch[::-1]
    assert store.spans(since=START + 1, until=START + 4) == batch[3:0:-1]
    assert store.spans(limit=2, offset=1) == [batch[4], batch[3]]
    assert store.spans(where={"provider": "a"}) == [batch[4], batch[2], batch[0]]
    assert store.spans(where={"name": "n1"}, limit=1, offset=1) == [batch[3]]
    assert store.spans(where={"stream": True}) == [batch[3]]
    assert store.spans(where={"provider": ["a", "b"], "error": None}) == batch[::-1]
    assert store.spans(where={"provider": None}) == []
    with pytest.raises(ValueError, match="'colour' is no dimension"):
        store.spans(where={"colour": "red"})


MODELS = ("a", "b")


@st.composite
def forests(draw: st.DrawFn) -> list[Record]:
    """Spans of up to three traces, in any order: with parents, lost parents, loops, bills and covers."""
    spans: list[Record] = []
    for number in range(draw(st.integers(1, 14))):
        ids = st.none() | st.integers(0, 15).map(lambda n: f"{n:016x}")
        bills = draw(st.booleans())
        spans.append(
            Record(
                trace_id=f"{draw(st.integers(0, 2)):032x}",
                span_id=f"{number:016x}",
                parent_id=draw(ids),
                start=START + draw(st.integers(0, 3)) * 3_600_000_000_000,
                bills=bills,
                covers=bills and draw(st.sampled_from([False, False, True])),
                request_model=draw(st.sampled_from(MODELS)),
                usage=Usage({"input": draw(st.integers(0, 9))}) if bills else None,
                cost=Cost(total=draw(st.integers(-(2**62), 2**62))) if bills else None,
            )
        )
    return draw(st.permutations(spans))


def billed(spans: Sequence[Record]) -> list[Record]:
    """What counts, said another way: a bill counts unless a chain of known parents leads to a covering span."""
    known = {(span.trace_id, span.span_id): span for span in spans}
    found: list[Record] = []
    for span in spans:
        above: list[Record] = []
        at: Record | None = span
        while at is not None and at.parent_id is not None:
            at = known.get((at.trace_id, at.parent_id))
            if at is None or at is span or at in above:
                break
            above.append(at)
        if span.bills and not any(one.covers for one in above):
            found.append(span)
    return found


@settings(max_examples=50, deadline=None)
@given(forests(), st.lists(st.integers(1, 14), min_size=14, max_size=14), few)
def test_roll_ups_are_the_sums_of_the_bills_that_count_whatever_arrives_when(
    spans: list[Record], sizes: list[int], rows: tuple[int, int]
) -> None:
    with somewhere() as store, at_a_time(*rows):
        rest, seen = spans, 0
        for size in sizes:
            put(store, *rest[:size])
            rest, seen = rest[size:], seen + size
            counted = billed(spans[:seen])
            rows = store.summary(["request_model", "hour"], zone="UTC")
            assert sum(row.calls for row in rows) == len(counted)
            for model in MODELS:
                of_model = [row for row in rows if row.key["request_model"] == model]
                wanted = [span for span in counted if span.request_model == model]
                assert sum(row.total_cost for row in of_model) == sum(s.cost.total for s in wanted if s.cost)
                assert sum(row.input_tokens for row in of_model) == sum(s.usage.input_tokens for s in wanted if s.usage)
            if not rest:
                break
        assert store.summary(["trace"]) == store.summary(["trace"], since=0)
        assert sum(row.total_cost for row in store.summary(["trace"])) == sum(row.total_cost for row in rows)
        for span in spans:
            assert span in store.trace(span.trace_id), "what is covered still says what it was"


@pytest.mark.parametrize("first", ["above", "below"])
@pytest.mark.parametrize("rows", [(1, 1), (2, 1), (40, 1), (40, 8192)])
def test_a_span_that_bills_in_place_of_others_does_so_whichever_is_stored_before(
    store: Store, first: str, rows: tuple[int, int]
) -> None:
    above = call(covers=True, cost=Cost(total=5))
    below = [call(trace_id=above.trace_id, parent_id=above.span_id) for _ in range(3)]
    with at_a_time(*rows):
        put(store, *([above, *below] if first == "above" else [*below, above]))
    assert [(row.calls, row.total_cost) for row in store.summary()] == [(1, 5)]


def test_sums_of_money_are_exact_beyond_64_bits(store: Store) -> None:
    """Nine million dollars in pico-dollars is where SQLite's integers end."""
    most = 2**63 - 1
    put(store, *[call(cost=Cost(total=most, input=most, output=-most)) for _ in range(40)])
    put(store, *[call(cost=Cost(total=most, input=most, output=-most)) for _ in range(2)])
    for row in (*store.summary(), *store.summary(["trace"])[:0], *store.summary(since=START)):
        assert (row.total_cost, row.input_cost, row.output_cost) == (42 * most, 42 * most, -42 * most)


def test_an_older_ledger_is_upgraded_with_what_it_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record = call()
    put(store, record)
    store.close()

    def later(database: sqlite3.Connection) -> None:
        database.execute("ALTER TABLE span ADD COLUMN mood TEXT")

    monkeypatch.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, later))
    newer = Store(store.path)
    assert "older tollbook" in (newer.health().error or "")
    put(newer, call())
    assert newer.trace(record.trace_id) == [record]
    health = newer.health()
    assert (health.schema, health.spans, health.error) == (len(_schema.MIGRATIONS), 2, None)
    newer.close()


def test_an_older_ledger_is_upgraded_by_a_drain_that_finds_nothing_to_drain(store: Store) -> None:
    """As the first thing that someone does after an upgrade is to look at the report."""
    record = call()
    put(store, record)
    store.close()
    downgrade(store.path, 1)
    with Store(store.path) as newer:
        assert newer.drain() == 0
        assert newer.trace(record.trace_id) == [record]


def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, call())
    store.close()

    def broken(database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE half (a)")
        database.execute("SELECT nonsense")

    with monkeypatch.context() as patched:
        patched.setattr(_schema, "MIGRATIONS", (*_schema.MIGRATIONS, broken))
        with pytest.raises(StoreError, match="nonsense"):
            put(Store(store.path), call())
    with sqlite3.connect(store.path) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    database.close()
    assert store.drain() == 1, "the journal kept what could not be drained"


def test_a_newer_ledger_is_refused_and_left_alone(store: Store) -> None:
    put(store, call())
    store.close()
    database = sqlite3.connect(store.path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = store.path.read_bytes()
    again = Store(store.path)
    with pytest.raises(StoreError, match=r"newer tollbook wrote it \(version 99 .*upgrade tollbook"):
        put(again, call())
    with pytest.raises(StoreError, match="newer tollbook"):
        again.summary()
    health = again.health()
    assert "newer tollbook" in (health.error or "")
    assert health.pending == 1
    assert store.path.read_bytes() == before


def other_database(path: Path) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE notes (text)")
        database.execute("INSERT INTO notes VALUES ('mine')")
    database.close()


def text_file(path: Path) -> None:
    path.write_text("Not a database at all, but somebody's notes, longer than a hundred characters. " * 20)


@pytest.mark.parametrize("make", [other_database, text_file])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(store: Store, make: Any) -> None:
    make(store.path)
    before = store.path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match="set TOLLBOOK_STORE to another file"):
            put(store, call())
    with pytest.raises(StoreError):
        store.summary()
    assert store.path.read_bytes() == before
    assert store.health().pending == 2


def damage_header(path: Path) -> None:
    path.write_bytes(b"garbage " * 1024)


def damage_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_header, damage_pages])
def test_a_damaged_ledger_is_set_aside_and_a_new_one_begun(
    store: Store, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, *[call() for _ in range(50)])
    store.close()
    damage(store.path)
    broken = store.path.read_bytes()
    with pytest.raises(StoreError, match="damaged"):
        store.summary()
    record = call()
    assert put(store, record) == 1
    assert store.trace(record.trace_id) == [record]
    health = store.health()
    (aside,) = health.set_aside
    assert Path(aside).read_bytes() == broken
    assert "was damaged: it is kept as" in caplog.text
    assert health.error is None


def test_a_ledger_that_is_replaced_under_us_is_opened_anew(store: Store) -> None:
    """Somebody moved it away, to keep it or to begin afresh."""
    put(store, call())
    assert store.health().spans == 1
    store.path.rename(store.path.with_name("old.db"))
    assert store.summary() == []
    put(store, call(), call())
    assert store.health().spans == 2


def test_a_read_sees_what_another_store_drained(store: Store) -> None:
    put(store, call())
    assert len(store.spans()) == 1
    other = open_store(f"sqlite:///{store.path}")
    put(other, call())
    other.close()
    assert len(store.spans()) == 2


def test_health_counts_what_waits(store: Store) -> None:
    spool = Spool(store.spool)
    for _ in range(3):
        spool.append(call())
    assert store.health().pending == 3
    store.drain()
    spool.append(call())
    health = store.health()
    assert (health.pending, health.spans, health.spool_files) == (1, 3, 1)
    assert health.spool_bytes > 0
    assert health.size > 0
    assert health.last_drain is not None
    assert health.schema == health.newest_schema == len(_schema.MIGRATIONS)
    assert health.sqlite == sqlite3.sqlite_version


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: tuple[int, ...], affected: bool) -> None:
    """Fixed in 3.51.3, and carried back to 3.50.7 and 3.44.6."""
    assert _database.has_wal_reset_bug(version) is affected


def test_a_network_file_system_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database, "filesystem", lambda directory: "nfs4")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*set TOLLBOOK_STORE to a local path"):
        put(store, call())
    assert store.health().pending == 1


def test_the_file_system_is_known_here() -> None:
    """On Linux, `/proc` is always mounted, and says what it is."""
    if Path("/proc/self/mountinfo").exists():
        assert _database.filesystem(Path("/proc")) == "proc"
    assert _database.filesystem(Path("/nonexistent")) is None
