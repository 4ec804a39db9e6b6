"""openai-agents: each request of a run is one bill, sync, async and streamed, and the host gets what it got."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from contextlib import AsyncExitStack
from typing import Any

import openai
import pytest

pytest.importorskip("agents.tracing", reason="openai-agents is not installed")

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    tracing,
)
from tests import ecosystem
from tests.ecosystem import QUESTION, TASK, in_a_script, one_bill_per_request
from tests.wire.cassettes import load
from tests.wire.clients import openai_client
from tests.wire.server import Play, Wire

from tollbook import _runtime
from tollbook.spans import current
from tollbook_integrations import openai_agents

pytestmark = [pytest.mark.boundary]


async def chat(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIChatCompletionsModel("gpt-4o", client)


async def responses(play: Play, closing: AsyncExitStack) -> Any:
    client = await closing.enter_async_context(openai_client(play, True))
    return OpenAIResponsesModel("gpt-4o", client)


MODELS = {
    "chat": (chat, ecosystem.OPENAI, ecosystem.OPENAI_STREAM, ecosystem.TOOLS),
    "responses": (responses, ecosystem.RESPONSES, ecosystem.RESPONSES_STREAM, ecosystem.RESPONSES_TOOLS),
}


def counter(model: Any, **more: Any) -> Agent[None]:
    return Agent(name="counter", model=model, **more)


def shown(result: Any) -> Any:
    """What a host reads of a run."""
    used = result.context_wrapper.usage
    items = [type(item).__name__ for item in result.new_items]
    return result.final_output, items, used.requests, used.input_tokens, used.output_tokens


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, cassettes, _, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        return shown(await Runner.run(counter(await make(play, closing)), QUESTION))

    await one_bill_per_request(wire, meter, cassettes, ask)


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_is_one_bill(model: str, wire: Wire, meter: Any) -> None:
    make, _, cassettes, _ = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        result = Runner.run_streamed(counter(await make(play, closing)), QUESTION)
        events = [event async for event in result.stream_events()]
        return [(event.type, getattr(getattr(event, "data", None), "type", "")) for event in events], shown(result)

    (record,) = await one_bill_per_request(wire, meter, cassettes, ask)
    assert record.stream


@pytest.mark.parametrize("model", MODELS)
async def test_an_agent_that_uses_a_tool_is_a_bill_per_turn(model: str, wire: Wire, meter: Any) -> None:
    make, _, _, cassettes = MODELS[model]

    async def ask(play: Play, closing: AsyncExitStack) -> Any:
        agent = counter(await make(play, closing), tools=[function_tool(ecosystem.add)])
        return shown(await Runner.run(agent, TASK))

    await one_bill_per_request(wire, meter, cassettes, ask)


async def test_the_synchronous_way_is_one_bill(wire: Wire, meter: Any) -> None:
    def run(client: Any) -> Any:
        return shown(Runner.run_sync(counter(OpenAIChatCompletionsModel("gpt-4o", client)), QUESTION))

    await one_bill_per_request(wire, meter, ecosystem.OPENAI, lambda play, _: in_a_script(play, run))


# ---- structure -----------------------------------------------------------------------------------------------------


def tree() -> list[tuple[str, str, str | None, bool]]:
    """Kind, name, parent's name and whether it bills, of each record in order of its start."""
    records = sorted(_runtime.store().spans(limit=None), key=lambda record: record.start)
    assert len({record.trace_id for record in records}) == 1, "one trace"
    names = {record.span_id: record.name for record in records}
    return [(r.kind, r.name, names.get(r.parent_id or ""), r.bills) for r in records]


def played(wire: Wire, names: tuple[str, ...]) -> Any:
    return wire.play([exchange for name in names for exchange in load(name).exchanges])


async def test_agents_tools_and_model_calls_are_one_tree(wire: Wire, meter: Any) -> None:
    meter.on()
    with played(wire, ecosystem.TOOLS) as play:
        async with AsyncExitStack() as closing:
            agent = counter(await chat(play, closing), tools=[function_tool(ecosystem.add)])
            config = RunConfig(workflow_name="sums", group_id="talk 7", trace_metadata={"user_id": 5, "question": TASK})
            await Runner.run(agent, TASK, run_config=config)
    assert current.get() is None
    assert tree() == [
        ("chain", "sums", None, False),
        ("agent", "counter", "sums", False),
        ("llm", "Generation", "counter", False),
        ("llm", "Completions", "Generation", True),
        ("tool", "add", "counter", False),
        ("llm", "Generation", "counter", False),
        ("llm", "Completions", "Generation", True),
    ]
    for record in meter.records():
        lent = record.attribution
        assert (lent["agent"], lent["session"]) == ("counter", "talk 7")
        assert lent["user"] != "5", "by pseudonym"
    assert TASK not in str(_runtime.store().spans(limit=None))
    assert len(openai_agents.integration.hooks.runs) == 0


