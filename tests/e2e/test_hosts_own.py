"""What hosts bring themselves: transports, response classes, exceptions, contexts, and streams that they leave."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import importlib
import json
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.wire import framing
from tests.wire.cassettes import load
from tests.wire.seen import seen
from tests.wire.server import Wire, as_openai_sends

from tollbook.spans import Call, open_streams

http: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""The HTTP library of this version of the SDK."""

CHAT = load("openai-chat-plain")
STREAM = load("openai-chat-stream")


def events(request: Any) -> list[bytes]:
    body = json.loads(request.content)
    return [framing.sse(event) for event in as_openai_sends(STREAM.exchanges[0].events or [], body)]


class Pieces(http.SyncByteStream, http.AsyncByteStream):
    """A body in pieces, which remembers whether it was closed."""

    def __init__(self, pieces: list[bytes], error: BaseException | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Server:
    """Answers in this process: `answer(request)` makes each response."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer = answer
        self.responses: list[Any] = []

    def __call__(self, request: Any) -> Any:
        response = self.answer(request)
        self.responses.append(response)
        return response

    def client(self, **options: Any) -> Any:
        transport = http.MockTransport(self)
        return openai.OpenAI(api_key="x", max_retries=0, http_client=http.Client(transport=transport), **options)

    def async_client(self, **options: Any) -> Any:
        transport = http.MockTransport(self)
        return openai.AsyncOpenAI(
            api_key="x", max_retries=0, http_client=http.AsyncClient(transport=transport), **options
        )


HEADERS = {"content-type": "text/event-stream"}


def streamed(request: Any) -> Any:
    return http.Response(200, headers=HEADERS, stream=Pieces(events(request)))


def whole(request: Any) -> Any:
    """As test doubles and recordings of HTTP answer: the body is there at once."""
    return http.Response(200, headers=HEADERS, content=b"".join(events(request)))


# ---- responses of the host's own -----------------------------------------------------------------------------


class Slotted(http.Response):  # type: ignore[misc,name-defined]
    """Has slots beside what it inherits."""

    __slots__ = ("more",)


class Stiff(http.Response):  # type: ignore[misc,name-defined]
    """Does not let its class be changed."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__class__":
            raise AttributeError("this is mine")
        super().__setattr__(name, value)


class Final(http.Response):  # type: ignore[misc,name-defined]
    """Does not let itself be extended."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError("no subclasses")


class Picky(http.Response):  # type: ignore[misc,name-defined]
    """Wants to be extended in its own way."""

    def __init_subclass__(cls, *, reason: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)


@pytest.mark.parametrize("kind", [http.Response, Slotted, Stiff, Final, Picky])
def test_a_stream_of_any_response_class_is_what_it_was_and_recorded(meter: Any, kind: Any) -> None:
    server = Server(lambda request: kind(200, headers=HEADERS, stream=Pieces(events(request))))
    client = server.client()
    bare = [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)]
    meter.on()
    assert [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)] == bare
    with client.chat.completions.with_streaming_response.create(**STREAM.body) as response:
        lines = list(response.iter_lines())
    assert "data: [DONE]" in lines
    assert [type(each) for each in server.responses] == [kind] * 3
    server.responses.clear()
    del response
    typed, raw = meter.records()
    assert (typed.status, typed.usage.total_tokens, typed.usage.source) == ("ok", 150, "reported")
    assert (raw.status, raw.usage.source) == ("ok" if kind in {http.Response, Slotted} else "abandoned", "estimated")
    assert not open_streams


@pytest.mark.parametrize("kind", [Stiff, Final])
async def test_an_asynchronous_stream_of_a_stubborn_response_is_recorded(meter: Any, kind: Any) -> None:
    meter.on()
    server = Server(lambda request: kind(200, headers=HEADERS, stream=Pieces(events(request))))
    async with server.async_client() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(**STREAM.body)]
    assert all(chunk.choices for chunk in chunks)
    assert meter.one().usage.total_tokens == 150


def test_a_body_that_is_there_at_once_is_read_to_its_usage(meter: Any) -> None:
    client = Server(whole).client()
    bare = [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)]
    meter.on()
    assert [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)] == bare
    with client.chat.completions.with_streaming_response.create(**STREAM.body) as response:
        response.read()
    with contextlib.suppress(StopIteration):
        next(iter(client.chat.completions.create(**STREAM.body)))
    first, raw, left = meter.records()
    assert (first.status, first.usage.total_tokens, first.usage.source) == ("ok", 150, "reported")
    assert (raw.status, raw.usage.source) == ("ok", "estimated")
    assert (left.status, left.usage.total_tokens) == ("ok", 150)


async def test_an_asynchronous_body_that_is_there_at_once_is_read_to_its_usage(meter: Any) -> None:
    async with Server(whole).async_client() as client:
        bare = [seen(chunk) async for chunk in await client.chat.completions.create(**STREAM.body)]
        meter.on()
        assert [seen(chunk) async for chunk in await client.chat.completions.create(**STREAM.body)] == bare
    assert meter.one().usage.total_tokens == 150


def test_a_response_is_of_its_own_class_again_when_it_is_closed(meter: Any) -> None:
    meter.on()
    server = Server(streamed)
    stream = server.client().chat.completions.create(**STREAM.body)
    (response,) = server.responses
    assert isinstance(response, http.Response)
    assert (type(response).__name__, type(response).__module__) == ("Response", http.Response.__module__)
    stream.close()
    assert type(response) is http.Response
    stream.close()
    response.close()
    assert meter.one().status == "abandoned"


def test_an_open_response_is_copied_and_pickled_as_without_us(meter: Any) -> None:
    server = Server(streamed)
    client = server.client()

    def outcome(response: Any) -> list[Any]:
        found: list[Any] = []
        for how in (copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))):
            try:
                other = how(response)
                found.append((type(other), other.is_closed, other.extensions, other.status_code))
                found.append(list(other.iter_bytes()))
            except Exception as error:
                found.append((type(error), str(error)))
        return found

    with client.chat.completions.create(**STREAM.body) as stream:
        bare = outcome(stream.response)
    meter.on()
    with client.chat.completions.create(**STREAM.body) as stream:
        assert outcome(stream.response) == bare
        assert len(list(stream)) > 3
    assert meter.one().usage.total_tokens == 150


def test_a_stream_that_is_used_after_it_was_closed_raises_what_it_raised(meter: Any) -> None:
    client = Server(streamed).client()

    def outcome() -> Any:
        stream = client.chat.completions.create(**STREAM.body)
        got = [seen(next(stream))]
        stream.close()
        try:
            got += [seen(chunk) for chunk in stream]
        except Exception as error:
            got.append(seen(error))
        try:
            stream.response.read()
        except Exception as error:
            got.append(seen(error))
        return got

    bare = outcome()
    meter.on()
    assert outcome() == bare
    assert meter.one().status == "abandoned"


async def test_bytes_that_are_left_early_close_the_response_at_once(meter: Any) -> None:
    """httpx2 closes in the same step when its iterator is closed; so it must under us."""
    server = Server(streamed)

    async def closed() -> bool:
        client = server.async_client()
        async with client, client.chat.completions.with_streaming_response.create(**STREAM.body) as response:
            async with contextlib.aclosing(response.http_response.aiter_bytes()) as pieces:
                async for _ in pieces:
                    break
            return bool(response.http_response.is_closed)

    bare = await closed()
    meter.on()
    assert await closed() == bare
    assert meter.one().status == "abandoned"


def test_closing_in_the_wrong_way_leaves_the_call_open(meter: Any) -> None:
    async def host() -> int:
        async with Server(streamed).async_client() as client:
            stream = await client.chat.completions.create(**STREAM.body)
            if not isinstance(stream.response.stream, http.SyncByteStream):
                with contextlib.suppress(RuntimeError):
                    stream.response.close()
            return len([chunk async for chunk in stream])

    meter.on()
    assert asyncio.run(host()) > 3
    assert meter.one().usage.total_tokens == 150


def test_a_client_with_the_older_http_library_is_metered(meter: Any) -> None:
    """openai 3.x takes one that the host made."""
    older = pytest.importorskip("httpx")
    pieces = type("Older", (older.SyncByteStream,), {"__iter__": lambda self: iter(self.pieces)})

    def answer(request: Any) -> Any:
        body = pieces()
        body.pieces = events(request)
        return older.Response(200, headers=HEADERS, stream=body)

    client = openai.OpenAI(api_key="x", http_client=older.Client(transport=older.MockTransport(answer)))
    bare = [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)]
    meter.on()
    assert [seen(chunk) for chunk in client.chat.completions.create(**STREAM.body)] == bare
    assert meter.one().usage.total_tokens == 150


# ---- exceptions ----------------------------------------------------------------------------------------------


class Stop(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize("error", [KeyboardInterrupt("now"), SystemExit(3), Stop("now"), GeneratorExit()])
@pytest.mark.parametrize("when", ["before the answer", "within the stream"])
def test_what_is_no_exception_passes_as_it_is(meter: Any, error: BaseException, when: str) -> None:
    def answer(request: Any) -> Any:
        if when == "before the answer":
            raise error
        return http.Response(200, headers=HEADERS, stream=Pieces(events(request)[:3], error))

    meter.on()
    with pytest.raises(type(error)) as caught:
        list(Server(answer).client().chat.completions.create(**STREAM.body))
    assert caught.value is error
    expected = "abandoned" if isinstance(error, GeneratorExit) else "error" if isinstance(error, Stop) else "cancelled"
    del caught
    assert meter.one().status == expected


@pytest.mark.parametrize("when", ["before the answer", "within the stream"])
async def test_a_cancellation_passes_as_it_is(meter: Any, when: str) -> None:
    waiting = asyncio.Event()

    class Slow(Pieces):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self.pieces:
                yield piece
            waiting.set()
            await asyncio.sleep(60)

    async def answer(request: Any) -> Any:
        if when == "before the answer":
            waiting.set()
            await asyncio.sleep(60)
        return http.Response(200, headers=HEADERS, stream=Slow(events(request)[:3]))

    meter.on()
    http_client = http.AsyncClient(transport=http.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="x", http_client=http_client) as client:

        async def host() -> None:
            async for _ in await client.chat.completions.create(**STREAM.body):
                pass

        task = asyncio.ensure_future(host())
        await waiting.wait()
        task.cancel("by the host")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert caught.value.args == ("by the host",)
    record = meter.one()
    assert (record.status, record.error) == ("cancelled", "CancelledError")


def test_a_fallback_inside_an_except_block_is_no_failed_call(meter: Any) -> None:
    """What the host handles has nothing to do with the stream that it reads meanwhile."""
    meter.on()
    client = Server(streamed).client()
    try:
        raise openai.APIConnectionError(request=http.Request("POST", "https://api.openai.com"))
    except openai.APIConnectionError:
        list(client.chat.completions.create(**STREAM.body))
        with client.chat.completions.create(**STREAM.body) as stream:
            next(stream)
        with client.chat.completions.with_streaming_response.create(**STREAM.body) as response:
            list(response.iter_lines())
    assert [(r.status, r.error) for r in meter.records()] == [("ok", None), ("abandoned", None), ("ok", None)]


def test_the_host_s_own_exception_in_the_midst_of_a_stream_is_not_the_call_s(meter: Any) -> None:
    meter.on()
    client = Server(streamed).client()
    with contextlib.suppress(ZeroDivisionError), client.chat.completions.create(**STREAM.body) as stream:
        next(stream)
        raise ZeroDivisionError
    record = meter.one()
    assert (record.status, record.error) == ("abandoned", None)


@pytest.mark.boundary
def test_a_call_that_the_host_makes_wrongly_fails_as_it_failed(meter: Any) -> None:
    client = Server(streamed).client()

    def outcomes() -> list[Any]:
        found = []
        for make in (
            lambda: client.request(),
            lambda: client.request(object),
            lambda: client.chat.completions.create(),
            lambda: client.post("/chat/completions"),
            lambda: client.chat.completions.create(model="x", messages=[], stream=True, stream_options="yes"),
        ):
            try:
                found.append(type(make()).__name__)
            except Exception as error:
                found.append(seen(error))
        return found

    bare = outcomes()
    meter.on()
    assert outcomes() == bare


# ---- contexts ------------------------------------------------------------------------------------------------


async def test_streams_that_are_left_to_another_task_or_to_the_loop_raise_nothing(
    meter: Any, recwarn: pytest.WarningsRecorder
) -> None:
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))
    meter.on()
    server = Server(streamed)
    async with server.async_client() as client:

        async def open_one() -> Any:
            stream = await client.chat.completions.create(**STREAM.body)
            await anext(stream)
            return stream

        async def close_one(stream: Any) -> None:
            await stream.close()

        await asyncio.create_task(close_one(await asyncio.create_task(open_one())))
        elsewhere = await asyncio.create_task(open_one())
        assert len([chunk async for chunk in elsewhere]) > 2
        dropped = await asyncio.create_task(open_one())
        del dropped
        server.responses.clear()
        gc.collect()
        for _ in range(10):
            await asyncio.sleep(0)
        coroutine = client.chat.completions.create(**STREAM.body)
        coroutine.close()
    assert problems == []
    assert sorted(record.status for record in meter.records()) == ["abandoned", "abandoned", "ok"]


def test_a_stream_that_is_read_after_its_loop_has_ended_raises_nothing_of_ours(meter: Any) -> None:
    meter.on()
    kept: list[Any] = []

    async def host() -> None:
        client = Server(streamed).async_client()
        stream = await client.chat.completions.create(**STREAM.body)
        await anext(stream)
        kept.append(stream)

    asyncio.run(host())
    kept.clear()
    assert meter.one().status == "abandoned"


def test_a_stream_that_is_collected_while_the_ledger_is_being_opened_is_recorded_and_blocks_nobody(
    wire: Wire, program: Any
) -> None:
    """The collector may run anywhere, and ends the calls of dropped streams there."""
    with wire.play([*CHAT.exchanges, *STREAM.exchanges]) as play:
        ran = program(
            """
import gc, tollbook, openai
from tollbook import _runtime, ledger
gc.disable()
opened = ledger.Ledger
def slowly(url):
    gc.collect()
    return opened(url)
ledger.Ledger = slowly
_runtime.warm = lambda: None
import tollbook_integrations._route
tollbook_integrations._route.warm = lambda: None
tollbook.autolog()
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="x")
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
stream = client.chat.completions.create(**body, stream=True)
next(stream)
stream.itself = stream
del stream
client.chat.completions.create(**body)
show(sorted(record["status"] for record in records()))
""",
            play.url(),
        )
    assert ran.shown == [["abandoned", "ok"]]
    assert ran.stderr == ""


def test_a_stream_that_is_collected_in_the_midst_of_our_own_imports_is_recorded_with_its_price(
    wire: Wire, program: Any
) -> None:
    with wire.play([*CHAT.exchanges, *STREAM.exchanges]) as play:
        ran = program(
            """
