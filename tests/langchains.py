"""Programs made of LangChain and LangGraph, for tests: chat models of three kinds, and ways to use them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import START, MessagesState, StateGraph
from tests.wire.cassettes import Exchange, load
from tests.wire.server import Wire

ASK = "Count from one to five."


class Unpatched(BaseChatModel):
    """A model of a provider whose client nobody patches: only LangChain knows what it used."""

    usage: dict[str, Any] | None = {"input_tokens": 70, "output_tokens": 7, "total_tokens": 77}  # noqa: RUF012 - a field of pydantic's
    fails: int = 0
    """How many calls fail before the first that does not."""
    response_id: str | None = None
    asks: list[dict[str, Any]] = []  # noqa: RUF012
    """Arguments of the calls of tools that the answers ask for, one each."""

    @property
    def _llm_type(self) -> str:
        return "unpatched"

    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {"ls_provider": "google_genai", "ls_model_name": "gemini-2.5-flash", "ls_model_type": "chat"}

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        if self.fails:
            self.fails -= 1
            raise ConnectionError("it is not there")
        calls = [{"name": "add", "args": self.asks.pop(0), "id": f"call_{len(self.asks)}"}] if self.asks else []
        said = {"model_name": "gemini-2.5-flash", "finish_reason": "STOP", "id": self.response_id}
        message = AIMessage("One two", usage_metadata=self.usage, response_metadata=said, tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        for text in ("One ", "two ", "three "):
            yield ChatGenerationChunk(message=AIMessageChunk(text))
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=self.usage))


class Provider(NamedTuple):
    """A kind of chat model, with a server that answers it."""

    name: str
    integration: str
    """Who books it where all SDKs are patched."""
    input_tokens: int
    output_tokens: int
    open: Callable[[Wire], Any]
    """A context manager that yields the model."""


def parting(exchanges: list[Exchange]) -> list[Exchange]:
    """The exchanges, each on a connection of its own: LangChain keeps its HTTP clients, and never closes them."""
    return [exchange._replace(headers={**exchange.headers, "connection": "close"}) for exchange in exchanges]


@contextmanager
def chat_openai(wire: Wire, exchanges: list[Exchange] | None = None, **options: Any) -> Iterator[Any]:
    from langchain_openai import ChatOpenAI

    both = [*load("openai-chat-plain").exchanges, *load("openai-chat-stream").exchanges]
    with wire.play(parting(exchanges or both)) as play:
        given = {"model": "gpt-4o", "api_key": "not-a-key", "max_retries": 0, "stream_usage": True, **options}
        yield ChatOpenAI(base_url=play.url("api.openai.com", "/v1"), **given)


@contextmanager
def chat_anthropic(wire: Wire, exchanges: list[Exchange] | None = None, **options: Any) -> Iterator[Any]:
    from langchain_anthropic import ChatAnthropic

    both = [*load("anthropic-messages-plain").exchanges, *load("anthropic-messages-stream").exchanges]
    with wire.play(parting(exchanges or both)) as play:
        given = {"model": "claude-sonnet-4-6", "api_key": "not-a-key", "max_retries": 0, **options}
        yield ChatAnthropic(base_url=play.url("api.anthropic.com"), **given)


@contextmanager
def unpatched(wire: Wire) -> Iterator[Any]:
    yield Unpatched()


PROVIDERS = (
    Provider("openai", "openai", 120, 30, chat_openai),
    Provider("anthropic", "anthropic", 1320, 50, chat_anthropic),
    Provider("unpatched", "langchain", 70, 7, unpatched),
)


def direct(model: Any) -> Any:
    """The model itself."""
    return model


def chain(model: Any) -> Any:
    """A prompt, the model, a parser."""
    return ChatPromptTemplate.from_template("{text}") | model | StrOutputParser()


def graph(model: Any) -> Any:
    """A graph of one node, that calls the model as it is called itself."""
    prompt = ChatPromptTemplate.from_template("{text}")

    def answer(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def aanswer(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    from langchain_core.runnables import RunnableLambda

    node = RunnableLambda(answer, aanswer, name="answer")
    built = StateGraph(MessagesState).add_node("reply", node).add_edge(START, "reply").compile(name="counter")
    return prompt | (lambda value: {"messages": value.to_messages()}) | built


def agent(model: Any) -> Any:
    """An agent with a tool, which answers without it."""
    built = agent_of(model, name="adder")
    return ChatPromptTemplate.from_template("{text}") | (lambda value: {"messages": value.to_messages()}) | built


def agent_of(model: Any, **more: Any) -> Any:
    """The agent of LangChain 1.x, or that of LangGraph before it."""
    try:
        from langchain.agents import create_agent
    except ImportError:
        from langgraph.prebuilt import create_react_agent as create_agent
    return create_agent(model, [add], **more)


STACKS: dict[str, Callable[[Any], Any]] = {"direct": direct, "chain": chain, "graph": graph, "agent": agent}


def asked(stack: str) -> Any:
    """What a stack is asked."""
    return ASK if stack == "direct" else {"text": ASK}


async def everything(runnable: Any, ask: Any, config: Any) -> int:
    """Use a runnable in each way; the number of model calls."""
    runnable.invoke(ask, config)
    await runnable.ainvoke(ask, config)
    assert list(runnable.stream(ask, config))
    assert [part async for part in runnable.astream(ask, config)]
    runnable.batch([ask, ask], config)
    await runnable.abatch([ask, ask], config)
    return 8


async def drain(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


def tool_call(number: int, done: bool) -> Exchange:
    """An answer of OpenAI's that asks for a tool, or the last one, which does not."""
    exchange = load("openai-chat-plain").exchanges[0]
    answer = json.loads(json.dumps(exchange.answer))
    answer["id"] = f"chatcmpl-{number}"
    if not done:
        function = {"name": "add", "arguments": json.dumps({"a": number, "b": 1})}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        answer["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        answer["choices"][0]["finish_reason"] = "tool_calls"
    return exchange._replace(answer=answer)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
