"""Every way of calling the Anthropic SDK (0.125, 1.x and 2.x)."""

from __future__ import annotations

from typing import Any

import anthropic
from pydantic import BaseModel
from tests.wire.clients import anthropic_client, anthropic_with, bedrock_client, foundry_client, vertex_client
from tests.wire.scenarios import Delivery, Scenario, scenario
from tests.wire.seen import seen
from tests.wire.styles import Call, Style, areading, reading

ONCE = anthropic_with(max_retries=0)
HASTY = anthropic_with(max_retries=0, timeout=0.3)
CUT = {"output_tokens": "estimated", "cost_usd": None, "shows_usage": False}
"""What a stream leaves that ended early: its start said what was sent."""


class Greeting(BaseModel):
    """What structured answers hold."""

    greeting: str


def messages(client: Any, body: dict[str, Any]) -> Any:
    return client.messages.create(**body)


def helper(client: Any, body: dict[str, Any]) -> Any:
    del body["stream"]
    return client.messages.stream(**body)


def raw(client: Any, body: dict[str, Any]) -> Any:
    return client.messages.with_raw_response.create(**body)


def streaming(client: Any, body: dict[str, Any]) -> Any:
    return client.messages.with_streaming_response.create(**body)


def beta(client: Any, body: dict[str, Any]) -> Any:
    return client.beta.messages.create(**body)


def beta_helper(client: Any, body: dict[str, Any]) -> Any:
    del body["stream"]
    return client.beta.messages.stream(**body)


# ---- hosts of their own kind ---------------------------------------------------------------------------------


def _events(response: Any) -> Any:
    return [(event.event, event.data) for event in anthropic.Stream.raw_events(response.http_response)]


async def _aevents(response: Any) -> Any:
    return [(event.event, event.data) async for event in anthropic.AsyncStream.raw_events(response.http_response)]


def _results(call: Call) -> Any:
    return [seen(entry) for entry in call()]


async def _aresults(call: Call) -> Any:
    return [seen(entry) async for entry in await call()]


def _runner(call: Call) -> Any:
    client, body = call()

    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    return [seen(message) for message in client.beta.messages.tool_runner(**body, tools=[add])]


async def _arunner(call: Call) -> Any:
    client, body = call()

    @anthropic.beta_async_tool
    async def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    return [seen(message) async for message in client.beta.messages.tool_runner(**body, tools=[add])]


CLAUDE = anthropic_client
PLAIN = "anthropic-messages-plain"
STREAM = "anthropic-messages-stream"
HELD = Delivery(hold=6)
ON_BEDROCK = {
    "provider": "aws.bedrock",
    "body": {"model": "global.anthropic.claude-sonnet-4-6"},
}
ON_VERTEX = {"provider": "gcp.vertex_ai", "body": {"model": "claude-sonnet-4-6@default"}}
ON_FOUNDRY = {"provider": "azure.ai.inference", "cost_usd": None}

