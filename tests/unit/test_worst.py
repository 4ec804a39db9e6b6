"""What a stopping budget reserves: never less than the bill, or nothing, which closes the budget."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook import pricing
from tollbook.budgets._worst import plain_worst, worst
from tollbook.spans import Record
from tollbook.usage import Usage

Json = dict[str, Any]

CHAT: list[Json] = [{"role": "user", "content": "hi"}]
BIG = "word " * 20_000
"""Bills of 20,000 tokens, at the least."""
GPT, SONNET, LEGACY, AUDIO = "gpt-4o-mini", "claude-sonnet-4-6", "gpt-3.5-turbo-instruct", "gpt-4o-audio-preview"
USES: list[Json] = [
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "x"},
]
TOOL: Json = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
ONE_OF: Json = {"type": "object", "properties": {"a": {"oneOf": [{"type": "string", "description": BIG}]}}}
PART: list[Json] = [{"type": "text", "text": "s"}]


def said(*parts: Json, role: str = "user") -> list[Json]:
    """Messages, the second of which has `parts`."""
    return [*CHAT, {"role": role, "content": list(parts)}]


def record(model: str, operation: str = "chat", context: dict[str, str] | None = None) -> Record:
    provider = "anthropic" if "claude" in model else "openai"
    start = time.time_ns()
    return Record(
        trace_id="", span_id="", provider=provider, request_model=model, start=start, operation=operation,
        context=context,
    )  # fmt: skip


DEARER: dict[str, tuple[str, str, Json, dict[str, int]]] = {
    # What it is: the model, the operation, the request, and what the provider then counted.
    "best_of": (LEGACY, "text_completion", {"prompt": "hi", "n": 1, "best_of": 5, "max_tokens": 900}, {"output": 4500}),
    "prompts": (LEGACY, "text_completion", {"prompt": ["hi"] * 20, "max_tokens": 1000}, {"output": 20_000}),
    "prompts of tokens": (LEGACY, "text_completion", {"prompt": [[1]] * 20, "max_tokens": 1000}, {"output": 20_000}),
    "suffix": (LEGACY, "text_completion", {"prompt": "hi", "suffix": BIG, "max_tokens": 1}, {"input": 20_000}),
    "audio answer": (
        AUDIO, "chat", {"messages": CHAT, "max_tokens": 1000, "modalities": ["text", "audio"], "audio": {}},
        {"output": 100, "output_audio": 900},
    ),
    "audio before": (
        AUDIO, "chat", {"messages": [*CHAT, {"role": "assistant", "audio": {"id": "a"}}], "max_tokens": 10},
        {"input": 8000},
    ),
    "transcription": ("gpt-4o-transcribe", "transcription", {"prompt": "names"}, {"input_audio": 100_000}),
    "stored prompt": (GPT, "chat", {"prompt": {"id": "p"}, "max_output_tokens": 16}, {"input": 100_000}),
    "stored prompt and input": (
        GPT, "chat", {"prompt": {"id": "p"}, "input": "x", "max_output_tokens": 16}, {"input": 100_000}
    ),
    "item": (GPT, "chat", {"input": [{"type": "item_reference", "id": "m"}], "max_output_tokens": 9}, {"input": 10**5}),
    "reasoning": (
        "gpt-5", "chat",
        {"input": [{"type": "reasoning", "id": "r", "encrypted_content": BIG}, *USES], "max_output_tokens": 16},
        {"input": 20_100},
    ),
    "reasoning that is stored": (
        "gpt-5", "chat", {"input": [{"type": "reasoning", "id": "r", "summary": []}, *USES], "max_output_tokens": 16},
        {"input": 20_100},
    ),
    "reasoning by several models": (
        "gpt-5", "chat", {"input": "x", "reasoning": {"mode": "pro"}, "max_output_tokens": 16}, {"output": 1000}
    ),
    "schema": (
        SONNET, "chat", {"messages": CHAT, "system": PART, "tools": [{"name": "f", "input_schema": ONE_OF}],
                         "max_tokens": 1}, {"input": 20_100},
    ),
    "examples": (
        SONNET, "chat", {"messages": CHAT, "system": PART, "tools": [{**TOOL, "input_examples": [{"q": BIG}]}],
                         "max_tokens": 1}, {"input": 20_100},
    ),
    "answer's schema": (
        GPT, "chat", {"messages": CHAT, "max_tokens": 1, "response_format":
                      {"type": "json_schema", "json_schema": {"name": "x", "schema": ONE_OF}}}, {"input": 20_100},
    ),
    "context of a document": (
        SONNET, "chat",
        {"messages": said({"type": "document", "context": BIG, "source": {"type": "text", "data": "x"}}),
         "max_tokens": 1}, {"input": 20_100},
    ),
    "thinking": (
        "claude-opus-4-6", "chat", {"max_tokens": 1, "tools": [TOOL], "messages": [
            *said({"type": "thinking", "thinking": BIG, "signature": "x"},
                  {"type": "tool_use", "id": "t", "name": "f", "input": {}}, role="assistant"),
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
        ]}, {"input": 20_100},
    ),
    "search result": (
        SONNET, "chat", {"max_tokens": 1, "messages": said(
            {"type": "web_search_tool_result", "tool_use_id": "x", "content": [
                {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": BIG}]},
            role="assistant")}, {"input": 20_100},
    ),
    "compaction": (
        SONNET, "chat", {"messages": CHAT, "max_tokens": 10,
                         "context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"input": 60_100, "output": 3010},
    ),
    "fallbacks": (SONNET, "chat", {"messages": CHAT, "max_tokens": 1000, "fallbacks": ["default"]}, {"output": 2000}),
    "prediction": (
        GPT, "chat", {"messages": CHAT, "max_tokens": 100, "prediction": {"type": "content", "content": BIG}},
        {"output": 20_000},
    ),
    "search": (GPT, "chat", {"messages": CHAT, "max_tokens": 100, "web_search_options": {}}, {"web_search": 1}),
    "tool choice": (
        GPT, "chat", {"messages": CHAT, "max_tokens": 1, "tools": [], "tool_choice":
                      {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": BIG}]}}},
        {"input": 20_100},
    ),
    "two limits": (GPT, "chat", {"messages": CHAT, "max_completion_tokens": 1, "max_tokens": 9000}, {"output": 9000}),
    "long context": ("gpt-4-32k", "chat", {"messages": CHAT}, {"output": 24_000}),
}  # fmt: skip


@pytest.mark.parametrize("what", DEARER)
def test_no_bill_is_above_what_was_reserved(what: str) -> None:
    model, operation, request, counted = DEARER[what]
    asked = record(model, operation)
    cost = pricing.cost_of(Usage(counted), asked.provider, model, asked.start)
    reserved = worst("usd", asked, {"model": model, **request})
    if reserved is not None:
        assert cost is not None
        assert cost.total is not None
        assert reserved >= cost.total
    tokens = worst("tokens", asked, {"model": model, **request})
    assert tokens is None or tokens >= sum(n for bucket, n in counted.items() if bucket != "web_search")


def test_a_budget_of_tokens_reserves_all_answers() -> None:
    one = worst("tokens", record(GPT), {"messages": CHAT, "max_tokens": 100})
    many = worst("tokens", record(GPT), {"messages": CHAT, "max_tokens": 100, "n": 50})
    assert one is not None
    assert many == one + 49 * 100


@pytest.mark.parametrize("more", [{}, {"n": 1}])
def test_what_is_reserved_at_a_regional_host_is_its_price(more: Json) -> None:
    model, request = "gpt-6.1-sol", {"messages": CHAT, "max_completion_tokens": 10_000, **more}
    plain, regional = record(model), record(model, context={"region": "eu"})
    reserved = worst("usd", plain, request)
    cost = pricing.cost_of(Usage({"input": 1, "output": 10_000}), "openai", model, plain.start, regional.context)
    assert reserved is not None
    assert cost is not None
    assert cost.total is not None
    assert (worst("usd", regional, request) or 0) >= cost.total > reserved
    assert worst("usd", plain, request) == reserved


ORDINARY: dict[str, tuple[str, str, Json]] = {
    "chat": (GPT, "chat", {
        "messages": CHAT, "max_tokens": 9, "temperature": 0, "top_p": 1, "stop": ["x"], "seed": 1, "stream": True,
        "stream_options": {}, "user": "u", "metadata": {}, "store": False, "logprobs": True, "top_logprobs": 2,
        "logit_bias": {}, "presence_penalty": 0, "frequency_penalty": 0, "response_format": {"type": "json_object"},
        "reasoning_effort": "low", "verbosity": "low", "parallel_tool_calls": True, "tool_choice": "auto", "n": 2,
        "modalities": ["text"], "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s",
        "audio": None}),
    "responses": (GPT, "chat", {
        "input": [*CHAT, *USES, {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}],
        "instructions": "x", "max_output_tokens": 9, "text": {"verbosity": "low"}, "reasoning": {"effort": "low"},
        "include": [], "truncation": "auto", "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "background": False, "max_tool_calls": 3, "previous_response_id": None}),
    "an answer sent back": (GPT, "chat", {"max_output_tokens": 9, "input": [
        {"type": "message", "id": "m", "role": "assistant", "status": "completed", "phase": None,
         "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": []}]}]}),
    "Claude": (SONNET, "chat", {
        "messages": said({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}), "max_tokens": 9,
        "system": PART, "stop_sequences": ["x"], "top_k": 1, "thinking": {"type": "adaptive"}, "tools": [TOOL],
        "output_config": {"effort": "low"}, "tool_choice": {"type": "auto"}, "metadata": {"user_id": "u"},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
    "results": (SONNET, "chat", {"max_tokens": 9, "messages": said(
        {"type": "tool_result", "tool_use_id": "t", "content": PART, "is_error": False},
        {"type": "search_result", "source": "s", "title": "t", "content": PART, "citations": {"enabled": True}},
        {"type": "document", "title": "t", "source": {"type": "content", "content": PART}})}),
    "image": (GPT, "chat", {"max_tokens": 9, "messages": said(
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}})}),
    "image by id": (GPT, "chat", {"max_output_tokens": 9, "input": said(
        {"type": "input_image", "file_id": "f", "detail": "auto"})}),
    "completion": (LEGACY, "text_completion", {"prompt": "x", "max_tokens": 9, "echo": None}),
    "embeddings": ("text-embedding-3-small", "embeddings", {
        "input": ["x", "y"], "encoding_format": "float", "dimensions": 9}),
    "embedded tokens": ("text-embedding-3-small", "embeddings", {"input": [[1, 2], [3]]}),
    "a text that begins like a file": (GPT, "chat", {
        "messages": [{"role": "user", "content": "data: 1, 2", "name": "n"}], "max_tokens": 9}),
}  # fmt: skip


@pytest.mark.parametrize("what", ORDINARY)
def test_usual_requests_have_a_bound(what: str) -> None:
    model, operation, request = ORDINARY[what]
    asked = record(model, operation)
    assert worst("usd", asked, {"model": model, **request}) is not None
    assert worst("tokens", asked, {"model": model, **request}) is not None


@pytest.mark.parametrize("what", ORDINARY)
@pytest.mark.parametrize("value", [False, {}, [], "x", 1])
def test_what_is_not_known_leaves_a_request_without_a_bound(what: str, value: Any) -> None:
    model, operation, request = ORDINARY[what]
    assert worst("usd", record(model, operation), {"model": model, **request, "brand_new": value}) is None
    assert worst("tokens", record(model, operation), {"model": model, **request, "brand_new": value}) is None


@pytest.mark.parametrize(
    "part",
    [
        {"type": "brand_new", "text": "x"},
        {"type": "input_audio", "input_audio": {"data": "x"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}},
        {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x"}, "transformations": {"large": "none"}},
        {"type": "tool_result", "content": [{"type": "document", "source": {"type": "url", "url": "https://x"}}]},
        {"text": "x"},
        ["x"],
    ],
)
def test_content_that_is_not_known_or_kept_elsewhere_has_no_bound(part: Any) -> None:
    assert worst("usd", record(SONNET), {"messages": said(part), "max_tokens": 9}) is None


@pytest.mark.parametrize(
    "more",
    [{"service_tier": ["x"]}, {"service_tier": {}}, {"n": "2"}, {"speed": 2}, {"modalities": ["text", "image"]}],
)
def test_a_value_that_nobody_expects_leaves_no_bound(more: Json) -> None:
    assert worst("usd", record(GPT), {"messages": CHAT, "max_tokens": 9, **more}) is None


@pytest.mark.parametrize("model", ["gpt-4o-search-preview", "o3-deep-research"])
def test_models_that_search_by_themselves_have_no_bound(model: str) -> None:
    assert worst("usd", record(model), {"messages": CHAT, "max_tokens": 100}) is None
    assert worst("tokens", record(model), {"messages": CHAT, "max_tokens": 100}) is None


class Omit:
    """As SDKs mark what was not given."""


def test_what_an_sdk_marks_as_not_given_is_not_there() -> None:
    request = {"messages": CHAT, "max_tokens": 9}
    marked = {**request, "container": Omit(), "tools": Omit(), "n": Omit()}
    plain = plain_worst(record(SONNET), request)
    assert plain is not None
    assert plain_worst(record(SONNET), marked) == plain
    assert worst("tokens", record(SONNET), marked) == worst("tokens", record(SONNET), request)


KINDS = st.sampled_from(
    ["text", "thinking", "redacted_thinking", "tool_use", "tool_result", "document", "search_result", "custom",
     "function", "function_call", "function_call_output", "reasoning", "message", "web_search_tool_result", "image",
     "refusal", "content", "brand_new"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["type", "text", "content", "source", "data", "title", "context", "name", "input", "input_schema", "input_examples",
     "parameters", "properties", "oneOf", "signature", "thinking", "encrypted_content", "output", "arguments", "id",
     "citations", "cache_control", "role", "function", "tool_calls", "summary", "refusal"]
)  # fmt: skip


def objects(below: Any) -> Any:
    def made(kind: str, more: Json) -> Json:
        return {**more, "type": kind}

    return st.builds(made, KINDS, st.dictionaries(KEYS, below, max_size=4))


VALUES = st.recursive(
    st.text("Q", min_size=30, max_size=200) | KINDS | st.just("text") | st.booleans(),
    lambda below: st.lists(below, max_size=3) | objects(below),
    max_leaves=12,
)


def letters(value: Any) -> int:
    """How many there are. Caches are not shown to a model, and images are not text."""
    shown = json.dumps(value)
    return 0 if '"cache_control"' in shown or '"image"' in shown else shown.count("Q")


@given(st.lists(objects(VALUES), max_size=3), st.lists(objects(VALUES), max_size=2), st.booleans())
def test_no_text_that_is_sent_is_left_out(parts: list[Json], tools: list[Json], responses: bool) -> None:
    """Whatever a request is made of: each letter counts, or nothing bounds it."""
    sent: Json = {"input": parts, "max_output_tokens": 0} if responses else {"messages": said(*parts), "max_tokens": 0}
    request = {"model": GPT, **sent, "tools": tools}
    most = worst("tokens", record(GPT), request)
    assert most is None or most >= letters([parts, tools])


@given(st.sampled_from(["text", "tool_use", "thinking", "document", "tool_result", "search_result"]), VALUES, KEYS)
def test_parts_of_known_kinds_grow_with_what_is_in_them(kind: str, value: Any, key: str) -> None:
    usual: dict[str, Json] = {
        "document": {"source": {"type": "text", "data": "x"}},
        "text": {"text": "x"},
        "tool_result": {"content": "x"},
        "search_result": {"content": PART},
    }
    part = {**usual.get(kind, {}), key: value, "type": kind}
    most = worst("tokens", record(SONNET), {"messages": said(part), "max_tokens": 0})
    assert most is None or most >= letters(part)


def test_tools_that_were_seen_before_have_the_same_bound_until_they_change() -> None:
    """An agent sends its tools with each call: the bound is that of what is sent, also where the program changed it."""
    tool: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    request: Json = {"messages": CHAT, "max_tokens": 9, "tools": [tool]}
    first, *others = (plain_worst(record(GPT), request) for _ in range(4))
    assert first is not None
    assert others == [first] * 3
    tool["function"]["parameters"]["properties"]["q"] = {"type": "string", "description": "x" * 1000}
    changed = plain_worst(record(GPT), request)
    assert changed is not None
    assert changed - first >= 1000 * 150_000  # pico-dollars a token
    assert [plain_worst(record(GPT), request) for _ in range(3)] == [changed] * 3
    tool["type"] = "web_search"
    assert plain_worst(record(GPT), request) is None
