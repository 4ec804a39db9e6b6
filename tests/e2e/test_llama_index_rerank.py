"""LlamaIndex: rerankers. What a provider takes for one is told by nobody, and what is not known is not zero."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("llama_index.core")
pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.llms.anthropic")

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from tests import llama
from tests.e2e.test_llama_index import MODES, billed, play, records, switch_on
from tests.e2e.test_llama_index_trees import lines
from tests.wire.cassettes import Exchange
from tests.wire.server import Play, Wire

import tollbook

__all__ = ["play"]

pytestmark = [
    pytest.mark.boundary,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of LlamaIndex itself
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

NODES = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("one", "two", "three")]
RANKED = {"results": [{"index": 0, "relevance_score": 0.9}], "usage": {"total_tokens": 12}}


@pytest.fixture
def jina(wire: Wire) -> Any:
    """A reranker that is paid for, whose provider answers."""
    package = pytest.importorskip("llama_index.postprocessor.jinaai_rerank")
    answer = Exchange("POST", "/v1/rerank", None, 200, {"content-type": "application/json"}, RANKED, None)
    with wire.play([answer]) as served:
        yield package.JinaRerank(top_n=1, api_key="not-a-key", base_url=served.url("api.jina.ai", "/v1"))


@pytest.mark.parametrize("mode", MODES)
def test_a_paid_reranker_is_a_call_of_unknown_price(mode: str, play: Play, jina: Any) -> None:
    switch_on(mode)
    assert [node.score for node in jina.postprocess_nodes(NODES, query_str="which?")] == [0.9]
    (record,) = billed()
    assert (record.name, record.provider, record.operation) == ("JinaRerank.postprocess_nodes", "jinaai", "rerank")
    assert (record.request_model, record.usage, record.cost) == ("jina-reranker-v1-base-en", None, None)
    assert record.attributes == {"rerank.documents": 3, "rerank.top_n": 1}
    assert record.flags == ("no_usage_reported",)
    trace = tollbook.get_trace(record.trace_id)
    assert trace is not None
    assert (trace.info.llm_calls, trace.info.total_cost) == (1, None)


async def test_a_reranker_is_a_part_of_its_query(play: Play, jina: Any) -> None:
    index = VectorStoreIndex.from_documents([Document(text="x")], embed_model=llama.embeddings(play))
    steps = [SimilarityPostprocessor(similarity_cutoff=0.0), jina]
    engine = index.as_query_engine(llm=llama.openai_llm(play), node_postprocessors=steps)
    switch_on("both")
    await engine.aquery("What is the toll?")
    tree = lines(records())
    assert "  span SimilarityPostprocessor.postprocess_nodes" in tree
    assert "  llm JinaRerank.postprocess_nodes" in tree
    assert [record.operation for record in billed()] == ["embeddings", "rerank", "chat"]
    trace = tollbook.get_trace(records()[0].trace_id)
    assert trace is not None
    assert trace.info.llm_calls == 3


def test_where_nothing_is_ranked_nothing_is_paid(play: Play, jina: Any) -> None:
    switch_on("both")
    assert jina.postprocess_nodes([], query_str="which?") == []
    assert billed() == []
    assert [record.name for record in records()] == ["JinaRerank.postprocess_nodes"]


def test_a_reranker_that_fails_is_a_call_that_failed(play: Play, wire: Wire, jina: Any) -> None:
    refused = Exchange("POST", "/v1/rerank", None, 401, {"content-type": "application/json"}, {"detail": "no"}, None)
    with wire.play([refused]) as served:
        jina.api_url = served.url("api.jina.ai", "/v1/rerank")
        switch_on("both")
        with pytest.raises(RuntimeError):
            jina.postprocess_nodes(NODES, query_str="which?")
    (record,) = billed()
    assert (record.status, record.usage) == ("error", None)


@pytest.mark.parametrize("mode", MODES)
def test_a_reranker_that_asks_a_model_is_paid_for_by_that_call(mode: str, play: Play) -> None:
    """And one that computes is not paid for at all."""
    switch_on(mode)
    SimilarityPostprocessor(similarity_cutoff=0.1).postprocess_nodes(NODES, query_str="which?")
    ranker = LLMRerank(llm=llama.openai_llm(play), top_n=1)
    ranker.postprocess_nodes(NODES, query_str="which?")
    (record,) = billed()
    assert record.operation == "chat"
    assert {"SimilarityPostprocessor.postprocess_nodes", "LLMRerank.postprocess_nodes"} <= {r.name for r in records()}
