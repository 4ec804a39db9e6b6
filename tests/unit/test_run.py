"""Runs of frameworks: where calls belong, and which layer books them."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import tollbook
from tollbook.spans import Call, Record, Run, Runs, _joins, _run, _sink, current
from tollbook.spans._reported import as_dict

USED = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}


@pytest.fixture
def written(monkeypatch) -> Iterator[list[Record]]:
    records: list[Record] = []
    monkeypatch.setattr(_sink, "sink", records.append)
    monkeypatch.setattr(_joins, "on", False)
    _joins.forget()
    yield records
    _joins.forget()
    assert current.get() is None, "a run was left open in the context of the test"


def run(name: str = "model", kind: str = "llm", **more: Any) -> Run:
    return Run(name, kind, integration="test", **more)


def call(response_id: str | None = None, operation: str = "chat") -> Call:
    record = Record(trace_id="", span_id="", name="sdk", operation=operation, response_id=response_id)
    return Call(record, "openai.chat", lambda call, body: None)


def booked(run: Run, response_id: str | None = None) -> None:
    run.book("langchain", dict(USED), model="m", response_id=response_id)
    run.end()


def billed(records: list[Record]) -> list[str]:
    return [record.name for record in records if record.bills]


def test_a_call_inside_a_model_run_is_its_child_and_bills_in_its_place(written):
    model = run()
    model.enter()
    inner = call()
    inner.end()
    booked(model)
    assert inner.record.parent_id == model.span_id
    assert billed(written) == ["sdk"]


def test_a_model_run_without_a_metered_call_books_what_the_framework_reports(written):
    model = run(provider="google")
    model.enter()
    booked(model, "r1")
    (record,) = written
    assert (record.bills, as_dict(record.raw), record.convention) == (True, USED, "langchain")
    assert (record.provider, record.response_model, record.response_id) == ("google", "m", "r1")


def test_a_model_run_of_unknown_usage_counts_as_a_call_and_says_so(written):
    run().end()
    assert written[0].bills
    assert written[0].raw is None
    assert written[0].flags == ("no_usage_reported",)


def test_what_comes_from_a_cache_of_the_framework_bills_nothing(written):
    model = run()
    model.cached = True
    booked(model)
    assert billed(written) == []
    assert written[0].flags == ("cache_hit",)


def test_a_model_run_takes_one_call_and_a_further_one_is_not_its_own(written):
    chain, model = run("chain", "chain"), None
    chain.enter()
    model = run(within=chain)
    model.enter()
    first, second = call(), call()
    assert (first.record.parent_id, second.record.parent_id) == (model.span_id, chain.span_id)
    model.end()
    chain.end()


def test_a_span_of_the_program_between_run_and_call_makes_no_difference(written):
    model = run()
    model.enter()
    with tollbook.span("by hand"):
        inner = call()
        inner.end()
    booked(model)
    assert billed(written) == ["sdk"]


def test_what_the_program_books_by_hand_inside_a_model_run_is_not_booked_again(written):
    model = run()
    model.enter()
    tollbook.record(model="mine", usage=USED)
    booked(model)
    assert billed(written) == ["call"]


def test_only_the_innermost_of_nested_model_runs_is_booked(written):
    outer = run("outer")
    outer.enter()
    inner = run("inner")
    inner.enter()
    booked(inner)
    booked(outer)
    assert billed(written) == ["inner"]


def test_an_embedding_inside_a_chat_does_not_stand_for_the_chat(written):
    model = run()
    model.enter()
    call(operation="embeddings").end()
    booked(model)
    assert billed(written) == ["sdk", "model"]


def test_runs_that_share_their_calls_are_covered_together(written):
    first = run("first", calls=2)
    first.enter()
    second = run("second", beside=first)
    second.enter()
    call().end()
    call().end()
    booked(first)
    booked(second)
    second.leave()
    current.set(None)
    assert billed(written) == ["sdk", "sdk"]
    assert {record.parent_id for record in written if record.name == "sdk"} == {second.span_id}


def test_a_run_that_ended_in_another_context_is_passed_over(written):
    """The context of its start still has it as the current one: later calls begin traces of their own."""

    def inside() -> None:
        with tollbook.span("around") as around:
            chain = run("chain", "chain")
            chain.enter()
            contextvars.copy_context().run(chain.end)
            assert current.get() is chain
            assert call().record.parent_id == around.span_id
            with tollbook.span("after") as after:
                assert after.record.parent_id == around.span_id
        root = run("root", "chain")
        root.enter()
        contextvars.copy_context().run(root.end)
        assert call().record.parent_id is None
        assert call().record.trace_id != root.trace_id

    contextvars.copy_context().run(inside)


def test_runs_that_end_elsewhere_do_not_hold_each_other(written):
    def inside() -> None:
        for _ in range(3):
            chain = run("chain", "chain")
            chain.enter()
            contextvars.copy_context().run(chain.end)
            assert chain.above is None
            assert chain._before is None

    contextvars.copy_context().run(inside)


def test_a_span_of_the_program_comes_between_a_run_and_the_run_that_it_is_in(written):
    chain = run("chain", "chain")
    chain.enter()
    with tollbook.span("by hand") as hand:
        assert run("tool", "tool", within=chain).record.parent_id == hand.span_id
    model = run(within=chain)
    model.enter()
    assert run(within=chain).record.parent_id == chain.span_id, "a model call that is open is no parent of the next"
    model.end()
    chain.end()


def test_a_parent_that_the_framework_names_holds_where_the_context_is_lost(written):
    chain, found = run("chain", "chain"), []
    thread = threading.Thread(target=lambda: found.append(run(within=chain)))
    thread.start()
    thread.join()
    assert found[0].record.parent_id == chain.span_id
    assert found[0].trace_id == chain.trace_id


def test_what_a_framework_says_yields_to_what_the_program_says(written):
    with tollbook.attribute(feature="by hand"):
        chain = run("chain", "chain", lent={"feature": "lent", "session": "s1"})
        chain.enter()
        with tollbook.attribute(session="inner"):
            inner = call()
        outer = call()
        chain.end()
    assert inner.record.attribution == {"feature": "by hand", "session": "inner"}
    assert outer.record.attribution == {"feature": "by hand", "session": "s1"}
    assert chain.record.attribution == {"feature": "by hand", "session": "s1"}


@pytest.mark.parametrize("first", ["sdk", "model"])
def test_layers_whose_context_was_lost_are_joined_by_response_id_once(written, first):
    """Whoever ends first bills; of a second call with the same id, neither is the other's."""

    model = run()
    sdk = contextvars.Context().run(call, "r1")
    for end in (sdk.end, lambda: booked(model, "r1"))[:: 1 if first == "sdk" else -1]:
        end()
    assert billed(written) == [first]
    contextvars.Context().run(call, "r1").end()
    assert billed(written) == [first, "sdk"]


