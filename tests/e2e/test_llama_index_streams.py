"""LlamaIndex: streams that are read later than they were asked for, left or cancelled, and what is called beside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("llama_index.core")
pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.llms.anthropic")

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.instrumentation.dispatcher import instrument_tags
from tests import llama
from tests.e2e.test_llama_index import MODELS, MODES, billed, play, records, switch_on
from tests.e2e.test_llama_index_trees import lines
from tests.wire.cassettes import load
from tests.wire.clients import openai_client
from tests.wire.server import Play

import tollbook
from tollbook.spans import Record
from tollbook_integrations import llama_index

__all__ = ["play"]

pytestmark = [
    pytest.mark.boundary,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of LlamaIndex itself
    pytest.mark.filterwarnings("ignore:.*was deleted before being closed:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function Connection:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

QUESTION = "What is the toll?"


@pytest.fixture
def engine(play: Play) -> Callable[[str], Any]:
    """Makes a query engine that streams, of a model."""
    documents = [Document(text="The toll is two euros.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=llama.embeddings(play))
    return lambda model: index.as_query_engine(llm=MODELS[model](play), streaming=True)


def chat() -> Record:
    (record,) = [record for record in billed() if record.operation == "chat"]
    return record


async def answer(engine: Any, way: str) -> str:
    if way == "query":
        return "".join(engine.query(QUESTION).response_gen)
    response = await engine.aquery(QUESTION)
    return "".join([part async for part in response.async_response_gen()])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["query", "aquery"])
@pytest.mark.parametrize("model", MODELS)
async def test_a_query_that_streams_is_one_tree(model: str, way: str, mode: str, engine: Any) -> None:
    """The model is asked when the query has ended; its call is a part of it all the same, and all levels agree."""
    bare = await answer(engine(model), way)
    switch_on(mode)
    assert await answer(engine(model), way) == bare
    found = records()
    assert len({record.trace_id for record in found}) == 1
    tree = [line.strip() for line in lines(found)]
    start = tree.index(f"chain CompactAndRefine.{'a' if way == 'aquery' else ''}synthesize")
    assert tree[0].endswith(f"RetrieverQueryEngine.{way}")
    assert "stream_chat" in tree[start + 1]
    trace = tollbook.get_trace(found[0].trace_id)
    assert trace is not None
    assert trace.info.llm_calls == len(billed()) == 2
    costs = [record.cost.total_usd for record in billed() if record.cost is not None]
    total = sum((cost for cost in costs if cost is not None), Decimal(0))
    spans = {span.span_id: span for span in trace.data.spans}
    (root,) = [span for span in spans.values() if span.parent_id is None]
    (written,) = [span for span in spans.values() if span.name.endswith("synthesize")]
    assert trace.info.total_cost == root.inside.total_cost == total
    assert written.inside.llm_calls == 1
    assert root.inside.llm_calls == 2


def test_each_stream_is_in_its_own_query_in_whichever_order_they_are_read(engine: Any) -> None:
    switch_on("both")
    asked = engine("openai")
    with instrument_tags({"session_id": "one"}):
        one = asked.query(QUESTION).response_gen
    with instrument_tags({"session_id": "two"}), tollbook.span("page"):
        two = asked.query(QUESTION).response_gen
    next(two)
    for _ in zip(one, two, strict=False):
        pass
    list(one)
    with tollbook.span("elsewhere") as elsewhere:
        list(two)
    chats = [record for record in billed() if record.operation == "chat"]
    assert [(record.attribution or {}).get("session") for record in chats] == ["two", "one"]
    traces = [[r for r in records() if r.trace_id == each.trace_id] for each in chats]
    assert [lines(trace)[0] for trace in traces] == ["span page", "chain RetrieverQueryEngine.query"]
    assert all(record.trace_id != elsewhere.trace_id for record in chats)


def test_a_stream_that_is_read_in_a_thread_is_in_its_query(engine: Any) -> None:
    switch_on("autolog")
    response = engine("http").query(QUESTION)
    reader = threading.Thread(target=list, args=(response.response_gen,))
    reader.start()
    reader.join()
    assert len({record.trace_id for record in records()}) == 1
    assert chat().integration == "llama_index"


@pytest.mark.parametrize("mode", MODES)
def test_a_query_whose_stream_is_left_is_one_tree(mode: str, engine: Any) -> None:
    switch_on(mode)
    response = engine("http").query(QUESTION)
    next(response.response_gen)
    response.response_gen.close()
    assert chat().status == "abandoned"
    assert len({record.trace_id for record in records()}) == 1
    assert len(llama_index.integration.hooks.runs) == 0


def test_a_query_whose_stream_nobody_reads_asks_no_model(engine: Any) -> None:
    switch_on("both")
    response = engine("http").query(QUESTION)
    del response
    assert [record.operation for record in billed()] == ["embeddings"]
    assert llama_index.integration.hooks._unread._by_frame == {}, "nothing is kept of what is gone"


def test_what_the_program_calls_between_the_parts_of_an_answer_is_not_in_it(play: Play, engine: Any) -> None:
    switch_on("both")
    body: Any = load("openai-chat-plain").body
    with openai_client(play, False) as client, contextlib.closing(engine("http").query(QUESTION).response_gen) as parts:
        for number, _ in enumerate(parts):
            if number == 1:
                client.chat.completions.create(**body)
    direct, streamed = sorted(
        (record for record in billed() if record.operation == "chat"), key=lambda record: record.integration == "openai"
    )[::-1]
    assert (direct.integration, direct.parent_id) == ("openai", None)
    assert streamed.integration == "llama_index"
    assert streamed.trace_id != direct.trace_id


@pytest.fixture
def asked(play: Play) -> Iterator[Callable[[], None]]:
    body: Any = load("openai-chat-plain").body
    with openai_client(play, False) as client:
        yield lambda: client.chat.completions.create(**body)


@pytest.mark.parametrize("way", ["stream_chat", "astream_chat", "stream_complete"])
@pytest.mark.parametrize("where", [0, 1, 3])
async def test_a_direct_call_between_the_parts_of_a_stream_is_not_the_streams(
    where: int, way: str, play: Play, asked: Callable[[], None]
) -> None:
    """Of a model that no SDK is behind; both are paid for."""
    switch_on("both")
    llm, given = llama.http_llm(play), "Count." if way == "stream_complete" else llama.QUESTION
    stream = getattr(llm, way)(given)
    number = 0
    if way == "astream_chat":
        async for _ in await stream:
            if number == where:
                asked()
            number += 1
    else:
        for _ in stream:
            if number == where:
                asked()
            number += 1
    assert sorted(record.integration for record in billed()) == ["llama_index", "openai"]
    assert all(record.usage is not None and record.usage.total_tokens == 150 for record in billed())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["achat", "astream_chat"])
async def test_a_cancelled_call_is_one_bill_of_unknown_amount(way: str, mode: str, play: Play) -> None:
    working = asyncio.Event()

    class Slow(llama.Http):
        async def _never(self) -> None:
            working.set()
            await asyncio.sleep(60)

        @llama.llm_chat_callback()
        async def achat(self, messages: Any, **kwargs: Any) -> Any:
            await self._never()

        @llama.llm_chat_callback()
        async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
            async def items() -> Any:
                message = llama.ChatMessage(role="assistant", content="One")
                yield llama.ChatResponse(message=message, delta="One", raw={})
                await self._never()

            return items()

    async def ask() -> None:
        found = await getattr(Slow(), way)(llama.QUESTION)
        async for _ in found:
            pass

    switch_on(mode)
    task = asyncio.ensure_future(ask())
    await working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (record,) = billed()
    assert record.status == "cancelled"
    if way == "achat":
        assert (record.usage, record.flags) == (None, ("may_be_billed",))
    else:
        assert record.usage is not None
        assert record.usage.source == "estimated"
    assert len(llama_index.integration.hooks.runs) == 0


class Asks(llama.Http):
    """A model of the program's own, that asks by an SDK and passes on nothing but text."""

    client: Any = None

    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        def items() -> Iterator[Any]:
            body = [{"role": "user", "content": "Count."}]
            options = {"include_usage": True}
            text = ""
            for chunk in self.client.chat.completions.create(
                model="gpt-4o", messages=body, stream=True, stream_options=options
            ):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                yield llama.ChatResponse(message=llama.ChatMessage(role="assistant", content=text))

        return items()


