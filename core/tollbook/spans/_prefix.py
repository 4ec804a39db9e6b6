"""How requests begin, as short keyed hashes: only for programs that switched it on."""

from __future__ import annotations

from typing import Any

import msgspec

from tollbook import _salt
from tollbook.spans._record import Record

NAME = "prompt.prefix_hash"
"""The attribute."""

LONG = 4096
"""Characters that are hashed: about as many tokens as the shortest prompts that providers cache. Shorter ones have no
hash."""

_PARTS = ("tools", "system", "instructions", "messages", "input", "prompt")
"""What makes a prompt, in the order in which providers put it together."""

_encode = msgspec.json.Encoder(enc_hook=lambda _: None).encode


def note(record: Record, request: dict[str, Any]) -> None:
    """Put the hash of how `request` begins into its record, if it is long enough."""
    found = beginning(request)
    if found is not None:
        record.attributes = {**(record.attributes or {}), NAME: _salt.digest(found)}


def beginning(request: dict[str, Any]) -> bytes | None:
    """The first 4,096 characters of what is sent to the model; None if there are fewer."""
    text = ""
    for name in _PARTS:
        for item in _items(request.get(name)):
            text += _encode(item[:LONG] if isinstance(item, str) else item).decode("utf-8")
            if len(text) >= LONG:
                return text[:LONG].encode()
    return None


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    return [] if value is None else [value]
