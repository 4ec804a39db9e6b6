"""Methods: which tokenizer comes closest to a model's own, and how close it comes.

A name that no rule knows is counted all the same: an estimate may guess where a price must not, since it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple


class Method(NamedTuple):
    """One way to estimate the tokens of a model."""

    encoder: str
    """As `encoder` takes it."""
    factor: float = 1.0
    """What its count is multiplied by, for English and code."""
    band: float = 0.0
    """The error to expect then, as a fraction."""
    factor_other: float = 1.0
    """The same for text that is largely in another script."""
    band_other: float = 0.0


class Frame(NamedTuple):
    """What a chat adds to its texts."""

    request: int = 3
    message: int = 4
    """For each message: three that frame it, and its role."""
    name: int = 1
    call: int = 0
    """For each use of a tool, and each result of one."""
    schema: int = 0
    """For a form that the answer must have, beside the form."""
    thinking: int = 0
    """Where reasoning is turned on."""
    tools: int = 12
    """Once, if there are tools at all: instructions that the provider adds."""
    error: float = 0.2
    """The error to expect of what messages add, as a fraction."""
    tools_error: float = 1.0
    """The same of what tools add."""


O200K = "o200k_base"

_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")

_OPENAI = (
    # Patterns of names, the encoding, the error beyond framing. As tiktoken lists them, but for the
    # fine-tuned ones, and those after GPT-5, of which OpenAI has not said.
    (r"gpt-(?:4o|4\.[15]|5)|chatgpt-4o|o[134](?:-|$)|computer-use|codex-mini", O200K, 0.0),
    (r"gpt-(?:4|3\.?5)(?:-|$)|gpt-3\.5|text-embedding-|davinci-002|babbage-002", "cl100k_base", 0.0),
    (r"gpt-|o\d|codex|chatgpt", O200K, 0.10),
)
_FAMILIES = (
    # How o200k_base compares with their own tokenizers: English and code, then other languages.
    (r"gemini|gemma|palm", 1.13, 0.15, 1.16, 0.2),
    (r"llama", 1.0, 0.05, 1.16, 0.2),
    (r"qwen|qwq", 1.02, 0.1, 1.15, 0.2),
    (r"deepseek", 1.04, 0.1, 1.14, 0.2),
    (r"mistral|mixtral|codestral|ministral|pixtral|magistral|devstral", 1.05, 0.1, 1.1, 0.2),
)
_USUAL = (("openai", "gpt-"), ("azure", "gpt-"), ("anthropic", "claude"), ("gcp", "gemini"), ("mistral", "mistral"))
_OTHER = Method(O200K, 1.0, 0.15, 1.1, 0.3)


def base_name(model: str | None) -> str:
    """`model` without what providers put before it, in lower case."""
    return (model or "").lower().removeprefix("ft:").rpartition("/")[2]


def claude_version(model: str | None) -> tuple[int, int] | None:
    """The version of a Claude model, from its name; None: it is none. One that names no version is taken as new."""
    name = (model or "").lower()
    if "claude" not in name:
        return None
    found = _CLAUDE.search(name)
    if found is None:
        return (5, 0)
    return int(found[1]), int(found[2] or 0)


def methods(
    model: str | None, settings: Mapping[str, Any] | None = None, provider: str | None = None
) -> tuple[Method, ...]:
    """The ways to estimate the tokens of a model, best first.

    Args:
        model: As requested or served.
        settings: What a definition of the user's says of the model's tokenizer.
        provider: Whose usual models are meant by a name that tells nothing, such as a deployment's.
    """
    named = _named(settings)
    known = _known(model)
    if known == (_OTHER,) and provider:
        known = _known(next((name for prefix, name in _USUAL if provider.startswith(prefix)), model))
    return ((named,) if named else ()) + known


def _named(settings: Mapping[str, Any] | None) -> Method | None:
    """The tokenizer that a definition names; None if it leaves that to us."""
    if not settings:
        return None
    kind = str(settings.get("id") or "openai").lower()
    which = settings.get("encoding")
    if not which:
        return _known(str(settings["model"]))[0] if settings.get("model") else None
    if kind in {"openai", "tiktoken"}:
        return Method(str(which))
    if kind in {"claude", "anthropic", "ctok"}:
        return Method(f"ctok:{which}", 1.0, 0.02, 1.0, 0.02)
    return Method(f"splintr:{which}", 1.0, 0.02, 1.0, 0.02)


def _known(model: str | None) -> tuple[Method, ...]:
    claude = claude_version(model)
    if claude is not None:
        scaled = Method(O200K, 1.5 if claude >= (4, 7) else 1.2, 0.25, 1.5, 0.4)
        return Method(f"ctok:{max(claude, (3, 0))[0]}.{claude[1]}", 1.0, 0.02, 1.0, 0.02), scaled
    name = base_name(model)
    for pattern, encoding, band in _OPENAI:
        if re.match(pattern, name):
            return (Method(encoding, 1.0, band, 1.0, band),)
    for pattern, *rest in _FAMILIES:
        if re.search(pattern, name):
            return (Method(O200K, *rest),)
    return (_OTHER,)


def frame(model: str | None, settings: Mapping[str, Any] | None = None) -> Frame:
    """What a chat with `model` adds to its texts, where a definition does not say otherwise."""
    usual = _frame(model)
    if not settings:
        return usual

    def number(name: str, default: int) -> int:
        value = settings.get(name)
        return value if isinstance(value, int) else default

    return usual._replace(
        request=number("reply", usual.request),
        message=number("tokens_per_message", usual.message - 1) + 1,  # the role
        name=number("tokens_per_name", usual.name),
    )


@lru_cache(maxsize=1000)
def _frame(model: str | None) -> Frame:
    """As published for OpenAI's chats; for the others as fitted to recorded calls."""
    claude = claude_version(model)
    if claude is not None:
        tools = 340 if claude < (4, 5) else 520 if claude < (4, 7) else 440
        return Frame(3, 4, 0, error=0.35, call=20, schema=130, thinking=28, tools=tools, tools_error=0.35)
    name = base_name(model)
    if any(re.match(pattern, name) for pattern, *_ in _OPENAI):
        return Frame(60, error=1.0) if "gpt-oss" in name else Frame()
    if "gemini" in name:
        return Frame(0, 0, 0, tools=15)
    return Frame(15 if "llama" in name else 2, 3, 1, call=5, tools=80, error=1.0)
