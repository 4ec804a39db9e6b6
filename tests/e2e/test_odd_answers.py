"""A paid call is on record with its usage, whatever else its answer says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.wire.cassettes import load
from tests.wire.server import Wire

import tollbook

openai = pytest.importorskip("openai")
pytest.importorskip("anthropic")

from tests.wire.clients import anthropic_client, openai_client  # noqa: E402 - needs both SDKs

LONE = "a\ud83d"
"""Half of a pair, as a server that cuts its text in the middle may send it."""
SHOWN = "a\\ud83d"
CHOICE: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": "Hi"}}

ODD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"id": 5}, {"response_id": "5"}),
    ({"id": 10**30}, {"response_id": str(10**30)}),
    ({"id": ["a"]}, {"response_id": None}),
    ({"id": {"a": 1}}, {"response_id": None}),
    ({"id": LONE}, {"response_id": SHOWN}),
    ({"model": 5}, {"response_model": "5"}),
    ({"model": ["a"]}, {"response_model": None}),
    ({"model": LONE}, {"response_model": SHOWN}),
    ({"service_tier": ["a"]}, {"context": None}),
    ({"service_tier": 5}, {"context": {"service_tier": "5"}}),
    ({"service_tier": LONE}, {"context": {"service_tier": SHOWN}}),
    ({"choices": [{**CHOICE, "finish_reason": ["stop"]}]}, {"finish": None}),
    ({"choices": [{**CHOICE, "finish_reason": 3}]}, {"finish": "3"}),
    ({"choices": [{**CHOICE, "finish_reason": LONE}]}, {"finish": SHOWN}),
]


@pytest.mark.parametrize(("odd", "expected"), ODD)
def test_a_field_that_is_no_text_or_no_unicode_costs_no_record(
    wire: Wire, meter: Any, odd: dict[str, Any], expected: dict[str, Any]
) -> None:
    record = chat(wire, meter, odd)
    assert {name: getattr(record, name) for name in expected} == expected
    assert (record.usage.input_tokens, record.usage.output_tokens) == (10, 5)


@pytest.mark.parametrize("usage", [7, "many", [1], True])
def test_usage_that_is_no_object_is_not_known(wire: Wire, meter: Any, usage: Any) -> None:
    record = chat(wire, meter, {"usage": usage})
    assert (record.usage, record.status) == (None, "ok")


@pytest.mark.parametrize(
    "more", [{"note": LONE}, {LONE: "x"}, {LONE: 1}, {"prompt_tokens_details": {"kind": LONE}}, {"n": 10**30}]
)
def test_usage_with_what_cant_be_written_beside_its_counts_is_read(
    wire: Wire, meter: Any, more: dict[str, Any]
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    record = chat(wire, meter, {"usage": {**usage, **more}})
    assert (record.usage.input_tokens, record.usage.output_tokens) == (10, 5)


def chat(wire: Wire, meter: Any, odd: dict[str, Any]) -> Any:
    """The record of a call whose answer has `odd` in it."""
    (exchange,) = load("openai-chat-plain").exchanges
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    answer = {**exchange.answer, "choices": [{**CHOICE, "finish_reason": "stop"}], "usage": usage, **odd}
    with (
        wire.play([exchange._replace(content=json.dumps(answer).encode())]) as play,
        openai_client(play, False) as client,
    ):
        meter.on()
        client.chat.completions.create(**exchange.body)
    return meter.one()


def test_an_answer_of_anthropic_whose_id_is_a_number(wire: Wire, meter: Any) -> None:
    (exchange,) = load("anthropic-messages-plain").exchanges
    answer = {**exchange.answer, "id": 7}
    with (
        wire.play([exchange._replace(content=json.dumps(answer).encode())]) as play,
        anthropic_client(play, False) as client,
    ):
        meter.on()
        client.messages.create(**exchange.body)
    record = meter.one()
    assert record.response_id == "7"
    assert record.usage.input_tokens > 0


def test_names_that_are_no_unicode_are_kept_with_escapes(meter: Any) -> None:
    """As file names and arguments of a program may be, where they are not UTF-8."""
    name = "a\udcff"
    meter.on()
    with tollbook.attribute(feature=name, tag=name), tollbook.span(name, q=name):
        tollbook.record(model=name, provider="p", usage={"input_tokens": 1, "output_tokens": 1}, name=name, ticket=name)
    record = meter.one()
    assert (record.name, record.request_model) == ("a\\udcff", "a\\udcff")
    assert record.attribution == {"feature": "a\\udcff", "tag": "a\\udcff"}
    assert record.attributes == {"ticket": "a\\udcff"}
