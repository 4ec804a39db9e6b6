"""Budgets and what may pass them: what the body really says, answers read later, and exceptions that a program makes.

The answers are written here, in the shapes of the API.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import Any

import openai
import pytest

import tollbook
from tollbook import _runtime

HTTP: Any = import_module("httpx2" if int(openai.VERSION.split(".")[0]) >= 3 else "httpx")

ASK = [{"role": "user", "content": "hi"}]
Answer = Callable[[Any], dict[str, Any]]


def chat(model: str = "gpt-4o-mini", output: int = 10, **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 100, "completion_tokens": output, "total_tokens": 100 + output}
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [said], "usage": usage}
    return {**whole, **more}


def response(status: str, *, number: int = 1, used: bool = False) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 1000, "total_tokens": 1100}
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o-mini",
        "status": status,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "background": True,
        "usage": usage if used else None,
    }


class Server:
    """Answers requests, and keeps the bodies of those that are posted."""

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._answer = answer

    def __call__(self, request: Any) -> Any:
        body = json.loads(request.content) if request.method == "POST" else None
        if body is not None:
            self.bodies.append(body)
        return HTTP.Response(200, json=self._answer(body))

    def client(self) -> openai.OpenAI:
        http = HTTP.Client(transport=HTTP.MockTransport(self))
        return openai.OpenAI(api_key="none", max_retries=0, http_client=http)

    def asynchronous(self) -> openai.AsyncOpenAI:
        http = HTTP.AsyncClient(transport=HTTP.MockTransport(self))
        return openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=http)


def ask(client: openai.OpenAI, model: str = "gpt-4o-mini", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=ASK, max_tokens=10, **more)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "extra", [{"max_tokens": 16_000}, {"n": 128}, {"messages": [{**ASK[0], "content": "x" * 99_000}]}]
)
def test_what_the_extra_body_asks_for_is_part_of_what_a_call_may_come_to(meter: Any, extra: dict[str, Any]) -> None:
    meter.on()
    server = Server(lambda _: chat())
    with tollbook.budget(usd="0.0005"), server.client() as client:
        ask(client)
        with pytest.raises(tollbook.BudgetExceeded):
            ask(client, extra_body=extra)
    assert len(server.bodies) == 1


def test_a_cheaper_model_takes_the_place_of_one_that_the_extra_body_names(meter: Any) -> None:
    meter.on()
    server = Server(lambda body: chat(body["model"]))
    settings: dict[str, Any] = {"action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}, "downgrade_at": 50}
    with tollbook.budget(calls=4, **settings), server.client() as client:
        for _ in range(4):
            ask(client, extra_body={"model": "gpt-4o"})
    assert [body["model"] for body in server.bodies] == ["gpt-4o", "gpt-4o", "gpt-4o-mini", "gpt-4o-mini"]


@pytest.mark.parametrize("shared", [False, True], ids=["block", "ledger"])
def test_what_runs_in_the_background_stays_reserved_until_its_answer_is_read(meter: Any, shared: bool) -> None:
    """And to read an answer, which was paid for before, is never stopped."""
    meter.on()
    numbers = iter(range(1, 100))
    server = Server(lambda body: response("queued", number=next(numbers)) if body else response("completed", used=True))

    def held() -> Decimal:
        if shared:
            return sum((status.reserved for status in tollbook.budget_status()), Decimal(0))
        return Decimal(run.reserved)

    if shared:
        tollbook.set_budgets({"name": "all", "usd": "0.02", "action": "stop"})
    with tollbook.budget(calls=100) if shared else tollbook.budget(usd="0.02") as run, server.client() as client:

        def start() -> None:
            client.responses.create(model="gpt-4o-mini", input="hi", max_output_tokens=10_000, background=True)

        for _ in range(3):
            start()
        with pytest.raises(tollbook.BudgetExceeded):
            start()
        before = held()
        assert before > Decimal("0.018"), "each may come to 0.006"
        client.responses.retrieve("resp_1")
        client.responses.retrieve("resp_1")
        tollbook.flush()
        assert before * Decimal("0.6") < held() < before * Decimal("0.7"), "one of three has been read"
    (bill,) = (record for record in meter.records() if record.bills)
    assert bill.usage.total_tokens == 1100


def test_what_runs_in_the_background_is_booked_to_who_asked_and_not_to_who_reads(meter: Any) -> None:
    meter.on()
    answers = iter(
        [response("queued"), response("in_progress"), response("completed", used=True), response("queued", number=2),
         response("completed", number=2, used=True)]
    )  # fmt: skip
    with Server(lambda _: next(answers)).client() as client:

        def ask() -> None:
            client.responses.create(model="gpt-4o-mini", input="hi", background=True)

        tollbook.attribute(feature="asks", user="ada")(ask)()
        with tollbook.attribute(feature="reads"):
            client.responses.retrieve("resp_1")
            client.responses.retrieve("resp_1")
        ask()
        with tollbook.attribute(feature="reads"):
            client.responses.retrieve("resp_2")
    first, second = (record.attribution for record in meter.records() if record.bills)
    assert first == {"feature": "asks", "user": tollbook.user_pseudonym("ada")}
    assert second == {"feature": "reads"}, "nobody said who asked"


def test_what_runs_in_the_background_counts_where_it_was_reserved(meter: Any) -> None:
    """In its run, and for its user, also where another run of nobody's reads the answer."""
    meter.on()
    limits: dict[str, Any] = {"usd": "0.0100", "action": "stop", "ceiling": "0.0095"}
    tollbook.set_budgets([{"name": "user", "scope": "user", **limits}, {"name": "run", "window": "run", **limits}])
    server = Server(lambda body: response("queued") if body is not None else response("completed", used=True))
    more: dict[str, Any] = {"model": "gpt-4o-mini", "input": "x", "background": True, "max_output_tokens": 1000}
    with server.client() as client:
        with tollbook.attribute(user="ada"), tollbook.span("work") as span:
            client.responses.create(**more)
        client.responses.retrieve("resp_1")
    cost = meter.one().cost.total
    found = [(s.limit.name, s.holder, s.spent, s.reserved) for s in _runtime.store().limits.states()]
    assert [each for each in found if each[0] == "run"] == [("run", span.trace_id, cost, 0)]
    assert [each[2:] for each in found if each[0] == "user"] == [(cost, 0)]


