"""What an answer says that it cost is booked as such, with the list price beside it.

The exchanges are written by us, in the words of the providers' references.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.conftest import Meter
from tests.wire.cassettes import Exchange, load
from tests.wire.clients import KEY, anthropic_client, openai_at, openai_client
from tests.wire.server import Wire

from tollbook import _runtime
from tollbook.reports import report

CHAT = load("openai-chat-plain")
STREAM = load("openai-chat-stream")
MESSAGE = load("anthropic-messages-plain")
COST = "x-litellm-response-cost"


def stating(usage: dict[str, Any] | None = None, *, of: Any = CHAT, **headers: str) -> list[Exchange]:
    """The cassette's exchange, whose usage or headers say more."""
    exchange = of.exchanges[0]
    answer = exchange.answer
    if usage is not None:
        answer = {**answer, "usage": {**answer["usage"], **usage}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [exchange._replace(answer=answer, headers={**exchange.headers, **named})]


def ask(wire: Wire, host: str, exchanges: list[Exchange], path: str = "/v1") -> None:
    with wire.play(exchanges) as play, openai_at(host, path)(play, False) as client:
        client.chat.completions.create(**CHAT.body)


LISTED = 475_000_000
"""What the exchange costs by OpenAI's list for gpt-4o: 20 tokens at 2.50, 100 cached at 1.25, 30 at 10."""


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        ({"cost": 0.0000123}, 12_300_000),
        ({"cost": 0}, 0),
        ({"cost": 0.000001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00002}}, 21_000_000),
        ({"cost": 0.000001, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.00002}}, 1_000_000),
    ],
    ids=["its charge", "a free model", "the user's own key", "its own key"],
)
def test_openrouter(wire: Wire, meter: Meter, usage: dict[str, Any], total: int) -> None:
    meter.on()
    ask(wire, "openrouter.ai", stating(usage))
    record = meter.one()
    assert record.cost is not None
    assert (record.provider, record.cost.total, record.cost.status) == ("openrouter", total, "exact")
    (row,) = _runtime.store().summary()
    assert (row.total_cost, row.charged_calls) == (total, 1)


@pytest.mark.parametrize(
    ("host", "usage", "total"),
    [
        ("api.x.ai", {"cost_in_usd_ticks": 2_244_800}, 224_480_000),
        ("api.perplexity.ai", {"cost": {"input_tokens_cost": 0.001, "total_cost": 0.006}}, 6_000_000_000),
        ("api.perplexity.ai", {"cost": {"total_cost": 0.006, "currency": "USD"}}, 6_000_000_000),
    ],
)
def test_other_providers(wire: Wire, meter: Meter, host: str, usage: dict[str, Any], total: int) -> None:
    meter.on()
    ask(wire, host, stating(usage))
    record = meter.one()
    assert record.cost is not None
    assert (record.cost.total, record.cost.status) == (total, "exact")


@pytest.mark.parametrize(
    ("cost", "flag"),
    [
        (-1, "negative"),
        (1e12, "too_large"),
        ("much", "no_count"),
        ({"total_cost": 3, "currency": "EUR"}, "foreign_currency"),
    ],
)
def test_a_charge_that_can_not_be_one_is_refused_and_kept_as_it_came(
    wire: Wire, meter: Meter, cost: Any, flag: str
) -> None:
    meter.on(hosts={"openrouter.ai": "openai"})
    ask(wire, "openrouter.ai", stating({"cost": cost}))
    record = meter.one()
    assert record.usage is not None
    assert record.cost is not None
    assert (record.usage.charge, record.usage.flags) == (None, (flag,))
    assert (record.cost.total, record.cost.status) == (LISTED, "estimated"), "the list price, and a doubt"


