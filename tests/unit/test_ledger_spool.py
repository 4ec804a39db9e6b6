"""The spool: what is appended is on disk, whole, in lines of its own, and costs the host nothing else."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.records import call

from tollbook.ledger import Spool, Store
from tollbook.ledger import _spool as module
from tollbook.spans import Record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "ledger.db")


def journals(spool: Spool) -> list[Path]:
    return sorted(spool.directory.glob("*.jsonl"))


def test_nothing_is_made_before_the_first_record(store: Store) -> None:
    spool = Spool(store.spool)
    assert not store.spool.exists()
    spool.append(call())
    assert len(journals(spool)) == 1


def test_files_are_private(store: Store) -> None:
    Spool(store.spool).append(call())
    (journal,) = store.spool.iterdir()
    store.drain()
    assert store.spool.stat().st_mode & 0o777 == 0o700
    found = [path for path in store.path.parent.iterdir() if path.is_file()]
    assert {store.path, store.path.with_name("ledger.db.lock")} <= set(found)
    assert {path.stat().st_mode & 0o777 for path in [*found, journal] if path.exists()} == {0o600}


def test_each_record_is_on_disk_when_append_returns(store: Store) -> None:
    spool = Spool(store.spool)
    for number in range(1, 4):
        spool.append(call())
        (journal,) = journals(spool)
        assert journal.read_bytes().count(b'\n{"trace_id"') == number


def test_a_value_that_json_has_no_word_for_becomes_the_name_of_its_type(store: Store) -> None:
    """Never its content, which may be private, and never an error."""
    spool = Spool(store.spool)
    record = call(attributes={"x": ValueError("secret")})
    spool.append(record)
    store.drain()
    assert store.trace(record.trace_id)[0].attributes == {"x": "ValueError"}


def test_a_full_journal_is_followed_by_another_and_nothing_is_lost(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "EVERY", 10)
    spool = Spool(store.spool, rotate=20_000)
    records = [call() for _ in range(200)]
    for record in records:
        spool.append(record)
    assert len(journals(spool)) > 2
    assert max(path.stat().st_size for path in journals(spool)) < 40_000
    assert store.drain() == 200
    assert len(journals(spool)) == 1, "full journals are removed once drained, the one in use is not"
    spool.close()
    store.drain()
    assert journals(spool) == []


def test_each_journal_repeats_the_cards(store: Store, monkeypatch: Any) -> None:
    """A journal stands by itself: its records' cards are in it, whatever became of the one before."""
    monkeypatch.setattr(module, "EVERY", 10)
    spool = Spool(store.spool, rotate=20_000)

    class Card(module.msgspec.Struct):
        id: str
        price: int

    spool.append_card(Card("a", 3))
    for _ in range(100):
        spool.append(call())
    assert all(b'{"card":{"id":"a","price":3}}\n' in path.read_bytes() for path in journals(spool))
    store.drain()
    assert store.card("a") == {"id": "a", "price": 3}
    assert store.card("b") is None


