"""Asking budgets before a request leaves: the only thing that may stop or change a call."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from tollbook import _guard
from tollbook.spans import Call, Stop
from tollbook.spans._gate import Gate


def admitted(gate: Gate, call: Call) -> str | None:
    """The model that must be asked in place of the host's, or None; raises what a budget has for the host."""
    try:
        return gate.admit(call, call.request or {})
    except Exception as error:  # noqa: BLE001 - the guard: only what stops the call may pass
        _stopped(call, error)
        return None


async def admitted_async(gate: Gate, call: Call) -> str | None:
    """As `admitted`, without keeping the event loop waiting."""
    try:
        return await gate.admit_async(call, call.request or {})
    except asyncio.CancelledError:
        call.drop()
        raise
    except Exception as error:  # noqa: BLE001 - as above
        _stopped(call, error)
        return None


def _stopped(call: Call, error: Exception) -> None:
    """Let `error` pass if it stops the call; a mistake of ours lets the call go on."""
    if isinstance(error, Stop):
        call.drop()
        raise error
    _guard.report("tollbook.budgets.admit")


@_guard.guarded
def asking(model: str, options: Any) -> Any:
    """The options of a request that asks `model`; None if they can't be made."""
    changed = copy.copy(options)
    changed.json_data = {**options.json_data, "model": model}
    return changed
