"""LangChain and LangGraph: every model call booked once, inside spans of chains, graphs, nodes, tools and retrievers.

`autolog()` does it for all runs of the process. Without it:

    from tollbook_integrations.langchain import CallbackHandler
    chain.invoke(..., config={"callbacks": [CallbackHandler()]})

Importing this module imports nothing of LangChain.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tollbook import _patch
from tollbook._instrument import Settings

if TYPE_CHECKING:
    from tollbook.spans import Run
    from tollbook_integrations._langchain_budget import BudgetMiddleware
    from tollbook_integrations._langchain_handler import CallbackHandler

__all__ = ["BudgetMiddleware", "CallbackHandler", "integration"]

_HOOKS = "langchain_core.tracers.context"
_MANAGER = "langchain_core.callbacks.manager"
_EMBEDDINGS = "langchain_core.embeddings.embeddings"
TEXTS = "langchain_core.language_models.llms"
"""Where LangChain has the models that complete text."""
_RUNS = ("CallbackManagerForLLMRun", "AsyncCallbackManagerForLLMRun")


def __getattr__(name: str) -> Any:
    place = {"CallbackHandler": "_langchain_handler", "BudgetMiddleware": "_langchain_budget"}.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tollbook_integrations.{place}"), name)


class _LangChain:
    """The integration: a handler that LangChain adds to every run of the process."""

    name = "langchain"
    library = "langchain-core>=0.3.78,<2"
    module = _HOOKS

    def __init__(self) -> None:
        self.on = False
        self.handler: CallbackHandler | None = None
        self.find: Callable[[int], Run | None]
        self._waiting = False
        self._states: dict[str, str] = {}

    def install(self, settings: Settings) -> None:  # noqa: ARG002 - nothing of it concerns frameworks
        """Meter LangChain from now on, or from its import on."""
        self.on = True
        if self.handler is not None:
            self.handler.on = True
        places = ((_HOOKS, self._register), (_MANAGER, self._quiet), (_EMBEDDINGS, self._embed), (TEXTS, self._ask))
        for module, hook in places:
            if module in sys.modules or not self._waiting:
                _patch.when_imported(module, hook)
        self._waiting = True

    def uninstall(self) -> None:
        """Leave LangChain alone; the handler stays where it is, and ignores all events."""
        self.on = False
        if self.handler is not None:
            self.handler.on = False
        if (manager := sys.modules.get(_MANAGER)) is not None:
            for kind in _RUNS:
                _patch.undo(getattr(manager, kind), "on_llm_new_token")
        if (text := sys.modules.get(TEXTS)) is not None:
            _patch.undo(text.BaseLLM, "_agenerate_helper")
        if _EMBEDDINGS in sys.modules:
            from tollbook_integrations import _langchain_embeddings

            _langchain_embeddings.on = False
        self._states = dict.fromkeys(self._states, "off")

    def state(self) -> dict[str, str]:
        """What is patched: place to `on`, `off` or `waiting for import`."""
        return self._states or {_HOOKS: "waiting for import" if self.on else "off"}

    def _register(self, hooks: ModuleType) -> None:
        """Have LangChain add our handler to every run, once per process: a hook can't be taken back."""
        if not self.on:
            return
        if self.handler is None:
            from tollbook_integrations._langchain_handler import CallbackHandler, runs

            self.find = runs.get
            handler = self.handler = CallbackHandler()
            # The default of a context variable holds in all contexts and threads.
            everywhere: ContextVar[Any] = ContextVar("tollbook_langchain", default=handler)
            # Where the host passes one itself, that one is enough.
            hooks.register_configure_hook(everywhere, inheritable=True, handle_class=CallbackHandler)
        self.handler.on = True
        self._states[_HOOKS] = "on"

    def _quiet(self, manager: ModuleType) -> None:
        """Spare runs that only we listen to the events of each token, of which the first says all that we need."""
        if self.on:
            plain, asynchronous = (getattr(manager, kind) for kind in _RUNS)
            _patch.replace(plain, "on_llm_new_token", _skip)
            _patch.replace(asynchronous, "on_llm_new_token", _askip)
            self._states[_MANAGER] = "on"

    def _embed(self, embeddings: ModuleType) -> None:
        if self.on:
            from tollbook_integrations import _langchain_embeddings

            _langchain_embeddings.install(embeddings.Embeddings)
            self._states[_EMBEDDINGS] = "on"

    def _ask(self, text: ModuleType) -> None:
        if self.on:
            from tollbook_integrations import _langchain_text

            _langchain_text.install(text.BaseLLM)
            self._states[TEXTS] = "on"


def _heard(run: Any) -> bool:
    """Whether only we listen, so that all that there is to do for a token is done now."""
    handlers = run.handlers
    if len(handlers) != 1 or handlers[0] is not integration.handler:
        return False
    if (ours := integration.find(run.run_id.int)) is not None:
        ours.answering = True
    return True


def _skip(original: Any) -> Any:
    def on_llm_new_token(run: Any, *args: Any, **kwargs: Any) -> Any:
        return None if _heard(run) else original(run, *args, **kwargs)

    return on_llm_new_token


def _askip(original: Any) -> Any:
    async def on_llm_new_token(run: Any, *args: Any, **kwargs: Any) -> Any:
        return None if _heard(run) else await original(run, *args, **kwargs)

    return on_llm_new_token


integration = _LangChain()
