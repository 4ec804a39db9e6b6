"""What may stop a call before its request leaves: nothing, until budgets put themselves here."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from tollbook.spans._call import Call


class Stop(Exception):  # noqa: N818 - what it is: the call stops here
    """Why a call must not be made: the only exception of a gate that the program gets."""


class Gate(Protocol):
    """Asked once for every call that an integration sees, before its request is sent."""

    def admit(self, call: Call) -> str | None:
        """Another model that must be asked instead; None: as it is, or the gate itself failed.

        Raises:
            Stop: The call must not be made, and has no record; the program gets this exception. There is no other.
        """
        ...

    def admit_async(self, call: Call) -> Awaitable[str | None]:
        """As `admit`, without keeping an event loop waiting."""
        ...


gate: Gate | None = None
"""None: every call may pass."""