import encodings.idna  # an import of the first connection, which would wait for the finder below
import gc, importlib.abc, importlib.machinery, threading, tollbook, openai
gc.disable()
class Collecting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "tollbook.pricing._listed":  # which the price list begins with
            assert dropped.wait(20)
            gc.collect()
dropped = threading.Event()
sys.meta_path.insert(0, Collecting())
tollbook.autolog(hosts={"127.0.0.1": "openai"})
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="x")
messages = [{"role": "user", "content": "Count from one to five."}]
stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
next(stream)
stream.itself = stream
del stream
dropped.set()
from tollbook import _runtime
(record,) = _runtime.store().spans()
show([record.status, record.cost.status])
""",
            play.url(),
        )
    assert ran.shown == [["abandoned", "estimated"]]
    assert ran.stderr == ""


async def test_twenty_calls_at_once_are_twenty_records(meter: Any) -> None:
    meter.on()
    async with Server(streamed).async_client() as client:

        async def one() -> int:
            return len([chunk async for chunk in await client.chat.completions.create(**STREAM.body)])

        await asyncio.gather(*(one() for _ in range(20)))
    assert [record.usage.total_tokens for record in meter.records()] == [150] * 20


# ---- many ----------------------------------------------------------------------------------------------------


def calls() -> int:
    """How many calls are in memory."""
    return sum(type(each) is Call for each in gc.get_objects())


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def test_a_stream_that_is_collected_in_the_midst_of_an_import_is_recorded_after_it(
    wire: Wire, program: Any, tmp_path: Path
) -> None:
    """A module that is half imported can't estimate what was read, and ours are imported where they are needed."""
    module = "import gc, __main__\n__main__.leave()\ngc.collect()\nhere = __main__.written()\n"
    (tmp_path / "half_imported.py").write_text(module, encoding="utf-8")
    with wire.play(STREAM.exchanges) as play:
        ran = program(
            """
import gc, tollbook, openai
from tollbook.spans import _sink
gc.disable()
tollbook.autolog()
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="x")
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
def leave():
    stream = client.chat.completions.create(**body, stream=True)
    next(stream)
    tollbook.flush()
    from tollbook._runtime import _warming
    _warming.join()
    stream.itself = stream
def written():
    return _sink.last_trace_id is not None
import half_imported
show([half_imported.here, sorted(record["status"] for record in records())])
""",
            play.url(),
            PYTHONPATH=str(tmp_path),
        )
    assert ran.shown == [[False, ["abandoned"]]]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measured through /proc")
def test_ten_thousand_streams_that_are_left_open_leave_nothing_behind(meter: Any) -> None:
    meter.on()
    server = Server(lambda request: http.Response(200, headers=HEADERS, stream=Pieces(body)))
    body = [framing.sse(event) for event in (STREAM.exchanges[0].events or [])[:3]]
    client = server.client()

    def leave(count: int) -> None:
        for _ in range(count):
            next(client.chat.completions.create(**STREAM.body))
            server.responses.clear()
        gc.collect()

    leave(1_000)
    threads, memory, before = threading.active_count(), resident(), calls()
    leave(9_000)
    assert len(open_streams) == 0
    assert threading.active_count() <= threads
    assert calls() <= before
    assert resident() - memory < 12 << 20, "a database has its own ups and downs; a stream kept would be ten times that"
    assert len(meter.records()) == 10_000
