"""The bound that calls wait for: never below the one that is read off with care, and none where that one has none."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook._estimate import most_tokens, worst_case
from tollbook.budgets._worst import plain_worst
from tollbook.spans import Record

Json = dict[str, Any]

GPT, SONNET, GEMINI = "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"
CHAT: list[Json] = [{"role": "user", "content": "hi"}]
CACHED: Json = {"cache_control": {"type": "ephemeral"}}
HOUR: Json = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL: Json = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {}}}}
FLAT: Json = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
USED: list[Json] = [
    {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": "ä"}},
    ]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "sunny"}]},
        {"type": "tool_result", "tool_use_id": "u", "content": "rain", "is_error": False},
    ]},
]  # fmt: skip
CALLED: list[Json] = [
    {"role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    {"role": "function", "name": "f", "content": "sunny"},
]  # fmt: skip
ITEMS: list[Json] = [
    {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "xyz"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [
        {"type": "output_text", "text": "It is sunny.", "annotations": []}]},
]  # fmt: skip

AGENTS: dict[str, tuple[str, Json]] = {
    "a plain chat": (GPT, {"messages": CHAT, "max_tokens": 9}),
    "a plain chat with a system": (SONNET, {"messages": CHAT, "max_tokens": 9, "system": "s", "tools": [TOOL]}),
    "Claude with tools": (SONNET, {"messages": CHAT + USED, "tools": [TOOL], "max_tokens": 9, "system": "s"}),
    "Claude that thinks": (SONNET, {"messages": CHAT + USED, "max_tokens": 9, "thinking": {"type": "adaptive"}}),
    "a cached turn": (SONNET, {"max_tokens": 9, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x", **CACHED}]}]}),
    "an hour's cache": (SONNET, {"max_tokens": 9, "messages": CHAT, "system": [{"type": "text", "text": "x", **HOUR}]}),
    "cached tools": (SONNET, {"messages": CHAT, "tools": [{**TOOL, **CACHED}], "max_tokens": 9}),
    "a cache for all": (SONNET, {"messages": CHAT, "max_tokens": 9, **HOUR}),
    "OpenAI's chat": (GPT, {"messages": CHAT + CALLED, "tools": [{"type": "function", "function": TOOL}],
                            "tool_choice": "auto", "max_completion_tokens": 9, "reasoning_effort": "low"}),
    "a schema": (GPT, {"messages": CHAT, "max_tokens": 9, "response_format": {
        "type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}}),
    "no limit": (GPT, {"messages": CHAT + CALLED}),
    "Responses": (GPT, {"input": ITEMS, "instructions": "i", "tools": [FLAT], "max_output_tokens": 9,
                        "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"], "store": False}),
    "a text": (GPT, {"input": "Hello", "max_output_tokens": 9, "text": {"verbosity": "low"}}),
    "a long text": (GPT, {"messages": [{"role": "user", "content": "x" * 1_500_000}], "max_tokens": 9}),
    "a text in a tier of its own": (SONNET, {"messages": [{"role": "user", "content": "x" * 150_000}],
                                             "max_tokens": 9}),
}  # fmt: skip


def both(unit: str, model: str, request: Json) -> tuple[int | None, int | None]:
    provider = {GPT: "openai", SONNET: "anthropic", GEMINI: "gcp.gemini"}[model]
    start = time.time_ns()
    record = Record(trace_id="", span_id="", provider=provider, request_model=model, operation="chat", start=start)
    careful = (
        worst_case(provider, model, request, operation="chat") if unit == "usd" else most_tokens(model, request, "chat")
    )
    return careful, plain_worst(record, request, unit)


@pytest.mark.parametrize("unit", ["usd", "tokens"])
@pytest.mark.parametrize("name", AGENTS)
def test_what_agents_send_has_a_quick_bound(name: str, unit: str) -> None:
    """Neither below the careful one, nor far above it, where that takes what is short as it is."""
    careful, quick = both(unit, *AGENTS[name])
    assert careful is not None
    assert quick is not None
    assert careful <= quick <= careful * 1.6


def test_of_two_limits_of_the_answer_the_higher_one_counts() -> None:
    """Which of them a server obeys is not known."""
    low = both("tokens", GPT, {"messages": CHAT, "max_tokens": 9})[1]
    for one, other in ((9, 5000), (5000, 9)):
        request = {"messages": CHAT, "max_tokens": one, "max_completion_tokens": other}
        careful, quick = both("tokens", GPT, request)
        assert quick is None
        assert careful is not None
        assert low is not None
        assert careful >= low + 4000


@pytest.mark.parametrize("lifetime", ["5m", "1h"])
def test_a_cache_that_is_asked_for_raises_the_quick_bound(lifetime: str) -> None:
    request = {"messages": CHAT, "max_tokens": 9, "cache_control": {"type": "ephemeral", "ttl": lifetime}}
    plain, cached = both("usd", SONNET, {"messages": CHAT, "max_tokens": 9})[1], both("usd", SONNET, request)[1]
    assert plain is not None
    assert cached is not None
    assert cached > plain


NAMES = st.sampled_from(
    ["content", "text", "type", "refusal", "tool_calls", "function_call", "name", "citations", "cache_control",
     "audio", "input", "output", "encrypted_content", "is_error", "tool_call_id", "source", "image_url", "brand_new"]
)  # fmt: skip
KINDS = st.sampled_from(
    ["text", "input_text", "output_text", "refusal", "tool_use", "tool_result", "thinking", "reasoning", "message",
     "function_call", "function_call_output", "search_result", "document", "image", "input_audio", "container_upload",
     "web_search_tool_result", "item_reference", "brand_new", "function", "custom", "web_search"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.text('aä\n"', max_size=9)
    | KINDS
    | st.just({"type": "ephemeral"})
)
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES | st.just("type"), below, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    ["messages", "input", "system", "instructions", "tools", "tool_choice", "max_tokens", "max_completion_tokens",
     "max_output_tokens", "n", "service_tier", "speed", "inference_geo", "modalities", "audio", "prediction",
     "functions", "function_call", "cache_control", "prompt_cache_retention", "context_management", "container",
     "mcp_servers", "previous_response_id", "conversation", "prompt", "reasoning", "text", "response_format",
     "output_config", "web_search_options", "thinking", "reasoning_effort", "background", "best_of", "suffix",
     "fallbacks", "store"]
)  # fmt: skip


@given(
    st.sampled_from([*AGENTS.values()][:13]),
    st.sampled_from(["usd", "tokens"]),
    st.dictionaries(KEYS, VALUES, max_size=2),
    st.lists(st.tuples(st.integers(0, 9), st.dictionaries(NAMES | st.just("type"), VALUES, max_size=3)), max_size=2),
    st.integers(0, 3),
)
def test_the_quick_bound_is_never_below_the_careful_one_and_there_only_where_that_is(
    agent: tuple[str, Json], unit: str, keys: Json, changes: list[tuple[int, Json]], depth: int
) -> None:
    """Whatever is changed in what an agent sends, on top or in one of its parts."""
    model, request = agent[0], {**copy.deepcopy(agent[1]), **keys}
    for place, change in changes:
        found: Any = request.get("messages") or request.get("input")
        for _ in range(depth):
            inside = found[place % len(found)] if isinstance(found, list) and found else found
            found = inside.get("content", inside) if isinstance(inside, dict) else inside
        if isinstance(found, list) and found and isinstance(found[place % len(found)], dict):
            found[place % len(found)].update(change)
        elif isinstance(found, dict):
            found.update(change)
    careful, quick = both(unit, model, request)
    if careful is None:
        assert quick is None
    else:
        assert quick is None or quick >= careful
