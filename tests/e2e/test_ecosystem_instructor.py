"""instructor: each request is one bill, with its retries for answers that do not fit; the host gets what it got."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from tests.ecosystem import QUESTION, one_bill_per_request
from tests.wire.clients import anthropic_client, openai_client
from tests.wire.seen import seen
from tests.wire.server import Play, Wire

instructor = pytest.importorskip("instructor")

pytestmark = [pytest.mark.boundary]

STRUCTURED = ("openai-chat-structured",)
MESSAGES = [{"role": "user", "content": QUESTION}]


class Greeting(BaseModel):
    greeting: str


class Picky(BaseModel):
    greeting: str

    @field_validator("greeting")
    @classmethod
    def _never(cls, value: str) -> str:
        raise ValueError("not polite enough")


class Sum(BaseModel):
    a: int | None = None
    b: int | None = None


Sum.__name__ = "add"  # the tool that the cassettes call


def asked(client: Any, kind: Any, **more: Any) -> dict[str, Any]:
    model = "claude-sonnet-4-6" if "nthropic" in type(client).__name__ else "gpt-4o"
    return {"model": model, "messages": MESSAGES, "response_model": kind, "max_retries": 0, **more}


async def test_an_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = closing.enter_context(openai_client(play, False))
        return seen(instructor.from_openai(client, mode=instructor.Mode.JSON).create(**asked(client, Greeting)))

    await one_bill_per_request(wire, meter, STRUCTURED, ask)


async def test_an_asynchronous_answer_is_one_bill(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = await closing.enter_async_context(openai_client(play, True))
        return seen(await instructor.from_openai(client, mode=instructor.Mode.JSON).create(**asked(client, Greeting)))

    await one_bill_per_request(wire, meter, STRUCTURED, ask)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_answer_of_claude_is_one_bill(asynchronous: bool, wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = anthropic_client(play, asynchronous)
        await closing.enter_async_context(client) if asynchronous else closing.enter_context(client)
        made = instructor.from_anthropic(client, mode=instructor.Mode.JSON)
        answer = made.create(**asked(client, Greeting, max_tokens=200))
        return seen(await answer if asynchronous else answer)

    await one_bill_per_request(wire, meter, ("anthropic-messages-structured",), ask)


async def test_an_answer_in_parts_is_one_bill(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = closing.enter_context(openai_client(play, False))
        parts = instructor.from_openai(client).create_partial(**asked(client, Sum))
        return [part.model_dump() for part in parts]

    (record,) = await one_bill_per_request(wire, meter, ("openai-chat-tools-stream",), ask)
    assert record.stream


async def test_an_answer_in_parts_is_one_bill_asynchronously(wire: Wire, meter: Any) -> None:
    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = await closing.enter_async_context(openai_client(play, True))
        parts = instructor.from_openai(client).create_partial(**asked(client, Sum))
        return [part.model_dump() async for part in parts]

    (record,) = await one_bill_per_request(wire, meter, ("openai-chat-tools-stream",), ask)
    assert record.stream


async def test_asking_again_for_an_answer_that_fits_is_a_bill_each(wire: Wire, meter: Any) -> None:
    def ask(play: Play, closing: AsyncExitStack) -> Any:
        client = closing.enter_context(openai_client(play, False))
        made = instructor.from_openai(client, mode=instructor.Mode.JSON)
        with pytest.raises(Exception) as caught:
            made.create(**asked(client, Picky, max_retries=2))
        return type(caught.value).__name__, str(caught.value)

    await one_bill_per_request(wire, meter, STRUCTURED * 3, ask)
