"""Recorded answers of providers: their usage is read as they state it, and nothing of it is lost.

The recordings are not part of the repository; without them these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tollbook.usage import CACHE_READS, CACHE_WRITES, CONVENTIONS, Usage, read

INDEX = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "index.jsonl"

pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="the recordings are not here")

CHOICE = (
    # provider, endpoint, where the usage was, convention (empty: it is no usage of a model)
    ("*", "*", "*guardrail*", ""),
    ("anthropic", "*", "*", "anthropic.messages"),
    ("*", "messages", "*", "anthropic.messages"),
    ("*", "bedrock.converse", "*", "bedrock.converse"),
    ("*", "bedrock.invoke", "*", "bedrock.invoke"),
    ("cohere", "*", "*", "cohere"),
    ("*", "interactions", "*", "gemini.interactions"),
    ("*", "*", "usageMetadata", "gemini"),
    ("*", "ollama.*", "$", "ollama"),
    ("voyageai", "*", "*", "voyage"),
    ("perplexity", "*", "*", "perplexity"),
    ("xai", "grpc.chat", "*", "xai.grpc"),
    ("*", "realtime.ws", "*", "openai.realtime"),
    ("*", "images.*", "*", "openai.images"),
    ("*", "audio.transcriptions", "*", "openai.transcription"),
    ("openai", "batches", "*", "openai.batch"),
    ("*", "files.content", "*", "openai.batch"),
    ("*", "responses*", "*", "openai.responses"),
    ("*", "threads.runs", "*", "openai.runs"),
    ("*", "embeddings", "*", "openai.embeddings"),
    ("openrouter", "*", "*", "openrouter"),
    ("*", "*", "*", "openai.chat"),
)

READ = Counter(
    {
        "": 2,
        "anthropic.messages": 241,
        "bedrock.converse": 67,
        "bedrock.invoke": 40,
        "cohere": 35,
        "gemini": 186,
        "gemini.interactions": 5,
        "ollama": 9,
        "openai.batch": 22,
        "openai.chat": 489,
        "openai.embeddings": 39,
        "openai.images": 4,
        "openai.realtime": 10,
        "openai.responses": 355,
        "openai.runs": 6,
        "openai.transcription": 2,
        "openrouter": 51,
        "perplexity": 4,
        "voyage": 5,
        "xai.grpc": 27,
    }
)
"""How many objects of each convention there are. A number that is lower means that some were passed over."""

FLAGS = Counter({"parts_exceed_input": 4, "parts_exceed_output": 1, "split_incomplete": 5, "total_only": 5})
"""Contradictions in the recordings."""


def _recorded() -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    with INDEX.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            raw = entry.get("usage_merged") or entry.get("usage")
            if raw:
                where = (entry["provider"], entry["endpoint"], entry["usage_path"])
                found = next(row[3] for row in CHOICE if all(map(fnmatchcase, where, row[:3])))
                yield entry, found, raw


def _sum(raw: Any, *paths: str) -> int:
    """The sum of the first number at each of `paths` (words for one number are joined by `|`)."""
    return sum(next((n for path in words.split("|") if (n := _number(raw, path)) is not None), 0) for words in paths)


def _number(raw: Any, path: str) -> int | None:
    for key in path.split("."):
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, int) else sum(i["tokenCount"] for i in raw) if isinstance(raw, list) else None


SENT, MADE = "prompt_tokens|input_tokens", "completion_tokens|output_tokens"
DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
WRITTEN = "|".join(f"{name}.cache_write_tokens" for name in DETAILS)
CACHED = "|".join((*(f"{name}.cached_tokens" for name in DETAILS), "cached_tokens", "num_cached_tokens"))
REASONING = "completion_tokens_details.reasoning_tokens|output_tokens_details.reasoning_tokens"

STATED: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str, str, str]] = {
    # what adds up to the input; to the output; the total; what was cached; what was written; reasoning
    "openai": ((SENT,), (MADE,), "total_tokens", CACHED, WRITTEN, REASONING),
    "anthropic.messages": (
        ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
        ("output_tokens",),
        "",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens_details.thinking_tokens",
    ),
    "bedrock.converse": (
        ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        ("outputTokens",),
        "totalTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "",
    ),
    "bedrock.invoke": (
        (
            "input_tokens|inputTokens|inputTextTokenCount|prompt_token_count|inputTokenCount",
            "cache_read_input_tokens|cacheReadInputTokenCount",
            "cache_creation_input_tokens|cacheWriteInputTokenCount",
        ),
        ("output_tokens|outputTokens|generation_token_count|outputTokenCount|results",),
        "",
        "cache_read_input_tokens|cacheReadInputTokenCount",
        "cache_creation_input_tokens|cacheWriteInputTokenCount",
        "",
    ),
    "gemini": (
        ("promptTokenCount", "toolUsePromptTokenCount"),
        ("candidatesTokenCount|responseTokenCount", "thoughtsTokenCount"),
        "totalTokenCount",
        "cachedContentTokenCount",
        "",
        "thoughtsTokenCount",
    ),
    "gemini.interactions": (
        ("total_input_tokens", "total_tool_use_tokens"),
        ("total_output_tokens", "total_thought_tokens"),
        "total_tokens",
        "total_cached_tokens",
        "",
        "total_thought_tokens",
    ),
    "cohere": (
        ("billed_units.input_tokens|input_tokens", "billed_units.image_tokens|image_tokens"),
        ("billed_units.output_tokens|output_tokens",),
        "",
        "",
        "",
        "tokens.reasoning_tokens",
    ),
    "ollama": (("prompt_eval_count",), ("eval_count",), "", "", "", ""),
    "voyage": (("total_tokens",), (), "total_tokens", "", "", ""),
    "xai.grpc": (
        ("prompt_tokens",),
        ("completion_tokens", "reasoning_tokens"),
        "total_tokens",
        "cached_prompt_text_tokens",
        "",
        "reasoning_tokens",
    ),
}


def _differs(convention: str, usage: Usage, raw: dict[str, Any]) -> str:
    """Why the sums that `raw` states are not those of `usage`; empty if they are."""
    sent, made, total, cached, written, reasoning = STATED.get(convention, STATED["openai"])
    quantities = usage.quantities
    expected = {
        "input": _sum(raw, *sent),
        "output": _sum(raw, *made),
        "cached": _sum(raw, cached),
        "written": _sum(raw, written),
        "reasoning": _sum(raw, reasoning),
    }
    stated = _sum(raw, total) if total else None
    if "parts_exceed_input" in usage.flags:  # the prompt did not contain what was cached, or it was also written
        expected["input"] += expected["cached" if expected["cached"] > expected["input"] else "written"]
    if "parts_exceed_output" in usage.flags:  # no part of the output is certain
        expected["reasoning"] = 0
    if usage.flags == ("total_only",):
        expected["input"] = _sum(raw, total)
    if stated == expected["input"] + expected["output"] + expected["reasoning"]:
        expected["output"] += expected["reasoning"]  # the total says that it is outside
    whole = Usage(quantities)
    found = {
        "input": whole.input_tokens,
        "output": whole.output_tokens,
        "cached": sum(quantities.get(bucket, 0) for bucket in CACHE_READS),
        "written": sum(quantities.get(bucket, 0) for bucket in CACHE_WRITES),
        "reasoning": quantities.get("output_reasoning", 0),
    }
    return "" if found == expected else f"{found} is not {expected}"


def test_sums_and_parts_are_those_that_the_provider_states() -> None:
    wrong: list[str] = []
    for entry, convention, raw in _recorded():
        if not convention:
            continue
        usage = read(convention, raw)
        assert usage is not None, entry["file"]
        if reason := _differs(convention, usage, raw):
            wrong.append(f"{entry['file']}: {reason}: {raw}")
    assert wrong == []


LEFT_OUT = {
    "gemini": "output_reasoning",  # by a live session
    "openai.chat": "input_cache_read",  # by xAI on Azure
    "openrouter": "input_cache_write",  # written and read back within one request
}
"""What totals leave out."""


def test_totals_are_those_that_the_provider_states() -> None:
    differs: Counter[str] = Counter()
    for entry, convention, raw in _recorded():
        total = STATED.get(convention, STATED["openai"])[2]
        stated = _number(raw, total) if total else None
        usage = read(convention, raw) if convention else None
        if usage is None or stated is None:
            continue
        if Usage(usage.quantities).total_tokens != stated:
            assert convention in LEFT_OUT, entry["file"]
            less = usage.quantities[LEFT_OUT[convention]]
            assert Usage(usage.quantities).total_tokens - less == stated, entry["file"]
            differs[convention] += 1
    assert differs == {"gemini": 4, "openai.chat": 3, "openrouter": 1}


def test_every_recorded_usage_is_read() -> None:
    found: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for entry, convention, raw in _recorded():
        found[convention] += 1
        usage = read(convention, raw) if convention else None
        assert convention == "" or usage is not None, entry["file"]
        flags.update(usage.flags if usage else ())
    assert found == READ
    assert flags == FLAGS
    assert found.total() == 1599


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    elif isinstance(value, (int, float)) and value:
        yield path, value


def _known(convention: str) -> tuple[set[str], tuple[str, ...]]:
    """Paths that a convention reads, without labels, and beginnings of those that count nothing or are parts."""
    known = CONVENTIONS[convention]
    read_paths = {re.sub(r"\[.*?\]", "[]", field.path) for field in known.fields}
    read_paths |= {re.sub(r"\[(\w+)=.*", r"[].\1", field.path) for field in known.fields}  # labels
    passed = [*known.silent, *(rule.path for rule in known.parts), *(rule.path for rule in known.selectors)]
    return read_paths | set(known.own_key or ()), tuple(re.sub(r"\[.*?\]", "[]", path) for path in passed)


def test_no_number_is_lost() -> None:
    for entry, convention, raw in _recorded():
        if not convention or CONVENTIONS[convention].closed:
            continue
        usage = read(convention, raw)
        assert usage is not None
        paths, passed = _known(convention)
        for path, value in _leaves(raw):
            if path in paths or any(path == known or path.startswith((f"{known}.", f"{known}[")) for known in passed):
                continue
            assert usage.extra is not None, (entry["file"], path)
            assert usage.extra[path] == value, (entry["file"], path)


def test_what_was_charged_is_what_the_provider_states() -> None:
    found: Counter[str] = Counter()
    for entry, convention, raw in _recorded():
        usage = read(convention, raw) if convention else None
        charge = None
        cost = raw.get("cost")
        if isinstance(cost, dict):
            charge = cost["total_cost"]
        elif cost is not None:
            charge = cost + (raw["cost_details"]["upstream_inference_cost"] if raw.get("is_byok") else 0)
        elif (ticks := raw.get("cost_in_usd_ticks")) is not None:
            charge = int(ticks) / 1e10
        if charge is None:
            assert usage is None or usage.charge is None, entry["file"]
            continue
        assert usage is not None
        assert usage.charge == round(charge * 1e12), entry["file"]
        found[entry["provider"]] += 1
    assert found == {"openai": 4, "openrouter": 47, "perplexity": 4, "xai": 16}


def test_headers_say_the_same_as_bodies() -> None:
    compared = 0
    for entry, convention, raw in _recorded():
        headers = entry.get("usage_headers") or {}
        if (
            convention != "bedrock.invoke"
            or "x-amzn-bedrock-output-token-count" not in headers
            or raw.keys() == {"inputTokens"}
        ):
            continue
        said, body = read(convention, headers), read(convention, raw)
        assert said is not None
        assert body is not None
        assert (said.input_tokens, said.output_tokens) == (body.input_tokens, body.output_tokens), entry["file"]
        compared += 1
    assert compared == 19
