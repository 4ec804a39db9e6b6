"""openai-agents: each request of a run is one bill, sync, async and streamed, and the host gets what it got."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

pytest.importorskip("agents.tracing", reason="openai-agents is not installed")

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from tests import ecosystem
from tests.ecosystem import QUESTION, TASK, in_a_script, one_bill_per_request
from tests.wire.clients import openai_client
from tests.wire.server import Play, Wire

pytestmark = [pytest.mark.boundary]


async def chat(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIChatCompletionsModel("gpt-4o", client)


async def responses(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIResponsesModel("gpt-4o", client)


MODELS = {
    "chat": (chat, ecosystem.OPENAI, ecosystem.OPENAI_STREAM, ecosystem.TOOLS),
    "responses": (responses, ecosystem.RESPONSES, ecosystem.RESPONSES_STREAM, ecosystem.RESPONSES_TOOLS),
}


def counter(model: Any, **more: Any) -> Agent[None]:
    return Agent(name="counter", model=model, **more)


def shown(result: Any) -> Any:
    """What a host reads of a run."""
    used = result.context_wrapper.usage
    items = [type(item).__name__ for item in result.new_items]
    return result.final_output, items, used.requests, used.input_tokens, used.output_tokens


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(await Runner.run(counter(await make(play, closing)), QUESTION))

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, _, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        result = Runner.run_streamed(counter(await make(play, closing)), QUESTION)
        events = [event async for event in result.stream_events()]
        return [(event.type, getattr(getattr(event, "data", None), "type", "")) for event in events], shown(result)

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert record.stream


@pytest.mark.parametrize("model", MODELS)
async def test_an_agent_that_uses_a_tool_is_a_bill_per_turn(model: str, wire: Wire, meter: Any) -> None:
    make, _, _, cassettes = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        agent = counter(await make(play, closing), tools=[function_tool(ecosystem.add)])
        return shown(await Runner.run(agent, TASK))

    await one_bill_per_request(wire, meter, cassettes, ask)


async def test_the_synchronous_way_is_one_bill(wire: Wire, meter: Any) -> None:
    def run(client: Any) -> Any:
        return shown(Runner.run_sync(counter(OpenAIChatCompletionsModel("gpt-4o", client)), QUESTION))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, lambda play, _: in_a_script(play, run))
