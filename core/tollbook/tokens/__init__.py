"""Tokens: estimates for what no provider reported, always labelled as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.tokens._content import Content, content_of
    from tollbook.tokens._count import Count, estimate, estimate_content
    from tollbook.tokens._images import Image, image_tokens
    from tollbook.tokens._methods import base_name, claude_version
    from tollbook.tokens._most import Most, answers_of, most_of
    from tollbook.tokens._usage import estimate_output, estimate_request

__all__ = [
    "Content",
    "Count",
    "Image",
    "Most",
    "answers_of",
    "base_name",
    "claude_version",
    "content_of",
    "estimate",
    "estimate_content",
    "estimate_output",
    "estimate_request",
    "image_tokens",
    "most_of",
]

__getattr__ = lazily(
    __name__,
    _content="Content content_of",
    _count="Count estimate estimate_content",
    _images="Image image_tokens",
    _methods="base_name claude_version",
    _most="Most answers_of most_of",
    _usage="estimate_output estimate_request",
)