def test_a_call_before_or_after_a_run_is_not_joined_with_it(written):
    """A server of the user's own may give the same id to all."""
    run("before").end()
    call("r1").end()
    booked(run(), "r1")
    call("r1").end()
    assert billed(written) == ["before", "sdk", "model", "sdk"]


def test_a_run_whose_framework_has_let_go_of_it_was_cancelled(written):
    class Id:
        pass

    runs, held = Runs(), Id()
    runs.add("a", run(), held)
    assert written == []
    del held
    assert written[0].status == "cancelled"
    assert len(runs) == 0


def test_a_call_that_its_run_knows_is_not_joined_by_id_with_another_run(written):
    model, stranger = run(), run("stranger")
    model.enter()
    call("r1").end()
    booked(model, "r1")
    booked(stranger, "r1")
    assert billed(written) == ["sdk", "stranger"]


def test_two_calls_of_an_sdk_with_one_id_are_two(written):
    run("chain", "chain").end()
    call("r1").end()
    call("r1").end()
    assert billed(written) == ["sdk", "sdk"]


def test_ids_are_forgotten_in_time(written, monkeypatch):
    monkeypatch.setattr(_joins, "MOST", 3)
    run().end()
    for number in range(10):
        call(f"r{number}").end()
    assert len(_joins._metered) == 3


def test_a_run_ends_once_and_says_how(written):
    model = run()
    model.end(GeneratorExit())
    model.end(ValueError("a text"))
    (record,) = written
    assert (record.status, record.error) == ("abandoned", "GeneratorExit")


def test_runs_that_are_never_ended_are_ended_when_there_are_too_many(written):
    runs = Runs(most=2)
    opened = [run(str(number), "chain") for number in range(3)]
    for number, each in enumerate(opened):
        runs.add(number, each)
    assert len(runs) == 2
    assert runs.get(0) is None
    assert [record.name for record in written] == ["0"]
    assert runs.pop(2) is opened[2]


@pytest.mark.parametrize("text", ["agent", "retrieve documents", "ChatOpenAI", "node:inner"])
def test_names_are_kept(text):
    assert _run.safe_name(text, "chain") == text


@pytest.mark.parametrize("text", ["", "what is the capital of France, please?", "x" * 65, "two\nlines"])
def test_what_may_be_content_is_no_name(text):
    found = _run.safe_name(text, "chain")
    assert found.startswith("chain")
    assert text not in found or not text
    assert found == _run.safe_name(text, "chain")


def test_what_a_framework_says_too_much_of_costs_no_bill():
    """Of more dimensions than there is room for, the first are kept; the run is there all the same."""
    outer = Run("outer", "chain", integration="test", lent={f"a{n}": n for n in range(20)} | {"": 1, "x" * 65: 1})
    inner = Run("inner", "llm", integration="test", within=outer, lent={f"b{n}": n for n in range(20)})
    found = inner.record.attribution or {}
    assert len(found) == 32
    assert (found["a19"], found["b11"]) == ("19", "11")
