"""Budgets that change while a program runs, calls that are given up, and streams on the terms that were found last."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest

import tollbook
from tollbook import _runtime
from tollbook.ledger import _database
from tollbook.ledger._locks import FileLock

HTTP: Any = import_module("httpx2" if int(openai.VERSION.split(".")[0]) >= 3 else "httpx")
ASK: Any = [{"role": "user", "content": "hi"}]
WORDS = 50


def event(model: str, **more: Any) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [], **more}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def pieces(model: str) -> Iterator[bytes]:
    for number in range(WORDS):
        finish = "stop" if number == WORDS - 1 else None
        yield event(model, choices=[{"index": 0, "delta": {"content": "word " * 4}, "finish_reason": finish}])
    yield event(model, usage={"prompt_tokens": 10, "completion_tokens": 4 * WORDS, "total_tokens": 10 + 4 * WORDS})
    yield b"data: [DONE]\n\n"


asked: list[str] = []


def answer(request: Any) -> Any:
    body = json.loads(request.content)
    asked.append(body["model"])
    if body.get("stream"):
        return HTTP.Response(200, headers={"content-type": "text/event-stream"}, content=pieces(body["model"]))
    said = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [said]}
    return HTTP.Response(200, json={**whole, "usage": usage})


async def pieces_async(model: str) -> AsyncIterator[bytes]:
    for each in pieces(model):
        yield each


def answer_async(request: Any) -> Any:
    content = pieces_async(json.loads(request.content)["model"])
    return HTTP.Response(200, headers={"content-type": "text/event-stream"}, content=content)


@pytest.fixture
def client(meter: Any) -> Iterator[openai.OpenAI]:
    meter.on()
    asked.clear()
    http = HTTP.Client(transport=HTTP.MockTransport(answer))
    with openai.OpenAI(api_key="none", max_retries=0, http_client=http) as made:
        yield made


def ask(client: Any, model: str = "gpt-4o", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=ASK, max_tokens=300, **more)


def in_another_program(*arguments: str) -> None:
    command = [sys.executable, "-c", "from tollbook.cli import main; main()", "budget", *arguments]
    subprocess.run([*command, "--store", str(_runtime.store().path)], check=True, capture_output=True)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    "change", [("set", "b", "--calls", "5", "--action", "stop"), ("remove", "b")], ids=lambda c: c[0]
)
async def test_a_program_that_is_stopped_goes_on_when_another_one_gives_it_room(
    client: openai.OpenAI, asynchronous: bool, change: tuple[str, ...]
) -> None:
    """Nothing is recorded meanwhile, after which it would look for what has changed."""
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop"})
    ask(client)
    tollbook.flush()
    _runtime.start().after_drain.clear()  # of the call that was made
    http = HTTP.AsyncClient(transport=HTTP.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=http) as other:

        async def again() -> None:
            if asynchronous:
                await ask(other)
            else:
                ask(client)

        with pytest.raises(tollbook.BudgetExceeded):
            await again()
        in_another_program(*change)
        await again()
        await again()
    assert len(asked) == 3


async def test_what_is_reserved_for_a_call_that_was_cancelled_meanwhile_is_given_back(client: openai.OpenAI) -> None:
    """The thread that waits for the ledger goes on after the task that waits for it."""
    tollbook.set_budgets({"name": "b", "usd": 1, "ceiling": "0.30", "action": "stop"})
    path: Path = _runtime.store().path
    lock = FileLock(_database.lock_file(path))
    assert lock.acquire(time.monotonic() + 5)
    http = HTTP.AsyncClient(transport=HTTP.MockTransport(answer))
    try:
        async with openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=http) as other:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(ask(other), 0.2)
    finally:
        lock.release()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert asked == []
    assert [(s.spent, s.reserved) for s in _runtime.store().limits.states()] == [(0, 0)]


def test_a_stream_that_the_program_lets_go_beyond_is_not_cut(client: openai.OpenAI) -> None:
    with tollbook.budget(usd="0.0001", action="ask", callback=lambda _: True, on_stream="stop") as run:
        assert len(list(ask(client, stream=True))) == WORDS
    assert run.spent > run.budget.limit.most / 10**12


@pytest.mark.parametrize("shared", [False, True], ids=["block", "ledger"])
def test_a_stream_of_the_cheaper_model_is_cut_by_the_price_of_that(client: openai.OpenAI, shared: bool) -> None:
    table: dict[str, Any] = {"action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}, "downgrade_at": 60}
    table |= {"usd": "0.003", "ceiling": "0.0001", "on_stream": "stop"}
    if shared:
        tollbook.set_budgets({"name": "b", **table})
        assert len(list(ask(client, stream=True))) == WORDS
        assert len(list(ask(client, stream=True))) == WORDS
    else:
        with tollbook.budget(**table):
            assert len(list(ask(client, stream=True))) == WORDS
            assert len(list(ask(client, stream=True))) == WORDS
    assert asked[-1] == "gpt-4o-mini"


@pytest.mark.parametrize("shared", [False, True], ids=["block", "ledger"])
def test_calls_that_have_ended_make_a_budget_narrow_only_by_what_they_took(client: openai.OpenAI, shared: bool) -> None:
    table: dict[str, Any] = {"action": "downgrade", "downgrade": {"gpt-4o": "gpt-4o-mini"}, "downgrade_at": 50}
    table |= {"usd": "1", "ceiling": "0.20"}
    if shared:
        tollbook.set_budgets({"name": "b", **table})
        for _ in range(6):
            ask(client)
    else:
        with tollbook.budget(**table):
            for _ in range(6):
                ask(client)
    assert asked == ["gpt-4o"] * 6


def test_what_calls_reserved_that_have_ended_cuts_no_stream(client: openai.OpenAI) -> None:
    with tollbook.budget(usd="0.0195", ceiling="0.0019", on_stream="stop"):
        for _ in range(9):
            ask(client)
        assert len(list(ask(client, stream=True))) == WORDS


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_stream_that_the_program_reads_itself_is_cut_too(client: openai.OpenAI, asynchronous: bool) -> None:
    """By lines, past the SDK's own parser."""
    body: Any = {"model": "gpt-4o", "messages": ASK, "max_tokens": 300, "stream": True}

    async def read() -> None:
        http = HTTP.AsyncClient(transport=HTTP.MockTransport(answer_async))
        async with openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=http) as other:
            if asynchronous:
                async with other.chat.completions.with_streaming_response.create(**body) as response:
                    async for _ in response.iter_lines():
                        pass
            else:
                with client.chat.completions.with_streaming_response.create(**body) as response:
                    list(response.iter_lines())

    with tollbook.budget(tokens=60, ceiling=1, on_stream="stop"), pytest.raises(tollbook.BudgetExceeded, match="cut"):
        await read()


def test_a_program_that_takes_another_ledger_holds_nothing_in_the_one_before(
    client: openai.OpenAI, tmp_path: Path
) -> None:
    """A call that is under way meanwhile is recorded in the other one."""
    tollbook.set_budgets({"name": "b", "calls": 1, "action": "stop"})
    before = _runtime.store().path
    stream = ask(client, stream=True)
    tollbook.autolog(store=tmp_path / "other.db")
    assert len(list(stream)) == WORDS
    assert len(_runtime.store().spans(limit=None)) == 1
    tollbook.autolog(store=before)
    assert [(s.spent, s.reserved) for s in _runtime.store().limits.states()] == [(0, 0)]
    ask(client)
