"""Budgets that stop calls: nothing leaves, nobody overspends, whatever runs at once."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from tests.wire.cassettes import load
from tests.wire.clients import anthropic_client, openai_client
from tests.wire.server import Wire

import tollbook
from tollbook import _runtime

CHAT = load("openai-chat-plain").body
STREAM = load("openai-chat-stream").body
MESSAGE = load("anthropic-messages-plain").body
COST = Decimal("0.000475")
"""Of the written chat: gpt-4o, 20 tokens sent anew, 100 from the cache, 30 generated."""


def states() -> dict[str, tuple[Any, ...]]:
    return {s.limit.name: (s.holder, s.spent, s.reserved) for s in _runtime.store().limits.states()}


def requests(play: Any) -> int:
    return len(play.requests)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_block_stops_before_the_request_leaves_and_the_error_says_all(
    wire: Wire, meter: Any, asynchronous: bool
) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play:
        client = openai_client(play, asynchronous)

        async def call() -> None:
            made = client.chat.completions.create(**CHAT)
            if asynchronous:
                await made

        async def close() -> None:
            closed = client.close()
            if asynchronous:
                await closed

        with tollbook.budget(calls=2, name="two") as run:
            await call()
            await call()
            with pytest.raises(tollbook.BudgetExceeded) as caught:
                await call()
            assert (run.spent, run.reserved, run.remaining, run.calls) == (2, 0, 0, 2)
        await call()
        assert requests(play) == 3
        await close()
    error = caught.value
    assert (error.budget, error.unit, error.limit, error.spent, error.wanted) == ("two", "calls", 2, 2, 1)
    assert "2 calls" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.spent) == (str(error), error.spent)
    assert len(meter.records()) == 3, "what was not made is no call"


def test_a_block_counts_what_its_calls_cost_and_gives_the_rest_back(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        with tollbook.budget(usd="1.00", ceiling="0.40") as run:
            for _ in range(5):
                client.chat.completions.create(**CHAT)
        assert (run.spent, run.reserved, run.calls) == (5 * COST, 0, 5)
        with pytest.raises(tollbook.BudgetExceeded), tollbook.budget(usd="0.30", ceiling="0.40"):
            client.chat.completions.create(**CHAT)
    assert [r.cost.total_usd for r in meter.records()] == [COST] * 5


def test_calls_that_run_at_once_in_a_block_cannot_overspend_together(wire: Wire, meter: Any) -> None:
    meter.on()
    outcomes: list[str] = []
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        barrier = threading.Barrier(8)

        def work() -> None:
            barrier.wait()
            try:
                client.chat.completions.create(**CHAT)
            except tollbook.BudgetExceeded:
                outcomes.append("stopped")
            else:
                outcomes.append("made")

        with tollbook.budget(usd="1.00", ceiling="0.30"):
            threads = [threading.Thread(target=tollbook.propagate(work)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert outcomes.count("made") >= 3
    assert len(meter.records()) == outcomes.count("made")


async def test_tasks_of_a_block_share_it(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play:
        async with openai_client(play, True) as client:
            with tollbook.budget(calls=3):
                made = await asyncio.gather(
                    *(client.chat.completions.create(**CHAT) for _ in range(6)), return_exceptions=True
                )
    assert sum(isinstance(each, tollbook.BudgetExceeded) for each in made) == 3
    assert len(meter.records()) == 3


def test_an_inner_block_is_bound_by_the_outer_one_too(wire: Wire, meter: Any) -> None:
    meter.on()
    with (
        wire.play("openai-chat-plain") as play,
        openai_client(play, False) as client,
        tollbook.budget(calls=1, name="outer") as outer,
        tollbook.budget(calls=5, name="inner") as inner,
    ):
        client.chat.completions.create(**CHAT)
        with pytest.raises(tollbook.BudgetExceeded, match="outer"):
            client.chat.completions.create(**CHAT)
        assert (outer.spent, inner.spent, inner.reserved) == (1, 1, 0)


def test_a_cheaper_model_is_asked_when_it_gets_narrow(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        with tollbook.budget(calls=10, action="downgrade", downgrade={"gpt-4o": "gpt-4o-mini"}, downgrade_at=20):
            for _ in range(3):
                client.chat.completions.create(**CHAT)
        asked = [request.body["model"] for request in play.requests]
    assert asked == ["gpt-4o", "gpt-4o", "gpt-4o-mini"]
    assert [r.flags for r in meter.records()] == [(), (), ("downgraded",)]
    assert CHAT["model"] == "gpt-4o", "what the host passed is as it was"


def test_the_program_is_asked_where_it_wants_to_be(wire: Wire, meter: Any) -> None:
    meter.on()
    answers = iter([True, False])
    asked: list[Any] = []

    def decide(question: Any) -> bool:
        asked.append((question.budget.name, question.model, question.error.limit))
        return next(answers)

    with (
        wire.play("openai-chat-plain") as play,
        openai_client(play, False) as client,
        tollbook.budget(calls=1, action="ask", callback=decide),
    ):
        client.chat.completions.create(**CHAT)
        client.chat.completions.create(**CHAT)
        with pytest.raises(tollbook.BudgetExceeded):
            client.chat.completions.create(**CHAT)
    assert asked == [("block", "gpt-4o", 1)] * 2
    assert [r.flags for r in meter.records()] == [(), ("beyond_budget",)]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_stream_is_cut_where_the_budget_ends_only_if_that_is_asked_for(
    wire: Wire, meter: Any, asynchronous: bool
) -> None:
    """What a call may come to is said to be little, and its text brings more."""
    meter.on()

    async def pieces(**how: Any) -> int:
        got = 0
        with tollbook.budget(tokens=40, ceiling=1, **how):
            stream = client.chat.completions.create(**CHAT, stream=True)
            if asynchronous:
                async for _ in await stream:
                    got += 1
            else:
                for _ in stream:
                    got += 1
        return got

    exchange = load("openai-chat-stream").exchanges
    with wire.play(exchange) as play:
        client = openai_client(play, asynchronous)
        whole = await pieces()
        with pytest.raises(tollbook.BudgetExceeded, match="cut"):
            await pieces(on_stream="stop")
        closed = client.close()
        if asynchronous:
            await closed
    first, cut = meter.records()
    assert whole > 3
    assert (first.status, cut.status, cut.error) == ("ok", "error", "BudgetExceeded")
    assert cut.usage is not None


def test_a_stream_is_cut_by_its_answer_alone_where_nobody_can_tell_what_was_sent(wire: Wire, meter: Any) -> None:
    meter.on()
    exchanges = load("openai-chat-stream").exchanges
    block = tollbook.budget(tokens=1, ceiling=1, on_stream="stop")
    with wire.play(exchanges) as play, openai_client(play, False) as client, block:
        stream = client.chat.completions.create(**CHAT, stream=True, extra_body={"not_known": 1})
        with pytest.raises(tollbook.BudgetExceeded, match="cut"):
            list(stream)


def test_a_budget_of_the_ledger_holds_across_its_window_and_says_when_it_begins_anew(wire: Wire, meter: Any) -> None:
    meter.on()
    tollbook.set_budgets({"name": "daily", "calls": 2, "window": "day", "zone": "UTC", "action": "stop"})
    exchanges = [*load("openai-chat-plain").exchanges, *load("anthropic-messages-plain").exchanges]
    with wire.play(exchanges) as play:
        with anthropic_client(play, False) as client:
            client.messages.create(**MESSAGE)
        with openai_client(play, False) as client:
            client.chat.completions.create(**CHAT)
        with pytest.raises(tollbook.BudgetExceeded) as caught, openai_client(play, False) as client:
            client.chat.completions.create(**CHAT)
        assert requests(play) == 2
        assert caught.value.resets_at is not None
        assert states() == {"daily": ("", 2, 0)}
        assert tollbook.remove_budget("daily")
        with openai_client(play, False) as client:
            client.chat.completions.create(**CHAT)


def test_each_user_has_a_share_of_its_own(wire: Wire, meter: Any) -> None:
    meter.on()
    tollbook.set_budgets({"name": "users", "calls": 1, "scope": "user", "action": "stop"})
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        for user in ("ada", "bob"):
            with tollbook.attribute(user=user):
                client.chat.completions.create(**CHAT)
        with tollbook.attribute(user="ada"), pytest.raises(tollbook.BudgetExceeded) as caught:
            client.chat.completions.create(**CHAT)
        client.chat.completions.create(**CHAT)
    assert caught.value.holder.startswith("u_")


def test_what_nobody_can_price_is_stopped_unless_it_is_allowed(wire: Wire, meter: Any) -> None:
    meter.on()
    body = {**CHAT, "model": "made-up-model"}
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        with tollbook.budget(usd=1), pytest.raises(tollbook.BudgetExceeded, match="max_tokens"):
            client.chat.completions.create(**body)
        assert requests(play) == 0
        with tollbook.budget(usd=1, on_unpriced="allow"):
            client.chat.completions.create(**body)
    assert len(meter.records()) == 1


def test_a_ledger_that_cannot_be_asked_stops_or_not_as_the_budget_says(
    wire: Wire, meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollbook.budgets import _keeper
    from tollbook.ledger._locks import FileLock

    monkeypatch.setattr(_keeper, "PATIENCE", 0.05)
    meter.on()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        for policy in ("stop", "allow"):
            tollbook.set_budgets({"name": "all", "calls": 5, "action": "stop", "on_unreachable": policy})
            path = _runtime.store().path
            lock = FileLock(path.with_name(path.name + ".lock"))
            assert lock.acquire(float("inf"))
            try:
                if policy == "stop":
                    with pytest.raises(tollbook.BudgetExceeded, match="nobody can tell"):
                        client.chat.completions.create(**CHAT)
                else:
                    client.chat.completions.create(**CHAT)
            finally:
                lock.release()
    assert len(meter.records()) == 1


WORKER = """
import os, sys, threading, openai, tollbook
store, base = sys.argv[1:3]
tollbook.autolog(store=store, hosts={"127.0.0.1": "openai"})
client = openai.OpenAI(base_url=base, api_key="x", max_retries=0)
def work():
    try:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
        os.write(1, b"made\\n")
    except tollbook.BudgetExceeded:
        os.write(1, b"stopped\\n")
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
"""


def test_eight_threads_in_four_processes_admit_what_fits_and_no_more(wire: Wire, meter: Any) -> None:
    """One dollar, and calls that may come to thirty cents: three at once, as long as none has ended."""
    meter.on()
    tollbook.set_budgets({"name": "dollar", "usd": "1.00", "ceiling": "0.30", "action": "stop"})
    store = _runtime.store().path
    said: list[str] = []
    with wire.play("openai-chat-plain", hold=0) as play:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(store), play.url(path="/v1")], stdout=subprocess.PIPE, text=True
            )
            for _ in range(4)
        ]
        readers = [threading.Thread(target=lambda w=worker: said.extend(w.stdout or ())) for worker in workers]
        for reader in readers:
            reader.start()
        while len(said) < 29 and any(worker.poll() is None for worker in workers):
            time.sleep(0.01)
        time.sleep(0.05)
        for worker in workers:
            worker.kill()
            worker.wait()
        for reader in readers:
            reader.join()
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.close()
        assert said == ["stopped\n"] * 29
        assert requests(play) == 3
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        client.chat.completions.create(**CHAT)  # what the dead held has come back
    tollbook.flush()
    [state] = _runtime.store().limits.states()
    assert (state.calls, state.reserved) == (1, 0)