class TestGateway:
    """LiteLLM's proxy says in a header what it reckons."""

    @pytest.mark.parametrize(("said", "total"), [("1.23e-05", 12_300_000), ("0.0", 0), ("0", 0)])
    def test_its_figure_is_the_cost_and_the_list_price_stands_beside_it(
        self, wire: Wire, meter: Meter, said: str, total: int
    ) -> None:
        meter.on(hosts={"llm.example.com": "openai"})
        ask(wire, "llm.example.com", stating(x_litellm_response_cost=said))
        record = meter.one()
        assert record.cost is not None
        assert (record.cost.total, record.cost.listed, record.cost.status) == (total, LISTED, "exact")
        assert record.charge is None

    def test_it_prices_what_no_list_knows(self, wire: Wire, meter: Meter) -> None:
        meter.on()
        ask(wire, "llm.example.com", stating(x_litellm_response_cost="0.25"))
        record = meter.one()
        assert record.cost is not None
        assert (record.cost.total_usd, record.cost.listed) == (record.cost.total_usd, None)
        assert record.cost.total == 250_000_000_000
        assert record.usage is not None
        assert record.usage.input_tokens == 120

    def test_it_is_all_that_is_known_where_no_usage_is_reported(self, wire: Wire, meter: Meter) -> None:
        meter.on(hosts={"llm.example.com": "openai"})
        (exchange,) = stating(x_litellm_response_cost="0.25")
        answer = {name: value for name, value in exchange.answer.items() if name != "usage"}
        ask(wire, "llm.example.com", [exchange._replace(answer=answer)])
        record = meter.one()
        assert record.cost is not None
        assert (record.cost.total, record.cost.listed) == (250_000_000_000, None), "nobody knows the list price"

    @pytest.mark.parametrize("said", ["None", "", "null"])
    def test_nothing_said_is_nothing(self, wire: Wire, meter: Meter, said: str) -> None:
        meter.on(hosts={"llm.example.com": "openai"})
        ask(wire, "llm.example.com", stating(x_litellm_response_cost=said))
        record = meter.one()
        assert record.cost is not None
        assert (record.cost.total, record.cost.listed, record.flags) == (LISTED, None, ())

    @pytest.mark.parametrize("said", ["-1", "nan", "inf", "1e30", "a lot"])
    def test_what_can_not_be_a_price_is_refused(self, wire: Wire, meter: Meter, said: str) -> None:
        meter.on(hosts={"llm.example.com": "openai"})
        ask(wire, "llm.example.com", stating(x_litellm_response_cost=said))
        record = meter.one()
        assert record.cost is not None
        assert (record.cost.total, record.flags) == (LISTED, ("refused_charge",))

    def test_a_providers_own_host_is_not_asked(self, wire: Wire, meter: Meter) -> None:
        meter.on()
        with wire.play(stating(x_litellm_response_cost="9")) as play, openai_client(play, False) as client:
            client.chat.completions.create(**CHAT.body)
        record = meter.one()
        assert record.cost is not None
        assert record.cost.total == LISTED

    def test_the_header_of_a_stream_is_sent_before_anybody_knows(self, wire: Wire, meter: Meter) -> None:
        meter.on(hosts={"llm.example.com": "openai"})
        first = STREAM.exchanges[0]
        exchanges = [first._replace(headers={**first.headers, COST: "0.0"})]
        with wire.play(exchanges) as play, openai_at("llm.example.com")(play, False) as client:
            list(client.chat.completions.create(**STREAM.body))
        record = meter.one()
        assert record.cost is None or record.cost.total != 0
        assert record.usage is not None
        assert record.usage.charge is None

    def test_it_is_heard_through_any_sdk(self, wire: Wire, meter: Meter) -> None:
        meter.on()
        (exchange,) = stating(of=MESSAGE, x_litellm_response_cost="0.5")
        with wire.play([exchange]) as play:
            address = play.url("llm.example.com")
            with anthropic_client(play, False, base_url=address, api_key=KEY) as client:
                client.messages.create(**MESSAGE.body)
        record = meter.one()
        assert record.cost is not None
        assert record.cost.total == 500_000_000_000


def test_the_report_tells_what_was_charged_and_what_the_list_says(wire: Wire, meter: Meter) -> None:
    meter.on(hosts={"llm.example.com": "openai"})
    ask(wire, "llm.example.com", stating(x_litellm_response_cost="0.00003"))
    ask(wire, "llm.example.com", stating())
    found = report(_runtime.store(), by=["provider"]).total.numbers()
    assert (found["charged_calls"], found["listed_calls"]) == (1, 1)
    assert (found["listed_cost_usd"], found["listed_difference_usd"]) == ("0.000475", "-0.000445")
    assert found["cost_usd"] == "0.000505"
