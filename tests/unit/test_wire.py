"""The provider on the loopback interface: it answers what the cassettes say, as it is told to, to whom it is asked."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import struct
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.wire import framing
from tests.wire.cassettes import Exchange, load
from tests.wire.server import Play, Wire, as_openai_sends

CHAT = "/v1/chat/completions"
ASK = {"model": "gpt-4o"}


def ask(play: Play, path: str = CHAT, body: Any = ASK, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """A request by the standard library; status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", play.port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def events(body: bytes) -> list[Any]:
    """The data of an event stream."""
    texts = [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


def answer(text: str, status: int = 200) -> Exchange:
    return Exchange("POST", CHAT, None, status, {}, {"text": text}, None)


# ---- plays ---------------------------------------------------------------------------------------------------


def test_an_answer_is_the_cassettes(wire: Wire) -> None:
    exchange = load("openai-chat-plain").exchanges[0]
    with wire.play("openai-chat-plain") as play:
        status, headers, body = ask(play)
    assert (status, json.loads(body)) == (200, exchange.answer)
    assert exchange.headers.items() <= dict(headers).items()


def test_answers_come_in_order_and_the_last_repeats(wire: Wire) -> None:
    with wire.play([answer("a", 429), answer("b")]) as play:
        found = [ask(play) for _ in range(3)]
    assert [(status, json.loads(body)["text"]) for status, _, body in found] == [(429, "a"), (200, "b"), (200, "b")]


def test_a_request_that_no_exchange_matches_is_a_stray(wire: Wire) -> None:
    with wire.play([answer("a")]) as play:
        assert ask(play, "/v1/elsewhere")[0] == 404
        assert ask(play, body={"stream": True})[0] == 404
    assert [request.path for request in play.strays] == ["/v1/elsewhere", CHAT]


def test_plays_share_nothing(wire: Wire) -> None:
    with wire.play([answer("a")]) as one, wire.play([answer("b")]) as other:
        assert json.loads(ask(one)[2]) == {"text": "a"}
        assert json.loads(ask(other)[2]) == {"text": "b"}
    assert (len(one.requests), len(other.requests)) == (1, 1)


def test_a_play_serves_many_threads_at_once(wire: Wire) -> None:
    with wire.play([answer("a")]) as play, ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(lambda _: ask(play)[2], range(40)))
    assert bodies == {b'{"text": "a"}'}
    assert len(play.requests) == 40


def test_an_ended_play_refuses_connections(wire: Wire) -> None:
    with wire.play([answer("a")]) as play:
        pass
    with pytest.raises(ConnectionRefusedError):
        ask(play)


def test_every_host_name_leads_to_a_play_at_its_port(wire: Wire) -> None:
    with wire.play([answer("a")]) as play:
        request = urllib.request.Request(play.url("api.openai.com", CHAT), data=b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.loads(response.read()) == {"text": "a"}
    assert play.requests[0].headers["host"] == f"api.openai.com:{play.port}"


def test_requests_are_kept_as_they_came(wire: Wire) -> None:
    with wire.play([answer("a")]) as play:
        ask(play, CHAT + "?api-version=1", {"model": "m", "input": "ü"}, Authorization="Bearer none")
        form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n' + (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\x00\xff\r\n--x--\r\n'
        )
        connection = http.client.HTTPConnection("127.0.0.1", play.port, timeout=10)
        connection.request(
            "POST",
            CHAT,
            iter([form[:40], form[40:]]),
            {"Content-Type": "multipart/form-data; boundary=x"},
            encode_chunked=True,
        )
        connection.getresponse().read()
        connection.close()
    first, second = play.requests
    assert (first.query, first.headers["authorization"], first.body) == (
        "api-version=1",
        "Bearer none",
        {"model": "m", "input": "ü"},
    )
    assert (second.headers["transfer-encoding"], second.body) == ("chunked", {"model": "m"})


# ---- deliveries ----------------------------------------------------------------------------------------------

