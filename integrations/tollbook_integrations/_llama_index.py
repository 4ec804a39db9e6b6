"""LlamaIndex: facts about its classes, and where its answers say what a provider reported.

Only names of classes and fields; nothing here imports LlamaIndex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from tollbook_integrations._hosts import WORDS, provider_at

Json = dict[str, Any]


def _both(*names: str) -> frozenset[str]:
    """Methods, with their asynchronous twins."""
    return frozenset((*names, *(f"a{name}" for name in names)))


ANSWERS = _both("chat", "complete", "stream_chat", "stream_complete")
"""Methods of a model that are one call of it each."""

_ROLES: tuple[tuple[str, frozenset[str], str], ...] = (
    # The first base class that is known decides; methods that are not named here are part of those that are.
    ("BaseLLM", ANSWERS, "llm"),
    ("MultiModalLLM", ANSWERS, "llm"),
    ("BaseEmbedding", frozenset(), "embedding"),
    ("BaseRetriever", _both("retrieve"), "retriever"),
    ("BaseImageRetriever", _both("text_to_image_retrieve", "image_to_image_retrieve"), "retriever"),
    ("BaseQueryEngine", _both("query"), "chain"),
    ("BaseChatEngine", _both("chat", "stream_chat"), "chain"),
    ("BaseSynthesizer", _both("synthesize"), "chain"),
    ("BaseSelector", frozenset({"_select", "_aselect"}), "chain"),
    ("BaseQuestionGenerator", _both("generate"), "chain"),
    ("BaseExtractor", _both("extract"), "chain"),
    ("BaseNodePostprocessor", frozenset({"_postprocess_nodes"}), "span"),
    ("IngestionPipeline", _both("run"), "chain"),
    ("BaseTool", _both("call"), "tool"),
    ("BaseWorkflowAgent", frozenset({"run"}), "agent"),
    ("AgentWorkflow", frozenset({"run"}), "agent"),
    ("Workflow", frozenset({"run"}), "chain"),
)

_INNER = frozenset({"_postprocess_nodes", "_select", "_aselect"})
"""Methods that are all that LlamaIndex shows of what they do; of others that begin so, it shows the outer ones, too."""

_PLUMBING = frozenset(
    f"{owner}.{step}"
    for owner in ("BaseWorkflowAgent", "AgentWorkflow")
    for step in ("init_run", "setup_agent", "parse_agent_output", "aggregate_tool_results")
) | {"run_jobs", "run_jobs.<locals>.worker"}
"""Steps of every agent in which nothing is called."""

_LOCAL = frozenset({"huggingface", "ollama", "fastembed", "llamafile", "openvino", "ipex_llm", "optimum", "mock"})
"""Packages of embeddings that run on the machine itself, and are not paid for."""

RERANKERS = {
    "bedrock_rerank": "aws.bedrock",
    "cohere_rerank": "cohere",
    "contextual_rerank": "contextual",
    "dashscope_rerank": "dashscope",
    "google_rerank": "gcp.vertex_ai",
    "jinaai_rerank": "jinaai",
    "mixedbreadai_rerank": "mixedbreadai",
    "pinecone_native_rerank": "pinecone",
    "siliconflow_rerank": "siliconflow",
    "voyageai_rerank": "voyageai",
}
"""Packages of rerankers that are paid for, to the provider that they call. Others run on the machine itself, or ask a
model, which is a call of its own."""

PROVIDERS = {
    "anthropic": "anthropic",
    "azure_inference": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "groq": "groq",
    "mistralai": "mistral_ai",
    "ollama": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "gcp.vertex_ai",
}
"""Packages below `llama_index.llms` and `llama_index.embeddings` to the provider that they call."""


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
"""What LlamaIndex' own classes put beside an answer, whoever gave it."""


class Role(NamedTuple):
    """What a span is, by the class and method that it is of."""

    name: str
    kind: str
    """As in a record, or `embedding` or `rerank` for one that is paid for."""
    streams: bool = False
    """Whether the method returns before the model is asked."""


def role_of(kind: type, label: str, parent: str) -> Role | None:
    """The role of span `label` of an instance of `kind` inside the span `parent`; None: it is part of that.

    Args:
        kind: The instance's class; NoneType for a function.
        label: `Class.method`, or a function's qualified name.
        parent: The same of what it is called in; empty if nothing.
    """
    if kind is type(None):
        if label in _PLUMBING:
            return None
        return Role(label.rpartition("<locals>.")[2], "chain" if parent.endswith(".run") else "span")
    method = label.rpartition(".")[2]
    if method.startswith("_") and method not in _INNER:
        return None
    bases = {base.__name__ for base in kind.__mro__ if _of_theirs(base.__module__)}
    for base, methods, what in _ROLES:
        if base in bases:
            if base == "BaseEmbedding":
                return _embedding(kind, label, method)
            if method not in methods:
                return None
            ranks = base == "BaseNodePostprocessor" and package_of(kind) in RERANKERS
            return Role(label.replace("._", "."), "rerank" if ranks else what, "stream" in method and what == "llm")
    return None if bases else Role(label, "span")


