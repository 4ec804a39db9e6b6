"""The words of OpenAI, and of the many servers that call themselves compatible."""

from __future__ import annotations

from tollbook._money import PICO
from tollbook.usage._convention import CHARGE, TOTAL, Convention, Field, Parts, Selector

_IN, _OUT = ("input",), ("output",)
_WRITE = ("input_cache_write",)
TICK = 100
"""Pico-dollars per tick of xAI."""


def _openai(first: str, second: str, details: str) -> tuple[Field, ...]:
    """OpenAI's words: every total contains all of its parts.

    Servers that call themselves compatible mix the words of its APIs, so each API's convention knows all of them and
    puts its own (`first_tokens`, with their `_tokens_details`) first.
    """
    sent = [f"{first}_{details}", *(f"{a}_{b}" for a in ("prompt", "input") for b in _DETAILS)]
    made = [f"{second}_{details}", *(f"{a}_{b}" for a in ("completion", "output") for b in _DETAILS)]
    sent, made = list(dict.fromkeys(sent)), list(dict.fromkeys(made))
    fields = [
        Field(f"{first}_tokens", "input"),
        Field("prompt_tokens" if first == "input" else "input_tokens", "input"),
        Field(f"{second}_tokens", "output"),
        Field("completion_tokens" if second == "output" else "output_tokens", "output"),
        Field("total_tokens", TOTAL),
    ]
    for name in sent:
        fields += [
            Field(f"{name}.cached_tokens", "input_cache_read", _IN),
            Field(f"{name}.cache_write_tokens", "input_cache_write", _IN),
            Field(f"{name}.cache_creation_tokens", "input_cache_write", _IN),
            Field(f"{name}.cache_write_tokens_details.ttl_30m_tokens", "input_cache_write_30m", _WRITE),
            Field(f"{name}.cache_write_tokens_details.ttl_12h_tokens", "input_cache_write_12h", _WRITE),
            Field(f"{name}.cache_creation_token_details.ephemeral_5m_input_tokens", "input_cache_write_5m", _WRITE),
            Field(f"{name}.cache_creation_token_details.ephemeral_1h_input_tokens", "input_cache_write_1h", _WRITE),
            Field(f"{name}.audio_tokens", "input_audio", _IN),
            Field(f"{name}.image_tokens", "input_image", _IN),
            Field(f"{name}.video_tokens", "input_video", _IN),
        ]
        for kind in ("audio", "image", "video"):
            both = ("input_cache_read", f"input_{kind}")
            fields.append(
                Field(f"{name}.cached_tokens_details.{kind}_tokens", f"input_{kind}_cache_read", both),
            )
    for name in made:
        fields += [
            Field(f"{name}.reasoning_tokens", "output_reasoning", _OUT),
            Field(f"{name}.audio_tokens", "output_audio", _OUT),
            Field(f"{name}.image_tokens", "output_image", _OUT),
            Field(f"{name}.video_tokens", "output_video", _OUT),
        ]
    return (*fields, *_COMPATIBLE)


_DETAILS = ("tokens_details", "token_details")

_COMPATIBLE = (
    # DeepSeek, Together, Hugging Face, Mistral, Databricks, LiteLLM
    Field("prompt_cache_hit_tokens", "input_cache_read", _IN),
    Field("cached_tokens", "input_cache_read", _IN),
    Field("num_cached_tokens", "input_cache_read", _IN),
    Field("cache_read_input_tokens", "input_cache_read", _IN),
    Field("cache_creation_input_tokens", "input_cache_write", _IN),
    Field("audio_prompt_tokens", "input_audio", _IN),
    Field("prompt_audio_seconds", "input_audio_ms", scale=1000),
    Field("reasoning_tokens", "output_reasoning", _OUT),
    # OpenRouter
    Field("server_tool_use_details.web_search_requests", "web_search"),
    Field("server_tool_use.web_search_requests", "web_search"),
    Field("cost", CHARGE, scale=PICO),
    # Perplexity
    Field("num_search_queries", "web_search"),
    Field("cost.total_cost", CHARGE, scale=PICO),
    # xAI
    Field("num_sources_used", "search_sources"),
    Field("cost_in_usd_ticks", CHARGE, scale=TICK),
    # what OpenAI states beside the usage
    Field("tool_usage.web_search.num_requests", "web_search"),
)

