"""The ledger of a program: records reach the database by themselves, and nothing of it is in the program's way."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.records import call

from tollbook.ledger import Ledger, Store, StoreError, _ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tollbook-drain"]


def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; the limit is only there so that a failure ends."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within 20 seconds")


def test_a_ledger_that_is_not_used_has_no_thread_and_no_file(ledger: Ledger, tmp_path: Path) -> None:
    assert threads() == []
    assert list(tmp_path.iterdir()) == []


def test_records_reach_the_database_by_themselves(ledger: Ledger) -> None:
    """The first alone after a second, many as soon as there is a batch, and again after a pause."""
    reader = Store(ledger.store.path)
    ledger.append(call())
    eventually(lambda: reader.health().spans == 1)
    for _ in range(1200):
        ledger.append(call())
    eventually(lambda: reader.health().spans == 1201)
    ledger.append(call())
    eventually(lambda: reader.health().spans == 1202)
    assert len(threads()) == 1
    reader.close()


def test_the_thread_sleeps_without_a_timeout_while_there_is_nothing_to_do(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that wakes for nothing costs a busy program more than all else."""
    rounds: list[float] = []
    original = Ledger._round

    def count(self: Ledger) -> bool:
        rounds.append(time.monotonic())
        return original(self)

    monkeypatch.setattr(Ledger, "_round", count)
    monkeypatch.setattr(_ledger, "_GATHER", 0.01)
    counted = Ledger(ledger.store.path)
    counted.append(call())
    eventually(lambda: ledger.store.health().spans == 1)
    time.sleep(0.1)
    before = len(rounds)
    time.sleep(0.3)
    assert len(rounds) == before
    counted.append(call())
    eventually(lambda: ledger.store.health().spans == 2)
    counted.close()


def test_flush_brings_everything_in_at_once(ledger: Ledger) -> None:
    for _ in range(10):
        ledger.append(call())
    assert ledger.flush()
    assert ledger.store.health().spans == 10


def test_closing_drains_ends_the_thread_and_leaves_no_journal(ledger: Ledger) -> None:
    for _ in range(700):
        ledger.append(call())
    ledger.close()
    assert threads() == []
    assert ledger.store.health().spans == 700
    assert list(ledger.store.spool.iterdir()) == []
    ledger.append(call())
    ledger.close()
    assert ledger.store.health().spans == 701


def test_a_locked_database_costs_the_program_nothing(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is recorded meanwhile waits on disk; one warning says why, and all is there in the end."""
    ledger.append(call())
    assert ledger.flush()
    other = sqlite3.connect(ledger.store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for _ in range(50):
        ledger.append(call())
    assert not ledger.flush(timeout=0.2)
    assert not ledger.flush(timeout=0.2)
    assert len([entry for entry in caplog.records if entry.levelno >= logging.WARNING]) == 1
    assert "ledger.db" in (ledger.health().error or "")
    assert ledger.health().pending == 50
    assert len(ledger.store.spans()) == 1, "reading goes on"
    other.execute("ROLLBACK")
    other.close()
    assert ledger.flush()
    assert (ledger.health().spans, ledger.health().error) == (51, None)


def test_a_ledger_that_cant_be_used_costs_the_program_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ledger.db").write_text("somebody's notes, not a database. " * 100)
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(call())
    assert not ledger.flush()
    assert "set TOLLBOOK_STORE to another file" in caplog.text
    ledger.close()
    assert ledger.health().pending == 1


def test_what_waits_in_memory_is_tried_once_more_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However short before that the last attempt failed."""
    (tmp_path / "file").write_text("not a directory")
    ledger = Ledger(tmp_path / "file" / "ledger.db")
    for _ in range(3):
        ledger.append(call())
    assert ledger.spool.waiting == 3
    (tmp_path / "file").unlink()
    ledger.close()
    assert ledger.store.health().spans == 3
    assert "are lost" not in caplog.text


def test_what_is_lost_at_the_end_is_told_once_with_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a directory")
    ledger = Ledger(tmp_path / "file" / "ledger.db")
    for _ in range(3):
        ledger.append(call())
    ledger.close()
    ledger.close()
    told = [entry.getMessage() for entry in caplog.records if "are lost" in entry.getMessage()]
    assert told == [f"tollbook: 3 records could not be written to {ledger.spool.directory} and are lost"]
    (tmp_path / "file").unlink()
    ledger.spool._again = 0.0
    ledger.append(call())
    assert ledger.flush()
    assert ledger.health().dropped == 3, "the ledger knows of it as soon as it can"
    ledger.close()
    assert len([entry for entry in caplog.records if "are lost" in entry.getMessage()]) == 1


def test_a_program_whose_disk_is_full_says_at_its_end_how_much_is_lost(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from tests.records import call; from tollbook.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1]); ledger.append(call()); ledger.flush()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "for _ in range(100): ledger.append(call())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "ledger.db"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("tollbook: ")
    assert lines[-1].endswith(" records could not be written to {} and are lost".format(tmp_path / "ledger.db.spool"))
    lost = int(lines[-1].split()[1])
    assert lost >= 98
    store = Store(tmp_path / "ledger.db")
    store.drain()
    assert store.health().spans == 101 - lost