def _embedding(kind: type, label: str, method: str) -> Role | None:
    if "embedding" not in method:
        return None
    package = package_of(kind)
    return Role(label, "embedding" if package and package not in _LOCAL else "span")


def _of_theirs(module: str) -> bool:
    return module.startswith(("llama_index.", "workflows."))


_PACKAGES = frozenset({"embeddings", "llms", "multi_modal_llms", "postprocessor"})


def package_of(kind: type) -> str | None:
    """`openai` of `llama_index.llms.openai.base`; None for a class of the core or of the program itself."""
    for base in kind.__mro__:
        parts = base.__module__.split(".")
        if len(parts) > 2 and parts[0] == "llama_index" and parts[1] in _PACKAGES:
            return parts[2]
    return None


def model_of(instance: Any) -> str | None:
    """The model that an instance of a model's class asks for."""
    fields: Any = getattr(instance, "__dict__", {})
    for name in ("model", "model_name", "model_id"):
        if fields.get(name).__class__ is str:
            return str(fields[name])
    return None


def provider_of(instance: Any, hosts: Mapping[str, str]) -> str | None:
    """Who answers an instance of a model's class: by its host if that is known, else by its package, else its host."""
    url = next((found for name in ("api_base", "base_url") if (found := getattr(instance, name, None))), None)
    host = (urlsplit(str(url)).hostname or "") if url else ""
    if host in hosts:
        return hosts[host]
    at = provider_at(host) if host else None
    package = package_of(cast("type", instance.__class__))
    named = PROVIDERS.get(package or "")
    if at and (at != host or named in {None, "openai"}):
        return at if named is None or named == "openai" else named
    return named


def _get(holder: Any, name: str) -> Any:
    """The field `name` of a dictionary or object; None if it has none."""
    if isinstance(holder, Mapping):
        return cast("Mapping[str, Any]", holder).get(name)
    return getattr(holder, name, None)


def _first(raw: Any, names: Iterable[str]) -> str | None:
    """The first text under one of `names` in `raw`, or in the response that an event carries."""
    for holder in (raw, _get(raw, "response")):
        if holder is not None:
            for name in names:
                found = _get(holder, name)
                if found.__class__ is str and found:
                    return str(found)
    return None


def response_id(raw: Any) -> str | None:
    """The provider's id of the answer `raw`."""
    return None if raw is None else _first(raw, ("id", "response_id", "responseId"))


def answering_model(raw: Any) -> str | None:
    """The model that the answer `raw` names."""
    return None if raw is None else _first(raw, ("model", "model_version", "modelVersion"))


def reported(answer: Any, provider: str | None) -> tuple[str, Json] | None:
    """The convention and the usage object of an answer, as LlamaIndex passes it on; None if it has none.

    Args:
        answer: A `ChatResponse` or `CompletionResponse`.
        provider: Who answered.
    """
    raw = answer.raw
    for holder in (raw, _get(raw, "response"), _get(raw, "message"), _get(raw, "meta"), _get(raw, "body")):
        if holder is None or holder.__class__ is str:
            continue
        for name in ("usage", "usage_metadata", "usageMetadata", "billed_units"):
            if (found := _object(_get(holder, name))) and (words := _convention(found, provider)):
                return words, found
    if _get(raw, "prompt_eval_count"):
        return "ollama", {name: _get(raw, name) for name in ("prompt_eval_count", "eval_count")}
    for holder in (answer, getattr(answer, "message", None)):
        more: Json = getattr(holder, "additional_kwargs", None) or {}
        counts: Json = {name: more[name] for name in _COUNTS if name in more}
        if any(counts.values()):
            return "openai.chat", counts
    return None


def _object(value: Any) -> Json | None:
    """An object with fields as a new dictionary: LlamaIndex writes into those of the SDKs."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in cast("Mapping[str, Any]", value).items()}
    if dump := getattr(value, "model_dump", None):
        return dict(dump(mode="json"))
    fields: Any = getattr(value, "__dict__", None)
    return {name: _plain(inner) for name, inner in fields.items()} if fields else None


def _plain(value: Any) -> Any:
    known = value is None or isinstance(value, (str, int, float, list))
    return cast("object", value) if known else _object(value)


def _convention(usage: Json, provider: str | None) -> str | None:
    """Whose words a usage object is in."""
    for name, words in (
        ("prompt_tokens", "openai.chat"),
        ("prompt_token_count", "gemini"),
        ("promptTokenCount", "gemini"),
        ("inputTokens", "bedrock.converse"),
        ("billed_units", "cohere"),
    ):
        if name in usage:
            return WORDS.get((provider or "", words), words)
    if "input_tokens" not in usage:
        return None
    if provider == "cohere":
        return "cohere"
    return "openai.responses" if "total_tokens" in usage else "anthropic.messages"


def spoken(messages: Any) -> list[Json]:
    """Messages of a chat as JSON, for an estimate of their tokens."""
    return [{"content": message.content or ""} for message in messages]


def length(answer: Any) -> int:
    """How many characters of text an answer has."""
    message = getattr(answer, "message", None)
    return len((answer.text if message is None else message.content) or "")
