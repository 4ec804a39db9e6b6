"""Workloads on the real SDKs, over a transport in memory, so that no network is in the figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import anthropic
import httpx2
import openai
from stub import CHAT

MESSAGES = [{"role": "user", "content": "Hello"}]
CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Done."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 20,
        "output_tokens": 50,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    },
}


class Body(httpx2.SyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces


def _events() -> list[bytes]:
    events = [{**CHUNK, "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}]}] * 198
    events.append({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({**CHUNK, "choices": [], "usage": CHAT["usage"]})
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]


BODIES = {
    "/v1/chat/completions": json.dumps({**CHAT, "created": 1}).encode(),
    "/v1/messages": json.dumps(MESSAGE).encode(),
    "/v1/embeddings": json.dumps(
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "index": n, "embedding": [0.0123] * 1536} for n in range(100)],
            "usage": {"prompt_tokens": 800, "total_tokens": 800},
        }
    ).encode(),
}
STREAM = _events()


def _answer(request: httpx2.Request) -> httpx2.Response:
    if b'"stream":true' in request.content.replace(b": ", b":"):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(STREAM))
    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=Body([BODIES[request.url.path]]))


def workloads() -> list[tuple[str, int, Callable[[], object]]]:
    """Name, repetitions per round, and one call."""
    http = httpx2.Client(transport=httpx2.MockTransport(_answer))
    one = openai.OpenAI(api_key="none", http_client=http)
    other = anthropic.Anthropic(api_key="none", http_client=http)
    asked = {"include_usage": True}
    return [
        ("openai chat", 1000, lambda: one.chat.completions.create(model="gpt-4o", messages=MESSAGES)),
        (
            "openai stream of 200 chunks",
            20,
            lambda: list(
                one.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, stream_options=asked)
            ),
        ),
        (
            "openai embeddings, 100 vectors",
            5,
            lambda: one.embeddings.create(model="text-embedding-3-small", input=["x"] * 100, encoding_format="float"),
        ),
        (
            "anthropic message",
            1000,
            lambda: other.messages.create(model="claude-sonnet-4-5", max_tokens=64, messages=MESSAGES),
        ),
    ]
