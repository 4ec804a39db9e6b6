"""Records that can't be written, or read again, as they are: what is wrong with them is mended, and the call is kept.

What a server or a program puts where text is expected may be no text: an `id` that is a number or a list, characters
that UTF-8 has no bytes for. A paid call is worth more than any of these. Only what has failed comes here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollbook.spans import Record

_TEXTS = [field.name for field in msgspec.structs.fields(Record) if field.type in (str, str | None)]
_TABLES = {"context": (str,), "attribution": (str,), "attributes": (str, int, float, bool, type(None))}
"""Objects with names of the program's or the server's, and what their values may be."""


def type_name(value: object) -> str:
    """What is written for a value that JSON has no word for: never its content."""
    return type(value).__name__


_encode = msgspec.json.Encoder(enc_hook=type_name).encode


def encoded(record: Record) -> bytes:
    """`record` as JSON, with escapes in place of characters that have no UTF-8, and text in place of huge numbers."""
    return _encode(_clean(msgspec.to_builtins(record, enc_hook=type_name)))


def decoded(line: bytes) -> Record | None:
    """The record of a line of which some fields that should be text are none; None if more is wrong with it.

    Numbers become text, and what else is no text is left out.
    """
    try:
        found = msgspec.json.decode(line)
        if not isinstance(found, dict):
            return None
        fields: dict[str, Any] = found  # pyright: ignore[reportUnknownVariableType]
        for name in _TEXTS:
            if name in fields:
                _put(fields, name, fields[name], (str,))
        for name, kinds in _TABLES.items():
            if name in fields:
                _put_table(fields, name, kinds)
        return msgspec.convert(fields, Record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _put(into: dict[str, Any], name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if value.__class__ in kinds:
        return
    if value.__class__ in (int, float):
        into[name] = str(value)
    else:
        del into[name]


def _put_table(fields: dict[str, Any], name: str, kinds: tuple[type, ...]) -> None:
    table = fields[name]
    if table.__class__ is not dict:
        del fields[name]
        return
    for key, value in [*table.items()]:
        _put(table, key, value, kinds)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
