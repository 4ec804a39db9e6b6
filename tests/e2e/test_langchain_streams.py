"""LangChain's models while their streams wait for the reader, and where they are cancelled: who is billed for what.

The model is that of a provider that nobody patches, so that only LangChain knows what it used; what the program asks
beside it goes through an SDK that is patched, against the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langgraph")
pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_anthropic")

import openai
from langchain_core.language_models import LLM
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from tests.e2e.test_langchain import METERING, Books, autolog, begin, books, settled
from tests.langchains import ASK, STACKS, Unpatched, asked
from tests.wire.server import Wire

import tollbook
from tollbook.spans import innermost
from tollbook_integrations._langchain_handler import runs

__all__ = ["autolog", "books"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")


class Text(LLM):
    """A model that completes text, and tells LangChain of no token."""

    @property
    def _llm_type(self) -> str:
        return "text"

    def _call(self, prompt: str, *args: Any, **kwargs: Any) -> str:
        return "One two"

    def _stream(self, prompt: str, *args: Any, **kwargs: Any) -> Iterator[GenerationChunk]:
        for text in ("One ", "two "):
            yield GenerationChunk(text=text)


@pytest.fixture
def sdk(wire: Wire) -> Iterator[openai.OpenAI]:
    with wire.play("openai-chat-plain") as play, openai.OpenAI(base_url=play.url(path="/v1"), api_key="x") as client:
        yield client


def ask(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASK}])


async def read(stream: Any) -> AsyncIterator[Any]:
    """The parts of a stream, be it one or the other."""
    if hasattr(stream, "__aiter__"):
        async for part in stream:
            yield part
    else:
        for part in stream:
            yield part


def bills(books: Books) -> list[tuple[str, int | None]]:
    """Who books, and how much was sent, in order."""
    found = [(r.integration, r.usage and r.usage.input_tokens) for r in books.bills()]
    return sorted(found)


@pytest.mark.parametrize("metering", ["autolog", "both", "twice"])
@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("beside", [0, 1, 3])
async def test_a_direct_call_between_the_parts_of_a_stream_is_not_the_streams(
    beside, way, metering, sdk, books, tmp_path
):
    """Neither takes the bill of the other, at whichever part it is made."""
    config = begin(metering, tmp_path)
    tollbook.autolog(store=tmp_path / "books.db")
    number = 0
    async for _ in read(getattr(Unpatched(), way)(ASK, config)):
        if number == beside:
            ask(sdk)
        number += 1
    assert bills(books) == [("langchain", 70), ("openai", 120)]
    assert [books.parents(record) for record in books.bills()] == [[], []]


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_direct_call_in_a_thread_beside_a_stream_is_not_the_streams(way, sdk, autolog):
    """The thread has a copy of the context, in which the stream's run is the current one."""
    called = False
    async for _ in read(getattr(Unpatched(), way)(ASK)):
        if not called:
            await asyncio.to_thread(ask, sdk)
            await asyncio.create_task(asyncio.to_thread(ask, sdk))
        called = True
    assert bills(autolog) == [("langchain", 70), ("openai", 120), ("openai", 120)]


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_call_beside_the_stream_of_a_text_model_is_not_the_streams(way, sdk, autolog):
    """LangChain is told of no token there."""
    called = False
    async for _ in read(getattr(Text(), way)(ASK)):
        if not called:
            ask(sdk)
        called = True
    assert sorted(r.integration for r in autolog.bills()) == ["langchain", "openai"]


@pytest.mark.parametrize("stack", ["chain", "graph", "agent"])
@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_call_between_the_parts_of_a_chain_or_graph_is_not_the_models(way, stack, sdk, autolog):
    """Also where the parts are those of a model inside, which is at work in another task or thread, or waits."""
    options = {} if stack == "chain" else {"stream_mode": "messages"}
    called = 0
    async for _ in read(getattr(STACKS[stack](Unpatched()), way)(asked(stack), **options)):
        if called < 2:
            ask(sdk)
            called += 1
    assert bills(autolog) == [("langchain", 70)] + [("openai", 120)] * called
    assert called


