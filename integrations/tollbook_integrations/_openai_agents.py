"""openai-agents: runs, agents, tools, handoffs and guardrails as one tree, with the model calls inside.

Its own tracing tells a processor of every span, in the task that runs it. A model's span is booked by the SDK's call
below it; only where none is metered (websockets, models of other packages) it is booked from what the span says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from tollbook import _guard
from tollbook.spans import Run, Runs
from tollbook.spans._run import safe_name
from tollbook_integrations._framework import Framework
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
    """A processor of its traces, and the runs that are open."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self.runs = Runs()
        self._processor: Any = None

    def attach(self, module: ModuleType) -> bool:
        """Add the processor."""
        if not hasattr(module, "TracingProcessor"):  # many a program has a package `agents` of its own
            return False
        ours = self.processor()
        if ours not in (self.there(module) or ()):
            module.add_trace_processor(ours)
        return True

    def detach(self, module: ModuleType) -> None:
        """Take the processor off."""
        if self._processor is not None and (there := self.there(module)) is not None:
            module.set_trace_processors([each for each in there if each is not self._processor])

    def processor(self) -> Any:
        """The processor, made once."""
        if self._processor is None:
            self._processor = self._made(sys.modules[self._framework.module].__dict__["TracingProcessor"])
        return self._processor

    def there(self, module: ModuleType) -> tuple[Any, ...] | None:
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
        if not self._framework.on or self.runs.get(trace.trace_id) is not None:
            return
        lent: Json = {"session": trace.group_id} if getattr(trace, "group_id", None) else {}
        metadata: Mapping[str, object] = getattr(trace, "metadata", None) or {}
        for key, dimension in _DIMENSIONS.items():
            if isinstance(value := metadata.get(key), str | int) and len(str(value)) <= _LONGEST:
                lent[dimension] = value
        self._enter(trace.trace_id, Run(trace.name, "chain", integration=self._framework.name, lent=lent or None))

    def _begun(self, span: Any) -> None:
        if not self._framework.on or self.runs.get(span.span_id) is not None:
            return
        data = span.span_data
        kind, within = data.type, self.runs.get(span.parent_id or span.trace_id)
        if kind in _MODELS:
            model = getattr(data, "model", None)
            name = "Responses" if kind == "response" else "Generation"
            run = Run(name, "llm", integration=self._framework.name, within=within, model=model, calls=_ANY_NUMBER)
        elif kind in _KINDS:
            name = getattr(data, "name", None) or kind
            agent = safe_name(name, kind) if kind == "agent" else None
            lent = {"agent": agent} if agent else None
            run = Run(name, _KINDS[kind], integration=self._framework.name, within=within, lent=lent)
        elif within is not None:
            self.runs.add(span.span_id, within)
            return
        else:
            return
        self._enter(span.span_id, run)

    def _enter(self, key: str, run: Run) -> None:
        run.enter()
        self.runs.add(key, run)

    def _ended(self, span: Any) -> None:
        data = span.span_data
        run = self.runs.get(span.span_id)
        if run is None:
            return
        if data.type in _MODELS:
            self._book(run, data)
        elif data.type == "handoff" and data.to_agent:
            run.record.name = safe_name(f"handoff to {data.to_agent}", "handoff")
        elif data.type not in _KINDS:
            self.runs.pop(span.span_id)  # the run is another span's
            return
        self._closed(span.span_id, span.error)

    def _closed(self, key: str, error: object) -> None:
        run = self.runs.pop(key)
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
        provider = (self._framework.settings.hosts.get(host) or provider_at(host)) if host else asked if bare else None
        model = bare if bare and asked == provider else data.model
        run.book(
            "openai.responses", usage, model=self._framework.settings.deployments.get(model, model), provider=provider
        )
