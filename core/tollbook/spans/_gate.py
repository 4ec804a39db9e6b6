"""What may stop a call before its request leaves: nothing, until budgets put themselves here."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from tollbook.spans._call import Call


class Stop(Exception):  # noqa: N818 - what it is: the call stops here
    """Why a call must not be made: the only exception of a gate that the program gets."""


class Gate(Protocol):
    """Asked once for every call that an integration sees, before its request is sent."""

    def admit(self, call: Call, request: Mapping[str, Any]) -> str | None:
        """Another model that must be asked instead; None: as it is.

        Raises:
            Stop: The call must not be made; the program gets this exception.
        """
        ...

    def admit_async(self, call: Call, request: Mapping[str, Any]) -> Awaitable[str | None]:
        """As `admit`, without keeping an event loop waiting."""
        ...


gate: Gate | None = None
"""None: every call may pass."""
