"""The estimate of last resort: characters divided by four.

Good to within about half for English and code, and worse for other scripts, which is what `band` says.
"""

from __future__ import annotations

from typing import Any, cast

from tollbook.usage import Usage

METHOD = "characters/4"
BAND = 0.5
_PER_MESSAGE = 4
"""Tokens that frame each message of a chat."""
_LONGEST = 2_000_000
"""Beyond so many characters counting stops: an estimate is not worth more of the host's time."""
_NO_TEXT = frozenset({"data", "type", "role", "id", "image_url", "file_data"})
"""Keys of a message whose values the model does not read as text."""


def characters(value: Any) -> int:
    """How many characters of text a JSON value holds; files and images sent inline are none."""
    total = 0
    waiting: list[Any] = [value]
    while waiting and total < _LONGEST:
        item: Any = waiting.pop()
        if isinstance(item, str):
            if not item.startswith("data:"):
                total += len(item)
        elif isinstance(item, dict):
            waiting.extend(v for k, v in cast("dict[str, Any]", item).items() if k not in _NO_TEXT)
        elif isinstance(item, (list, tuple)):
            waiting.extend(cast("list[Any]", item))
    return total


def estimate_request(request: dict[str, Any], answered: int) -> Usage:
    """The usage of a request that streamed `answered` characters and reported nothing."""
    messages: Any = request.get("messages") or request.get("input") or request.get("prompt") or ""
    framing = _PER_MESSAGE * (len(messages) if isinstance(messages, list) else 1)  # pyright: ignore[reportUnknownArgumentType]
    sent = characters([messages, request.get("system"), request.get("instructions"), request.get("tools")])
    quantities = {"input": framing + -(-sent // 4), "output": -(-answered // 4)}
    return Usage(quantities, source="estimated", method=METHOD, band=BAND)


def estimate_output(reported: Usage, answered: int) -> Usage:
    """`reported`, whose output was cut before it was final, with at least the output that was seen."""
    seen = -(-answered // 4)
    quantities = dict(reported.quantities)
    quantities["output"] = max(quantities.get("output", 0), seen - quantities.get("output_reasoning", 0))
    return Usage(
        quantities,
        estimated=("output",),
        method=METHOD,
        band=BAND,
        parts=reported.parts,
        charge=reported.charge,
        flags=reported.flags,
        extra=reported.extra,
    )
