"""LlamaIndex: what agents, workflows, engines and retrievers look like, and that their levels agree."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("llama_index.core")
pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.llms.anthropic")

from tests import llama
from tests.e2e.test_llama_index import MODELS, MODES, billed, play, records, switch_on
from tests.wire.cassettes import load
from tests.wire.server import Play, Wire

import tollbook
from tollbook.spans import Record

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


def lines(found: list[Record]) -> list[str]:
    """The tree, one line per span: depth, kind and name."""
    inside: dict[str | None, list[Record]] = {}
    ids = {record.span_id for record in found}
    for record in found:
        inside.setdefault(record.parent_id if record.parent_id in ids else None, []).append(record)

    def below(parent: str | None, depth: int) -> list[str]:
        shown: list[str] = []
        for record in inside.get(parent, []):
            shown += [f"{'  ' * depth}{record.kind} {record.name}", *below(record.span_id, depth + 1)]
        return shown

    return below(None, 0)


def total(found: list[Record]) -> int:
    return sum(r.usage.total_tokens for r in found if r.bills and r.usage is not None)


def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@pytest.mark.parametrize("mode", ["autolog", "both"])
async def test_an_agent_of_ten_steps_with_tools_is_one_tree(mode: str, wire: Wire, play: Play) -> None:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.tools import FunctionTool

    steps = [*load("openai-chat-tools").exchanges * 9, *load("openai-chat-plain").exchanges]
    with wire.play(steps) as talk:
        agent = FunctionAgent(
            name="adder", tools=[FunctionTool.from_defaults(add)], llm=llama.openai_llm(talk), streaming=False
        )
        switch_on(mode)
        await agent.run("Add two and three.")
    found = records()
    assert len({record.trace_id for record in found}) == 1
    assert lines(found)[0] == "agent FunctionAgent.run"
    names = Counter(line.strip() for line in lines(found))
    assert names["llm Completions"] == names["llm OpenAI.achat"] == 10
    assert names["tool add"] >= 9
    trace = tollbook.get_trace(found[0].trace_id)
    assert trace is not None
    assert trace.info.llm_calls == 10
    assert trace.info.token_usage is not None
    assert trace.info.token_usage["total_tokens"] == total(found) == 9 * 110 + 150
    assert {(record.attribution or {}).get("agent") for record in billed()} == {"adder"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("model", ["openai", "anthropic"])
async def test_each_request_of_an_agent_is_one_bill_inside_of_it(
    model: str, streaming: bool, mode: str, play: Play
) -> None:
    """Alone, or one of several; whose answer is streamed to it, or not."""
    from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
    from llama_index.core.tools import FunctionTool

    def agent() -> FunctionAgent:
        tools, llm = [FunctionTool.from_defaults(add)], MODELS[model](play)
        return FunctionAgent(name="adder", description="Adds.", tools=tools, llm=llm, streaming=streaming)

    switch_on(mode)
    await agent().run("Hello.")
    await AgentWorkflow(agents=[agent()], root_agent="adder").run("Hello.")
    bills = billed()
    assert len(bills) == len(play.requests) == len({record.trace_id for record in bills}) == 2
    assert {(record.attribution or {}).get("agent") for record in bills} == {"adder"}
    for record in bills:
        trace = tollbook.get_trace(record.trace_id)
        assert trace is not None
        (root,) = [span for span in trace.data.spans if span.parent_id is None]
        assert root.get_attribute("agent.llm_calls") == trace.info.llm_calls == 1
        assert root.inside.total_cost == trace.info.total_cost


async def test_a_workflow_is_a_tree_of_its_steps(play: Play) -> None:
    switch_on("autolog")
    await llama.Asks().run(model=llama.openai_llm(play), way="astream_chat")
    assert lines(records()) == [
        "chain Asks.run",
        "  chain Asks.ask",
        "    llm OpenAI.astream_chat",
        "      llm Completions",
    ]


@pytest.mark.parametrize("mode", ["autolog", "instrument", "both"])
def test_a_retrieval_pipeline_is_one_tree_per_question(mode: str, play: Play) -> None:
    from llama_index.core import Document, VectorStoreIndex

    switch_on(mode)
    documents = [Document(text="The toll is two euros.")]
    index = VectorStoreIndex.from_documents(documents, embed_model=llama.embeddings(play))
    index.as_query_engine(llm=llama.openai_llm(play)).query("What is the toll?")
    found = records()
    sdk = mode != "instrument"
    assert lines([r for r in found if r.trace_id == found[-1].trace_id]) == [
        "chain RetrieverQueryEngine.query",
        "  retriever VectorIndexRetriever.retrieve",
        "    llm OpenAIEmbedding.get_query_embedding",
        *(["      llm Embeddings"] if sdk else []),
        "  chain CompactAndRefine.synthesize",
        "    llm OpenAI.chat",
        *(["      llm Completions"] if sdk else []),
    ]
    assert Counter(r.operation for r in billed()) == {"embeddings": 2, "chat": 1}
    if sdk:
        assert total(found) == 8 + 8 + 150
    assert "toll is" not in str(found)


def test_a_chat_engine_that_streams_from_a_thread_of_its_own_is_one_tree(play: Play) -> None:
    from llama_index.core import Document, VectorStoreIndex

    index = VectorStoreIndex.from_documents([Document(text="x")], embed_model=llama.embeddings(play))
    engine = index.as_chat_engine(llm=llama.openai_llm(play))
    switch_on("autolog")
    assert "".join(engine.stream_chat("What is the toll?").response_gen)
    assert len({record.trace_id for record in records()}) == 1
    assert Counter(r.operation for r in billed()) == {"embeddings": 1, "chat": 1}


def test_a_structured_answer_is_one_bill(wire: Wire, play: Play) -> None:
    from llama_index.core.prompts import PromptTemplate
    from pydantic import BaseModel

    class Weather(BaseModel):
        city: str

    with wire.play("openai-chat-tools") as talk:
        llm = llama.openai_llm(talk, model="gpt-4.1-mini")
        switch_on("both")
        try:
            llm.structured_predict(Weather, PromptTemplate("The weather?"))
        except ValueError:
            assert talk.requests  # the recorded answer is to another question
    (record,) = billed()
    assert record.usage is not None
    assert record.usage.total_tokens == 110


def test_tags_are_attribution_and_what_the_program_says_holds_over_them(play: Play) -> None:
    from llama_index.core.instrumentation.dispatcher import instrument_tags

    switch_on("both")
    llm = llama.openai_llm(play)
    with instrument_tags({"session_id": "s1", "feature": "theirs", "tier": "gold", "prompt": "x" * 500}):
        llm.chat(llama.QUESTION)
        with tollbook.attribute(feature="ours"):
            list(llm.stream_chat(llama.QUESTION))
    first, second = billed()
    assert first.attribution == {"session": "s1", "feature": "theirs", "tier": "gold"}
    assert second.attribution == {"session": "s1", "feature": "ours", "tier": "gold"}


def test_spans_of_the_program_and_of_llama_index_are_one_tree(play: Play) -> None:
    from llama_index.core.instrumentation import get_dispatcher

    @get_dispatcher("test").span
    def look_up() -> None:
        llama.openai_llm(play).chat(llama.QUESTION)

    switch_on("autolog")
    with tollbook.span("page"):
        look_up()
    assert [line.split(" ")[-1].rpartition(".")[2] for line in lines(records())] == [
        "page",
        "look_up",
        "chat",
        "Completions",
    ]
