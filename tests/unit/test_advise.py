"""Advice: each signal's arithmetic, worked out by hand; what is guessed is called so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.commands import run, said
from tests.records import START, call
from tests.unit.test_report import put

import tollbook
from tollbook import _runtime
from tollbook.ledger import Store
from tollbook.ledger._scan import Scan
from tollbook.pricing import cost_of, smaller
from tollbook.reports import Advice, advise
from tollbook.spans import Record
from tollbook.usage import Part, Usage

MINUTE = 60_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "ledger.db") as store:
        yield store


def paid(model: str, minute: int = 0, provider: str = "openai", **changes: Any) -> Record:
    """A call of a model at its list price."""
    usage = changes.pop("usage", None) or Usage({"input": 1_000, "output": 200})
    start = START + minute * MINUTE
    cost = cost_of(usage, provider, model, start)
    values = {"provider": provider, "request_model": model, "response_model": model, "start": start, "duration": 0}
    return call(**{**values, "usage": usage, "cost": cost, **changes})


def only(found: list[Advice], signal: str) -> Advice:
    (one,) = [each for each in found if each.signal == signal]
    return one


def signals(found: list[Advice]) -> set[str]:
    return {each.signal for each in found}


def steps(advice: Advice) -> list[str]:
    return [value for _, value in advice.arithmetic]


# ---- cheaper models ----------------------------------------------------------------------------------------------


def test_what_a_smaller_model_of_the_family_would_have_cost(store: Store):
    put(store, *(paid("gpt-4o", n) for n in range(3)))
    found = only(advise(store), "cheaper_model")
    # 3 x (1,000 x 2.50 + 200 x 10.00) / 1,000,000 = 0.0135; on gpt-4o-mini 3 x (0.15 + 0.12) / 1000 = 0.00081.
    assert found.about == {"provider": "openai", "model": "gpt-4o", "cheaper": "gpt-4o-mini"}
    assert steps(found) == ["0.0135 USD", "0.00081 USD", "0.01269 USD"]
    assert (found.cost, found.saving) == (Decimal("0.0135"), Decimal("0.01269"))
    assert (found.basis, found.calls, found.small_sample) == ("guessed", 3, True)
    assert "only you can tell" in found.guess


def test_a_user_names_the_other_model(store: Store):
    put(store, paid("gpt-4o"))
    found = only(advise(store, cheaper={"gpt-4o": "gpt-4.1-mini"}), "cheaper_model")
    assert found.about["cheaper"] == "gpt-4.1-mini"
    assert steps(found)[1] == "0.00072 USD"  # (1,000 x 0.40 + 200 x 1.60) / 1,000,000


@pytest.mark.parametrize("other", ["claude-haiku-4-5", "anthropic/claude-haiku-4-5"])
def test_the_other_model_may_be_another_providers(store: Store, other: str):
    put(store, paid("gpt-4o"))
    found = only(advise(store, cheaper={"gpt-4o": other}), "cheaper_model")
    assert found.about["cheaper"] == other
    assert steps(found)[1] == "0.002 USD"  # (1,000 x 1.00 + 200 x 5.00) / 1,000,000


def test_a_dearer_model_is_no_advice_and_of_an_unknown_one_it_is_said(store: Store):
    put(store, paid("gpt-4o-mini"))
    assert "cheaper_model" not in signals(advise(store, cheaper={"gpt-4o-mini": "gpt-4o"}))
    found = only(advise(store, cheaper={"gpt-4o-mini": "no-such-model"}), "cheaper_model")
    assert "it has no price" in found.text
    assert (found.basis, found.calls, found.cost, found.saving) == ("known", 1, None, None)


def test_calls_that_the_other_model_has_no_price_for_are_left_out_on_both_sides(store: Store):
    odd = Usage({"input": 1_000, "output": 200, "web_search": 3})
    parts = Usage({"input": 1_000}, parts=(Part("advisor", {"input": 5}),))
    put(store, paid("gpt-4o"), paid("gpt-4o", usage=odd), paid("gpt-4o", usage=parts))
    found = only(advise(store, cheaper={"gpt-4o": "gpt-3.5-turbo"}), "cheaper_model")
    assert found.calls == 1
    assert "1 of 3 calls" in found.arithmetic[0].text


def test_the_list_price_is_compared_where_the_provider_stated_a_charge(store: Store):
    usage = Usage({"input": 1_000, "output": 200}, charge=1)
    put(store, paid("gpt-4o", usage=usage))
    assert steps(only(advise(store), "cheaper_model"))[:2] == ["0.0045 USD", "0.00027 USD"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-4-8", ["claude-sonnet-4-6", "claude-haiku-4-5"]),
        ("claude-3-5-sonnet-20241022", ["claude-3-5-haiku"]),
        ("gpt-4o-2024-08-06", ["gpt-4o-mini"]),
        ("gpt-5.5", ["gpt-5.4-mini", "gpt-5-nano"]),
        ("o3", ["o3-mini"]),
        ("gemini-2.5-pro", ["gemini-2.5-flash", "gemini-2.5-flash-lite"]),
        ("regional.anthropic.claude-opus-4-1-20250805-v1:0", ["regional.anthropic.claude-sonnet-4-20250514-v1:0"]),
        ("openai/gpt-4o", ["openai/gpt-4o-mini"]),
        ("mistral-large-latest", ["mistral-medium", "mistral-small-latest"]),
        ("sonar-pro", ["sonar"]),
        ("qwen3-8b", []),
        ("claude-haiku-4-5", []),
        ("gpt-4", []),
        ("a sentence, not a name", []),
    ],
)
def test_the_family_of_a_model(model: str, expected: list[str]):
    known = (
        "claude-opus-5 claude-sonnet-5 claude-sonnet-4-5 claude-sonnet-4-6 claude-haiku-4-5 claude-haiku-5-5 "
        "claude-3-5-haiku claude-3-haiku gpt-4o gpt-4o-mini gpt-4o-mini-tts gpt-5 gpt-5-nano gpt-5.4-mini gpt-5.6-mini "
        "o3-mini o4-mini gemini-2.5-flash gemini-2.5-flash-preview gemini-2.5-flash-lite gemini-2.0-flash "
        "gemini-2.5-flash-tts regional.anthropic.claude-sonnet-4-20250514-v1:0 global.anthropic.claude-haiku-4-0-v1:0 "
        "openai/gpt-4o-mini mistral-medium mistral-small-latest sonar qwen3.8-flash"
    )
    assert smaller(model, known.split()) == expected


# ---- single calls ------------------------------------------------------------------------------------------------


def test_answers_that_were_cut_and_what_they_cost(store: Store):
    put(
        store,
        paid("gpt-4o", finish="length"),
        paid("gpt-4o", finish="stop"),
        paid("gpt-4o", finish="max_output_tokens", usage=Usage({"input": 0, "output": 1_000})),
        paid("gpt-4o", finish=None),
        paid("claude-haiku-4-5", provider="anthropic", finish="end_turn"),
    )
    found = only(advise(store), "cut_output")
    assert found.about["model"] == "gpt-4o"
    assert steps(found) == ["3", "2 (67%)", "1,200", "0.0145 USD"]  # 0.0045 + 1,000 x 10 / 1,000,000
    assert (found.basis, found.saving) == ("known", None)


def test_failed_calls_may_have_been_billed(store: Store):
    gone = {"usage": None, "cost": None, "response_model": None}
    put(
        store,
        paid("gpt-4o", retries=2),
        paid("gpt-4o", usage=Usage({"input": 3_000, "output": 200})),
        call(request_model="gpt-4o", status="timeout", **gone),
        call(request_model="gpt-4o", status="error", **gone),
        paid("gpt-4o", status="abandoned", usage=Usage({"input": 1_000, "output": 0})),
    )
    found = only(advise(store), "failed_calls")
    # Known: 1,000 x 2.50. Unsure: a timeout and two attempts, at the mean of 0.0045 and 0.0095.
    assert steps(found) == ["3 (1 abandoned, 1 error, 1 timeout)", "0.0025 USD", "3", "0.021 USD"]
    assert found.basis == "guessed"


def test_calls_that_were_refused_are_known_to_have_cost_nothing_more(store: Store):
    put(store, call(status="error", usage=None, cost=None))
    found = only(advise(store), "failed_calls")
    assert (found.basis, found.guess, found.calls) == ("known", "", 1)


def test_much_uncached_input_of_a_model_that_has_a_price_for_cached(store: Store):
    long, longer = Usage({"input": 10_000}), Usage({"input": 20_000})
    put(store, paid("gpt-4o", usage=long), paid("gpt-4o", usage=longer), paid("gpt-4o", usage=Usage({"input": 1_023})))
    found = only(advise(store), "uncached_input")
    # 2.50 uncached, 1.25 cached: 30,000 x 2.50 = 0.075; less 0.0375, of which the larger call keeps its 0.025.
    assert steps(found) == ["30,000", "0.075 USD", "0.0375 USD", "0.0125 USD"]
    assert (found.calls, found.saving, found.basis) == (2, Decimal("0.0125"), "guessed")


def test_who_uses_a_cache_needs_no_advice_to(store: Store):
    long = Usage({"input": 10_000})
    put(store, paid("gpt-4o", usage=long), paid("gpt-4o", usage=long))
    put(store, paid("gpt-4o", usage=Usage({"input": 10, "input_cache_read": 10_000})))
    assert "uncached_input" not in signals(advise(store))


def test_writes_that_nobody_read(store: Store):
    usage = Usage({"input": 10, "input_cache_write_5m": 4_000})
    put(store, paid("claude-sonnet-4-5", provider="anthropic", usage=usage))
    found = only(advise(store), "unread_writes")
    assert (found.saving, found.basis, found.about["model"]) == (Decimal("0.003"), "known", "claude-sonnet-4-5")


def test_requests_that_begin_alike(store: Store):
    same, other = {"prompt.prefix_hash": "aa"}, {"prompt.prefix_hash": "bb"}
    read = Usage({"input": 5, "input_cache_read": 5_000})
    put(
        store,
        *(paid("gpt-4o", attributes=same, usage=Usage({"input": 2_000})) for _ in range(3)),
        paid("gpt-4o", attributes=other),
        *(paid("gpt-4o-mini", attributes=same, usage=read) for _ in range(2)),
    )
    found = only(advise(store), "repeated_prefix")
    assert (found.about["prefix"], found.calls, steps(found)) == ("aa", 3, ["3", "6,000"])


# ---- runs of agents ----------------------------------------------------------------------------------------------


def run_of(*sent: int, name: str = "planner", model: str = "gpt-4o", **changes: Any) -> list[Record]:
    """An agent with a tool that makes one call after another."""
    agent = call(kind="agent", name=name, bills=False, usage=None, cost=None)
    tool = call(kind="tool", parent_id=agent.span_id, trace_id=agent.trace_id, bills=False, usage=None, cost=None)
    calls = [
        paid(model, n, usage=Usage({"input": tokens}), trace_id=agent.trace_id, parent_id=tool.span_id, **changes)
        for n, tokens in enumerate(sent)
    ]
    return [agent, tool, *calls]


def test_context_that_grows_with_each_step(store: Store):
    put(store, *run_of(1_000, 2_000, 4_000), *run_of(1_000, 1_500, 2_000), *run_of(9_000, 100))
    found = only(advise(store), "growing_context")
    assert found.about["agent"] == "planner"
    # 3,000 and 1,000 tokens in 4 steps; sent again 1,000 + 2,000 and 1,000 + 1,500, at 2.50 a million.
    assert steps(found) == ["2", "4,000 in 4 steps", "11,500", "5,500", "0.01375 USD of 0.02875 USD"]
    assert "1,000 tokens more with each step" in found.text
    assert found.saving == Decimal("0.01375")


def test_what_growing_context_costs_without_a_price_is_not_known(store: Store):
    put(store, *run_of(1_000, 2_000, 4_000, model="house-llama"))
    found = only(advise(store), "growing_context")
    assert (found.saving, found.cost) == (None, None)
    assert steps(found)[-1] == "not known: they have no price"


def test_context_that_stays_is_no_advice(store: Store):
    put(store, *run_of(1_000, 1_000, 1_000), *run_of(3_000, 2_000, 1_000, name="other"))
    assert "growing_context" not in signals(advise(store))


def test_only_calls_that_were_chosen_are_looked_at(store: Store):
    put(store, *run_of(1_000, 2_000, 4_000, attribution={"feature": "a"}))
    assert "growing_context" in signals(advise(store, where={"feature": "a"}))
    assert advise(store, where={"feature": "b"}) == []


# ---- the whole ---------------------------------------------------------------------------------------------------


def test_a_scan_reads_every_call_once_in_batches(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tollbook.ledger._scan._BATCH", 3)
    same = {"start": START}
    records = [*(call(**same) for _ in range(7)), *(call() for _ in range(4)), call(bills=False)]
    put(store, *records)
    told: list[tuple[int, int]] = []
    found = [seen.record.span_id for seen in Scan(store, progress=lambda *how: told.append(how))]
    assert sorted(found) == sorted(record.span_id for record in records if record.bills)
    assert told[-1] == (1000, 1000)
    assert told == sorted(told)


def test_an_empty_ledger_gives_no_advice(store: Store):
    assert advise(store) == []
    assert "Nothing to advise" in said("advise", "--store", str(store.path))


def test_the_api_reads_what_this_process_recorded():
    try:
        tollbook.record(model="gpt-4o", provider="openai", usage={"input_tokens": 1000, "output_tokens": 200})
        assert only(tollbook.advise(), "cheaper_model").saving == Decimal("0.00423")
    finally:
        _runtime.stop()


def test_the_command_in_every_form(store: Store):
    put(store, *(paid("gpt-4o", n, finish="length") for n in range(3)))
    path = ["advise", "--store", str(store.path)]
    text = said(*path)
    assert "1. 3 calls of gpt-4o would have cost 94% less on gpt-4o-mini: at most $0.01269" in text
    assert "difference: 0.01269 USD" in text
    assert "few calls: only 3 calls" in text
    first = json.loads(said(*path, "--json"))[0]
    assert (first["signal"], first["saving_usd"], first["small_sample"]) == ("cheaper_model", "0.01269", True)
    assert first["arithmetic"][2] == {"text": "difference", "value": "0.01269 USD"}
    assert "### 3 calls of gpt-4o would" in said(*path, "--md", "--top", "1")
    assert "gpt-4.1-mini" in said(*path, "--cheaper", "gpt-4o=gpt-4.1-mini")
    assert said(*path, "--where", "feature=x").startswith("Nothing to advise")
    assert run(*path, "--cheaper", "gpt-4o").exit_code == 2
    assert run(*path, "--cheaper", "gpt-4o=").exit_code == 2
    assert run(*path, "--cheaper", "gpt-4o=gpt-4.1", "--cheaper", "gpt-4o=gpt-4.1-mini").exit_code == 2


def test_the_command_chooses_calls_as_reports_do(store: Store):
    put(store, *(paid("gpt-4o", n, attribution={"feature": feature}) for n, feature in enumerate("abc")))
    path = ["advise", "--store", str(store.path), "--json"]
    (found,) = json.loads(said(*path, "--where", "feature=a", "--where", "feature=b"))
    assert found["calls"] == 2
