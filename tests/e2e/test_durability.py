"""What was recorded is there, exactly once: after `kill -9`, on a full disk, read-only, with other processes."""

from __future__ import annotations

import logging
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.records import call

from tollbook.ledger import Ledger, Spool, Store, StoreError

ROOT = Path(__file__).resolve().parents[2]

RECORDER = """
import os, sys
from tests.records import call
from tollbook.ledger import Ledger, _lines
_lines._CHUNK = 4096  # many transactions to be killed in
ledger = Ledger(sys.argv[1])
trace = sys.argv[2]
number = 0
while True:
    number += 1
    ledger.append(call(trace_id=trace, span_id=f"{number:016x}"))
    os.write(1, b"%d\\n" % number)
    if number % 300 == 0:
        ledger.flush()
"""

DRAINER = """
import sys, time
from tollbook.ledger import Store, StoreError, _lines
_lines._CHUNK = 4096
while True:
    try:
        Store(__import__("pathlib").Path(sys.argv[1])).drain()
    except StoreError:
        pass
"""


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, cwd=ROOT, env=dict(os.environ)
    )


def acknowledged(process: subprocess.Popen[bytes]) -> int:
    """How many records the killed process was told are safe."""
    assert process.stdout is not None
    told = process.stdout.read().split(b"\n")
    process.stdout.close()
    process.wait()
    return int(told[-2]) if len(told) > 1 else 0


def check(store: Store, traces: dict[str, int]) -> None:
    """All that was acknowledged is there, each once, without a gap; the roll-ups say the same."""
    store.drain()
    total = 0
    for trace, count in traces.items():
        numbers = [int(record.span_id, 16) for record in store.trace(trace)]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert len(numbers) >= count
        total += len(numbers)
    rows = store.summary()
    assert sum(row.calls for row in rows) == total
    assert sum(row.total_cost for row in rows) == 30 * total
    with sqlite3.connect(store.path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_kill_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Two programs record and drain, a third only drains, and all are killed at any moment, several times."""
    store = Store(tmp_path / "ledger.db")
    traces: dict[str, int] = {}
    for round_ in range(4):
        names = [f"{round_ * 2 + n + 1:032x}" for n in range(2)]
        recorders = [start(RECORDER, store.path, name) for name in names]
        drainer = start(DRAINER, store.path)
        for recorder in recorders:  # they are at work
            assert recorder.stdout is not None
            assert recorder.stdout.readline() == b"1\n"
        time.sleep(random.uniform(0.05, 0.4))
        for process in (*recorders, drainer):
            process.send_signal(signal.SIGKILL)
        acknowledged(drainer)
        traces.update({name: acknowledged(process) for name, process in zip(names, recorders, strict=True)})
        check(store, traces)
    assert sum(traces.values()) > 0
    assert list(store.spool.glob("*.jsonl")) == [], "dead processes' journals are gone once they are drained"
    store.close()


@pytest.mark.parametrize("exit_", ["", "import sys; sys.exit(3)", "raise SystemExit", "import os; os._exit(0)"])
def test_however_a_program_ends_its_records_are_there(tmp_path: Path, exit_: str) -> None:
    code = (
        "import sys\nfrom tests.records import call\nfrom tollbook.ledger import Ledger\n"
        f"ledger = Ledger(sys.argv[1])\nfor _ in range(700): ledger.append(call())\n{exit_}"
    )
    acknowledged(start(code + "\n", tmp_path / "ledger.db"))
    store = Store(tmp_path / "ledger.db")
    if "_exit" not in exit_:
        assert store.health().spans == 700, "a program that ends in order drains before it does"
    store.drain()
    assert store.health().spans == 700
    store.close()


def test_two_programs_share_a_ledger(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom tests.records import call\nfrom tollbook.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1])\n"
        "for n in range(2000):\n"
        "    ledger.append(call(trace_id=sys.argv[2], span_id=f'{n + 1:016x}'))\n"
        "    if n % 400 == 399: assert ledger.flush(30)\n"
    )
    traces = {f"{n:032x}": 2000 for n in (1, 2, 3)}
    programs = [start(code, tmp_path / "ledger.db", trace) for trace in traces]
    for program in programs:
        acknowledged(program)
    assert [program.returncode for program in programs] == [0, 0, 0]
    store = Store(tmp_path / "ledger.db")
    check(store, traces)
    assert store.health().rejected == 0
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system; the next test does without")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here; the next test does without")
    yield place
    # Lazily: a journal that a ledger still holds open must not leave the mount behind.
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """What finds no room waits in memory, and is written when there is room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 100_000)
    spool = Spool(small_disk / "ledger.db.spool")
    records = [call() for _ in range(600)]
    for record in records:
        spool.append(record)
    assert spool.waiting > 100
    assert spool.dropped == 0
    assert not spool.retry()
    ballast.unlink()
    for _ in range(3):
        spool.append(call())
    # The database would not fit beside the journal, so it lies elsewhere.
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "ledger.db")
        store.spool.symlink_to(spool.directory)
        drained = store.drain()
        journal = next(spool.directory.glob("*.jsonl"))
        assert drained + spool.waiting == 603
        os.truncate(journal, 0)
        assert spool.retry()
        assert drained + store.drain() == 603
        store.close()


