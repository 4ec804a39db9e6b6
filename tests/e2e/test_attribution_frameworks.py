"""Attribution in frameworks that run things in threads and loops of their own: what is set around them holds inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.web import booked

import tollbook
from tollbook.spans import _sink

HERE = {"feature": "here"}


@pytest.fixture(autouse=True)
def _no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sink, "sink", lambda record: None)


async def later(_: Any = None) -> Any:
    await asyncio.sleep(0)
    return booked()


async def test_langchain_carries_it_into_its_threads_tasks_and_streams() -> None:
    runnables = pytest.importorskip("langchain_core.runnables")

    def pieces(items: Iterator[Any]) -> Iterator[Any]:
        for _ in items:
            yield booked()

    plain = runnables.RunnableLambda(lambda _: booked())
    both = runnables.RunnableParallel(a=plain, b=runnables.RunnableLambda(lambda _: booked(), afunc=later))
    with tollbook.attribute(**HERE):
        assert plain.batch([1, 2]) == [HERE, HERE]
        assert both.invoke(1) == {"a": HERE, "b": HERE}
        assert await both.ainvoke(1) == {"a": HERE, "b": HERE}
        assert await plain.abatch([1, 2]) == [HERE, HERE]
        assert list(runnables.RunnableGenerator(pieces).stream(1)) == [HERE]
    assert booked() is None


def test_langgraph_carries_it_into_its_nodes() -> None:
    graph = pytest.importorskip("langgraph.graph")
    built = graph.StateGraph(dict)
    built.add_node("one", lambda state: {**state, "one": booked()})
    built.add_edge(graph.START, "one")
    built.add_edge("one", graph.END)
    with tollbook.attribute(**HERE):
        assert built.compile().invoke({})["one"] == HERE


async def test_llama_index_carries_it_into_its_jobs_and_workflows() -> None:
    utils = pytest.importorskip("llama_index.core.async_utils")
    from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

    class Flow(Workflow):
        @step
        async def only(self, event: StartEvent) -> StopEvent:
            return StopEvent(result=await later())

    with tollbook.attribute(**HERE):
        assert await utils.run_jobs([later(), later()]) == [HERE, HERE]
        assert await asyncio.to_thread(utils.asyncio_run, later()) == HERE
        assert await Flow().run() == HERE
    assert booked() is None
