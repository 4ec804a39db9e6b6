"""What the handler for LangChain adds to each token of a stream, on a model without weight.

LangChain calls every handler that a run has for every token, whatever the handler does there. So beside ours stand one
that does nothing, and one that asks not to be told of model calls at all: no handler costs less than they do. Under
`autolog()` LangChain's own call is passed over where only ours listens.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

TOKENS, ROUNDS = 400, 25


def langchain(folder: Path) -> list[dict[str, Any]]:
    """One token of `astream`: bare, under `autolog()`, with the handler alone, and with handlers that do nothing."""
    try:
        from langchain_core.callbacks import BaseCallbackHandler
        from langchain_core.language_models import BaseChatModel
        from langchain_core.messages import AIMessage, AIMessageChunk
        from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
        from langchain_core.tracers import context
    except ImportError:
        return [{"what": "langchain-core is not installed"}]
    import tollbook
    from tollbook_integrations.langchain import CallbackHandler

    class Model(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "stub"

        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))])

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            for _ in range(TOKENS):
                yield ChatGenerationChunk(message=AIMessageChunk("x"))

    class Empty(BaseCallbackHandler):
        run_inline = True

    class Deaf(Empty):
        ignore_llm = ignore_chat_model = True

    alone = {
        "CallbackHandler() alone": CallbackHandler(),
        "a handler that does nothing": Empty(),
        "a handler that ignores models": Deaf(),
    }
    model = Model()

    async def once(config: dict[str, Any]) -> float:
        gc.collect()
        start = time.process_time()
        async for _ in model.astream("Hello", config):
            pass
        return (time.process_time() - start) / TOKENS * 1e6

    async def run() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {"bare": [], "autolog()": [], **{name: [] for name in alone}}
        tollbook.autolog(store=folder / "langchain.db")
        for _ in range(ROUNDS):
            tollbook.autolog()
            found["autolog()"].append(await once({}))
            tollbook.autolog(disable=True)
            hooks = list(context._configure_hooks)
            context._configure_hooks.clear()
            found["bare"].append(await once({}))
            for name, handler in alone.items():
                found[name].append(await once({"callbacks": [handler]}))
            context._configure_hooks.extend(hooks)
        return found

    found = asyncio.run(run())
    bare = statistics.median(found.pop("bare"))
    return [
        {
            "what": f"token of a stream: {name}",
            "caller_us": round(statistics.median(each) - bare, 2),
            "bare_us": round(bare, 2),
        }
        for name, each in found.items()
    ]
