"""What people see of comparisons, statistics, forecasts and what-ifs, and of calls as they arrive."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.commands import priced, process, put, run, said
from tests.records import call

from tollbook.cli._text import columns
from tollbook.pricing import Cost, cost_of
from tollbook.usage import Usage

HOSTILE = "[red]evil\x1b[2J\x1b]0;title\x07\r\nfake | row\u202e\u2028`<b>*_\x9b31m"
DAY = 86_400_000_000_000
USD = 10**12


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path / "ledger.db"


def now_and_then(ledger: Path, name: str = "gpt-4o") -> None:
    """Today 3 and 2 (new), eight days ago 4 and 1 (gone)."""
    now, then = time.time_ns(), time.time_ns() - 8 * DAY
    put(
        ledger,
        priced(name, 3 * USD, start=now),
        priced("new-one", 2 * USD, start=now),
        priced(name, 4 * USD, start=then),
        priced("old-one", 1 * USD, start=then),
    )


def test_a_comparison_shows_what_it_was_and_how_it_changed(ledger: Path) -> None:
    now_and_then(ledger)
    lines = said("report", "--by", "model", "--since", "7d", "--compare").splitlines()
    assert lines[0].split()[-2:] == ["before", "change"]
    rows = {line.split()[0]: line.split()[-2:] for line in lines[2:5]}
    assert rows == {"gpt-4o": ["$4.00", "-25.0%"], "new-one": ["-", "new"], "old-one": ["$1.00", "gone"]}
    assert lines[6].split()[-2:] == ["$5.00", "+0.0%"]
    assert "compared with" in " ".join(lines)


def test_csv_and_json_have_the_change_exactly(ledger: Path) -> None:
    now_and_then(ledger)
    options = ("report", "--by", "model", "--since", "7d", "--compare", "previous", "--stats", "call")
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(said(*options, "--csv")))}
    assert (rows["gpt-4o"]["previous_cost_usd"], rows["gpt-4o"]["change_usd"], rows["gpt-4o"]["p95_usd"]) == (
        *("4", "-1", "3"),
    )
    assert [rows[name]["state"] for name in ("gpt-4o", "new-one", "old-one")] == ["", "new", "gone"]
    found = json.loads(said(*options, "--json"))
    assert found["rows"][0]["change"] == -0.25
    assert found["total"] | {"change_usd": "0", "units": 2, "mean_usd": "2.5"} == found["total"]
    assert "| gpt-4o | 1 | 120 | 20 | 35 | 3 | 4 | \\-25.0% |" in said(*options[:-2], "--md").replace("-25", "\\-25")


@pytest.mark.parametrize(("command", "dimension"), [("daily", "day"), ("weekly", "week"), ("monthly", "month")])
def test_short_forms_are_reports(ledger: Path, command: str, dimension: str) -> None:
    now_and_then(ledger)
    assert json.loads(said(command, "--json")) == json.loads(said("report", "--by", dimension, "--json"))
    by_model = said("report", "--by", f"{dimension},model", "--csv")
    assert said(command, "--breakdown", "--csv") == by_model


def test_sessions_have_a_short_form(ledger: Path) -> None:
    put(ledger, call(attribution={"session": "s_1"}), call(attribution={"session": "s_1"}))
    assert json.loads(said("session", "--json"))["rows"][0]["calls"] == 2


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "command",
    [
        ("report", "--since", "30d", "--compare", "--stats", "call"),
        ("weekly", "--breakdown"),
        ("whatif", "--tier", "batch"),
        ("top", "--once"),
        ("tail", "--no-follow"),
        ("forecast",),
    ],
    ids=" ".join,
)
def test_hostile_names_do_no_harm_and_lines_fit(ledger: Path, command: tuple[str, ...], width: int) -> None:
    usage = Usage({"input": 100})
    now_and_then(ledger, HOSTILE)
    put(
        ledger,
        call(
            start=time.time_ns(),
            request_model="gpt-4o",
            response_model="gpt-4o",
            usage=usage,
            cost=cost_of(usage, "openai", "gpt-4o", time.time_ns()),
            attribution={"feature": HOSTILE, "session": HOSTILE},
        ),
    )
    text = said(*command, COLUMNS=str(width))
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", text) == []
    # The ledger's path is one word, which is not broken; numbers are never cut.
    table = [line for line in text.splitlines() if str(ledger.parent) not in line]
    assert [line for line in table if columns(line) > width and width >= 80] == []


def test_a_forecast_says_when_there_is_too_little(ledger: Path) -> None:
    now_and_then(ledger)
    assert "it needs 14 whole days of records" in " ".join(said("forecast").split())
    found = json.loads(said("forecast", "--json"))
    assert (found["expected_usd"], found["days_used"], found["unusual"]) == (None, 7, [])


def test_a_forecast_has_an_interval_and_the_unusual_day_its_reason(ledger: Path) -> None:
    calls = [priced("gpt-4o", 2 * USD, start=time.time_ns() - n * DAY) for n in range(1, 71)]
    put(ledger, *calls, priced("big", 40 * USD, start=time.time_ns() - 3 * DAY))
    text = said("forecast")
    assert re.search(r"By the end of \d{4}-\d\d-\d\d   ~\$[\d.]+, likely \$[\d.]+ to \$[\d.]+", text), text
    assert "was unusual: $42.00" in text
    assert "0.6745 x ($42.00 - $2.00) / $0.10 = 269.8" in text
    assert "model big: $40.00, usually $0.00" in text


def test_what_if_shows_both_and_what_has_no_price(ledger: Path) -> None:
    usage = Usage({"input": 1_000_000})
    start = time.time_ns()
    for model in ("gpt-4o", "gpt-4.1"):
        cost = cost_of(usage, "openai", model, start)
        put(ledger, call(start=start, request_model=model, response_model=model, usage=usage, cost=cost))
    text = said("whatif", "-m", "gpt-4o=gpt-4o-mini", "-m", "gpt-4.1=nobody")
    row = next(line for line in text.splitlines() if line.startswith("openai    gpt-4o ")).split()
    assert row == ["openai", "gpt-4o", "1", "$2.50", "$0.15", "-$2.35", "-94.0%"]
    assert "+ unpriceable: 1 call that cost $2.00, in neither sum" in text
    assert "no price for nobody: 1 call" in text
    found = json.loads(said("whatif", "-m", "gpt-4o=gpt-4o-mini", "--json"))["total"]
    assert (found["actual_usd"], found["hypothetical_usd"], found["difference_usd"]) == ("4.5", "2.15", "-2.35")
    rows = list(csv.DictReader(io.StringIO(said("whatif", "--tier", "batch", "--csv"))))
    assert {row["model"]: row["difference_usd"] for row in rows} == {"gpt-4o": "-1.25", "gpt-4.1": "-1"}
    for wrong in ((), ("-m", "gpt-4o"), ("-m", "=x")):
        assert run("whatif", *wrong).exit_code == 2


def test_tail_shows_past_calls_in_the_order_they_came(ledger: Path) -> None:
    put(
        ledger,
        *(priced(f"m{n}", n * USD, attribution={"feature": "x"}) for n in range(1, 5)),
        call(kind="agent", bills=False, usage=None, cost=None, name="no call"),
        call(status="error", error="RateLimitError", usage=None, cost=None),
    )
    lines = said("tail", "--no-follow", "-n", "3").splitlines()
    assert [line.split()[1] for line in lines] == ["$3.00", "$4.00", "unknown"]
    assert lines[0].endswith("m3  feature=x")
    assert "error RateLimitError" in lines[2]
    found = [json.loads(line) for line in said("tail", "--no-follow", "--json").splitlines()]
    assert [each["cost_usd"] for each in found] == ["1", "2", "3", "4", None]
    assert said("tail", "--no-follow", "-n", "0") == ""


def test_newest_calls_go_on_where_the_last_look_ended(ledger: Path) -> None:
    from tollbook.ledger import Store
    from tollbook.ledger._newest import newest

    put(ledger, priced("a", 1), priced("b", 1))
    with Store(ledger) as store:
        store.drain()
        last, found = newest(store, None, 1)
        assert [each.response_model for each in found] == ["b"]
        assert newest(store, last) == (last, [])
        put(ledger, priced("c", 1))
        store.drain()
        assert [each.response_model for each in newest(store, last)[1]] == ["c"]


def test_top_shows_today_and_the_newest_calls(ledger: Path) -> None:
    assert "no calls since today" in said("top", "--once")
    now_and_then(ledger)
    text = said("top", "--once", "--since", "1h")
    assert "since 1h: 2 calls, $5.00" in text
    assert [line.split()[0] for line in text.splitlines()[4:6]] == ["gpt-4o", "new-one"]
    assert "old-one" in text  # among the newest calls


def _nothing(path: Path) -> None:
    pass


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


def _session(path: Path) -> None:
    put(path, *(call(start=time.time_ns(), attribution={"session": "s"}, cost=Cost(total=USD)) for _ in range(2)))
    said("report")  # which drains


def _unpriced(path: Path) -> None:
    put(path, call(start=time.time_ns(), cost=Cost(total=None, status="unpriced")))
    said("report")


def _partial(path: Path) -> None:
    """A trace of three calls: one of which a part has no price, one that failed, and one of which nothing is known."""
    now, trace = time.time_ns(), "5" * 32
    put(
        path,
        call(start=now, trace_id=trace, cost=Cost(total=USD, status="partial")),
        call(start=now, trace_id=trace, usage=None, cost=None, status="error"),
        call(start=now, trace_id=trace, usage=None, cost=None),
    )
    said("report")


def _in_part(path: Path) -> None:
    put(path, call(start=time.time_ns(), cost=Cost(total=USD, status="partial")))
    said("report")


def _unknown(path: Path) -> None:
    put(path, call(start=time.time_ns(), usage=None, cost=None))
    said("report")


def _failed(path: Path) -> None:
    """Something was spent a month ago; today a call failed."""
    now = time.time_ns()
    put(path, call(start=now - 40 * 86_400 * 10**9, cost=Cost(total=USD)))
    put(path, call(start=now, usage=None, cost=None, status="timeout"))
    said("report")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_partial, "today $1.00+ | month $1.00+ | last trace $1.00+"),
        (_in_part, "today $1.00+ | month $1.00+ | last trace $1.00+"),
        (_unknown, "today ? | month ? | last trace ?"),
        (_failed, "today $0.00 | month $0.00 | last trace $0.00"),
        (_nothing, "tollbook: no calls yet"),
        (_garbage, "tollbook: no ledger that can be read"),
        (_session, "today $2.00 | month $2.00 | session $2.00"),
        (_unpriced, "today unpriced | month unpriced | last trace unpriced"),
    ],
)
def test_a_status_line_never_fails(ledger: Path, make: Callable[[Path], None], expected: str) -> None:
    make(ledger)
    assert said("statusline") == f"{expected}\n"


def test_what_comes_in_shows_what_is_missing_from_it(ledger: Path) -> None:
    _partial(ledger)
    assert "$1.00+" in said("tail", "--no-follow")
    head = said("top", "--once").splitlines()[0]
    assert "3 calls, $1.00+, $12.00+ an hour" in head


def test_a_status_line_loads_what_it_needs_and_nothing_else(ledger: Path) -> None:
    """A prompt asks for it once a second."""
    _session(ledger)
    start = "import sys; from tollbook.cli._start import start; start(); "
    loaded = f"{start}print(*{{'click', 'msgspec', 'logging', 'platformdirs', 'genai_prices'}} & set(sys.modules))"
    for options in ([], ["--store", str(ledger)]):
        done = subprocess.run(
            [sys.executable, "-c", loaded, "statusline", *options],
            capture_output=True, text=True, check=True, env={"TOLLBOOK_STORE": str(ledger), "TZ": "UTC"},
        )  # fmt: skip
        assert done.stdout == "today $2.00 | month $2.00 | session $2.00\n\n", done.stderr
    help_ = [sys.executable, "-c", start, "statusline", "--help"]
    assert "Usage" in subprocess.run(help_, capture_output=True, text=True, check=True).stdout


def test_a_status_line_loads_no_prices_and_writes_nothing(ledger: Path) -> None:
    put(ledger, priced("a", 1))
    found = process("statusline", env={"TOLLBOOK_STORE": str(ledger), "PATH": ""})
    assert found.stdout == "tollbook: no calls yet\n", found.stderr
    assert not ledger.exists()
