"""LlamaIndex: what its engines, agents, workflows, retrievers, tools and models do, as one tree with its costs.

`autolog()` switches this on, too; both together give one bill.
"""

from __future__ import annotations

from collections.abc import Mapping

from tollbook._instrument import Settings
from tollbook_integrations._framework import Framework

integration = Framework(
    "llama_index",
    "llama-index-core>=0.14,<0.15",
    "tollbook_integrations._llama_handlers:LlamaIndex",
    place="llama_index_instrumentation.root_dispatcher",
    module="llama_index_instrumentation",  # its own name is that of no module
)


def instrument(*, hosts: Mapping[str, str] | None = None, deployments: Mapping[str, str] | None = None) -> None:
    """Record LlamaIndex' spans and its models' calls from here on, without any patch; again and again without harm.

    Works before or after LlamaIndex is imported. `tollbook.autolog()` does the same, and meters the SDKs, too, which
    is exact where LlamaIndex' events are not: streams of OpenAI's models tell no usage.

    Args:
        hosts: As for `tollbook.autolog`; without both, what it was told holds.
        deployments: As for `tollbook.autolog`.
    """
    integration.install(
        Settings(hosts=hosts, deployments=deployments) if hosts or deployments else integration.settings
    )


def uninstrument() -> None:
    """Leave LlamaIndex alone again; spans that are open end now."""
    integration.uninstall()
