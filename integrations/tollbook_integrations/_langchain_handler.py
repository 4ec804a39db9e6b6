"""The callback handler of LangChain and LangGraph; imported when it is first used, since it imports LangChain."""

# ruff: noqa: ARG002 - the arguments of a callback are LangChain's
from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping, Sequence
from inspect import currentframe
from types import FrameType, ModuleType
from typing import Any
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler

from tollbook import _guard, _patch
from tollbook.spans import Run, Runs, current, safe_name
from tollbook.spans._work import Work
from tollbook_integrations import _langchain_facts as facts
from tollbook_integrations.langchain import TEXTS

Json = dict[str, Any]

runs = Runs()
"""All open runs of this process: whichever handler hears of one first opens it, and all others pass it over."""

atexit.register(runs.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=runs.forget)


class LangChainRun(Run):
    """A run of LangChain, with what its children need to know of it."""

    __slots__ = ("given", "is_node")

    given: dict[str, object]
    """What its metadata and tags book it to."""
    is_node: bool
    """Whether it is a node of a graph."""


class CallbackHandler(BaseCallbackHandler):
    """Books every model call of LangChain and LangGraph once, inside spans of what it was made for.

    `autolog()` installs one for all runs of the process. Without it, pass one to the runs that are to be metered:
    `chain.invoke(..., config={"callbacks": [CallbackHandler()]})`. Both, or two of them, change nothing.
    """

    run_inline = True  # in the caller's own context, synchronous or not, so that the call of the SDK finds its run

    raise_error = True  # what passes the guard is meant to reach the host

    def __init__(self) -> None:
        super().__init__()
        self.on = True
        if (texts := sys.modules.get(TEXTS)) is not None:
            join_texts(texts)

    @property
    def ignore_llm(self) -> bool:
        """Whether it is off, for model calls."""
        return not self.on

    @property
    def ignore_chat_model(self) -> bool:
        """Whether it is off, for model calls that begin."""
        return not self.on

    @property
    def ignore_chain(self) -> bool:
        """Whether it is off, for chains and graphs."""
        return not self.on

    @property
    def ignore_agent(self) -> bool:
        """Whether it is off, for tools."""
        return not self.on

    @property
    def ignore_retriever(self) -> bool:
        """Whether it is off, for retrievers."""
        return not self.on

    # -- starts ------------------------------------------------------------------------------------------------------

    @_guard.guarded
    def on_chat_model_start(
        self,
        serialized: Json | None,
        messages: Sequence[Sequence[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Json | None = None,
        **more: Any,
    ) -> None:
        """Open a model call."""
        asked: Json = {"messages": [getattr(message, "content", "") for message in (messages or [()])[0]]}
        self._model(serialized, asked, run_id, parent_run_id, tags, metadata, more)

    @_guard.guarded
    def on_llm_start(
        self,
        serialized: Json | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Json | None = None,
        **more: Any,
    ) -> None:
        """Open a call of a model that completes text."""
        asked: Json = {"messages": list(prompts)}
        self._model(serialized, asked, run_id, parent_run_id, tags, metadata, more, operation="text_completion")

    @_guard.guarded
    def on_chain_start(
        self,
        serialized: Json | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Json | None = None,
        **more: Any,
    ) -> None:
        """Open a chain, a graph or a node of one."""
        run = _open(serialized, more.get("name"), "chain", run_id, parent_run_id, tags, metadata)
        if run is not None and any(tag.startswith("graph:step:") for tag in tags or ()):
            run.is_node = True

    @_guard.guarded
    def on_tool_start(
        self,
        serialized: Json | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Json | None = None,
        **more: Any,
    ) -> None:
        """Open a tool."""
        _open(serialized, more.get("name"), "tool", run_id, parent_run_id, tags, metadata)

    @_guard.guarded
    def on_retriever_start(
        self,
        serialized: Json | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Json | None = None,
        **more: Any,
    ) -> None:
        """Open a retriever."""
        _open(serialized, more.get("name"), "retriever", run_id, parent_run_id, tags, metadata)

    def _model(
        self,
        serialized: Json | None,
        asked: Json,
        run_id: UUID,
        parent_run_id: UUID | None,
        tags: list[str] | None,
        metadata: Json | None,
        more: Json,
        operation: str = "chat",
    ) -> None:
        known = metadata or {}
        model = known.get("ls_model_name")
        size = more.get("batch_size")
        run = _open(
            serialized,
            more.get("name"),
            "llm",
            run_id,
            parent_run_id,
            tags,
            metadata,
            operation=operation,
            provider=facts.provider_of(known),
            model=model if isinstance(model, str) else None,
            calls=size if isinstance(size, int) else 1,
        )
        if run is not None:
            run.request = asked

    # -- on the way --------------------------------------------------------------------------------------------------

    def on_llm_new_token(
        self,
        token: Any,
        *,
        chunk: Any = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **more: Any,
    ) -> None:
        """Note that a piece of the answer has come; all is named that is given, which is quicker than to gather it."""
        if (run := runs.get(run_id.int)) is not None:
            run.answering = True

    def on_stream_event(self, event: Any, *, run_id: UUID, **more: Any) -> None:
        """Note that an event of the answer has come, in the third protocol."""
        if (run := runs.get(run_id.int)) is not None:
            run.answering = True

    # -- ends --------------------------------------------------------------------------------------------------------

    @_guard.guarded
    def on_llm_end(self, response: Any, *, run_id: UUID, **more: Any) -> None:
        """End a model call, and book it unless the call of an SDK below it was."""
        if (run := runs.pop(run_id.int)) is not None:
            _book(run, response)
            run.end()

    @_guard.guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End a model call that failed, or whose stream was read no further."""
        if (run := runs.pop(run_id.int)) is not None:
            if not run.claimed:
                _book(run, more.get("response"))
                run.cached = False
                if not run.characters and not isinstance(error, GeneratorExit):
                    run.request = None  # it may not have got so far as to be paid for
            run.end(error)

    @_guard.guarded
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        """End a chain; one in which nothing happened leaves no trace."""
        run = runs.pop(run_id.int)
        if run is None:
            return
        if run.nested or getattr(run, "is_node", False):
            run.end()
        else:
            run.drop()

    @_guard.guarded
    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        """End a tool."""
        _end(run_id)

    @_guard.guarded
    def on_retriever_end(self, documents: Any, *, run_id: UUID, **more: Any) -> None:
        """End a retriever."""
        _end(run_id)

    @_guard.guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End a chain that failed, or was steered elsewhere."""
        _end(run_id, error)

    @_guard.guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End a tool that failed."""
        _end(run_id, error)

    @_guard.guarded
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        """End a retriever that failed."""
        _end(run_id, error)


def join_texts(module: ModuleType) -> None:
    """Tell their runs to models that complete text, which LangChain begins elsewhere."""
    from tollbook_integrations import _langchain_text

    _langchain_text.install(module.BaseLLM)


_patch.when_imported(TEXTS, join_texts)

_SIGNALS = frozenset({"GraphInterrupt", "NodeInterrupt", "ParentCommand"})
"""What LangGraph raises to steer, and is no failure."""


def _end(run_id: UUID, error: BaseException | None = None) -> None:
    if (run := runs.pop(run_id.int)) is not None:
        run.end(None if type(error).__name__ in _SIGNALS else error)


def _open(
    serialized: Json | None,
    name: Any,
    kind: str,
    run_id: UUID,
    parent_run_id: UUID | None,
    tags: Sequence[str] | None,
    metadata: Mapping[str, Any] | None,
    *,
    calls: int = 1,
    **model: Any,
) -> LangChainRun | None:
    """The new run, as the current span; None if another handler has opened it."""
    if runs.get(run_id.int) is not None:
        return None
    found = current.get()
    if isinstance(found, LangChainRun) and found.work is not None and found.gone is not None and found.work.over():
        found.gone()
    within = None if parent_run_id is None else runs.get(parent_run_id.int)
    given = facts.booked_to(metadata, tags)
    if isinstance(within, LangChainRun) and tags and any(tag.startswith("graph:step:") for tag in tags):
        _is_graph(within)
    same = isinstance(within, LangChainRun) and within.given == given
    title = safe_name(facts.name_of(serialized, name, kind), kind)
    run = LangChainRun(
        title,
        kind,
        integration="langchain",
        within=within,
        lent=None if same else given,
        calls=calls,
        beside=_sibling(title, kind, calls, within),
        **model,
    )
    run.given, run.is_node = given, False
    if kind == "chain" and run.name.endswith("AgentExecutor"):
        run.record.kind = "agent"
    # LangChain does not tell of a model call that is cancelled, but lets go of its id. The number stands for it here.
    run.enter(_work() if kind == "llm" else None)
    runs.add(run_id.int, run, held=run_id)
    return run


_WHOLE = frozenset({"generate", "agenerate"})
"""Methods of a model that return when its run has ended; others are streams, which the program reads meanwhile."""


def _work() -> Work | None:
    """The method of the model that is running here, and has called its callbacks."""
    frame: FrameType | None = currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_BETWEEN):
        frame = frame.f_back
    return None if frame is None else Work(frame, whole=frame.f_code.co_name in _WHOLE)


_BETWEEN = ("tollbook", "langchain_core.callbacks")


def _is_graph(run: LangChainRun) -> None:
    """A run that has nodes is a graph: an agent, as its users see it, and what is inside is that agent's."""
    if run.record.kind != "agent":
        run.record.kind = "agent"
        if run.name != "LangGraph":
            run.lend({"agent": run.name})


def _sibling(name: str, kind: str, calls: int, within: Run | None) -> Run | None:
    """The run that was started together with this one, just before it: a batch opens all before the first goes on.

    Several prompts of one `generate` share their paid calls, since the context knows the last of them only.
    """
    found = current.get()
    if not isinstance(found, LangChainRun) or found.closed or found.nested or found.name != name:
        return None
    if kind == "llm":
        return found if 1 < calls == found.room and (within is None or found.above is within) else None
    return found if within is None and found.record.kind == kind else None


def _book(run: Run, result: Any) -> None:
    """Tell the run what the framework knows of the answer."""
    answer = facts.Answer(result)
    run.cached = answer.cached
    run.characters = answer.characters
    run.record.finish = answer.finish
    run.book(answer.convention, answer.raw, model=answer.model, response_id=answer.response_id)
