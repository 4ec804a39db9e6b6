"""BudgetMiddleware: an agent's run warns, takes a cheaper model, and ends when its budget is used up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("langchain.agents.middleware")
pytest.importorskip("langchain_openai")

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from tests import langchains
from tests.langchains import ASK, chat_openai

import tollbook
from tollbook import _runtime
from tollbook_integrations.langchain import BudgetMiddleware

STEPS = 10
COST = Decimal("0.000475")
"""Of each call of `gpt-4o` in USD: 20 tokens in, 100 cached, 30 out."""


@pytest.fixture
def autolog(tmp_path) -> Iterator[None]:
    tollbook.autolog(store=tmp_path / "budget.db")
    yield
    tollbook.autolog(disable=True)
    _runtime.stop()


def models() -> list[str | None]:
    """The models of the calls that were paid for, in order."""
    found = sorted((r for r in _runtime.store().spans(limit=None) if r.bills), key=lambda r: r.start)
    assert all(record.cost is not None for record in found)
    return [record.request_model for record in found]


async def run(way: str, wire: Any, **given: Any) -> Any:
    """Run an agent that would go on for ten calls."""
    exchanges = [langchains.tool_call(number, done=number == STEPS) for number in range(1, STEPS + 1)]
    with chat_openai(wire, exchanges) as model:
        limit = given.pop("limit")
        if given.pop("cheaper", False):
            given["model"] = model.model_copy(update={"model_name": "gpt-4o-mini"})
        agent = create_agent(model, [langchains.add], middleware=[BudgetMiddleware(limit, **given)])
        asking = getattr(agent, way)({"messages": [HumanMessage(ASK)]}, {"recursion_limit": 100})
        return (await asking if way == "ainvoke" else asking)["messages"]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_a_run_ends_with_a_message_when_its_budget_is_used_up(way, wire, autolog):
    messages = await run(way, wire, limit=3 * COST, message="Enough.")
    assert messages[-1].content == "Enough."
    assert models() == ["gpt-4o"] * 3


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_the_cheaper_model_is_asked_when_it_is_time(way, wire, autolog):
    await run(way, wire, limit=10 * COST, downgrade_at=0.2, cheaper=True)
    assert models()[:3] == ["gpt-4o", "gpt-4o", "gpt-4o-mini"]
    assert set(models()[2:]) == {"gpt-4o-mini"}


async def test_a_warning_comes_once_a_run(wire, autolog, caplog):
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "tollbook"):
            caplog.clear()
            await run("invoke", wire, limit=11 * COST, warn_at=0.5)
        assert len(caplog.records) == 1
        assert "of 0.005225 USD" in caplog.text


async def test_a_warning_goes_to_who_asked_for_it(wire, autolog):
    seen: list[Any] = []
    await run("invoke", wire, limit=11 * COST, warn_at=0.5, on_warning=lambda *amounts: seen.append(amounts))
    assert seen == [(6 * COST, 11 * COST)]


async def test_a_run_inside_its_budget_is_left_alone(wire, autolog):
    assert len(await run("invoke", wire, limit="1.00")) == 2 * STEPS
    assert len(models()) == STEPS


async def test_a_budget_of_the_programs_own_is_asked(wire, autolog):
    class Empty:
        def state(self) -> tuple[Decimal, Decimal]:
            return Decimal(1), Decimal(1)

    await run("invoke", wire, limit=Empty())
    assert models() == []


async def test_without_metering_it_says_so(wire, caplog):
    await run("invoke", wire, limit="0.000001")
    assert "BudgetMiddleware needs tollbook.autolog()" in caplog.text


@pytest.mark.parametrize("limit", ["0", -1, "a lot"])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(ValueError, match=r"budget|amount|money|number"):
        BudgetMiddleware(limit)
