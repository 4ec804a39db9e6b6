"""How a call or span ended."""

from __future__ import annotations


def status_of(error: BaseException) -> str:
    """The status of a call or span that ended by `error`: `timeout`, `cancelled` or `error`."""
    kind = type(error)
    if kind.__name__ in {"CancelledError", "KeyboardInterrupt", "SystemExit"}:
        return "cancelled"
    if kind.__name__ == "GeneratorExit":
        return "abandoned"
    return "timeout" if isinstance(error, TimeoutError) or "Timeout" in kind.__name__ else "error"
