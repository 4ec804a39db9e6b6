"""litellm: each request is one bill, of OpenAI's SDK where it goes through that, else by litellm's own callback."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, one_bill_per_request
from tests.wire.cassettes import load
from tests.wire.clients import KEY, PATIENT, openai_client
from tests.wire.server import Play, Wire

from tollbook import _runtime
from tollbook.spans import current
from tollbook_integrations.litellm import integration

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


async def logged() -> None:
    """Wait until litellm has told of its calls, which it does beside the program."""
    until = time.monotonic() + PATIENT
    while integration.hooks.runs and time.monotonic() < until:  # noqa: ASYNC110 - litellm has no event for it
        await asyncio.sleep(0.01)


MODELS = {
    "openai": (arguments, ecosystem.OPENAI, ecosystem.OPENAI_STREAM),
    "anthropic": (claude, ecosystem.ANTHROPIC, ecosystem.ANTHROPIC_STREAM),
}


def by(model: str) -> str:
    """Who books it: litellm has an HTTP client of its own for Claude."""
    return "openai" if model == "openai" else "litellm"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, asynchronous: bool, wire: Wire, meter: Any) -> None:
    make, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        asked = make(play)
        answer = await litellm.acompletion(**asked) if asynchronous else litellm.completion(**asked)
        await logged()
        return shown(answer)

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert (record.integration, record.stream) == (by(model), False)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, asynchronous: bool, wire: Wire, meter: Any) -> None:
    make, _, cassettes = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        asked = make(play, stream=True)
        if asynchronous:
            chunks = [chunk async for chunk in await litellm.acompletion(**asked)]
        else:
            chunks = list(litellm.completion(**asked))
        await logged()
        return [chunk.choices[0].delta.content for chunk in chunks]

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert (record.integration, record.stream) == (by(model), True)


async def test_embeddings_are_one_bill(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        url = play.url("api.openai.com", "/v1")
        answer = litellm.embedding(
            model="openai/text-embedding-3-small", input=["one"], api_base=url, api_key=KEY, timeout=PATIENT
        )
        await logged()
        return answer.usage.prompt_tokens

    await one_bill_per_request(wire, meter, ("openai-embeddings",), ask)


async def test_a_call_of_the_program_after_one_of_litellm_is_its_own(wire: Wire, meter: Any) -> None:
    """Though litellm has not yet told of the end of its own."""
    meter.on()
    exchanges = [e for name in (*ecosystem.ANTHROPIC, *ecosystem.OPENAI) for e in load(name).exchanges]
    body: Any = load("openai-chat-plain").body
    with wire.play(exchanges) as play, openai_client(play, False) as client:
        for _ in range(3):
            litellm.completion(**claude(play))
            client.chat.completions.create(**body)
        await logged()
    found = [(r.integration, r.provider, r.usage and r.usage.total_tokens, r.parent_id) for r in meter.records()]
    assert found == [("litellm", "anthropic", 1370, None), ("openai", "openai", 150, None)] * 3


@pytest.mark.parametrize("model", MODELS)
async def test_a_call_that_fails_is_one_bill_and_leaves_nothing_open(model: str, wire: Wire, meter: Any) -> None:
    seen = []
    for metered in (False, True):
        if metered:
            meter.on()
        with wire.play([]) as play:
            with pytest.raises(litellm.NotFoundError) as caught:
                await litellm.acompletion(**MODELS[model][0](play))
            seen.append(str(caught.value))
            await logged()
    assert seen[0] == seen[1]
    (record,) = meter.records()
    assert (record.integration, record.status, record.usage) == (by(model), "error", None)
    assert current.get() is None


async def test_off_is_off(wire: Wire, meter: Any) -> None:
    meter.on()
    meter.on()
    assert [type(each).__name__ for each in litellm.callbacks].count("TollbookCallback") == 1
    meter.off()
    with wire.play("anthropic-messages-plain") as play:
        litellm.completion(**claude(play))
    assert "TollbookCallback" not in [type(each).__name__ for each in litellm.callbacks]
    assert _runtime.store().spans(limit=None) == []
