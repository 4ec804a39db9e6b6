"""litellm: what goes through OpenAI's SDK is one bill per request; what it sends itself is not metered."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, one_bill_per_request
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play, Wire

litellm = pytest.importorskip("litellm")

pytestmark = [pytest.mark.boundary, pytest.mark.filterwarnings("ignore")]


def arguments(play: Play, **more: Any) -> dict[str, Any]:
    return {
        "model": "openai/gpt-4o",
        "messages": [{"role": "user", "content": QUESTION}],
        "api_base": play.url("api.openai.com", "/v1"),
        "api_key": KEY,
        "timeout": PATIENT,
        **more,
    }


def claude(play: Play, **more: Any) -> dict[str, Any]:
    model = {"model": "anthropic/claude-sonnet-4-6", "api_base": play.url("api.anthropic.com"), "max_tokens": 200}
    return arguments(play, **model, **more)


def shown(answer: Any) -> Any:
    return answer.choices[0].message.content, answer.usage.prompt_tokens, answer.usage.completion_tokens


async def test_an_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(litellm.completion(**arguments(play)))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask)


async def test_an_asynchronous_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(await litellm.acompletion(**arguments(play)))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask)


async def test_a_stream_is_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        chunks = litellm.completion(**arguments(play, stream=True))
        return [chunk.choices[0].delta.content for chunk in chunks]

    (record,) = await one_bill_per_request(wire, meter, ecosystem.OPENAI_STREAM, ask)
    assert record.stream


async def test_an_asynchronous_stream_is_one_bill(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        chunks = await litellm.acompletion(**arguments(play, stream=True))
        return [chunk.choices[0].delta.content async for chunk in chunks]

    (record,) = await one_bill_per_request(wire, meter, ecosystem.OPENAI_STREAM, ask)
    assert record.stream


async def test_embeddings_are_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        url = play.url("api.openai.com", "/v1")
        answer = litellm.embedding(
            model="openai/text-embedding-3-small", input=["one"], api_base=url, api_key=KEY, timeout=PATIENT
        )
        return answer.usage.prompt_tokens

    await one_bill_per_request(wire, meter, ("openai-embeddings",), ask)


async def test_what_litellm_sends_itself_is_not_metered(wire: Wire, meter: Any) -> None:
    """Claude is asked by an HTTP client of litellm's own; docs/ecosystem.md says so."""
    meter.on()
    with wire.play("anthropic-messages-plain") as play:
        assert shown(litellm.completion(**claude(play)))[2] == 50
        assert shown(await litellm.acompletion(**claude(play)))[2] == 50
        assert len(play.requests) == 2
    assert meter.records() == []
