"""Reports and traces on the command line: what a person, a spreadsheet and a script get from them."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from tests.commands import TRACE, family, priced, put, run, said
from tests.records import call

from tollbook.pricing import Cost
from tollbook.usage import Usage

HOSTILE = "[red]evil\x1b[2J\x1b]0;title\x07\r\nfake | row\u202e\u2028`<b>*_\x9b31m"
FORMULA = "=HYPERLINK(A1)"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The path of the ledger that commands read if nothing else is said."""
    return tmp_path / "ledger.db"


def test_where_chooses_calls_by_any_dimension(ledger: Path) -> None:
    put(
        ledger,
        call(attribution={"feature": "search", "user": "u_1"}),
        call(attribution={"feature": "chat", "user": "u_1"}),
        call(attribution={"user": "u_2"}),
    )

    def users(*options: str) -> list[list[str]]:
        found = json.loads(said("report", "--by", "user", "--json", *options))
        return sorted([row["user"], row["calls"]] for row in found["rows"])

    assert users("--where", "feature=search") == [["u_1", 1]]
    assert users("-w", "feature=search", "-w", "feature=chat") == [["u_1", 2]]
    assert users("-w", "feature=") == [["u_2", 1]]
    assert users("-w", "feature=", "-w", "user=u_1") == []
    assert "all time; only feature search; ledger" in " ".join(said("report", "-w", "feature=search").split())
    assert "only feature nobody's" in said("report", "-w", "feature=nobody's")
    for wrong, why in (("feature", "write NAME=VALUE"), ("colour=red", "no dimension 'colour'"), ("day=1", "since")):
        result = run("report", "-w", wrong)
        assert (result.exit_code, why in result.output) == (2, True), result.output


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
    assumed = Cost(total=10**6, status="estimated")
    put(
        ledger,
        priced("sure", 10**9),
        call(response_model="assumed", usage=Usage({"input": 5}), cost=assumed),
        call(response_model="new", usage=Usage({"input": 37, "output": 4}), cost=Cost(total=None, status="unpriced")),
        call(response_model="cut", usage=Usage({"input": 5}, source="estimated"), cost=Cost(total=10**6)),
        call(response_model="mute", usage=None, cost=None),
        call(response_model="down", usage=None, cost=None, status="error", error="APIConnectionError"),
    )
    text = said("report", "--by", "model")
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["new"][-1] == "unpriced"
    assert rows["cut"][2:6] == ["~5", "0", "~0", "~$0.000001"]
    assert rows["assumed"][2:6] == ["5", "0", "0", "~$0.000001"], "of this, only the price is"
    assert rows["mute"][2:] == ["?", "?", "?", "unknown"]
    assert rows["down"][2:] == ["-", "-", "-", "-"]
    assert rows["total"][-2] == "~$0.001002+"
    assert "+ unpriced: 1 call with 41 tokens, in no sum of money" in text
    assert "? unknown: 1 call told no usage" in text
    assert "~ estimated: 2 calls, $0.000002 of the total" in text
    assert "failed: 1 call" in text


def test_cache_writes_have_a_column_where_there_are_any(ledger: Path) -> None:
    put(ledger, call(usage=Usage({"input": 1, "input_cache_write_1h": 600})))
    assert "written" in said("report").splitlines()[0]


def test_several_dimensions_by_comma_or_by_repetition(ledger: Path) -> None:
    put(ledger, call(attribution={"feature": "search"}), call())
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
    assert "1 call, usage unknown, $0.005;" in text
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