SCENARIOS: list[Scenario] = [
    *scenario("anthropic-create", PLAIN, CLAUDE, messages),
    *scenario("anthropic-create-gzip", PLAIN, CLAUDE, messages, delivery=Delivery(gzip=True)),
    *scenario("anthropic-parse", "anthropic-messages-structured", CLAUDE,
              lambda c, b: c.messages.parse(**b, output_format=Greeting)),
    *scenario("anthropic-thinking", "anthropic-messages-thinking", CLAUDE, messages),
    *scenario("anthropic-refusal", "anthropic-messages-refusal", CLAUDE, messages),
    *scenario("anthropic-copy", PLAIN, CLAUDE, lambda c, b: messages(c.copy(timeout=9), b)),
    *scenario("anthropic-post", PLAIN, CLAUDE,
              lambda c, b: c.post("/v1/messages", body=b, cast_to=anthropic.types.Message)),
    # streams
    *scenario("anthropic-stream", STREAM, CLAUDE, messages, "stream"),
    *scenario("anthropic-stream-in-with", STREAM, CLAUDE, messages, "stream-with"),
    *scenario("anthropic-stream-gzip", STREAM, CLAUDE, messages, "stream", delivery=Delivery(gzip=True)),
    *scenario("anthropic-stream-odd-chunks", STREAM, CLAUDE, messages, "stream",
              delivery=Delivery(chunks="odd", newline="\r\n", pause=0.001)),
    *scenario("anthropic-web-search-stream", "anthropic-messages-web-search-stream", CLAUDE, messages, "stream"),
    *scenario("anthropic-helper", STREAM, CLAUDE, helper, "helper"),
    *scenario("anthropic-helper-text", STREAM, CLAUDE, helper, "text-stream", shows_usage=False),
    *scenario("anthropic-helper-final-only", STREAM, CLAUDE, helper, "helper-final"),
    # streams that end early
    *scenario("anthropic-stream-closed", STREAM, CLAUDE, messages, "close", delivery=HELD, status="abandoned", **CUT),
    *scenario("anthropic-stream-broken", STREAM, CLAUDE, messages, "break", delivery=HELD, status="abandoned", **CUT),
    *scenario("anthropic-stream-dropped", STREAM, CLAUDE, messages, "drop", delivery=HELD, status="abandoned", **CUT),
    *scenario("anthropic-stream-cancelled", STREAM, CLAUDE, messages, "cancel", delivery=Delivery(hold=4),
              modes=("async",), status="cancelled", **CUT),
    *scenario("anthropic-helper-broken", STREAM, CLAUDE, helper, "helper-break", delivery=HELD, status="abandoned",
              **CUT),
    *scenario("anthropic-stream-timeout", STREAM, HASTY, messages, "stream", delivery=Delivery(hold=5),
              status="timeout", **CUT),
    *scenario("anthropic-stream-disconnected", STREAM, ONCE, messages, "stream", delivery=Delivery(drop=5),
              status="error", **CUT),
    *scenario("anthropic-stream-error", "anthropic-messages-stream-error", ONCE, messages, "stream", status="error",
              **CUT),
    # raw and streaming responses
    *scenario("anthropic-raw", PLAIN, CLAUDE, raw, "raw"),
    *scenario("anthropic-raw-unparsed", PLAIN, CLAUDE, raw, "raw-unparsed", shows_usage=False),
    *scenario("anthropic-raw-stream", STREAM, CLAUDE, raw, "raw-stream"),
    *scenario("anthropic-streaming-parse", PLAIN, CLAUDE, streaming, "streaming-parse"),
    *scenario("anthropic-streaming-lines", PLAIN, CLAUDE, streaming, "streaming-lines"),
    *scenario("anthropic-streaming-lines-of-stream", STREAM, CLAUDE, streaming, "streaming-lines"),
    *scenario("anthropic-streaming-bytes-of-stream", STREAM, CLAUDE, streaming, "streaming-bytes",
              delivery=Delivery(chunks="odd", gzip=True)),
    *scenario("anthropic-streaming-unread", STREAM, CLAUDE, streaming, "streaming-unread", delivery=HELD,
              status="abandoned", model=None, input_tokens="estimated", details={}, **CUT),
    *scenario("anthropic-raw-events", STREAM, CLAUDE, streaming, Style(reading(_events), areading(_aevents))),
    # beta
    *scenario("anthropic-beta", PLAIN, CLAUDE, beta),
    *scenario("anthropic-beta-stream", STREAM, CLAUDE, beta, "stream"),
    *scenario("anthropic-beta-helper", STREAM, CLAUDE, beta_helper, "helper"),
    *scenario("anthropic-beta-compaction", "anthropic-beta-compaction", CLAUDE, beta),
    *scenario("anthropic-beta-advisor", "anthropic-beta-advisor", CLAUDE, beta),
    *scenario("anthropic-tool-runner", "anthropic-tool-loop", CLAUDE, lambda c, b: (c, b), Style(_runner, _arunner)),
    # other endpoints
    *scenario("anthropic-count-tokens", "anthropic-count-tokens", CLAUDE,
              lambda c, b: c.messages.count_tokens(**b)),
    *scenario("anthropic-batch-results", "anthropic-batches-results", CLAUDE,
              lambda c, b: c.messages.batches.results("msgbatch_1"), Style(_results, _aresults)),
    # other hosts
    *scenario("bedrock-create", PLAIN, bedrock_client, messages, **ON_BEDROCK),
    *scenario("bedrock-stream", STREAM, bedrock_client, messages, "stream", **ON_BEDROCK),
    *scenario("bedrock-stream-odd-chunks", STREAM, bedrock_client, messages, "stream",
              delivery=Delivery(chunks="odd", pause=0.001), **ON_BEDROCK),
    *scenario("bedrock-beta", PLAIN, bedrock_client, beta, **ON_BEDROCK),
    *scenario("vertex-create", PLAIN, vertex_client, messages, **ON_VERTEX),
    *scenario("vertex-stream", STREAM, vertex_client, messages, "stream", **ON_VERTEX),
    *scenario("vertex-beta", PLAIN, vertex_client, beta, **ON_VERTEX),
    *scenario("foundry-create", PLAIN, foundry_client, messages, **ON_FOUNDRY),
    *scenario("foundry-stream", STREAM, foundry_client, messages, "stream", **ON_FOUNDRY),
    # failures
    *scenario("anthropic-429-then-200", "anthropic-messages-429-then-200", CLAUDE, messages),
    *scenario("anthropic-400", "anthropic-messages-400", CLAUDE, messages, shows_usage=False),
    *scenario("anthropic-401", "anthropic-messages-401", CLAUDE, messages, shows_usage=False),
    *scenario("anthropic-429", "anthropic-messages-429", ONCE, messages, shows_usage=False),
    *scenario("anthropic-500", "anthropic-messages-500", ONCE, messages, shows_usage=False),
    *scenario("anthropic-529", "anthropic-messages-529", ONCE, messages, shows_usage=False),
    *scenario("anthropic-timeout", PLAIN, HASTY, messages, delivery=Delivery(hold=0), shows_usage=False,
              status="timeout", model=None, input_tokens=None, output_tokens=None, cost_usd=None, details={}),
    *scenario("anthropic-disconnected", PLAIN, ONCE, messages, delivery=Delivery(drop=0), shows_usage=False,
              status="error", model=None, input_tokens=None, output_tokens=None, cost_usd=None, details={}),
]  # fmt: skip
