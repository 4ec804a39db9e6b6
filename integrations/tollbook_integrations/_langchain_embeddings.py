"""Embeddings of LangChain, which has no callbacks for them: a run around each, booked if no SDK's call below it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tollbook import _guard, _patch
from tollbook.spans import Run, current

on = False
"""Whether they are metered; the wrappers stay, and pass calls through."""

METHODS = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")

PROVIDERS = {
    "langchain_aws": "aws.bedrock",
    "langchain_cohere": "cohere",
    "langchain_fireworks": "fireworks",
    "langchain_google_genai": "gcp.gemini",
    "langchain_google_vertexai": "gcp.vertex_ai",
    "langchain_mistralai": "mistral_ai",
    "langchain_openai": "openai",
    "langchain_together": "together",
    "langchain_voyageai": "voyageai",
}
"""Package of a class to the provider that it pays."""

FREE = ("Fake", "DeterministicFake", "CacheBacked", "HuggingFaceEmbeddings", "FastEmbed", "LlamaCpp", "Ollama")
"""Beginnings of the names of classes that pay nobody themselves: fakes, caches of others, models on this machine."""

_installed: set[type] = set()


def install(base: type) -> None:
    """Wrap the methods of all classes of embeddings that there are, and of those to come."""
    global on
    on = True
    for kind in _below(base):
        _wrap(kind)
    if base in _installed:
        return
    _installed.add(base)

    def begun(kind: type[Any], /, **kwargs: Any) -> None:
        super(base, kind).__init_subclass__(**kwargs)  # type: ignore[arg-type]
        _wrap(kind)

    # Not by assignment: for a type checker it is a method like any other.
    setattr(base, "__init_subclass__", classmethod(begun))  # noqa: B010


def _below(base: type) -> Iterator[type]:
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        yield kind
        yield from _below(kind)


@_guard.guarded
def _wrap(kind: type) -> None:
    if kind.__name__.startswith(FREE):
        return
    for name in METHODS:
        if name in vars(kind) and inspect.isfunction(vars(kind)[name]):
            _patch.wrap(kind, name, _awrapper if name.startswith("a") else _wrapper)


@_guard.guarded
def _begin(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run | None:
    """The run of one call; None inside another one (a query is often embedded as a list of one)."""
    if not on:
        return None
    found = current.get()
    if isinstance(found, Run) and found.record.operation == "embeddings" and not found.closed:
        return None
    kind: type[Any] = instance.__class__
    model = getattr(instance, "model", None) or getattr(instance, "model_name", None)
    run = Run(
        kind.__name__,
        "embedding",
        integration="langchain",
        provider=PROVIDERS.get(kind.__module__.partition(".")[0]),
        model=model if isinstance(model, str) else None,
    )
    texts = next(iter((*args, *kwargs.values())), "")
    run.request = {"input": [texts] if isinstance(texts, str) else texts}
    run.enter()
    return run


def _wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run = _begin(instance, args, kwargs)
    if run is None:
        return wrapped(*args, **kwargs)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _guard.guarded(run.end)(error)
        raise
    _guard.guarded(run.end)()
    return result


async def _awrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run = _begin(instance, args, kwargs)
    if run is None:
        return await wrapped(*args, **kwargs)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        _guard.guarded(run.end)(error)
        raise
    _guard.guarded(run.end)()
    return result
