"""A server on the loopback interface that answers as the providers do, from cassettes.

`Wire` is one thread with one event loop for a whole test session. Each `wire.play(...)` is an address of its own
(a fresh port), so that plays share nothing: not their state, their requests or their misbehaviour. While a `Wire`
is open, every host name resolves to it for its ports, so a client may believe that it talks to api.openai.com:

    with wire.play("openai-chat-plain") as play:
        client = OpenAI(base_url=play.url("api.openai.com", "/v1"), api_key="x")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.wire import framing, http
from tests.wire.cassettes import Cassette, Exchange, load


class Delivery(NamedTuple):
    """How answers are sent. Events are counted as they lie on the wire."""

    chunks: str = "event"
    """`event`: a chunk each; `one`: all in one; `odd`: borders anywhere."""
    newline: str = "\n"
    gzip: bool = False
    """Compressed, if the client accepts it."""
    pause: float = 0.0
    """Seconds before each chunk."""
    hold: int | None = None
    """After that many events (0: before any answer) nothing more comes until the client goes or the play ends."""
    drop: int | None = None
    """After that many events (0: before any answer) the connection breaks."""


class Play:
    """An address that plays one cassette, or a list of exchanges.

    A request gets the next exchange with its path, method and `stream`; the last one of them repeats. Azure,
    Bedrock, Vertex and Foundry spell the paths of the same exchanges in their own way, and so may the client.
    """

    def __init__(self, exchanges: list[Exchange], delivery: Delivery) -> None:
        self.delivery = delivery
        self.requests: list[http.Request] = []
        self.strays: list[http.Request] = []
        """Requests that no exchange matches; they got a 404."""
        self.port = 0
        self.answers: set[asyncio.Task[bool]] = set()
        """Those under way."""
        self._left: dict[tuple[str, str, bool], list[Exchange]] = {}
        for exchange in exchanges:
            streams = bool((exchange.body or {}).get("stream"))
            self._left.setdefault((exchange.method, exchange.path, streams), []).append(exchange)

    def url(self, host: str = "127.0.0.1", path: str = "") -> str:
        """The address under any host name."""
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while request := await http.read_request(reader):
                self.requests.append(request)
                answer = asyncio.ensure_future(self._answer(request, reader, writer))
                self.answers.add(answer)
                answer.add_done_callback(self.answers.discard)
                if not await answer:
                    break
        except ConnectionError:
            request.outcome = "left"
        finally:
            writer.close()

    async def _answer(self, request: http.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False if the connection is over."""
        exchange = self._match(request)
        how = self.delivery
        stream = exchange.events is not None
        if how.hold == 0:
            return await self._hold(request, reader, writer)
        if how.drop == 0:
            return self._drop(request, writer)
        headers = {**exchange.headers}
        squeeze = how.gzip and "gzip" in request.headers.get("accept-encoding", "")
        if squeeze:
            headers["content-encoding"] = "gzip"
        pieces = self._stream(exchange, request, headers) if stream else [_content(exchange, headers)]
        stop = next((count for count in (how.hold, how.drop) if count is not None), None) if stream else None
        chunks = framing.cut(pieces[:stop], how.chunks)
        body = list(framing.gzipped(chunks, ends=stop is None) if squeeze else chunks)
        if stream:
            headers["transfer-encoding"] = "chunked"
        else:
            headers["content-length"] = str(sum(map(len, body)))
        writer.write(http.head(exchange.status, headers))
        for data in filter(None, body):
            await asyncio.sleep(how.pause)
            writer.write(http.chunk(data) if stream else data)
            await writer.drain()  # notices a client that went away
        if stop is not None:
            if how.drop is not None:
                return self._drop(request, writer)
            return await self._hold(request, reader, writer)
        if stream:
            writer.write(http.chunk(b""))
            await writer.drain()
        request.outcome = "sent"
        return True

    def _match(self, request: http.Request) -> Exchange:
        path, stream, _ = dialect(request)
        left = self._left.get((request.method, path, stream))
        if not left:
            self.strays.append(request)
            text = f"no exchange for {request.method} {path}, stream {stream}"
            return Exchange("", "", None, 404, {"content-type": "application/json"}, {"error": {"message": text}}, None)
        return left.pop(0) if len(left) > 1 else left[0]

    def _stream(self, exchange: Exchange, request: http.Request, headers: dict[str, str]) -> list[bytes]:
        """The events on the wire."""
        events = as_openai_sends(exchange.events or [], request.body)
        if dialect(request)[2]:
            headers["content-type"] = "application/vnd.amazon.eventstream"
            return [framing.aws(event) for event in events]
        return [framing.sse(event, self.delivery.newline) for event in events]

    async def _hold(self, request: http.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send nothing more until the client goes or the play ends."""
        await reader.read(1)
        request.outcome = "left"
        return False

    def _drop(self, request: http.Request, writer: asyncio.StreamWriter) -> bool:
        """Break the connection: what was sent arrives, the rest never does."""
        request.outcome = "dropped"
        writer.close()
        return False


class Wire:
    """The server's thread. A context manager: names resolve to it and plays are served while it is open."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._ports: set[int] = set()
        self._resolve: Callable[..., Any] = socket.getaddrinfo

    def __enter__(self) -> Wire:
        self._thread.start()
        self._resolve = socket.getaddrinfo
        socket.getaddrinfo = self._getaddrinfo
        return self

    def __exit__(self, *exc_info: object) -> None:
        socket.getaddrinfo = self._resolve
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def play(
        self, what: str | Cassette | list[Exchange], delivery: Delivery | None = None, **how: Any
    ) -> Iterator[Play]:
        """Serve a cassette (by name, or as it is) or exchanges at an address of their own, until the block ends.

        Args:
            what: What to answer with.
            delivery: How to send it.
            **how: Fields of `Delivery`, in its place.
        """
        if isinstance(what, str):
            what = load(what)
        exchanges = what.exchanges if isinstance(what, Cassette) else what
        play = Play(exchanges, delivery or Delivery(**how))
        stack = asyncio.run_coroutine_threadsafe(self._open(play), self._loop).result()
        self._ports.add(play.port)
        try:
            yield play
        finally:
            asyncio.run_coroutine_threadsafe(self._close(play, *stack), self._loop).result()
            self._ports.discard(play.port)

    async def _open(self, play: Play) -> tuple[asyncio.Server, set[asyncio.Task[None]]]:
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(play.serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24)
        play.port = server.sockets[0].getsockname()[1]
        return server, tasks

    async def _close(self, play: Play, server: asyncio.Server, tasks: set[asyncio.Task[None]]) -> None:
        server.close()
        if play.answers:
            # A client that leaves early has gone by now; the news of it may still be under way.
            await asyncio.wait(set(play.answers), timeout=1)
        for task in [*play.answers, *tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports let go of their sockets in the next turn

    def _getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        """Every name is this machine, for our ports."""
        ours = isinstance(port, int | str) and str(port).isdigit() and int(port) in self._ports
        return self._resolve("127.0.0.1" if ours else host, port, *args, **kwargs)


# ---- the providers' habits -----------------------------------------------------------------------------------

_DIALECTS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"/openai/deployments/[^/]+(/.*)"), r"/v1\1"),  # Azure, by deployment
    (re.compile(r"/openai(?:/v1)?(/.*)"), r"/v1\1"),  # Azure's v1 API, Groq
    (re.compile(r"/model/[^/]+/invoke(?:-with-response-stream)?"), "/v1/messages"),  # Bedrock
    (re.compile(r".*/publishers/anthropic/models/count-tokens:rawPredict"), "/v1/messages/count_tokens"),  # Vertex
    (re.compile(r".*/publishers/anthropic/models/[^/]+:(?:rawPredict|streamRawPredict)"), "/v1/messages"),
    (re.compile(r"/anthropic(/v1/.*)"), r"\1"),  # Foundry
]