async def test_what_the_program_opens_between_the_parts_of_a_stream_is_not_in_it(sdk, autolog):
    with tollbook.span("page") as page:
        for number, _ in enumerate(Unpatched().stream(ASK)):
            if number == 0:
                Unpatched().invoke(ASK)
                with tollbook.span("aside"):
                    ask(sdk)
            assert innermost() is page
    found = [autolog.parents(record) for record in autolog.bills()]
    assert found == [["page"], ["page"], ["aside", "page"]]


@pytest.mark.parametrize("way", ["stream", "astream", "invoke"])
async def test_a_model_that_says_something_before_it_asks_is_one_bill(way, sdk, autolog):
    """A part has come, and the call that is made after it is the stream's all the same: it is at work there."""

    class Talks(Unpatched):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            yield ChatGenerationChunk(message=AIMessageChunk("Let me see. "))
            ask(sdk)
            yield from super()._stream(*args, **kwargs)

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            for chunk in self._stream(*args, **kwargs):
                yield chunk

    if way == "invoke":
        Talks(disable_streaming=False).invoke(ASK, stream=True)
    else:
        async for _ in read(getattr(Talks(), way)(ASK)):
            pass
    assert autolog.one().integration == "openai"
    assert autolog.parents(autolog.one()) == ["Talks"]


async def test_a_model_that_asks_in_threads_and_tasks_of_its_own_is_one_bill(sdk, autolog):
    class Apart(Unpatched):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.create_task(asyncio.to_thread(ask, sdk))
            return self._generate(*args, **kwargs)

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            await asyncio.wait_for(asyncio.to_thread(ask, sdk), 10)
            for chunk in self._stream(*args, **kwargs):
                yield chunk

    await Apart().ainvoke(ASK)
    async for _ in Apart().astream(ASK):
        pass
    assert [autolog.parents(record) for record in autolog.bills()] == [["Apart"], ["Apart"]]
    assert {record.integration for record in autolog.bills()} == {"openai"}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_call_beside_events_of_the_third_protocol_is_not_the_streams(asynchronous, sdk, autolog):
    model = Unpatched()
    if not hasattr(model, "stream_events"):
        pytest.skip("LangChain 1.x")
    stream: Any = model.stream_events(ASK, version="v3")
    if asynchronous:
        stream = await model.astream_events(ASK, version="v3")
    called = False
    async for _ in read(stream):
        if not called:
            ask(sdk)
        called = True
    await settled(lambda: len(autolog.bills()) == 2)
    assert bills(autolog) == [("langchain", 70), ("openai", 120)]


# -- cancelled ----------------------------------------------------------------------------------------------------


working: list[Any] = []


class Slow(Unpatched):
    """It does not come to an end; a stream of it says some words before."""

    words: int = 1

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        working.append(self)
        await asyncio.sleep(60)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for _ in range(self.words):
            yield ChatGenerationChunk(message=AIMessageChunk("One "))
        working.append(self)
        await asyncio.sleep(60)


