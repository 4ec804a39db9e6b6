"""Budgets of the ledger: which hold where, whose share is asked for, and what the command line sets."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests import older
from tests.commands import run, said

import tollbook
from tollbook import _runtime
from tollbook.budgets import LedgerBudget, _active, keeper, restored
from tollbook.ledger import open_store
from tollbook.spans import Call, Record


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    _runtime.configure(tmp_path / "ledger.db")
    yield tmp_path / "ledger.db"
    _runtime.stop()


def call_of() -> Call:
    record = Record(trace_id="", span_id="", provider="openai", request_model="gpt-4o")
    return Call(record, "openai.chat", lambda *_: None, {"model": "gpt-4o", "messages": [], "max_tokens": 1})


def test_the_share_of_a_run_is_that_of_the_trace_that_is_open() -> None:
    tollbook.set_budgets({"name": "each run", "usd": 5, "window": "run"})
    with tollbook.span("one"):
        tollbook.record(model="m", usage={"input_tokens": 1}, cost="2.00")
        tollbook.flush()
        assert LedgerBudget("each run").state()[0] == 2
    with tollbook.span("other"):
        assert LedgerBudget("each run").state()[0] == 0


@pytest.mark.parametrize("then", ["stop", "allow"])
def test_a_budget_is_asked_for_in_a_ledger_that_cannot_be_read_as_it_says(store: Path, then: str) -> None:
    """An agent's middleware asks: of ours, it gets nothing else than that the budget is exceeded."""
    tollbook.set_budgets({"name": "b", "usd": 1, "on_unreachable": then})
    _runtime.store().close()
    now = of_version(store, 99)
    if then == "stop":
        with pytest.raises(tollbook.BudgetExceeded, match="nobody can tell what is left"):
            LedgerBudget("b").state()
    else:
        assert LedgerBudget("b").state() == (0, 1)
    of_version(store, now)


@pytest.mark.parametrize("table", [{"scope": "model"}, {"scope": {"provider": "openai"}}, {"window": "call"}])
def test_a_share_that_depends_on_the_call_is_no_share_to_ask_for(table: dict[str, object]) -> None:
    tollbook.set_budgets({"name": "b", "usd": 5, **table})
    with pytest.raises(ValueError, match="nobody can tell"):
        LedgerBudget("b").state()


def test_a_budget_that_is_set_while_another_is_removed_is_found_by_programs_that_begin(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign that there are budgets is removed by one program just when another one has made it."""
    tollbook.set_budgets({"name": "old", "calls": 1})
    unlink = Path.unlink

    def meanwhile(path: Path, missing_ok: bool = False) -> None:
        if path == _active.marker(store):
            monkeypatch.setattr(Path, "unlink", unlink)
            with open_store(store) as other:
                [budget] = tollbook.budgets.load_budgets({"name": "new", "calls": 1, "action": "stop"})
                other.limits.declare([tollbook.budgets.stored(budget)])
                _active.touch(other)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", meanwhile)
    tollbook.remove_budget("old")
    _runtime.stop()
    _runtime.configure(store)
    assert set(_active.budgets()) == {"new"}


def test_a_name_in_a_scope_without_a_value_is_each_and_an_empty_value_is_a_mistake(store: Path) -> None:
    place = "--store", str(store)
    said("budget", "set", "each", "--usd", "1", "--scope", "feature", *place)
    said("budget", "set", "all", "--usd", "1", "--scope", "global", *place)
    for wrong in (
        ("--scope", "feature="),
        ("--scope", "feature=a", "--scope", "feature=b"),
        ("--action", "downgrade", "--downgrade", "a=b", "--downgrade", "a=c"),
    ):
        assert run("budget", "set", "wrong", "--usd", "1", *wrong, *place).exit_code == 2
    with open_store(store) as opened:
        found = [restored(limit) for limit in opened.limits.limits()]
    assert [(each.name, each.limit.where) for each in found] == [("all", {}), ("each", {"feature": "*"})]


def test_a_block_counts_what_is_booked_in_it_by_hand() -> None:
    """Nobody asked the block before, but it has less room for what comes."""
    usage = {"input_tokens": 1000, "output_tokens": 100}
    with tollbook.budget(usd=1) as money, tollbook.budget(calls=5) as calls, tollbook.budget(tokens=5000) as tokens:
        tollbook.record(model="gpt-4o", provider="openai", usage=usage)
        with tollbook.span("work") as span:
            span.set_cost("0.25")
            tollbook.record(model="gpt-4o", provider="openai", usage=usage)  # it counts, and not the span
        tollbook.record(model="unknown", provider="nobody", usage=usage)
    assert (calls.spent, calls.reserved, tokens.spent) == (3, 0, 3300)
    assert (money.spent, money.unpriced) == (2 * Decimal("0.0035"), 1)


def test_the_budgets_of_a_ledger_that_an_older_version_wrote_hold_at_once(store: Path) -> None:
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop"})
    _runtime.stop()
    older.downgrade(store, 4)
    _runtime.configure(store)
    assert [budget.name for budget in keeper.budgets] == ["b"]


def of_version(store: Path, number: int) -> int:
    """Make the ledger say that its tables are of this version; gives that which it was of."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        before = int(database.execute("PRAGMA user_version").fetchone()[0])
        database.execute(f"PRAGMA user_version = {number}")
    return before


@pytest.mark.parametrize("then", ["stop", "allow"])
def test_budgets_that_cannot_be_read_when_a_program_begins_hold_as_soon_as_they_can(store: Path, then: str) -> None:
    """Until then calls are stopped, unless all that ask say otherwise."""
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop", "on_unreachable": then})
    tollbook.set_budgets({"name": "warns", "calls": 1})
    _runtime.stop()
    now = of_version(store, 99)
    _runtime.configure(store)
    if then == "stop":
        with pytest.raises(tollbook.BudgetExceeded, match="newer"):
            keeper.admit(call_of())
    else:
        assert keeper.budgets == ()
    of_version(store, now)
    if then == "stop":
        keeper.admit(call_of())
    else:
        tollbook.record(model="m", usage={"input_tokens": 1})
        tollbook.flush()
    assert [budget.name for budget in keeper.budgets] == ["b"]
    with pytest.raises(tollbook.BudgetExceeded, match="1 calls"):
        keeper.admit(call_of())


def test_budgets_that_are_removed_before_they_could_be_read_stop_nothing(store: Path) -> None:
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop"})
    _runtime.stop()
    now = of_version(store, 99)
    _runtime.configure(store)
    of_version(store, now)
    with open_store(store) as other:
        other.limits.withdraw("b")
        _active.touch(other)
    assert keeper.admit(call_of()) is None
    assert keeper.budgets == ()


def test_a_ledger_that_has_lost_its_budgets_says_so(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop"})
    _runtime.stop()
    for end in ("", "-wal", "-shm"):
        Path(f"{store}{end}").unlink(missing_ok=True)
    _runtime.configure(store)
    assert "has lost its budgets" in caplog.text
