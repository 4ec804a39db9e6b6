"""Where a framework is at work on a run: whether what begins is its own doing, the reader's, or comes after its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from inspect import currentframe

import pytest

from tollbook.spans._work import Work


def begun(*, whole: bool) -> Work:
    """The work of the function that calls this one."""
    here = currentframe()
    assert here is not None
    assert here.f_back is not None
    return Work(here.f_back, whole=whole)


def test_a_function_is_at_work_until_it_returns():
    def generate() -> Work:
        work = begun(whole=True)
        assert [work.here(), work.away(), work.over()] == [True, False, False]
        return work

    work = generate()
    assert [work.here(), work.away()] == [False, True]
    assert not work.over(), "nothing cancels a thread: its framework will tell"


def test_a_generator_waits_between_its_items_and_has_not_returned():
    def stream() -> Iterator[Work]:
        work = begun(whole=False)
        for _ in range(2):
            assert [work.here(), work.away()] == [True, False]
            yield work

    for work in stream():
        assert [work.here(), work.away(), work.over()] == [False, True, False]


def test_a_function_that_only_starts_something_tells_nothing_when_it_has_returned():
    def start() -> Work:
        return begun(whole=False)

    work = start()
    assert [work.here(), work.away(), work.over()] == [False, False, False]


def test_another_thread_does_not_know():
    found: list[bool] = []

    def generate() -> None:
        work = begun(whole=True)
        thread = threading.Thread(target=lambda: found.extend([work.here(), work.away(), work.over()]))
        thread.start()
        thread.join()

    generate()
    assert found == [False, False, False]


async def test_a_task_tells_when_it_has_ended_and_other_tasks_see_it_at_work():
    told: list[str] = []
    started = asyncio.Event()
    works: list[Work] = []

    async def agenerate() -> None:
        works.append(begun(whole=True))
        works[0].watch(lambda: told.append("returned"))
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(agenerate())
    await started.wait()
    assert [works[0].here(), works[0].away(), works[0].over()] == [False, False, False]
    task.cancel()
    await asyncio.wait({task})
    assert works[0].over()
    await asyncio.sleep(0)
    assert told == ["returned"]


async def test_a_task_that_goes_on_after_a_call_that_was_cancelled_is_past_it():
    works: list[Work] = []

    async def agenerate() -> None:
        works.append(begun(whole=True))
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await agenerate()
    assert works[0].over()


async def test_what_is_watched_no_more_tells_nothing():
    told: list[str] = []

    async def agenerate() -> None:
        work = begun(whole=True)
        work.watch(lambda: told.append("returned"))
        work.leave()

    await asyncio.create_task(agenerate())
    await asyncio.sleep(0)
    assert told == []
