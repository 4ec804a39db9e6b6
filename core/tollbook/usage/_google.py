"""The words of Google."""

from __future__ import annotations

from tollbook.usage._convention import TOTAL, Convention, Field, Selector

_IN, _OUT = ("input",), ("output",)

_MODALITIES = {"image": "IMAGE|DOCUMENT|2|5", "video": "VIDEO|3", "audio": "AUDIO|4"}
"""By name, or by number where an SDK has an enumeration. Pages of a document are images."""

_TEXT = "TEXT|MODALITY_UNSPECIFIED|1|0"


def _by_modality(count: str, sent: tuple[str, ...], cached: tuple[str, ...], made: tuple[str, ...]) -> list[Field]:
    """Google's tables of what is audio, image or video, with the key of their counts."""
    fields: list[Field] = []
    for kind, labels in _MODALITIES.items():
        both = ("input_cache_read", f"input_{kind}")
        fields += [Field(f"{name}[modality={labels}].{count}", f"input_{kind}", _IN) for name in sent]
        fields += [Field(f"{name}[modality={labels}].{count}", f"input_{kind}_cache_read", both) for name in cached]
        fields += [Field(f"{name}[modality={labels}].{count}", f"output_{kind}", _OUT) for name in made]
    return fields


def _text(count: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{name}[modality={_TEXT}].{count}" for name in names)


_CAMEL = (
    ("promptTokensDetails", "promptTokenDetails"),
    ("cacheTokensDetails",),
    ("candidatesTokensDetails", "responseTokensDetails"),
)
_SNAKE = (
    ("prompt_tokens_details",),
    ("cache_tokens_details",),
    ("candidates_tokens_details", "response_tokens_details"),
)
_PLAIN = (("input_tokens_by_modality",), ("cached_tokens_by_modality",), ("output_tokens_by_modality",))

_GEMINI = Convention(
    "gemini",
    (
        # On the wire, then as Google's own SDK and those built on it write it. Thoughts are outside the candidates.
        Field("promptTokenCount", "input"),
        Field("prompt_token_count", "input"),
        # What tools returned is sent to the model on top of the prompt.
        Field("toolUsePromptTokenCount", "input", adds=True),
        Field("tool_use_prompt_token_count", "input", adds=True),
        Field("candidatesTokenCount", "output"),
        Field("responseTokenCount", "output"),
        Field("candidates_token_count", "output"),
        Field("response_token_count", "output"),
        Field("thoughtsTokenCount", "output_reasoning"),
        Field("thoughts_token_count", "output_reasoning"),
        Field("cachedContentTokenCount", "input_cache_read", _IN),
        Field("cached_content_token_count", "input_cache_read", _IN),
        Field("totalTokenCount", TOTAL),
        Field("total_token_count", TOTAL),
        *_by_modality("tokenCount", *_CAMEL),
        *_by_modality("token_count", *_SNAKE),
    ),
    silent=(
        *_text("tokenCount", *_CAMEL[0], *_CAMEL[1], *_CAMEL[2]),
        *_text("token_count", *_SNAKE[0], *_SNAKE[1], *_SNAKE[2]),
        *("toolUsePromptTokensDetails", "tool_use_prompt_tokens_details"),
    ),
    selectors=(
        Selector("serviceTier", "service_tier"),
        Selector("trafficType", "traffic_type"),
        Selector("service_tier", "service_tier"),
        Selector("traffic_type", "traffic_type"),
    ),
)

_INTERACTIONS = Convention(
    "gemini.interactions",
    (
        Field("total_input_tokens", "input"),
        Field("total_tool_use_tokens", "input", adds=True),
        Field("total_output_tokens", "output"),
        Field("total_thought_tokens", "output_reasoning"),
        Field("total_cached_tokens", "input_cache_read", _IN),
        Field("total_tokens", TOTAL),
        *_by_modality("tokens", *_PLAIN),
    ),
    silent=(*_text("tokens", *_PLAIN[0], *_PLAIN[1], *_PLAIN[2]), "tool_use_tokens_by_modality"),
    selectors=(Selector("service_tier", "service_tier"),),
)

CONVENTIONS = (_GEMINI, _INTERACTIONS)
