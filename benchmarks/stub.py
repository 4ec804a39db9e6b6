"""An SDK without weight: the three methods of a Stainless client, and nothing between them.

What a meter adds to a real SDK drowns in the noise of that SDK's own 400 to 600 microseconds. Here the bare call costs
about one, so that the difference is the meter.
"""

from __future__ import annotations

import sys
import types
from typing import Any

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Done."}}],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 20,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
}

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": f"get_{what}",
            "description": f"What the {what} is like in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Its name"}},
                "required": ["city"],
            },
        },
    }
    for what in ("weather", "traffic", "air", "food", "water", "music", "light", "noise", "people", "price")
]


def steps(number: int) -> list[dict[str, Any]]:
    """The messages of an agent that has used a tool so many times."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather like in Oslo?"}]
    for step in range(number):
        call = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{step}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{step}", "content": "Sunny, 21 degrees, a light wind. " * 5},
        ]
    return messages


def copied(value: Any) -> Any:
    """A copy of JSON, which shares its texts, as SDKs make one of each request."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


class URL:
    host = "api.openai.com"


class Response:
    is_closed = True

    def __init__(self) -> None:
        self.extensions: dict[str, Any] = {}
        self.headers = {"content-type": "application/json"}

    def close(self) -> None:
        self.is_closed = True


class Options:
    method = "post"
    headers = None
    extra_json = None

    def __init__(self, url: str, json_data: dict[str, Any]) -> None:
        self.url = url
        self.json_data = json_data


class BaseClient:
    def __init__(self) -> None:
        self.base_url = URL()

    def _process_response_data(self, *, data: object, cast_to: type, response: Response) -> object:
        return data


class SyncAPIClient(BaseClient):
    def request(self, cast_to: type, options: Options, *, stream: bool = False, stream_cls: Any = None) -> Any:
        return self._process_response(
            cast_to=cast_to, options=options, response=Response(), stream=stream, stream_cls=stream_cls, retries_taken=0
        )

    def _process_response(
        self, *, cast_to: type, options: Options, response: Response, stream: bool, stream_cls: Any, retries_taken: int
    ) -> Any:
        return self._process_response_data(data=CHAT, cast_to=cast_to, response=response)


class AsyncAPIClient(BaseClient):
    async def request(self, cast_to: type, options: Options, *, stream: bool = False, stream_cls: Any = None) -> Any:
        return await self._process_response(
            cast_to=cast_to, options=options, response=Response(), stream=stream, stream_cls=stream_cls, retries_taken=0
        )

    async def _process_response(self, **kwargs: Any) -> Any:
        return self._process_response_data(data=CHAT, cast_to=dict, response=kwargs["response"])


class Stream:
    def __stream__(self) -> Any:
        yield from ()


class AsyncStream:
    async def __stream__(self) -> Any:
        return
        yield


def install() -> None:
    """Make this module importable as the SDK `stub_sdk`."""
    package = types.ModuleType("stub_sdk")
    base = types.ModuleType("stub_sdk._base_client")
    streaming = types.ModuleType("stub_sdk._streaming")
    for cls in (BaseClient, SyncAPIClient, AsyncAPIClient):
        setattr(base, cls.__name__, cls)
    for cls in (Stream, AsyncStream):
        setattr(streaming, cls.__name__, cls)
    sys.modules.update({"stub_sdk": package, "stub_sdk._base_client": base, "stub_sdk._streaming": streaming})
