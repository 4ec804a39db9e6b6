"""openai-agents: runs, agents, tools, handoffs and guardrails as one tree, with the model calls inside.

Its own tracing tells a processor of every span, in the task that runs it. A model's span is booked by the SDK's call
below it; only where none is metered (websockets, models of other packages) it is booked from what the span says.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from tollbook import _guard, _patch
from tollbook._instrument import Settings
from tollbook.spans import Run, Runs
from tollbook.spans._run import safe_name
from tollbook_integrations._hosts import provider_at

Json = dict[str, Any]

_KINDS = {"agent": "agent", "function": "tool", "handoff": "tool", "guardrail": "span", "custom": "span"}
"""Types of spans that become structure; others, such as turns, only pass on what they are in."""
_MODELS = frozenset({"generation", "response"})
_ANY_NUMBER = 1 << 60
_LONGEST = 64
_DIMENSIONS = {"user_id": "user", "org_id": "org", "session_id": "session"}
"""Names in the metadata of a trace to the dimensions that they mean; nothing else of it is kept."""


class OpenAIAgents:
    """The integration of openai-agents: a processor of its traces, and the runs that are open."""

    name = "openai_agents"
    module = "agents.tracing"
    library = "openai-agents>=0.24"

    def __init__(self) -> None:
        self.on = False
        self._settings = Settings()
        self._waiting = False
        self._state = "off"
        self._runs = Runs()
        self._processor: Any = None

    # -- on and off -------------------------------------------------------------------------------------------------

    def install(self, settings: Settings) -> None:
        """Add the processor now, or when openai-agents is imported."""
        self._settings = settings
        self.on = True
        if self.module in sys.modules or not self._waiting:
            self._waiting = True
            _patch.when_imported(self.module, self._attach)

    def uninstall(self) -> None:
        """Take the processor off; what is still open ends."""
        self.on = False
        self._state = "off"
        module = sys.modules.get(self.module)
        if module is not None and (there := self._there(module)) is not None:
            module.set_trace_processors([each for each in there if each is not self._processor])
        self._runs.end()

    def state(self) -> dict[str, str]:
        """Whether the processor is there: `on`, `off`, `waiting for import` or `failed`."""
        waiting = self.on and self._state == "off"
        return {self.module: "waiting for import" if waiting else self._state}

    def _attach(self, module: ModuleType) -> None:
        base = getattr(module, "TracingProcessor", None)
        if not self.on or base is None:  # many a program has a package `agents` of its own
            return
        self._state = "failed"
        ours = self.processor(base)
        if ours not in (self._there(module) or ()):
            module.add_trace_processor(ours)
        self._state = "on"

    def processor(self, base: type) -> Any:
        """The processor, of class `base`, made once."""
        if self._processor is None:
            self._processor = self._made(base)
            atexit.register(self._runs.end)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._runs.forget)
        return self._processor

    def _there(self, module: ModuleType) -> tuple[Any, ...] | None:
        """The processors that there are; None: it does not tell, and ours, if it is there twice, notices that."""
        return getattr(getattr(module.get_trace_provider(), "_multi_processor", None), "_processors", None)

    def _made(self, base: type) -> Any:
        """The processor. Its class is that of openai-agents, which is not there before it is imported."""
        begun, ended = _guard.guarded(self._begun), _guard.guarded(self._ended)
        opened, closed = _guard.guarded(self._opened), _guard.guarded(self._closed)

        def on_trace_start(_: Any, trace: Any) -> None:
            opened(trace)

        def on_trace_end(_: Any, trace: Any) -> None:
            closed(trace.trace_id, None)

        def on_span_start(_: Any, span: Any) -> None:
            begun(span)

        def on_span_end(_: Any, span: Any) -> None:
            ended(span)

        def nothing(_: Any) -> None:
            return

        methods: Json = {
            "on_trace_start": on_trace_start,
            "on_trace_end": on_trace_end,
            "on_span_start": on_span_start,
            "on_span_end": on_span_end,
            "shutdown": nothing,
            "force_flush": nothing,
        }
        return type("TollbookProcessor", (base,), {"__module__": __name__, **methods})()

    # -- what is told -----------------------------------------------------------------------------------------------

    def _opened(self, trace: Any) -> None:
        if not self.on or self._runs.get(trace.trace_id) is not None:
            return
        lent: Json = {"session": trace.group_id} if getattr(trace, "group_id", None) else {}
        metadata: Mapping[str, object] = getattr(trace, "metadata", None) or {}
        for key, dimension in _DIMENSIONS.items():
            if isinstance(value := metadata.get(key), str | int) and len(str(value)) <= _LONGEST:
                lent[dimension] = value
        self._enter(trace.trace_id, Run(trace.name, "chain", integration=self.name, lent=lent or None))

    def _begun(self, span: Any) -> None:
        if not self.on or self._runs.get(span.span_id) is not None:
            return
        data = span.span_data
        kind, within = data.type, self._runs.get(span.parent_id or span.trace_id)
        if kind in _MODELS:
            model = getattr(data, "model", None)
            name = "Responses" if kind == "response" else "Generation"
            run = Run(name, "llm", integration=self.name, within=within, model=model, calls=_ANY_NUMBER)
        elif kind in _KINDS:
            name = getattr(data, "name", None) or kind
            agent = safe_name(name, kind) if kind == "agent" else None
            lent = {"agent": agent} if agent else None
            run = Run(name, _KINDS[kind], integration=self.name, within=within, lent=lent)
        elif within is not None:
            self._runs.add(span.span_id, within)
            return
        else:
            return
        self._enter(span.span_id, run)

    def _enter(self, key: str, run: Run) -> None:
        run.enter()
        self._runs.add(key, run)

    def _ended(self, span: Any) -> None:
        data = span.span_data
        run = self._runs.get(span.span_id)
        if run is None:
            return
        if data.type in _MODELS:
            self._book(run, data)
        elif data.type == "handoff" and data.to_agent:
            run.record.name = safe_name(f"handoff to {data.to_agent}", "handoff")
        elif data.type not in _KINDS:
            self._runs.pop(span.span_id)  # the run is another span's
            return
        self._closed(span.span_id, span.error)

    def _closed(self, key: str, error: object) -> None:
        run = self._runs.pop(key)
        if run is None:
            return
        raised = sys.exc_info()[1]  # it is told from the end of a `with` block
        if raised is None and error is not None:
            run.record.status = "error"  # what it was has been made a text
        run.end(raised)

    def _book(self, run: Run, data: Any) -> None:
        """Say what the span says of a model's call, for where no SDK's call below is metered."""
        if run.claimed:
            return
        usage: Json | None = data.usage
        if not usage or not (usage.get("input_tokens") or usage.get("output_tokens")):
            usage = None  # no usage was reported, which the package counts as zeros
        if data.type == "response":
            answer = data.response
            model, response_id = (answer.model, answer.id) if answer is not None else (None, None)
            run.book("openai.responses", usage, model=model, response_id=response_id, provider="openai")
            return
        asked, _, bare = str(data.model).partition("/")
        settings: Json = data.model_config or {}
        host = urlsplit(str(settings.get("base_url") or "")).hostname
        provider = (self._settings.hosts.get(host) or provider_at(host)) if host else asked if bare else None
        model = bare if bare and asked == provider else data.model
        run.book("openai.responses", usage, model=self._settings.deployments.get(model, model), provider=provider)


integration = OpenAIAgents()


def processor() -> Any:
    """The processor, for `agents.set_trace_processors`, which takes off all that are there.

    Returns:
        An `agents.TracingProcessor`. It does nothing before `tollbook.autolog()`.

    Raises:
        ModuleNotFoundError: openai-agents is not installed.
    """
    return integration.processor(importlib.import_module(integration.module).TracingProcessor)
