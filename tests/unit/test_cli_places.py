"""The command line where it is used: broken ledgers, terminals, pipes, machines that lack something."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
import termios
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from tests.commands import PROGRAM, family, priced, process, put, run, said
from tests.records import call
from tests.wire.cassettes import load

from tollbook.ledger import Store
from tollbook_integrations import demo


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The path of the ledger that commands read if nothing else is said."""
    return tmp_path / "ledger.db"


# ---- what can go wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        (("report", "--by", "modell"), "there are: model, "),
        (("report", "--since", "soon"), "a date (2026-11-01)"),
        (("report", "--until", "2026-02-30"), "an age (90m, 24h, 7d, 4w)"),
        (("report", "--timezone", "Berlin"), "did you mean Europe/Berlin?"),
        (("report", "--by", "day,month"), "one of hour, day, week, month at a time"),
        (("report", "--top", "0"), "x>=1"),
        (("report", "--store", "mysql://somewhere/x"), "sqlite only"),
        (("report", "--store", "/"), "is a directory"),
        (("report", "--sinse", "7d"), "No such option"),
        (("reprot",), "No such command"),
    ],
)
def test_wrong_usage_is_told_what_there_is_and_ends_with_exit_code_2(arguments: tuple[str, ...], listed: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert listed in result.output
    assert "Traceback" not in result.output


def newer(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


def foreign(path: Path) -> None:
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (newer, "a newer tollbook wrote it"),
        (foreign, "another program's database"),
        (lambda path: path.write_bytes(b"hello" * 2000), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000), "malformed"),
    ],
    ids=["newer", "foreign", "no database", "torn"],
)
@pytest.mark.parametrize("command", ["report", "trace"])
def test_a_ledger_that_can_not_be_read_is_one_line_and_exit_code_1(ledger: Path, damage, what: str, command) -> None:
    store = Store(ledger)
    put(ledger, call())
    store.drain()
    store.close()
    for companion in ledger.parent.glob("ledger.db*"):
        if companion != ledger and companion.is_file():
            companion.unlink()
    damage(ledger)
    result = run(command)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    assert str(ledger) in result.output
    assert what in result.output


@pytest.mark.parametrize("command", ["report", "trace"])
def test_only_what_was_a_ledger_is_called_damaged(ledger: Path, command: str) -> None:
    """Its lock file, which whoever writes to it makes and nobody removes, tells it from somebody else's file."""
    ledger.write_bytes(b"hello" * 2000)
    result = run(command)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: the ledger {ledger} can't be used: it is not a database: set TOLLBOOK_STORE to another file\n"
    )
    ledger.with_name("ledger.db.lock").touch()
    assert f"the ledger {ledger} is damaged" in run(command).output


def test_a_ledger_that_can_not_be_written_to_is_read_as_it_is(ledger: Path) -> None:
    put(ledger, call())
    said("report")
    put(ledger, call())
    lock = ledger.with_name("ledger.db.lock")
    lock.unlink()
    lock.mkdir()  # nobody gets the lock now
    text = said("report", "--by", "model")
    assert "Warning: what was recorded last is missing here" in text
    assert "gpt-4o-mini-2024-07-18      1" in text


# ---- terminals and pipes -------------------------------------------------------------------------------------


