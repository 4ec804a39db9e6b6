"""What an API is paid for: one path, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tollbook.spans import Call

Json = dict[str, Any]


class Endpoint(NamedTuple):
    """One paid path of an API."""

    name: str
    """Name of the span."""
    operation: str
    """`gen_ai.operation.name`."""
    convention: str
    """Of the usage object, in `tollbook.usage.CONVENTIONS`."""
    reader: Callable[[Call, Json], None]
    """Sees bodies and streamed events."""
    counted: Callable[[Json], dict[str, int] | None] | None = None
    """Counts what is billed by the request alone."""
    ask: bool = False
    """Whether a stream tells its usage only if `stream_options.include_usage` asks for it."""
