"""smolagents: each step of an agent is one bill, whole or streamed, and the host gets what it got."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, TASK, one_bill_per_request
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play, Wire

smolagents = pytest.importorskip("smolagents")

pytestmark = [pytest.mark.boundary, pytest.mark.filterwarnings("ignore")]

MESSAGES = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
TOOLS = ("openai-chat-tools", "openai-chat-final-answer")


def openai_model(play: Play, closing: AsyncExitStack) -> Any:
    url = play.url("api.openai.com", "/v1")
    model = smolagents.OpenAIModel("gpt-4o", api_base=url, api_key=KEY, client_kwargs={"timeout": PATIENT})
    closing.callback(model.client.close)
    return model


def litellm_model(play: Play, closing: AsyncExitStack) -> Any:
    pytest.importorskip("litellm")
    url = play.url("api.openai.com", "/v1")
    return smolagents.LiteLLMModel("openai/gpt-4o", api_base=url, api_key=KEY, timeout=PATIENT)


MODELS = [openai_model, litellm_model]


@pytest.mark.parametrize("make", MODELS)
async def test_an_answer_is_one_bill(make: Any, wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        answer = make(play, closing).generate(MESSAGES)
        return answer.content, answer.token_usage.input_tokens, answer.token_usage.output_tokens

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask)


@pytest.mark.parametrize("make", MODELS)
async def test_a_stream_is_one_bill(make: Any, wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        return [delta.content for delta in make(play, closing).generate_stream(MESSAGES)]

    (record,) = await one_bill_per_request(wire, meter, ecosystem.OPENAI_STREAM, ask)
    assert record.stream


@pytest.mark.parametrize("make", MODELS)
async def test_an_agent_is_a_bill_per_step(make: Any, wire: Wire, meter: Any) -> None:
    """Its second step gives no tool call, so it is asked for its final answer: three requests."""

    def ask(play: Play, closing: AsyncExitStack) -> Any:
        agent = smolagents.ToolCallingAgent(
            tools=[smolagents.tool(ecosystem.add)], model=make(play, closing), max_steps=1, verbosity_level=0
        )
        result = agent.run(TASK, return_full_result=True)
        return str(result.output), result.token_usage.input_tokens, result.token_usage.output_tokens

    await one_bill_per_request(wire, meter, ecosystem.TOOLS, ask)
