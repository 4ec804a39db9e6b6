"""pydantic-ai: its models are the SDKs of OpenAI and Anthropic; each request is one bill, and nothing else changes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from tests import ecosystem
from tests.ecosystem import QUESTION, TASK, in_a_script, one_bill_per_request
from tests.wire.clients import anthropic_client, openai_client
from tests.wire.server import Play, Wire

pytestmark = [pytest.mark.boundary]


async def chat(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIChatModel("gpt-4o", provider=OpenAIProvider(openai_client=client))


async def responses(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIResponsesModel("gpt-4o", provider=OpenAIProvider(openai_client=client))


async def claude(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(anthropic_client(play, True))
    provider = AnthropicProvider(anthropic_client=client)
    return AnthropicModel("claude-sonnet-4-6", provider=provider, settings={"max_tokens": 200})


MODELS = {
    "chat": (chat, ecosystem.OPENAI, ecosystem.OPENAI_STREAM, ecosystem.TOOLS),
    "responses": (responses, ecosystem.RESPONSES, ecosystem.RESPONSES_STREAM, ecosystem.RESPONSES_TOOLS),
    "anthropic": (claude, ecosystem.ANTHROPIC, ecosystem.ANTHROPIC_STREAM, ecosystem.ANTHROPIC_TOOLS),
}


def shown(result: Any) -> Any:
    """What a host reads of a run."""
    return result.output, result.usage.requests, result.usage.input_tokens, result.usage.output_tokens


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(await Agent(await make(play, closing)).run(QUESTION))

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, _, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        async with Agent(await make(play, closing)).run_stream(QUESTION) as answer:
            return [text async for text in answer.stream_text(delta=True, debounce_by=None)]

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert record.stream


@pytest.mark.parametrize("model", MODELS)
async def test_an_agent_that_uses_a_tool_is_a_bill_per_turn(model: str, wire: Wire, meter: Any) -> None:
    make, _, _, cassettes = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(await Agent(await make(play, closing), tools=[ecosystem.add]).run(TASK))

    await one_bill_per_request(wire, meter, cassettes, ask)


async def test_the_synchronous_way_is_one_bill(wire: Wire, meter: Any) -> None:
    def run(client: Any) -> Any:
        return shown(Agent(OpenAIChatModel("gpt-4o", provider=OpenAIProvider(openai_client=client))).run_sync(QUESTION))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, lambda play, _: in_a_script(play, run))
