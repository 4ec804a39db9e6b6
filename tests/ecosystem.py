"""What the tests of other packages share: each is asked twice, without metering and with it, and compared."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from collections.abc import Callable
from typing import Any

from tests.wire.cassettes import Exchange, load
from tests.wire.clients import openai_client
from tests.wire.server import Play, Wire

from tollbook import _guard
from tollbook.spans import Record

# Read when these packages are imported: they are not to look for news on the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")

QUESTION = "Count from one to five, please."
TASK = "Add two and three."

OPENAI, OPENAI_STREAM = ("openai-chat-plain",), ("openai-chat-stream",)
RESPONSES, RESPONSES_STREAM = ("openai-responses-plain",), ("openai-responses-stream",)
ANTHROPIC, ANTHROPIC_STREAM = ("anthropic-messages-plain",), ("anthropic-messages-stream",)
TOOLS = ("openai-chat-tools", "openai-chat-plain")
"""A tool is called, then comes the answer: two calls."""
RESPONSES_TOOLS = ("openai-responses-tools", "openai-responses-plain")
ANTHROPIC_TOOLS = ("anthropic-tool-loop",)


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: One.
        b: The other.
    """
    return a + b


COUNTING = Exchange(
    "POST",
    "/v1/responses/input_tokens",
    {},
    200,
    {"content-type": "application/json"},
    {"object": "response.input_tokens", "input_tokens": 120},
    None,
)
"""OpenAI's count of what a request would send, which is free."""


async def one_bill_per_request(
    wire: Wire,
    meter: Any,
    cassettes: tuple[str, ...],
    ask: Callable[[Play, contextlib.AsyncExitStack], Any],
    free: tuple[Exchange, ...] = (),
) -> list[Record]:
    """Ask without metering and with it; the bills, of which there is one per request, as the cassettes have them.

    Args:
        wire: Answers with `cassettes`, in their order.
        meter: Is off, and on when this returns.
        cassettes: Their names.
        ask: Does what the test is about with all clients at the play's address, and has them closed by the stack; its
            result, which is awaited if it can be, is what the host sees.
        free: What may be asked beside, and costs nothing.
    """
    exchanges = [exchange for name in cassettes for exchange in load(name).exchanges]
    seen, requests = [], []
    failures = dict(_guard.failures)
    for metered in (False, True):
        if metered:
            meter.on()
        with wire.play([*exchanges, *free]) as play:
            async with contextlib.AsyncExitStack() as closing:
                result = ask(play, closing)
                seen.append(await result if inspect.isawaitable(result) else result)
            requests.append([(request.method, request.path) for request in play.requests])
            assert [(stray.method, stray.path) for stray in play.strays] == []
    assert seen[0] == seen[1]
    assert seen[0], "the host saw something"
    assert requests[0] == requests[1]
    assert _guard.failures == failures
    records: list[Record] = meter.records()
    assert [said(record) for record in records] == [entry(e) for name in cassettes for e in load(name).records]
    gratis = {(exchange.method, exchange.path) for exchange in free}
    assert len(records) == len([request for request in requests[1] if request not in gratis])
    return records


def said(record: Record) -> tuple[Any, ...]:
    """Who answered, with how many tokens, at which cost in USD."""
    assert record.usage is not None
    assert record.cost is not None
    assert record.cost.total_usd is not None
    used = record.usage
    assert used.source == "reported"
    tokens = used.input_tokens, used.output_tokens, used.quantities.get("input_cache_read", 0)
    return record.provider, record.response_model, tokens, f"{record.cost.total_usd.normalize():f}"


def entry(expected: dict[str, Any]) -> tuple[Any, ...]:
    """The same, as a cassette says it."""
    tokens = expected["input_tokens"], expected["output_tokens"], expected.get("cache_read_tokens", 0)
    return expected["provider"], expected["model"], tokens, expected["cost_usd"]


async def in_a_script(play: Play, run: Callable[[Any], Any]) -> Any:
    """What `run` makes of an asynchronous client in a thread that is like a script: no loop runs there."""

    def script() -> Any:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        client = openai_client(play, True)
        try:
            result = run(client)
            loop.run_until_complete(client.close())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        return result

    return await asyncio.to_thread(script)
