"""Who is asked for the usage of a streamed chat, and that the host never notices; and who is billed, by host name."""

from __future__ import annotations

from typing import Any

import pytest
from tests.wire.cassettes import Exchange, load
from tests.wire.clients import azure_client, openai_at, openai_client
from tests.wire.seen import seen
from tests.wire.server import Wire

STREAM = load("openai-chat-stream").body
HOST = "llm.example.test"

REFUSAL = Exchange(
    "POST",
    "/v1/chat/completions",
    STREAM,
    400,
    {"content-type": "application/json"},
    {"error": {"message": "Unrecognized request argument supplied: stream_options", "type": "invalid_request_error"}},
    None,
)


def chunks(client: Any, **more: Any) -> list[Any]:
    return [seen(chunk) for chunk in client.chat.completions.create(**STREAM, **more)]


def asked(play: Any) -> list[Any]:
    """What each request said about usage."""
    return [request.body.get("stream_options") for request in play.requests]


# ---- who is asked --------------------------------------------------------------------------------------------

WHO = [
    ("api.openai.com", {}, True),
    ("eu.api.openai.com", {}, True),
    ("api.openai.com.example.test", {}, False),
    (HOST, {}, False),
    (HOST, {"hosts": {HOST: "openai"}}, False),
    (HOST, {"include_usage_hosts": [HOST]}, True),
    (HOST, {"include_usage_hosts": [HOST.upper()]}, True),
    ("api.openai.com", {"include_usage": False}, False),
    (HOST, {"include_usage": False, "include_usage_hosts": [HOST]}, False),
]


@pytest.mark.parametrize(("host", "options", "asks"), WHO)
def test_usage_is_asked_of_hosts_that_understand_and_the_host_program_sees_no_difference(
    wire: Wire, meter: Any, host: str, options: dict[str, Any], asks: bool
) -> None:
    with wire.play("openai-chat-stream") as play, openai_at(host)(play, False) as client:
        bare = chunks(client)
        meter.on(**options)
        assert chunks(client) == bare
        assert asked(play) == [None, {"include_usage": True} if asks else None]
    record = meter.one()
    assert ("usage_not_requested" in record.flags) is not asks
    assert record.usage.source == ("reported" if asks else "estimated")
    assert record.usage.total_tokens == 150 or not asks


def test_azure_is_not_asked(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("azure-chat-stream") as play, azure_client(play, False) as client:
        list(client.chat.completions.create(**STREAM))
        assert asked(play) == [None]


# ---- what the host said itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent", "flagged"),
    [
        ({"include_usage": False}, {"include_usage": False}, True),
        ({"include_usage": True}, {"include_usage": True}, False),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}, False),
    ],
)
@pytest.mark.parametrize("where", ["stream_options", "extra_body"])
def test_what_the_host_asked_itself_is_respected_and_its_objects_are_not_changed(
    wire: Wire, meter: Any, given: dict[str, bool], sent: dict[str, bool], flagged: bool, where: str
) -> None:
    mine = dict(given)
    more: dict[str, Any] = {where: mine if where == "stream_options" else {"stream_options": mine}}
    if where == "extra_body" and "include_usage" not in given:
        sent, flagged = given, True  # what lies over the body is the host's own affair
    with wire.play("openai-chat-stream") as play, openai_client(play, False) as client:
        bare = chunks(client, **more)
        meter.on()
        assert chunks(client, **more) == bare
        assert asked(play) == [given, sent]
    assert mine == given
    record = meter.one()
    assert ("usage_not_requested" in record.flags) is flagged
    assert record.usage.source == ("estimated" if flagged else "reported")


def test_raw_bytes_of_a_stream_are_what_the_host_asked_for(wire: Wire, meter: Any) -> None:
    with wire.play("openai-chat-stream") as play, openai_client(play, False) as client:

        def lines() -> list[str]:
            with client.chat.completions.with_streaming_response.create(**STREAM) as response:
                return list(response.iter_lines())

        bare = lines()
        meter.on()
        assert lines() == bare
    assert "usage_not_requested" in meter.one().flags


# ---- servers that refuse -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_is_asked_once_and_the_host_gets_its_stream(wire: Wire, meter: Any, status: int) -> None:
    exchanges = [REFUSAL._replace(status=status), *load("openai-chat-stream").exchanges]
    with wire.play("openai-chat-stream") as play, openai_client(play, False) as client:
        bare = chunks(client)
    meter.on()
    with wire.play(exchanges) as play, openai_client(play, False) as client:
        assert chunks(client) == bare
        assert chunks(client) == bare
        assert asked(play) == [{"include_usage": True}, None, None]
    assert [(r.status, r.usage.source, r.flags[:1]) for r in meter.records()] == [
        ("ok", "estimated", ("usage_not_requested",))
    ] * 2


async def test_an_asynchronous_client_gets_its_stream_too(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play([REFUSAL, *load("openai-chat-stream").exchanges]) as play:
        async with openai_client(play, True) as client:
            got = [chunk async for chunk in await client.chat.completions.create(**STREAM)]
            assert all(chunk.choices for chunk in got)
            assert asked(play) == [{"include_usage": True}, None]
    assert meter.one().status == "ok"


def test_a_refusal_that_has_another_reason_is_the_host_s_and_recorded_as_such(wire: Wire, meter: Any) -> None:
    other = {"error": {"message": "max_tokens is too large", "type": "invalid_request_error"}}
    with wire.play([REFUSAL, REFUSAL._replace(answer=other)]) as play, openai_client(play, False) as client:
        meter.on()
        with pytest.raises(Exception, match="max_tokens is too large"):
            chunks(client)
        assert asked(play) == [{"include_usage": True}, None]
    record = meter.one()
    assert (record.status, record.error) == ("error", "BadRequestError")


# ---- who is billed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "options", "provider"),
    [
        ("api.openai.com", {}, "openai"),
        ("ours.openai.azure.com", {}, "azure.ai.openai"),
        ("api.deepseek.com", {}, "deepseek"),
        ("openrouter.ai", {}, "openrouter"),
        (HOST, {}, HOST),
        (HOST, {"hosts": {HOST: "openai"}}, "openai"),
        ("api.openai.com", {"hosts": {"api.openai.com": "mine"}}, "mine"),
    ],
)
def test_the_provider_is_known_by_its_host(
    wire: Wire, meter: Any, host: str, options: dict[str, Any], provider: str
) -> None:
    meter.on(**options)
    with wire.play("openai-chat-plain") as play, openai_at(host)(play, False) as client:
        client.chat.completions.create(**load("openai-chat-plain").body)
    record = meter.one()
    assert record.provider == provider
    assert (record.cost.status == "exact") is (provider in {"openai", "azure.ai.openai"})


def test_a_client_that_is_pointed_elsewhere_is_billed_there(wire: Wire, meter: Any) -> None:
    meter.on()
    with wire.play("openai-chat-plain") as play, openai_client(play, False) as client:
        client.chat.completions.create(**load("openai-chat-plain").body)
        client.base_url = play.url(HOST, "/v1")
        client.chat.completions.create(**load("openai-chat-plain").body)
        client.with_options(base_url=play.url("api.groq.com", "/openai/v1")).chat.completions.create(
            **load("openai-chat-plain").body
        )
    assert [record.provider for record in meter.records()] == ["openai", HOST, "groq"]
