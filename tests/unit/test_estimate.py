"""What a call will cost, told before it is made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tollbook
from tollbook import Usage, pricing, tokens
from tollbook._estimate import limit_of, provider_of, usual_limit, worst_case
from tollbook._money import to_usd
from tollbook.tokens import _ranks

CHAT: list[Any] = [{"role": "user", "content": "hello world"}]


@pytest.fixture(autouse=True)
def rough(monkeypatch):
    """No tokenizer, so that the numbers are the same on each machine: eleven bytes are three tokens."""
    from tollbook.tokens import _encoders

    before = dict(_encoders._known)
    _encoders.forget()
    monkeypatch.setenv(_ranks.VARIABLE, "off")
    yield
    _encoders.forget()
    _encoders._known.update(before)


def test_a_chat_costs_its_tokens_at_the_price_of_today() -> None:
    """gpt-4o: 2.50 USD per million sent, 10 per million generated."""
    found = tollbook.estimate(CHAT, "gpt-4o", max_tokens=100, output_tokens=20)
    assert (found.provider, found.input_tokens, found.output_tokens, found.max_output_tokens) == ("openai", 10, 20, 100)
    assert found.method == "bytes/4 (rules 1)"
    assert found.cost == Decimal("0.000225")
    assert found.band == round((3 * 0.5 + 7 * 0.2) / 10, 3)
    assert (found.input_tokens_low, found.input_tokens_high) == (7, 13)
    assert found.cost_low == Decimal("0.0000275")
    assert found.cost_max == Decimal("0.0010325")
    assert found.notes == ()


def test_what_is_assumed_is_said() -> None:
    found = tollbook.estimate(CHAT, "gpt-4o")
    assert (found.output_tokens, found.max_output_tokens) == (500, 16_384)
    assert found.notes == ("the longest answer is the model's own limit", "an answer of 500 tokens is assumed")
    assert tollbook.estimate(CHAT, "gpt-4o", max_tokens=100).output_tokens == 50


def test_without_a_known_limit_there_is_no_highest_cost() -> None:
    found = tollbook.estimate(CHAT, "claude-sonnet-4-5")
    assert found.cost is not None
    assert (found.max_output_tokens, found.cost_max) == (None, None)
    assert "no known limit" in str(found)


def test_an_unknown_model_is_unpriced_and_not_free() -> None:
    found = tollbook.estimate(CHAT, "my-own-model", max_tokens=10)
    assert (found.provider, found.cost_low, found.cost, found.cost_max) == (None, None, None, None)
    assert found.input_tokens > 0
    assert "name the provider to have a price" in found.notes
    assert "unpriced" in repr(found)


def test_what_is_not_counted_has_no_highest_cost() -> None:
    found = tollbook.estimate({"input": "go on", "previous_response_id": "r"}, "gpt-5", max_tokens=10)
    assert found.cost is not None
    assert found.cost_max is None
    assert "previous response id not counted" in found.notes


def test_an_embedding_costs_its_input_alone() -> None:
    found = tollbook.estimate("hello world", "text-embedding-3-small")
    assert (found.input_tokens, found.output_tokens, found.max_output_tokens) == (3, 0, 0)
    assert found.cost == Decimal("0.00000006")


def test_the_forms_of_one_request_count_alike() -> None:
    system = {"role": "system", "content": "be brief"}
    forms: list[Any] = [
        [system, *CHAT],
        {"messages": [system, *CHAT]},
        {"input": [system, *CHAT]},
        {"system": "be brief", "messages": CHAT},
        {"instructions": "be brief", "input": "hello world"},
        ({"role": "system", "content": [{"type": "text", "text": "be brief"}]}, *CHAT),
    ]
    assert {tollbook.estimate(form, "gpt-4o").input_tokens for form in forms} == {16}
    assert tollbook.estimate("hello world", "gpt-4o").input_tokens == tollbook.estimate(CHAT, "gpt-4o").input_tokens
    assert tollbook.estimate(CHAT[0], "gpt-4o").input_tokens == tollbook.estimate(CHAT, "gpt-4o").input_tokens


def test_tools_and_answers_by_number_and_tier_are_in_the_cost() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "does it", "parameters": {}}}
    plain = tollbook.estimate(CHAT, "gpt-4o", max_tokens=100)
    assert tollbook.estimate(CHAT, "gpt-4o", tools=[tool]).input_tokens > plain.input_tokens
    three = tollbook.estimate({"messages": CHAT, "n": 3, "max_tokens": 100}, "gpt-4o")
    assert (three.max_output_tokens, three.output_tokens) == (300, 150)
    assert three.cost_max is not None
    assert plain.cost_max is not None
    assert three.cost_max - plain.cost_max == 200 * Decimal("0.00001")
    fast = tollbook.estimate({"messages": CHAT, "service_tier": "priority"}, "gpt-5.5", output_tokens=10)
    usual = tollbook.estimate(CHAT, "gpt-5.5", output_tokens=10)
    assert fast.cost is not None
    assert usual.cost is not None
    assert fast.cost > usual.cost


@pytest.mark.parametrize(
    ("messages", "model", "options", "error", "says"),
    [
        (7, "gpt-4o", {}, TypeError, "a text, a list of messages or a request as a dict, not int"),
        (CHAT, None, {}, TypeError, "a model's name, not NoneType"),
        (CHAT, " ", {}, ValueError, "model is empty"),
        (CHAT, "gpt-4o", {"max_tokens": -1}, ValueError, "max_tokens must be a number of tokens, not -1"),
        (CHAT, "gpt-4o", {"output_tokens": "many"}, ValueError, "output_tokens must be a number of tokens, not 'many'"),
    ],
)
def test_an_error_says_what_to_do(messages: Any, model: Any, options: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        tollbook.estimate(messages, model, **options)


async def test_it_can_be_asked_in_an_event_loop() -> None:
    assert tollbook.estimate(CHAT, "gpt-4o").cost is not None


def test_a_text_for_a_reader() -> None:
    found = tollbook.estimate(CHAT, "gpt-4o", max_tokens=100, output_tokens=20)
    assert str(found) == ("gpt-4o: 10 ±29% in, 20 out (at most 100): $0.000225 (from $0.0000275, at most $0.001032)")
    assert repr(found) == f"<Estimate {found}>"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-opus-5", "anthropic"),
        ("anthropic/claude-opus-5", "anthropic"),
        ("gpt-6-sol", "openai"),
        ("o3", "openai"),
        ("gemini-3-pro", "gcp.gemini"),
        ("omni-1", None),
        ("llama-3", None),
    ],
)
def test_the_provider_is_told_by_the_name(model: str, provider: str | None) -> None:
    assert provider_of(model) == provider


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7, "max_tokens": 5}, 7),
        ({"max_output_tokens": 0}, 0),
        ({"generationConfig": {"maxOutputTokens": 9}}, 9),
        ({"inferenceConfig": {"maxTokens": 9}}, 9),
        ({"max_tokens": None}, None),
        ({"max_tokens": -4}, None),
        ({"max_tokens": "5"}, None),
    ],
)
def test_the_limit_is_the_requests_own(request_: dict[str, Any], limit: int | None) -> None:
    assert limit_of(request_) == limit


@pytest.mark.parametrize(
    ("model", "limit"),
    [("gpt-4o", 16_384), ("gpt-4.1-mini", 32_768), ("gpt-4", 8_192), ("gpt-5.5", 128_000), ("o3", 100_000),
     ("gemini-2.0-flash", 8_192), ("gemini-2.5-pro", 65_536), ("claude-opus-5", None), ("text-embedding-3-small", 0)],
)  # fmt: skip
def test_the_limit_of_a_model(model: str, limit: int | None) -> None:
    assert usual_limit(model) == limit


def test_a_definition_of_ones_own_gives_the_tokenizer_and_the_price() -> None:
    tokenizer = {"id": "openai", "encoding": "o200k_base", "tokens_per_message": 9, "reply": 0}
    price = {"per": 1_000_000, "input": "1", "output": "2"}
    tollbook.add_prices({"name": "mine", "match_pattern": "mine", "tokenizer": tokenizer, "price": price})
    found = tollbook.estimate(CHAT, "mine", provider="here", max_tokens=10, output_tokens=5)
    assert found.input_tokens == 3 + 9 + 1
    assert found.cost == Decimal("0.000023")


# ---- the worst case ------------------------------------------------------------------------------------------


def test_the_worst_case_is_the_longest_answer_and_a_token_for_each_byte() -> None:
    """gpt-4o: at least 11 bytes at 2.50 per million, and 100 tokens at 10."""
    worst = worst_case("openai", "gpt-4o", {"messages": CHAT, "max_tokens": 100})
    assert worst is not None
    most = tokens.most_of({"messages": CHAT}, "gpt-4o")
    assert most is not None
    assert most.sent >= 11
    assert to_usd(worst) == most.sent * Decimal("0.0000025") + 100 * Decimal("0.00001")


def test_the_worst_case_takes_the_ceiling_where_the_request_has_none() -> None:
    least = worst_case("openai", "gpt-4o", {"messages": CHAT}, 10)
    usual = worst_case("openai", "gpt-4o", {"messages": CHAT})
    assert least is not None
    assert usual is not None
    assert usual - least == (16_384 - 10) * 10_000_000
    assert worst_case("openai", "gpt-4o", {"messages": CHAT, "max_tokens": 10}, 99) == least
    assert worst_case("openai", "gpt-4o", {"messages": CHAT, "n": 2}, 5) == least


def test_the_worst_case_of_a_request_that_writes_a_cache_is_that_of_its_lifetime() -> None:
    """claude-sonnet-4-5: 3 USD per million sent, 3.75 written for 5 minutes, 6 for an hour."""
    costs = []
    for cache in (None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}):
        part = {"type": "text", "text": "x" * 10_000, **({"cache_control": cache} if cache else {})}
        request = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 0}
        costs.append(worst_case("anthropic", "claude-sonnet-4-5", request) or 0)
    assert [Decimal(cost) / costs[0] for cost in costs] == [1, Decimal("1.25"), 2]


@pytest.mark.parametrize(
    ("provider", "model", "request_"),
    [
        (None, "gpt-4o", {"messages": CHAT}),
        ("openai", None, {"messages": CHAT}),
        ("openai", "no-such-model", {"messages": CHAT, "max_tokens": 5}),
        ("anthropic", "claude-opus-5", {"messages": CHAT}),  # no limit
        ("openai", "gpt-5", {"input": "x", "previous_response_id": "r"}),
        ("openai", "gpt-5", {"input": "x", "tools": [{"type": "web_search"}]}),
    ],
)
def test_there_is_no_worst_case_where_nothing_bounds_it(provider: Any, model: Any, request_: Any) -> None:
    assert worst_case(provider, model, request_) is None


@given(text=st.text(max_size=300), limit=st.integers(0, 1000), model=st.sampled_from(["gpt-4o", "gpt-4.1-mini", "o3"]))
def test_no_estimate_is_above_the_worst_case(text: str, limit: int, model: str) -> None:
    worst = worst_case("openai", model, {"messages": [{"role": "user", "content": text}], "max_tokens": limit})
    found = tollbook.estimate(text, model, max_tokens=limit)
    assert worst is not None
    assert found.cost_max is not None
    assert found.cost is not None
    assert found.cost_low is not None
    assert found.cost_low <= found.cost <= found.cost_max <= to_usd(worst)


def test_a_long_input_is_priced_by_its_tier() -> None:
    """What a request beyond a threshold costs is more than its tokens at the lower price."""
    long = {"messages": [{"role": "user", "content": "x" * 2_000_000}], "max_tokens": 10}
    worst = worst_case("openai", "gpt-5.5", long)
    low = pricing.cost_of(Usage({"input": 1000}), "openai", "gpt-5.5", 1_790_000_000_000_000_000)
    assert worst is not None
    assert low is not None
    assert low.total is not None
    assert worst > 2_000_000 * (low.total // 1000)