STREAMED = {**ASK, "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("squeezed", [False, True])
@pytest.mark.parametrize("chunks", ["event", "one", "odd"])
def test_a_stream_is_the_same_in_any_wrapping(wire: Wire, chunks: str, squeezed: bool, newline: str) -> None:
    stated = [event["data"] for event in load("openai-chat-stream").exchanges[0].events or ()]
    with wire.play("openai-chat-stream", chunks=chunks, gzip=squeezed, newline=newline) as play:
        _, headers, body = ask(play, body=STREAMED, **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == ("gzip" if squeezed else None)
    body = gzip.decompress(body) if squeezed else body
    assert body.count(b"\r\n") == (body.count(b"\n") if newline == "\r\n" else 0)
    assert [*events(body), "[DONE]"] == stated


def test_odd_chunks_split_and_join_events() -> None:
    pieces = [framing.sse({"data": "five 五"})] * 20
    parts = list(framing.cut(pieces, "odd"))
    assert b"".join(parts) == b"".join(pieces)
    assert any(part.count(b"\n\n") > 1 for part in parts)
    assert any(not part.endswith(b"\n\n") for part in parts)


def test_usage_comes_only_if_it_was_asked_for(wire: Wire) -> None:
    with wire.play("openai-chat-stream") as play:
        asked = events(ask(play, body=STREAMED)[2])
        silent = events(ask(play, body={**ASK, "stream": True})[2])
    assert [chunk["usage"] for chunk in asked[:-1]] == [None] * 8
    assert (asked[-1]["choices"], asked[-1]["usage"]["total_tokens"]) == ([], 150)
    assert len(silent) == len(asked) - 1
    assert not any("usage" in chunk for chunk in silent)


def test_usage_on_a_chunk_with_content_comes_unasked() -> None:
    sent = [{"data": {"choices": [1], "usage": {"total_tokens": 1}}}, {"data": "[DONE]"}]
    assert as_openai_sends(sent, {}) == sent


@pytest.mark.parametrize("count", [1, 4])
def test_a_dropped_stream_has_so_many_events_and_no_end(wire: Wire, count: int) -> None:
    with wire.play("openai-chat-stream", drop=count) as play, pytest.raises(http.client.IncompleteRead) as caught:
        ask(play, body=STREAMED)
    assert len(events(caught.value.partial)) == count
    assert play.requests[0].outcome == "dropped"


def test_a_connection_dropped_before_any_answer_has_none(wire: Wire) -> None:
    with wire.play("openai-chat-plain", drop=0) as play, pytest.raises(http.client.RemoteDisconnected):
        ask(play)


@pytest.mark.parametrize(("cassette", "body"), [("openai-chat-plain", ASK), ("openai-chat-stream", STREAMED)])
def test_a_held_answer_does_not_come_and_a_client_that_leaves_is_noticed(
    wire: Wire, cassette: str, body: dict[str, Any]
) -> None:
    with wire.play(cassette, hold=0) as play:
        connection = http.client.HTTPConnection("127.0.0.1", play.port, timeout=0.05)
        connection.request("POST", CHAT, json.dumps(body), {"Content-Type": "application/json"})
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
    assert play.requests[0].outcome == "left"


def test_a_held_stream_begins(wire: Wire) -> None:
    with wire.play("openai-chat-stream", hold=2) as play:
        connection = http.client.HTTPConnection("127.0.0.1", play.port, timeout=10)
        connection.request("POST", CHAT, json.dumps(STREAMED), {"Content-Type": "application/json"})
        response = connection.getresponse()
        begun = [response.readline() for _ in range(3)]
        response.close()
        connection.close()
    assert begun[0].startswith(b'data: {"id":"chatcmpl-stream"')
    assert play.requests[0].outcome == "left"


# ---- the providers' own ways ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "cassette"),
    [
        ("/openai/deployments/any/chat/completions?api-version=2024-10-21", "openai-chat-plain"),
        ("/openai/v1/chat/completions", "openai-chat-plain"),
        ("/openai/responses?api-version=2025-03-01-preview", "openai-responses-plain"),
        ("/model/any/invoke", "anthropic-messages-plain"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m@default:rawPredict", "anthropic-messages-plain"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", "anthropic-count-tokens"),
        ("/anthropic/v1/messages", "anthropic-messages-plain"),
        ("/v1/messages?beta=true", "anthropic-messages-plain"),
    ],
)
def test_the_clouds_spell_paths_in_their_own_way(wire: Wire, path: str, cassette: str) -> None:
    with wire.play(cassette) as play:
        status, _, body = ask(play, path, {})
    assert (status, json.loads(body)) == (200, load(cassette).exchanges[0].answer)


def test_bedrock_streams_in_frames_of_aws(wire: Wire) -> None:
    with wire.play("anthropic-messages-stream") as play:
        _, headers, body = ask(play, "/model/any/invoke-with-response-stream", {})
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    found = []
    while body:
        total, head, check = struct.unpack(">III", body[:12])
        assert check == zlib.crc32(body[:8])
        assert struct.unpack(">I", body[total - 4 : total])[0] == zlib.crc32(body[: total - 4])
        found.append(json.loads(base64.b64decode(json.loads(body[12 + head : total - 4])["bytes"])))
        body = body[total:]
    assert found == [event["data"] for event in load("anthropic-messages-stream").exchanges[0].events or ()]


# ---- no way out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["api.openai.com", "192.0.2.1", "2001:db8::1"])
def test_tests_cannot_leave_this_machine(wire: Wire, host: str) -> None:
    with pytest.raises(RuntimeError, match=host):
        socket.create_connection((host, 443), timeout=1)
