"""Tokens: estimates for what no provider reported, always labelled as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.tokens._rough import characters, estimate_output, estimate_request

__all__ = ["characters", "estimate_output", "estimate_request"]

__getattr__ = lazily(__name__, _rough="characters estimate_output estimate_request")
