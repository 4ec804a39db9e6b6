"""LangChain and LangGraph, metered: each model call is booked once, by the layer closest to the provider.

The real packages and the real SDKs, against the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langgraph")
pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_anthropic")

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from tests import langchains
from tests.langchains import ASK, PROVIDERS, STACKS, Unpatched, chain, chat_openai, graph
from tests.wire.cassettes import load

import tollbook
from tollbook import _runtime
from tollbook.spans import Record, current
from tollbook_integrations.langchain import CallbackHandler, integration

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore:Unexpected type for token usage"
)


class Books:
    """What the ledger of this test has."""

    def all(self) -> list[Record]:
        """All records, in order of their start."""
        gc.collect()
        return sorted(_runtime.store().spans(limit=None), key=lambda r: r.start)

    def bills(self) -> list[Record]:
        return [record for record in self.all() if record.bills]

    def one(self) -> Record:
        (record,) = self.bills()
        return record

    def named(self, name: str) -> Record:
        (record,) = [record for record in self.all() if record.name == name]
        return record

    def parents(self, record: Record) -> list[str]:
        """The names of what a record is in, innermost first."""
        by_id = {(r.trace_id, r.span_id): r for r in self.all()}
        names = []
        above = by_id.get((record.trace_id, record.parent_id or ""))
        while above is not None:
            names.append(above.name)
            above = by_id.get((above.trace_id, above.parent_id or ""))
        return names


@pytest.fixture
def books(tmp_path) -> Iterator[Books]:
    from tollbook_integrations._langchain_handler import runs

    _runtime.configure(tmp_path / "books.db")
    yield Books()
    assert len(runs) == 0, "a run was left open"
    tollbook.autolog(disable=True)
    _runtime.stop()


@pytest.fixture
def autolog(books, tmp_path) -> Books:
    tollbook.autolog(store=tmp_path / "books.db")
    return books


async def settled(done: Callable[[], bool]) -> None:
    """Let tasks of LangChain's and of the loop's own end what is still open."""
    for _ in range(200):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come to an end")


METERING = ("autolog", "handler", "both", "twice")


def begin(metering: str, tmp_path: Any) -> dict[str, Any]:
    """Switch metering on in one way, and give the config that it needs."""
    if metering in {"autolog", "both"}:
        tollbook.autolog(store=tmp_path / "books.db")
    handlers = {"autolog": 0, "handler": 1, "both": 1, "twice": 2}[metering]
    return {"callbacks": [CallbackHandler() for _ in range(handlers)]}


@pytest.mark.parametrize("metering", METERING)
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
async def test_one_call_is_one_bill(provider, stack, metering, wire, books, tmp_path):
    """However it is used, and however many handlers there are."""
    config = begin(metering, tmp_path)
    with provider.open(wire) as model:
        calls = await langchains.everything(STACKS[stack](model), langchains.asked(stack), config)
    bills = books.bills()
    assert len(bills) == calls
    for record in bills:
        assert record.usage is not None
        assert (record.usage.input_tokens, record.usage.output_tokens) == (
            provider.input_tokens,
            provider.output_tokens,
        )
        assert record.status == "ok"
        assert record.cost is not None
    patched = metering in {"autolog", "both"}
    assert {record.integration for record in bills} == {provider.integration if patched else "langchain"}
    known = {(record.trace_id, record.span_id) for record in books.all()}
    assert all(record.parent_id is None or (record.trace_id, record.parent_id) in known for record in books.all())
    if patched or stack != "direct":
        assert len({record.trace_id for record in bills}) == calls, "each use is a trace of its own"


@pytest.mark.parametrize("provider", PROVIDERS[:2], ids=lambda p: p.name)
def test_the_handler_alone_comes_to_the_cost_that_the_sdk_says(provider, wire, books, tmp_path):
    with provider.open(wire) as model:
        model.invoke(ASK, {"callbacks": [CallbackHandler()]})
        tollbook.autolog(store=tmp_path / "books.db")
        model.invoke(ASK)
    alone, metered = books.bills()
    assert (alone.integration, metered.integration) == ("langchain", provider.integration)
    assert alone.usage is not None
    assert metered.usage is not None
    assert alone.usage.quantities == metered.usage.quantities
    assert alone.cost is not None
    assert metered.cost is not None
    assert alone.cost.total == metered.cost.total
    assert alone.response_id == metered.response_id
    assert alone.response_model == metered.response_model


def test_spans_have_the_names_of_the_program(wire, autolog):
    with chat_openai(wire) as model:
        graph(model).invoke({"text": ASK})
    bill = autolog.one()
    assert autolog.parents(bill) == ["ChatOpenAI", "answer", "reply", "counter", "RunnableSequence"]
    assert [autolog.named(name).kind for name in ("ChatOpenAI", "reply", "counter")] == ["llm", "chain", "agent"]
    assert not any(record.bills for record in autolog.all() if record is not bill and record.span_id != bill.span_id)


def test_what_metadata_and_tags_say_is_what_calls_are_booked_to(wire, autolog):
    config = {
        "configurable": {"thread_id": "t-1"},
        "metadata": {
            "user_id": "ada",
            "tenant": "acme",
            "question": "private",
            "note": "a sentence of too many words here",
        },
        "tags": ["prod", "beta"],
    }
    with chat_openai(wire) as model:
        graph(model).invoke({"text": ASK}, config)
    booked = autolog.one().attribution or {}
    assert booked.pop("user").startswith("u_")
    assert booked == {"session": "t-1", "tenant": "acme", "tags": "beta,prod", "agent": "counter", "node": "reply"}


def test_what_the_program_says_holds_over_metadata(wire, autolog):
    with chat_openai(wire) as model, tollbook.attribute(session="mine"):
        model.invoke(ASK, {"metadata": {"thread_id": "t-1", "feature": "theirs"}})
    assert autolog.one().attribution == {"session": "mine", "feature": "theirs"}


def test_subgraphs_are_in_their_graphs(autolog):
    def inner(state: Any) -> Any:
        return {"messages": [Unpatched().invoke(state["messages"])]}

    sub = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner").compile(name="below")
    top = StateGraph(MessagesState).add_node("outer", sub).add_edge(START, "outer").compile(name="above")
    top.invoke({"messages": [HumanMessage(ASK)]})
    assert autolog.parents(autolog.one()) == ["inner", "below", "outer", "above"]
    assert autolog.one().attribution == {"agent": "below", "node": "inner"}


async def test_parallel_branches_are_in_their_nodes(autolog):
    """Of a graph, in threads and in tasks, and of a map of runnables."""

    def node(state: Any) -> Any:
        return {"messages": [Unpatched().invoke(ASK)]}

    async def anode(state: Any) -> Any:
        return {"messages": [await Unpatched().ainvoke(ASK)]}

    for work, run in ((node, "invoke"), (anode, "ainvoke")):
        built = StateGraph(MessagesState)
        for name in ("left", "right"):
            built.add_node(name, work).add_edge(START, name)
        result = getattr(built.compile(name=run), run)({"messages": []})
        if run == "ainvoke":
            await result
        root = autolog.named(run)
        trace = tollbook.get_trace(root.trace_id)
        assert trace is not None
        (top,) = [span for span in trace.data.spans if span.span_id == root.span_id]
        assert top.get_attribute("agent.llm_calls") == 2, "what threads and tasks call is the agent's, too"
        assert top.get_attribute("agent.total_tokens") == 2 * 77
    found = [autolog.parents(record) for record in autolog.bills()]
    assert sorted(found) == [["left", "ainvoke"], ["left", "invoke"], ["right", "ainvoke"], ["right", "invoke"]]


def test_an_answer_from_the_cache_costs_nothing_and_is_shown(wire, autolog):
    from langchain_core.caches import InMemoryCache

    with chat_openai(wire, cache=InMemoryCache()) as model:
        model.invoke(ASK)
        model.invoke(ASK)
    first, second = [record for record in autolog.all() if record.name == "ChatOpenAI"]
    assert autolog.one().parent_id == first.span_id
    assert second.flags == ("cache_hit",)
    assert not second.bills


@pytest.mark.parametrize("metering", METERING)
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
async def test_an_answer_from_the_cache_is_no_bill_whatever_else_it_says(provider, metering, wire, books, tmp_path):
    """A cached answer of Anthropic's says its whole usage once more, in the provider's own words."""
    from langchain_core.caches import InMemoryCache

    config = begin(metering, tmp_path)
    with provider.open(wire) as model:
        model.cache = InMemoryCache()
        model.invoke(ASK, config)
        model.invoke(ASK, config)
        await model.ainvoke(ASK, config)
    assert books.one().flags == ()
    assert [record.flags for record in books.all() if record.kind == "llm"].count(("cache_hit",)) == 2


def test_an_answer_from_a_cache_that_keeps_the_text_only_is_no_bill(autolog):
    from langchain_core.caches import InMemoryCache
    from langchain_core.outputs import Generation

    class Texts(InMemoryCache):
        def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
            super().update(prompt, llm_string, [Generation(text=each.text) for each in return_val])

    model = Unpatched(cache=Texts())
    assert model.invoke(ASK).content == model.invoke(ASK).content
    assert [record.flags for record in autolog.all()] == [(), ("cache_hit",)]
    assert len(autolog.bills()) == 1


def test_retries_and_fallbacks_are_calls_of_their_own(autolog):
    Unpatched(fails=1).with_retry(wait_exponential_jitter=False, stop_after_attempt=2).invoke(ASK)
    Unpatched(fails=1).with_fallbacks([Unpatched()]).invoke(ASK)
    assert [record.status for record in autolog.bills()] == ["error", "ok", "error", "ok"]
    assert autolog.bills()[0].error == "ConnectionError"


def test_an_error_of_the_provider_is_one_bill_of_unknown_amount(wire, autolog):
    with chat_openai(wire, load("openai-chat-500").exchanges) as model, pytest.raises(Exception, match=r"."):
        chain(model).invoke({"text": ASK})
    record = autolog.one()
    assert (record.integration, record.status, record.usage) == ("openai", "error", None)
    assert autolog.named("ChatOpenAI").status == "error"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
async def test_streams_that_are_read_no_further_are_booked_by_what_was_seen(provider, wire, autolog):
    with provider.open(wire) as model:
        for _ in model.stream(ASK):
            break
        stream = model.stream(ASK)
        next(stream)
        stream.close()
        async with contextlib.aclosing(model.astream(ASK)) as parts:
            async for _ in parts:
                break
        await settled(lambda: len(autolog.bills()) == 3)
    assert {record.status for record in autolog.bills()} == {"abandoned"}
    assert all(record.usage is not None for record in autolog.bills())
    if provider.name == "unpatched":
        assert {record.usage.source for record in autolog.bills() if record.usage} == {"estimated"}


async def test_a_cancelled_call_leaves_nothing_open(autolog):
    started = asyncio.Event()

    class Slow(Unpatched):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            started.set()
            await asyncio.sleep(60)

    async def impatient(runnable: Any, ask: Any) -> None:
        started.clear()
        asking = asyncio.ensure_future(runnable.ainvoke(ask))
        await started.wait()
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()

    await impatient(Slow(), ASK)
    await impatient(chain(Slow()), {"text": ASK})
    await Unpatched().ainvoke(ASK)
    assert [record.status for record in autolog.bills()] == ["cancelled", "cancelled", "ok"]
    assert autolog.parents(autolog.bills()[-1]) == []


def test_an_answer_without_usage_is_estimated(autolog):
    Unpatched(usage=None).invoke(ASK)
    record = autolog.one()
    assert record.usage is not None
    assert record.usage.source == "estimated"
    assert record.flags == ("no_usage_reported",)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
@pytest.mark.parametrize("metering", METERING)
async def test_several_prompts_at_once_are_as_many_calls(provider, metering, wire, books, tmp_path):
    """`generate` opens the runs of all prompts before it makes the first call."""
    config = begin(metering, tmp_path)
    with provider.open(wire) as model:
        model.generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=config["callbacks"])
        await model.agenerate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=config["callbacks"])
    assert len(books.bills()) == 4


async def test_calls_made_beside_a_run_are_not_in_it(wire, autolog):
    """After an asynchronous run, whose context still has it, and between the chunks of a stream."""
    import openai

    with chat_openai(wire) as model:
        client = openai.OpenAI(base_url=model.openai_api_base, api_key="not-a-key")

        def ask() -> None:
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASK}])

        await model.ainvoke(ASK)
        ask()
        for number, _ in enumerate(model.stream(ASK)):
            if number == 1:
                ask()
        client.close()
    assert sorted(bool(autolog.parents(record)) for record in autolog.bills()) == [False, False, True, True]


def test_a_model_that_wraps_another_is_no_second_bill(autolog):
    class Wrapper(Unpatched):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            return Unpatched()._generate(*args) if not Unpatched().invoke(ASK) else super()._generate(*args, **kwargs)

    Wrapper().invoke(ASK)
    assert autolog.parents(autolog.one()) == ["Wrapper"]


async def test_a_call_whose_context_is_lost_is_joined_by_its_id(wire, autolog):
    """A model that calls its SDK in a thread of its own, and says the id of the answer."""
    import openai

    with wire.play("openai-chat-plain") as play, openai.OpenAI(base_url=play.url(path="/v1"), api_key="x") as client:

        class Elsewhere(Unpatched):
            def _generate(self, *args: Any, **kwargs: Any) -> Any:
                def call() -> Any:
                    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASK}])

                self.response_id = contextvars.Context().run(call).id
                return super()._generate(*args, **kwargs)

        Elsewhere().invoke(ASK)
        assert autolog.one().integration == "openai"
        Unpatched(response_id="chatcmpl-plain").invoke(ASK)
    assert len(autolog.bills()) == 2, "the id is used up"


def test_calls_of_an_sdk_in_tools_and_lambdas_are_in_these(wire, autolog):
    import openai
    from langchain_core.tools import tool

    with wire.play("openai-chat-plain") as play, openai.OpenAI(base_url=play.url(path="/v1"), api_key="x") as client:

        @tool
        def look_up(text: str) -> str:
            """Look it up."""
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
            return "found"

        RunnableLambda(lambda text: look_up.invoke(text), name="outer").invoke(ASK)
    assert autolog.parents(autolog.one()) == ["look_up", "outer"]
    assert autolog.named("look_up").kind == "tool"


@pytest.mark.parametrize("how", ["stream", "astream"])
async def test_streaming_modes_of_graphs(how, wire, autolog):
    """`messages` makes the call of a node a streamed one."""
    with chat_openai(wire) as model:
        compiled = graph(model).last
        given = {"messages": [HumanMessage(ASK)]}
        modes = ("values", "updates", "messages", ["messages", "updates"])
        for mode in modes:
            parts = getattr(compiled, how)(given, stream_mode=mode)
            assert await langchains.drain(parts) if how == "astream" else list(parts)
    assert len(autolog.bills()) == len(modes)
    if how == "astream":
        return
    assert [record.stream for record in autolog.bills()] == [False, False, True, True]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.name)
async def test_events_of_the_third_protocol(provider, wire, autolog):
    with provider.open(wire) as model:
        if not hasattr(model, "stream_events"):
            pytest.skip("LangChain 1.x")
        list(model.stream_events(ASK, version="v3"))
        stream = await model.astream_events(ASK, version="v3")
        async for _ in stream:
            pass
        await settled(lambda: len(autolog.bills()) == 2)
    assert [record.usage.input_tokens for record in autolog.bills() if record.usage] == [provider.input_tokens] * 2


async def test_events_of_the_second_protocol(wire, autolog):
    with chat_openai(wire) as model:
        assert await langchains.drain(graph(model).astream_events({"text": ASK}, version="v2"))
    assert autolog.one().integration == "openai"


@pytest.mark.parametrize(
    ("metering", "only"), [("autolog", None), ("both", None), ("twice", None), ("handler", ["openai"])]
)
async def test_a_text_model_is_booked(metering, only, wire, books, tmp_path):
    """Once per request, be it for one prompt or two; asynchronously, LangChain begins runs in tasks of their own."""
    from langchain_openai import OpenAI

    callbacks = begin(metering, tmp_path)["callbacks"] or None
    tollbook.autolog(store=tmp_path / "books.db", only=only)
    with wire.play(langchains.parting(load("openai-completions").exchanges)) as play:
        options = {"base_url": play.url("api.openai.com", "/v1"), "api_key": "x", "max_retries": 0, "cache": False}
        model = OpenAI(model="gpt-3.5-turbo-instruct", **options)
        model.invoke(ASK, {"callbacks": callbacks})
        await model.ainvoke(ASK, {"callbacks": callbacks})
        model.generate([ASK, ASK], callbacks=callbacks)
        await model.agenerate([ASK, ASK], callbacks=callbacks)
        requests = len(play.requests)
    assert requests == len(books.bills()) == 4
    assert {(record.operation, record.integration) for record in books.bills()} == {("text_completion", "openai")}
    assert [books.parents(record) for record in books.bills()] == [["OpenAI"]] * 4


def test_switched_off_nothing_is_recorded_and_on_again_it_is(autolog, tmp_path):
    tollbook.autolog(disable=True)
    chain(Unpatched()).invoke({"text": ASK})
    assert autolog.all() == []
    assert set(integration.state().values()) == {"off"}
    tollbook.autolog(store=tmp_path / "books.db")
    chain(Unpatched()).invoke({"text": ASK})
    assert autolog.one().integration == "langchain"


def test_chains_in_which_nothing_is_called_leave_no_trace(autolog):
    RunnableLambda(lambda value: value).invoke(1)
    assert autolog.all() == []


def test_content_is_in_no_record(wire, autolog):
    from langchain_core.tools import tool

    secret = "the password is swordfish and nobody may know it"

    @tool
    def look_up(text: str) -> str:
        """Look it up."""
        raise ValueError(text)

    def work(text: str) -> str:
        with contextlib.suppress(ValueError):
            look_up.invoke(text)
        return str(FakeListChatModel(responses=[text]).invoke(text).content)

    RunnableLambda(work, name=secret).invoke(
        secret, {"metadata": {"note": secret}, "tags": [secret], "run_name": secret}
    )
    assert len(autolog.all()) == 3
    assert "swordfish" not in repr([(r.name, r.attribution, r.attributes, r.error, r.usage) for r in autolog.all()])


async def test_no_run_stays_the_current_one(autolog):
    chain(Unpatched()).invoke({"text": ASK})
    found = current.get()
    assert found is None or found.closed
    await chain(Unpatched()).ainvoke({"text": ASK})
    found = current.get()
    assert found is None or found.closed
    with tollbook.span("after") as after:
        assert after.record.parent_id is None


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_an_agent_of_ten_steps_shows_what_it_cost(way, wire, autolog):
    """Nine calls of tools and an answer: every level agrees."""
    exchanges = [langchains.tool_call(number, done=number == 10) for number in range(1, 11)]
    with chat_openai(wire, exchanges) as model:
        agent = langchains.agent_of(model, name="adder")
        asking = getattr(agent, way)({"messages": [HumanMessage(ASK)]}, {"recursion_limit": 50})
        if way == "ainvoke":
            asking = await asking
    assert len(asking["messages"]) == 20
    assert len(autolog.bills()) == 10
    assert len({record.response_id for record in autolog.bills()}) == 10
    assert sum(record.kind == "tool" and record.name == "add" for record in autolog.all()) == 9
    root = autolog.named("adder")
    trace = tollbook.get_trace(root.trace_id)
    assert trace is not None
    total = sum((record.cost.total_usd for record in autolog.bills() if record.cost), Decimal(0))
    assert trace.info.total_cost == total
    spans = {span.span_id: span for span in trace.data.spans}
    top = spans[root.span_id]
    assert top.get_attribute("agent.llm_calls") == 10
    assert top.get_attribute("agent.total_tokens") == 10 * 150
    assert top.inside.total_cost == total
    nodes = [span for span in trace.data.spans if span.parent_id == root.span_id]
    assert sum((span.inside.total_cost or 0 for span in nodes), Decimal(0)) == total, "every level agrees"
    assert all(span.inside.total_cost is None for span in nodes if span.name.startswith("tools"))
    assert {record.trace_id for record in autolog.bills()} == {root.trace_id}


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_a_retrieval_pipeline_books_its_embeddings_and_its_answer(way, wire, autolog):
    """Documents and a question are embedded by one provider's SDK, and the answer is another call."""
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_openai import OpenAIEmbeddings

    class Nearest(BaseRetriever):
        embeddings: Any

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            assert self.embeddings.embed_query(query)
            return [Document("one")]

        async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            assert await self.embeddings.aembed_query(query)
            return [Document("one")]

    with wire.play(langchains.parting(load("openai-embeddings").exchanges)) as play, chat_openai(wire) as model:
        options = {"base_url": play.url("api.openai.com", "/v1"), "api_key": "x", "check_embedding_ctx_length": False}
        embeddings = OpenAIEmbeddings(model="text-embedding-3-small", **options)
        embeddings.embed_documents(["one"])
        pipeline = {"text": Nearest(embeddings=embeddings)} | chain(model)
        asking = getattr(pipeline, way)(ASK)
        if way == "ainvoke":
            await asking
    bills = autolog.bills()
    assert [record.operation for record in bills] == ["embeddings", "embeddings", "chat"]
    assert {record.integration for record in bills} == {"openai"}
    assert autolog.parents(bills[0]) == ["OpenAIEmbeddings"]
    assert autolog.parents(bills[1])[:2] == ["OpenAIEmbeddings", "Nearest"]
    assert autolog.named("Nearest").kind == "retriever"


def test_embeddings_of_an_unpatched_provider_are_estimated_and_fakes_are_free(autolog):
    from langchain_core.embeddings import Embeddings

    class Own(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[0.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    class FakeOwn(Own):
        def embed_query(self, text: str) -> list[float]:
            return [0.0]

    Own().embed_query("four and four are eight")
    FakeOwn().embed_query("nothing")
    record = autolog.one()
    assert (record.name, record.operation, record.cost and record.cost.total) == ("Own", "embeddings", None)
    assert record.usage is not None
    assert record.usage.source == "estimated"
