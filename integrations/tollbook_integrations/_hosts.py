"""Which provider answers at which host, by OpenTelemetry's name (`gen_ai.provider.name`) where it has one."""

from __future__ import annotations

EXACT = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.moonshot.ai": "moonshot_ai",
    "openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "router.huggingface.co": "huggingface",
}

SUFFIX = (
    (".api.openai.com", "openai"),
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    (".amazonaws.com", "aws.bedrock"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".api.x.ai", "x_ai"),
)


CHARGE_HEADER = "x-litellm-response-cost"
"""In which a gateway says what an answer cost, in US dollars."""


def provider_at(host: str) -> str:
    """The provider that answers at `host`; the host itself if it is none that we know."""
    found = EXACT.get(host)
    if found is None:
        found = next((provider for suffix, provider in SUFFIX if host.endswith(suffix)), host)
    return found


def is_known(host: str) -> bool:
    """Whether a provider that we know answers at `host` itself."""
    return provider_at(host) != host


def region_at(host: str) -> str | None:
    """The region that `host` promises to process in (`us.api.openai.com`); None if it promises none."""
    first, _, rest = host.partition(".")
    return first if rest in {"api.openai.com", "api.x.ai"} else None


WORDS = {
    ("gcp.gemini", "openai.chat"): "gemini.chat",
    ("perplexity", "openai.chat"): "perplexity",
}
"""Provider and convention of an endpoint to the convention that this provider means by it."""