def dialect(request: http.Request) -> tuple[str, bool, bool]:
    """The path on the provider's own host, whether a stream is asked for, and whether in AWS' framing."""
    framed = request.path.endswith("/invoke-with-response-stream")
    stream = framed or request.path.endswith(":streamRawPredict") or bool(request.body.get("stream"))
    return canonical(request.path), stream, framed


def canonical(path: str) -> str:
    """The path on the provider's own host of what a cloud, or a compatible provider, calls `path`."""
    for pattern, own in _DIALECTS:
        if pattern.fullmatch(path):
            return pattern.sub(own, path)
    return path


def as_openai_sends(events: list[dict[str, Any]], body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events; if it is a chat and usage was not asked for, without the chunk that has it, and `usage: null`."""
    if (body.get("stream_options") or {}).get("include_usage"):
        return events
    return [_without_null(event) for event in events if not _only_usage(event["data"])]


def _only_usage(data: Any) -> bool:
    return isinstance(data, dict) and bool(data.get("usage")) and data.get("choices") == []


def _without_null(event: dict[str, Any]) -> dict[str, Any]:
    data = event["data"]
    if not isinstance(data, dict) or data.get("usage"):
        return event
    return {**event, "data": {key: value for key, value in data.items() if key != "usage"}}


def _content(exchange: Exchange, headers: dict[str, str]) -> bytes:
    if exchange.content is not None:
        return exchange.content
    if isinstance(exchange.answer, str):
        return exchange.answer.encode()
    headers.setdefault("content-type", "application/json")
    return json.dumps(exchange.answer, ensure_ascii=False).encode()
