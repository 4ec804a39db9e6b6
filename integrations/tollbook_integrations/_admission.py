"""Asking budgets before a request leaves: the only thing that may stop or change a call."""

from __future__ import annotations

import copy
from typing import Any

from tollbook.spans import Call, _gate

Json = dict[str, Any]


def admitted(call: Call) -> str | None:
    """The model that must be asked in place of the host's, or None; raises what a budget has for the host."""
    assert _gate.gate is not None
    try:
        return _gate.gate.admit(call, call.request or {})
    except BaseException:
        call.drop()
        raise


async def admitted_async(call: Call) -> str | None:
    """As `admitted`, without keeping the event loop waiting."""
    assert _gate.gate is not None
    try:
        return await _gate.gate.admit_async(call, call.request or {})
    except BaseException:
        call.drop()
        raise


def asking(model: str, args: tuple[Any, ...], kwargs: Json) -> tuple[tuple[Any, ...], Json]:
    """The arguments of a request that asks `model`."""
    options = copy.copy(args[1] if len(args) > 1 else kwargs["options"])
    options.json_data = {**options.json_data, "model": model}
    return ((args[0], options, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "options": options})
