"""Every way of calling the OpenAI SDK (2.x and 3.x)."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from tests.wire.cassettes import load
from tests.wire.clients import (
    azure_client,
    openai_at,
    openai_client,
    openai_module,
    openai_subclass,
    openai_with,
)
from tests.wire.scenarios import Delivery, Scenario, scenario
from tests.wire.seen import seen
from tests.wire.styles import Call, Style

PNG = base64.b64decode(load("openai-images-generate").exchanges[0].answer["data"][0]["b64_json"])
ONCE = openai_with(max_retries=0)
HASTY = openai_with(max_retries=0, timeout=0.3)
CUT = {"input_tokens": "estimated", "output_tokens": "estimated", "cost_usd": None, "shows_usage": False, "details": {}}
"""What a chat's stream leaves that ended early: the provider's usage comes last."""


class Greeting(BaseModel):
    """What structured answers hold."""

    greeting: str


def chat(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.create(**body)


def chat_with_usage(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.create(**body, stream_options={"include_usage": True})


def chat_parse(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.parse(**body, response_format=Greeting)


def chat_helper(client: Any, body: dict[str, Any]) -> Any:
    del body["stream"]
    return client.chat.completions.stream(**body)


def chat_helper_with_usage(client: Any, body: dict[str, Any]) -> Any:
    del body["stream"]
    return client.chat.completions.stream(**body, stream_options={"include_usage": True})


def chat_raw(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.with_raw_response.create(**body)


def chat_streaming(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.with_streaming_response.create(**body)


def chat_streaming_with_usage(client: Any, body: dict[str, Any]) -> Any:
    return client.chat.completions.with_streaming_response.create(**body, stream_options={"include_usage": True})


def chat_post(client: Any, body: dict[str, Any]) -> Any:
    return client.post("/chat/completions", body=body, cast_to=ChatCompletion)


def responses(client: Any, body: dict[str, Any]) -> Any:
    return client.responses.create(**body)


def responses_helper(client: Any, body: dict[str, Any]) -> Any:
    del body["stream"]
    return client.responses.stream(**body)


def itself(client: Any, body: dict[str, Any]) -> Any:
    return client, body


# ---- hosts that make more than one call ----------------------------------------------------------------------


def _pair(call: Call) -> Any:
    client, _ = call()
    bodies = [exchange.body for exchange in load("openai-chat-seed-pair").exchanges]
    return [seen(client.chat.completions.create(**body)) for body in bodies]


async def _apair(call: Call) -> Any:
    client, _ = call()
    bodies = [exchange.body for exchange in load("openai-chat-seed-pair").exchanges]
    return [seen(await client.chat.completions.create(**body)) for body in bodies]


def _threads(call: Call) -> Any:
    with ThreadPoolExecutor(4) as pool:
        return [seen(found) for found in pool.map(lambda _: call(), range(4))]


async def _gather(call: Call) -> Any:
    return [seen(found) for found in await asyncio.gather(*(call() for _ in range(4)))]


def _poll(call: Call) -> Any:
    client, body = call()
    first = client.responses.create(**body)
    return [seen(first), *(seen(client.responses.retrieve(first.id)) for _ in range(3))]


async def _apoll(call: Call) -> Any:
    client, body = call()
    first = await client.responses.create(**body)
    return [seen(first), *[seen(await client.responses.retrieve(first.id)) for _ in range(3)]]


def _binary(call: Call) -> Any:
    return call().read()


async def _abinary(call: Call) -> Any:
    return (await call()).read()


OPENAI = openai_client
STREAM = "openai-chat-stream"
HELD = Delivery(hold=5)

SCENARIOS: list[Scenario] = [
    # chat, whole
    *scenario("openai-create", "openai-chat-plain", OPENAI, chat),
    *scenario("openai-create-gzip", "openai-chat-plain", OPENAI, chat, delivery=Delivery(gzip=True)),
    *scenario("openai-seed-pair", "openai-chat-seed-pair", OPENAI, itself, Style(_pair, _apair)),
    *scenario("openai-concurrent", "openai-chat-plain", OPENAI, chat, Style(_threads, _gather), times=4),
    *scenario("openai-reasoning", "openai-chat-reasoning", OPENAI, chat),
    *scenario("openai-tools", "openai-chat-tools", OPENAI, chat),
    *scenario("openai-refusal", "openai-chat-refusal", OPENAI, chat),
    *scenario("openai-parse", "openai-chat-structured", OPENAI, chat_parse),
    *scenario("openai-parse-cut-by-length", "openai-chat-length", OPENAI, chat_parse),
    *scenario("openai-post", "openai-chat-plain", OPENAI, chat_post),
    *scenario("openai-copy", "openai-chat-plain", OPENAI, lambda c, b: chat(c.copy(timeout=9), b)),
    *scenario("openai-with-options", "openai-chat-plain", OPENAI, lambda c, b: chat(c.with_options(max_retries=1), b)),
    *scenario("openai-subclass", "openai-chat-plain", openai_subclass, chat),
    *scenario("openai-module", "openai-chat-plain", openai_module, chat, modes=("sync",)),
    *scenario("azure-create", "azure-chat-plain", azure_client, chat),
    # chat, streamed
    *scenario("openai-stream", STREAM, OPENAI, chat, "stream", shows_usage=False),
    *scenario("openai-stream-with-usage", STREAM, OPENAI, chat_with_usage, "stream"),
    *scenario("openai-stream-in-with", STREAM, OPENAI, chat_with_usage, "stream-with"),
    *scenario("openai-stream-gzip", STREAM, OPENAI, chat_with_usage, "stream", delivery=Delivery(gzip=True)),
    *scenario("openai-stream-odd-chunks", STREAM, OPENAI, chat_with_usage, "stream",
              delivery=Delivery(chunks="odd", newline="\r\n", pause=0.001)),
    *scenario("openai-stream-one-chunk", STREAM, OPENAI, chat, "stream", delivery=Delivery(chunks="one"),
              shows_usage=False),
    *scenario("openai-tools-stream", "openai-chat-tools-stream", OPENAI, chat_with_usage, "stream"),
    *scenario("openai-helper", STREAM, OPENAI, chat_helper, "helper", shows_usage=False),
    *scenario("openai-helper-with-usage", STREAM, OPENAI, chat_helper_with_usage, "helper"),
    *scenario("openai-helper-final-only", STREAM, OPENAI, chat_helper, "helper-final", shows_usage=False),
    *scenario("azure-stream", "azure-chat-stream", azure_client, chat, "stream"),
    *scenario("deepseek-stream", "deepseek-chat-stream", openai_at("api.deepseek.com"), chat, "stream"),
    *scenario("groq-stream", "groq-chat-stream", openai_at("api.groq.com", "/openai/v1"), chat, "stream"),
    # chat, streams that end early
    *scenario("openai-stream-closed", STREAM, OPENAI, chat, "close", delivery=HELD, status="abandoned", **CUT),
    *scenario("openai-stream-broken", STREAM, OPENAI, chat, "break", delivery=HELD, status="abandoned", **CUT),
    *scenario("openai-stream-dropped", STREAM, OPENAI, chat, "drop", delivery=HELD, status="abandoned", **CUT),
    *scenario("openai-stream-cancelled", STREAM, OPENAI, chat, "cancel", delivery=Delivery(hold=3), modes=("async",),
              status="cancelled", **CUT),
    *scenario("openai-helper-broken", STREAM, OPENAI, chat_helper, "helper-break", delivery=HELD,
              status="abandoned", **CUT),
    *scenario("openai-stream-timeout", STREAM, HASTY, chat, "stream", delivery=Delivery(hold=3), status="timeout",
              **CUT),
    *scenario("openai-stream-disconnected", STREAM, ONCE, chat, "stream", delivery=Delivery(drop=4), status="error",
              **CUT),
    *scenario("openai-stream-error", "openai-chat-stream-error", ONCE, chat, "stream", status="error", **CUT),
    # raw and streaming responses
    *scenario("openai-raw", "openai-chat-plain", OPENAI, chat_raw, "raw"),
    *scenario("openai-raw-unparsed", "openai-chat-plain", OPENAI, chat_raw, "raw-unparsed", shows_usage=False),
    *scenario("openai-raw-stream", STREAM, OPENAI, chat_raw, "raw-stream", shows_usage=False),
    *scenario("openai-streaming-parse", "openai-chat-plain", OPENAI, chat_streaming, "streaming-parse"),
    *scenario("openai-streaming-text", "openai-chat-plain", OPENAI, chat_streaming, "streaming-text"),
    *scenario("openai-streaming-lines", "openai-chat-plain", OPENAI, chat_streaming, "streaming-lines"),
    *scenario("openai-streaming-bytes", "openai-chat-plain", OPENAI, chat_streaming, "streaming-bytes"),
    *scenario("openai-streaming-lines-of-stream", STREAM, OPENAI, chat_streaming_with_usage, "streaming-lines"),
    *scenario("openai-streaming-bytes-of-stream", STREAM, OPENAI, chat_streaming_with_usage, "streaming-bytes",
              delivery=Delivery(chunks="odd", gzip=True)),
    *scenario("openai-streaming-lines-without-usage", STREAM, OPENAI, chat_streaming, "streaming-lines", **CUT),
    *scenario("openai-streaming-unread", STREAM, OPENAI, chat_streaming, "streaming-unread", delivery=HELD,
              status="abandoned", model=None, **CUT),
    *scenario("openai-streaming-parse-of-stream", STREAM, OPENAI, chat_streaming_with_usage, "streaming-parse-stream"),
    # responses
    *scenario("openai-responses", "openai-responses-plain", OPENAI, responses),
    *scenario("openai-responses-stream", "openai-responses-stream", OPENAI, responses, "stream"),
    *scenario("openai-responses-helper", "openai-responses-stream", OPENAI, responses_helper, "helper"),
    *scenario("openai-responses-parse", "openai-responses-structured", OPENAI,
              lambda c, b: c.responses.parse(**b, text_format=Greeting)),
    *scenario("openai-responses-web-search", "openai-responses-web-search", OPENAI, responses),
    *scenario("openai-responses-tools", "openai-responses-tools", OPENAI, responses),
    *scenario("openai-responses-background", "openai-responses-background", OPENAI, itself, Style(_poll, _apoll)),
    *scenario("openai-responses-incomplete", "openai-responses-incomplete", OPENAI, responses),
    *scenario("openai-responses-stream-incomplete", "openai-responses-stream-incomplete", OPENAI, responses, "stream"),
    *scenario("openai-responses-stream-failed", "openai-responses-stream-failed", OPENAI, responses, "stream"),
    *scenario("openai-responses-stream-closed", "openai-responses-stream", OPENAI, responses, "close",
              delivery=Delivery(hold=6), status="abandoned", **CUT),
    *scenario("openai-responses-raw", "openai-responses-plain", OPENAI,
              lambda c, b: c.responses.with_raw_response.create(**b), "raw"),
    # other endpoints
    *scenario("openai-embeddings", "openai-embeddings", OPENAI, lambda c, b: c.embeddings.create(**b)),
    *scenario("openai-images-generate", "openai-images-generate", OPENAI, lambda c, b: c.images.generate(**b)),
    *scenario("openai-images-edit", "openai-images-edit", OPENAI,
              lambda c, b: c.images.edit(**b, image=("circle.png", PNG, "image/png"))),
    *scenario("openai-images-stream", "openai-images-stream", OPENAI, lambda c, b: c.images.generate(**b), "stream"),
    *scenario("openai-transcription-tokens", "openai-transcription-tokens", OPENAI,
              lambda c, b: c.audio.transcriptions.create(**b, file=("voice.wav", b"RIFF", "audio/wav"))),
    *scenario("openai-transcription-duration", "openai-transcription-duration", OPENAI,
              lambda c, b: c.audio.transcriptions.create(**b, file=("voice.wav", b"RIFF", "audio/wav"))),
    *scenario("openai-speech", "openai-speech", OPENAI, lambda c, b: c.audio.speech.create(**b),
              Style(_binary, _abinary), shows_usage=False),
    *scenario("openai-speech-streaming", "openai-speech", OPENAI,
              lambda c, b: c.audio.speech.with_streaming_response.create(**b), "streaming-bytes", shows_usage=False),
    *scenario("openai-completions", "openai-completions", OPENAI, lambda c, b: c.completions.create(**b)),
    *scenario("openai-moderations", "openai-moderations", OPENAI, lambda c, b: c.moderations.create(**b)),
    # failures
    *scenario("openai-429-then-200", "openai-chat-429-then-200", OPENAI, chat),
    *scenario("openai-400", "openai-chat-400", OPENAI, chat, shows_usage=False),
    *scenario("openai-401", "openai-chat-401", OPENAI, chat, shows_usage=False),
    *scenario("openai-404", "openai-chat-404", OPENAI, chat, shows_usage=False),
    *scenario("openai-429", "openai-chat-429", OPENAI, chat, shows_usage=False),
    *scenario("openai-500", "openai-chat-500", ONCE, chat, shows_usage=False),
    *scenario("openai-timeout", "openai-chat-plain", HASTY, chat, delivery=Delivery(hold=0), shows_usage=False,
              status="timeout", model=None, input_tokens=None, output_tokens=None, cost_usd=None, details={}),
    *scenario("openai-disconnected", "openai-chat-plain", ONCE, chat, delivery=Delivery(drop=0), shows_usage=False,
              status="error", model=None, input_tokens=None, output_tokens=None, cost_usd=None, details={}),
]  # fmt: skip
