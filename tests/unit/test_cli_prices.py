"""`tollbook prices`: what models cost, and how the costs in a ledger were computed."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.commands import PROGRAM, TRACE, process, put, run, said
from tests.records import call

from tollbook import pricing
from tollbook._money import from_usd
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Part, Usage, read

HOSTILE = "[red]evil\x1b[2J\x1b]0;title\x07\r\nfake | row\u202e\u2028`<b>*_\x9b31m"
AT = 1_793_543_400_000_000_000
"""2026-11-01 14:30 UTC."""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def metered(path: Path, model: str, usage: Usage | None, provider: str = "openai", **changes: Any) -> Record:
    """A call that was priced as a program would, with its cards in the ledger."""
    from tollbook.ledger import Spool, Store

    context = changes.get("context")
    cost = pricing.cost_of(usage, provider, model, AT, context)
    record = call(**({"start": AT, "provider": provider, "request_model": model, "response_model": model} | changes))
    record.usage, record.cost = usage, changes.get("cost", cost)
    spool = Spool(Store(path).spool)
    for id_ in cost.cards if cost else ():
        if (card := pricing.card_by_id(id_)) is not None:
            spool.append_card(card)
    spool.append(record)
    spool.close()
    return record


# ---- list ----------------------------------------------------------------------------------------------------


def test_a_list_has_a_line_for_each_model() -> None:
    lines = said("prices", "list", "--provider", "openai", "--search", "GPT-4o-mini").splitlines()
    assert lines[0].split() == ["provider", "model", "input", "cached", "output", "layer"]
    assert ["openai", "gpt-4o-mini", "0.15", "0.075", "0.60", "genai-prices"] in [line.split() for line in lines]
    assert re.fullmatch(r"\d+ models; USD per 1M tokens", lines[-1])


def test_a_list_in_csv_and_json_has_the_same_exact_prices() -> None:
    rows = list(csv.DictReader(io.StringIO(said("prices", "list", "--provider", "anthropic", "--csv"))))
    data = json.loads(said("prices", "list", "--provider", "anthropic", "--json"))
    assert len(rows) == len(data) > 10
    for row, each in zip(rows, data, strict=True):
        assert (row["provider"], row["model"]) == (each["provider"], each["model"])
        assert row["input_usd_per_million"] == each["prices"]["input"]["usd"]
        assert each["prices"]["input"]["per"] == 1_000_000


def test_a_model_that_is_not_sold_by_the_token_shows_its_other_price() -> None:
    assert re.search(r"whisper-1 .*\$0\.006 / minute", said("prices", "list", "--provider", "openai"))


def test_a_provider_is_known_by_its_names() -> None:
    assert said("prices", "list", "--provider", "x_ai") == said("prices", "list", "--provider", "x-ai")
    result = run("prices", "list", "--provider", "opnai")
    assert result.exit_code == 2
    assert "openai" in result.output


def test_a_list_of_nothing_says_so() -> None:
    assert said("prices", "list", "--search", "no such model") == "No price fits.\n"
    assert said("prices", "list", "--layer", "nope", "--provider", "openai") == "No price fits.\n"
    assert json.loads(said("prices", "list", "--search", "no such model", "--json")) == []


# ---- show ----------------------------------------------------------------------------------------------------


def test_a_price_shows_its_tiers_its_variants_and_its_source() -> None:
    text = said("prices", "show", "gpt-6.1-sol", "--at", "2026-11-01")
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["gpt-6.1-sol", "at", "openai,", "2026-11-01", "(UTC)"]
    assert ["standard", ">", "272,000", "USD", "per"] in rows
    assert ["input", "2.00", "4.00", "1M", "tokens"] in rows
    assert ["processing=batch", "1.00", "0.05", "5.00"] in rows
    assert "from genai-prices" in text


def test_a_context_selects_the_price_that_is_shown() -> None:
    text = said("prices", "show", "gpt-6.1-sol", "--at", "2026-11-01", "--with", "processing=batch")
    assert "gpt-6.1-sol at openai, processing=batch" in text
    assert "--with" not in text, "its variants are of the standard price"
    assert run("prices", "show", "gpt-4o", "--with", "batch").exit_code == 2


def test_a_price_in_json_is_exact() -> None:
    found = json.loads(said("prices", "show", "gpt-4o-mini", "--at", "2026-11-01", "--json"))
    assert found["prices"]["input"] == {"usd": "0.15", "per": 1_000_000, "unit": "1M tokens"}
    assert (found["provider"], found["layer"], found["tiers"]) == ("openai", "genai-prices", [])
    assert found["at"] == "2026-11-01T00:00:00+00:00"


def test_a_history_has_each_change_and_says_which_is_in_force() -> None:
    rows = json.loads(said("prices", "show", "deepseek-chat", "--history", "--json"))
    assert rows[0]["start"] is None
    assert all(row["start"] for row in rows[1:])
    text = said("prices", "show", "o3", "--history", "--at", "2025-01-01")
    (current,) = [line for line in text.splitlines() if line.endswith("now")]
    assert current.startswith("the first")


def test_a_model_without_a_price_is_an_error_that_names_what_is_alike() -> None:
    result = run("prices", "show", "gpt-4o-mni")
    assert result.exit_code == 1
    assert "no price is known for gpt-4o-mni; alike are: gpt-4o-mini" in result.output
    assert "\x1b" not in run("prices", "show", HOSTILE).output


def test_a_model_that_several_sell_is_asked_about() -> None:
    result = run("prices", "show", "glm-5")
    assert result.exit_code == 2
    assert "zai, zhipuai" in result.output


# ---- explain -------------------------------------------------------------------------------------------------


def test_each_line_is_shown_with_its_price_its_source_and_why_that_price(ledger: Path) -> None:
    record = metered(
        ledger,
        "claude-sonnet-4-5",
        Usage({"input": 1000, "input_cache_read": 4000, "output": 50}),
        "anthropic",
        context={"processing": "batch", "speed": "standard"},
    )
    text = said("prices", "explain", record.span_id)
    rows = [line.split() for line in text.splitlines()]
    assert ["input", "1,000", "$1.50", "/", "1M", "tokens", "0.0015"] in rows
    assert ["input_cache_read", "4,000", "$0.15", "/", "1M", "tokens", "0.0006"] in rows
    assert ["total", "0.002475"] in rows
    assert re.search(
        r"price +claude-sonnet-4-5 in the list of anthropic, from genai-prices [\d.]+, .*; card [0-9a-f]{16}", text
    )
    why = "claude-sonnet-4-5 answered, 2026-11-01 (UTC), processing=batch; speed=standard selects no other price"
    assert f"why       {why}" in text
    assert "usage     reported by the provider" in text


def test_the_provider_s_own_charge_stands_beside_the_list_price(ledger: Path) -> None:
    usage = read("openai.chat", {"prompt_tokens": 500, "completion_tokens": 60, "cost": 0.0031})
    metered(ledger, "anthropic/claude-sonnet-4.5", usage, "openrouter")
    text = said("prices", "explain")
    assert "charged   the provider said $0.0031: $0.0007 more than the list says ($0.0024)" in text
    (found,) = json.loads(said("prices", "explain", "--json"))
    assert (found["total_usd"], found["listed_usd"]) == ("0.0031", "0.0024")
    assert found["lines"][-1]["bucket"] == "charge"
    assert sum(Decimal(line["amount_usd"]) for line in found["lines"]) == Decimal("0.0031")


def test_what_is_missing_estimated_or_set_by_hand_is_said(ledger: Path) -> None:
    metered(ledger, "our-own", Usage({"input": 5}), "our-server", trace_id=TRACE)
    metered(
        ledger,
        "gpt-4o",
        Usage({"input": 5, "output": 7}, estimated=("output",), method="m/1", band=0.3),
        trace_id=TRACE,
    )
    metered(ledger, "gpt-4o", Usage({"input": 5, "code_execution": 1}), trace_id=TRACE)
    metered(ledger, "gpt-4o", None, status="timeout", cost=None, trace_id=TRACE)
    metered(ledger, "gpt-4o", None, cost=Cost(total=from_usd("0.05"), status="manual"), trace_id=TRACE)
    text = said("prices", "explain", TRACE[:8])
    assert "missing   no price is known for our-own at our-server" in text
    assert "usage     reported by the provider but for output, which is estimated by m/1, ±30%" in text
    assert "~7" in text
    assert "missing   no price for code_execution" in text
    assert "not known, since the call ended as timeout" in text
    assert "set by the program, in place of any price" in text


def test_parts_of_a_response_are_told_apart(ledger: Path) -> None:
    usage = Usage({"input": 5}, parts=(Part("advisor", {"input": 7}, "claude-opus-4-5"),))
    metered(ledger, "claude-sonnet-4-5", usage, "anthropic")
    text = said("prices", "explain")
    assert re.search(r"input +advisor claude-opus-4-5 +7 ", text)
    assert text.count("\nprice     ") == 2


def test_a_card_that_the_ledger_lacks_is_no_crash(ledger: Path) -> None:
    put(ledger, call(cost=Cost(total=30, input=10, output=20, cards=("no such card",))))
    assert "a rate card that was used is not in the ledger" in said("prices", "explain")
    (found,) = json.loads(said("prices", "explain", "--json"))
    assert found["lines"] is None
    assert found["total_usd"] == "0.00000000003"


def test_an_id_has_to_mean_one_thing(ledger: Path) -> None:
    assert "no trace is recorded yet" in run("prices", "explain").output
    put(ledger, call(span_id="ab" * 8, trace_id="0" * 32), call(span_id="abcd" * 4, trace_id="1" * 32))
    assert run("prices", "explain", "ab").exit_code == 1
    assert "more than one begins with 'ab': abababababababab, abcdabcdabcdabcd" in run("prices", "explain", "ab").output
    assert "abababababababab" in said("prices", "explain", "ABAB")
    for nothing in ("ff", "xyz", "", "0" * 31 + "1"):
        assert run("prices", "explain", nothing).exit_code == 1


# ---- unpriced ------------------------------------------------------------------------------------------------


def test_models_without_a_price_are_listed_with_the_line_that_gives_them_one(ledger: Path) -> None:
    metered(ledger, "our own", Usage({"input": 5, "output": 2}), "our-server")
    metered(ledger, "our own", Usage({"input": 5}), "our-server")
    metered(ledger, "gpt-4o", Usage({"input": 5, "code_execution": 1}))
    metered(ledger, "gpt-4o", Usage({"input": 5}))
    text = said("prices", "unpriced")
    rows = [line.split() for line in text.splitlines()]
    assert ["our-server", "our", "own", "2", "12", "all"] in rows
    assert ["openai", "gpt-4o", "1", "5", "code_execution"] in rows
    assert "    tollbook prices add --name 'our own' --provider our-server --input USD --output USD" in text
    data = json.loads(said("prices", "unpriced", "--json"))
    assert [(each["model"], each["calls"], each["missing"]) for each in data] == [
        ("our own", 2, None),
        ("gpt-4o", 1, ["code_execution"]),
    ]
    assert len(said("prices", "unpriced", "--csv").splitlines()) == 3
    assert "has a price" in said("prices", "unpriced", "--since", "2026-11-02")


def test_nothing_without_a_price_says_so(ledger: Path) -> None:
    assert said("prices", "unpriced") == "Every call that told its usage has a price.\n"


# ---- diff ----------------------------------------------------------------------------------------------------


def test_what_changed_since_a_day_is_listed_by_bucket() -> None:
    found = json.loads(
        said("prices", "diff", "--since", "2025-01-01", "--provider", "openai", "--search", "o3", "--json")
    )
    assert all(each["before"] != each["now"] for each in found)
    (change,) = [each for each in found if each["model"] == "o3" and each["bucket"] == "input"]
    assert (change["before"], change["now"], change["unit"]) == ("10", "2", "1M tokens")
    assert re.search(r"openai +o3 +input +10\.00 +2\.00 +1M tokens", said("prices", "diff", "--since", "2025-01-01"))
    assert "No price differs" in said("prices", "diff", "--since", "1d", "--search", "no such model")
    assert run("prices", "diff", "--since", "whenever").exit_code == 2


# ---- names that come from elsewhere --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("explain",), ("explain", "--json"), ("unpriced",), ("unpriced", "--csv"), ("unpriced", "--json")]
)
def test_no_name_can_do_harm(ledger: Path, command: tuple[str, ...]) -> None:
    context = {"service_tier": HOSTILE}
    usage = Usage({"input": 5, HOSTILE: 1})
    put(
        ledger,
        call(
            name=HOSTILE,
            provider=HOSTILE,
            response_model=HOSTILE,
            usage=usage,
            cost=Cost(status="unpriced"),
            context=context,
        ),
    )
    text = said("prices", *command, COLUMNS="80", FORCE_COLOR="")
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "fake" in text


def test_a_formula_is_none_in_a_spreadsheet(ledger: Path) -> None:
    put(ledger, call(provider="=1+1", response_model="@x", cost=Cost(status="unpriced")))
    assert said("prices", "unpriced", "--csv").splitlines()[1].startswith("'=1+1,'@x,")


# ---- as a program --------------------------------------------------------------------------------------------


def test_the_commands_of_prices_are_found_by_help_and_fail_in_one_line() -> None:
    done = process("prices", "--help")
    assert done.returncode == 0
    for name in ("list", "show", "explain", "unpriced", "diff"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    failed = process("prices", "show", "no-such-model")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("Error: no price is known for no-such-model")
    assert "Traceback" not in failed.stderr


def test_a_pipe_that_is_closed_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "prices", "list"], stdout=-1, stderr=-1, text=True
    ) as running:
        assert running.stdout
        running.stdout.close()
        assert running.stderr
        assert running.stderr.read() == ""
    assert running.returncode == 0