async def cancelled(what: Any, calls: int = 1) -> BaseException:
    """Cancel it when so many calls are at work; the exception, with all that it holds on to."""
    working.clear()
    task = asyncio.ensure_future(what)
    await settled(lambda: len(working) == calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize("metering", METERING)
@pytest.mark.parametrize("stack", STACKS)
async def test_a_cancelled_call_is_one_bill_of_unknown_amount(stack, metering, books, tmp_path):
    """It may have been paid for: unknown is not zero. The exception is still held, and all frames with it."""
    config = begin(metering, tmp_path)
    held = await cancelled(STACKS[stack](Slow()).ainvoke(asked(stack), config))
    record = books.one()
    assert (record.status, record.usage, record.flags) == ("cancelled", None, ("may_be_billed",))
    assert {r.status for r in books.all()} == {"cancelled"}
    assert len(runs) == 0
    assert held is not None


@pytest.mark.parametrize("metering", METERING)
@pytest.mark.parametrize("words", [0, 3])
async def test_a_cancelled_stream_is_booked_by_what_was_seen(words, metering, books, tmp_path):
    config = begin(metering, tmp_path)
    await cancelled(drain(Slow(words=words).astream(ASK, config)))
    record = books.one()
    assert record.status == "cancelled"
    if words:
        assert record.usage is not None
        assert (record.usage.source, record.flags) == ("estimated", ("no_usage_reported",))
    else:
        assert (record.usage, record.flags) == (None, ("may_be_billed",))


@pytest.mark.parametrize("metering", METERING)
async def test_each_call_of_a_cancelled_batch_is_a_bill(metering, books, tmp_path):
    config = begin(metering, tmp_path)
    await cancelled(Slow().abatch([ASK, ASK], config), calls=2)
    assert [record.status for record in books.bills()] == ["cancelled"] * 2
    prompts = [[HumanMessage("a")], [HumanMessage("b")]]
    await cancelled(Slow().agenerate(prompts, callbacks=config["callbacks"]), calls=2)
    assert [record.status for record in books.bills()] == ["cancelled"] * 4


async def test_a_call_that_ran_out_of_time_does_not_take_the_next_one_for_its_own(sdk, autolog):
    """In the same task, which goes on; the error is still held."""
    try:
        async with asyncio.timeout(0.02):
            await Slow().ainvoke(ASK)
    except TimeoutError as error:
        held = error.__cause__
        ask(sdk)
        assert [r.integration for r in autolog.bills()] == ["langchain", "openai"]
        await Unpatched().ainvoke(ASK)
    assert isinstance(held, asyncio.CancelledError)
    assert [autolog.parents(record) for record in autolog.bills()] == [[], [], []]
    assert [record.status for record in autolog.bills()] == ["cancelled", "ok", "ok"]
    assert autolog.bills()[0].flags == ("may_be_billed",)


async def test_a_call_that_goes_on_when_its_starter_has_ended_is_not_cancelled(autolog):
    """The task that begins to read events ends before the one of LangChain's that makes them."""
    model = Unpatched()
    if not hasattr(model, "stream_events"):
        pytest.skip("LangChain 1.x")

    async def start() -> Any:
        stream: Any = await model.astream_events(ASK, version="v3")
        await anext(aiter(stream))
        return stream

    assert await asyncio.create_task(start())
    await settled(lambda: len(autolog.bills()) == 1)
    assert bills(autolog) == [("langchain", 70)]


async def test_a_call_that_lasts_long_in_another_context_stays_open_until_it_ends(autolog):
    """Whoever reads the ledger meanwhile does not end it."""
    done = asyncio.Event()

    class Waits(Unpatched):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await done.wait()
            return self._generate(*args, **kwargs)

    task = asyncio.ensure_future(Waits().ainvoke(ASK))
    await settled(lambda: len(runs) == 1)
    assert autolog.all() == []
    contextvars.copy_context().run(autolog.all)
    await asyncio.to_thread(autolog.all)
    done.set()
    await task
    assert bills(autolog) == [("langchain", 70)]


async def test_a_stream_that_is_dropped_is_one_bill(autolog):
    stream = Unpatched().stream(ASK)
    next(stream)
    del stream
    with contextlib.suppress(StopAsyncIteration):
        parts = Unpatched().astream(ASK)
        await anext(parts)
        await parts.aclose()
    await settled(lambda: len(autolog.bills()) == 2)
    assert [record.status for record in autolog.bills()] == ["abandoned", "abandoned"]


@pytest.mark.parametrize("way", ["break", "aclose", "time-out"])
async def test_a_stream_that_passes_on_another_and_is_read_no_further_is_one_bill(way, autolog):
    """What is outside is closed first, when what is inside has not billed yet."""

    class Passes(Unpatched):
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async for chunk in (Slow() if way == "time-out" else Unpatched()).astream(ASK):
                yield ChatGenerationChunk(message=AIMessageChunk(chunk.content))

    parts = Passes().astream(ASK)
    if way == "break":
        async for _ in parts:
            break
        del parts
    elif way == "aclose":
        await anext(parts)
        await parts.aclose()
    else:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(drain(parts), 0.2)
    await settled(lambda: len(autolog.bills()) == 1 and len(runs) == 0)
    assert autolog.parents(autolog.one()) == ["Passes"]


@pytest.mark.parametrize("metadata", [{"": "x"}, {" ": "x"}, {7: "x"}, {f"key {n}": n for n in range(40)}])
def test_a_call_is_booked_also_where_its_metadata_can_not_be(metadata, autolog):
    Unpatched().invoke(ASK, {"metadata": {**metadata, "feature": "search"}})
    assert (autolog.one().attribution or {})["feature"] == "search"
