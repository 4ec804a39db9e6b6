"""Every convention, as data: here Anthropic, Amazon and the smaller providers."""

from __future__ import annotations

from tollbook._money import PICO
from tollbook.usage import _frameworks, _google, _openai
from tollbook.usage._convention import CHARGE, TOTAL, Convention, Field, Parts, Selector

_IN, _OUT, _WRITE = ("input",), ("output",), ("input_cache_write",)

_ANTHROPIC = Convention(
    "anthropic.messages",
    (
        # The input's three counts are apart from each other; thinking is inside the output.
        Field("input_tokens", "input"),
        Field("output_tokens", "output"),
        Field("cache_read_input_tokens", "input_cache_read"),
        Field("cache_creation_input_tokens", "input_cache_write"),
        Field("cache_creation.ephemeral_5m_input_tokens", "input_cache_write_5m", _WRITE),
        Field("cache_creation.ephemeral_1h_input_tokens", "input_cache_write_1h", _WRITE),
        Field("output_tokens_details.thinking_tokens", "output_reasoning", _OUT),
        Field("server_tool_use.web_search_requests", "web_search"),
        Field("server_tool_use.web_fetch_requests", "web_fetch"),
        Field("server_tool_use.code_execution_requests", "code_execution"),
        # sessions of managed agents
        Field("active_seconds", "session_ms", scale=1000),
    ),
    split=(("input_cache_write", "cache_creation"),),
    selectors=(
        Selector("service_tier", "service_tier"),
        Selector("speed", "speed"),
        Selector("inference_geo", "inference_geo"),
    ),
    parts=(
        Parts(
            "iterations",
            "anthropic.messages",
            kinds=(("message", ""), ("compaction", "compaction"), ("advisor_message", "advisor")),
            serves="fallback_message",
        ),
    ),
    writable=True,
)

_SESSION = _ANTHROPIC._replace(
    name="anthropic.session",
    # The price of all of an agent's session, in cents.
    fields=(*_ANTHROPIC.fields, Field("list_cost.amount", CHARGE, scale=PICO // 100)),
    silent=("list_cost.currency",),
    currency="list_cost.currency",
    writable=False,
)

_CONVERSE = Convention(
    "bedrock.converse",
    (
        Field("inputTokens", "input"),
        Field("outputTokens", "output"),
        Field("cacheReadInputTokens", "input_cache_read"),
        Field("cacheReadInputTokenCount", "input_cache_read"),
        Field("cacheWriteInputTokens", "input_cache_write"),
        Field("cacheWriteInputTokenCount", "input_cache_write"),
        Field("cacheDetails[ttl=5m].inputTokens", "input_cache_write_5m", _WRITE),
        Field("cacheDetails[ttl=1h].inputTokens", "input_cache_write_1h", _WRITE),
        Field("serverToolUsage.webSearchRequests", "web_search"),
        Field("totalTokens", TOTAL),
    ),
    split=(("input_cache_write", "cacheDetails"),),
)

_HEADER = "x-amzn-bedrock-{}-token-count"

_INVOKE = Convention(
    "bedrock.invoke",
    (
        # a body's own words, by vendor: Anthropic, Nova, Titan, Llama; then the last event's metrics, then headers
        *_ANTHROPIC.fields[:7],
        *_CONVERSE.fields,
        Field("inputTextTokenCount", "input"),
        Field("results[].tokenCount", "output"),
        Field("prompt_token_count", "input"),
        Field("generation_token_count", "output"),
        Field("inputTokenCount", "input"),
        Field("outputTokenCount", "output"),
        Field(_HEADER.format("input"), "input"),
        Field(_HEADER.format("output"), "output"),
        Field(_HEADER.format("cache-read-input"), "input_cache_read"),
        Field(_HEADER.format("cache-write-input"), "input_cache_write"),
    ),
    split=(("input_cache_write", "cache_creation"), ("input_cache_write", "cacheDetails")),
    closed=True,
)


_COHERE = Convention(
    "cohere",
    (
        # What is billed; the tokens that the model saw are more, and only a fallback.
        Field("billed_units.input_tokens", "input"),
        Field("input_tokens", "input"),
        Field("tokens.input_tokens", "input"),
        Field("billed_units.output_tokens", "output"),
        Field("output_tokens", "output"),
        Field("tokens.output_tokens", "output"),
        Field("tokens.reasoning_tokens", "output_reasoning", _OUT),
        Field("billed_units.image_tokens", "input_image"),
        Field("image_tokens", "input_image"),
        Field("billed_units.images", "input_images"),
        Field("images", "input_images"),
        Field("billed_units.search_units", "search_units"),
        Field("search_units", "search_units"),
    ),
    silent=("api_version",),
)

_OLLAMA = Convention(
    "ollama",
    (Field("prompt_eval_count", "input"), Field("eval_count", "output")),
    closed=True,
)

_XAI_TOOL = "server_side_tools_used[SERVER_SIDE_TOOL_{}]"

_XAI_GRPC = Convention(
    "xai.grpc",
    (
        Field("prompt_tokens", "input"),
        Field("completion_tokens", "output"),
        Field("reasoning_tokens", "output_reasoning"),
        Field("cached_prompt_text_tokens", "input_cache_read", _IN),
        Field("prompt_image_tokens", "input_image", _IN),
        Field("total_tokens", TOTAL),
        Field("cost_in_usd_ticks", CHARGE, scale=_openai.TICK),
        Field("num_sources_used", "search_sources"),
        Field(_XAI_TOOL.format("WEB_SEARCH"), "web_search"),
        Field(_XAI_TOOL.format("X_SEARCH"), "social_search"),
        Field(_XAI_TOOL.format("CODE_EXECUTION"), "code_execution"),
        Field(_XAI_TOOL.format("COLLECTIONS_SEARCH"), "file_search"),
        Field(_XAI_TOOL.format("ATTACHMENT_SEARCH"), "attachment_search"),
    ),
    silent=("prompt_text_tokens",),
)

_VOYAGE = Convention(
    "voyage",
    (
        # Images are billed by their pixels, and counted in the total beside the text.
        Field("text_tokens", "input"),
        Field("total_tokens", "input"),
        Field("image_pixels", "input_pixels"),
    ),
)

_MISTRAL_OCR = Convention("mistral.ocr", (Field("pages_processed", "pages"),), silent=("doc_size_bytes",))

_SAME = {
    _openai.OPENAI: (
        *("openai.embeddings", "openai.runs", "azure", "groq", "mistral", "deepseek", "openrouter", "xai"),
        *("litellm", "llama_index"),
    ),
    _openai.RESPONSES: ("openai.batch",),
}
"""Conventions that are the same by other names."""

_HERE = (_ANTHROPIC, _SESSION, _CONVERSE, _INVOKE, _COHERE, _OLLAMA, _XAI_GRPC, _VOYAGE, _MISTRAL_OCR)

CONVENTIONS: dict[str, Convention] = {
    convention.name: convention
    for convention in (*_openai.CONVENTIONS, *_HERE, *_google.CONVENTIONS, *_frameworks.CONVENTIONS)
} | {name: convention for convention, names in _SAME.items() for name in names}
"""All conventions by name."""
