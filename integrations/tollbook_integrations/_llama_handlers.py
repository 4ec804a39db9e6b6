"""What LlamaIndex' two handlers make of its spans and events: one tree with its costs.

They see every span and event, in the thread and context of the program. A model's call is booked by the SDK's call
below it if that is metered, else from what the answer says.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from types import ModuleType
from typing import Any, cast

from tollbook import _guard
from tollbook._late import later
from tollbook.spans import Call, Run, Runs, _joins, current, open_streams
from tollbook.spans._context import innermost, parse_traceparent
from tollbook_integrations._framework import Framework
from tollbook_integrations._llama_index import (
    RERANKERS,
    Role,
    answering_model,
    model_of,
    package_of,
    provider_of,
    reported,
    response_id,
    role_of,
)
from tollbook_integrations._llama_runs import Model, Part, Unread

Json = dict[str, Any]

_SUFFIX = 37
"""Characters of a hyphen and a UUID at the end of LlamaIndex' span ids."""
_MANY = 4096
_TRACEPARENT = "tollbook.traceparent"
_DIMENSIONS = {
    "agent_name": "agent",
    "conversation_id": "session",
    "org_id": "org",
    "session.id": "session",
    "session_id": "session",
    "thread_id": "session",
    "user.id": "user",
    "user_id": "user",
}
"""Names of tags to the dimensions that they mean; other tags keep their names."""
_THEIRS = "llamaindex."
"""What LlamaIndex' own tags begin with; some of these hold content."""
_LONGEST, _MOST = 64, 16


class _Here(threading.local):
    latest: Model | None = None
    """The model's call whose stream passed an item last in this thread."""


