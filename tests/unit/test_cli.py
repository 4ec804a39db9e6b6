"""The command line: what a person, a pipe, a spreadsheet and a script get from it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.records import call

from tollbook.cli import main
from tollbook.cli._text import Column, Screen, columns, cut, fold, paragraph, table
from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage

PROGRAM = "from tollbook.cli import main; main()"
HOSTILE = "[red]evil\x1b[2J\x1b]0;title\x07\r\nfake | row\u202e\u2028`<b>*_\x9b31m"
FORMULA = "=HYPERLINK(A1)"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The path of the ledger that commands read if nothing else is said."""
    return tmp_path / "ledger.db"


def put(path: Path, *records: Record) -> None:
    """Leave records in a journal, as a program does; whoever reads drains it."""
    spool = Spool(Store(path).spool)
    for each in records:
        spool.append(each)
    spool.close()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environment)


def said(*arguments: str, **environment: str) -> str:
    """What a command that succeeds prints."""
    result = run(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.output


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 60} | options
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=False, **options)


def priced(model: str, pico: int, **changes: Any) -> Record:
    return call(response_model=model, cost=Cost(total=pico, input=pico, output=0), **changes)


# ---- report --------------------------------------------------------------------------------------------------


def test_a_report_shows_provider_model_calls_tokens_cost_and_share(ledger: Path) -> None:
    put(ledger, priced("gpt-4o", 300_000_000), priced("gpt-4o", 100_000_000), priced("o5", 100_000_000))
    lines = said("report").splitlines()
    assert lines[0].split() == ["provider", "model", "calls", "input", "cached", "output", "cost", "share"]
    assert lines[2].split() == ["openai", "gpt-4o", "2", "240", "40", "70", "$0.0004", "80.0%"]
    assert lines[3].split() == ["openai", "o5", "1", "120", "20", "35", "$0.0001", "20.0%"]
    assert lines[5].split() == ["total", "3", "360", "60", "105", "$0.0005", "100.0%"]
    assert lines[-1] == f"all time; ledger {ledger}"


def test_small_costs_are_shown_and_the_points_of_money_stand_below_each_other(ledger: Path) -> None:
    put(ledger, priced("tiny", 16_000), priced("big", 1_234_500_000_000_000), priced("some", 500_000_000_000))
    lines = said("report", "--by", "model").splitlines()
    assert [re.findall(r"\$[\d.,]+", line) for line in lines[2:5]] == [["$1,234.50"], ["$0.50"], ["$0.000000016"]]
    assert len({line.index(".") for line in lines[2:5]}) == 1
    assert lines[4].endswith("<0.1%")


def test_what_the_total_leaves_out_is_said_below_it(ledger: Path) -> None:
    put(
        ledger,
        priced("sure", 10**9),
        call(response_model="new", usage=Usage({"input": 37, "output": 4}), cost=Cost(total=None, status="unpriced")),
        call(response_model="cut", usage=Usage({"input": 5}, source="estimated"), cost=Cost(total=10**6)),
        call(response_model="mute", usage=None, cost=None),
        call(response_model="down", usage=None, cost=None, status="error", error="APIConnectionError"),
    )
    text = said("report", "--by", "model")
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["new"][-1] == "unpriced"
    assert rows["cut"][2:6] == ["~5", "0", "~0", "~$0.000001"]
    assert rows["mute"][2:] == ["?", "?", "?", "unknown"]
    assert rows["down"][2:] == ["-", "-", "-", "-"]
    assert rows["total"][-2] == "~$0.001001+"
    assert "+ unpriced: 1 call with 41 tokens, in no sum of money" in text
    assert "? unknown: 1 call told no usage" in text
    assert "~ estimated: 1 call, $0.000001 of the total" in text
    assert "failed: 1 call" in text


def test_cache_writes_have_a_column_where_there_are_any(ledger: Path) -> None:
    put(ledger, call(usage=Usage({"input": 1, "input_cache_write_1h": 600})))
    assert "written" in said("report").splitlines()[0]


def test_several_dimensions_by_comma_or_by_repetition(ledger: Path) -> None:
    put(ledger, call(attributes={"cost.feature": "search"}), call())
    one = said("report", "--by", "provider,attribute.cost.feature", "--csv")
    two = said("report", "-b", "provider", "-b", "attribute.cost.feature", "--csv")
    assert one == two
    assert [line.split(",")[:3] for line in one.splitlines()[1:]] == [
        ["openai", "search", "1"],
        ["openai", "unattributed", "1"],
    ]


