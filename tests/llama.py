"""LlamaIndex for tests: its models as clients of the wire server, and one of the tests' own that no SDK is behind.

Importing it needs LlamaIndex: `pytest.importorskip("llama_index.core")` comes before.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
from tests.wire.clients import KEY, PATIENT
from tests.wire.server import Play

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from llama_index.core.base.llms.generic_utils import chat_to_completion_decorator
    from llama_index.core.llms import ChatMessage, ChatResponse, CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
    from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.llms.anthropic import Anthropic
    from llama_index.llms.openai import OpenAI, OpenAIResponses

QUESTION = [ChatMessage(role="user", content="Count to five, please.")]


class Http(CustomLLM):
    """A provider that the program calls itself; the answers are those of OpenAI."""

    base_url: str = ""
    model: str = "openai/gpt-oss-20b"
    usage: bool = True
    """Whether the answers tell it."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model, is_chat_model=True)

    def _post(self, stream: bool) -> Iterator[dict[str, Any]]:
        body = {"model": self.model, "messages": [{"role": "user", "content": "..."}], "stream": stream}
        if stream and self.usage:
            body["stream_options"] = {"include_usage": True}
        url = f"{self.base_url}/chat/completions"
        with httpx.stream("POST", url, json=body, timeout=PATIENT) as answer:
            _ = stream or answer.read()
            answer.raise_for_status()
            if not stream:
                yield answer.json()
                return
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    def _without(self, raw: dict[str, Any]) -> dict[str, Any]:
        return raw if self.usage else {name: value for name, value in raw.items() if name != "usage"}

    @llm_chat_callback()
    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        (raw,) = self._post(stream=False)
        text = raw["choices"][0]["message"]["content"]
        return ChatResponse(message=ChatMessage(role="assistant", content=text), raw=self._without(raw))

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        def items() -> Iterator[ChatResponse]:
            text = ""
            for raw in self._post(stream=True):
                delta = (raw["choices"][0]["delta"].get("content") or "") if raw["choices"] else ""
                text += delta
                message = ChatMessage(role="assistant", content=text)
                yield ChatResponse(message=message, delta=delta, raw=self._without(raw))

        return items()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        def items() -> Iterator[CompletionResponse]:
            for answer in self.stream_chat(QUESTION):
                yield CompletionResponse(text=answer.message.content or "", delta=answer.delta, raw=answer.raw)

        return items()


ONCE: Any = {"default_headers": {"Connection": "close"}}
"""LlamaIndex never closes its asynchronous clients: a connection that is kept would outlive the loop it is of."""


def openai_llm(play: Play, **options: Any) -> OpenAI:
    """LlamaIndex' `OpenAI`."""
    url = play.url("api.openai.com", "/v1")
    return OpenAI(**{"model": "gpt-4o", "api_base": url, "api_key": KEY, "timeout": PATIENT, **ONCE, **options})


def responses_llm(play: Play) -> OpenAIResponses:
    """LlamaIndex' `OpenAIResponses`."""
    url = play.url("api.openai.com", "/v1")
    return OpenAIResponses(model="gpt-4o", api_base=url, api_key=KEY, timeout=PATIENT, **ONCE)


def anthropic_llm(play: Play) -> Anthropic:
    """LlamaIndex' `Anthropic`."""
    url = play.url("api.anthropic.com")
    return Anthropic(model="claude-sonnet-4-6", base_url=url, api_key=KEY, timeout=PATIENT, **ONCE)


def http_llm(play: Play, **options: Any) -> Http:
    """The tests' own."""
    return Http(base_url=play.url("api.groq.com", "/openai/v1"), **options)


def embeddings(play: Play) -> OpenAIEmbedding:
    """LlamaIndex' `OpenAIEmbedding`."""
    url = play.url("api.openai.com", "/v1")
    return OpenAIEmbedding(model="text-embedding-3-small", api_base=url, api_key=KEY, timeout=PATIENT, **ONCE)


class Asks(Workflow):
    """A workflow of one step that asks a model."""

    @step
    async def ask(self, event: StartEvent) -> StopEvent:
        """Ask it in the way that the start says."""
        return StopEvent(result=await ways(event.model)[event.way]())


def ways(model: Any) -> dict[str, Any]:
    """The ways of asking a model, each as a coroutine function."""

    async def sync() -> str:
        return model.chat(QUESTION).message.content

    async def asynchronous() -> str:
        return (await model.achat(QUESTION)).message.content

    async def stream() -> str:
        return "".join(item.delta or "" for item in model.stream_chat(QUESTION))

    async def asynchronous_stream() -> str:
        return "".join([item.delta or "" async for item in await model.astream_chat(QUESTION)])

    async def complete() -> str:
        return model.complete("Count to five, please.").text

    async def asynchronous_complete() -> str:
        return (await model.acomplete("Count to five, please.")).text

    async def stream_complete() -> str:
        return "".join(item.delta or "" for item in model.stream_complete("Count to five, please."))

    async def asynchronous_stream_complete() -> str:
        return "".join([item.delta or "" async for item in await model.astream_complete("Count to five, please.")])

    return {
        "chat": sync,
        "achat": asynchronous,
        "stream_chat": stream,
        "astream_chat": asynchronous_stream,
        "complete": complete,
        "acomplete": asynchronous_complete,
        "stream_complete": stream_complete,
        "astream_complete": asynchronous_stream_complete,
    }


WAYS = tuple(ways(None))
