"""Tokens: estimates for what no provider reported, always labelled as such."""

from tollbook.tokens._rough import characters, estimate_output, estimate_request

__all__ = ["characters", "estimate_output", "estimate_request"]