class LlamaIndex:
    """Two handlers on its root dispatcher, and the runs that are open."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self.runs = Runs()
        self._roles: dict[tuple[type, str], Role | None] = {}
        self._here = _Here()
        self._unread = Unread()
        self._handlers: tuple[Any, Any] | None = None
        _joins.readers.append(self._ended_here)
        self._tags: Any = None
        self._actions: dict[str, Callable[[Any], None]] = {
            "LLMChatInProgressEvent": self._progressed,
            "LLMCompletionInProgressEvent": self._progressed,
            "LLMChatEndEvent": self._answered,
            "LLMCompletionEndEvent": self._answered,
            "EmbeddingEndEvent": self._embedded,
            "ReRankStartEvent": self._ranks,
            "ExceptionEvent": self._broke,
        }

    # -- on and off -------------------------------------------------------------------------------------------------

    def attach(self, module: ModuleType) -> bool:
        """Put the handlers on the root dispatcher."""
        if self._handlers is None:
            self._tags = sys.modules["llama_index_instrumentation.dispatcher"].__dict__["active_instrument_tags"]
            self._handlers = self._made(module)
        spans, events = self._handlers
        root = module.root_dispatcher
        if not any(handler is spans for handler in root.span_handlers):
            root.add_span_handler(spans)
        if not any(handler is events for handler in root.event_handlers):
            root.add_event_handler(events)
        return True

    def detach(self, module: ModuleType) -> None:
        """Take the handlers off."""
        if self._handlers is None:
            return
        root, (spans, events) = module.root_dispatcher, self._handlers
        # New lists: other threads may be going through the old ones.
        root.span_handlers = [handler for handler in root.span_handlers if handler is not spans]
        root.event_handlers = [handler for handler in root.event_handlers if handler is not events]

    def _made(self, module: ModuleType) -> tuple[Any, Any]:
        """The handlers. Their classes are LlamaIndex' own, which are not there before it is imported."""
        entered, exited = _guard.guarded(self._entered), _guard.guarded(self._exited)
        dropped = _guard.guarded(self._dropped)
        captured, restored = _guard.guarded(_captured), _guard.guarded(_restored)
        actions = {name: _guard.guarded(action) for name, action in self._actions.items()}

        def span_enter(_: Any, id_: str, bound_args: Any, instance: Any = None, **more: Any) -> None:
            entered(id_, bound_args, instance, more.get("parent_id"))

        def span_exit(_: Any, id_: str, *__: Any, result: Any = None, **___: Any) -> None:
            exited(id_, result)

        def span_drop(_: Any, id_: str, *__: Any, err: BaseException | None = None, **___: Any) -> None:
            dropped(id_, err)

        def nothing(*_: Any, **__: Any) -> None:
            return

        def capture(_: Any) -> dict[str, str]:
            return captured() or {}

        def restore(_: Any, context: Mapping[str, Any]) -> None:
            restored(context)

        def close(_: Any) -> None:
            self.runs.end()

        def handle(_: Any, event: Any, **__: Any) -> None:
            action = actions.get(event.__class__.__name__)
            if action is not None:
                action(event)

        spans: Json = {
            "span_enter": span_enter,
            "span_exit": span_exit,
            "span_drop": span_drop,
            "new_span": nothing,
            "prepare_to_exit_span": nothing,
            "prepare_to_drop_span": nothing,
            "capture_propagation_context": capture,
            "restore_propagation_context": restore,
            "close": close,
        }
        base_spans, base_events = module.span_handlers.BaseSpanHandler, module.event_handlers.BaseEventHandler
        return (
            type("TollbookSpanHandler", (base_spans,), {"__module__": __name__, **spans})(),
            type("TollbookEventHandler", (base_events,), {"__module__": __name__, "handle": handle})(),
        )

    # -- spans ------------------------------------------------------------------------------------------------------

    def _entered(self, id_: str, bound_args: Any, instance: Any, parent_id: str | None) -> None:
        label = id_[:-_SUFFIX]
        role = self._role(instance.__class__, label, parent_id)
        if role is None:
            return
        here = current.get()
        more: Json = {
            "integration": "llama_index",
            "within": None if parent_id is None or (here is not None and not here.closed) else self.runs.get(parent_id),
            "lent": self._lent(role, label, bound_args, instance),
            "after": self._unread.reader(),
        }
        run: Run
        if role.kind in {"llm", "embedding", "rerank"}:
            model = model_of(instance)
            run = Model(role, instance, self._framework.settings.deployments.get(model or "", model), **more)
        else:
            name = instance.metadata.name if role.kind == "tool" else role.name
            run = Part(name or role.name, role.kind, **more)
        if isinstance(here, Part) and here.tidy and more["after"] is None:
            here.adopt(run)  # a thread that an engine has left behind, to read its stream
        run.enter()
        self.runs.add(id_, run)

    def _role(self, kind: type, label: str, parent_id: str | None) -> Role | None:
        if kind is type(None):
            return role_of(kind, label, (parent_id or "")[:-_SUFFIX])
        key = (kind, label)
        try:
            return self._roles[key]
        except KeyError:
            if len(self._roles) >= _MANY:
                self._roles = {}  # another thread may be reading the old one
            role = self._roles[key] = role_of(kind, label, "")
            return role

    def _lent(self, role: Role, label: str, bound_args: Any, instance: Any) -> Json | None:
        """What LlamaIndex says that a span is for: its tags, and the agent at work."""
        lent: Json = {}
        tags: Mapping[str, object] = self._tags.get()
        for name, value in tags.items():
            if name.__class__ is not str or name.startswith(_THEIRS) or len(lent) >= _MOST or len(name) > _LONGEST:
                continue
            if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _LONGEST):
                lent[_DIMENSIONS.get(name, name)] = value
        agent: Any = None
        if role.kind == "agent":
            agent = getattr(instance, "name", None)
        elif label.startswith("AgentWorkflow."):
            agent = getattr(bound_args.arguments.get("ev"), "current_agent_name", None)
        if isinstance(agent, str) and agent != "Agent" and len(agent) <= _LONGEST:
            lent["agent"] = str(agent)
        return lent or None

    def _exited(self, id_: str, result: Any) -> None:
        run = self.runs.get(id_)
        if run is None:
            return
        if isinstance(run, Model) and run.record.stream and isinstance(result, Generator | AsyncGenerator):
            run.leave()
            gone = functools.partial(self._dropped, id_, GeneratorExit())
            run.stream = weakref.ref(cast("object", result), lambda _: later(gone))
            self._unread.add(result, run)
            return
        self.runs.pop(id_)
        if isinstance(run, Part):
            run.tidy = current.get() is run
            self._unread.add(result, run)
        run.end()

    @_guard.guarded
    def _ended_here(self, call: Call) -> None:
        """A call of an SDK has ended, which no run knows of: where it was made while a stream was read, it is that."""
        run = self._unread.reader()
        if isinstance(run, Model) and not run.closed:
            run.settled = True
            run.adopt(call)

    def _dropped(self, id_: str, error: BaseException | None) -> None:
        run = self.runs.pop(id_)
        if run is not None:
            run.end(error)

    # -- events -----------------------------------------------------------------------------------------------------

    def _model(self, event: Any) -> Model | None:
        run = self.runs.get(event.span_id)
        return run if isinstance(run, Model) else None

    def _progressed(self, event: Any) -> None:
        """An item of a stream: the first of them tell what call it is of."""
        run = self._model(event)
        if run is None:
            return
        latest, self._here.latest = self._here.latest, run
        run.event = event
        if run.settled:
            return
        run.asked = True
        answer = event.response
        raw = answer.raw
        inner = None if latest is None or latest is run else latest.event
        if inner is not None and (inner.response is answer or (raw is not None and inner.response.raw is raw)):
            # A model's stream that passes on another's, which began too late to be inside of it.
            run.settled = True
            run.passed_on = latest
            if latest is not None and not run.claimed:
                run.adopt(latest)
        elif run.claimed:
            run.settled = True
        elif found := response_id(raw):
            run.settled = True
            call = next(
                (c for c in list(open_streams.values()) if c.record.response_id == found and not c.placed), None
            )
            if call is not None:
                run.adopt(call)

    def _answered(self, event: Any) -> None:
        """The whole answer, or the end of a stream."""
        run = self._model(event)
        if run is None:
            return
        run.asked = True
        self._book(run, event)
        if run.stream is not None:
            self._dropped(event.span_id, None)

    def _book(self, run: Model, event: Any) -> None:
        run.event = event
        answer = event.response
        if run.claimed or answer is None:
            return
        provider = provider_of(run.instance, self._framework.settings.hosts)
        words, usage = reported(answer, provider) or ("", None)
        model = answering_model(answer.raw)
        run.book(
            words,
            usage,
            model=self._framework.settings.deployments.get(model or "", model),
            response_id=response_id(answer.raw),
            provider=provider,
        )

    def _embedded(self, event: Any) -> None:
        run = self._model(event)
        if run is not None:
            run.event = event
            if not run.claimed:
                run.book("", None, provider=provider_of(run.instance, self._framework.settings.hosts))

    def _ranks(self, event: Any) -> None:
        """A reranker begins; what it takes is told by nobody."""
        run = current.get()
        if not isinstance(run, Model) or run.record.operation != "rerank":
            return
        run.asked = bool(event.nodes) and event.query is not None
        run.record.request_model = str(event.model_name)
        run.record.attributes = {"rerank.documents": len(event.nodes), "rerank.top_n": event.top_n}
        package = package_of(cast("type", run.instance.__class__))
        run.book("", None, provider=RERANKERS.get(package or ""))

    def _broke(self, event: Any) -> None:
        """A stream that failed, or that the program stopped reading: it has no other end."""
        run, id_ = self._model(event), event.span_id
        while run is not None and run.stream is not None and not run.closed:
            inner, last = run.passed_on, run.event
            if last is not None:
                self._book(run, last)
            self._dropped(id_, event.exception)
            # Nobody reads on what it passes on; that would end when it is collected.
            run, id_ = inner, "" if inner is None or inner.event is None else inner.event.span_id


def _captured() -> dict[str, str]:
    """Where the program is, for another process that goes on with its workflow."""
    here = innermost()
    return {} if here is None or here.span_id is None else {_TRACEPARENT: f"00-{here.trace_id}-{here.span_id}-01"}


def _restored(context: Mapping[str, Any]) -> None:
    header = context.get(_TRACEPARENT)
    if isinstance(header, str) and current.get() is None:
        current.set(parse_traceparent(header))