@pytest.mark.parametrize("inside", [False, True])
def test_a_model_that_asks_by_an_sdk_and_shows_no_id_is_one_bill(inside: bool, play: Play) -> None:
    switch_on("both")
    with openai_client(play, False) as client, tollbook.span("page") if inside else contextlib.nullcontext():
        assert list(Asks(client=client).stream_chat(llama.QUESTION))
    (bill,) = billed()
    assert bill.integration == "openai"
    parents = {record.span_id: record.name for record in records()}
    assert parents[bill.parent_id or ""] == "Asks.stream_chat"


@pytest.mark.parametrize("mode", ["autolog", "both"])
@pytest.mark.parametrize("way", ["stream_chat", "astream_chat", "stream_complete", "astream_complete"])
@pytest.mark.parametrize("status", [401, 500])
async def test_a_stream_that_fails_before_its_first_item_is_one_bill(
    status: int, way: str, mode: str, wire: Any
) -> None:
    """The model is asked when the stream is read, where the context knows nothing of it, and there is no id."""
    switch_on(mode)
    failing = load(f"openai-chat-{status}").exchanges[0]
    streamed = failing._replace(body={**(failing.body or {}), "stream": True})
    with wire.play([streamed]) as play:
        model = llama.openai_llm(play, max_retries=0)
        with pytest.raises(Exception, match=str(status)):
            await llama.ways(model)[way]()
        (bill,) = billed()
        assert bill.integration == "openai"
        assert len(play.requests) == 1
    names = {record.span_id: record.name for record in records()}
    assert names[bill.parent_id or ""] == f"OpenAI.{way}"


async def test_a_cancelled_stream_that_has_no_item_yet_is_one_bill(wire: Any) -> None:
    from tests.wire.server import Delivery

    switch_on("autolog")
    with wire.play("openai-chat-stream", delivery=Delivery(hold=0)) as play:
        model = llama.openai_llm(play, max_retries=0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(llama.ways(model)["astream_chat"](), 0.3)
    (bill,) = billed()
    assert (bill.integration, bill.status) == ("openai", "cancelled")


async def test_a_models_stream_that_passes_on_anothers_and_fails_is_one_bill(play: Play) -> None:
    """LlamaIndex' own twin of a method passes on what the other one streams."""
    switch_on("both")
    model = llama.http_llm(play)
    parts = await model.astream_chat(llama.QUESTION)
    await anext(parts)
    await parts.aclose()
    (bill,) = billed()
    assert bill.name == "Http.stream_chat"
    model.base_url = "http://127.0.0.1:1"  # where nobody answers
    with pytest.raises(Exception, match="onnect"):
        [part async for part in await model.astream_chat(llama.QUESTION)]
    assert [record.name for record in billed()] == ["Http.stream_chat", "Http.stream_chat"]
