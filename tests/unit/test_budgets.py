"""Budgets as they are written, told of, and shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.prices import fresh

import tollbook
from tollbook import _runtime, _salt
from tollbook._money import PICO
from tollbook.budgets import budget_from, load_budgets, short
from tollbook.cli import main
from tollbook.ledger import EACH
from tollbook.spans import Record


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    _runtime.configure(tmp_path / "ledger.db")
    yield tmp_path / "ledger.db"
    _runtime.stop()


def spend(usd: str, **attribution: str) -> None:
    with tollbook.attribute(**attribution):  # type: ignore[arg-type]
        tollbook.record(model="m", provider="p", usage={"input_tokens": 1, "output_tokens": 1}, cost=usd)


# ---- as they are written -------------------------------------------------------------------------------------

FILE = """\
per_user_daily = 50.00
per_call_max = 1

[[budget]]
name = "search"
scope = { feature = "search", "tag.plan" = "*" }
window = "30d"
tokens = 1_000_000
thresholds = [90]
"""


def test_a_file_is_read_as_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(FILE)
    search, user, call = load_budgets(path)
    assert (search.limit.where, search.limit.window, search.limit.most, search.limit.thresholds, search.action) == (
        {"feature": "search", "plan": EACH},
        "720h",
        1_000_000,
        (90,),
        "warn",
    )
    assert (user.limit.where, user.limit.window, user.limit.most) == ({"user": EACH}, "day", 50 * PICO)
    assert (call.limit.where, call.limit.window, call.limit.most) == ({}, "call", PICO)


@pytest.mark.parametrize(
    ("name", "where", "window"),
    [
        ("per_call_max", {}, "call"),
        ("per_session_max", {"session": EACH}, "lifetime"),
        ("per_user_daily", {"user": EACH}, "day"),
        ("org_daily", {"org": EACH}, "day"),
        ("global_monthly", {}, "month"),
    ],
)
def test_the_short_forms_mean_what_they_say(name: str, where: dict[str, str], window: str) -> None:
    table = short(name, 1.00)
    assert table is not None
    budget, problems = budget_from(table, "code")
    assert budget is not None
    assert not problems
    assert (budget.limit.where, budget.limit.window, budget.limit.most, budget.name) == (where, window, PICO, name)


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        ("usd = -1", "usd", "above 0"),
        ("usd = 1e12", "usd", "up to 4,000,000"),
        ('usd = "much"', "usd", "above 0"),
        ("usd = 1\ntokens = 5", "usd", "one of usd, tokens and calls"),
        ("tokens = 1.5", "tokens", "a whole number"),
        ("usd = 1\nscope = {}", "scope", "not empty"),
        ('usd = 1\nscope = "planet"', "scope", "one of"),
        ('usd = 1\nscope = { feature = "" }', "scope", "for feature"),
        ('usd = 1\nwindow = "fortnight"', "window", "one of"),
        ('usd = 1\nzone = "Mars/Olympus"', "zone", "an IANA name"),
        ("usd = 1\nthresholds = [0]", "thresholds", "percents"),
        ('usd = 1\naction = "explode"', "action", "one of warn"),
        ('usd = 1\naction = "downgrade"', "downgrade", "a table of models"),
        ('usd = 1\naction = "webhook"', "webhook", "the address"),
        ('usd = 1\nwebhook = "ftp://x"', "webhook", "https://"),
        ("usd = 1\nlimitt = 3", "limitt", "no such field"),
        ('usd = 1\non_unpriced = "maybe"', "on_unpriced", "stop, allow"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field_and_nothing_is_taken(
    tmp_path: Path, line: str, field: str, expected: str
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(f'[[budget]]\nname = "good"\nusd = 5\n\n[[budget]]\nname = "bad"\n{line}\n')
    with pytest.raises(tollbook.BudgetError) as caught:
        tollbook.set_budgets(path)
    [problem] = [each for each in caught.value.problems if each.field == field]
    assert expected in problem.expected
    assert problem.line >= 5
    assert f"{path}:{problem.line}" in str(caught.value)
    assert _runtime.store().limits.limits() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[budget]", "expected TOML"),
        ("per_dog_daily = 1", "no such field"),
        ('budget = "x"', "expected [[budget]]"),
        ('[[budget]]\nname="a"\nusd=1\n[[budget]]\nname="a"\nusd=2', "a name of its own"),
    ],
)
def test_a_file_that_is_no_list_of_budgets_says_so(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    with pytest.raises(tollbook.BudgetError, match=expected.replace("[", r"\[")):
        load_budgets(path)


@pytest.mark.parametrize("given", [{}, {"usd": 1, "calls": 1}, {"usd": 0}, {"usd": 1, "action": "warn"}])
def test_a_block_needs_exactly_one_limit_that_makes_sense(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"usd|action"):
        tollbook.budget(**given)


def test_a_user_in_a_scope_is_kept_by_pseudonym() -> None:
    [budget] = load_budgets({"name": "ada", "usd": 1, "scope": {"user": "ada@example.org"}})
    assert budget.limit.where == {"user": _salt.pseudonym("ada@example.org")}


def careful_and_quick(model: str, body: dict[str, Any]) -> tuple[int | None, int | None]:
    """The bound that is read off the whole request, and the one that calls wait for."""
    from tollbook._estimate import worst_case
    from tollbook.budgets._worst import plain_worst, worst

    provider = "anthropic" if "claude" in model else "openai"
    record = Record(trace_id="", span_id="", provider=provider, request_model=model, start=time.time_ns())
    careful, quick = worst_case(provider, model, body), plain_worst(record, body)
    assert worst("usd", record, body) == (careful if quick is None else quick)
    return careful, quick


@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "no-such-model"])
@pytest.mark.parametrize("texts", [[""], ["Hello"], ["Hello", "x" * 5000, "ä€" * 300]])
def test_the_quick_bound_is_never_below_the_careful_one(limit: int | None, model: str, texts: list[str]) -> None:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text} for text in texts]}
    if limit is not None:
        body["max_tokens"] = limit
    careful, quick = careful_and_quick(model, body)
    if careful is None:
        assert quick is None
    else:
        assert quick is not None
        assert careful <= quick <= careful * 4


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text("abc_", max_size=5)
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer"])},
        optional={"description": WORDS, "enum": st.lists(st.integers(0, 9) | WORDS, max_size=5)},
    ),
    lambda below: (
        st.builds(lambda inner: {"type": "object", "properties": inner}, st.dictionaries(NAMES, below, max_size=4))
        | st.builds(lambda inner: {"type": "array", "items": inner}, below)
    ),
    max_leaves=12,
)
PARAMETERS = st.builds(lambda inner: {"type": "object", "properties": inner}, st.dictionaries(NAMES, SCHEMAS))
TOOLS = st.builds(
    lambda name, text, schema: {
        "type": "function",
        "function": {"name": name, "description": text, "parameters": schema},
    },
    NAMES.filter(bool),
    WORDS,
    PARAMETERS,
) | st.builds(lambda name, schema: {"name": name, "input_schema": schema}, NAMES.filter(bool), PARAMETERS)
USES = st.builds(
    lambda name, text: {"id": "1", "type": "function", "function": {"name": name, "arguments": text}}, NAMES, WORDS
)
TURNS = (
    st.builds(lambda text: {"role": "user", "content": text}, WORDS)
    | st.builds(lambda text, name: {"role": "user", "content": text, "name": name}, WORDS, NAMES)
    | st.builds(lambda uses: {"role": "assistant", "content": None, "tool_calls": uses}, st.lists(USES, max_size=4))
    | st.builds(lambda text: {"role": "tool", "tool_call_id": "1", "content": text}, WORDS)
)


@given(
    st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"]),
    st.lists(TURNS, max_size=8),
    st.lists(TOOLS, max_size=4),
)
def test_the_quick_bound_of_a_chat_with_tools_is_never_below_the_careful_one(
    model: str, messages: list[Any], tools: list[Any]
) -> None:
    careful, quick = careful_and_quick(
        model, {"model": model, "messages": messages, "tools": tools, "max_tokens": 9, "tool_choice": "auto"}
    )
    if any(str(message.get("content")).startswith("data:") for message in messages):
        return  # a file, perhaps
    if careful is not None:  # of this model at this provider
        assert quick is not None
        assert quick >= careful


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "computer_20250124", "name": "computer", "input_schema": {}}]},
        {"tools": ["f"]},
        {"tools": [{"type": "function", "function": {"name": object()}}]},
        {"n": 2},
        {"system": [{"type": "image", "source": {}}]},
        {"max_tokens": True},
        {"max_tokens": "50"},
        {"messages": "Hello"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
        {"messages": [{"role": "assistant", "audio": {"id": "1"}}]},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": "all"}]},
        {"messages": ["Hello"]},
        {"messages": [{"role": "user", "text": "x"}]},
        {"messages": [{"role": "user", "content": "x" * 3_000_000}]},
    ],
)
def test_what_is_more_than_a_chat_of_texts_has_no_quick_bound(more: dict[str, Any]) -> None:
    from tollbook.budgets._worst import plain_worst

    record = Record(trace_id="", span_id="", provider="openai", request_model="gpt-4o", start=time.time_ns())
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
    assert plain_worst(record, body) is not None
    assert plain_worst(record, {**body, **more}) is None


def test_new_prices_change_the_quick_bound_at_once() -> None:
    from tollbook.budgets._worst import plain_worst

    record = Record(trace_id="", span_id="", provider="openai", request_model="gpt-4o", start=time.time_ns())
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "max_tokens": 50}
    with fresh():
        before = plain_worst(record, body)
        assert before is not None
        tollbook.add_prices({"name": "dear", "match_pattern": "^gpt-4o$", "multiply": {"all": 3}})
        assert plain_worst(record, body) == 3 * before
    assert plain_worst(record, body) == before


def test_blocks_of_the_same_settings_are_counted_apart() -> None:
    first, second = tollbook.budget(calls=2), tollbook.budget(calls=2)
    assert first.take(1)
    assert (first.remaining, second.remaining) == (1, 2)


@pytest.mark.parametrize("usd", [True, [1], float("nan"), {}])
def test_a_limit_that_is_no_amount_is_refused_also_beside_one_that_is_equal(usd: Any) -> None:
    tollbook.budget(usd=1)
    with pytest.raises(ValueError, match="usd"):
        tollbook.budget(usd=usd)


# ---- in the ledger ------------------------------------------------------------------------------------------


def test_another_program_finds_the_budgets_of_the_ledger(store: Path) -> None:
    tollbook.set_budgets([{"name": "warns", "usd": 1}, {"name": "stops", "calls": 1, "action": "stop"}])
    from tollbook.budgets import budgets, keeper
    from tollbook.spans import _gate

    _runtime.stop()
    assert _gate.gate is None
    assert keeper.budgets == ()
    _runtime.configure(store)
    assert set(budgets()) == {"warns", "stops"}
    assert [budget.name for budget in keeper.budgets] == ["stops"]
    assert _gate.gate is keeper
    tollbook.remove_budget("warns")
    tollbook.remove_budget("stops")
    assert not store.with_name("ledger.db.budgets").exists()


def test_a_budget_can_be_asked_how_it_stands() -> None:
    from tollbook.budgets import LedgerBudget

    tollbook.set_budgets([{"name": "users", "usd": 5, "scope": "user"}, {"name": "calls", "calls": 5}])
    spend("2", user="ada")
    tollbook.flush()
    with tollbook.attribute(user="ada"):
        assert [str(each) for each in LedgerBudget("users").state()] == ["2.000000000000", "5.000000000000"]
    with tollbook.attribute(user="bob"):
        assert LedgerBudget("users").state()[0] == 0
    assert LedgerBudget("users").state()[0] == 0
    for name in ("calls", "none"):
        with pytest.raises(ValueError, match=name):
            LedgerBudget(name).state()
    assert tollbook.budget(usd=3).state() == (0, 3)
    with pytest.raises(ValueError, match="counts calls"):
        tollbook.budget(calls=3).state()


def test_a_block_goes_on_when_the_ledger_changes(tmp_path: Path) -> None:
    from tollbook.spans import _gate

    with tollbook.budget(calls=1):
        _runtime.configure(tmp_path / "other.db")
        _runtime.stop()
        assert _gate.gate is not None


# ---- shown ---------------------------------------------------------------------------------------------------


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["budget", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_line_sets_shows_checks_and_removes(store: Path) -> None:
    at = ("--store", str(store))
    said("set", "each user", "--usd", "1", "--scope", "user", "--window", "day", "--threshold", "100", *at)
    spend("0.60", user="ada")
    spend("0.20", user="bob")
    [ada, bob] = json.loads(said("status", "--json", *at))
    assert (ada["spent"], ada["percent"], bob["spent"], ada["limit"]) == ("0.6", 60.0, "0.2", "1")
    assert ada["holder"] == _salt.pseudonym("ada")
    assert "All is within budget" in said("check", *at)
    spend("0.60", user="ada")
    [over] = json.loads(said("check", "each user", "--json", *at, code=2))
    assert over["spent"] == "1.2"
    assert json.loads(said("alerts", "--json", *at))[0]["threshold"] == 100
    said("reset", "each user", *at)
    said("check", *at)
    assert "each user" in said("list", *at)
    said("remove", "each user", *at)
    assert "There are no budgets" in said("list", *at)
    said("remove", "each user", *at, code=1)
    said("status", "nobody", *at, code=1)
    said("set", "x", "--usd", "-1", *at, code=2)
    said("set", "x.toml", "--usd", "1", *at, code=2)


def test_a_forecast_is_made_when_enough_of_the_window_has_passed(store: Path) -> None:
    from tollbook.budgets import budget_status

    tollbook.set_budgets({"name": "m", "usd": 100, "window": "month", "zone": "UTC"})
    spend("1")
    opened = _runtime.store()
    [state] = opened.limits.states()
    assert state.resets is not None
    length = state.resets - state.bucket
    [half] = budget_status(opened, state.bucket + length // 2)
    [young] = budget_status(opened, state.bucket + length // 100)
    assert half.forecast is not None
    assert float(half.forecast) == pytest.approx(2.0)
    assert young.forecast is None