def test_a_stream_that_runs_in_the_background_is_billed_when_it_tells_its_usage(meter: Any) -> None:
    meter.on()
    events = [
        {"type": "response.created", "response": response("queued")},
        {"type": "response.in_progress", "response": response("in_progress")},
        {"type": "response.completed", "response": response("completed", used=True)},
    ]
    lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    headers = {"content-type": "text/event-stream"}
    http = HTTP.Client(transport=HTTP.MockTransport(lambda _: HTTP.Response(200, headers=headers, content=lines)))
    with tollbook.budget(usd="1.00") as run, openai.OpenAI(api_key="none", http_client=http) as client:
        for event in client.responses.create(model="gpt-4o-mini", input="hi", background=True, stream=True):
            assert event.type
        assert run.reserved == 0
        assert run.spent > 0
    (record,) = meter.records()
    assert record.bills
    assert record.usage.total_tokens == 1100


def test_an_answer_that_failed_in_the_background_gives_back_what_was_reserved(meter: Any) -> None:
    meter.on()
    server = Server(lambda body: response("queued" if body else "failed"))
    with tollbook.budget(usd="0.02") as run, server.client() as client:
        client.responses.create(model="gpt-4o-mini", input="hi", max_output_tokens=10_000, background=True)
        assert run.reserved
        client.responses.retrieve("resp_1")
        assert (run.reserved, run.spent) == (0, 0)


def test_to_answer_yes_waives_the_budget_that_asked_and_no_other(meter: Any) -> None:
    meter.on()
    server = Server(lambda _: chat())
    tollbook.set_budgets({"name": "strict", "calls": 4, "action": "stop"})
    asked: list[Any] = []
    yes: Callable[[Any], bool] = lambda question: asked.append(question) or True  # type: ignore[func-returns-value]  # noqa: E731
    with server.client() as client:
        with tollbook.budget(calls=1, action="ask", callback=yes) as outer, tollbook.budget(calls=3) as inner:
            for _ in range(3):
                ask(client)
            with pytest.raises(tollbook.BudgetExceeded, match="block"):
                ask(client)
        assert (outer.calls, outer.spent, inner.calls) == (3, 3, 3)
        with tollbook.budget(calls=1, action="ask", callback=yes) as outer:
            ask(client)
            with pytest.raises(tollbook.BudgetExceeded, match="strict"):
                ask(client)
    assert len(server.bodies) == 4


def test_what_asks_and_is_not_answered_at_once_stops(meter: Any) -> None:
    """A callback that gives an awaitable has said nothing, and an object that is not false is no yes."""
    meter.on()
    server = Server(lambda _: chat())

    async def no() -> bool:
        return False

    with tollbook.budget(calls=1, action="ask", callback=lambda _: no()), server.client() as client:
        ask(client)
        with pytest.raises(tollbook.BudgetExceeded):
            ask(client)


