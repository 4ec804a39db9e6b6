"""CrewAI: its native models are the SDKs of OpenAI and Anthropic; each request is one bill."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, one_bill_per_request
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play, Wire

crewai = pytest.importorskip("crewai")

pytestmark = [pytest.mark.boundary, pytest.mark.filterwarnings("ignore")]


def gpt(play: Play, **more: Any) -> Any:
    url = play.url("api.openai.com", "/v1")
    return crewai.LLM("openai/gpt-4o", base_url=url, api_key=KEY, timeout=PATIENT, **more)


def claude(play: Play, **more: Any) -> Any:
    url = play.url("api.anthropic.com")
    return crewai.LLM("anthropic/claude-sonnet-4-6", base_url=url, api_key=KEY, timeout=PATIENT, max_tokens=200, **more)


MODELS = {
    "openai": (gpt, ecosystem.OPENAI, ecosystem.OPENAI_STREAM),
    "anthropic": (claude, ecosystem.ANTHROPIC, ecosystem.ANTHROPIC_STREAM),
}


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _ = MODELS[model]

    def ask(play: Play, closing: AsyncExitStack) -> Any:
        return make(play).call(QUESTION)

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_an_asynchronous_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return await make(play).acall(QUESTION)

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, _, cassettes = MODELS[model]

    def ask(play: Play, closing: AsyncExitStack) -> Any:
        return make(play, stream=True).call(QUESTION)

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert record.stream


def crew(play: Play) -> Any:
    agent = crewai.Agent(role="Counter", goal="Count", backstory="Counts.", llm=gpt(play))
    return crewai.Crew(agents=[agent], tasks=[crewai.Task(description=QUESTION, expected_output="Five", agent=agent)])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_crew_is_a_bill_per_request(asynchronous: bool, wire: Wire, meter: Any) -> None:
    """It lets OpenAI count what it sends, which is free."""

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        made = crew(play)
        result = await (made.akickoff() if asynchronous else asyncio.to_thread(made.kickoff))
        return result.raw, result.token_usage.model_dump()

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask, free=(ecosystem.COUNTING,))
