"""Reading usage: what is kept, what selects a price, and how streamed usage is merged."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import BUCKETS, CONVENTIONS, Usage, merge, read, selectors


def test_known_nothing_is_not_unknown() -> None:
    nothing = read("openai.chat", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert nothing == Usage({"input": 0, "output": 0})
    assert read("voyage", {"total_tokens": 0}) == Usage({"input": 0})
    for unknown in (None, [], "x", 5, True, {}, {"prompt_tokens": None}, {"choices": 3}):
        assert read("openai.chat", unknown) is None


def test_a_convention_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no convention 'openai\.chatt'"):
        read("openai.chatt", {})


def test_unknown_numbers_and_words_are_kept_and_nothing_else() -> None:
    usage = read(
        "openai.chat",
        {
            "prompt_tokens": 3,
            "completion_tokens": 1,
            "new_tokens": 7,
            "none": None,
            "zero": 0,
            "flag": True,
            "plan": "gold",
            "sentence": "what somebody said",
            "long": "x" * 65,
            "completion_tokens_details": {"accepted_prediction_tokens": 2},
            "nested": {"deep": {"er": 1.5, "why": "because it is so"}},
            "list": [1, {"b": 2}, "it's here"],
        },
    )
    assert usage is not None
    assert usage.extra == {
        "new_tokens": 7,
        "flag": True,
        "plan": "gold",
        "completion_tokens_details.accepted_prediction_tokens": 2,
        "nested.deep.er": 1.5,
        "list[0]": 1,
        "list[1].b": 2,
    }


def test_where_usage_lies_in_a_body_nothing_unknown_is_kept() -> None:
    body = {"generation": "word", "prompt_token_count": 1, "generation_token_count": 2, "stop": 9}
    assert read("bedrock.invoke", body) == Usage({"input": 1, "output": 2})


@pytest.mark.parametrize("own", [0, 10])
@pytest.mark.parametrize("first", [True, False])
def test_of_two_words_for_one_number_the_conventions_own_holds_and_the_other_is_kept(own: int, first: bool) -> None:
    words: list[tuple[str, Any]] = [("prompt_tokens_details", {"cached_tokens": own}), ("cached_tokens", 60)]
    usage = read(
        "openai.chat", {"prompt_tokens": 100, "completion_tokens": 1, **dict(words if first else reversed(words))}
    )
    assert usage is not None
    assert usage.quantities.get("input_cache_read", 0) == own
    assert usage.input_tokens == 100
    assert usage.extra == {"cached_tokens": 60}


SELECTED: list[tuple[str, dict[str, Any], dict[str, str] | None]] = [
    ("anthropic.messages", {"service_tier": "batch"}, {"service_tier": "batch"}),
    ("anthropic.messages", {"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, None),
    ("anthropic.messages", {"service_tier": None, "inference_geo": ""}, None),
    ("anthropic.messages", {"inference_geo": "not_available"}, None),
    (
        "anthropic.messages",
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
        {"service_tier": "priority", "speed": "fast", "inference_geo": "us"},
    ),
    ("groq", {"service_tier": "on_demand"}, None),
    ("openai.chat", {"service_tier": "default"}, None),
    ("gemini", {"serviceTier": "flex", "trafficType": "ON_DEMAND"}, {"service_tier": "flex"}),
    ("gemini", {"trafficType": "PROVISIONED_THROUGHPUT"}, {"traffic_type": "PROVISIONED_THROUGHPUT"}),
    ("gemini", {"trafficType": 1}, None),
    ("perplexity", {"search_context_size": "low"}, {"search_context_size": "low"}),
    ("langchain", {"input_token_details": {"priority_cache_read": 0}}, {"service_tier": "priority"}),
    ("langchain", {"output_token_details": {"flex_reasoning": 7}}, {"service_tier": "flex"}),
    ("langchain", {"input_token_details": {"cache_read": 7}}, None),
    ("ollama", {"service_tier": "flex"}, None),
    ("anthropic.messages", {"service_tier": ["a"], "speed": 5}, None),
]


@pytest.mark.parametrize(("convention", "raw", "expected"), SELECTED)
def test_what_selects_a_price_is_told_apart_from_quantities(
    convention: str, raw: dict[str, Any], expected: dict[str, str] | None
) -> None:
    assert selectors(convention, raw) == expected


def test_nothing_selects_a_price_where_there_is_no_object() -> None:
    assert selectors("anthropic.messages", None) is None
    assert selectors("anthropic.messages", "fast") is None


STREAMS: list[tuple[str, str, list[dict[str, Any]], dict[str, int]]] = [
    (
        "later numbers replace earlier ones, also those of the input",
        "anthropic.messages",
        [{"input_tokens": 25, "output_tokens": 1}, {"input_tokens": 10_682, "output_tokens": 50}],
        {"input": 10_682, "output": 50},
    ),
    (
        "what a later object does not say stays",
        "anthropic.messages",
        [
            {"input_tokens": 25, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 100}},
            {"output_tokens": 15, "input_tokens": None},
        ],
        {"input": 25, "output": 15, "input_cache_write_1h": 100},
    ),
    (
        "the same usage in every chunk is one usage",
        "openai.chat",
        [
            {"prompt_tokens": 193, "completion_tokens": None, "total_tokens": None},
            {"prompt_tokens": 193, "completion_tokens": 7, "total_tokens": 200},
            {"prompt_tokens": 193, "completion_tokens": 14, "total_tokens": 207},
            {"prompt_tokens": 193, "completion_tokens": 14, "total_tokens": 207},
        ],
        {"input": 193, "output": 14},
    ),
]


@pytest.mark.parametrize(
    ("convention", "stream", "expected"), [row[1:] for row in STREAMS], ids=[r[0] for r in STREAMS]
)
def test_streamed_usage_is_cumulative(convention: str, stream: list[dict[str, Any]], expected: dict[str, int]) -> None:
    merged: dict[str, Any] = {}
    for raw in stream:
        merged = merge(merged, raw)
    usage = read(convention, merged)
    assert usage is not None
    assert usage.quantities == expected


def test_merging_changes_neither_object() -> None:
    earlier, later = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(earlier, later) == {"a": {"b": 1, "c": 2}}
    assert (earlier, later) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_every_convention_puts_every_number_into_a_bucket_that_exists() -> None:
    for convention in CONVENTIONS.values():
        for field in convention.fields:
            assert field.bucket in BUCKETS or field.bucket in {"total", "charge"}, field
            assert set(field.inside) <= set(BUCKETS), field
            assert field.scale >= 1, field