def test_a_drain_that_fails_is_tried_again_ever_more_rarely(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ledger, "_LONGEST_PAUSE", 5.0)

    def fail(**_: object) -> int:
        raise StoreError("no")

    class Broken:
        drain = staticmethod(fail)
        spool = ledger.store.spool

    monkeypatch.setattr(ledger, "store", Broken)
    pauses = []
    for _ in range(5):
        assert ledger._round() is False
        pauses.append(ledger._pause)
    monkeypatch.undo()
    assert pauses == [2.0, 4.0, 5.0, 5.0, 5.0]
    assert ledger._round() is True
    assert ledger._pause == _ledger._GATHER


def test_journals_of_dead_processes_are_drained_and_those_of_live_ones_left_to_them(ledger: Ledger) -> None:
    live = Ledger(ledger.store.path)
    live.append(call())
    child = os.fork()
    if child == 0:
        live.append(call())
        os._exit(0)
    os.waitpid(child, 0)
    assert ledger.store.drain(orphans=True) == 1
    assert ledger.store.drain() == 1
    live.close()


def test_parent_and_child_both_record(ledger: Ledger) -> None:
    """Also while the thread is at work; the child has no part of the parent's, and its own thread if it needs one."""
    for _ in range(600):
        ledger.append(call())
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert threads() == []
                for number in range(600):
                    ledger.append(call(trace_id=f"{os.getpid():016x}{number:016x}"))
                assert len(threads()) == 1
                ledger.close()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
        ledger.append(call())
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert ledger.flush()
    assert ledger.store.health().spans == 4 * 600 + 3


def test_the_thread_goes_on_in_the_parent_after_a_fork(ledger: Ledger) -> None:
    ledger.append(call())
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    eventually(lambda: ledger.store.health().spans == 1)


def _work(path: Path, count: int) -> None:
    ledger = Ledger(path)
    for number in range(count):
        ledger.append(call(trace_id=f"{os.getpid():016x}{number:016x}"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_record_though_they_end_without_a_goodbye(ledger: Ledger, method: str) -> None:
    """They leave by `os._exit`, so nothing of ours runs at their end: the journal has it."""
    ledger.append(call())
    context = multiprocessing.get_context(method)
    children = [context.Process(target=_work, args=(ledger.store.path, 50)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert ledger.flush()
    assert ledger.store.health().spans == 101


def test_threads_record_at_once(ledger: Ledger) -> None:
    def work() -> None:
        for _ in range(500):
            ledger.append(call())

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert ledger.flush()
    assert ledger.store.health().spans == 4000


def test_readers_and_the_thread_share_a_ledger(ledger: Ledger) -> None:
    """Each read sees one moment: the sums never disagree with the spans."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for _ in range(20):
                ledger.append(call())
            time.sleep(0.005)

    ledger.append(call())
    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(10):
            ledger.flush()
            (by_series,) = ledger.store.summary()
            (by_trace,) = ledger.store.summary(["attribute.none"])
            assert by_series.calls <= by_trace.calls
            assert by_series.total_cost == 30 * by_series.calls
    finally:
        stop.set()
        worker.join()