def test_the_others_are_one_row(ledger: Path) -> None:
    put(ledger, *(priced(f"m{n}", n * 10**9) for n in range(1, 6)))
    lines = said("report", "--by", "model", "--top", "2").splitlines()
    assert [line.split()[:2] for line in lines[2:5]] == [["m5", "1"], ["m4", "1"], ["3", "others"]]
    assert lines[4].split() == ["3", "others", "3", "360", "60", "105", "$0.006", "40.0%"]


def test_a_period_and_a_zone(ledger: Path) -> None:
    day = 1_793_491_200_000_000_000  # 2026-11-01, UTC
    put(ledger, call(start=day - 1), call(start=day))
    text = said("report", "--by", "day", "--since", "2026-11-01", "--until", "2026-11-02", "--timezone", "utc")
    assert re.search(r"^2026-11-01 +1 ", text, re.MULTILINE)
    assert "2026-11-01 00:00 to 2026-11-02 00:00 UTC" in text
    assert re.search(r"^2026-10-31 +1 ", said("report", "--by", "day", "-z", "utc"), re.MULTILINE)


def test_nothing_recorded_teaches_how_to_record(ledger: Path) -> None:
    text = said("report")
    assert "tollbook.autolog()" in text
    assert str(ledger) in text
    put(ledger, call())
    assert "No calls are recorded from 2001-01-01" in said("report", "--since", "2001-01-01", "--until", "2001-01-02")


# ---- forms ---------------------------------------------------------------------------------------------------


def test_json_is_exact_and_null_where_unknown(ledger: Path) -> None:
    put(ledger, priced("a", 1), call(provider=None, response_model="b", usage=None, cost=None))
    found = json.loads(said("report", "--json"))
    assert [(row["provider"], row["model"], row["cost_usd"]) for row in found["rows"]] == [
        ("openai", "a", "0.000000000001"),
        (None, "b", None),
    ]
    assert found["total"]["cost_usd"] == "0.000000000001"
    assert json.loads(said("report", "--json", "--store", str(ledger) + "none"))["rows"] == []


def test_csv_adds_up_exactly(ledger: Path) -> None:
    put(ledger, priced("a", 10**15 + 1), priced("b", 2), call(response_model="c", usage=None, cost=None))
    rows = list(csv.DictReader(io.StringIO(said("report", "--csv"))))
    assert [row["cost_usd"] for row in rows] == ["1000.000000000001", "0.000000000002", ""]
    total = json.loads(said("report", "--json"))["total"]
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal(total["cost_usd"])
    assert sum(int(row["input_tokens"]) for row in rows) == total["input_tokens"]


def test_markdown_is_a_table_with_exact_money(ledger: Path) -> None:
    put(ledger, priced("a", 10**15 + 1), call(response_model="b", cost=Cost(total=None, status="unpriced")))
    lines = said("report", "--md").splitlines()
    assert lines[0] == "| provider | model | calls | input | cached | output | cost (USD) |"
    assert lines[2] == "| openai | a | 1 | 120 | 20 | 35 | 1000.000000000001 |"
    assert lines[4] == "| total |  | 2 | 240 | 40 | 70 | 1000.000000000001+ |"
    assert lines[6].startswith(r"- \+ unpriced: 1 call")


# ---- names that come from elsewhere --------------------------------------------------------------------------


@pytest.mark.parametrize("form", [(), ("--csv",), ("--md",), ("--json",)])
def test_a_hostile_name_can_not_act_in_any_form(ledger: Path, form: tuple[str, ...]) -> None:
    put(ledger, call(response_model=HOSTILE, provider=HOSTILE, attributes={HOSTILE: HOSTILE}))
    text = said("report", "--by", f"model,provider,attribute.{HOSTILE}", *form)
    assert all(c.isprintable() or c == "\n" for c in text)
    if not form:
        assert "[red]evil\\x1b[2J" in text, "it is shown as it is, harmlessly"
    elif form == ("--json",):
        assert json.loads(text)["rows"][0]["model"] == HOSTILE, "JSON keeps the name itself"
    elif form == ("--csv",):
        assert len(text.splitlines()) == 2
    else:
        row = text.splitlines()[2]
        assert len(re.findall(r"(?<!\\)\|", row)) == 3 + 5 + 1
        assert re.findall(r"(?<!\\)[`<*_\[]", row) == []


