"""`tollbook reprice`: shown first, written when it is wanted, and clear about what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.commands import put, run, said
from tests.records import call

from tollbook.cli import main
from tollbook.ledger import Store
from tollbook.pricing import Cost
from tollbook.spans import Record
from tollbook.usage import Usage

LISTED = 20 * 150_000 + 10 * 75_000 + 30 * 600_000
"""What each of them costs by the list for gpt-4o-mini, in pico-dollars."""


def calls() -> list[Record]:
    """One at a wrong price, one without a price, one of a model that no list has, and two with stated costs."""
    used = {"input": 20, "input_cache_read": 10, "output": 30}
    return [
        call(usage=Usage(used), cost=Cost(total=30, input=10, output=20)),
        call(usage=Usage(used), cost=Cost(status="unpriced")),
        call(usage=Usage(used), cost=Cost(total=5), response_model="house-model", provider="llm.example.com"),
        call(usage=Usage(used, charge=7), cost=Cost(total=7)),
        call(usage=Usage(used), cost=Cost(total=8, status="manual")),
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    put(tmp_path / "l.db", *calls())
    return tmp_path / "l.db"


def total(ledger: Path) -> int:
    with Store(ledger) as store:
        return sum(row.total_cost for row in store.summary())


def answering(answer: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["reprice", *arguments], input=answer)


STATED = 30 + 5 + 7 + 8


def test_what_would_change_is_shown_and_nothing_is_written(ledger: Path) -> None:
    text = said("reprice", "--dry-run", "--store", str(ledger))
    assert [line.split() for line in text.splitlines() if "gpt-4o-mini-2024-07-18" in line] == [
        ["openai", "gpt-4o-mini-2024-07-18", "4", "2", "1", "$0.00000000003", "$0.0000435", "+$0.0000435"]
    ]
    assert "1 other model is in the total, without a change." in text
    assert "1 call keeps a cost that the price lists of now would not know." in text
    assert "2 calls keep what the provider or the program said." in text
    assert total(ledger) == STATED


def test_it_asks_before_it_writes(ledger: Path) -> None:
    refused = answering("n\n", "--store", str(ledger))
    assert (refused.exit_code, total(ledger)) == (1, STATED)
    assert "Write these costs?" in refused.output
    accepted = answering("y\n", "--store", str(ledger))
    assert accepted.exit_code == 0, accepted.output
    assert "3 costs replaced; what was there before is kept." in accepted.output
    assert total(ledger) == 2 * LISTED + 5 + 7 + 8


def test_a_second_run_has_nothing_to_do(ledger: Path) -> None:
    said("reprice", "--yes", "--store", str(ledger))
    again = answering("", "--store", str(ledger))
    assert (again.exit_code, again.output.splitlines()[0]) == (0, "No cost changes, of 5 calls.")


def test_json_is_exact_and_does_not_ask(ledger: Path) -> None:
    refused = run("reprice", "--json", "--store", str(ledger))
    assert (refused.exit_code, "--yes or --dry-run" in refused.output) == (2, True)
    plan = json.loads(said("reprice", "--json", "--dry-run", "--store", str(ledger)))
    done = json.loads(said("reprice", "--json", "--yes", "--store", str(ledger)))
    assert (plan.pop("dry_run"), done.pop("dry_run")) == (True, False)
    assert plan == done
    assert done["spans"] == 3, "the list price beside the charge, too"
    assert done["total"] == {
        "calls": 5,
        "changed": 2,
        "newly_priced": 1,
        "kept": 1,
        "charged": 2,
        "old_usd": "0.000000000035",
        "new_usd": "0.000043500005",
        "difference_usd": "0.00004349997",
    }


def test_only_what_is_asked_for(ledger: Path) -> None:
    where = ("--store", str(ledger), "--json", "--dry-run")

    def calls(*arguments: str) -> tuple[int, int]:
        found = json.loads(said("reprice", *where, *arguments))["total"]
        return found["calls"], found["changed"]

    assert calls("--only-unpriced") == (1, 1)
    assert calls("--provider", "llm.example.com") == (1, 0)
    assert calls("--model", "gpt-4o-mini", "--model", "house-model") == (5, 2)
    assert calls("--since", "2025-11-22", "-z", "utc") == (0, 0)
    assert calls("--until", "2025-11-22", "--at", "today") == (5, 2)


def test_a_ledger_that_does_not_exist_has_nothing_to_change(tmp_path: Path) -> None:
    assert said("reprice", "--store", str(tmp_path / "none.db")) == "No cost changes, of 0 calls.\n"
