"""OpenAI: facts about the SDK `openai`, whose clients also speak to Azure, Bedrock and compatible servers."""

from __future__ import annotations

from typing import Any

from tollbook_integrations._body import BATCH
from tollbook_integrations._endpoint import Endpoint
from tollbook_integrations._stainless import Stainless
from tollbook_integrations._wire import audio, chat, openai_results, plain, response_poll, responses


def _characters(request: dict[str, Any]) -> dict[str, int] | None:
    """Speech is billed by the characters of its text; models that bill tokens never say how many."""
    text, model = request.get("input"), str(request.get("model"))
    return {"input_characters": len(text)} if isinstance(text, str) and model.startswith("tts-1") else None


def _images(request: dict[str, Any]) -> dict[str, int] | None:
    """DALL-E is billed by the image and reports no usage."""
    count = request.get("n")
    return {"output_images": count if isinstance(count, int) else 1}


_RESPONSES = Endpoint("Responses", "chat", "openai.responses", responses)
_IMAGES = Endpoint("Images", "image_generation", "openai.images", plain, _images)

integration = Stainless(
    "openai",
    "openai>=2,<4",
    {
        "/chat/completions": Endpoint("Completions", "chat", "openai.chat", chat, ask=True),
        "/responses": _RESPONSES,
        "/responses/compact": Endpoint("Compact", "chat", "openai.responses", responses),
        "/embeddings": Endpoint("Embeddings", "embeddings", "openai.chat", plain),
        "/completions": Endpoint("Completions", "text_completion", "openai.chat", chat, ask=True),
        "/images/generations": _IMAGES,
        "/images/edits": _IMAGES,
        "/images/variations": _IMAGES,
        "/audio/transcriptions": Endpoint("Transcriptions", "transcription", "openai.transcription", audio),
        "/audio/translations": Endpoint("Translations", "transcription", "openai.transcription", audio),
        "/audio/speech": Endpoint("Speech", "speech", "openai.chat", plain, _characters),
    },
    polls={
        r"/responses/[^/]+$": Endpoint("Responses", "chat", "openai.responses", response_poll),
        r"/files/[^/]+/content$": Endpoint("Batch results", "chat", BATCH, openai_results),
    },
    providers={
        "AzureOpenAI": "azure.ai.openai",
        "AsyncAzureOpenAI": "azure.ai.openai",
        "BedrockOpenAI": "aws.bedrock",
        "AsyncBedrockOpenAI": "aws.bedrock",
    },
    ask_hosts=("api.openai.com",),
)
