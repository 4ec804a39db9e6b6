"""Google's ADK: its models for OpenAI and Claude are their SDKs; each request is one bill. Gemini is not metered."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, TASK, one_bill_per_request
from tests.wire.clients import KEY, PATIENT, anthropic_client, openai_client
from tests.wire.server import Play, Wire

pytest.importorskip("google.adk")

from google.adk.agents import Agent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.integrations.openai import OpenAILlm
from google.adk.models.anthropic_llm import AnthropicLlm
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types

pytestmark = [pytest.mark.boundary, pytest.mark.filterwarnings("ignore")]


async def litellm(play: Play, closing: AsyncExitStack) -> Any:
    pytest.importorskip("litellm")
    return LiteLlm("openai/gpt-4o", api_base=play.url("api.openai.com", "/v1"), api_key=KEY, timeout=PATIENT)


async def gpt(play: Play, closing: AsyncExitStack) -> Any:
    return OpenAILlm(model="gpt-4o", client=await closing.enter_async_context(openai_client(play, True)))


async def claude(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(anthropic_client(play, True))
    return AnthropicLlm(model="claude-sonnet-4-6", client=client)


MODELS = {
    "openai": (gpt, ecosystem.OPENAI, ecosystem.OPENAI_STREAM, ecosystem.TOOLS),
    "litellm": (litellm, ecosystem.OPENAI, ecosystem.OPENAI_STREAM, ecosystem.TOOLS),
    "anthropic": (claude, ecosystem.ANTHROPIC, ecosystem.ANTHROPIC_STREAM, ecosystem.ANTHROPIC_TOOLS),
}


async def run(model: Any, question: str, stream: bool = False, tools: Any = ()) -> Any:
    """What a host reads of a run: its events, with their texts and tokens."""
    runner = InMemoryRunner(Agent(name="counter", model=model, tools=list(tools)), app_name="counting")
    session = await runner.session_service.create_session(app_name="counting", user_id="somebody")
    asked = types.Content(role="user", parts=[types.Part(text=question)])
    mode = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
    events = runner.run_async(user_id="somebody", session_id=session.id, new_message=asked, run_config=mode)
    return [shown(event) async for event in events]


def shown(event: Any) -> Any:
    used = event.usage_metadata
    tokens = None if used is None else (used.prompt_token_count, used.candidates_token_count)
    parts = (event.content and event.content.parts) or []
    texts = [(part.text, part.function_call and part.function_call.name) for part in parts]
    return event.author, event.partial, tokens, texts


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return await run(await make(play, closing), QUESTION)

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, _, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return await run(await make(play, closing), QUESTION, stream=True)

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert record.stream


@pytest.mark.parametrize("model", MODELS)
async def test_an_agent_that_uses_a_tool_is_a_bill_per_turn(model: str, wire: Wire, meter: Any) -> None:
    make, _, _, cassettes = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return await run(await make(play, closing), TASK, tools=[ecosystem.add])

    await one_bill_per_request(wire, meter, cassettes, ask)