def test_a_disk_too_full_for_the_database_keeps_the_journals(small_disk: Path) -> None:
    store = Store(small_disk / "ledger.db")
    spool = Spool(store.spool)
    for _ in range(250):
        spool.append(call())
    spool.close()
    with pytest.raises(StoreError, match="full"):
        store.drain()
    assert store.health().pending > 0
    assert not store.health().set_aside, "full is not damaged"
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    store.drain()
    assert store.health().spans == store.summary()[0].calls == 250
    store.close()


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    """The same with a limit of the process instead of a disk, which any user can set."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom tests.records import call\n"
        "from tollbook.ledger import Spool\n"
        "spool = Spool(Path(sys.argv[1] + '.spool'))\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))\n"
        "for _ in range(300): spool.append(call())\n"
        "assert spool.waiting > 100, spool.waiting\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "assert spool.retry()\n"
        "for _ in range(3): spool.append(call())\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    program = start(code, tmp_path / "ledger.db")
    acknowledged(program)
    assert program.returncode == 0
    store = Store(tmp_path / "ledger.db")
    assert store.drain() == 303
    assert store.health().rejected <= 1, "the line that was cut short, which was written again"
    store.close()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that another user can reach."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    for path in (place, *place.rglob("*")):
        with suppress(FileNotFoundError):
            path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(place)


def unprivileged(work: Callable[[], object]) -> str:
    """What `work` returns in a process of a user to whom permissions apply, unlike root."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            told = repr(work())
        except BaseException as error:
            told = repr(error)
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return told


def test_a_ledger_that_can_only_be_read_can_be_read(open_place: Path) -> None:
    store = Store(open_place / "ledger.db")
    spool = Spool(store.spool)
    spool.append(call())
    spool.close()
    store.drain()
    store.close()
    store.path.chmod(0o444)
    store.spool.chmod(0o555)
    open_place.chmod(0o555)

    def read() -> tuple[object, ...]:
        again = Store(store.path)
        health = again.health()
        return again.drain(), again.summary()[0].calls, health.spans, health.error

    assert unprivileged(read) == "(0, 1, 1, None)"


def test_records_in_a_log_that_cant_be_read_are_not_left_out_in_silence(open_place: Path) -> None:
    """A program was killed before SQLite moved its log into the database, and the place can't be written to now."""
    store = Store(open_place / "ledger.db")
    spool = Spool(store.spool)
    spool.append(call())
    store.drain()
    child = os.fork()  # closes the database here
    if child == 0:
        spool.append(call())
        store.drain()
        os._exit(0)  # and leaves it open there
    os.waitpid(child, 0)
    store.path.with_name("ledger.db-shm").unlink()
    for path in open_place.iterdir():
        path.chmod(0o555 if path.is_dir() else 0o444)
    open_place.chmod(0o555)
    assert "ledger.db-wal holds records that can't be read" in unprivileged(Store(store.path).summary)


def test_a_place_that_cant_be_written_to_costs_the_program_nothing(
    open_place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_place.chmod(0o555)

    def record() -> tuple[object, ...]:
        logging.getLogger("tollbook").addHandler(logging.StreamHandler())
        ledger = Ledger(open_place / "ledger.db")
        for _ in range(1000):
            ledger.append(call())
        flushed = ledger.flush(0.1)
        health = ledger.health()
        return flushed, health.waiting, health.dropped

    assert unprivileged(record) == "(False, 1000, 0)"
    assert capfd.readouterr().err.count("set TOLLBOOK_STORE to a place that can be written to") == 1


def test_memory_stays_bounded_while_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = (
        "import resource, sys\nfrom tests.records import call\nfrom tollbook.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1])\n"
        "record = call()\n"
        "for _ in range(20_000): ledger.append(record)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for _ in range(60_000): ledger.append(record)\n"
        "print(ledger.health().dropped, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    program = start(code, tmp_path / "file" / "ledger.db")
    assert program.stdout is not None
    dropped, grown = map(int, program.stdout.read().split())
    acknowledged(program)
    assert dropped >= 60_000
    assert grown < 2000, "kilobytes"


def test_a_ledger_that_another_program_keeps_locked(tmp_path: Path) -> None:
    """The lock of a program that is not ours, as of a backup or of a shell."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(call())
    assert ledger.flush()
    code = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\nsys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, ledger.store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    for _ in range(1000):
        ledger.append(call())
    with pytest.raises(StoreError, match=r"locked|busy"):
        ledger.store.drain(timeout=0.1)
    assert ledger.health().pending == 1000
    holder.stdin.close()
    holder.wait()
    holder.stdout.close()
    assert ledger.flush()
    assert ledger.health().spans == 1001
    ledger.close()
