"""What is asked for by a name of the user's own: Azure deployments and aliases of gateways."""

from __future__ import annotations

from typing import Any

import pytest
from tests.wire.cassettes import Exchange, load
from tests.wire.clients import azure_client, openai_client
from tests.wire.server import Wire

CHAT = load("openai-chat-plain")


def asked(model: str) -> dict[str, Any]:
    return {**CHAT.body, "model": model}


def silent(model: str | None) -> list[Exchange]:
    """What a server answers that repeats the deployment's name, or names no model."""
    (exchange,) = CHAT.exchanges
    answer = {key: value for key, value in exchange.answer.items() if key != "model"}
    return [exchange._replace(answer=answer | ({"model": model} if model else {}))]


@pytest.mark.parametrize("client_of", [azure_client, openai_client])
def test_the_model_of_the_response_comes_before_the_map(wire: Wire, meter: Any, client_of: Any) -> None:
    """A server that says what answered is believed, whatever the deployment is called or said to be."""
    meter.on(deployments={"my-gpt4": "gpt-5"})
    with wire.play("openai-chat-plain") as play, client_of(play, False) as client:
        said = client.chat.completions.create(**asked("my-gpt4")).model
    (record,) = meter.records()
    assert (record.request_model, record.response_model) == ("gpt-5", said)
    assert record.cost.status == "exact"


@pytest.mark.parametrize("said", [None, "my-gpt4"])
@pytest.mark.parametrize("client_of", [azure_client, openai_client])
def test_a_deployment_that_the_response_does_not_explain_is_what_the_map_says(
    wire: Wire, meter: Any, client_of: Any, said: str | None
) -> None:
    """A response that names no model, or repeats the deployment's name, is priced as the model of the map."""
    meter.on(deployments={"my-gpt4": "gpt-4o"})
    with wire.play(silent(said)) as play, client_of(play, False) as client:
        answer = client.chat.completions.create(**asked("my-gpt4"))
    assert answer.model == said
    record = meter.one()
    assert record.request_model == "gpt-4o"
    assert record.cost.total == 20 * 2_500_000 + 100 * 1_250_000 + 30 * 10_000_000


def test_a_deployment_that_nobody_explains_has_no_price(wire: Wire, meter: Any) -> None:
    """No part of a deployment's name is taken for a model's."""
    meter.on(deployments={"another": "gpt-4o"})
    with wire.play(silent("my-gpt-4o")) as play, azure_client(play, False) as client:
        client.chat.completions.create(**asked("my-gpt-4o"))
    record = meter.one()
    assert (record.cost.total, record.cost.status) == (None, "unpriced")


def test_a_streamed_deployment_is_what_the_map_says(wire: Wire, meter: Any) -> None:
    """So for streams, whose events repeat the name."""
    stream = load("openai-chat-stream")
    events = [
        {**event, "data": {**event["data"], "model": "ours"}} if isinstance(event["data"], dict) else event
        for event in stream.exchanges[0].events or ()
    ]
    meter.on(deployments={"ours": "gpt-4o"})
    exchange = stream.exchanges[0]._replace(events=events)
    with wire.play([exchange]) as play, openai_client(play, False) as client:
        for _ in client.chat.completions.create(**{**stream.body, "model": "ours"}):
            pass
    assert (meter.one().response_model, meter.one().cost.status) == ("gpt-4o", "exact")
