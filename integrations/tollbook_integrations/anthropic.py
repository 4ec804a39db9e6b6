"""Anthropic: facts about the SDK `anthropic`, whose clients also speak to Bedrock, Vertex AI and Azure."""

from __future__ import annotations

from tollbook_integrations._body import BATCH
from tollbook_integrations._endpoint import Endpoint
from tollbook_integrations._stainless import Stainless
from tollbook_integrations._wire import anthropic_results, messages

_PLATFORMS = {
    "AnthropicBedrock": "aws.bedrock",
    "AnthropicBedrockMantle": "aws.bedrock",
    "AnthropicVertex": "gcp.vertex_ai",
    "AnthropicGoogleCloud": "anthropic",
    "AnthropicFoundry": "azure.ai.inference",
    "AnthropicAWS": "anthropic",
}

integration = Stainless(
    "anthropic",
    "anthropic>=0.125,<3",
    {"/v1/messages": Endpoint("Messages", "chat", "anthropic.messages", messages)},
    polls={r"/v1/messages/batches/[^/]+/results$": Endpoint("Batch results", "chat", BATCH, anthropic_results)},
    providers=_PLATFORMS | {f"Async{name}": provider for name, provider in _PLATFORMS.items()},
)
