"""The most that a call may come to, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollbook import _estimate, tokens


def worst(unit: str, provider: str | None, model: str | None, request: Mapping[str, Any]) -> int | None:
    """The most of `unit` (`usd`: pico-dollars, or `tokens`) that a request can come to; None: nothing bounds it."""
    if unit == "usd":
        return _estimate.worst_case(provider, model, request)
    if not model:
        return None
    sent = tokens.most_tokens(tokens.content_of(request), model)
    answer = _estimate.limit_of(request)
    if answer is None:
        answer = _estimate.usual_limit(model)
    return None if sent is None or answer is None else sent + answer