OPENAI = Convention(
    "openai.chat",
    _openai("prompt", "completion", "tokens_details"),
    silent=(
        *(f"{a}_{b}.text_tokens" for a in ("prompt", "input", "completion", "output") for b in _DETAILS),
        *(f"{a}_{b}.cached_tokens_details.text_tokens" for a in ("prompt", "input") for b in _DETAILS),
        "prompt_cache_miss_tokens",
        # Groq, Azure
        *("queue_time", "prompt_time", "completion_time", "total_time", "latency_checkpoint"),
        # the shares of a charge
        *(f"cost_details.upstream_inference_{x}_cost" for x in ("prompt", "completions", "input", "output")),
        *(f"cost.{x}" for x in ("input_tokens_cost", "output_tokens_cost", "request_cost", "input_cost", "currency")),
        *("type", "context_details"),
    ),
    # Mistral counts the tokens of audio in the total alone.
    rest=(("prompt_audio_seconds", "input_audio"),),
    selectors=(
        Selector("service_tier", "service_tier"),
        Selector("search_context_size", "search_context_size"),
    ),
    parts=(
        Parts("usage_breakdown.models", "openai.chat", kind="routed", usage="usage", inside=True),
        Parts("tool_usage.image_gen", "openai.images", kind="image_generation", model="image_generation"),
        Parts("svg_usage", "openai.responses", kind="svg"),
    ),
    own_key=("is_byok", "cost_details.upstream_inference_cost"),
    currency="cost.currency",
    beside=("usage_breakdown",),
    writable=True,
)

RESPONSES = OPENAI._replace(
    name="openai.responses",
    fields=_openai("input", "output", "tokens_details"),
    beside=("tool_usage", "svg_usage"),
)

_IMAGE_CACHE = ("input_cache_read", "input_image")

_IMAGES = Convention(
    "openai.images",
    (
        Field("input_tokens", "input"),
        # What is generated are images, also where nothing says so; only text is counted apart.
        Field("output_tokens", "output_image"),
        Field("total_tokens", TOTAL),
        Field("input_tokens_details.image_tokens", "input_image", _IN),
        Field("input_tokens_details.cached_tokens", "input_cache_read", _IN),
        Field("cached_tokens", "input_cache_read", _IN),
        Field("input_tokens_details.cached_tokens_details.image_tokens", "input_image_cache_read", _IMAGE_CACHE),
        Field("cached_tokens_details.cached_image_tokens", "input_image_cache_read", _IMAGE_CACHE),
        Field("output_tokens_details.text_tokens", "output", ("output_image",)),
        Field("output_tokens_details.reasoning_tokens", "output_reasoning", ("output_image",)),
        Field("cost_in_usd_ticks", CHARGE, scale=TICK),
        Field("cost", CHARGE, scale=PICO),
    ),
    silent=(
        *("input_tokens_details.text_tokens", "output_tokens_details.image_tokens"),
        *("input_tokens_details.cached_tokens_details.text_tokens", "cached_tokens_details.cached_text_tokens"),
    ),
    parts=(Parts("svg_usage", "openai.responses", kind="svg"),),
    beside=("svg_usage",),
)

_TRANSCRIPTION = RESPONSES._replace(
    name="openai.transcription",
    fields=(*RESPONSES.fields, Field("seconds", "input_audio_ms", scale=1000)),
    writable=False,
)

_REALTIME = RESPONSES._replace(
    name="openai.realtime",
    fields=(
        *_openai("input", "output", "token_details"),
        Field("seconds", "input_audio_ms", scale=1000),
        Field("billable_audio_seconds", "session_ms", scale=1000),
    ),
    silent=(*RESPONSES.silent, "output_audio_seconds"),
)

_PERPLEXITY = OPENAI._replace(
    name="perplexity",
    # Reasoning and citations are no part of what it calls completion.
    fields=(
        Field("reasoning_tokens", "output_reasoning"),
        Field("citation_tokens", "output_citation"),
        *(field for field in OPENAI.fields if field.bucket != "output_reasoning"),
    ),
    writable=False,
)

_LIVE = Convention("openai.live", (Field("seconds", "session_ms", scale=1000),))

_GEMINI_CHAT = OPENAI._replace(name="gemini.chat", rest=(("", "output_reasoning"),), writable=False)
"""Google's endpoint that is compatible hides what its models think in the total."""

CONVENTIONS = (OPENAI, RESPONSES, _IMAGES, _TRANSCRIPTION, _REALTIME, _PERPLEXITY, _GEMINI_CHAT, _LIVE)