async def test_a_handoff_names_whom_it_goes_to(wire: Wire, meter: Any) -> None:
    meter.on()
    transfer = copy.deepcopy(load("openai-chat-tools").exchanges)
    function = transfer[0].answer["choices"][0]["message"]["tool_calls"][0]["function"]
    function["name"], function["arguments"] = "transfer_to_closer", "{}"
    with wire.play([*transfer, *load("openai-chat-plain").exchanges]) as play:
        async with AsyncExitStack() as closing:
            model = await chat(play, closing)
            closer: Agent[None] = Agent(name="closer", model=model)
            await Runner.run(counter(model, handoffs=[closer]), TASK)
    shown = [(kind, name) for kind, name, _, bills in tree() if not bills and name != "Generation"]
    assert shown == [
        ("chain", "Agent workflow"),
        ("agent", "counter"),
        ("tool", "handoff to closer"),
        ("agent", "closer"),
    ]


async def test_where_the_sdk_is_not_metered_the_span_books(wire: Wire, meter: Any) -> None:
    meter.on(only=["openai_agents"])
    with played(wire, ecosystem.OPENAI + ecosystem.RESPONSES) as play:
        async with AsyncExitStack() as closing:
            await Runner.run(counter(await chat(play, closing)), QUESTION)
            await Runner.run(counter(await responses(play, closing)), QUESTION)
    for record in meter.records():
        assert record.integration == "openai_agents"
        assert ecosystem.said(record)[0] == "openai"
        assert ecosystem.said(record)[2:] == ((120, 30, 100), "0.000475")
    assert len(meter.records()) == 2


@pytest.mark.parametrize("model", MODELS)
async def test_a_run_that_fails_is_one_bill_and_leaves_nothing_open(model: str, wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play([]) as play:
        async with AsyncExitStack() as closing:
            with pytest.raises(openai.NotFoundError):
                await Runner.run(counter(await MODELS[model][0](play, closing)), QUESTION)
    (record,) = meter.records()
    assert (record.status, record.error) == ("error", "NotFoundError")
    assert len(openai_agents.integration.hooks.runs) == 0
    assert current.get() is None


async def test_a_stream_that_is_left_is_one_bill_and_leaves_nothing_open(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-stream", hold=4) as play:
        async with AsyncExitStack() as closing:
            result = Runner.run_streamed(counter(await chat(play, closing)), QUESTION)
            async for event in result.stream_events():
                if event.type == "raw_response_event":
                    break
            result.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await result.run_loop_task
    (record,) = meter.records()
    assert record.status in {"cancelled", "abandoned"}
    assert len(openai_agents.integration.hooks.runs) == 0


async def test_many_runs_at_once_are_a_trace_each(wire: Wire, meter: Any) -> None:
    meter.on()
    with played(wire, ecosystem.OPENAI) as play:
        async with AsyncExitStack() as closing:
            agent = counter(await chat(play, closing))
            await asyncio.gather(*(Runner.run(agent, QUESTION) for _ in range(10)))
    assert len({record.trace_id for record in meter.records()}) == len(meter.records()) == 10


async def test_off_is_off_and_its_own_processors_stay(wire: Wire, meter: Any) -> None:
    def there() -> tuple[Any, ...]:
        return openai_agents.integration.hooks.there(tracing) or ()

    before = there()
    meter.on()
    meter.on()
    assert there() == (*before, openai_agents.processor())
    assert openai_agents.integration.state() == {"agents.tracing": "on"}
    meter.off()
    assert there() == before
    with played(wire, ecosystem.OPENAI) as play:
        async with AsyncExitStack() as closing:
            await Runner.run(counter(await chat(play, closing)), QUESTION)
    assert _runtime.store().spans(limit=None) == []


async def test_a_processor_that_is_named_by_the_program_is_the_one_that_there_is(wire: Wire, meter: Any) -> None:
    meter.on()
    tracing.set_trace_processors([openai_agents.processor(), openai_agents.processor()])
    with played(wire, ecosystem.OPENAI) as play:
        async with AsyncExitStack() as closing:
            await Runner.run(counter(await chat(play, closing)), QUESTION)
    assert [kind for kind, *_ in tree()] == ["chain", "agent", "llm", "llm"]


def test_a_package_of_the_same_name_is_left_alone(program: Any) -> None:
    ran = program(
        """
import pathlib
pathlib.Path("agents").mkdir()
pathlib.Path("agents/__init__.py").write_text("")
pathlib.Path("agents/tracing.py").write_text("mine = 1")
sys.path.insert(0, "")
import tollbook
tollbook.autolog(only=["openai_agents"])
import agents.tracing
show([agents.tracing.mine, states()["openai_agents"]])
"""
    )
    assert ran.shown == [[1, {"agents.tracing": "waiting for import"}]]