@pytest.mark.parametrize("name", [FORMULA, "+1", "-1", "@SUM(A1)", " =1", "\t=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(ledger: Path, name: str) -> None:
    put(ledger, call(response_model=name))
    (row,) = csv.DictReader(io.StringIO(said("report", "--by", "model", "--csv")))
    assert row["model"] == f"'{name}" or row["model"].startswith("\\t")


def test_a_hostile_trace_can_not_act_either(ledger: Path) -> None:
    put(ledger, call(name=HOSTILE, response_model=HOSTILE, status="error", error=HOSTILE))
    for form in ((), ("--json",)):
        assert all(c.isprintable() or c == "\n" for c in said("trace", *form))


# ---- trace ---------------------------------------------------------------------------------------------------

TRACE = "0badc0de" + "0" * 24


def family(**changes: Any) -> list[Record]:
    """An agent with a call, and a tool with a call that failed."""
    shape = [("agent", None, "agent run"), ("llm", 1, "Completions"), ("tool", 1, "look"), ("llm", 3, "Completions")]
    found: list[Record] = []
    for number, (kind, parent, name) in enumerate(shape, 1):
        paid = kind == "llm"
        values: dict[str, Any] = {
            "trace_id": TRACE,
            "span_id": f"{number:016x}",
            "parent_id": None if parent is None else f"{parent:016x}",
            "name": name,
            "kind": kind,
            "start": number,
            "bills": paid,
        }
        if not paid:
            values |= {"usage": None, "cost": None, "request_model": None, "response_model": None}
        found.append(call(**(values | changes)))
    found[3].status, found[3].error, found[3].usage, found[3].cost = "timeout", "APITimeoutError", None, None
    return found


def test_a_trace_is_a_tree_with_what_each_call_used_and_cost(ledger: Path) -> None:
    put(ledger, *family())
    lines = said("trace", "last").splitlines()
    assert lines[0] == f"trace {TRACE}"
    assert lines[1].startswith("2 calls, 155 tokens, $0.00000000003; began 1970-01-01 ")
    assert [line[:17].rstrip() for line in lines[5:]] == ["agent run", "├ Completions_1", "└ look", "  └ Completions_2"]
    assert lines[6].split()[2:] == ["gpt-4o-mini-2024-07-18", "120", "20", "35", "$0.00000000003", "1.00", "ms"]
    assert lines[8].split()[2:] == [
        "gpt-4o-mini-2024-07-18",
        "-",
        "-",
        "-",
        "-",
        "1.00",
        "ms",
        "timeout",
        "APITimeoutError",
    ]


def test_the_beginning_of_an_id_is_enough(ledger: Path) -> None:
    put(ledger, call(trace_id=TRACE), call(trace_id="0bae" + "1" * 28))
    assert said("trace", "0bad").startswith(f"trace {TRACE}")
    assert said("trace", TRACE[:7]).startswith(f"trace {TRACE}")
    assert said("trace", TRACE.upper()).startswith(f"trace {TRACE}")


def test_a_beginning_that_several_traces_have_is_an_error_that_lists_them(ledger: Path) -> None:
    ids = [f"0bad{number:028x}" for number in range(9)]
    put(ledger, *(call(trace_id=each) for each in ids))
    result = run("trace", "0bad")
    assert result.exit_code == 1
    assert result.output == f"Error: more than one trace begins with '0bad': {', '.join(ids[:5])}, ...\n"


@pytest.mark.parametrize("wanted", ["ffff", "no such", "", "0" * 33, "é"])
def test_a_trace_that_is_not_there_is_one_line_and_exit_code_1(ledger: Path, wanted: str) -> None:
    put(ledger, call(trace_id="1" * 32), call(trace_id="2" * 32))
    result = run("trace", wanted)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1


def test_no_trace_at_all_is_one_line_and_exit_code_1(ledger: Path) -> None:
    result = run("trace")
    assert (result.exit_code, result.output) == (1, f"Error: no trace is recorded yet in {ledger}\n")


def test_a_cost_that_another_span_replaces_is_in_parentheses(ledger: Path) -> None:
    records = family()
    records[0].bills, records[0].covers, records[0].cost = True, True, Cost(total=5 * 10**9, status="manual")
    put(ledger, *records)
    text = said("trace")
    assert "1 call, 0 tokens, $0.005;" in text
    assert "($0.00000000003)" in text


def test_spans_whose_parents_are_missing_or_each_other_are_shown_once(ledger: Path) -> None:
    ids = {"trace_id": TRACE}
    put(
        ledger,
        call(**ids, span_id="01" * 8, parent_id="02" * 8, name="one"),
        call(**ids, span_id="02" * 8, parent_id="01" * 8, name="two"),
        call(**ids, span_id="03" * 8, parent_id="99" * 8, name="orphan"),
        call(**ids, span_id="04" * 8, parent_id="04" * 8, name="selfish"),
    )
    text = said("trace")
    assert [text.count(name) for name in ("one", "two", "orphan", "selfish")] == [1, 1, 1, 1]


def test_a_deep_trace_is_no_problem(ledger: Path) -> None:
    put(
        ledger,
        *(
            call(trace_id=TRACE, span_id=f"{n:016x}", parent_id=f"{n - 1:016x}" if n > 1 else None, name=f"s{n}")
            for n in range(1, 1500)
        ),
    )
    assert "s1499" in said("trace")


def test_what_was_taken_for_granted_is_told(ledger: Path) -> None:
    usage = Usage({"input": 5, "output": 3}, estimated=("output",), method="characters/4", band=0.3)
    cost = Cost(total=1, status="estimated", assumptions=("service_tier=scale priced as standard",))
    put(ledger, call(usage=usage, cost=cost))
    text = said("trace")
    assert "~ chat is estimated by characters/4, ±30%" in text
    assert "chat: service_tier=scale priced as standard" in text
    assert " 5  " in text
    assert "~3" in text


def test_a_trace_as_json_is_exact_and_says_nothing_of_its_own(ledger: Path) -> None:
    put(ledger, *family(attributes={"cost.feature": "search"}))
    found = json.loads(said("trace", "--json"))
    assert (found["calls"], found["cost_usd"]) == (2, "0.00000000003")
    assert [span["name"] for span in found["spans"]] == ["agent run", "Completions_1", "look", "Completions_2"]
    assert [span["cost_usd"] for span in found["spans"]] == [None, "0.00000000003", None, None]
    assert found["spans"][1]["quantities"] == {
        "input": 100,
        "input_cache_read": 20,
        "output": 30,
        "output_reasoning": 5,
    }
    assert found["spans"][1]["attributes"] == {"cost.feature": "search"}


# ---- what can go wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        (("report", "--by", "modell"), "there are: model, "),
        (("report", "--since", "soon"), "a date (2026-11-01)"),
        (("report", "--until", "2026-02-30"), "an age (90m, 24h, 7d, 4w)"),
        (("report", "--timezone", "Berlin"), "did you mean Europe/Berlin?"),
        (("report", "--by", "day,month"), "one of hour, day, month at a time"),
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


@pytest.mark.parametrize("command", [(), ("report",), ("trace",), ("doctor",), ("demo",)])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_fits_into_80_columns(command: tuple[str, ...], option: str) -> None:
    text = said(*command, option, COLUMNS="80")
    assert text.startswith("Usage: ")
    assert max(map(len, text.splitlines())) <= 80


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
    assert re.search(r"bad +the ledger .* is damaged", result.output)


# ---- text ----------------------------------------------------------------------------------------------------


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert [columns(text) for text in ("abc", "日本", "e\u0301", "é")] == [3, 4, 1, 1]
    assert fold("日本語モデル", 5) == ["日本", "語モ", "デル"]
    assert cut("日本語モデル", 7) == "日本…ル"


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("gpt-4o", 8, ["gpt-4o"]),
        ("claude-sonnet-4-6", 14, ["claude-sonnet-", "4-6"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a-bcdefghij", 8, ["a-bcdefg", "hij"]),
    ],
)
def test_names_are_folded_at_their_borders(text: str, room: int, lines: list[str]) -> None:
    assert fold(text, room) == lines


def test_columns_go_in_their_order_until_the_rest_fits() -> None:
    heads = [
        Column("name"),
        Column("one", "number", droppable=1),
        Column("two", "number", droppable=2),
        Column("n", "number"),
    ]
    rows = [["x" * 8, "1" * 9, "2" * 9, "3" * 9]]

    def heading(width: int | None) -> list[str]:
        return table(Screen(width), heads, rows).splitlines()[0].split()

    assert heading(None) == heading(41) == ["name", "one", "two", "n"]
    assert heading(40) == heading(30) == ["name", "one", "n"]
    assert heading(29) == heading(5) == ["name", "n"]


def test_a_sentence_is_wrapped_between_words() -> None:
    assert paragraph(Screen(12), "one two three four") == "one two\n  three four"
    assert paragraph(Screen(), "one two three four", "red") == "one two three four"
    assert paragraph(Screen(colour=True), "one\x1b", "red") == "\x1b[31mone\\x1b\x1b[0m"