@pytest.mark.parametrize("rotate", [64 << 20, 30_000])
def test_threads_write_whole_lines(store: Store, monkeypatch: Any, rotate: int) -> None:
    """Into one journal, and into one that is replaced by the next while they write."""
    monkeypatch.setattr(module, "EVERY", 10)
    spool = Spool(store.spool, rotate=rotate)
    batches = [[call() for _ in range(300)] for _ in range(8)]
    threads = [threading.Thread(target=lambda b=batch: [spool.append(r) for r in b]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(journals(spool)) == 1) == (rotate > 30_000)
    assert store.drain() == 2400
    assert store.health().rejected == 0


class Disk:
    """`os.write` with a disk that can be full: the real call, cut short or refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self._write = os.write
        monkeypatch.setattr(module.os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        if self.room is None:
            return self._write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room, self.room = self.room, 0
        return self._write(fd, data[:room])


def test_what_a_full_disk_cut_short_is_written_again_on_a_line_of_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    spool = Spool(store.spool)
    records = [call() for _ in range(6)]
    spool.append(records[0])
    disk.room = 100
    for record in records[1:4]:
        spool.append(record)
    assert spool.waiting == 3
    assert len([entry for entry in caplog.records if entry.levelno >= logging.WARNING]) == 1
    disk.room = None
    spool.append(records[4])
    assert spool.retry()
    spool.append(records[5])
    assert store.drain() == 6
    health = store.health()
    assert (health.rejected, health.dropped, spool.waiting) == (1, 0, 0)
    (rejected,) = store.spool.glob("*.rejected")
    assert rejected.read_bytes().startswith(b'{"trace_id":')


def test_what_finds_no_room_in_memory_either_is_dropped_counted_and_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    spool = Spool(store.spool, backlog=5)
    spool.append(call())
    disk.room = 0
    for _ in range(9):
        spool.append(call())
    assert (spool.waiting, spool.dropped, spool.unreported) == (5, 4, 4)
    disk.room = None
    assert spool.retry()
    assert spool.unreported == 0
    assert store.drain() == 6
    assert store.health().dropped == 4, "another process that asks sees it too"


def test_memory_for_what_waits_is_bounded_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    spool = Spool(store.spool)
    disk.room = 0
    big = call(attributes={"x": "y" * (6 << 20)})
    for _ in range(5):
        spool.append(big)
    assert (spool.waiting, spool.dropped) == (2, 3)


def test_a_directory_that_cant_be_made_costs_the_host_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was recorded meanwhile is written when it can be."""
    (tmp_path / "file").write_text("not a directory")
    store = Store(tmp_path / "file" / "ledger.db")
    spool = Spool(store.spool)
    for _ in range(3):
        spool.append(call())
    assert spool.waiting == 3
    assert "set TOLLBOOK_STORE" in caplog.text
    assert len(caplog.records) == 1
    (tmp_path / "file").unlink()
    spool._again = 0.0
    assert spool.retry()
    assert store.drain() == 3


def test_the_spool_has_an_end(store: Store, monkeypatch: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A ledger that nobody can reach must not fill the disk."""
    monkeypatch.setattr(module, "EVERY", 10)
    spool = Spool(store.spool, rotate=20_000, bound=60_000, backlog=50)
    for _ in range(400):
        spool.append(call())
    assert sum(path.stat().st_size for path in journals(spool)) < 100_000
    assert spool.dropped > 0
    assert "nobody drains them" in caplog.text
    kept = store.drain()
    spool._again = 0.0
    assert spool.retry()
    assert kept + store.drain() + spool.dropped == 400


def test_a_journal_that_is_deleted_under_us_is_begun_anew(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "EVERY", 5)
    spool = Spool(store.spool)
    spool.append(call())
    journals(spool)[0].unlink()
    for _ in range(20):
        spool.append(call())
    assert store.drain() > 10


def test_a_descriptor_that_the_host_closed_and_took_is_not_written_to_by_the_next_batch(
    store: Store, tmp_path: Path
) -> None:
    spool = Spool(store.spool)
    spool.append(call())
    spool.idle()
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, spool._fd)  # closes it, and takes its number
    spool.append(call())
    assert os.fstat(theirs).st_size == 0
    os.close(theirs)
    assert store.drain() == 2


def test_files_that_the_host_opens_do_not_get_the_number_of_a_journal(store: Store, tmp_path: Path) -> None:
    """Not even right after it closed all descriptors, when no record has looked at the journal yet."""
    spool = Spool(store.spool)
    spool.append(call())
    os.close(spool._fd)
    theirs = [os.open(tmp_path / f"theirs{n}", os.O_RDWR | os.O_CREAT) for n in range(50)]
    for _ in range(20):
        spool.append(call())
    assert [os.fstat(fd).st_size for fd in theirs] == [0] * 50
    for fd in theirs:
        os.close(fd)
    assert store.drain() == 21


def test_a_host_that_closes_all_descriptors_loses_no_record_and_hears_no_warning(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """As programs do that become daemons: the journal goes on in another file, at once."""
    woken: list[int] = []
    spool = Spool(store.spool, wake=lambda: woken.append(spool.waiting))
    for _ in range(10):
        spool.append(call())
    os.close(spool._fd)
    for _ in range(10):
        spool.append(call())
    assert (spool.waiting, len(journals(spool)), caplog.records) == (0, 2, [])
    assert len(woken) > 1, "the drainer hears of the new journal"
    assert store.drain() == 20


@pytest.mark.parametrize("most", [None, 400, 100])
def test_the_number_of_a_journal_is_as_high_as_the_system_allows(store: Store, most: int | None) -> None:
    program = (
        "import os, resource, sys; from pathlib import Path; from tests.records import call\n"
        "from tollbook.ledger import Spool\n"
        "most = int(sys.argv[2]) or 1024\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "spool = Spool(Path(sys.argv[1])); spool.append(call()); print(spool._fd, os.get_inheritable(spool._fd))\n"
        "taken = []\n"
        "try:\n"
        "    while True: taken.append(os.open(os.devnull, os.O_RDONLY))\n"
        "except OSError: pass\n"
        "os.close(taken.pop()); other = Spool(Path(sys.argv[1]))\n"
        "other.append(call()); print(other.waiting, other._fd > 2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, store.spool, str(most or 0)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    number, inheritable, waiting, away = done.stdout.split()
    assert {None: 512, 400: 128, 100: 3}[most] <= int(number) < (most or 1024)
    assert (inheritable, waiting, away) == ("False", "0", "True"), done.stderr
    assert store.drain() == 2


def test_a_program_without_standard_streams_does_not_print_into_the_journal(store: Store) -> None:
    program = (
        "import os, resource, sys; from pathlib import Path; from tests.records import call\n"
        "from tollbook.ledger import Spool\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "spool = Spool(Path(sys.argv[1])); os.closerange(0, 3); spool.append(call())\n"
        "sys.exit(0 if spool._fd > 2 else 3)\n"
    )
    command = [sys.executable, "-c", program, str(store.spool)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    assert store.drain() == 1


def test_closing_ends_the_journal_and_a_later_record_begins_another(store: Store) -> None:
    spool = Spool(store.spool)
    spool.append(call())
    spool.close()
    spool.close()
    assert store.drain() == 1
    assert journals(spool) == []
    spool.append(call())
    assert len(journals(spool)) == 1
    assert store.drain() == 1


def test_no_descriptor_is_left_behind(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "EVERY", 10)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        spool = Spool(store.spool, rotate=10_000)
        for _ in range(100):
            spool.append(call())
        spool.close()
        spool.append(call())
        del spool
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_drainer_is_woken_by_the_first_record_and_by_each_full_batch(store: Store) -> None:
    woken: list[int] = []
    appended: list[Record] = []
    spool = Spool(store.spool, wake=lambda: woken.append(len(appended)))

    def append(count: int) -> None:
        for _ in range(count):
            appended.append(call())
            spool.append(appended[-1])

    append(1202)
    assert woken == [1, 502, 1003]
    spool.idle()
    append(1)
    assert woken == [1, 502, 1003, 1203]


def test_what_is_drained_by_somebody_else_counts_for_no_batch_and_takes_no_wake_away(store: Store) -> None:
    woken: list[int] = []
    appended: list[Record] = []
    spool = Spool(store.spool, wake=lambda: woken.append(len(appended)))

    def append(count: int) -> None:
        for _ in range(count):
            appended.append(call())
            spool.append(appended[-1])

    append(400)
    spool.drained()
    append(500)
    assert woken == [1]
    append(1)
    assert woken == [1, 901]
    spool.idle()
    spool.drained()
    append(1)
    assert woken == [1, 901, 902]


def test_a_journal_that_grew_is_ended_also_where_batches_never_get_full(store: Store) -> None:
    spool = Spool(store.spool, rotate=1000)
    spool.append(call())
    first = spool.path
    for _ in range(20):
        spool.append(call())
        spool.drained()
    assert spool.path != first


def test_a_forked_child_has_its_own_journal_and_leaves_the_parents_waiting_records_to_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    spool = Spool(store.spool)
    spool.append(call())
    disk.room = 0
    spool.append(call())
    disk.room = None
    child = os.fork()
    if child == 0:
        code = 1
        try:
            spool.append(call(trace_id="ab" * 16))
            spool.retry()
            code = 0 if spool.waiting == 0 and len(journals(spool)) == 2 else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert spool.retry()
    assert store.drain() == 3
    assert len(store.trace("ab" * 16)) == 1
    assert len(journals(spool)) == 1, "the dead child's journal is gone, the parent's is in use"
