"""openai-agents: facts about it, and the processor for programs that name their processors themselves."""

from __future__ import annotations

import importlib
from typing import Any

from tollbook_integrations._framework import Framework

integration = Framework(
    "openai_agents",
    "openai-agents>=0.24",
    "tollbook_integrations._openai_agents:OpenAIAgents",
    place="agents.tracing",
    module="agents.tracing",
)


def processor() -> Any:
    """The processor, for `agents.set_trace_processors`, which takes off all that are there.

    Returns:
        An `agents.TracingProcessor`. It does nothing before `tollbook.autolog()`.

    Raises:
        ModuleNotFoundError: openai-agents is not installed.
    """
    importlib.import_module(integration.module)
    return integration.hooks.processor()
