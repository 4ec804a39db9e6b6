"""Runs that take in what began where the context did not know of them, and runs that nobody ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tollbook
from tollbook.spans import Call, Record, Run, Runs, _joins, _sink
from tollbook.usage import Usage


@pytest.fixture
def written(monkeypatch) -> Iterator[list[Record]]:
    records: list[Record] = []
    monkeypatch.setattr(_sink, "sink", records.append)
    monkeypatch.setattr(_joins, "on", False)
    _joins.forget()
    yield records
    _joins.forget()


def run(name: str, kind: str = "llm", **more: Any) -> Run:
    return Run(name, kind, integration="test", **more)


def call(response_id: str = "r") -> Call:
    record = Record(trace_id="", span_id="", name="sdk", operation="chat", response_id=response_id)
    return Call(record, "openai.chat", lambda call, body: None)


def test_a_call_that_is_taken_in_bills_as_a_child_in_place_of_the_run(written):
    model = run("model", lent={"session": "s", "feature": "theirs"})
    with tollbook.attribute(feature="ours"):
        late = call()
    assert late.record.trace_id != model.trace_id
    model.adopt(late)
    late.end()
    model.end()
    assert [(r.name, r.parent_id, r.trace_id) for r in written if r.bills] == [("sdk", model.span_id, model.trace_id)]
    assert late.record.attribution == {"session": "s", "feature": "ours"}


def test_a_run_that_is_taken_in_brings_along_what_it_took_in(written):
    outer, inner, late = run("outer"), run("inner"), call()
    inner.adopt(late)
    outer.adopt(inner)
    for each in (late, inner, outer):
        each.end()
    assert {r.trace_id for r in written} == {outer.trace_id}
    assert inner.record.parent_id == outer.span_id
    assert [r.name for r in written if r.bills] == ["sdk"]


def test_a_run_that_is_taken_in_and_books_is_the_only_bill(written):
    outer, inner = run("outer"), run("inner")
    outer.adopt(inner)
    inner.book("langchain", {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    inner.end()
    outer.book("langchain", {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    outer.end()
    assert [r.name for r in written if r.bills] == ["inner"]


def test_what_nobody_reports_is_estimated_where_the_framework_knows_its_text(written):
    class Known(Run):
        def estimated(self) -> Usage:
            return Usage({"input": 7}, source="estimated", method="guess", band=0.5)

    Known("model", "llm", integration="test").end()
    (record,) = written
    assert record.usage is not None
    assert (record.bills, record.usage.source, record.flags) == (True, "estimated", ("no_usage_reported",))


def test_all_that_is_open_is_ended_as_abandoned_or_forgotten(written):
    runs = Runs()
    for number in range(3):
        runs.add(number, run(f"{number}", "chain"))
    runs.end()
    assert [(r.name, r.status) for r in written] == [(f"{number}", "abandoned") for number in range(3)]
    runs.add(4, run("4", "chain"))
    runs.forget()
    runs.end()
    assert len(written) == 3
