"""Clients that believe they talk to their provider, whose host names lead to a `Play`.

Each factory takes the play and whether the client is to be asynchronous, and gives a context manager that yields it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
from tests.wire.server import Play

Factory = Callable[[Play, bool], Any]

KEY = "not-a-key"
PATIENT = 20.0
"""Seconds until a test that hangs fails."""


def openai_client(play: Play, asynchronous: bool, **options: Any) -> Any:
    """`OpenAI` or `AsyncOpenAI`."""
    kind = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    return kind(**{"base_url": play.url("api.openai.com", "/v1"), "api_key": KEY, "timeout": PATIENT, **options})


def openai_at(host: str, path: str = "/v1") -> Factory:
    """The client at a compatible provider."""
    return lambda play, asynchronous: openai_client(play, asynchronous, base_url=play.url(host, path))


def openai_with(**options: Any) -> Factory:
    """The client with other options."""
    return lambda play, asynchronous: openai_client(play, asynchronous, **options)


class OurOpenAI(openai.OpenAI):
    """A user's subclass that stands in the way of `request`."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)


class OurAsyncOpenAI(openai.AsyncOpenAI):
    """A user's subclass that stands in the way of `request`."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await super().request(*args, **kwargs)


def openai_subclass(play: Play, asynchronous: bool) -> Any:
    """A user's own subclass."""
    kind = OurAsyncOpenAI if asynchronous else OurOpenAI
    return kind(base_url=play.url("api.openai.com", "/v1"), api_key=KEY, timeout=PATIENT)


def azure_client(play: Play, asynchronous: bool) -> Any:
    """`AzureOpenAI` with a deployment per model."""
    kind = openai.AsyncAzureOpenAI if asynchronous else openai.AzureOpenAI
    endpoint = play.url("ours.openai.azure.com")
    return kind(azure_endpoint=endpoint, api_key=KEY, api_version="2024-10-21", timeout=PATIENT)


@contextlib.contextmanager
def openai_module(play: Play, asynchronous: bool) -> Iterator[Any]:
    """The module itself, as in `openai.chat.completions.create(...)`."""
    openai.api_key, openai.base_url = KEY, play.url("api.openai.com", "/v1/")
    try:
        yield openai
    finally:
        openai._client.close()
        openai._reset_client()
        openai.api_key = openai.base_url = openai.http_client = None


def anthropic_client(play: Play, asynchronous: bool, **options: Any) -> Any:
    """`Anthropic` or `AsyncAnthropic`."""
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    return kind(**{"base_url": play.url("api.anthropic.com"), "api_key": KEY, "timeout": PATIENT, **options})


def anthropic_with(**options: Any) -> Factory:
    """The client with other options."""
    return lambda play, asynchronous: anthropic_client(play, asynchronous, **options)


def bedrock_client(play: Play, asynchronous: bool) -> Any:
    """`AnthropicBedrock`, with a bearer token in place of AWS' signatures."""
    kind = anthropic.AsyncAnthropicBedrock if asynchronous else anthropic.AnthropicBedrock
    base_url = play.url("bedrock-runtime.us-east-1.amazonaws.com")
    return kind(base_url=base_url, api_key=KEY, aws_region="us-east-1", timeout=PATIENT)


def vertex_client(play: Play, asynchronous: bool) -> Any:
    """`AnthropicVertex`, with a token at hand."""
    kind = anthropic.AsyncAnthropicVertex if asynchronous else anthropic.AnthropicVertex
    base_url = play.url("us-east5-aiplatform.googleapis.com", "/v1")
    return kind(base_url=base_url, access_token=KEY, region="us-east5", project_id="example", timeout=PATIENT)


def foundry_client(play: Play, asynchronous: bool) -> Any:
    """`AnthropicFoundry`."""
    kind = anthropic.AsyncAnthropicFoundry if asynchronous else anthropic.AnthropicFoundry
    return kind(base_url=play.url("ours.services.ai.azure.com", "/anthropic/"), api_key=KEY, timeout=PATIENT)
