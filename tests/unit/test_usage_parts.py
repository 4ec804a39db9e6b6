"""What is billed besides the totals of a response, and what the provider says it charged."""

from __future__ import annotations

from typing import Any

import pytest

from tollbook.usage import CONVENTIONS, Part, Usage, read

CHARGES: list[tuple[str, str, dict[str, Any], int | None]] = [
    ("OpenRouter", "openrouter", {"cost": 0.0160614, "is_byok": False}, 16_061_400_000),
    ("nothing is known to be charged", "openrouter", {"cost": 0, "is_byok": False}, 0),
    (
        "the share of the provider behind it is inside",
        "openrouter",
        {"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}},
        10_000_000_000,
    ),
    (
        "with the user's own key it comes on top",
        "openrouter",
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00417}},
        4_170_000_000,
    ),
    (
        "with a fee",
        "openrouter",
        {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}},
        2_100_000_000,
    ),
    (
        "the user's own key, and nobody says what it cost",
        "openrouter",
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        None,
    ),
    (
        "the user's own key, and only the fee is told",
        "openrouter",
        {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        None,
    ),
    ("Perplexity", "perplexity", {"cost": {"request_cost": 0.005, "total_cost": 0.00519}}, 5_190_000_000),
    ("xAI in ticks", "xai", {"cost_in_usd_ticks": 2_244_800}, 224_480_000),
    ("xAI in ticks as text", "xai.grpc", {"cost_in_usd_ticks": "119540000"}, 11_954_000_000),
    ("Langfuse", "langfuse", {"input": 3, "totalCost": 0.5}, 500_000_000_000),
    ("a price list's estimate is no charge", "openai.chat", {"x": {"cost_estimate": 0.1}}, None),
]


@pytest.mark.parametrize(("convention", "raw", "charge"), [row[1:] for row in CHARGES], ids=[row[0] for row in CHARGES])
def test_what_the_provider_charged_is_in_pico_dollars(convention: str, raw: dict[str, Any], charge: int | None) -> None:
    tokens = {"prompt_tokens": 14, "completion_tokens": 1} if convention != "langfuse" else {}
    usage = read(convention, {**tokens, **raw})
    assert usage is not None
    assert usage.charge == charge


@pytest.mark.parametrize(
    ("convention", "raw"),
    [
        ("perplexity", {"prompt_tokens": 3, "completion_tokens": 1, "cost": {"total_cost": 0}}),
        ("anthropic.session", {"input_tokens": 3, "output_tokens": 1, "list_cost": {"amount": 0, "currency": "USD"}}),
    ],
)
def test_a_charge_of_nothing_inside_an_object_is_one(convention: str, raw: dict[str, Any]) -> None:
    for _ in range(2):
        usage = read(convention, raw)
        assert usage is not None
        assert usage.charge == 0


@pytest.mark.parametrize("before", [None, {"total_cost": 0.5}])
@pytest.mark.parametrize("nothing", [0, 0.0])
def test_a_charge_of_nothing_is_one_whatever_came_before_it(before: Any, nothing: float) -> None:
    """Zero is a price, null is none, also where objects of the same keys were read before."""
    for _ in range(2):
        counts = {"prompt_tokens": 3, "completion_tokens": 1}
        earlier, later = (read("openai.chat", {**counts, "cost": cost}) for cost in (before, nothing))
        assert earlier is not None
        assert later is not None
        assert (earlier.charge, later.charge) == (before and 500_000_000_000, 0)


@pytest.mark.parametrize(
    ("convention", "stated"),
    [
        ("openai.chat", {"cost": {"total_cost": 0.5, "currency": "{}"}}),
        ("anthropic.session", {"list_cost": {"amount": "50", "currency": "{}"}}),
    ],
)
def test_a_charge_in_another_currency_is_none(convention: str, stated: dict[str, dict[str, Any]]) -> None:
    ((key, said),) = stated.items()
    usage = {"input_tokens": 14, "output_tokens": 1}
    for currency, charge in (
        ("USD", 500_000_000_000),
        ("usd", 500_000_000_000),
        (None, 500_000_000_000),
        ("EUR", None),
    ):
        found = read(convention, {**usage, key: {**said, "currency": currency}})
        assert found is not None
        assert (found.charge, found.flags) == (charge, () if charge else ("foreign_currency",))
        assert found.quantities == {"input": 14, "output": 1}


def test_a_charge_may_be_all_that_is_known() -> None:
    assert read("openai.images", {"cost_in_usd_ticks": 200_000_000}) == Usage({}, charge=20_000_000_000)


