"""DSPy: what it asks through litellm and OpenAI's SDK is one bill per request; its own engine is not metered."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests import ecosystem
from tests.ecosystem import QUESTION, one_bill_per_request
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play, Wire

dspy = pytest.importorskip("dspy")

pytestmark = [pytest.mark.boundary, pytest.mark.filterwarnings("ignore")]


def model(play: Play, **more: Any) -> Any:
    url = play.url("api.openai.com", "/v1")
    asked = {"cache": False, "engine": "litellm", "num_retries": 0, "timeout": PATIENT, **more}
    return dspy.LM("openai/gpt-4o", api_base=url, api_key=KEY, **asked)


async def test_an_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        return str(model(play)(QUESTION))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask)


async def test_an_asynchronous_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return str(await model(play).acall(QUESTION))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, ask)


async def test_a_program_is_a_bill_per_request(wire: Wire, meter: Any) -> None:
    """The answer has not the fields that were asked for, so DSPy asks again in another way."""

    def ask(play: Play, closing: AsyncExitStack) -> Any:
        with dspy.context(lm=model(play)), pytest.raises(Exception) as caught:
            dspy.Predict("question -> answer: int")(question=QUESTION)
        return type(caught.value).__name__

    await one_bill_per_request(wire, meter, ecosystem.OPENAI * 2, ask)


async def test_an_answer_from_its_cache_is_no_bill(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play:
        asked = model(play, cache=True)
        assert str(asked(QUESTION)) == str(asked(QUESTION))
        assert len(play.requests) == len(meter.records()) == 1


async def test_what_its_own_engine_sends_is_not_metered(wire: Wire, meter: Any) -> None:
    """It is the default where it can do what is asked; docs/ecosystem.md says so."""
    meter.on()
    with wire.play("openai-chat-plain") as play:
        model(play, engine="auto")(QUESTION)
        assert len(play.requests) == 1
    assert meter.records() == []
