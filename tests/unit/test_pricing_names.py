"""Which price list entry a provider's name and a model's name mean: exact rules, never a guess."""

from __future__ import annotations

import pytest

from tollbook.pricing import card

TODAY = 1_795_262_400 * 10**9  # 2026-11-21T12:00Z

FOUND = [
    ("openai", "gpt-4o", "openai", "gpt-4o"),
    ("openai", "gpt-4o-2024-08-06", "openai", "gpt-4o"),
    ("openai", "gpt-4o-20240806", "openai", "gpt-4o"),
    ("openai", "openai/gpt-4o", "openai", "gpt-4o"),
    ("openai", "GPT-4o", "openai", "gpt-4o"),
    ("openai", "o4-mini-deep-research", "openai", "o4-mini-deep-research"),
    ("openai", "gpt-3.5-turbo-instruct-0914", "openai", "gpt-3.5-turbo-instruct"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:an-org::abc123", "openai", "ft:gpt-4o-mini"),
    ("openai", "gpt-5.6-sol-2026-07-09", "openai", "gpt-5.6-sol"),
    ("api.openai.com", "gpt-4o", "openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4-5@20250929", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-latest", "anthropic", "claude-3-5-haiku-latest"),
    ("azure.ai.openai", "gpt-4o-2024-11-20", "openai", "gpt-4o"),
    ("azure.ai.openai", "azure/gpt-4o", "openai", "gpt-4o"),
    ("azure.ai.openai", "o4-mini-deep-research", "openai", "o4-mini-deep-research"),
    ("gcp.gemini", "models/gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ("gcp.gemini", "gemini-2.5-pro-preview-06-05", "google", "gemini-2.5-pro"),
    ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", "google", "claude-sonnet-4-5"),
    ("aws.bedrock", "amazon.nova-micro-v1:0", "aws", "amazon.nova-micro-v1:0"),
    (
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "aws",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (
        "aws.bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "aws",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (
        "aws.bedrock",
        "arn:aws:bedrock:us-east-1:123:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "aws",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    ("x_ai", "grok-4.6", "x-ai", "grok-4.6"),
    ("mistral_ai", "mistral-large-2512", "mistral", "mistral-large-2512"),
    ("groq", "openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
    ("openrouter", "openai/gpt-4o-mini", "openrouter", "openai/gpt-4o-mini"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("fireworks", "accounts/fireworks/models/gpt-oss-20b", "fireworks", "gpt-oss-20b"),
]


@pytest.mark.parametrize(("provider", "model", "listed_by", "listed_as"), FOUND)
def test_a_name_means_one_entry(provider: str, model: str, listed_by: str, listed_as: str) -> None:
    found = card(provider, model, TODAY)
    assert found is not None
    assert (found.provider, found.model) == (listed_by, listed_as)


NOT_FOUND = [
    # Other models that begin with, end in or contain a known name.
    ("openai", "gpt-5.6-sol-fast"),
    ("openai", "gpt-5-nano-turbo"),
    ("openai", "gpt-4o-audio-preview-mini"),
    ("anthropic", "claude-sonnet-4-5-fast"),
    ("anthropic", "claude-opus-4-10"),
    ("anthropic", "claude-sonnet-4-5-20250929-fast"),
    ("azure.ai.openai", "my-o4-mini"),
    ("gcp.gemini", "gemini-1.5-flash-8b"),
    ("gcp.gemini", "gemini-2.5-pro-ultra"),
    ("aws.bedrock", "my-amazon.nova-micro-v1:0"),
    # Versions to come.
    ("openai", "gpt-6.2-sol"),
    ("anthropic", "claude-opus-5-9"),
    # Another vendor's model, an unknown vendor, an unknown server, a server whose name contains a vendor's.
    ("anthropic", "gpt-4o"),
    ("openai", "claude-sonnet-4-5"),
    ("acme", "gpt-4o"),
    ("llm.example.com", "gpt-4o"),
    ("openai.example.com", "gpt-4o"),
    ("api.openai.com.example.com", "gpt-4o"),
    # Listed, but without a price, which does not mean free.
    ("openai", "omni-moderation-latest"),
    # Names that say nothing.
    ("openai", ""),
    ("", "gpt-4o"),
    ("openai", "-"),
    ("openai", "models/"),
    ("openai", "ft:"),
]


@pytest.mark.parametrize(("provider", "model"), NOT_FOUND)
def test_a_name_that_no_rule_knows_has_no_price(provider: str, model: str) -> None:
    assert card(provider, model, TODAY) is None