class TestParts:
    """What is billed besides the totals."""

    def test_compaction_is_outside_the_totals(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 23_000,
                "output_tokens": 1000,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
                    {"type": "message", "input_tokens": 23_000, "output_tokens": 1000},
                ],
            },
        )
        assert usage is not None
        assert usage.quantities == {"input": 23_000, "output": 1000}
        assert usage.parts == (Part("compaction", {"input": 180_000, "output": 3500}),)
        assert (usage.input_tokens, usage.output_tokens) == (203_000, 4500)
        assert usage.flags == ()

    def test_an_advisor_has_its_own_model_and_its_own_cache(self) -> None:
        entry = {
            "type": "advisor_message",
            "model": "claude-fable-5",
            "input_tokens": 64,
            "output_tokens": 99,
            "cache_creation_input_tokens": 2500,
            "cache_creation": {"ephemeral_5m_input_tokens": 2500, "ephemeral_1h_input_tokens": 0},
        }
        usage = read("anthropic.messages", {"input_tokens": 5, "output_tokens": 6, "iterations": [entry]})
        assert usage is not None
        assert usage.parts == (
            Part("advisor", {"input": 64, "output": 99, "input_cache_write_5m": 2500}, "claude-fable-5"),
        )

    def test_nothing_in_the_totals_and_all_in_a_part(self) -> None:
        entry = {"type": "compaction", "input_tokens": 83_555, "output_tokens": 139}
        usage = read("anthropic.messages", {"input_tokens": 0, "output_tokens": 0, "iterations": [entry]})
        assert usage is not None
        assert usage.quantities == {"input": 0, "output": 0}
        assert usage.total_tokens == 83_694

    def test_an_unknown_kind_is_kept_and_flagged(self) -> None:
        entry = {"type": "thinker", "input_tokens": 5, "output_tokens": 0}
        usage = read("anthropic.messages", {"input_tokens": 1, "output_tokens": 2, "iterations": [entry]})
        assert usage is not None
        assert usage.parts == ()
        assert usage.flags == ("unknown_part",)
        assert usage.extra == {"iterations[unknown].input": 5}

    def test_when_another_model_answers_the_totals_are_its_own(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 1000,
                "output_tokens": 50,
                "server_tool_use": {"web_search_requests": 1},
                "iterations": [
                    {"type": "message", "model": "claude-fable-5", "input_tokens": 990, "output_tokens": 3},
                    {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 1000, "output_tokens": 50},
                ],
            },
        )
        assert usage is not None
        assert usage.quantities == {"web_search": 1}
        assert usage.parts == (Part("fallback", {"input": 1000, "output": 50}, "claude-opus-5"),)
        assert usage.flags == ("declined_fallback",)
        assert usage.extra == {"declined[claude-fable-5].input": 990, "declined[claude-fable-5].output": 3}

    def test_a_model_that_declined_is_not_billed_even_inside_the_totals(self) -> None:
        usage = read(
            "anthropic.messages",
            {
                "input_tokens": 1990,
                "output_tokens": 53,
                "iterations": [
                    {"type": "message", "model": "claude-fable-5", "input_tokens": 990, "output_tokens": 3},
                    {"type": "fallback_message", "model": "claude-opus-5", "input_tokens": 1000, "output_tokens": 50},
                ],
            },
        )
        assert usage is not None
        assert usage.parts == (Part("fallback", {"input": 1000, "output": 50}, "claude-opus-5"),)

    def test_openai_states_tools_beside_the_usage(self) -> None:
        image_gen = {
            "input_tokens": 50,
            "input_tokens_details": {"image_tokens": 30, "text_tokens": 20},
            "output_tokens": 1000,
            "total_tokens": 1050,
            "cached_tokens": 10,
            "cached_tokens_details": {"cached_image_tokens": 10, "cached_text_tokens": 0},
        }
        body = {
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
            "tool_usage": {"image_gen": image_gen, "web_search": {"num_requests": 2}},
            "svg_usage": {
                "model": "gpt-6-astra",
                "input_tokens": 4,
                "output_tokens": 90,
                "reasoning_tokens": 40,
                "total_tokens": 94,
            },
        }
        beside = {key: body[key] for key in CONVENTIONS["openai.responses"].beside}
        usage = read("openai.responses", {**body["usage"], **beside})
        assert usage is not None
        assert usage.quantities == {"input": 7, "output": 3, "web_search": 2}
        assert usage.parts == (
            Part(
                "image_generation",
                {"input": 20, "input_image": 20, "input_image_cache_read": 10, "output_image": 1000},
                "image_generation",
            ),
            Part("svg", {"input": 4, "output": 50, "output_reasoning": 40}, "gpt-6-astra"),
        )
        assert usage.flags == ()

    def test_tools_that_were_not_used_cost_nothing(self) -> None:
        image_gen = {"input_tokens": 0, "input_tokens_details": {"image_tokens": 0}, "output_tokens": 0}
        tools = {"image_gen": image_gen, "web_search": {"num_requests": 0}}
        usage = read("openai.responses", {"input_tokens": 7, "output_tokens": 3, "tool_usage": tools})
        assert usage == Usage({"input": 7, "output": 3})

    def test_a_model_that_routes_to_others_is_billed_as_these(self) -> None:
        def used(sent: int, made: int) -> dict[str, Any]:
            return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made, "total_time": 0.1}

        models = [{"model": "gpt-oss", "usage": used(390, 1)}, {"model": "llama", "usage": used(299, 110)}]
        usage = read("groq", {**used(689, 111), "usage_breakdown": {"models": models}})
        assert usage is not None
        assert usage.quantities == {}
        assert usage.parts == (
            Part("routed", {"input": 390, "output": 1}, "gpt-oss"),
            Part("routed", {"input": 299, "output": 110}, "llama"),
        )
        assert usage.total_tokens == 800

        part_of_it = read("groq", {**used(689, 111), "usage_breakdown": {"models": models[:1]}})
        assert part_of_it is not None
        assert part_of_it.quantities == {"input": 689, "output": 111}
        assert part_of_it.flags == ("parts_differ",)
