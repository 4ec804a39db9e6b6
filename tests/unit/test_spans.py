"""Spans by hand: what is written, what is inside what, and what bills."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

import tollbook
from tollbook.pricing import cost_of
from tollbook.spans import Record, Trace, _attributes, _sink, current
from tollbook.usage import Usage


@pytest.fixture
def written(monkeypatch):
    """The records written, newest last."""
    records: list[Record] = []
    monkeypatch.setattr(_sink, "sink", records.append)
    monkeypatch.setattr(_sink, "last_trace_id", None)
    yield records
    assert current.get() is None, "a span was left open in the context of the test"


def test_a_span_is_written_when_its_block_ends_and_not_before(written):
    with tollbook.span("run", kind="agent") as run:
        assert written == []
        assert tollbook.get_current_active_span() is run
    [record] = written
    assert (record.name, record.kind, record.status, record.bills) == ("run", "agent", "ok", False)
    assert record.duration > 0
    assert record.parent_id is None


def test_spans_nest_in_one_trace(written):
    with tollbook.span("outer") as outer, tollbook.span("inner"):
        pass
    inner, outside = written
    assert inner.parent_id == outer.span_id == outside.span_id
    assert inner.trace_id == outside.trace_id


def test_trace_ids_of_spans_that_start_later_sort_later(written):
    for _ in range(3):
        with tollbook.span("one"):
            pass
    assert len({r.trace_id for r in written}) == 3
    assert [r.trace_id[:12] for r in written] == sorted(r.trace_id[:12] for r in written)


def test_an_exception_passes_unchanged_and_leaves_its_type_without_its_text(written):
    error = ValueError("the customer's secret")
    with pytest.raises(ValueError) as raised, tollbook.span("run"):
        raise error
    assert raised.value is error
    [record] = written
    assert (record.status, record.error) == ("error", "ValueError")
    assert "secret" not in repr(record)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("cancelled", asyncio.CancelledError()), ("timeout", TimeoutError()), ("cancelled", KeyboardInterrupt())],
)
def test_how_a_span_was_broken_off_is_told_apart(written, kind, error):
    with pytest.raises(type(error)), tollbook.span("run"):
        raise error
    assert written[0].status == kind


def test_the_decorator_keeps_name_signature_and_result(written):
    @tollbook.trace
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert written[0].name == "add"


@pytest.mark.parametrize("decorate", [tollbook.trace, tollbook.trace(kind="tool"), tollbook.attribute(feature="x")])
async def test_decorators_work_above_and_below_staticmethod_and_classmethod(written, decorate):
    class Tools:
        @decorate
        @staticmethod
        def static(value=1):
            return value

        @staticmethod
        @decorate
        def below(value=1):
            return value

        @decorate
        @classmethod
        def of_class(cls, value=1):
            return cls, value

        @decorate
        @staticmethod
        async def later(value=1):
            return value

    class More(Tools):
        pass

    assert (Tools.static(), Tools().static(), Tools.static(2), Tools().static(2)) == (1, 1, 2, 2)
    assert (Tools.below(), Tools().below(2)) == (1, 2)
    assert (Tools.of_class(), Tools().of_class(2), More.of_class()) == ((Tools, 1), (Tools, 2), (More, 1))
    assert asyncio.iscoroutinefunction(Tools.later)
    assert await Tools().later() == 1
    assert isinstance(vars(Tools)["static"], staticmethod)
    if not isinstance(decorate, tollbook.attribute):
        assert [record.name for record in written] == ["static"] * 4 + ["below"] * 2 + ["of_class"] * 3 + ["later"]


async def test_a_coroutine_function_is_traced_until_it_returns(written):
    @tollbook.trace(name="work", span_type="AGENT")
    async def work() -> str:
        await asyncio.sleep(0)
        with tollbook.span("inner"):
            return "done"

    assert asyncio.iscoroutinefunction(work)
    assert await work() == "done"
    inner, outer = written
    assert (outer.name, outer.kind, inner.parent_id) == ("work", "agent", outer.span_id)


def test_a_generator_is_current_only_while_it_runs(written):
    @tollbook.trace
    def numbers():
        with tollbook.span("step"):
            pass
        received = yield 1
        yield received
        return "end"

    stream = numbers()
    assert next(stream) == 1
    assert tollbook.get_current_active_span() is None
    assert stream.send(5) == 5
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == "end"
    step, outer = written
    assert (step.name, outer.name, outer.status, step.parent_id) == ("step", "numbers", "ok", outer.span_id)


def test_a_generator_that_is_closed_early_is_abandoned_and_cleans_up(written):
    cleaned = []

    @tollbook.trace
    def numbers():
        try:
            yield 1
        finally:
            cleaned.append(True)

    stream = numbers()
    next(stream)
    stream.close()
    assert cleaned == [True]
    assert [(r.name, r.status) for r in written] == [("numbers", "abandoned")]


def test_an_exception_thrown_into_a_generator_reaches_it(written):
    @tollbook.trace
    def numbers():
        try:
            yield 1
        except KeyError:
            yield 2

    stream = numbers()
    next(stream)
    assert stream.throw(KeyError("x")) == 2
    with pytest.raises(RuntimeError, match="mine"):
        stream.throw(RuntimeError("mine"))
    assert [(r.status, r.error) for r in written] == [("error", "RuntimeError")]


async def test_an_async_generator_that_is_dropped_in_another_task_raises_nothing_and_is_written_once(written):
    @tollbook.trace
    async def numbers():
        for number in range(5):
            yield number

    async def first() -> int:
        async for number in numbers():
            return number
        return -1

    assert await asyncio.create_task(first()) == 0
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [(r.name, r.status) for r in written] == [("numbers", "abandoned")]


async def test_an_async_generator_is_ended_by_its_end(written):
    @tollbook.trace
    async def numbers():
        for number in range(3):
            yield number

    assert [n async for n in numbers()] == [0, 1, 2]
    assert [(r.name, r.status) for r in written] == [("numbers", "ok")]


async def test_tasks_that_run_together_keep_their_own_spans(written):
    async def one(name: str) -> None:
        with tollbook.span(name):
            await asyncio.sleep(0)
            with tollbook.span(f"{name} inside"):
                await asyncio.sleep(0)

    await asyncio.gather(*(one(f"run {n}") for n in range(20)))
    by_id = {r.span_id: r for r in written}
    inside = [r for r in written if r.name.endswith("inside")]
    assert len(inside) == 20
    assert all(by_id[r.parent_id].name + " inside" == r.name for r in inside)


def test_a_thread_has_no_parent_unless_it_is_given_the_context(written):
    with ThreadPoolExecutor(1) as pool, tollbook.span("outer") as outer:

        def work() -> None:
            with tollbook.span("inner"):
                pass

        pool.submit(work).result()
        pool.submit(contextvars.copy_context().run, work).result()
    alone, inside, _ = written
    assert alone.parent_id is None
    assert inside.parent_id == outer.span_id


def test_a_trace_that_began_elsewhere_is_continued(written):
    with tollbook.continue_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), tollbook.span("here"):
        pass
    assert (written[0].trace_id, written[0].parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01",
    ],
)
def test_a_header_that_is_no_traceparent_is_ignored(written, header):
    with tollbook.continue_trace(header), tollbook.span("here"):
        pass
    assert written[0].parent_id is None


def test_usage_and_cost_set_by_hand_as_mlflow_writes_it(written):
    @tollbook.trace
    def my_llm_call() -> str:
        span = tollbook.get_current_active_span()
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150})
        span.set_attribute("mlflow.llm.cost", {"input_cost": 0.0001, "output_cost": 0.0002, "total_cost": 0.0003})
        return "response"

    my_llm_call()
    info = Trace(written).info
    assert info.token_usage == {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
    assert info.cost == {"input_cost": 0.0001, "output_cost": 0.0002, "total_cost": 0.0003}
    assert info.total_cost == Decimal("0.0003")
    assert written[0].usage.source == "manual"
    assert written[0].cost.status == "manual"


def test_usage_set_one_number_at_a_time_as_the_skill_writes_it(written):
    with tollbook.span("llm_call") as span:
        span.set_attribute("llm.tokens.input", 1500)
        span.set_attribute("llm.tokens.output", 350)
        span.set_attribute("llm.tokens.total", 1850)
        span.set_attribute("llm.cost_usd", 0.025)
        span.set_attribute("cost.feature", "document_analysis")
    [record] = written
    assert record.usage.quantities == {"input": 1500, "output": 350}
    assert record.cost.total_usd == Decimal("0.025")
    assert record.attribution == {"feature": "document_analysis"}
    read = Trace(written).data.spans[0]
    assert [read.get_attribute(f"llm.tokens.{n}") for n in ("input", "output", "total")] == [1500, 350, 1850]


def test_a_model_named_by_hand_is_priced_from_the_list(written):
    with tollbook.span("call", kind="llm", model="gpt-4o-mini", provider="openai") as span:
        span.set_usage({"input_tokens": 45, "output_tokens": 14, "total_tokens": 59})
    assert written[0].cost.total_usd == Decimal("0.00000675") + Decimal("0.0000084")


def test_what_is_set_on_an_outer_span_bills_in_place_of_what_is_inside(written):
    with tollbook.span("outer") as outer:
        tollbook.record(model="gpt-4o-mini", provider="openai", usage={"input_tokens": 10, "output_tokens": 10})
        outer.set_cost("0.5")
    info = Trace(written).info
    assert info.llm_calls == 1
    assert info.total_cost == Decimal("0.5")
    assert [r.covers for r in written] == [False, True]


def test_a_call_booked_by_hand_with_its_own_cost(written):
    trace_id = tollbook.record(model="house-model", usage={"input_tokens": 7, "output_tokens": 3}, cost="0.0000016")
    [record] = written
    assert (record.trace_id, record.kind, record.bills, record.covers) == (trace_id, "llm", True, False)
    assert record.cost.total_usd == Decimal("0.0000016")


def test_a_programs_own_cost_has_the_list_price_beside_it(written):
    usage = {"input_tokens": 45, "output_tokens": 14}
    tollbook.record(model="gpt-4o-mini", provider="openai", usage=usage, cost="0.5")
    tollbook.record(model="house-model", provider="openai", usage=usage, cost=0)
    known, unknown = (record.cost for record in written)
    assert (known.total_usd, known.listed, known.status) == (Decimal("0.5"), 6_750_000 + 8_400_000, "manual")
    assert (unknown.total_usd, unknown.listed, unknown.status) == (Decimal(0), None, "manual")


@pytest.mark.parametrize("cost", [-0.01, "-1", "nan", "1e9", "much", None])
def test_what_can_not_be_a_cost_is_refused_where_it_is_set(written, cost):
    with tollbook.span("s") as span, pytest.raises(ValueError, match=r"cost|money"):
        span.set_cost(cost)
    assert written[0].cost is None


@pytest.mark.parametrize("cost", [0.5, None, {"total_cost": -1}, {"input_cost": -1, "total_cost": 1}, {}])
def test_what_can_not_be_a_cost_is_refused_as_an_attribute_too(written, cost):
    with tollbook.span("s") as span, pytest.raises(ValueError, match=r"cost"):
        span.set_attribute("mlflow.llm.cost", cost)
    assert written[0].cost is None


def test_an_unknown_model_has_tokens_and_no_cost(written):
    tollbook.record(model="house-model", provider="openai", usage={"input_tokens": 7, "output_tokens": 3})
    info = Trace(written).info
    assert info.token_usage["total_tokens"] == 10
    assert info.cost is None
    assert info.total_cost is None
    assert info.unpriced_calls == 1


@pytest.mark.parametrize("usage", [{}, {"nothing": "known"}])
def test_what_is_no_usage_is_refused(written, usage):
    with pytest.raises(ValueError, match="usage"):
        tollbook.record(model="m", usage=usage)


def test_names_repeat_with_a_number_in_order_of_their_start(written):
    with tollbook.span("run"):
        for _ in range(2):
            tollbook.record(name="Completions", model="gpt-4o-mini", provider="openai", usage={"input_tokens": 1})
    assert [s.name for s in Trace(written).data.spans] == ["run", "Completions_1", "Completions_2"]


def test_only_names_and_numbers_are_kept(written, caplog):
    with tollbook.span("run") as span:
        span.set_attribute("prompt", {"content": "the customer's secret"})
        span.set_attribute("long", "x" * 10_000)
        span.set_attribute("flag", True)
    assert "secret" not in repr(written) + caplog.text
    assert written[0].attributes == {"long": "x" * 256, "flag": True}


def test_ending_twice_writes_once(written):
    span = tollbook.start_span("run")
    span.end()
    span.end()
    assert len(written) == 1


def test_a_call_says_which_smaller_model_would_have_come_to_less_as_a_guess() -> None:
    """1,000 and 100 tokens: $0.0035 on gpt-4o, $0.00021 on gpt-4o-mini. Nothing is below the smallest."""
    found = []
    for model in ("gpt-4o-2024-08-06", "gpt-4.1-nano", "made-up"):
        record = Record(
            trace_id="", span_id="", provider="openai", response_model=model, start=1_790_000_000 * 10**9, bills=True
        )
        record.usage = Usage({"input": 1000, "output": 100})
        record.cost = cost_of(record.usage, "openai", model, record.start)
        names = ("model.recommendation", "model.recommendation.model", "model.recommendation.saving_usd")
        found.append([_attributes.get(record, name) for name in names])
    assert found == [["could_downgrade", "gpt-4o-mini", 0.00329], [None] * 3, [None] * 3]


@pytest.mark.parametrize("provider", ["openai", "azure.ai.openai"])
@pytest.mark.parametrize("charge", [None, 10**9])
def test_the_smaller_model_is_found_by_the_price_list_and_compared_by_it(provider: str, charge: int | None) -> None:
    """Whatever the provider is called in the record, and whatever it stated as its charge ($0.001 here)."""
    record = Record(
        trace_id="", span_id="", provider=provider, response_model="gpt-4o", start=1_790_000_000 * 10**9, bills=True
    )
    record.usage = Usage({"input": 1000, "output": 100}, charge=charge)
    record.cost = cost_of(record.usage, provider, "gpt-4o", record.start)
    assert _attributes.get(record, "model.recommendation.model") == "gpt-4o-mini"
    assert _attributes.get(record, "model.recommendation.saving_usd") == 0.00329