def test_a_cheaper_model_has_its_own_budgets(meter: Any) -> None:
    meter.on()
    server = Server(lambda body: chat(body["model"]))
    tollbook.set_budgets({"name": "mini", "calls": 1, "scope": {"model": "gpt-4o-mini"}, "action": "stop"})
    settings: dict[str, Any] = {"action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}, "downgrade_at": 10}
    with tollbook.budget(calls=10, **settings) as run, server.client() as client:
        ask(client, "gpt-4o")
        ask(client, "gpt-4o")
        with pytest.raises(tollbook.BudgetExceeded, match="mini"):
            ask(client, "gpt-4o")
        assert (run.spent, run.reserved) == (2, 0)
    assert [body["model"] for body in server.bodies] == ["gpt-4o", "gpt-4o-mini"]


async def test_a_cheaper_model_is_asked_also_where_the_ledger_keeps_a_call_waiting(meter: Any) -> None:
    """Asynchronously, what has to wait for the ledger goes on in a thread, on the terms that were found before."""
    meter.on()
    server = Server(lambda body: chat(body["model"]))
    tollbook.set_budgets({"name": "all", "usd": "0.015", "ceiling": "0.01", "action": "stop"})
    settings: dict[str, Any] = {"action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}}
    async with server.asynchronous() as client:

        async def call(model: str) -> None:
            await client.chat.completions.create(model=model, messages=ASK, max_tokens=100)  # type: ignore[arg-type]

        await call("gpt-4o")
        with tollbook.budget(usd="0.0005", **settings):
            await call("gpt-4o")
    assert [body["model"] for body in server.bodies] == ["gpt-4o", "gpt-4o-mini"]


@pytest.mark.parametrize("settings", [{}, {"ceiling": "0.004"}, {"on_unpriced": "allow"}], ids=str)
def test_a_call_of_which_nobody_knows_the_cost_counts_as_what_was_reserved_for_it(
    meter: Any, settings: dict[str, Any]
) -> None:
    """An answer without usage, and a request whose answer never came; unless the budget lets unpriced calls pass."""
    meter.on()

    def answer(body: Any) -> dict[str, Any]:
        if body["n"] == 2:
            raise HTTP.ReadTimeout("too late")
        return chat(usage=None)

    with tollbook.budget(usd="0.01", **settings) as run, Server(answer).client() as client:
        client.chat.completions.create(model="gpt-4o", messages=ASK, max_tokens=100, n=1)  # type: ignore[call-overload]
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="gpt-4o", messages=ASK, max_tokens=100, n=2)  # type: ignore[call-overload]
        assert (run.unpriced, run.reserved) == (2, 0)
        assert (run.spent > Decimal("0.002")) is (settings != {"on_unpriced": "allow"})


def test_a_refused_request_costs_nothing(meter: Any) -> None:
    meter.on()
    http = HTTP.Client(transport=HTTP.MockTransport(lambda _: HTTP.Response(400, json={"error": {"message": "no"}})))
    with tollbook.budget(usd="0.01") as run, openai.OpenAI(api_key="none", max_retries=0, http_client=http) as client:
        with pytest.raises(openai.BadRequestError):
            ask(client)
        assert (run.spent, run.reserved, run.unpriced, run.calls) == (0, 0, 0, 1)


async def test_one_block_may_be_used_by_tasks_that_take_turns(meter: Any) -> None:
    """Each is out of it when it has left it, whoever entered first."""
    meter.on()
    server = Server(lambda _: chat())
    block = tollbook.budget(calls=1)
    left, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        with block:
            await leave.wait()
        left.set()
        await client.chat.completions.create(model="gpt-4o-mini", messages=ASK)  # type: ignore[arg-type]

    async def second() -> None:
        with block:
            leave.set()
            await left.wait()
        await client.chat.completions.create(model="gpt-4o-mini", messages=ASK)  # type: ignore[arg-type]

    async with server.asynchronous() as client:
        await asyncio.gather(first(), second())
    assert block.calls == 0
    assert len(server.bodies) == 2


def test_a_body_that_is_not_json_is_nothing_that_a_budget_in_money_knows(meter: Any) -> None:
    meter.on()
    server = Server(lambda _: chat())
    with tollbook.budget(usd="1.00"), server.client() as client, pytest.raises(tollbook.BudgetExceeded):
        client.post("/chat/completions", cast_to=object, body=None)
    assert _runtime.store().health().spans == 0
