"""LlamaIndex: one call is one bill, whichever layers are on, and the program gets what it would have got."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("llama_index.core")
pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.llms.anthropic")

from tests import llama
from tests.wire.cassettes import load
from tests.wire.server import Play, Wire

import tollbook
from tollbook import _guard, _runtime
from tollbook.spans import Record, _joins, current
from tollbook_integrations import llama_index

pytestmark = [
    pytest.mark.boundary,  # LlamaIndex swallows what handlers raise, so it is looked at what we report
    # LlamaIndex never closes a client.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

ANSWERS = (
    "openai-chat-plain",
    "openai-chat-stream",
    "openai-embeddings",
    "anthropic-messages-plain",
    "anthropic-messages-stream",
    "openai-responses-plain",
    "openai-responses-stream",
)
MODELS: dict[str, Callable[[Play], Any]] = {
    "openai": llama.openai_llm,
    "responses": llama.responses_llm,
    "anthropic": llama.anthropic_llm,
    "http": llama.http_llm,
}
MODES = ("autolog", "instrument", "both", "twice")


def switch_on(mode: str) -> None:
    for _ in range(2 if mode == "twice" else 1):
        if mode != "instrument":
            tollbook.autolog()
        if mode != "autolog":
            llama_index.instrument()


@pytest.fixture
def play(wire: Wire) -> Iterator[Play]:
    """All providers at one address, and no failure of ours."""
    _joins.forget()
    failures = dict(_guard.failures)
    with wire.play([exchange for name in ANSWERS for exchange in load(name).exchanges]) as opened:
        yield opened
        assert opened.strays == []
    gc.collect()
    tollbook.autolog(disable=True)
    _runtime.stop()
    assert current.get() is None
    assert _guard.failures == failures


def records() -> list[Record]:
    gc.collect()
    return sorted(_runtime.store().spans(limit=None), key=lambda record: record.start)


def billed() -> list[Record]:
    return [record for record in records() if record.bills]


def expected(model: str, way: str, mode: str) -> tuple[str, str, int | None, int | None]:
    """Who books, what it says of its numbers, and the numbers; None: estimated ones."""
    stream = "stream" in way
    if model != "http" and mode != "instrument":
        sdk = "anthropic" if model == "anthropic" else "openai"
        return sdk, "reported", *((1320, 50) if model == "anthropic" else (120, 30))
    if model == "openai" and stream:
        return "llama_index", "estimated", None, None
    if model == "anthropic":
        return "llama_index", "reported", 1320, 50
    return "llama_index", "reported", 120, 30


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("how", "way"),
    [("direct", way) for way in llama.WAYS]
    + [("workflow", way) for way in ("chat", "achat", "stream_chat", "astream_chat", "acomplete")],
)
@pytest.mark.parametrize("model", MODELS)
async def test_one_call_is_one_bill(model: str, way: str, how: str, mode: str, play: Play) -> None:
    async def ask() -> str:
        llm = MODELS[model](play)
        return await (llama.Asks().run(model=llm, way=way) if how == "workflow" else llama.ways(llm)[way]())

    bare = await ask()
    switch_on(mode)
    assert await ask() == bare
    (record,) = billed()
    who, source, sent, made = expected(model, way, mode)
    assert (record.integration, record.stream, record.status) == (who, "stream" in way, "ok")
    assert record.usage is not None
    assert record.usage.source == source
    if sent is not None:
        assert (record.usage.input_tokens, record.usage.output_tokens) == (sent, made)
    assert record.provider == {"anthropic": "anthropic", "http": "groq"}.get(model, "openai")
    if model != "http":
        assert record.cost is not None
        assert record.cost.total is not None
    assert len({each.trace_id for each in records()}) == 1, "one thing that the program did is one trace"


@pytest.mark.parametrize("mode", MODES)
async def test_ten_calls_at_once_are_ten_bills_each_at_its_own_place(mode: str, play: Play) -> None:
    """They have the same response id, too: two calls of an SDK with one id are two calls."""
    import asyncio

    switch_on(mode)
    llm = llama.openai_llm(play, additional_kwargs={"stream_options": {"include_usage": True}})

    async def ask() -> str:
        return "".join([item.delta or "" async for item in await llm.astream_chat(llama.QUESTION)])

    assert len({*await asyncio.gather(*(ask() for _ in range(10)))}) == 1
    found = billed()
    assert [(r.usage.source, r.usage.total_tokens) for r in found if r.usage] == [("reported", 150)] * 10
    models = [r for r in records() if r.name == "OpenAI.astream_chat"]
    assert len({r.trace_id for r in models}) == len({r.trace_id for r in found}) == 10
    if mode != "instrument":
        assert {r.parent_id for r in found} == {r.span_id for r in models}


def test_a_direct_call_beside_an_open_stream_is_not_taken_for_its_own(play: Play) -> None:
    import openai
    from tests.wire.clients import openai_client

    switch_on("both")
    stream = llama.openai_llm(play).stream_chat(llama.QUESTION)
    body: Any = load("openai-chat-plain").body
    with openai_client(play, False) as client:
        assert isinstance(client, openai.OpenAI)
        client.chat.completions.create(**body)
    list(stream)
    direct, streamed = billed()
    assert direct.parent_id is None
    (model,) = [r for r in records() if r.name == "OpenAI.stream_chat"]
    assert streamed.parent_id == model.span_id
    assert streamed.trace_id == model.trace_id != direct.trace_id


def test_a_stream_that_is_consumed_in_another_thread_is_one_bill_at_its_place(play: Play) -> None:
    import threading

    switch_on("autolog")
    with tollbook.span("page") as page:
        stream = llama.openai_llm(play).stream_chat(llama.QUESTION)
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()
    reader.join()
    (call,) = billed()
    assert call.usage is not None
    assert call.usage.total_tokens == 150
    assert call.trace_id == page.trace_id


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", ["openai", "anthropic", "http"])
def test_a_stream_that_is_left_is_one_bill(model: str, mode: str, play: Play) -> None:
    switch_on(mode)
    stream = MODELS[model](play).stream_chat(llama.QUESTION)
    next(stream)
    next(stream)
    stream.close()
    del stream
    (record,) = billed()
    assert record.status == "abandoned"
    assert record.usage is not None
    assert all(each.status == "abandoned" for each in records())
    assert len(llama_index.integration.hooks.runs) == 0


def test_a_stream_that_is_dropped_is_one_bill(play: Play) -> None:
    switch_on("instrument")
    stream = llama.http_llm(play).stream_chat(llama.QUESTION)
    next(stream)
    del stream
    assert [record.status for record in billed()] == ["abandoned"]


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_nobody_reads_is_no_call(mode: str, play: Play) -> None:
    switch_on(mode)
    stream = llama.http_llm(play).stream_chat(llama.QUESTION)
    del stream
    assert billed() == []
    assert [record.name for record in records()] == ["Http.stream_chat"]
    assert play.requests == []


def test_an_answer_without_usage_is_estimated_from_its_text(play: Play) -> None:
    switch_on("instrument")
    llama.http_llm(play, usage=False).chat(llama.QUESTION)
    (record,) = billed()
    assert record.usage is not None
    assert record.usage.source == "estimated"
    assert record.usage.input_tokens > 0
    assert "no_usage_reported" in record.flags


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", ["openai", "anthropic", "http"])
def test_a_call_that_fails_is_one_record_and_the_program_gets_its_exception(
    model: str, mode: str, wire: Wire, play: Play
) -> None:
    name = "anthropic-messages-400" if model == "anthropic" else "openai-chat-400"
    with wire.play(name) as failing:

        def ask() -> BaseException:
            with pytest.raises(Exception) as caught:
                MODELS[model](failing).chat(llama.QUESTION)
            return caught.value

        bare = ask()
        switch_on(mode)
        metered = ask()
    assert (type(metered), str(metered)) == (type(bare), str(bare))
    (record,) = billed()
    assert record.status == "error"
    assert record.usage is None
    assert str(bare) not in str(records())


def test_switching_on_twice_is_once_and_off_is_off(play: Play) -> None:
    from llama_index.core.instrumentation import get_dispatcher

    root = get_dispatcher()
    before = (list(root.span_handlers), list(root.event_handlers))
    for mode in ("both", "both", "instrument"):
        switch_on(mode)
    assert len(root.span_handlers) == len(before[0]) + 1
    assert len(root.event_handlers) == len(before[1]) + 1
    assert llama_index.integration.state() == {"llama_index_instrumentation.root_dispatcher": "on"}
    llama.http_llm(play).chat(llama.QUESTION)
    llama_index.uninstrument()
    assert (root.span_handlers, root.event_handlers) == before
    llama.http_llm(play).chat(llama.QUESTION)
    assert len(billed()) == 1


def test_what_was_open_when_it_was_switched_off_is_ended(play: Play) -> None:
    switch_on("instrument")
    stream = llama.http_llm(play).stream_chat(llama.QUESTION)
    next(stream)
    llama_index.uninstrument()
    assert len(list(stream)) > 1, "the program reads on"
    assert [record.status for record in billed()] == ["abandoned"]


def test_importing_the_integration_imports_no_llama_index(program: Callable[..., Any]) -> None:
    ran = program(
        """
import tollbook
tollbook.autolog()
from tollbook_integrations import llama_index
llama_index.instrument()
show([name for name in sys.modules if name.startswith(("llama_index", "pydantic"))])
show(states()["llama_index"])
import warnings
warnings.simplefilter("ignore")
import llama_index.core.instrumentation
show(states()["llama_index"])
"""
    )
    place = "llama_index_instrumentation.root_dispatcher"
    assert ran.shown == [[], {place: "waiting for import"}, {place: "on"}]
