"""What decorates or carries a function leaves it the kind of function that it is, and its generators as they are."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import tollbook
from tollbook.spans import _sink

HERE = {"feature": "here"}
other: ContextVar[str] = ContextVar("other", default="none")


@pytest.fixture(autouse=True)
def _no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sink, "sink", lambda record: None)


def plain(a: int, *, b: str = "x") -> dict[str, str]:
    return tollbook.current_attribution()


async def coroutine(a: int, *, b: str = "x") -> dict[str, str]:
    await asyncio.sleep(0)
    return tollbook.current_attribution()


def generator(a: int, *, b: str = "x") -> Iterator[dict[str, str]]:
    yield tollbook.current_attribution()
    yield tollbook.current_attribution()


async def async_generator(a: int, *, b: str = "x") -> AsyncIterator[dict[str, str]]:
    yield tollbook.current_attribution()
    await asyncio.sleep(0)
    yield tollbook.current_attribution()


def decorated(function: Callable[..., Any]) -> Any:
    return tollbook.attribute(feature="here")(function)


def carried(function: Callable[..., Any]) -> Any:
    with tollbook.attribute(feature="here"):
        return tollbook.propagate(function)


@pytest.mark.parametrize("wrap", [decorated, carried, tollbook.trace])
@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator])
def test_a_function_stays_of_its_kind(wrap: Callable[[Any], Any], function: Any) -> None:
    wrapped = wrap(function)
    for tells in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        assert tells(wrapped) == tells(function), tells.__name__
    assert inspect.signature(wrapped) == inspect.signature(function)
    assert wrapped.__wrapped__ is function
    assert wrapped.__name__ == function.__name__


@pytest.mark.parametrize("wrap", [decorated, carried])
async def test_every_kind_runs_inside_and_its_consumer_does_not(wrap: Callable[[Any], Any]) -> None:
    assert wrap(plain)(1) == HERE
    assert await wrap(coroutine)(1) == HERE
    for found in wrap(generator)(1):
        assert (found, tollbook.current_attribution()) == (HERE, {})
    async for found in wrap(async_generator)(1):
        assert (found, tollbook.current_attribution()) == (HERE, {})


@pytest.mark.parametrize("wrap", [decorated, carried])
async def test_an_object_is_what_its_call_is(wrap: Callable[[Any], Any]) -> None:
    class Tool:
        async def __call__(self) -> dict[str, str]:
            return await coroutine(1)

    assert await wrap(Tool())() == HERE


@pytest.mark.parametrize("wrap", [decorated, carried])
async def test_a_coroutine_that_another_decorator_hides_runs_inside(wrap: Callable[[Any], Any]) -> None:
    """As `AsyncOpenAI().chat.completions.create` is: a plain function that returns a coroutine."""
    hidden = wrap(lambda a: coroutine(a))
    assert not inspect.iscoroutinefunction(hidden)
    assert await asyncio.gather(hidden(1), hidden(2)) == [HERE, HERE]
    assert tollbook.current_attribution() == {}


async def test_the_span_of_a_hidden_coroutine_lasts_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(_sink, "sink", ended.append)

    async def fails() -> None:
        await asyncio.sleep(0)
        assert not ended
        raise KeyError

    with pytest.raises(KeyError):
        await tollbook.trace(lambda: fails())()
    assert [record.status for record in ended] == ["error"]

    def refuses() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        tollbook.trace(refuses)()
    assert [record.status for record in ended] == ["error", "error"]


async def test_a_carried_coroutine_runs_in_a_context_of_its_own_at_every_call_also_at_once() -> None:
    async def work(value: str) -> tuple[str, str, dict[str, str]]:
        before = other.get()
        other.set(value)
        await asyncio.sleep(0.001)
        inner = await asyncio.create_task(coroutine(1))
        return before, other.get(), inner

    other.set("start")
    carry = carried(work)
    other.set("later")
    assert await asyncio.gather(carry("1"), carry("2")) == [("start", "1", HERE), ("start", "2", HERE)]
    assert other.get() == "later"
    assert await asyncio.to_thread(lambda: asyncio.run(carry("3"))) == ("start", "3", HERE)


async def test_a_carried_coroutine_is_cancelled_and_timed_out_like_any_other() -> None:
    seen: list[Any] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(tollbook.current_attribution())

    task = asyncio.create_task(carried(waits)())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await carried(waits)()
    assert seen == [HERE, HERE]


def echo(log: list[Any]) -> Generator[Any, Any, str]:
    sent: Any = None
    while sent != "stop":
        try:
            sent = yield sent
        except (KeyError, GeneratorExit) as error:
            log.append((type(error), tollbook.current_attribution()))
            if isinstance(error, GeneratorExit):
                raise
            sent = "caught"
    return "returned"


async def async_echo(log: list[Any]) -> AsyncGenerator[Any, Any]:
    sent: Any = None
    while sent != "stop":
        try:
            sent = yield sent
        except (KeyError, GeneratorExit) as error:
            await asyncio.sleep(0)
            log.append((type(error), tollbook.current_attribution()))
            if isinstance(error, GeneratorExit):
                raise
            sent = "caught"


@pytest.mark.parametrize("wrap", [decorated, carried])
def test_a_generator_is_sent_to_thrown_into_and_closed_as_ever(wrap: Callable[[Any], Any]) -> None:
    log: list[Any] = []
    made = wrap(echo)(log)
    assert (next(made), made.send(1), made.throw(KeyError()), made.send(2)) == (None, 1, "caught", 2)
    with pytest.raises(StopIteration) as stopped:
        made.send("stop")
    assert stopped.value.value == "returned"
    made = wrap(echo)(log)
    next(made)
    made.close()
    with pytest.raises(StopIteration):
        next(made)
    made = wrap(echo)(log)
    next(made)
    with pytest.raises(ValueError, match="mine"):
        made.throw(ValueError("mine"))
    assert log == [(KeyError, HERE), (GeneratorExit, HERE)]


@pytest.mark.parametrize("wrap", [decorated, carried])
async def test_an_async_generator_is_sent_to_thrown_into_and_closed_as_ever(wrap: Callable[[Any], Any]) -> None:
    log: list[Any] = []
    made = wrap(async_echo)(log)
    assert [await anext(made), await made.asend(1), await made.athrow(KeyError()), await made.asend(2)] == [
        None,
        1,
        "caught",
        2,
    ]
    with pytest.raises(StopAsyncIteration):
        await made.asend("stop")
    made = wrap(async_echo)(log)
    await anext(made)
    await made.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(made)
    made = wrap(async_echo)(log)
    await anext(made)
    with pytest.raises(ValueError, match="mine"):
        await made.athrow(ValueError("mine"))
    assert log == [(KeyError, HERE), (GeneratorExit, HERE)]


@pytest.mark.parametrize("wrap", [decorated, carried])
async def test_a_generator_that_will_not_be_closed_says_so(wrap: Callable[[Any], Any]) -> None:
    def stubborn() -> Iterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    async def async_stubborn() -> AsyncIterator[int]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    made = wrap(stubborn)()
    next(made)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        made.close()
    waits = wrap(async_stubborn)()
    await anext(waits)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        await waits.aclose()
