"""Where attribution holds: threads, executors, tasks, callbacks and generators, with what each needs for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import tollbook
from tollbook.spans import Call, Record, _sink

HERE = {"feature": "here"}


@pytest.fixture(autouse=True)
def _no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sink, "sink", lambda record: None)


def call() -> dict[str, str] | None:
    """What a call that is made here is booked to."""
    made = Call(Record(trace_id="", span_id=""), "openai.chat", lambda *_: None)
    made.end()
    return made.record.attribution


async def later() -> Any:
    await asyncio.sleep(0)
    return call()


def in_thread(work: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_begins_with_nothing_and_takes_along_what_it_is_given() -> None:
    with tollbook.attribute(**HERE):
        assert in_thread(call) is None
        carried = tollbook.propagate(call)
    assert in_thread(carried) == HERE


def test_an_executor_keeps_its_tasks_apart() -> None:
    with ThreadPoolExecutor(1) as pool:
        for name in "ab":
            with tollbook.attribute(session=name):
                assert pool.submit(tollbook.propagate(call)).result() == {"session": name}
        assert pool.submit(call).result() is None


async def test_tasks_of_every_kind_inherit() -> None:
    with tollbook.attribute(**HERE):
        task = asyncio.create_task(later())
        async with asyncio.TaskGroup() as group:
            grouped = group.create_task(later())
        called: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: called.set_result(call()))
        gathered = asyncio.gather(later(), later())
        in_time = asyncio.create_task(asyncio.wait_for(later(), 10))
    assert call() is None
    assert [await task, grouped.result(), await called, *await gathered, await in_time] == [HERE] * 6


async def test_a_task_that_runs_on_does_not_see_what_is_set_later() -> None:
    go = asyncio.Event()

    async def waits() -> Any:
        await go.wait()
        return call()

    task = asyncio.create_task(waits())
    with tollbook.attribute(**HERE):
        go.set()
        assert await task is None


async def test_to_thread_inherits_and_run_in_executor_is_handed_it() -> None:
    loop = asyncio.get_running_loop()
    with tollbook.attribute(**HERE):
        assert await asyncio.to_thread(call) == HERE
        assert await loop.run_in_executor(None, call) is None
        assert await loop.run_in_executor(None, tollbook.propagate(call)) == HERE


async def test_a_coroutine_that_is_handed_to_a_loop_in_another_thread_carries_its_own() -> None:
    @tollbook.attribute(feature="decorated")
    async def decorated() -> Any:
        return await later()

    loop = asyncio.get_running_loop()

    def submit(make: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(make(), loop).result()

    with tollbook.attribute(**HERE):
        assert await asyncio.to_thread(submit, later) == HERE
    assert await asyncio.to_thread(submit, decorated) == {"feature": "decorated"}


def test_a_generator_sees_its_consumer_and_a_block_inside_it_does_not_leak_at_its_end() -> None:
    def generator() -> Iterator[Any]:
        yield call()
        yield call()

    made = generator()
    with tollbook.attribute(**HERE):
        assert next(made) == HERE
    assert next(made) is None


def test_decorated_generators_that_take_turns_do_not_mix() -> None:
    def make(name: str) -> Iterator[Any]:
        @tollbook.attribute(session=name)
        def generator() -> Iterator[Any]:
            yield call()
            with tollbook.attribute(step="2"):
                yield call()
            yield call()

        return generator()

    one, two = make("1"), make("2")
    turns = [next(each) for each in (one, two, two, one, one, two)]
    assert [turn["session"] for turn in turns] == list("122112")
    assert call() is None


async def test_decorated_async_generators_are_closed_anywhere_without_a_leak() -> None:
    seen: list[Any] = []

    @tollbook.attribute(**HERE)
    async def generator() -> AsyncIterator[Any]:
        try:
            while True:
                yield call()
        finally:
            seen.append(call())

    made = generator()
    assert await anext(made) == HERE
    assert call() is None
    closed = asyncio.create_task(made.aclose())  # type: ignore[attr-defined]
    await closed
    assert seen == [HERE]
    assert call() is None


async def test_a_block_that_is_cancelled_or_fails_is_left() -> None:
    async def waits() -> None:
        with tollbook.attribute(**HERE):
            await asyncio.sleep(60)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    with pytest.raises(KeyError), tollbook.attribute(**HERE):
        raise KeyError
    assert call() is None


def test_one_block_may_be_used_again_inside_itself_and_by_threads_at_once() -> None:
    block = tollbook.attribute(**HERE)
    with block, block:
        assert call() == HERE
    assert call() is None
    inside = threading.Barrier(4, timeout=30)

    @block
    def decorated() -> Any:
        inside.wait()
        return call(), call()

    def plain() -> Any:
        inside.wait()
        with block:
            inside.wait()
            found = call()
            inside.wait()
        inside.wait()
        return found, call()

    with ThreadPoolExecutor(4) as pool:
        assert [each.result() for each in [pool.submit(decorated) for _ in range(4)]] == [(HERE, HERE)] * 4
        assert [each.result() for each in [pool.submit(plain) for _ in range(4)]] == [(HERE, None)] * 4


def test_blocks_in_generators_that_take_turns_are_all_left_in_the_end() -> None:
    def generator(**dimensions: str) -> Iterator[Any]:
        with tollbook.attribute(**dimensions):
            yield call()

    one, two = generator(org="1"), generator(session="2")
    assert next(one) == {"org": "1"}
    assert next(two) == {"org": "1", "session": "2"}, "a plain block holds in its consumer, too: decorate instead"
    one.close()
    two.close()
    assert call() is None
