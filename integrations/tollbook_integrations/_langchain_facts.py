"""What LangChain and LangGraph say of a run, in our words: provider, name, whom it is booked to, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""`ls_provider` to OpenTelemetry's name, where they differ."""

DIMENSIONS = {
    "thread_id": "session",
    "conversation_id": "session",
    "session_id": "session",
    "user_id": "user",
    "org_id": "org",
    "feature": "feature",
    "agent": "agent",
    "langgraph_node": "node",
}
"""Keys of metadata that are dimensions of ours; of several for one, the last that is there holds."""

_THEIRS = ("ls_", "lc_", "langgraph_", "langsmith", "checkpoint", "__")
"""Beginnings of keys that the frameworks set themselves."""

_SILENT = frozenset(
    {
        *("run_id", "task_id", "assistant_id", "graph_id", "created_by", "run_attempt"),
        *("api_key", "authorization", "email", "input", "message", "password", "phone", "prompt", "query", "question"),
        *("secret", "text", "token"),
    }
)
"""Other keys that are not kept: ids of one run, and what may be content or a secret."""

_THEIR_TAGS = ("seq:step:", "graph:step:", "map:key:", "condition:", "branch:", "langsmith:")
_LONGEST, _WORDS, _MOST = 64, 6, 16


def provider_of(metadata: Mapping[str, Any]) -> str | None:
    """OpenTelemetry's name of the provider that a chat model says it speaks to."""
    name = metadata.get("ls_provider")
    return PROVIDERS.get(name, name) if isinstance(name, str) else None


def name_of(serialized: Any, given: Any, kind: str) -> str:
    """What a run is called: as the call says, else as its class is."""
    if given:
        return str(given)
    found: Json = serialized or {}
    path: list[str] = found.get("id") or [kind]  # of its class
    return str(found.get("name") or path[-1])


def _word(value: Any) -> str | None:
    """The value of a tag, if it is a number, a boolean or a name; None for what may be content."""
    if isinstance(value, str):
        short = 0 < len(value) <= _LONGEST and value.isprintable() and value.count(" ") < _WORDS
        return value if short else None
    return str(value) if isinstance(value, (bool, int, float)) else None


def booked_to(metadata: Mapping[str, Any] | None, tags: Sequence[str] | None) -> dict[str, object]:
    """What the metadata and tags of a run book it to: our dimensions, the user's own keys, and `tags`."""
    found: dict[str, object] = {}
    if metadata:
        for key, value in metadata.items():
            if key.__class__ is not str or key in DIMENSIONS or key in _SILENT or key.startswith(_THEIRS):
                continue
            if len(found) >= _MOST:
                break
            if len(key) <= _LONGEST and (word := _word(value)) is not None:
                found[key] = word
        for key, dimension in DIMENSIONS.items():
            if key in metadata and (word := _word(metadata[key])) is not None:
                found[dimension] = word
    if tags:
        own = sorted({tag for tag in tags if _word(tag) and not str(tag).startswith(_THEIR_TAGS)})[:_MOST]
        if own:
            found["tags"] = ",".join(own)
    return found


class Answer:
    """What an `LLMResult` says of a model call; all of it may be unknown."""

    __slots__ = ("cached", "characters", "convention", "finish", "model", "raw", "response_id")

    def __init__(self, result: Any) -> None:
        generation = _first(_first(getattr(result, "generations", None)))
        message = getattr(generation, "message", None)
        meta: Json = getattr(message, "response_metadata", None) or getattr(generation, "generation_info", None) or {}
        output: Json = getattr(result, "llm_output", None) or {}
        self.convention, self.raw = _usage(message, meta, output)
        metered: Json = getattr(message, "usage_metadata", None) or {}
        # A cache that keeps the text only gives a message anew, without the id that LangChain gives to all others.
        bare = message is not None and not (message.id or metered or meta or output)
        self.cached = bare or metered.get("total_cost") == 0
        """Whether it comes from LangChain's own cache, which marks what it gives so, whatever else the answer says."""
        self.model = _text(meta.get("model_name") or meta.get("model") or output.get("model_name"))
        self.response_id = _text(meta.get("id") or output.get("id")) or _own_id(message)
        self.finish = _text(meta.get("finish_reason") or meta.get("stop_reason"))
        self.characters = len(text) if isinstance(text := getattr(generation, "text", None), str) else 0
        """How long the text is that was answered."""


def _first(items: Any) -> Any:
    return items[0] if items else None


def _text(value: Any) -> str | None:
    return value[:256] if isinstance(value, str) and value else None


def _own_id(message: Any) -> str | None:
    """The id of a message, if it is the provider's and not one that LangChain made."""
    found = _text(getattr(message, "id", None))
    return None if found is None or found.startswith(("run-", "lc_")) else found


def _usage(message: Any, meta: Json, output: Json) -> tuple[str, Json | None]:
    """The usage as reported, with its convention: what the provider itself said, where LangChain keeps more of it."""
    own: Any = meta.get("usage")
    if isinstance(own, dict) and "cache_creation_input_tokens" in own:
        return "anthropic.messages", {k: v for k, v in own.items() if v is not None}  # pyright: ignore[reportUnknownVariableType]
    if metered := getattr(message, "usage_metadata", None):
        return "langchain", dict(metered)
    for place in (meta, output):
        older: Any = place.get("token_usage")
        if isinstance(older, dict) and older:
            return "openai.chat", older  # pyright: ignore[reportUnknownVariableType]
    return "langchain", None
