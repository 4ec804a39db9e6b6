"""litellm: facts about it. Each of its calls is one bill."""

from __future__ import annotations

from tollbook_integrations._framework import Framework

integration = Framework(
    "litellm", "litellm>=1.106,<2", "tollbook_integrations._litellm:LiteLLM", place="litellm.callbacks"
)
