"""litellm: each of its calls is one bill: of the SDK's call below it if that is metered, else from what it answers.

Its public callback tells of a call before it is sent, in the task that makes it, and of its answer with the usage.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from tollbook import _guard
from tollbook.spans import Run, Runs
from tollbook_integrations._framework import Framework

Json = dict[str, Any]

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "fireworks_ai": "fireworks",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "together_ai": "together",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""litellm's names of providers that have another one here."""


class LiteLLM:
    """A callback, and the calls that are open."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self.runs = Runs()
        # Its class is litellm's own.
        self._callback = self._made(sys.modules["litellm.integrations.custom_logger"].__dict__["CustomLogger"])

    def attach(self, module: ModuleType) -> bool:
        """Add the callback."""
        if not any(each is self._callback for each in module.callbacks):
            module.callbacks.append(self._callback)
        return True

    def detach(self, module: ModuleType) -> None:
        """Take the callback off; where litellm has copied it to, it does nothing."""
        module.callbacks[:] = [each for each in module.callbacks if each is not self._callback]

    def _made(self, base: type) -> Any:
        asked, sent = _guard.guarded(self._asked), _guard.guarded(self._sent)
        answered, failed = _guard.guarded(self._answered), _guard.guarded(self._failed)

        def log_pre_api_call(_: Any, model: Any, messages: Any, kwargs: Json) -> None:  # noqa: ARG001 - it is named
            asked(model, kwargs)

        def log_post_api_call(_: Any, kwargs: Json, *__: Any, **___: Any) -> None:
            sent(kwargs)

        def log_success_event(_: Any, kwargs: Json, response_obj: Any, *__: Any, **___: Any) -> None:
            answered(kwargs, response_obj)

        async def async_log_success_event(_: Any, kwargs: Json, response_obj: Any, *__: Any, **___: Any) -> None:
            answered(kwargs, response_obj)

        def log_failure_event(_: Any, kwargs: Json, *__: Any, **___: Any) -> None:
            failed(kwargs)

        async def async_log_failure_event(_: Any, kwargs: Json, *__: Any, **___: Any) -> None:
            failed(kwargs)

        methods: Json = {
            "log_pre_api_call": log_pre_api_call,
            "log_post_api_call": log_post_api_call,
            "log_success_event": log_success_event,
            "async_log_success_event": async_log_success_event,
            "log_failure_event": log_failure_event,
            "async_log_failure_event": async_log_failure_event,
        }
        return type("TollbookCallback", (base,), {"__module__": __name__, **methods})()

    def _asked(self, model: object, kwargs: Json) -> None:
        """A request is about to be sent, here."""
        key = kwargs.get("litellm_call_id")
        if not self._framework.on or key is None:
            return
        if (before := self.runs.pop(key)) is not None:  # an attempt that failed
            before.end()
        kind = "embedding" if "embedding" in str(kwargs.get("call_type")) else "llm"
        provider = str(kwargs.get("custom_llm_provider") or "") or None
        named = self._framework.settings.deployments.get(str(model), str(model))
        run = Run(
            "litellm",
            kind,
            integration=self._framework.name,
            provider=_PROVIDERS.get(provider or "", provider),
            model=named,
        )
        run.record.stream = bool(kwargs.get("stream"))
        self.runs.add(key, run)
        run.enter()

    def _sent(self, kwargs: Json) -> None:
        """It was, and the program goes on: what it asks from here on is no part of it."""
        if (run := self.runs.get(kwargs.get("litellm_call_id"))) is not None:
            run.leave()

    def _answered(self, kwargs: Json, answer: Any) -> None:
        run = self.runs.pop(kwargs.get("litellm_call_id"))
        if run is None:
            return
        if not run.claimed:
            usage = getattr(answer, "usage", None)
            raw: Json | None = usage.model_dump() if usage is not None else None
            model = getattr(answer, "model", None)
            run.book("litellm", raw, model=self._framework.settings.deployments.get(model or "", model))
        run.end()

    def _failed(self, kwargs: Json) -> None:
        run = self.runs.pop(kwargs.get("litellm_call_id"))
        if run is not None:
            error = kwargs.get("exception")
            run.end(error if isinstance(error, BaseException) else None)
