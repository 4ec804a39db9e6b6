"""The usage of a call that reported none, or not all of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import msgspec

from tollbook.tokens._content import content_of
from tollbook.tokens._count import RULES, estimate_content
from tollbook.tokens._methods import methods
from tollbook.usage import Usage

_OUTPUT = f"characters/4 (rules {RULES})"
_OUTPUT_BAND = 0.5


def estimate_request(
    request: Mapping[str, Any],
    answered: int,
    provider: str | None = None,
    model: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Usage:
    """The usage of a request that streamed `answered` characters and reported nothing.

    It takes a few milliseconds at most: long text is sampled, and a tokenizer that is not loaded yet is loaded in the
    background, for the calls that follow.

    Args:
        request: Its JSON.
        answered: Characters of the answer. The answer itself is not kept, so its tokens are told from its length.
        provider: `gen_ai.provider.name`.
        model: As served, or as requested.
        settings: What a definition of the user's says of the tokenizer.
    """
    sent = estimate_content(content_of(request), provider, model, settings=settings, wait=False)
    output = _output(answered, model)
    error = sent.tokens * sent.band + output * _OUTPUT_BAND
    return Usage(
        {"input": sent.tokens, "output": output},
        source="estimated",
        method=f"input {sent.said}, output {_OUTPUT}" if answered else sent.said,
        band=round(error / max(sent.tokens + output, 1), 3),
        flags=sent.flags,
    )


def estimate_output(reported: Usage, answered: int, model: str | None = None) -> Usage:
    """`reported`, whose output was cut before it was final, with at least the output that was seen."""
    quantities = dict(reported.quantities)
    seen = _output(answered, model) - quantities.get("output_reasoning", 0)
    quantities["output"] = max(quantities.get("output", 0), seen)
    return msgspec.structs.replace(
        reported, quantities=quantities, estimated=("output",), method=_OUTPUT, band=_OUTPUT_BAND
    )


def _output(answered: int, model: str | None) -> int:
    return ceil(answered / 4 * methods(model)[-1].factor)