def in_terminal(width: int, *arguments: str, **environment: str) -> str:
    """What the command writes to a terminal of that many columns."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    setting = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    setting |= {"TERM": "xterm", **environment}
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=slave, env=setting)
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not piece:
            break
        written += piece
    os.close(master)
    assert child.wait(timeout=60) == 0
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_that_can_only_write_gets_what_is_spent_once(ledger: Path) -> None:
    put(ledger, call())
    text = in_terminal(80, "top", "--since", "2025-01-01", TERM="dumb")
    assert "\x1b" not in text
    assert "gpt-4o-mini" in text


def test_times_are_called_by_what_clocks_showed_then(ledger: Path) -> None:
    """In Berlin it is summer time in July, and it is not in December."""
    put(ledger, call())
    said_ = process(
        *("report", "--since", "2026-07-01", "--until", "2026-12-01"),
        env={**os.environ, "TZ": "Europe/Berlin", "TOLLBOOK_STORE": str(ledger)},
    ).stdout
    assert "2026-07-01 00:00 to 2026-12-01 00:00 CEST/CET" in said_


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_report_fits_into_the_terminal_and_no_number_is_broken(ledger: Path, width: int) -> None:
    put(
        ledger,
        priced("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 1_234_567_890_123_456),
        priced("gpt-4o-mini", 16_000),
    )
    text = in_terminal(width, "report")
    bare = re.sub(r"\x1b\[\d*m", "", text)
    assert "\x1b[1m" in text
    assert max(map(len, bare.splitlines()[:-1])) <= width
    assert "$1,234.57" in bare
    assert "$0.000000016" in bare
    assert ("share" in bare) is (width == 140)
    begin = bare.index("model")
    name = "".join(line[begin:].split("  ")[0].strip() for line in bare.splitlines()[2:12])
    assert name.startswith("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), "a name is folded, never cut"


def test_a_terminal_without_colours_gets_none(ledger: Path) -> None:
    put(ledger, call())
    assert "\x1b" in in_terminal(80, "report")
    assert "\x1b" not in in_terminal(80, "report", NO_COLOR="1")
    assert "\x1b" not in in_terminal(80, "report", TERM="dumb")


def test_a_pipe_gets_neither_colours_nor_folded_names(ledger: Path) -> None:
    put(ledger, call(response_model="a-" * 100))
    done = process("report")
    assert "\x1b" not in done.stdout
    assert "a-" * 100 in done.stdout


def test_columns_says_how_wide_a_pipe_is(ledger: Path) -> None:
    put(ledger, call(response_model="a-" * 100), priced("b", 10**9))
    assert max(map(len, said("report", COLUMNS="60").splitlines()[:-1])) <= 60


def test_a_reader_that_has_read_enough_is_no_failure(ledger: Path) -> None:
    put(ledger, *(call(response_model=f"model-{n}") for n in range(3000)))
    reader, writer = os.pipe()
    os.close(reader)
    done = process("report", stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize(
    "arguments", [("report",), ("report", "--json"), ("trace",), ("doctor",), ("statusline",), ("--help",)]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_can_not_be_written_is_one_line_and_exit_code_1(
    ledger: Path, arguments: tuple[str], unbuffered: str
) -> None:
    put(ledger, call())
    program = "from tollbook.cli._start import start; start()"
    command = [sys.executable, "-c", program, *arguments]
    setting = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=setting)
    assert done.stderr == "Error: the output can't be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("arguments", [("report",), ("trace",), ("doctor",), ("statusline",)])
def test_a_closed_output_is_one_line_and_exit_code_1(ledger: Path, arguments: tuple[str]) -> None:
    put(ledger, call())
    program = "from tollbook.cli._start import start; start()"
    command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "Error: the output can't be written: standard output is closed\n"
    assert done.returncode == 1


def test_an_output_that_is_not_unicode_gets_what_it_can_show(ledger: Path) -> None:
    put(ledger, *family(response_model="modèle-日本"))
    for command in ("report", "trace"):
        done = process(command, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
        assert "mod\\xe8le-\\u65e5\\u672c" in done.stdout


def test_a_report_loads_no_sdk_no_prices_and_nothing_that_draws(ledger: Path) -> None:
    put(ledger, call())
    program = (
        "import sys; from tollbook.cli import main; main(['report'], standalone_mode=False); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"openai", "anthropic", "httpx", "httpx2", "rich", "genai_prices", "asyncio", "zoneinfo"})
    assert "sqlite3" in loaded


# ---- help and doctor -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), ("report",), ("trace",), ("doctor",), ("demo",), ("reprice",)])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_fits_into_80_columns(command: tuple[str, ...], option: str) -> None:
    text = said(*command, option, COLUMNS="80")
    assert text.startswith("Usage: ")
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.replace("[ARGS]...", "").replace("... day by day", ""), "no sentence is cut"
    assert "\\b" not in text
    for line in text.splitlines():
        # An example stands on a line of its own.
        assert line.count("tollbook ") < 2


def test_doctor_says_what_is_metered_and_how_the_ledger_is(ledger: Path) -> None:
    put(ledger, call())
    result = run("doctor", "--json")
    found = json.loads(result.output)
    assert result.exit_code == 0
    assert {finding["area"] for finding in found} == {"program", "sdks", "ledger", "spool", "prices"}
    texts = [f"{finding['level']} {finding['text']}" for finding in found]
    assert any(re.match(r"ok openai \d.* is metered, at \d+ places", text) for text in texts)
    assert any(re.match(r"ok anthropic \d.* is metered, at \d+ places", text) for text in texts)
    assert any(text.startswith(f"ok {ledger}: 1 span") for text in texts)
    assert any("genai-prices" in text and "newest price of 20" in text for text in texts)


def test_doctor_finds_what_can_not_be_patched() -> None:
    program = (
        "import openai._base_client as base; del base.SyncAPIClient._process_response; "
        "from tollbook.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "can't be metered" in done.stdout
    assert "SyncAPIClient._process_response: failed" in done.stdout


def test_doctor_leaves_a_program_metered_that_is(ledger: Path) -> None:
    import tollbook
    from tollbook import _runtime
    from tollbook._instrument import integrations

    tollbook.autolog()
    try:
        said("doctor")
        assert set(integrations()["openai"].state().values()) == {"on"}
    finally:
        tollbook.autolog(disable=True)
        _runtime.stop()


def test_doctor_tells_of_a_ledger_that_can_not_be_read(ledger: Path) -> None:
    ledger.write_bytes(b"hello" * 2000)
    result = run("doctor")
    assert result.exit_code == 1
    assert re.search(r"bad +the ledger .* is not a database: set TOLLBOOK_STORE to another file", result.output)


# ---- demo ----------------------------------------------------------------------------------------------------


def test_the_demo_costs_what_its_cassettes_say_and_leaves_the_users_ledger_alone(tmp_path: Path, ledger: Path) -> None:
    kept = tmp_path / "kept.db"
    text = said("demo", "--keep", str(kept), NO_PROXY="example.org")
    assert text.startswith("A small program made 8 calls with openai ")
    assert f"tollbook report --store {kept}" in text
    assert not ledger.exists()
    total = json.loads(said("report", "--store", str(kept), "--json"))["total"]
    played = {"openai-chat-seed-pair": 1, "anthropic-messages-plain": 1, "anthropic-messages-stream": 1}
    played |= {"openai-responses-plain": 1, "openai-embeddings": 1, "openai-chat-stream": 1}
    costs = [Decimal(record["cost_usd"]) * n for name, n in played.items() for record in load(name).records]
    assert Decimal(total["cost_usd"]) == sum(costs)
    assert (total["calls"], total["unpriced_calls"], total["failed_calls"]) == (8, 1, 0)


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"hello" * 2000), newer, foreign])
def test_the_demo_leaves_nothing_beside_a_file_that_is_no_ledger(tmp_path: Path, ledger: Path, make) -> None:
    kept = tmp_path / "kept.db"
    kept.touch()
    make(kept)
    before = kept.read_bytes()
    result = run("demo", "--keep", str(kept))
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1), result.output
    assert str(kept) in result.output
    assert (list(tmp_path.iterdir()), kept.read_bytes()) == ([kept], before)


def test_the_demo_says_which_sdk_it_needs() -> None:
    program = f"import sys; sys.modules['openai'] = None; {PROGRAM}"
    done = subprocess.run([sys.executable, "-c", program, "demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: the demo needs the SDK openai: pip install 'tollbook[openai,anthropic]'\n"


def test_a_wheel_has_the_cassettes_where_the_demo_looks_for_them() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed["cassettes"] == f"{Path(demo.__file__).parent.name}/cassettes"
